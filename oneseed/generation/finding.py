"""--find: which pictures, captions, seeds or training pictures fit a prompt or a picture best."""

import json
from pathlib import Path

import torch
from PIL import Image

from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.generation import index
from oneseed.generation.cards import open_picture
from oneseed.generation.generator import MultimodalGenerator, check_prompt
from oneseed.generation.reading import PICTURES_AT_ONCE
from oneseed.generation.rendering import save_sheet
from oneseed.workers import chunks

# Lines that are printed, and pictures on the sheet.
FOUND = 10
# Of the pictures in a folder.
FOLDER_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def find(generator: MultimodalGenerator, config: InferenceConfig) -> None:
    """--find: prints what fits best, and writes the pictures found as one sheet."""
    assert config.find is not None, "nothing is looked for"
    picture = open_picture(config.image) if config.image else None
    if config.find == "training":
        assert picture is not None, "--find training needs a picture"
        show_training(generator, config, picture)
    elif config.find == "seeds":
        show_seeds(generator, config, picture)
    elif picture:
        show_captions(generator, Path(config.find), picture)
    else:
        show_pictures(generator, config)


def show_captions(generator: MultimodalGenerator, path: Path, picture: Image.Image) -> None:
    """Prints the captions of a .jsonl file that fit the picture best."""
    try:
        lines = path.read_text("utf-8").splitlines()
        captions = sorted({json.loads(line)["caption"] for line in lines if line.strip()})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no file of captions, one JSON object a line ({type(error).__name__}); "
            "try data/captions/builtin_val.jsonl"
        ) from error
    cosines = generator.similarity([picture], captions)[0]  # (M,)
    for i in cosines.argsort(descending=True, stable=True)[:FOUND].tolist():
        print(f"{cosines[i]:6.3f}  {captions[i]}")


def show_pictures(generator: MultimodalGenerator, config: InferenceConfig) -> None:
    """Prints and shows the pictures of a folder that fit the prompt best."""
    prompt = config.prompt or ""
    folder = Path(config.find or "")
    check_prompt(prompt)
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in FOLDER_SUFFIXES)
    if not paths:
        raise UserError(
            f"{folder} holds no pictures; name a folder such as data/processed/builtin/resized"
        )
    parts = []
    for batch in progress(chunks(paths, PICTURES_AT_ONCE), label="looking", unit="batch"):
        pictures = [open_picture(path) for path in batch]
        parts.append(generator.similarity(pictures, [prompt])[:, 0])
    cosines = torch.cat(parts)  # (N,)
    best = cosines.argsort(descending=True, stable=True)[:FOUND].tolist()
    for i in best:
        print(f"{cosines[i]:6.3f}  {paths[i].as_posix()}")
    sheet = Path(config.out) / "found.png"
    pairs = [(open_picture(paths[i]), paths[i].name) for i in best]
    save_sheet(sheet, pairs, [f"{cosines[i]:.3f}" for i in best])
    print(f"the best as one picture: {sheet.as_posix()}")


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
        path = folder / row["filename"]
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
    found = generator.find_seeds(config.prompt, picture)
    for row in found:
        print(f"{row['score']:6.3f}  seed {row['seed']:<10}  {row['caption']}")
    seeds = [row["seed"] for row in found]
    sheet = Path(config.out) / "found.png"
    save_sheet(sheet, generator.generate_batch(seeds), seeds)
    print(
        f"the best as one picture: {sheet.as_posix()}; "
        f"a pair: python inference.py --seeds {seeds[0]}"
    )
