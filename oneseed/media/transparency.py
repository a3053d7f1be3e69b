"""The colour that a PNG says is not there, where Pillow compares it with other numbers.

A PNG may state one colour in place of opacities. Pillow reads grey of 2 and 4 bits as 8 bits and
RGB of 16 bits as 8, but leaves that colour as the file has it; for grey of 16 bits it has no such
thing.
Source: PNG, third edition, 11.3.1.1 tRNS.
"""

from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile

# {Pillow's name for how the pixels are stored: what a sample is multiplied by to have 8 bits}
FEW_BITS = {"L;2": 85, "L;4": 17}
# RGB of 16 bits as a PNG stores it, of which the upper bytes are taken; and with the others
UPPER_BYTES = "RGB;16B"
LOWER_BYTES = "RGB;16L"
# of a picture whose stated colour is compared in all of its 16 bits
MAX_EXACT_PIXELS = 2**24
# Pillow's name for what info says of transparency
KEY = "transparency"


def stored_as(image: ImageFile.ImageFile) -> str:
    """How an opened PNG stores its pixels, as Pillow says it until they are loaded; else ""."""
    if image.format != "PNG" or not image.tile:
        return ""
    return str(image.tile[0].args)


def see_through(image: ImageFile.ImageFile, storage: str, file: BinaryIO) -> Image.Image:
    """Loaded picture -> the same, white where the stated colour stands, or with that put right.

    storage: of stored_as before it was loaded. file: it was opened from this.
    """
    stated = image.info.get(KEY)
    if storage in FEW_BITS and isinstance(stated, int):
        image.info[KEY] = stated * FEW_BITS[storage]
    if storage != UPPER_BYTES or not isinstance(stated, tuple):
        return image
    # of a huge picture the upper bytes decide, for it would be decoded twice
    is_exact = image.width * image.height <= MAX_EXACT_PIXELS
    lower = lower_bytes(file) if is_exact else None
    is_stated = np.ones((image.height, image.width), bool)  # (H, W)
    for channel, number in enumerate(stated):
        is_stated &= np.asarray(image.getchannel(channel)) == number >> 8
        if lower:
            is_stated &= np.asarray(lower.getchannel(channel)) == number & 255
    image.paste("white", mask=Image.fromarray(is_stated))
    del image.info[KEY]
    return image


def lower_bytes(file: BinaryIO) -> Image.Image:
    """An open PNG of 16-bit RGB -> the lower byte of each sample, "RGB"."""
    with Image.open(file, formats=("PNG",)) as image:
        image.tile = [tile._replace(args=LOWER_BYTES) for tile in image.tile]
        image.load()
        return image


def white_where_stated(grey: Image.Image, deep: Image.Image) -> Image.Image:
    """A picture of 16-bit grey as "L" -> the same, white where its stated colour stands.

    deep: the picture as it was read, "I;16".
    """
    stated = deep.info.get(KEY)
    if isinstance(stated, int):
        grey.paste(255, mask=Image.fromarray(np.asarray(deep) == stated))
    return grey
