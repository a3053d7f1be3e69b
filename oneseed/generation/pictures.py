"""Files that people bring, as a model looks at them: the pixels that preparing sees."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from oneseed.console.command import UserError
from oneseed.console.input_files import why_no_file
from oneseed.media.decoding import UnusablePictureError, whole_picture
from oneseed.media.kinds import HEAD_BYTES, SOUND, kind_of, medium_of_kind
from oneseed.media.picture import prepare_picture
from oneseed.media.sound import prepare_sound


def open_picture(path: str | Path, sound_side: int = 0) -> Image.Image:
    """Picture file -> RGB picture, upright, on white where it is transparent.

    It may be of any kind that preparing reads. sound_side: of the square in pixels that a sound
    becomes; 0: a sound is refused. UserError where the file cannot be read.
    """
    try:
        return picture_inside(Path(path), sound_side=sound_side)
    except UnusablePictureError as error:
        what = "a sound or picture" if sound_side else "a picture"
        another = "WAV or PNG" if sound_side else "PNG or JPEG"
        raise UserError(
            f"{path} cannot be read as {what}: {error}; name another, such as a {another} file"
        ) from error


def picture_inside(
    path: Path, *, most_pixels: int | None = None, sound_side: int = 0
) -> Image.Image:
    """As open_picture; UnusablePictureError says why a file cannot be read.

    most_pixels: width times height, at most.
    """
    with opened(path) as file:
        return decoded_picture(file, path.name, most_pixels=most_pixels, sound_side=sound_side)


def decoded_picture(
    file: BinaryIO, name: str = "", *, most_pixels: int | None = None, sound_side: int = 0
) -> Image.Image:
    """Open picture or sound file -> RGB picture. Arguments and errors as of picture_inside."""
    if sound_side and is_sound(file, name):
        return prepare_sound(file, sound_side, name).image.convert("RGB")
    return whole_picture(file, name, most_pixels=most_pixels)


def is_sound(file: BinaryIO, name: str = "") -> bool:
    """Whether an open file is a sound, read here or not."""
    file.seek(0)
    return medium_of_kind(kind_of(file.read(HEAD_BYTES), name)) == SOUND


def open_pictures(text: str, sound_side: int = 0) -> list[Image.Image]:
    """The pictures that a text names, see named_pictures; none for "". Else as open_picture."""
    return [open_picture(name, sound_side) for name in named_pictures(text) if text]


def named_pictures(text: str) -> list[str]:
    """ "form.png,table.png" -> the names of the pictures; one whose own name has a comma is one."""
    names = [name.strip() for name in text.split(",")]
    return [text] if Path(text).exists() or not all(names) else names


def square_inside(path: Path, size: int) -> Image.Image:
    """Picture or sound file -> what preparing makes of it, "L" or "RGB", size x size pixels.

    UnusablePictureError says why a file cannot be read.
    """
    with opened(path) as file:
        if is_sound(file, path.name):
            return prepare_sound(file, size, path.name).image
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
