"""Picture files as if nothing stood in them but their pixels.

Programs write whole working plans and colour profiles into pictures. Decoders keep all that in
memory, take long over it, or refuse the file because of it. What is read here touches no pixel.
"""

import bisect
import io
import itertools
import os
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from oneseed.media.png_parts import PNG_SIGNATURE

# chunks of a PNG that decide how it looks; all others hold texts, profiles, further frames …
PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"}
# what begins an extension of a GIF, one that is a comment, and a picture
GIF_EXTENSION = b"!"
GIF_COMMENT = b"!\xfe"
GIF_PICTURE = b","
# markers of a JPEG: the pixels begin (SOS), the file ends; APP1 to APP13, APP15 and comments
JPEG_PIXELS_BEGIN = (0xDA, 0xD9)
JPEG_BESIDE_PIXELS = (*range(0xE1, 0xEE), 0xEF, 0xFE)
# segments that are kept of these; a colour profile alone may have 255
MAX_JPEG_SEGMENTS = 300


def pixels_of_png(file: BinaryIO) -> BinaryIO:
    """An open PNG file -> the same without the chunks that do not touch its pixels.

    Nothing is copied: what is read from the result is read from `file`.
    """
    length = file.seek(0, os.SEEK_END)
    start = len(PNG_SIGNATURE)
    parts = [(0, start)]
    while start < length:
        file.seek(start)
        header = file.read(8)
        if len(header) < 8:
            break
        # length, kind and checksum take twelve bytes
        end = min(length, start + 12 + int.from_bytes(header[:4]))
        if header[4:] in PIXEL_CHUNKS:
            parts.append((start, end))
        start = end
    return io.BufferedReader(PartsOfFile(file, parts))


def pixels_of_gif(file: BinaryIO, frames: int = 1) -> BinaryIO:
    """An open GIF file -> the same without the comments before the last of so many frames.

    Pillow takes time that grows with the square of their length.
    """
    length = file.seek(0, os.SEEK_END)
    parts = []
    before, start = b"", 0
    for mark, place in gif_parts(file):
        if before != GIF_COMMENT:
            parts.append((start, place))
        before, start = mark, place
        frames -= mark[:1] == GIF_PICTURE
        if not frames:
            break
    return io.BufferedReader(PartsOfFile(file, [*parts, (start, max(start, length))]))


def gif_parts(file: BinaryIO, most: int = sys.maxsize) -> Iterator[tuple[bytes, int]]:
    """How each part of an open GIF file after its header begins, two bytes, and where.

    The last one given is what ends the file, or is no part. most: blocks of data that are walked
    over, of up to 255 bytes each.
    """
    file.seek(10)
    place = 13 + colour_bytes(file.read(1))
    while most > 0:
        file.seek(place)
        mark = file.read(2)
        yield mark, place
        if mark[:1] == GIF_PICTURE:
            # after its place and size; then come its colours, and the length of its first codes
            file.seek(place + 9)
            colours = colour_bytes(file.read(1))
            file.seek(place + 11 + colours)
        elif mark[:1] == GIF_EXTENSION:
            file.seek(place + 2)
        else:
            return
        while size := file.read(1):
            most -= 1
            file.seek(size[0], os.SEEK_CUR)
            if size == b"\0" or most < 0:
                break
        place = file.tell()


def colour_bytes(flags: bytes) -> int:
    """Length of the table of colours that follows in a GIF. flags: the byte that tells of it."""
    return 3 * (2 << (flags[0] & 7)) if flags and flags[0] & 0x80 else 0


def pixels_of_jpeg(file: BinaryIO) -> BinaryIO:
    """An open JPEG file -> the same without what programs wrote into it, where that is very much.

    Pillow takes time that grows with the square of its length. The file as it is, where it holds
    no more than an ordinary one.
    """
    length = file.seek(0, os.SEEK_END)
    parts = [(0, 2)]
    kept = 0
    start = 2
    while True:
        file.seek(start)
        head = file.read(4)
        # the picture itself begins, or the file is damaged
        if len(head) < 4 or head[:1] != b"\xff" or head[1] in JPEG_PIXELS_BEGIN:
            break
        end = start + 2 + int.from_bytes(head[2:])
        is_written_by_program = head[1] in JPEG_BESIDE_PIXELS
        kept += is_written_by_program
        if not is_written_by_program or kept <= MAX_JPEG_SEGMENTS:
            parts.append((start, min(end, length)))
        start = end
    if kept <= MAX_JPEG_SEGMENTS:
        file.seek(0)
        return file
    return io.BufferedReader(PartsOfFile(file, [*parts, (min(start, length), length)]))


class PartsOfFile(io.RawIOBase):
    """Parts of an open file, one after the other, as a file of their own."""

    def __init__(self, file: BinaryIO, parts: list[tuple[int, int]]) -> None:
        """parts: (start, end) of each, in bytes; at least one."""
        self.file = file
        self.parts = parts
        lengths = [end - start for start, end in parts]
        # where each part ends, in bytes of the result
        self.ends = list(itertools.accumulate(lengths))
        self.position = 0

    def readable(self) -> bool:
        """As of any open file."""
        return True

    def seekable(self) -> bool:
        """As of any open file."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any open file -> the new position."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.ends[-1]}[whence]
        self.position = max(0, origin + offset)
        return self.position

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer, at most to the end of a part -> how many bytes; 0 at the end."""
        number = bisect.bisect_right(self.ends, self.position)
        if number == len(self.parts):
            return 0
        left = self.ends[number] - self.position
        self.file.seek(self.parts[number][1] - left)
        data = self.file.read(min(len(buffer), left))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)
