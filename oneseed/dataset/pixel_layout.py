"""How a uint8 cache of several files is laid out: what its note says, and its files keep."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from oneseed.dataset.collection import Collection
from oneseed.dataset.notes import read_note
from oneseed.dataset.pixel_file import CacheFile, DamagedCacheError

# files that a note may list
MAX_FILES = 999_999


class CacheLayout(NamedTuple):
    """The files of a cache that has several."""

    # of a picture: (S, S) or (S, S, 3)
    picture_shape: tuple[int, ...]
    # of each file; all have as many but the last, which may have fewer
    rows: list[int]

    @classmethod
    def read(cls, collection: Collection, size: int) -> "CacheLayout | None":
        """The layout of the collection's cache at this size; None where it is of one file."""
        note = read_note(collection.pixels_ids(size), is_layout)
        if note is None or note["size"] != size:
            return None
        return cls((size, size) if note["channels"] == 1 else (size, size, 3), note["rows"])

    @property
    def total(self) -> int:
        """Bytes of all pictures."""
        return sum(self.rows) * math.prod(self.picture_shape)

    def opened(self, number: int, path: Path, ids_path: Path) -> CacheFile:
        """One of the files, counted from 1. DamagedCacheError where the note says another."""
        try:
            file = CacheFile.mapped(path, ids_path, self.picture_shape[0], total=self.total)
        except DamagedCacheError as error:
            raise DamagedCacheError(f"damaged ({path.name} is {error})") from error
        if file.array.shape != (self.rows[number - 1], *self.picture_shape):
            raise DamagedCacheError(f"damaged ({path.name} has other pictures than it should)")
        return file

    def unique(self, ids: Iterable[str]) -> list[str]:
        """The ids of all files. DamagedCacheError where one of them is there twice."""
        found = list(ids)
        if len(set(found)) != len(found):
            raise DamagedCacheError("damaged (one picture lies in two of its files)")
        return found


def is_layout(value: Any) -> bool:
    """Whether a note says how the files of a cache are laid out."""
    if not isinstance(value, dict) or value.get("channels") not in (1, 3):
        return False
    rows = value.get("rows")
    if not isinstance(rows, list) or not 2 <= len(rows) <= MAX_FILES:
        return False
    if not all(isinstance(count, int) and count > 0 for count in rows):
        return False
    return set(rows[:-1]) == {rows[0]} and rows[-1] <= rows[0] and isinstance(value["size"], int)
