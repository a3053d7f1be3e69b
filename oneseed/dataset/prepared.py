"""Prepared pictures, as all read them that come after preparing: never a damaged one in silence."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.notes import open_regular
from oneseed.file_names import UnsafeNameError, named_file
from oneseed.media.png_parts import png_problem

if TYPE_CHECKING:
    from PIL import Image

# of a prepared picture's file, in bytes; one of 4,096 px takes 50 MB at most
MAX_PREPARED_BYTES = 2**28


class DamagedPreparedError(Exception):
    """A prepared picture that is missing or damaged; the text says which, after "is"."""


def prepared_bytes(path: Path) -> bytes:
    """A prepared picture's file.

    DamagedPreparedError where its checksums do not fit, and where it is a link that leads out of
    its folder: what is behind may be private.
    """
    try:
        named_file(path.parent, path.name)
    except UnsafeNameError as error:
        problem = "a link that leads out of its folder" if path.is_symlink() else "not a file"
        raise DamagedPreparedError(problem) from error
    try:
        with open_regular(path) as file:
            data = file.read(MAX_PREPARED_BYTES)
    except FileNotFoundError as error:
        raise DamagedPreparedError("missing") from error
    except OSError as error:
        raise DamagedPreparedError(f"not to be read ({error.strerror or 'no file'})") from error
    if problem := png_problem(data):
        raise DamagedPreparedError(f"damaged ({problem})")
    return data


def load_prepared(path: Path) -> "Image.Image":
    """A prepared picture, "L" or "RGB", decoded. DamagedPreparedError where it cannot be."""
    # late: dealing captions looks at no picture
    from PIL import Image

    data = prepared_bytes(path)
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.load()
            return image if image.mode in ("L", "RGB") else image.convert("RGB")
    # Pillow's readers raise nearly anything on damaged bytes
    except Exception as error:
        raise DamagedPreparedError("damaged (no picture inside)") from error


def damaged_prepared(path: Path, error: Exception, collection: Collection) -> UserError:
    """The error of a prepared picture, with the command that makes it again."""
    return UserError(f"{path} is {error}; prepare the pictures again: {collection.prepare_again()}")


def require_prepared(paths: Iterable[Path], collection: Collection) -> None:
    """UserError where one of the prepared pictures is missing or damaged."""
    for path in paths:
        try:
            prepared_bytes(path)
        except DamagedPreparedError as error:
            raise damaged_prepared(path, error, collection) from error
