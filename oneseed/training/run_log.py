"""What a run prints, kept beside its files; of several processes only the first speaks."""

import contextlib
import itertools
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TextIO

from oneseed.training import distributed


def move_aside(files: Iterable[Path], folder: Path) -> Path:
    """Moves files to a folder within theirs, the first of previous, previous-2, … that is free.

    Returns that folder. Nothing is replaced: what lies there may be a run of hours.
    """
    names = itertools.chain(["previous"], (f"previous-{number}" for number in itertools.count(2)))
    place = next(folder / name for name in names if not (folder / name).exists())
    place.mkdir()
    for path in files:
        path.rename(place / path.name)
    return place


class RunLog:
    """The log of a run's folder.

    with RunLog(Path("checkpoints")).open_log():
        ...
    """

    def __init__(self, path: Path) -> None:
        """path: of the folder; it is made when something is logged."""
        self.path = path
        self.log_file: TextIO | None = None

    @contextlib.contextmanager
    def open_log(self) -> Generator[None]:
        """Within the block, what is logged also goes to training.log."""
        if not distributed.is_first():
            yield
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / "training.log", "a", encoding="utf-8") as self.log_file:
            try:
                yield
            finally:
                self.log_file = None

    def log(self, line: str) -> None:
        """Print a line, and append it to training.log where that is open."""
        if not distributed.is_first():
            return
        print(line, flush=True)
        if self.log_file is not None:
            print(line, file=self.log_file, flush=True)
