"""The uint8 cache of a collection's pictures.

    cache = PixelCache.of(collection, 128)         # None where there is none, or it is damaged
    cache = PixelCache.require(collection, 128)    # UserError with the command that mends it

The cache only saves work, and preparing makes a damaged one again. Beside the array stand the ids
of its rows and checksums of its parts, so that no flipped bit and no other picture goes unnoticed.
"""

import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.notes import open_regular, read_note
from oneseed.dataset.prepared import DamagedPreparedError, load_prepared
from oneseed.files import whole_file, write_text
from oneseed.media.checksum import checksum
from oneseed.workers import Workers, chunks

# pictures that a worker process writes at a time, and that have a checksum together
PICTURES_PER_TASK = 64
# bytes whose checksums are compared, at 20 GB a second; of a larger cache evenly spread parts
COMPARED_BYTES = 2**32
# bytes that are read at once
COMPARED_AT_ONCE = 2**20
# bytes of the list of ids for each picture, at most, and for all else
ID_BYTES = 300
OTHER_BYTES = 2**20
# how a .npy file of ours begins: "\x93NUMPY", version 1.0, the header's length, the header
MAGIC = b"\x93NUMPY\x01\x00"
HEADER = re.compile(
    rb"\{'descr': '\|u1', 'fortran_order': False, "
    rb"'shape': \((\d{1,12}), (\d{1,6}), (\d{1,6})(, 3)?\), \} *\n"
)


class DamagedCacheError(Exception):
    """A pixel cache that is missing or damaged; the text says which, after "is"."""


class CacheTask(NamedTuple):
    """Pictures that follow one another in the cache, for a worker process."""

    paths: list[Path]
    cache: Path
    # where the first picture begins in the cache file, in bytes
    offset: int
    # of Pillow: "L" or "RGB"
    mode: str
    # side of the pictures, in pixels
    size: int


def write_cache_part(task: CacheTask) -> int:
    """Writes the pictures into their place -> their checksum.

    A memory map of the file would count as memory. UserError where a picture is damaged: it is
    removed, so that the next run makes it again.
    """
    summed = 0
    with open(task.cache, "r+b") as file:
        file.seek(task.offset)
        for path in task.paths:
            try:
                image = load_prepared(path)
                if image.size != (task.size, task.size):
                    raise DamagedPreparedError(f"not of {task.size} px")
            except DamagedPreparedError as error:
                path.unlink(missing_ok=True)
                raise UserError(
                    f"{path} is {error}, and was removed; run the same command again, "
                    "which makes it again",
                    code=1,
                ) from error
            pixels = image.convert(task.mode).tobytes()
            summed = checksum(pixels, summed)
            file.write(pixels)
    return summed


def write_pixels(records: list[Row], collection: Collection, size: int, workers: Workers) -> None:
    """Writes the prepared pictures as one uint8 array, the ids of its rows, and checksums.

    The array is (N, size, size) where all pictures are grey, else (N, size, size, 3). Nothing is
    written where the files hold these records already, undamaged.
    """
    path = collection.pixels(size)
    ids_path = collection.pixels_ids(size)
    grey = all(record["grey"] for record in records)
    shape = (len(records), size, size) if grey else (len(records), size, size, 3)
    ids = [record["id"] for record in records]
    if holds_already(collection, size, shape, ids):
        return
    for place in (path, ids_path):
        refuse_folder(place)
    # New pixels beside old ids would pair pictures with wrong captions.
    ids_path.unlink(missing_ok=True)
    pictures = [collection.resized / record["filename"] for record in records]
    with whole_file(path) as partial, progress(label="caching", total=len(records)) as bar:
        checksums = {}
        for task, summed in workers.each(write_cache_part, cache_tasks(pictures, partial, shape)):
            checksums[task.offset] = summed
            bar.update(len(task.paths))
    in_order = [checksums[offset] for offset in sorted(checksums)]
    write_text(ids_path, json.dumps({"size": size, "ids": ids, "checksums": in_order}))


def cache_tasks(pictures: list[Path], cache: Path, shape: tuple[int, ...]) -> list[CacheTask]:
    """Writes the beginning of a cache file of this shape -> what is to be written into it."""
    header = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, about)
    offset = header.tell()
    picture_bytes = math.prod(shape[1:])
    with open(cache, "wb") as file:
        file.write(header.getvalue())
        file.truncate(offset + picture_bytes * len(pictures))
    tasks = []
    for paths in chunks(pictures, PICTURES_PER_TASK):
        tasks.append(CacheTask(paths, cache, offset, "L" if len(shape) == 3 else "RGB", shape[1]))
        offset += picture_bytes * len(paths)
    return tasks


def holds_already(
    collection: Collection, size: int, shape: tuple[int, ...], ids: list[str]
) -> bool:
    """Whether the cache is of these records, in their order, undamaged and with checksums."""
    cache = PixelCache.of(collection, size)
    if cache is None or not cache.has_checksums or cache.array.shape != shape:
        return False
    return list(cache.row_of) == ids


def refuse_folder(path: Path) -> None:
    """Removes an empty folder in a file's place; UserError where it holds something."""
    if not path.is_dir() or path.is_symlink():
        return
    try:
        path.rmdir()
    except OSError as error:
        raise UserError(
            f"{path} is a folder where a file of ours belongs; remove it, and run the same "
            "command again"
        ) from error


class PixelCache:
    """The prepared pictures of a collection at one size: a uint8 array on disk, its rows by id.

    array: (N, S, S) where all are grey, else (N, S, S, 3), memory-mapped: only what is used is
    read. has_checksums: False for one that an earlier version wrote.
    """

    def __init__(self, collection: Collection, size: int) -> None:
        """size: of the pictures, in pixels. DamagedCacheError where there is none to be used."""
        path = collection.pixels(size)
        try:
            file = open_regular(path)
        except FileNotFoundError as error:
            raise DamagedCacheError("missing") from error
        except OSError as error:
            raise DamagedCacheError("no file") from error
        with file:
            shape = shape_of(file)
            if shape[1:3] != (size, size):
                raise DamagedCacheError(f"damaged (its pictures are not of {size} px)")
            ids, checksums = read_ids(collection.pixels_ids(size), shape[0])
            offset = file.tell()
            for start, end, summed in compared_parts(shape, checksums):
                if checksum_of(file, offset + start, offset + end) != summed:
                    raise DamagedCacheError("damaged (its pixels are not those that were written)")
            self.array: np.ndarray = np.memmap(file, np.uint8, "r", offset, shape)
        self.row_of: dict[str, int] = {picture_id: row for row, picture_id in enumerate(ids)}
        self.has_checksums: bool = checksums is not None

    @classmethod
    def of(cls, collection: Collection, size: int) -> "PixelCache | None":
        """The collection's cache at this size, None where there is none here, or it is damaged."""
        try:
            return cls(collection, size)
        except DamagedCacheError:
            return None

    @classmethod
    def require(
        cls, collection: Collection, size: int, preset: str = "", *, ways: str = ""
    ) -> "PixelCache":
        """The collection's cache at this size. UserError with the command that makes it.

        preset: that the pictures are wanted for. ways: others, as the end of a sentence.
        """
        try:
            return cls(collection, size)
        except DamagedCacheError as error:
            raise UserError(
                f"{collection.pixels(size)} is {error}; prepare the pictures again: "
                f"{collection.prepare_again(size, preset)}{ways}"
            ) from error

    def __contains__(self, picture_id: str) -> bool:
        return picture_id in self.row_of

    def rows(self, ids: Iterable[str]) -> list[int]:
        """Ids -> their rows of the array. KeyError for an id that has none."""
        return [self.row_of[picture_id] for picture_id in ids]

    def pictures(self, ids: Iterable[str]) -> np.ndarray:
        """Ids -> their pictures in that order, uint8 (M, S, S) or (M, S, S, 3)."""
        return self.array[self.rows(ids)]


def shape_of(file: BinaryIO) -> tuple[int, ...]:
    """The shape of an open cache file, which is as long as that says; read to where it begins.

    numpy's own reader would take pickled objects, and memory for whatever is claimed.
    """
    head = file.read(len(MAGIC) + 2)
    header = file.read(int.from_bytes(head[len(MAGIC) :], "little"))
    found = HEADER.fullmatch(header)
    if not head.startswith(MAGIC) or found is None:
        raise DamagedCacheError("damaged (no array of pixels)")
    shape = tuple(int(number) for number in found.groups()[:3])
    shape = (*shape, 3) if found[4] else shape
    if os.fstat(file.fileno()).st_size != file.tell() + math.prod(shape) or not math.prod(shape):
        raise DamagedCacheError("damaged (cut off, or not as long as it says)")
    return shape


def read_ids(path: Path, count: int) -> tuple[list[str], list[int] | None]:
    """The ids of a cache's rows, and its checksums; None of a cache without any.

    count: rows that it has.
    """

    def is_list_of_ids(value: Any) -> bool:
        ids = value.get("ids") if isinstance(value, dict) else None
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            return False
        return len(set(ids)) == len(ids) == count

    about = read_note(path, is_list_of_ids, most_bytes=OTHER_BYTES + ID_BYTES * count)
    if about is None:
        raise DamagedCacheError(f"damaged ({path.name} does not list its {count:,} pictures)")
    checksums = about.get("checksums")
    if checksums is not None:
        parts = -(-count // PICTURES_PER_TASK)
        if not isinstance(checksums, list) or len(checksums) != parts:
            raise DamagedCacheError(f"damaged ({path.name} lacks its {parts:,} checksums)")
    return about["ids"], checksums


def compared_parts(
    shape: tuple[int, ...], checksums: list[int] | None
) -> Iterator[tuple[int, int, int]]:
    """The parts of a cache that are compared: where each starts and ends, in bytes; its checksum.

    All of them, up to COMPARED_BYTES; of a larger cache every second, third, ... one.
    """
    total = math.prod(shape)
    part = PICTURES_PER_TASK * math.prod(shape[1:])
    step = -(-total // COMPARED_BYTES)
    for number, summed in list(enumerate(checksums or ()))[::step]:
        yield number * part, min(total, (number + 1) * part), summed


def checksum_of(file: BinaryIO, start: int, end: int) -> int:
    """The checksum of a part of an open file, which need not fit into memory."""
    position = file.tell()
    file.seek(start)
    summed = 0
    while block := file.read(min(COMPARED_AT_ONCE, end - start)):
        summed = checksum(block, summed)
        start += len(block)
    file.seek(position)
    return summed


def training_pixels(collection: Collection, size: int, rows: Iterable[Row]) -> np.ndarray | None:
    """The pictures of the rows as far as they are cached, in the order of the rows.

    uint8 (M, size, size) or (M, size, size, 3); None where there are none on this machine.
    UserError where the cache is damaged.
    """
    if not collection.pixels(size).exists():
        return None
    cache = PixelCache.require(collection, size)
    cached = cache.rows(row["id"] for row in rows if row["id"] in cache)
    return cache.array[cached] if cached else None
