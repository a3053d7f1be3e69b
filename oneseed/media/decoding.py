"""The pixels of any picture file, read safely.

The file may be or claim to be anything. What it costs is bounded before it is decoded.
"""

import contextlib
import ctypes
import functools
import logging
import os
import struct
import warnings
from collections.abc import Generator
from typing import BinaryIO, NamedTuple

from PIL import ExifTags, Image, ImageFile, features

from oneseed.media.kinds import HEAD_BYTES, PICTURE, READ_KINDS, kind_of, medium_of_kind
from oneseed.media.modes import simplify_mode, to_rgb
from oneseed.media.pixels_alone import pixels_of_gif, pixels_of_jpeg, pixels_of_png
from oneseed.media.png_parts import PNG_SIGNATURE
from oneseed.media.transparency import see_through, stored_as

# a JPEG is decoded at 1/2, 1/4 or 1/8 as long as that leaves so many times the size wanted
DRAFT_MARGIN = 1.5
# bytes of memory that a picture may decode to, for each byte of its file …
MAX_PIXEL_RATIO = 1000
# … except so many bytes, which any may
ALWAYS_DECODED_BYTES = 2**26
# scans of a JPEG of the largest size; a smaller one may have as many times more
MAX_SCANS = 12
# of the pictures in an ICO file, in pixels
MAX_ICON_SIDE = 1024
# kinds whose decoders hold a picture in several forms at once
DECODED_SEVERAL_TIMES = ("AVIF", "HEIF", "JPEG2000")
# {kind: what Pillow calls the library that it needs}; wheels of Pillow hold these
PILLOW_FEATURES = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}
# why a file without a byte is left out
EMPTY_PICTURE = "unreadable (empty)"
# EXIF's orientation -> what makes such a picture upright; 1 is upright
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnusablePictureError(Exception):
    """A picture file that is left out; the text is the reason, for a report."""


class DamagedPictureError(UnusablePictureError):
    """A picture file that its decoder cannot read."""


class DecodedPicture(NamedTuple):
    """A picture as its file holds it, perhaps at a part of its size.

    image: "L", "RGB" or "RGBa". width, height: of the original, not yet upright, in pixels.
    orientation: 1 to 8, as EXIF has it. box: the part of the image that is picture (left, top,
    right, bottom, in pixels); None: all of it.
    """

    image: Image.Image
    width: int
    height: int
    orientation: int
    box: tuple[float, float, float, float] | None


class PictureLimits(NamedTuple):
    """What is wanted of a picture, in pixels."""

    # of the short side, at least
    smallest: int = 1
    # width times height, at most; None: as many as Pillow allows
    most_pixels: int | None = None
    # of the long side: a JPEG is decoded no larger than this needs; None: at its full size
    side: int | None = None


def whole_picture(file: BinaryIO, name: str = "", *, most_pixels: int | None = None) -> Image.Image:
    """Open picture file -> the whole picture, "RGB", upright, on paper where it is transparent.

    It has the pixels that prepare_picture makes smaller. name: of the file, see kinds.kind_of.
    most_pixels: width times height, at most. UnusablePictureError where it cannot be read.
    """
    decoded = decode(file, PictureLimits(most_pixels=most_pixels), name)
    return to_rgb(turn_upright(decoded.image, decoded.orientation))


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """orientation: 1 to 8, as EXIF has it."""
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def decode(file: BinaryIO, limits: PictureLimits, name: str = "") -> DecodedPicture:
    """Reads a file's pixels, those of the first page or frame. name: of the file.

    UnusablePictureError where the file is no picture, broken, hostile, or beyond the limits.
    """
    silence_decoders()
    kind = readable_kind(file, name)
    if kind == "ICO":
        refuse_large_icon(file)
    if kind == "GIF":
        file = pixels_of_gif(file)
    if kind == "JPEG":
        file = pixels_of_jpeg(file)
    try:
        return decode_as(kind, file, limits)
    except DamagedPictureError:
        if kind != "PNG":
            raise
        # what is damaged or too long may be a text or profile beside the pixels
        return decode_as(kind, pixels_of_png(file), limits)


def decode_as(kind: str, file: BinaryIO, limits: PictureLimits) -> DecodedPicture:
    """Reads a file of one kind, Pillow's name for it."""
    with decoder_errors(), Image.open(file, formats=(kind,)) as image:
        width, height = image.size
        refuse_size(width, height, limits)
        refuse_bomb(image, file)
        draft = draft_jpeg(image, limits.side) if limits.side else None
        storage = stored_as(image)
        # open() alone accepts cut-off files
        image.load()
        orientation = orientation_of(image)
        # the last row and column of a draft are only partly picture
        box = draft[1] if draft else None
        plain = simplify_mode(see_through(image, storage, file))
        return DecodedPicture(plain, width, height, orientation, box)


@contextlib.contextmanager
def decoder_errors() -> Generator[None]:
    """Within the block all that a decoder raises becomes an UnusablePictureError."""
    try:
        with warnings.catch_warnings():
            # broken EXIF and the like: the pixels decide
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except UnusablePictureError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnusablePictureError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error
    except Exception as error:
        # decoders raise nearly anything on damaged bytes
        cause = "cut off" if "truncated" in str(error).lower() else "damaged or unusual"
        raise DamagedPictureError(f"unreadable ({cause})") from error


@functools.cache
def silence_decoders() -> None:
    """Keeps Pillow and libtiff from telling the terminal about every damaged file.

    That would be thousands of lines; the report names such a file once.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    # where libtiff is linked otherwise, it goes on complaining
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)


def readable_kind(file: BinaryIO, name: str) -> str:
    """What an open file is, as Pillow calls it.

    UnusablePictureError where it is no picture, or one that is not read here.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise UnusablePictureError(EMPTY_PICTURE)
    kind = kind_of(head, name)
    if not kind:
        raise UnusablePictureError("unreadable (not a picture)")
    if (medium := medium_of_kind(kind)) != PICTURE:
        raise UnusablePictureError(f"a {medium}, where a picture is wanted")
    if kind not in READ_KINDS:
        raise UnusablePictureError(f"{kind} is not read: save it as PNG")
    if kind == "HEIF" and not heic_can_be_read():
        raise UnusablePictureError("HEIC needs the extra heic: pip install pillow-heif")
    if kind in PILLOW_FEATURES and not features.check(PILLOW_FEATURES[kind]):
        raise UnusablePictureError(f"{kind} needs another Pillow: pip install -U pillow")
    return kind


@functools.cache
def heic_can_be_read() -> bool:
    """Registers the reader of HEIC with Pillow, where it is installed."""
    try:
        import pillow_heif  # ty: ignore[import-not-found]  # an extra
    except ImportError:
        return False
    pillow_heif.register_heif_opener(thumbnails=False)
    return True


def refuse_size(width: int, height: int, limits: PictureLimits) -> None:
    """UnusablePictureError where a picture is smaller or larger than what is wanted."""
    if min(width, height) < limits.smallest:
        raise UnusablePictureError(f"smaller than {limits.smallest} px")
    if limits.most_pixels is not None and width * height > limits.most_pixels:
        raise UnusablePictureError(f"more than {limits.most_pixels:,} pixels")


def refuse_bomb(image: ImageFile.ImageFile, file: BinaryIO) -> None:
    """UnusablePictureError where an opened picture is not to be decoded.

    That is a header that promises far more than its file can hold, or a JPEG that is drawn over so
    often that it would take minutes.
    """
    pixels = image.width * image.height
    length = file.seek(0, os.SEEK_END)
    if pixels * bytes_per_pixel(image) > max(ALWAYS_DECODED_BYTES, MAX_PIXEL_RATIO * length):
        raise UnusablePictureError(f"decodes to more than {MAX_PIXEL_RATIO:,} times its length")
    if image.format in ("JPEG", "MPO"):
        scans = count_scans(file)
        max_pixels = Image.MAX_IMAGE_PIXELS
        assert max_pixels, "Pillow's own limit is switched off"
        if scans * pixels > MAX_SCANS * max_pixels:
            raise UnusablePictureError(f"a JPEG of {scans:,} scans")


def refuse_large_icon(file: BinaryIO) -> None:
    """UnusablePictureError where a picture of an ICO file says to be larger than icons are.

    Pillow decodes the largest as it opens the file, before anything else can be asked.
    """
    file.seek(4)
    count = int.from_bytes(file.read(2), "little")
    entries = file.read(16 * count)
    for start in range(0, len(entries) - 15, 16):
        file.seek(int.from_bytes(entries[start + 12 : start + 16], "little"))
        head = file.read(24)
        if len(head) < 24:
            continue
        if head.startswith(PNG_SIGNATURE):
            sides = struct.unpack(">II", head[16:24])
        else:
            width, height = struct.unpack("<ii", head[4:12])
            # a bitmap's mask lies below it
            sides = (abs(width), abs(height) // 2)
        if max(sides) > MAX_ICON_SIDE:
            raise UnusablePictureError(f"an icon of more than {MAX_ICON_SIDE:,} px")


def bytes_per_pixel(image: ImageFile.ImageFile) -> int:
    """Memory that Pillow takes for a pixel while it decodes."""
    # an animation's decoder holds several pictures
    if image.format == "WEBP" and getattr(image, "is_animated", False):
        return 16
    if image.format in DECODED_SEVERAL_TIMES:
        return 16
    return {"1": 1, "L": 1, "P": 1, "I;16": 2}.get(image.mode, 4)


def count_scans(file: BinaryIO) -> int:
    """How often a JPEG is drawn over, or more."""
    scans = 0
    last = b""
    file.seek(0)
    while block := file.read(2**20):
        # the marker's two bytes alone occur in the film behind a telephone's picture
        scans += (last + block).count(b"\xff\xda\0")
        last = block[-2:]
    return scans


def draft_jpeg(image: Image.Image, side: int) -> tuple[str, tuple[int, int, float, float]] | None:
    """Has a JPEG decoded at a part of its size, where `side` needs no more.

    -> its mode, and the box of the result that is picture; None for other kinds.
    """
    scale = DRAFT_MARGIN * (side / max(image.size))
    return image.draft(None, (max(1, int(scale * image.width)), max(1, int(scale * image.height))))


def orientation_of(image: Image.Image) -> int:
    """1 (upright) to 8, as the EXIF data say; broken ones say nothing."""
    with contextlib.suppress(Exception):
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        if orientation in TURNS:
            return orientation
    return 1
