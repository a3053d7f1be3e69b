"""Any picture file: read safely, turned upright, laid on white, written as PNG.

One picture file -> one grey or RGB picture of a size, letter-boxed on white, whatever the file is or claims to be; and that as a PNG.
"""

import contextlib
import ctypes
import functools
import logging
import os
import struct
import warnings
import zlib

import numpy as np
from PIL import ExifTags, Image, ImageOps

# what the file must be inside, whatever its suffix says
PILLOW_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
# a JPEG is decoded at 1/2, 1/4 or 1/8 as long as that leaves so many times the size wanted
SPARE = 1.5
# bytes of memory that a picture may decode to, for each of its file; what any may
MAX_PIXEL_RATIO = 1000
ALWAYS_ALLOWED_PIXELS = 2**26
# of a JPEG of the largest size; of a smaller one as many times more
MAX_SCANS = 12
ORIENTATION = ExifTags.Base.Orientation
TURNS = dict(
    enumerate(
        (
            Image.Transpose.FLIP_LEFT_RIGHT,
            Image.Transpose.ROTATE_180,
            Image.Transpose.FLIP_TOP_BOTTOM,
            Image.Transpose.TRANSPOSE,
            # what makes each orientation upright
            Image.Transpose.ROTATE_270,
            Image.Transpose.TRANSVERSE,
            Image.Transpose.ROTATE_90,
        ),
        2,
    )
)


def eight_bits(image):
    """Picture of 16-bit, 32-bit or float samples -> "L" with its range kept; `convert("L")` would clip it to all white or all
    black. 0 to 1, to 255 and to 65,535 are taken as such, any other range is stretched to its minimum and maximum."""
    values = np.asarray(image)
    # views; the whole in float64 would take gigabytes
    bands = np.array_split(values, -(-values.size // 2**20))
    ranges = [
        (finite.min(), finite.max()) for band in bands if (finite := band[np.isfinite(band)]).size
    ]
    if not ranges:
        raise ValueError("no finite value")
    low, high = (float(end(side)) for end, side in zip((min, max), zip(*ranges)))
    tops = (1, 255, 65535) if image.mode == "F" else (255, 65535)
    top = next((top for top in tops if low >= 0 and high <= top), None)
    low, top = (0, top) if top else (low, high)
    result = np.empty(values.shape, np.uint8)
    for band, out in zip(bands, np.array_split(result, len(bands))):
        scaled = (band.astype(np.float64) - low) * (255 / (top - low or 1))
        # no value: bare paper
        out[:] = np.rint(np.nan_to_num(scaled, nan=255, posinf=255, neginf=0).clip(0, 255))
    return Image.fromarray(result)


def on_white(image):
    """Decoded picture of any mode -> "L", "RGB" or, where it is transparent, "RGBa", which alone can be made smaller without a dark seam."""
    if image.mode == "F" or image.mode.startswith("I"):
        return eight_bits(image)
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def is_grey(image, tolerance=2):
    """True where the channels of every pixel of an RGB picture agree within `tolerance` of 255."""
    # few pixels tell of most coloured pictures
    for pixels in (image.resize((32, 32), Image.Resampling.NEAREST), image):
        red, green, blue = (np.asarray(channel, np.int16) for channel in pixels.split())
        if (
            max(np.abs(red - green).max(), np.abs(green - blue).max(), np.abs(red - blue).max())
            > tolerance
        ):
            return False
    return True


def orientation_of(image):
    """1 (upright) to 8, as the EXIF data say; broken ones say nothing."""
    with contextlib.suppress(Exception):
        if (found := image.getexif().get(ORIENTATION)) in TURNS:
            return found
    return 1


def refuse_bomb(image, file):
    """Why an opened picture is not to be decoded, "" where it may be: a header that promises far more than its file can hold, or a JPEG that is
    drawn over so often that it would take minutes."""
    pixels = image.width * image.height
    length = file.seek(0, os.SEEK_END)
    # bytes of memory
    each = (
        16
        if image.format == "WEBP" and image.is_animated
        else {"1": 1, "L": 1, "P": 1, "I;16": 2}.get(image.mode, 4)
    )
    if pixels * each > max(ALWAYS_ALLOWED_PIXELS, MAX_PIXEL_RATIO * length):
        return f"decodes to more than {MAX_PIXEL_RATIO:,} times its length"
    if image.format in ("JPEG", "MPO"):
        scans = 0
        last = b""
        file.seek(0)
        while block := file.read(2**20):
            # two bytes would be found in the film behind a telephone's picture
            scans = scans + (last + block).count(b"\xff\xda\0")
            last = block[-2:]
        if scans * pixels > MAX_SCANS * Image.MAX_IMAGE_PIXELS:
            return f"a JPEG of {scans:,} scans"
    return ""


@functools.cache
def silence_decoders():
    """Pillow's log and, past Python, libtiff would tell the terminal about every damaged file, in thousands of lines; the report names it once."""
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    # where libtiff is linked otherwise, it goes on complaining
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)


def prepare_picture(file, size, smallest):
    """Open picture file -> ("L" or "RGB" picture of size x size, (width, height) of the original, upright), or (None, the reason it was left out).

    The whole picture is kept, letter-boxed on white: an engraving is a composition up to its border, a crop would cut away
    what the caption names, and most originals are smaller than a 512 px crop would need.
    """
    silence_decoders()
    try:
        with warnings.catch_warnings():
            # broken EXIF and the like: the pixels decide
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=PILLOW_FORMATS) as image:
                width, height = image.size
                if min(width, height) < smallest:
                    return None, f"smaller than {smallest} px"
                if reason := refuse_bomb(image, file):
                    return None, reason
                scale = size / max(width, height)
                # JPEG alone
                drafted = image.draft(
                    None, tuple(max(1, int(SPARE * scale * side)) for side in (width, height))
                )
                # open() alone accepts cut-off files
                image.load()
                orientation = orientation_of(image)
                image = on_white(image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return None, f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    except Exception as error:
        # Pillow's readers raise nearly anything on damaged bytes
        return None, f"unreadable ({type(error).__name__})"
    fitted = tuple(max(1, round(side * scale)) for side in (width, height))
    # what of the decoded part is picture: its last row and column are only partly
    box = drafted[1] if drafted else None
    image = image.resize(fitted, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)
    if orientation > 1:
        image = image.transpose(TURNS[orientation])
        width, height = (height, width) if orientation > 4 else (width, height)
    # black lines on nothing would become black on black
    if image.mode == "RGBa":
        image = Image.alpha_composite(
            Image.new("RGBA", image.size, "white"), image.convert("RGBA")
        ).convert("RGB")
    if image.mode == "RGB" and is_grey(image):
        image = image.convert("L")
    return ImageOps.pad(image, (size, size), Image.Resampling.LANCZOS, color="white"), (
        width,
        height,
    )


@functools.cache
def deflate():
    """ISA-L's compression, or zlib's where its wheel is not there: four times slower, for files that are a sixth shorter."""
    try:
        from isal import isal_zlib

        return isal_zlib.compress
    except ImportError:
        return zlib.compress


def encode_png(image):
    """ "L" or "RGB" picture -> a PNG file without metadata, as bytes. Pillow's own writer tries five filters on every row and took half of all
    time; one for all rows (the difference to the left) and the fastest compression make files that are hardly longer."""
    rows = np.asarray(image).reshape(image.height, -1)
    channels = len(image.getbands())
    # each begins with its filter's number, 1
    lines = np.ones((image.height, 1 + rows.shape[1]), np.uint8)
    lines[:, 1 : 1 + channels] = rows[:, :channels]
    np.subtract(rows[:, channels:], rows[:, :-channels], out=lines[:, 1 + channels :])
    header = struct.pack(">IIBBBBB", *image.size, 8, 2 if channels == 3 else 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", deflate()(lines, 1)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
        for kind, data in chunks
    )


def without_margins(image, width, height):
    """Prepared picture and its original's size -> what lies between the white margins."""
    size = image.width
    scale = image.width / max(width, height)
    right = (size - max(1, round(width * scale))) // 2
    down = (size - max(1, round(height * scale))) // 2
    return image.crop((right, down, size - right, size - down))


def perceptual_hash(image, width, height):
    """Prepared picture and its original's size -> 256 bits as 64 hex digits: where a 16 x 16 thumbnail of what lies between the white
    margins grows brighter from left to right (difference hash, Krawetz 2013, hackerfactor.com)."""
    # (16, 17)
    small = np.asarray(
        without_margins(image.convert("L"), width, height).resize((17, 16), Image.Resampling.BOX),
        np.int16,
    )
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()
