"""The base model: a small one that travels with the repository, where "base" names a checkpoint.

The word alone names it, whatever lies in the current folder. A file of that name is ./base, in
Python also Path("base").
"""

from pathlib import Path

BASE = "base"
# of --init: begin with no other weights
NO_INIT = "none"
BASE_FILE = Path(__file__).resolve().parents[2] / "samples" / "base" / "model.safetensors"
# of the base model, where its file cannot be asked
BASE_PRESET = "small"


def is_base(checkpoint: str | Path) -> bool:
    """Whether a checkpoint is named by the word "base" alone."""
    return isinstance(checkpoint, str) and checkpoint == BASE


def has_base() -> bool:
    """Whether the base model is there; a copy of the package alone lacks it."""
    return BASE_FILE.exists()


def checkpoint_file(checkpoint: str | Path) -> Path:
    """Where a checkpoint lies; "base" is the base model's file."""
    return BASE_FILE if is_base(checkpoint) else Path(checkpoint)


def checkpoint_name(checkpoint: str | Path) -> str:
    """What a checkpoint is called in sentences, commands and on cards, with / between folders.

    checkpoint: as somebody names it, or what checkpoint_file makes of that.
    """
    file = checkpoint_file(checkpoint)
    if file == BASE_FILE:
        return BASE
    name = file.as_posix()
    return f"./{name}" if name in (BASE, NO_INIT) else name
