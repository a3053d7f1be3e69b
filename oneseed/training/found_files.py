"""What a run finds where its files belong: nothing of another program is written over.

A folder of checkpoints may hold what somebody else put there under our names. Such a file is named
with a way on, before the first step.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import read_json
from oneseed.model import checkpoint
from oneseed.model.checkpoint_facts import read_facts
from oneseed.tensor_files import read_tensor_file
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
# copies of the model, as a run names them
EPOCH_NAME = re.compile(r"checkpoint_epoch_\d{3,}\.pt")


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
    """UserError where a new run would write over, or remove, what another program wrote."""
    checks: dict[str, Callable[[Path], bool]] = {
        "best_model.pt": is_own_model,
        "metrics.json": is_own_metrics,
        "checksums.json": is_own_list,
        "last_fit.pt": is_own_fit,
    }
    copies = [path.name for path in sorted(folder.glob("checkpoint_epoch_*.pt"))]
    checks |= {name: is_own_copy for name in copies if EPOCH_NAME.fullmatch(name)}
    for name, is_own in checks.items():
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


def is_own_copy(path: Path) -> bool:
    """Whether a file says that it holds a model of this program.

    Its weights are not read: there may be many such files, and large ones.
    """
    try:
        state = read_tensor_file(path, mmap=True)
        read_facts(state.get("_extra_state") if isinstance(state, dict) else None)
    except UserError:
        return False
    return True


def is_own_fit(path: Path) -> bool:
    """Whether a file holds the fit of a prior, of whichever run."""
    try:
        state = read_tensor_file(path, mmap=True)
    except UserError:
        return False
    return isinstance(state, dict) and isinstance(state.get("of"), list)


def is_own_list(path: Path) -> bool:
    """Whether a file is a list of checksums as checkpoints are saved with it."""
    try:
        return read_json(path) == checkpoint.read_checksums(path)
    except UserError:
        return False


def is_own_metrics(path: Path) -> bool:
    """Whether a file holds the rows of a run's epochs."""
    try:
        rows = read_json(path)
    except UserError:
        return False
    return isinstance(rows, list) and all(map(is_epoch_row, rows))
