"""Files that visitors have brought through Gradio, checked.

A file field sends a path, which is JSON from strangers as well: only what lies in the folder of
uploads is read. Errors are as in oneseed.web.inputs.
"""

from pathlib import Path
from typing import Any

from PIL import Image

from oneseed.console.command import UserError
from oneseed.generation.pictures import picture_inside
from oneseed.media.decoding import UnusablePictureError
from oneseed.media.square import AS_PICTURES, Square
from oneseed.web.inputs import PAGE_MAX_PIXELS, one_line

# characters of a file's name
MAX_NAME_LENGTH = 255


def uploaded(value: Any, uploads: str | Path, sentence: str) -> str:
    """What a file field sent -> the file's path; a UserError with the sentence otherwise.

    uploads: the folder in which the file must lie. Gradio itself looks only at paths that say they
    are files.
    """
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str) or not lies_within(path, uploads):
        raise UserError(sentence)
    return path


def lies_within(path: str, folder: str | Path) -> bool:
    """Does a path that a stranger names lead to a place below the folder?"""
    try:
        return Path(path).resolve().is_relative_to(Path(folder).resolve())
    except (OSError, ValueError):
        # a null character, a name that is too long, links in a circle
        return False


def upload_name(value: dict[str, Any]) -> str:
    """The name that a file had where it came from, as a card may say it."""
    name = value.get("orig_name")
    if not isinstance(name, str) or not name:
        return "picture"
    return one_line(name, "A file's name", limit=MAX_NAME_LENGTH)


def uploaded_image(value: Any, uploads: str | Path, square: Square = AS_PICTURES) -> Image.Image:
    """What an image field sent -> PIL image, RGB. uploads: the folder in which it must lie.

    square: what a sound or clip becomes, where files are to be such.
    """
    sentence = "Bring a picture first: drop it into the frame, paste it, or choose a file."
    path = uploaded(value, uploads, sentence)
    try:
        return picture_inside(Path(path), most_pixels=PAGE_MAX_PIXELS, square=square)
    except UnusablePictureError as error:
        raise UserError(
            f"This file cannot be read as {square.words}: {error}; bring another, such as a "
            f"{square.kinds}."
        ) from None
