"""The pictures of several files of a cache, read as those of one array."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class FileReader(Protocol):
    """What gives the pictures of the files."""

    def read(self, number: int, rows: np.ndarray) -> np.ndarray:
        """The pictures of some rows (M,) of one file, counted from 0: uint8 (M, ...)."""
        ...


class MappedFiles:
    """Files that are mapped into memory."""

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self.arrays: Sequence[np.ndarray] = arrays

    def read(self, number: int, rows: np.ndarray) -> np.ndarray:
        """See FileReader."""
        return self.arrays[number][rows]


class PixelFiles:
    """Several files of uint8 pictures, as one array that is read by rows.

    files[3], files[2:5], files[[7, 1]]: as of an array (N, S, S) or (N, S, S, 3).
    """

    def __init__(self, reader: FileReader, shape: tuple[int, ...], rows_per_file: int) -> None:
        """rows_per_file: of all files but the last, which may have fewer."""
        self.reader: FileReader = reader
        self.shape: tuple[int, ...] = shape
        self.rows_per_file: int = rows_per_file
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)

    @classmethod
    def of(cls, arrays: Sequence[np.ndarray]) -> "PixelFiles":
        """Of files that are mapped into memory."""
        rows = sum(map(len, arrays))
        return cls(MappedFiles(arrays), (rows, *arrays[0].shape[1:]), len(arrays[0]))

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """3 where the pictures are grey, else 4."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all pictures."""
        return math.prod(self.shape)

    def __getitem__(self, index: Any) -> np.ndarray:
        """The pictures of an index: a number, a slice, or numbers (M,). Copied."""
        if isinstance(index, slice):
            rows = np.arange(len(self))[index]
        else:
            rows = np.asarray(index, np.int64)
        return self.gather(rows) if rows.ndim else self.gather(rows[None])[0]

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """The pictures of some rows, int (M,), file by file: uint8 (M, ...)."""
        if len(rows) and not -len(self) <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self)}")
        rows = rows % len(self)
        gathered = np.empty((len(rows), *self.shape[1:]), np.uint8)
        files = rows // self.rows_per_file
        for number in np.unique(files).tolist():
            places = np.flatnonzero(files == number)
            gathered[places] = self.reader.read(number, rows[places] % self.rows_per_file)
        return gathered
