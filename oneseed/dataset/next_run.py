"""The training commands that work now: of the prepared size, in a folder that is free for it."""

from pathlib import Path
from typing import NamedTuple

from oneseed.config.base_model import BASE, checkpoint_file, checkpoint_name, has_base
from oneseed.config.finetuning import FinetuningConfig
from oneseed.console.command import UserError
from oneseed.dataset.caption_ways import first_options
from oneseed.dataset.code_texts import medium_of_rows
from oneseed.dataset.collection import Collection, prepared_styles
from oneseed.dataset.commands import (
    BEST_MODEL,
    DEFAULT_CHECKPOINTS,
    DEFAULT_DATA,
    caption_command,
    flag,
    prepare_command,
    size_flags,
    teach_command,
    train_command,
)
from oneseed.dataset.jsonl import Row
from oneseed.file_names import safe_name
from oneseed.media.kinds import PICTURE

# what brings the base model back
RESTORE_COMMAND = "git checkout -- samples/base"


class RunFacts(NamedTuple):
    """Which pairs the run of a folder learns from."""

    style: str
    # training pairs
    samples: int
    # pictures alone, without captions
    is_wordless: bool


def next_training(
    collection: Collection,
    samples: int,
    *,
    wordless: bool = False,
    changed: bool = False,
    options: str = "",
) -> str:
    """The command that trains on a collection, typed as it stands.

    A run on other pictures, such as that of `make demo`, keeps its folder; an earlier one on these
    begins anew where the pairs are others. samples: training pairs. changed: have captions changed?
    options: further ones, as they are typed.
    """
    folder = Path(DEFAULT_CHECKPOINTS)
    found = run_facts(folder)
    if found and found.style != collection.style:
        folder = folder / safe_name(collection.style)
        found = run_facts(folder)
    size = collection.prepared_size()
    flags = [
        size_flags(size, collection.prepared_preset()) if size else "",
        flag("checkpoints", folder, DEFAULT_CHECKPOINTS),
        options,
    ]
    pairs = RunFacts(collection.style, samples, wordless)
    if changed or (found and found != pairs):
        flags.append("--fresh")
    return train_command(collection.style, " ".join(filter(None, flags)), collection.data)


def next_teaching(collection: Collection, rows: list[Row]) -> list[str]:
    """The commands that teach a captioner on a collection's pairs, one after another.

    rows: of the metadata. Pairs that are not dealt with their captions yet come first. [] of
    sounds, which no captioner looks at.
    """
    if medium_of_rows(rows) != PICTURE:
        return []
    style, data = collection.style, collection.data
    dealing = []
    if not (collection.train.exists() and collection.val.exists()) or collection.is_wordless():
        dealing = [caption_command(style, data, first_options(rows))]
    folder = FinetuningConfig.checkpoints
    return [
        *dealing,
        teach_command(style, "--estimate", data),
        teach_command(style, data=data),
        caption_command(style, data, f"--captioner {folder} --recaption"),
    ]


def missing_checkpoint(
    path: str | Path, data: str | Path = DEFAULT_DATA, *, option: str = "checkpoint"
) -> str:
    """The sentence for a checkpoint that is not there: what makes it, or another that is there.

    option: the flag that named it, without its hyphens.
    """
    name = checkpoint_name(path)
    if name == BASE:
        return (
            f"the base model, {checkpoint_file(BASE).as_posix()}, is missing; it comes with the "
            f"repository: {RESTORE_COMMAND}"
        )
    path = Path(path)
    runs = [*Path().glob(f"{DEFAULT_CHECKPOINTS}*"), *Path(DEFAULT_CHECKPOINTS).glob("*")]
    found = [run / BEST_MODEL for run in runs if run.name != "previous"]
    others = sorted(other for other in found if other.exists())
    named = ", ".join(flag(option, checkpoint_name(other)) for other in others)
    instead = f"; or name one that is there: {named}" if named else ""
    if has_base():
        instead += f"; or take the base model: --{option} {BASE}"
    return f"{name} is missing; make it with: {ways_to_model(path, data)}{instead}"


def ways_to_model(path: str | Path, data: str | Path = DEFAULT_DATA) -> str:
    """The command that comes next on the way to a checkpoint, and where all begins make demo."""
    command = model_command(Path(path), data)
    return command if prepared_styles(data) else f"make demo, or {command}"


def require_checkpoint(path: str | Path, data: str | Path) -> None:
    """UserError where the checkpoint is not there; it names the command that comes next."""
    if not checkpoint_file(path).exists():
        raise UserError(missing_checkpoint(path, data))


def model_command(path: Path, data: str | Path = DEFAULT_DATA) -> str:
    """The command that comes next on the way to a checkpoint: it prepares, deals, or trains."""
    collections = [Collection(style, data) for style in prepared_styles(data)]
    for collection in collections:
        if collection.train.exists() and collection.val.exists():
            samples = sum(1 for _ in collection.each_pair(collection.train))
            command = next_training(collection, samples, wordless=collection.is_wordless())
            folder = flag("checkpoints", path.parent, DEFAULT_CHECKPOINTS)
            is_best = path.name == BEST_MODEL and folder and "--checkpoints" not in command
            return f"{command} {folder}" if is_best else command
    for collection in collections:
        return collection.deal_command(collection.read_metadata())
    return prepare_command("builtin", data, "--preset small")


def run_facts(folder: Path) -> RunFacts | None:
    """What the run of this folder learns from; None where there is none, or none that is whole."""
    path = folder / "last.pt"
    if not path.exists():
        return None
    # torch comes with it
    from oneseed.tensor_files import UnusableFileError, json_of_tensor, read_tensor_file

    try:
        saved = read_tensor_file(path, mmap=True)
        state = json_of_tensor(saved["model"]["_extra_state"])
        is_wordless = state["meta"].get("caption_source") == "none"
    except (UnusableFileError, KeyError, TypeError, AttributeError, IndexError, OSError):
        # The training command itself says what is wrong.
        return None
    style = saved.get("style")
    samples = saved.get("samples")
    is_whole = isinstance(style, str) and type(samples) is int
    return RunFacts(style, samples, is_wordless) if is_whole else None
