"""Files of the cache that are copied to this machine when they are needed, and removed again.

    files = LimitedFiles(source, facts, folder, limit=2 * 10**9)
    files.expect([3, 1])              # these come, or are there already; others may go
    files.read(3, rows)               # waits for the file
    files.read(7, rows)               # is not expected: these rows alone are read, where it lies

Several processes may share the folder. Each file is compared with its checksums once it is there.
"""

import contextlib
import io
import math
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from oneseed.console.amounts import describe_size
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.pixel_file import (
    DamagedCacheError,
    checked_array,
    header_of,
    read_ids,
    shape_of,
    shape_told,
)
from oneseed.dataset.pixel_layout import CacheLayout
from oneseed.files import sweep_partials, whole_file
from oneseed.locks import locked

# seconds that a process waits for another that fetches the same file
FETCH_PATIENCE = 3600.0
# times that a file is fetched which arrives damaged
FETCHES = 2
# bytes in which a file tells its shape
CACHE_HEAD_BYTES = 256


class FileSource(Protocol):
    """Where the files of a cache lie."""

    def fetch(self, name: str, path: Path) -> None:
        """Copies a file to this machine, whole or not at all."""
        ...

    def read_parts(self, name: str, starts: Sequence[int], length: int) -> Sequence[bytes]:
        """Parts of a file, each of `length` bytes."""
        ...


class StoredPixels(NamedTuple):
    """One file of the cache, as it is where it lies."""

    # in the source, and in the local folder
    name: str
    # of its array: (N, S, S) or (N, S, S, 3)
    shape: tuple[int, ...]
    # where its array begins, in bytes
    offset: int
    # of its parts; None of a file of an earlier version
    checksums: list[int] | None

    @property
    def bytes(self) -> int:
        """Of the whole file."""
        return self.offset + math.prod(self.shape)


class FolderSource(NamedTuple):
    """The files of a folder that this machine reaches, however slowly."""

    folder: Path

    def fetch(self, name: str, path: Path) -> None:
        """See FileSource."""
        with whole_file(path) as partial:
            shutil.copyfile(self.folder / name, partial)

    def read_parts(self, name: str, starts: Sequence[int], length: int) -> list[bytes]:
        """See FileSource."""
        parts = []
        with open(self.folder / name, "rb") as file:
            for start in starts:
                file.seek(start)
                parts.append(file.read(length))
        return parts


def stored_files(
    collection: Collection, size: int, source: FileSource
) -> tuple[list[StoredPixels], list[str]]:
    """The files of a collection's cache, and the ids of their rows.

    The notes beside the files are read from the collection's folder, the pixels from the source.
    DamagedCacheError where the notes are damaged.
    """
    layout = CacheLayout.read(collection, size)
    if layout is None:
        path = collection.pixels(size)
        (head,) = source.read_parts(path.name, [0], CACHE_HEAD_BYTES)
        shape = shape_told(io.BytesIO(head))
        if shape[1:3] != (size, size):
            raise DamagedCacheError(f"damaged (its pictures are not of {size} px)")
        ids, checksums = read_ids(collection.pixels_ids(size), shape[0])
        return [StoredPixels(path.name, shape, len(header_of(shape)), checksums)], ids
    files = []
    ids = []
    for number, rows in enumerate(layout.rows, 1):
        path, ids_path = collection.pixels_part(size, number)
        file_ids, checksums = read_ids(ids_path, rows)
        shape = (rows, *layout.picture_shape)
        files.append(StoredPixels(path.name, shape, len(header_of(shape)), checksums))
        ids += file_ids
    return files, layout.unique(ids)


class LimitedFiles:
    """A FileReader (see pixel_array) over files that lie elsewhere, with copies of some of them."""

    def __init__(
        self, source: FileSource, files: Sequence[StoredPixels], folder: Path, limit: int = 0
    ) -> None:
        """folder: of the copies, theirs alone. limit: of their bytes; 0: none.

        UserError where the limit holds no file.
        """
        self.source: FileSource = source
        self.files: Sequence[StoredPixels] = files
        self.folder: Path = folder
        self.limit: int = limit or sum(file.bytes for file in files)
        largest = max(file.bytes for file in files)
        # how many files fit
        self.room: int = min(len(files), self.limit // largest)
        if not self.room:
            raise UserError(
                f"--cache-limit {describe_size(limit)} holds no file of the cache, of "
                f"{describe_size(largest)} each; give it that at least, or prepare the pictures "
                "again with a smaller --cache-file"
            )
        self.fetched: int = 0
        self.expected: list[int] = []
        self.maps: dict[int, np.ndarray] = {}
        self.failure: BaseException | None = None
        self.changed: threading.Condition = threading.Condition()
        self.thread: threading.Thread | None = None
        folder.mkdir(parents=True, exist_ok=True)
        sweep_partials(folder)

    @property
    def is_limited(self) -> bool:
        """Whether some files have to go for others to come."""
        return self.room < len(self.files)

    def expect(self, numbers: Sequence[int]) -> None:
        """Says which files are read next, in this order; they are fetched as far as they fit."""
        with self.changed:
            self.expected = list(numbers[: self.room])
            expected = set(self.expected)
            self.maps = {number: self.maps[number] for number in self.maps if number in expected}
            missing = any(number not in self.maps for number in self.expected)
            if missing and self.failure is None and self.thread is None:
                self.thread = threading.Thread(target=self.fetch_expected, daemon=True)
                self.thread.start()

    def read(self, number: int, rows: np.ndarray) -> np.ndarray:
        """The pictures of some rows (M,) of one file, counted from 0: uint8 (M, ...).

        UserError where they cannot be fetched.
        """
        with self.changed:
            while number in self.expected and number not in self.maps:
                if self.failure is not None:
                    raise self.failure
                self.changed.wait()
            array = self.maps.get(number)
        if array is not None:
            return array[rows]
        file = self.files[number]
        picture_bytes = math.prod(file.shape[1:])
        starts = [file.offset + picture_bytes * row for row in rows.tolist()]
        parts = self.source.read_parts(file.name, starts, picture_bytes)
        pixels = np.frombuffer(b"".join(parts), np.uint8)
        return pixels.reshape(len(rows), *file.shape[1:])

    def fetch_expected(self) -> None:
        """Fetches what is expected, one file after another, until nothing is missing."""
        while True:
            with self.changed:
                missing = [number for number in self.expected if number not in self.maps]
                if not missing or self.failure is not None:
                    self.thread = None
                    return
            try:
                array = self.local_array(missing[0])
            # whoever waits for the file raises it
            except BaseException as error:
                with self.changed:
                    self.failure = error
                    self.thread = None
                    self.changed.notify_all()
                return
            with self.changed:
                self.maps[missing[0]] = array
                self.changed.notify_all()

    def local_array(self, number: int) -> np.ndarray:
        """The array of a file, mapped from this machine; fetched where it is not there."""
        file = self.files[number]
        path = self.folder / file.name
        what = f"{path} (it is being fetched)"
        remedy = "wait until that run has fetched it, and run the same command again"
        with locked(self.folder, file.name, what=what, remedy=remedy, wait=FETCH_PATIENCE):
            for fetches_left in reversed(range(FETCHES + 1)):
                with contextlib.suppress(OSError, DamagedCacheError), open(path, "rb") as opened:
                    if shape_of(opened) == file.shape and opened.tell() == file.offset:
                        return checked_array(opened, file.shape, file.checksums)
                path.unlink(missing_ok=True)
                if fetches_left:
                    self.make_room(file.bytes)
                    self.source.fetch(file.name, path)
                    self.fetched += 1
        raise UserError(
            f"{file.name} arrives damaged: its pixels are not those that were written; prepare the "
            "pictures again, where they lie",
            code=1,
        )

    def make_room(self, wanted: int) -> None:
        """Removes files that are not expected, the oldest first, until so many bytes fit."""
        with self.changed:
            kept = {self.files[number].name for number in self.expected}
        found = []
        for entry in os.scandir(self.folder):
            if entry.name.endswith(".npy") and not entry.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    state = entry.stat(follow_symlinks=False)
                    found.append((state.st_mtime, state.st_size, entry.name))
        used = sum(size for _, size, _ in found)
        for _, size, name in sorted(found):
            if used + wanted <= self.limit:
                return
            if name not in kept:
                (self.folder / name).unlink(missing_ok=True)
                used -= size
