"""What a picture looks like, in few digits: pictures with near fingerprints look alike.

    look = fingerprint(prepared, width, height)    # of a prepared picture and its original's size
    len(look) > HASH_DIGITS                        # True: most of the picture is one colour

A difference hash alone calls any two small shapes on white alike, for it looks at the white. So a
picture of which it says little gets its content besides: where it has something, and what.
"""

import numpy as np
from PIL import Image

from oneseed.media.picture import without_margins

# side of the square that a difference hash compares, in cells
HASH_SIDE = 16
# hex digits of a difference hash
HASH_DIGITS = HASH_SIDE * HASH_SIDE // 4
# A hash says much where so many of its 256 bits are set, and as many are not. Of 3,051 engravings
# one has fewer, and the median is 119.
MIN_MINORITY = 64
# side of the square in which the content is looked for, in cells
BOX_SIDE = 64
# content differs from the ground by more than this part of the greatest difference
INK_PART = 4
# side of the small picture of the content, in pixels
CONTENT_SIDE = 8
# bytes: the ground's colour, the box, and the small picture
CONTENT_BYTES = 3 + 4 + CONTENT_SIDE * CONTENT_SIDE * 3


def fingerprint(image: Image.Image, width: int, height: int) -> str:
    """Prepared picture and its original's size -> hex digits: its difference hash, and content.

    The hash has HASH_DIGITS digits: a bit says whether a 16 x 16 thumbnail grows brighter from a
    cell to the next on its right. The content follows where the hash says little.
    Source: difference hash, Krawetz 2013, hackerfactor.com.
    """
    picture = without_margins(image, width, height)
    thumbnail = picture.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX)
    cells = np.asarray(thumbnail, np.int16)  # (16, 17)
    bits = np.packbits(cells[:, 1:] > cells[:, :-1])  # (32,)
    return (bits.tobytes() if says_much(bits) else bits.tobytes() + content(picture)).hex()


def says_much(bits: np.ndarray) -> np.ndarray:
    """Whether hashes tell pictures apart. bits: (…, n) of 256 bits as n integers. Returns (…).

    An even ground gives bits that are all unset, an even gradient bits that are all equal.
    """
    is_set = np.bitwise_count(bits).sum(axis=-1, dtype=int)
    return np.minimum(is_set, 4 * HASH_DIGITS - is_set) >= MIN_MINORITY


def content(picture: Image.Image) -> bytes:
    """Picture -> CONTENT_BYTES: what it shows besides its ground, and where.

    That is the ground's colour (the median, RGB), the box around what differs from it (left, top,
    right, bottom, in 64ths), and the box as 8 x 8 RGB pixels.
    """
    picture = picture.convert("RGB")
    small = picture.resize((BOX_SIDE, BOX_SIDE), Image.Resampling.BOX)
    cells = np.asarray(small, np.int16)  # (64, 64, 3)
    ground = np.median(cells, axis=(0, 1)).astype(np.int16)  # (3,)
    ink = np.abs(cells - ground).max(axis=-1)  # (64, 64)
    is_ink = ink > ink.max() // INK_PART
    rows = np.flatnonzero(is_ink.any(axis=1))
    columns = np.flatnonzero(is_ink.any(axis=0))
    box = (0, 0, BOX_SIDE, BOX_SIDE)
    if len(rows):
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    shown = picture.resize(
        (CONTENT_SIDE, CONTENT_SIDE), Image.Resampling.BOX, box=scaled_box(box, picture.size)
    )
    return bytes([*ground.tolist(), *box]) + shown.tobytes()


def scaled_box(box: tuple[int, ...], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """A box in 64ths -> the same in pixels of a picture of this size (width, height)."""
    left, top, right, bottom = (
        length * side / BOX_SIDE for length, side in zip(box, (*size, *size))
    )
    return left, top, right, bottom
