"""The uint8 cache of a collection's pictures.

    cache = PixelCache.of(collection, 128)         # None where there is none, or it is damaged
    cache = PixelCache.require(collection, 128)    # UserError with the command that mends it

The cache only saves work, and preparing makes a damaged one again. Beside each array stand the ids
of its rows and checksums of its parts, so that no flipped bit and no other picture goes unnoticed.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.pixel_array import PixelFiles
from oneseed.dataset.pixel_file import CacheFile, DamagedCacheError
from oneseed.dataset.pixel_layout import CacheLayout
from oneseed.dataset.pixel_store import FileSource, LimitedFiles, stored_files


class PixelCache:
    """The prepared pictures of a collection at one size: a uint8 array on disk, its rows by id.

    array: (N, S, S) where all are grey, else (N, S, S, 3), memory-mapped: only what is used is
    read. Of a large collection it is a PixelFiles.
    """

    def __init__(self, array: np.ndarray | PixelFiles, ids: Iterable[str]) -> None:
        """ids: of the rows of the array."""
        self.array: np.ndarray | PixelFiles = array
        self.row_of: dict[str, int] = {picture_id: row for row, picture_id in enumerate(ids)}

    @classmethod
    def opened(cls, collection: Collection, size: int) -> "PixelCache":
        """The collection's cache. DamagedCacheError where there is none to be used.

        size: of the pictures, in pixels.
        """
        layout = CacheLayout.read(collection, size)
        if layout is None:
            file = CacheFile.mapped(collection.pixels(size), collection.pixels_ids(size), size)
            return cls(file.array, file.ids)
        files = [
            layout.opened(number, *collection.pixels_part(size, number))
            for number in range(1, len(layout.rows) + 1)
        ]
        ids = layout.unique(picture_id for file in files for picture_id in file.ids)
        return cls(PixelFiles.of([file.array for file in files]), ids)

    @classmethod
    def of(cls, collection: Collection, size: int) -> "PixelCache | None":
        """The collection's cache at this size, None where there is none here, or it is damaged."""
        try:
            return cls.opened(collection, size)
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
            return cls.opened(collection, size)
        except DamagedCacheError as error:
            raise UserError(
                f"{collection.pixels(size)} is {error}; prepare the pictures again: "
                f"{collection.prepare_again(size, preset)}{ways}"
            ) from error

    @classmethod
    def limited(
        cls, collection: Collection, size: int, source: FileSource, folder: Path, limit: int
    ) -> "PixelCache":
        """The collection's cache, its files copied into a folder as they are needed.

        source: where the files lie; only their notes are read from the collection's own folder.
        limit: of the folder, in bytes; 0: none. UserError where it holds no file, or the notes are
        damaged.
        """
        try:
            files, ids = stored_files(collection, size, source)
        except (DamagedCacheError, OSError) as error:
            fault = "missing" if isinstance(error, OSError) else error
            raise UserError(
                f"{collection.pixels(size)} is {fault}; prepare the pictures again: "
                f"{collection.prepare_again(size)}"
            ) from error
        shape = (len(ids), *files[0].shape[1:])
        reader = LimitedFiles(source, files, folder, limit)
        return cls(PixelFiles(reader, shape, files[0].shape[0]), ids)

    def __contains__(self, picture_id: str) -> bool:
        return picture_id in self.row_of

    def rows(self, ids: Iterable[str]) -> list[int]:
        """Ids -> their rows of the array. KeyError for an id that has none."""
        return [self.row_of[picture_id] for picture_id in ids]

    def pictures(self, ids: Iterable[str]) -> np.ndarray:
        """Ids -> their pictures in that order, uint8 (M, S, S) or (M, S, S, 3)."""
        return self.array[self.rows(ids)]


class CachedPictures:
    """Pictures of a cache in an order; they stay on disk until some of them are asked for."""

    def __init__(self, cache: PixelCache, rows: Sequence[int]) -> None:
        """rows: of the cache's array, (M,)."""
        self.array = cache.array
        self.rows = np.asarray(rows, np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> np.ndarray:
        """The pictures of an index: a number, a slice, or numbers (M,), uint8. Copied."""
        return self.array[self.rows[index]]


def training_pixels(
    collection: Collection, size: int, rows: Iterable[Row]
) -> CachedPictures | None:
    """The pictures of the rows as far as they are cached, in the order of the rows.

    size x size each; None where there are none on this machine. UserError where the cache is
    damaged.
    """
    if not collection.has_pixels(size):
        return None
    cache = PixelCache.require(collection, size)
    cached = cache.rows(row["id"] for row in rows if row["id"] in cache)
    return CachedPictures(cache, cached) if cached else None
