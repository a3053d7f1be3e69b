"""The folder of what visitors upload and what is drawn for them: it stays small.

Gradio limits one file, not all of them. Here the oldest are thrown away before there are too many;
none lives longer than an hour.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MIB = 2**20
# of all files together, those being received included
MOST_BYTES = 160 * MIB
MOST_FILES = 4000
# seconds
LIFETIME = 3600
# seconds between two looks that nobody asked for
PAUSE = 5.0


@dataclass(frozen=True)
class StoredFile:
    """A file, and what decides whether it stays. written: seconds since 1970."""

    path: str
    size: int
    written: float


def files_below(folder: str | Path) -> Iterator[StoredFile]:
    """Every file below the folder; what vanishes meanwhile is left out."""
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            with contextlib.suppress(OSError):
                facts = os.lstat(path)
                yield StoredFile(path, facts.st_size, facts.st_mtime)


@dataclass
class Storage:
    """Keeps a folder within its limits. Its methods may be called from any thread."""

    folder: Path
    most_bytes: int = MOST_BYTES
    most_files: int = MOST_FILES
    # seconds
    lifetime: float = LIFETIME
    # told the paths of files that were thrown away
    forget: Callable[[set[str]], None] | None = None
    # bytes of files that are being received
    reserved: int = field(default=0, init=False)
    looked: float = field(default=0.0, init=False)
    lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @contextlib.contextmanager
    def room_for(self, size: int) -> Generator[None]:
        """Within the block, so many bytes more may be written."""
        with self.lock:
            self.reserved += size
        try:
            self.tidy()
            yield
        finally:
            with self.lock:
                self.reserved -= size

    def is_due(self) -> bool:
        """Is it time for another look?"""
        return time.monotonic() - self.looked >= PAUSE

    def tidy(self) -> None:
        """Throws away what is too old, and the oldest of what is too much."""
        with self.lock:
            self.looked = time.monotonic()
            files = sorted(files_below(self.folder), key=lambda file: file.written, reverse=True)
            begin = time.time() - self.lifetime
            held = self.reserved
            gone = set()
            for number, file in enumerate(files):
                held += file.size
                if held > self.most_bytes or number >= self.most_files or file.written < begin:
                    self.remove(file.path)
                    gone.add(file.path)
                    held -= file.size
        if gone and self.forget:
            self.forget(gone)

    def remove(self, path: str) -> None:
        """Deletes a file, and its folder where that is empty then."""
        with contextlib.suppress(OSError):
            os.remove(path)
            if Path(path).parent != self.folder:
                os.rmdir(os.path.dirname(path))
