"""The uint8 cache of a collection's pictures."""

import contextlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row, read_json
from oneseed.files import whole_file, write_text
from oneseed.workers import Workers, chunks

# pictures that a worker process writes at a time
PICTURES_PER_TASK = 64


class CacheTask(NamedTuple):
    """Pictures that follow one another in the cache, for a worker process."""

    paths: list[Path]
    cache: Path
    # where the first picture begins in the cache file, in bytes
    offset: int
    # of Pillow: "L" or "RGB"
    mode: str


def write_cache_part(task: CacheTask) -> None:
    """Writes the pictures into their place; a memory map of the file would count as memory."""
    with open(task.cache, "r+b") as file:
        file.seek(task.offset)
        for path in task.paths:
            with Image.open(path) as image:
                file.write(image.convert(task.mode).tobytes())


def write_pixels(records: list[Row], collection: Collection, size: int, workers: Workers) -> None:
    """Writes the prepared pictures as one uint8 array, and the ids of its rows.

    The array is (N, size, size) where all pictures are grey, else (N, size, size, 3). Nothing is
    written where the files hold these records already.
    """
    path = collection.pixels(size)
    ids_path = collection.pixels_ids(size)
    grey = all(record["grey"] for record in records)
    shape = (len(records), size, size) if grey else (len(records), size, size, 3)
    ids = {"size": size, "ids": [record["id"] for record in records]}
    with contextlib.suppress(OSError, ValueError, UserError):
        stored = np.load(path, mmap_mode="r")
        if read_json(ids_path) == ids and stored.shape == shape and stored.dtype == np.uint8:
            return
    # New pixels beside old ids would pair pictures with wrong captions.
    ids_path.unlink(missing_ok=True)

    pictures = [collection.resized / record["filename"] for record in records]
    picture_bytes = math.prod(shape[1:])
    with whole_file(path) as partial, progress(label="caching", total=len(records)) as bar:
        with open(partial, "wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            offset = file.tell()
            file.truncate(offset + picture_bytes * len(records))
        tasks = []
        for paths in chunks(pictures, PICTURES_PER_TASK):
            tasks.append(CacheTask(paths, partial, offset, "L" if grey else "RGB"))
            offset += picture_bytes * len(paths)
        for task, _ in workers.each(write_cache_part, tasks):
            bar.update(len(task.paths))
    write_text(ids_path, json.dumps(ids))


class PixelCache:
    """The prepared pictures of a collection at one size: a uint8 array on disk, its rows by id.

    array: (N, S, S) where all are grey, else (N, S, S, 3), memory-mapped: only what is used is
    read.
    """

    def __init__(self, path: Path) -> None:
        """path: that of the array; its rows' ids stand beside it. UserError where unreadable."""
        self.array: np.ndarray = np.load(path, mmap_mode="r")
        ids = read_json(path.with_suffix(".json"))["ids"]
        self.row_of: dict[str, int] = {picture_id: row for row, picture_id in enumerate(ids)}

    @classmethod
    def of(cls, collection: Collection, size: int) -> "PixelCache | None":
        """The collection's cache at this size, None where it is not on this machine."""
        path = collection.pixels(size)
        if not (path.exists() and collection.pixels_ids(size).exists()):
            return None
        return cls(path)

    def __contains__(self, picture_id: str) -> bool:
        return picture_id in self.row_of

    def rows(self, ids: Iterable[str]) -> list[int]:
        """Ids -> their rows of the array. KeyError for an id that has none."""
        return [self.row_of[picture_id] for picture_id in ids]

    def pictures(self, ids: Iterable[str]) -> np.ndarray:
        """Ids -> their pictures in that order, uint8 (M, S, S) or (M, S, S, 3)."""
        return self.array[self.rows(ids)]


def training_pixels(collection: Collection, size: int, rows: Iterable[Row]) -> np.ndarray | None:
    """The pictures of the rows as far as they are cached, in the order of the rows.

    uint8 (M, size, size) or (M, size, size, 3); None where there are none on this machine.
    """
    cache = PixelCache.of(collection, size)
    if cache is None:
        return None
    cached = cache.rows(row["id"] for row in rows if row["id"] in cache)
    return cache.array[cached] if cached else None
