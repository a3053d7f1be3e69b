"""The arrays of an index file, checked before memory is asked for, and its texts as what they say.

    arrays = read_index_file(path, SEEDS_KINDS)     # UnusableFileError: why not, in a few words

numpy's own reader believes what an array says of its size; the file of a stranger may say 100 GB.
"""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from oneseed.model.checkpoint_facts import are_plain_texts, is_plain_text
from oneseed.tensor_files import UnusableFileError, kind_of_place, parse_strict_json

# numbers that are looked at together
NUMBERS_AT_ONCE = 2**22


class ArrayKind(NamedTuple):
    """What an array of an index is like."""

    # of numpy, without the length of texts
    letter: str
    # how many sizes it has
    dimensions: int


# of all indexes
FINGERPRINT = ArrayKind("U", 0)
# texts are JSON in uint8
TEXT = ArrayKind("B", 1)
SEEDS_KINDS = {
    "fingerprint": FINGERPRINT,
    "features": ArrayKind("e", 2),
    "cosine": ArrayKind("f", 1),
    "captions": TEXT,
}
TRAINING_KINDS = {
    "fingerprint": FINGERPRINT,
    "thumbnails": ArrayKind("f", 2),
    "threshold": ArrayKind("d", 0),
    "rows": TEXT,
}
MAP_KINDS = {
    "fingerprint": FINGERPRINT,
    "tiles": ArrayKind("B", 4),
    "features": ArrayKind("e", 2),
    "captions": TEXT,
}
ROW_TEXTS = ("id", "filename", "caption")


def read_index_file(path: Path, kinds: Mapping[str, ArrayKind]) -> dict[str, Any]:
    """The named arrays of a file, texts as what they say. UnusableFileError says why not."""
    if not path.is_file():
        raise UnusableFileError(kind_of_place(path))
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name, kind in kinds.items():
                found[name] = read_member(archive, f"{name}.npy", kind)
    except (PermissionError, MemoryError, UnusableFileError):
        raise
    except Exception as error:
        # a damaged archive or header can raise anything
        raise UnusableFileError(type(error).__name__) from error
    return found


def read_member(archive: zipfile.ZipFile, name: str, kind: ArrayKind) -> Any:
    """One array of an archive, or the value whose text it is."""
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED:
        raise UnusableFileError("a packed archive")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read_header = np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read_header(file)
        is_right = dtype.char == kind.letter and dtype.isnative and not is_fortran
        if not is_right or len(shape) != kind.dimensions:
            raise UnusableFileError(f"its {name} is of another kind")
        # never more than the file has
        content = bytearray(file.read())
    count = int(np.prod(shape, dtype=object))
    if count * dtype.itemsize != len(content):
        raise UnusableFileError(f"its {name} is cut off")
    if kind == TEXT:
        return parse_strict_json(bytes(content))
    array = np.frombuffer(content, dtype).reshape(shape)
    if kind != FINGERPRINT:
        require_finite_array(array, name)
    return array


def require_finite_array(array: np.ndarray, name: str) -> None:
    """UnusableFileError where an array holds NaN or infinities."""
    flat = array.reshape(-1)
    for first in range(0, flat.size, NUMBERS_AT_ONCE):
        if not np.isfinite(flat[first : first + NUMBERS_AT_ONCE]).all():
            raise UnusableFileError(f"its {name} holds NaN or infinity")


def require_seeds(arrays: Mapping[str, Any], dimensions: int) -> None:
    """UnusableFileError where the arrays of an index of seeds do not go together.

    dimensions: of the model's features.
    """
    require_captioned(arrays, dimensions, beside="cosine")


def require_map(arrays: Mapping[str, Any], dimensions: int) -> None:
    """UnusableFileError where the arrays of a map of seeds do not go together.

    dimensions: of the model's features.
    """
    require_captioned(arrays, dimensions, beside="tiles")


def require_captioned(arrays: Mapping[str, Any], dimensions: int, *, beside: str) -> None:
    """UnusableFileError where captions, features and the array `beside` do not go together."""
    captions = arrays["captions"]
    if not are_plain_texts(captions) or not captions:
        raise UnusableFileError("its captions are no texts")
    count = len(captions)
    if arrays["features"].shape != (count, dimensions) or len(arrays[beside]) != count:
        raise UnusableFileError("its arrays are of different lengths")


def require_training(arrays: Mapping[str, Any], dimensions: int) -> None:
    """UnusableFileError where the arrays of an index of training pictures do not go together.

    dimensions: of the features of a thumbnail.
    """
    rows = arrays["rows"]
    if not isinstance(rows, list) or not rows or not all(map(is_training_row, rows)):
        raise UnusableFileError("its rows are none of pictures")
    if arrays["thumbnails"].shape != (len(rows), dimensions):
        raise UnusableFileError("its arrays are of different lengths")


def is_training_row(row: Any) -> bool:
    """Whether a value has the texts of a training picture."""
    return isinstance(row, dict) and all(is_plain_text(row.get(name)) for name in ROW_TEXTS)


# kind of an index -> its arrays, and what tells whether they go together
INDEXES: dict[str, tuple[dict[str, ArrayKind], Callable[[Mapping[str, Any], int], None]]] = {
    "seeds": (SEEDS_KINDS, require_seeds),
    "training": (TRAINING_KINDS, require_training),
    "map": (MAP_KINDS, require_map),
}
