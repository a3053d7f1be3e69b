"""Picture files that people bring, as a model looks at them: the pixels that preparing sees."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from oneseed.console.command import UserError
from oneseed.console.input_files import why_no_file
from oneseed.media.decoding import UnusablePictureError, whole_picture
from oneseed.media.picture import prepare_picture


def open_picture(path: str | Path) -> Image.Image:
    """Picture file -> RGB picture, upright, on white where it is transparent.

    It may be of any kind that preparing reads. UserError where it cannot be read.
    """
    try:
        return picture_inside(Path(path))
    except UnusablePictureError as error:
        raise UserError(
            f"{path} cannot be read as a picture: {error}; name another, such as a PNG or JPEG file"
        ) from error


def picture_inside(path: Path, *, most_pixels: int | None = None) -> Image.Image:
    """As open_picture; UnusablePictureError says why a file cannot be read.

    most_pixels: width times height, at most.
    """
    with opened(path) as file:
        return whole_picture(file, path.name, most_pixels=most_pixels)


def named_pictures(text: str) -> list[str]:
    """ "form.png,table.png" -> the names of the pictures; one whose own name has a comma is one."""
    names = [name.strip() for name in text.split(",")]
    return [text] if Path(text).exists() or not all(names) else names


def square_inside(path: Path, size: int) -> Image.Image:
    """Picture file -> the same as preparing makes it, "L" or "RGB", size x size pixels.

    UnusablePictureError says why a file cannot be read.
    """
    with opened(path) as file:
        return prepare_picture(file, size, 1, path.name).image


@contextlib.contextmanager
def opened(path: Path) -> Generator[BinaryIO]:
    """The file at `path`, open. UnusablePictureError where it cannot be opened."""
    try:
        # what is missing says so itself
        if path.exists() and (fault := why_no_file(path)):
            raise UnusablePictureError(f"cannot be opened ({fault})")
        with open(path, "rb") as file:
            yield file
    except FileNotFoundError as error:
        raise UnusablePictureError("there is no file of this name") from error
    except OSError as error:
        raise UnusablePictureError(f"cannot be opened ({error.strerror})") from error
