"""Files that people bring, as a model looks at them: the pixels that preparing sees."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from oneseed.console.command import UserError
from oneseed.console.input_files import why_no_file
from oneseed.media.decoding import UnusablePictureError, whole_picture
from oneseed.media.picture import prepare_picture
from oneseed.media.square import AS_PICTURES, Square, square_of_file


def open_picture(path: str | Path, square: Square = AS_PICTURES) -> Image.Image:
    """Picture file -> RGB picture, upright, on white where it is transparent.

    It may be of any kind that preparing reads. square: what a sound or clip becomes, where files
    are to be such. UserError where the file cannot be read.
    """
    try:
        return picture_inside(Path(path), square=square)
    except UnusablePictureError as error:
        raise UserError(
            f"{path} cannot be read as {square.words}: {error}; name another, such as a "
            f"{square.kinds} file"
        ) from error


def picture_inside(
    path: Path, *, most_pixels: int | None = None, square: Square = AS_PICTURES
) -> Image.Image:
    """As open_picture; UnusablePictureError says why a file cannot be read.

    most_pixels: width times height, at most.
    """
    with opened(path) as file:
        return decoded_picture(file, path.name, most_pixels=most_pixels, square=square)


def decoded_picture(
    file: BinaryIO, name: str = "", *, most_pixels: int | None = None, square: Square = AS_PICTURES
) -> Image.Image:
    """Open file -> RGB picture. Arguments and errors as of picture_inside."""
    if image := square_of_file(file, square, name):
        return image.convert("RGB")
    return whole_picture(file, name, most_pixels=most_pixels)


def open_pictures(text: str, square: Square = AS_PICTURES) -> list[Image.Image]:
    """The pictures that a text names, see named_pictures; none for "". Else as open_picture."""
    return [open_picture(name, square) for name in named_pictures(text) if text]


def named_pictures(text: str) -> list[str]:
    """ "form.png,table.png" -> the names of the pictures; one whose own name has a comma is one."""
    names = [name.strip() for name in text.split(",")]
    return [text] if Path(text).exists() or not all(names) else names


def square_inside(path: Path, square: Square) -> Image.Image:
    """File -> what preparing makes of it, "L" or "RGB". square: of the side that is wanted.

    UnusablePictureError says why a file cannot be read.
    """
    with opened(path) as file:
        if image := square_of_file(file, square, path.name):
            return image
        return prepare_picture(file, square.side, 1, path.name).image


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
