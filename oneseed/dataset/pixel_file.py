"""One file of the uint8 cache, and the note beside it: ids of its rows, and checksums of its parts.

    file = CacheFile.mapped(path, ids_path, 128)      # DamagedCacheError where it cannot be used
    file.array                                      # memory-mapped

A file is a .npy whose header says nothing but a shape. numpy's own reader is not used: it would
take pickled objects, and memory for whatever is claimed.
"""

import io
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from oneseed.dataset.notes import open_regular, read_note
from oneseed.media.checksum import checksum

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


class CacheFile(NamedTuple):
    """One file, checked."""

    # uint8 (N, S, S) or (N, S, S, 3), memory-mapped: only what is used is read
    array: np.ndarray
    # of its rows
    ids: list[str]
    # of its parts of PICTURES_PER_TASK rows; None of a file that an earlier version wrote
    checksums: list[int] | None

    @classmethod
    def mapped(cls, path: Path, ids_path: Path, size: int, *, total: int = 0) -> "CacheFile":
        """The file and its note. DamagedCacheError where they are not what was written.

        size: of the pictures, in pixels. total: bytes of the whole cache, of which every second,
        third, ... part is compared where it is large; 0: the file is all of it.
        """
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
            ids, checksums = read_ids(ids_path, shape[0])
            return cls(checked_array(file, shape, checksums, total), ids, checksums)


def checked_array(
    file: BinaryIO, shape: tuple[int, ...], checksums: list[int] | None, total: int = 0
) -> np.ndarray:
    """The array of an open file, memory-mapped. DamagedCacheError where a checksum is another.

    file: as shape_of leaves it. total: see CacheFile.open.
    """
    offset = file.tell()
    for start, end, summed in compared_parts(shape, checksums, total):
        if checksum_of(file, offset + start, offset + end) != summed:
            raise DamagedCacheError("damaged (its pixels are not those that were written)")
    return np.memmap(file, np.uint8, "r", offset, shape)


def header_of(shape: tuple[int, ...]) -> bytes:
    """How a file with an array of this shape begins."""
    header = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, about)
    return header.getvalue()


def shape_of(file: BinaryIO) -> tuple[int, ...]:
    """The shape of an open cache file, which is as long as that says; read to where it begins."""
    shape = shape_told(file)
    if os.fstat(file.fileno()).st_size != file.tell() + math.prod(shape) or not math.prod(shape):
        raise DamagedCacheError("damaged (cut off, or not as long as it says)")
    return shape


def shape_told(file: BinaryIO) -> tuple[int, ...]:
    """The shape that the beginning of a cache file tells; read to where its pixels begin."""
    head = file.read(len(MAGIC) + 2)
    header = file.read(int.from_bytes(head[len(MAGIC) :], "little"))
    found = HEADER.fullmatch(header)
    if not head.startswith(MAGIC) or found is None:
        raise DamagedCacheError("damaged (no array of pixels)")
    shape = tuple(int(number) for number in found.groups()[:3])
    return (*shape, 3) if found[4] else shape


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
    shape: tuple[int, ...], checksums: list[int] | None, total: int = 0
) -> Iterator[tuple[int, int, int]]:
    """The parts of a file that are compared: where each starts and ends, in bytes; its checksum.

    All of them, up to COMPARED_BYTES; of a larger cache every second, third, ... one.
    total: bytes of the cache that the file belongs to; 0: its own.
    """
    end = math.prod(shape)
    part = PICTURES_PER_TASK * math.prod(shape[1:])
    step = -(-max(end, total) // COMPARED_BYTES)
    for number, summed in list(enumerate(checksums or ()))[::step]:
        yield number * part, min(end, (number + 1) * part), summed


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
