"""Whether a picture's file moves: a GIF, WebP or PNG of several pictures that follow each other.

Only the file's own list of its parts is read, and no pixel.
"""

from pathlib import Path
from typing import BinaryIO

from oneseed.media.kinds import (
    CLIP,
    HEAD_BYTES,
    PICTURE,
    kind_of,
    medium_of_file,
    medium_of_kind,
)
from oneseed.media.pixels_alone import GIF_PICTURE, gif_parts
from oneseed.media.png_parts import PNG_SIGNATURE

# parts of a file that are looked at, of a GIF its blocks of data: 5 MB
MAX_PARTS = 20_000
# of a WebP: its header's bit that says it moves, and what begins a frame
WEBP_MOVES = 2
WEBP_FRAME = b"ANMF"


def medium_inside(path: Path) -> str:
    """One of MEDIA, or "" for a file that is of none; a moving picture is a CLIP."""
    try:
        medium = medium_of_file(path)
        if medium != PICTURE:
            return medium
        with open(path, "rb") as file:
            return medium_of_open(file)
    except OSError:
        # what opens it for its pixels says why
        return PICTURE


def medium_of_open(file: BinaryIO, name: str = "") -> str:
    """The same of an open file; PICTURE where it is of none. name: of the file, see kind_of."""
    file.seek(0)
    kind = kind_of(file.read(HEAD_BYTES), name)
    medium = medium_of_kind(kind) or PICTURE
    look = {"GIF": is_moving_gif, "PNG": is_moving_png, "WEBP": is_moving_webp}.get(kind)
    return CLIP if look and look(file) else medium


def is_moving_gif(file: BinaryIO) -> bool:
    """Whether a second picture begins."""
    pictures = 0
    for mark, _ in gif_parts(file, MAX_PARTS):
        pictures += mark[:1] == GIF_PICTURE
        if pictures > 1:
            return True
    return False


def is_moving_png(file: BinaryIO) -> bool:
    """Whether a part before the pixels says that there are several pictures.

    Source: PNG, third edition, 11.3.6.1 acTL.
    """
    place = len(PNG_SIGNATURE)
    for _ in range(MAX_PARTS):
        file.seek(place)
        head = file.read(12)
        if head[4:8] == b"acTL":
            return int.from_bytes(head[8:]) > 1
        if len(head) < 8 or head[4:8] == b"IDAT":
            return False
        # length, kind and checksum take twelve bytes
        place += 12 + int.from_bytes(head[:4])
    return False


def is_moving_webp(file: BinaryIO) -> bool:
    """Whether a second frame begins. Source: WebP container specification, RFC 9649, 2.7."""
    file.seek(12)
    head = file.read(9)
    if head[:4] != b"VP8X" or not head[8] & WEBP_MOVES:
        return False
    frames = 0
    place = 12
    for _ in range(MAX_PARTS):
        file.seek(place)
        head = file.read(8)
        frames += head[:4] == WEBP_FRAME
        if len(head) < 8 or frames > 1:
            break
        length = int.from_bytes(head[4:], "little")
        # parts begin at even places
        place += 8 + length + length % 2
    return frames > 1
