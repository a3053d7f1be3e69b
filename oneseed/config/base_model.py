"""The base model: a small one that travels with the repository, where "base" names a checkpoint.

The word alone names it, whatever lies in the current folder. A file of that name is ./base, in
Python also Path("base"). A checkpoint is also named by a folder that save_pretrained wrote, or as
hub:owner/name.
"""

from pathlib import Path

from oneseed.hub_models import WEIGHTS_FILE, hub_name, is_model_folder, is_on_hub, named_folder

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
    """Where a checkpoint lies; "base" is the base model's file, a folder that of its weights.

    One on the Hub is fetched; UserError where it cannot be had.
    """
    if is_base(checkpoint):
        return BASE_FILE
    path = named_folder(str(checkpoint)) if is_on_hub(checkpoint) else Path(checkpoint)
    return path / WEIGHTS_FILE if is_model_folder(path) else path


def checkpoint_name(checkpoint: str | Path) -> str:
    """What a checkpoint is called in sentences, commands and on cards, with / between folders.

    checkpoint: as somebody names it, or what checkpoint_file makes of that.
    """
    if is_on_hub(checkpoint):
        return str(checkpoint)
    file = checkpoint_file(checkpoint)
    if file == BASE_FILE:
        return BASE
    name = hub_name(file) or file.as_posix()
    return f"./{name}" if name in (BASE, NO_INIT) else name
