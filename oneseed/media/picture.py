"""Any picture file as one square grey or RGB picture, letter-boxed on white."""

from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from oneseed.media.decoding import PictureLimits, decode, turn_upright
from oneseed.media.modes import lay_on_paper

# how far the channels of a grey picture may differ, of 255
GREY_TOLERANCE = 2


class PreparedPicture(NamedTuple):
    """image: "L" or "RGB", size x size. width, height: of the original, upright, in pixels."""

    image: Image.Image
    width: int
    height: int


def prepare_picture(file: BinaryIO, size: int, smallest: int, name: str = "") -> PreparedPicture:
    """Open picture file -> the picture on a white square of size x size pixels.

    The picture is kept up to its border: an engraving is a composition, a crop would cut away what
    the caption names, and most originals are smaller than a 512 px crop would need.
    name: of the file, see kinds.kind_of.
    UnusablePictureError where the file is broken or hostile, or a side is shorter than `smallest`.
    """
    decoded = decode(file, PictureLimits(smallest=smallest, side=size), name)
    width, height = decoded.width, decoded.height
    scale = size / max(width, height)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = decoded.image.resize(
        fitted, Image.Resampling.LANCZOS, box=decoded.box, reducing_gap=2.0
    )
    image = turn_upright(image, decoded.orientation)
    if decoded.orientation > 4:
        width, height = height, width
    image = lay_on_paper(image)
    if image.mode == "RGB" and is_grey(image):
        image = image.convert("L")
    square = ImageOps.pad(image, (size, size), Image.Resampling.LANCZOS, color="white")
    return PreparedPicture(square, width, height)


def is_grey(image: Image.Image, tolerance: int = GREY_TOLERANCE) -> bool:
    """True where the channels of every pixel of an "RGB" picture agree within `tolerance`."""
    # a few pixels tell of most coloured pictures
    small = image.resize((32, 32), Image.Resampling.NEAREST)
    for pixels in (small, image):
        red, green, blue = (np.asarray(channel, np.int16) for channel in pixels.split())
        differences = (red - green, green - blue, red - blue)
        if max(np.abs(difference).max() for difference in differences) > tolerance:
            return False
    return True


def without_margins(image: Image.Image, width: int, height: int) -> Image.Image:
    """Prepared picture and its original's size -> what lies between the white margins."""
    size = image.width
    scale = size / max(width, height)
    right = (size - max(1, round(width * scale))) // 2
    down = (size - max(1, round(height * scale))) // 2
    return image.crop((right, down, size - right, size - down))
