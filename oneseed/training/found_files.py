"""What a run finds where its files belong: nothing of another program is written over.

A folder of checkpoints may hold what somebody else put there under our names. Such a file is named
with a way on, before the first step.
"""

import os
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import read_json
from oneseed.model import checkpoint
from oneseed.model.checkpoint_facts import read_facts
from oneseed.training.saved_state import is_epoch_row

# files that a run writes; it has folders of its own beside them
WRITTEN = (
    "last.pt",
    "last_but_one.pt",
    "last_fit.pt",
    "best_model.pt",
    "metrics.json",
    "checksums.json",
    "training.log",
)


def way_on(folder: Path) -> str:
    """What to do with a file that is in the way, as the end of a sentence."""
    return (
        "use --checkpoints DIR for another folder, or --fresh to begin anew "
        f"(what is in this one then moves to {folder.as_posix()}/previous/)"
    )


def require_places(folder: Path) -> None:
    """UserError where a folder, a pipe or the like stands where a run writes a file."""
    copies = sorted(folder.glob("checkpoint_epoch_*.pt"))
    for path in [*(folder / name for name in WRITTEN), *copies]:
        if os.path.exists(path) and not path.is_file():
            kind = "a folder" if path.is_dir() else "a pipe or a device"
            raise UserError(
                f"{path} is {kind}, and training writes a file of this name: {way_on(folder)}"
            )
    events = folder / "tensorboard"
    if os.path.exists(events) and not events.is_dir():
        raise UserError(
            f"{events} is a file, and training writes into a folder of this name: {way_on(folder)}"
        )


def require_own_files(folder: Path) -> None:
    """UserError where a new run would write over what another program wrote."""
    for name, is_own in (("best_model.pt", is_own_model), ("metrics.json", is_own_metrics)):
        path = folder / name
        if path.exists() and not is_own(path):
            raise UserError(
                f"{path} is damaged or of another program, and training would write over it: "
                f"{way_on(folder)}"
            )


def is_own_model(path: Path) -> bool:
    """Whether a file holds a model of this program."""
    try:
        read_facts(checkpoint.load(path).get("_extra_state"))
    except UserError:
        return False
    return True


def is_own_metrics(path: Path) -> bool:
    """Whether a file holds the rows of a run's epochs."""
    try:
        rows = read_json(path)
    except UserError:
        return False
    return isinstance(rows, list) and all(map(is_epoch_row, rows))
