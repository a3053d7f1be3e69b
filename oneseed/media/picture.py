"""Any picture file, read safely: one square grey or RGB picture, letter-boxed on white; and PNG.

The file may be or claim to be anything. What it costs is bounded before it is decoded.
"""

import contextlib
import ctypes
import functools
import logging
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps

# what the file must be inside, whatever its suffix says
PILLOW_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
# a JPEG is decoded at 1/2, 1/4 or 1/8 as long as that leaves so many times the size wanted
DRAFT_MARGIN = 1.5
# bytes of memory that a picture may decode to, for each byte of its file …
MAX_PIXEL_RATIO = 1000
# … except so many bytes, which any may
ALWAYS_DECODED_BYTES = 2**26
# scans of a JPEG of the largest size; a smaller one may have as many times more
MAX_SCANS = 12
# how far the channels of a grey picture may differ, of 255
GREY_TOLERANCE = 2
# samples that are converted at once; all of them as float64 could take gigabytes
BAND_SAMPLES = 2**20
# side of the square that a difference hash compares, in cells
HASH_SIDE = 16
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
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# the number of the filter that stores differences to the left
PNG_FILTER_LEFT = 1


class PreparedPicture(NamedTuple):
    """image: "L" or "RGB", size x size. width, height: of the original, upright, in pixels."""

    image: Image.Image
    width: int
    height: int


class UnusablePictureError(Exception):
    """A picture file that is left out; the text is the reason, for a report."""


def prepare_picture(file: BinaryIO, size: int, smallest: int) -> PreparedPicture:
    """Open picture file -> the picture on a white square of size x size pixels.

    The picture is kept up to its border: an engraving is a composition, a crop would cut away what
    the caption names, and most originals are smaller than a 512 px crop would need.
    UnusablePictureError where the file is broken or hostile, or a side is shorter than `smallest`.
    """
    silence_decoders()
    decoded = decode(file, size, smallest)
    width, height = decoded.width, decoded.height
    scale = size / max(width, height)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = decoded.image.resize(
        fitted, Image.Resampling.LANCZOS, box=decoded.box, reducing_gap=2.0
    )
    if decoded.orientation > 1:
        image = image.transpose(TURNS[decoded.orientation])
    if decoded.orientation > 4:
        width, height = height, width
    image = lay_on_white(image)
    if image.mode == "RGB" and is_grey(image):
        image = image.convert("L")
    square = ImageOps.pad(image, (size, size), Image.Resampling.LANCZOS, color="white")
    return PreparedPicture(square, width, height)


@functools.cache
def silence_decoders() -> None:
    """Keeps Pillow and libtiff from telling the terminal about every damaged file.

    That would be thousands of lines; the report names such a file once.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    # where libtiff is linked otherwise, it goes on complaining
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)


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


def decode(file: BinaryIO, size: int, smallest: int) -> DecodedPicture:
    """Reads a file's pixels, of a JPEG no more than `size` needs.

    UnusablePictureError as in prepare_picture.
    """
    try:
        with warnings.catch_warnings():
            # broken EXIF and the like: the pixels decide
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=PILLOW_FORMATS) as image:
                width, height = image.size
                if min(width, height) < smallest:
                    raise UnusablePictureError(f"smaller than {smallest} px")
                refuse_bomb(image, file)
                # of a JPEG alone
                side = DRAFT_MARGIN * (size / max(width, height))
                draft_size = (max(1, int(side * width)), max(1, int(side * height)))
                draft = image.draft(None, draft_size)
                # open() alone accepts cut-off files
                image.load()
                orientation = orientation_of(image)
                # the last row and column of a draft are only partly picture
                box = draft[1] if draft else None
                return DecodedPicture(simplify_mode(image), width, height, orientation, box)
    except UnusablePictureError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnusablePictureError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error
    except Exception as error:
        # Pillow's readers raise nearly anything on damaged bytes
        raise UnusablePictureError(f"unreadable ({type(error).__name__})") from error


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


def bytes_per_pixel(image: ImageFile.ImageFile) -> int:
    """Memory that Pillow takes for a pixel while it decodes."""
    # an animation's decoder holds several pictures
    if image.format == "WEBP" and getattr(image, "is_animated", False):
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


def orientation_of(image: Image.Image) -> int:
    """1 (upright) to 8, as the EXIF data say; broken ones say nothing."""
    with contextlib.suppress(Exception):
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        if orientation in TURNS:
            return orientation
    return 1


def simplify_mode(image: Image.Image) -> Image.Image:
    """Decoded picture of any mode -> "L", "RGB" or, where it is transparent, "RGBa".

    "RGBa" holds colours multiplied by their opacity: it alone can be made smaller without a dark
    seam.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        return scale_to_grey(image)
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def scale_to_grey(image: Image.Image) -> Image.Image:
    """Picture of 16-bit, 32-bit or float samples -> "L" with its range kept.

    `convert("L")` would clip it to all white or all black. 0 to 1, to 255 and to 65,535 are taken
    as such, any other range is stretched from its minimum to its maximum. ValueError where no
    sample is finite.
    """
    samples = np.asarray(image)  # (H, W)
    bands = np.array_split(samples, -(-samples.size // BAND_SAMPLES))
    low, high = finite_range(bands)
    top = high
    for known_top in (1, 255, 65535) if image.mode == "F" else (255, 65535):
        if low >= 0 and high <= known_top:
            low = 0.0
            top = float(known_top)
            break
    grey = np.empty(samples.shape, np.uint8)
    for band, grey_band in zip(bands, np.array_split(grey, len(bands))):
        scaled = (band.astype(np.float64) - low) * (255 / (top - low or 1))
        # NaN becomes bare paper
        bounded = np.nan_to_num(scaled, nan=255, posinf=255, neginf=0).clip(0, 255)
        grey_band[:] = np.rint(bounded)
    return Image.fromarray(grey)


def finite_range(bands: list[np.ndarray]) -> tuple[float, float]:
    """Smallest and largest finite sample. ValueError where there is none."""
    lows = []
    highs = []
    for band in bands:
        finite = band[np.isfinite(band)]
        if finite.size:
            lows.append(finite.min())
            highs.append(finite.max())
    if not lows:
        raise ValueError("no finite value")
    return float(min(lows)), float(max(highs))


def lay_on_white(image: Image.Image) -> Image.Image:
    """A transparent picture as "RGB" on white: black lines on nothing would become all black."""
    if image.mode != "RGBa":
        return image
    paper = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")


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


def perceptual_hash(image: Image.Image, width: int, height: int) -> str:
    """Prepared picture and its original's size -> 256 bits as 64 hex digits.

    A bit says whether a 16 x 16 thumbnail of what lies between the margins grows brighter from a
    cell to the next on its right. Source: difference hash, Krawetz 2013, hackerfactor.com.
    """
    picture = without_margins(image.convert("L"), width, height)
    thumbnail = picture.resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX)
    cells = np.asarray(thumbnail, np.int16)  # (16, 17)
    return np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes().hex()


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
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
