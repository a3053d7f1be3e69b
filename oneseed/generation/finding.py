"""--find: which pictures, captions, seeds or training pictures fit a prompt or a picture best."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.console.output import printable, progress
from oneseed.dataset.commands import draw_command
from oneseed.file_names import named_file
from oneseed.generation import index
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.pictures import open_picture, square_inside
from oneseed.generation.reading import PICTURES_AT_ONCE
from oneseed.generation.rendering import save_sheet
from oneseed.media.decoding import UnusablePictureError
from oneseed.model.caption_source import SOURCE_WORDS
from oneseed.sources.annotations import list_files
from oneseed.sources.caption_texts import read_caption_texts
from oneseed.sources.rejections import Rejection, describe_rejection, lines_of, rejection
from oneseed.sources.walking import walk_folder
from oneseed.workers import chunks

# Lines that are printed, and pictures on the sheet.
FOUND = 10
# What a message about a folder ends with.
OTHER_FOLDER = "name a folder of pictures, such as data/processed/builtin/resized"


def find(generator: MultimodalGenerator, config: InferenceConfig) -> None:
    """--find: prints what fits best, and writes the pictures found as one sheet."""
    assert config.find is not None, "nothing is looked for"
    if config.find == "training":
        show_training(generator, config, open_picture(config.image or "", generator.square))
    elif config.find == "seeds":
        square = generator.square
        show_seeds(generator, config, open_picture(config.image, square) if config.image else None)
    elif config.image:
        show_captions(generator, config)
    else:
        show_pictures(generator, config)


def show_captions(generator: MultimodalGenerator, config: InferenceConfig) -> None:
    """Prints the captions of a file or folder that fit --image best."""
    picture = open_picture(config.image or "", generator.square)
    found = read_caption_texts(Path(config.find or ""), Path(config.data))
    cosines = generator.similarity([picture], found.texts)[0]  # (M,)
    for i in cosines.argsort(descending=True, stable=True)[:FOUND].tolist():
        print(f"{cosines[i]:6.3f}  {printable(found.texts[i])}")
    print_lost(found.lost)


def show_pictures(generator: MultimodalGenerator, config: InferenceConfig) -> None:
    """Prints and shows the pictures of a folder that fit the prompt best."""
    prompt = generator.read_prompt(config.prompt or "", config.style).text
    folder = Path(config.find or "")
    listed = list_pictures(folder, Path(config.data))
    if not listed.paths:
        raise UserError(f"{folder} holds no pictures; {OTHER_FOLDER}")
    ranked = rank_pictures(generator, folder, listed.paths, prompt)
    if not ranked.paths:
        raise UserError(
            f"none of the {len(listed.paths):,} pictures in {folder} can be read "
            f"(such as {describe_rejection(ranked.lost[0])}); {OTHER_FOLDER}"
        )
    best = ranked.cosines.argsort(descending=True, stable=True)[:FOUND].tolist()
    paths = [folder / ranked.paths[i] for i in best]
    scores = [f"{ranked.cosines[i]:.3f}" for i in best]
    for path, score in zip(paths, scores):
        print(f"{score:>6}  {printable(path.as_posix())}")
    print_lost(listed.lost + ranked.lost)
    sheet = Path(config.out) / "found.png"
    save_sheet(
        sheet,
        [(open_picture(path, generator.square), printable(path.name)) for path in paths],
        scores,
    )
    print(f"the best as one picture: {sheet.as_posix()}")


class Listed(NamedTuple):
    """paths: of pictures, from the folder on. lost: what could not be listed, with reasons."""

    paths: list[str]
    lost: list[Rejection]


def list_pictures(folder: Path, data: Path) -> Listed:
    """The pictures that preparing would find in a folder, in the order of their paths.

    data: our own folder, which is passed over. UserError where there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder, so it cannot be searched; {OTHER_FOLDER}")
    walked = walk_folder(folder, data.resolve())
    states = list_files(folder, walked.files)
    return Listed(sorted(path for path, state in states.items() if state), walked.lost)


class Ranked(NamedTuple):
    """Pictures that could be read, and how well each fits; lost: the others, with reasons."""

    paths: list[str]
    # (N,)
    cosines: torch.Tensor
    lost: list[Rejection]


def rank_pictures(
    generator: MultimodalGenerator, folder: Path, paths: Sequence[str], prompt: str
) -> Ranked:
    """How well each of the pictures below the folder fits the prompt."""
    used: list[str] = []
    lost: list[Rejection] = []
    parts = [torch.empty(0)]
    for batch in progress(chunks(paths, PICTURES_AT_ONCE), label="looking", unit="batch"):
        squares = []
        for path in batch:
            try:
                squares.append(square_inside(folder / path, generator.square))
            except UnusablePictureError as error:
                lost.append(rejection(path, str(error), file=path))
            else:
                used.append(path)
        if squares:
            parts.append(generator.similarity(squares, [prompt])[:, 0])
    return Ranked(used, torch.cat(parts), lost)


def print_lost(lost: Sequence[Rejection]) -> None:
    """Names what was passed over."""
    if lost:
        print(f"not searched: {len(lost):,}")
    for line in lines_of(lost, "like these"):
        print(f"  {line}")


def show_training(
    generator: MultimodalGenerator, config: InferenceConfig, picture: Image.Image
) -> None:
    """Prints and shows the training pictures that are nearest to the picture."""
    (found,) = generator.nearest_training([picture], FOUND)
    for row in found:
        remark = "   TOO NEAR: nearer than held-out pictures come" if row["memorised"] else ""
        print(f"{row['distance']:6.3f}  {row['id']}  {row['caption']}{remark}")
    folder = index.training_folder(generator, config.data)
    pairs = []
    titles = []
    for row in found:
        path = named_file(folder, row["filename"], index.index_path(generator, "training"))
        if path.exists():
            pairs.append((open_picture(path), row["caption"]))
            titles.append(f"{row['distance']:.3f}")
    if pairs:
        sheet = Path(config.out) / "found.png"
        save_sheet(sheet, pairs, titles)
        print(f"the best as one picture: {sheet.as_posix()}")


def show_seeds(
    generator: MultimodalGenerator, config: InferenceConfig, picture: Image.Image | None
) -> None:
    """Prints and shows the indexed seeds that fit the picture or the prompt best."""
    if picture is None:
        words = generator.read_prompt(config.prompt or "", config.style).text
        found = index.find_seeds(generator, generator.caption_features([words]))
    else:
        found = generator.find_seeds(image=picture)
    for row in found:
        print(f"{row['score']:6.3f}  seed {row['seed']:<10}  {row['caption']}")
    seeds = [row["seed"] for row in found]
    sheet = Path(config.out) / "found.png"
    note = SOURCE_WORDS[generator.caption_source].sheet
    save_sheet(sheet, generator.generate_batch(seeds), seeds, note=note)
    print(
        f"the best as one picture: {sheet.as_posix()}; "
        f"a pair: {draw_command(generator.checkpoint, f'--seeds {seeds[0]}')}"
    )
