"""PNG files: written fast, and looked at for damage."""

import functools
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from oneseed.media.checksum import checksum

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# the number of the filter that stores differences to the left
PNG_FILTER_LEFT = 1


@functools.cache
def fastest_deflate() -> Callable[[Any, int], bytes]:
    """ISA-L's compression of (data, level), or zlib's where its wheel is not there.

    zlib's is four times slower, for files that are a sixth shorter.
    """
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.compress
    return isal_zlib.compress


def encode_png(image: Image.Image, compress: Callable[[Any, int], bytes] | None = None) -> bytes:
    """ "L" or "RGB" picture -> a PNG file without metadata.

    Pillow's own writer tries five filters on every row and took half of all time; one for all rows
    (the difference to the left) and the fastest compression make files that are hardly longer.
    compress: of (data, level); None: the fastest that is installed.
    """
    rows = np.asarray(image).reshape(image.height, -1)  # (H, W C)
    channels = len(image.getbands())
    # each line begins with its filter's number
    lines = np.full((image.height, 1 + rows.shape[1]), PNG_FILTER_LEFT, np.uint8)
    lines[:, 1 : 1 + channels] = rows[:, :channels]
    np.subtract(rows[:, channels:], rows[:, :-channels], out=lines[:, 1 + channels :])
    colour_type = 2 if channels == 3 else 0
    header = struct.pack(">IIBBBBB", *image.size, 8, colour_type, 0, 0, 0)
    data = (compress or fastest_deflate())(lines, 1)
    chunks = [png_chunk(b"IHDR", header), png_chunk(b"IDAT", data), png_chunk(b"IEND", b"")]
    return PNG_SIGNATURE + b"".join(chunks)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG file: length, kind, data, checksum."""
    summed = checksum(data, checksum(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", summed)


def png_problem(data: bytes) -> str:
    """What is wrong with the bytes of a PNG file, by the checksums of its parts; "" for nothing.

    Nothing is unpacked: a file of 8 kB takes microseconds.
    """
    if not data.startswith(PNG_SIGNATURE):
        return "no PNG" if data else "empty"
    start = len(PNG_SIGNATURE)
    while start < len(data):
        length = int.from_bytes(data[start : start + 4])
        # length, kind and checksum take twelve bytes
        end = start + 12 + length
        if end > len(data):
            return "cut off"
        if checksum(memoryview(data)[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            return "damaged"
        if data[start + 4 : start + 8] == b"IEND":
            return "" if end == len(data) else "damaged"
        start = end
    return "cut off"
