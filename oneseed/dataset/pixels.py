"""The uint8 cache of a collection's pictures."""

import contextlib
import json
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import read_json
from oneseed.files import whole_file, write_text


def cache_chunk(task):
    """Some prepared pictures, one after another, into their place of the cache; a map of the file would count as memory."""
    paths, cache, place, mode = task
    with open(cache, "r+b") as file:
        file.seek(place)
        for path in paths:
            with Image.open(path) as image:
                file.write(image.convert(mode).tobytes())


def write_pixels(records, collection, size, workers):
    """The prepared pictures as one uint8 array, (N, size, size) where all are grey, else (N, size, size, 3), and the ids of its rows."""
    path = collection.pixels(size)
    ids_path = collection.pixels_ids(size)
    shape = (
        (len(records), size, size)
        if all(record["grey"] for record in records)
        else (len(records), size, size, 3)
    )
    ids = {"size": size, "ids": [record["id"] for record in records]}
    with contextlib.suppress(OSError, ValueError, UserError):
        stored = np.load(path, mmap_mode="r")
        if read_json(ids_path) == ids and stored.shape == shape and stored.dtype == np.uint8:
            return
    # new pixels beside old ids would pair pictures with wrong captions
    ids_path.unlink(missing_ok=True)

    with whole_file(path) as partial, progress(label="caching", total=len(records)) as bar:
        with open(partial, "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": shape}
            )
            begin = file.tell()
            each = math.prod(shape[1:])
            file.truncate(begin + each * len(records))
        tasks = [
            (
                [collection.resized / record["filename"] for record in records[first : first + 64]],
                partial,
                begin + each * first,
                "L" if len(shape) == 3 else "RGB",
            )
            for first in range(0, len(records), 64)
        ]
        for (paths, *_), _ in workers.each(cache_chunk, tasks):
            bar.update(len(paths))
    write_text(ids_path, json.dumps(ids))


class PixelCache:
    """The prepared pictures of a collection at one size: a uint8 array on disk, and its rows by id.

    array: (N, S, S) where all are grey, else (N, S, S, 3), memory-mapped: only what is used is read.
    """

    def __init__(self, path: Path) -> None:
        """path: that of the array; the ids of its rows stand beside it. UserError where unreadable."""
        self.array: np.ndarray = np.load(path, mmap_mode="r")
        ids = read_json(path.with_suffix(".json"))["ids"]
        self.row_of: dict[str, int] = {id: row for row, id in enumerate(ids)}

    @classmethod
    def of(cls, collection: Collection, size: int) -> "PixelCache | None":
        """The collection's cache at this size, None where it is not on this machine."""
        path = collection.pixels(size)
        if not (path.exists() and collection.pixels_ids(size).exists()):
            return None
        return cls(path)

    def __contains__(self, id: str) -> bool:
        return id in self.row_of

    def rows(self, ids: Iterable[str]) -> list[int]:
        """ids -> their rows of the array. KeyError for an id that has none."""
        return [self.row_of[id] for id in ids]

    def pictures(self, ids: Iterable[str]) -> np.ndarray:
        """ids -> their pictures in that order, uint8 (M, S, S) or (M, S, S, 3)."""
        return self.array[self.rows(ids)]


def training_pixels(collection, size, rows, most=None):
    """uint8 array (N, size, size) or (N, size, size, 3) of the training pictures, or None where they are not on this machine.
    most: so many of them, evenly spaced."""
    cache = PixelCache.of(collection, size)
    if cache is None:
        return None
    chosen = cache.rows(row["id"] for row in rows if row["id"] in cache)
    if most and len(chosen) > most:
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, most).astype(int)]
    return cache.array[np.sort(chosen)] if chosen else None
