"""Pictures of every depth, colour space and transparency as plain grey or RGB ones."""

import numpy as np
from PIL import ExifTags, Image, ImageOps

from oneseed.media.transparency import white_where_stated

# samples that are converted at once; all of them as float64 could take gigabytes
BAND_SAMPLES = 2**20
# the largest samples that are taken as white, where a picture has none above
KNOWN_TOPS = {"I": (255, 65535), "F": (1, 255, 65535)}
# how far samples may lie apart, of 255, where nothing can be seen
INVISIBLE_SPREAD = 8
# the value of TIFF's tag PhotometricInterpretation that makes the smallest sample white
WHITE_IS_ZERO = 0


def simplify_mode(image: Image.Image) -> Image.Image:
    """Decoded picture of any mode -> "L", "RGB" or, where it is transparent, "RGBa".

    "RGBa" holds colours multiplied by their opacity: it alone can be made smaller without a dark
    seam.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        grey = scale_to_grey(image, bits_of(image))
        # Pillow inverts no such picture of more than 8 bits by itself
        grey = ImageOps.invert(grey) if is_white_zero(image) else grey
        return white_where_stated(grey, image)
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def to_rgb(image: Image.Image) -> Image.Image:
    """Picture of any mode -> the same as "RGB", see lay_on_paper."""
    return lay_on_paper(simplify_mode(image)).convert("RGB")


def bits_of(image: Image.Image) -> int:
    """Bits of a deep grey picture's samples, as a TIFF tells them; else 16."""
    bits = tiff_tag(image, ExifTags.Base.BitsPerSample)
    return bits[0] if isinstance(bits, tuple) and bits and 8 < bits[0] < 16 else 16


def is_white_zero(image: Image.Image) -> bool:
    """True for a TIFF whose smallest sample is white."""
    return tiff_tag(image, ExifTags.Base.PhotometricInterpretation) == WHITE_IS_ZERO


def tiff_tag(image: Image.Image, tag: int) -> object:
    """What a TIFF says under `tag`; None where it says nothing, and for other pictures."""
    return getattr(image, "tag_v2", {}).get(tag)


def scale_to_grey(image: Image.Image, bits: int = 16) -> Image.Image:
    """Picture of 16-bit, 32-bit or float samples -> "L" with its range kept.

    `convert("L")` would clip it to all white or all black. 0 to 1, to 255 and to 65,535 are taken
    as such, any other range is stretched from its minimum to its maximum. ValueError where no
    sample is finite. bits: of its samples where they are fewer than 16.
    """
    samples = np.asarray(image)  # (H, W)
    bands = np.array_split(samples, -(-samples.size // BAND_SAMPLES))
    low, high = finite_range(bands)
    top = high
    known_tops = KNOWN_TOPS[image.mode[0]] if bits == 16 else (2**bits - 1,)
    for known_top in known_tops:
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


def lay_on_paper(image: Image.Image) -> Image.Image:
    """A transparent picture as "RGB" on white: black lines on nothing would become all black.

    On black where nothing can be seen on white, as of white icons.
    """
    on_white = lay_on(image, "white")
    is_blank = image.mode == "RGBa" and is_even(on_white)
    if is_blank and not is_even(image.getchannel("a")):
        return lay_on(image, "black")
    return on_white


def lay_on(image: Image.Image, colour: str) -> Image.Image:
    """A picture of simplify_mode, where it is transparent as "RGB" on paper of this colour."""
    if image.mode != "RGBa":
        return image
    paper = Image.new("RGBA", image.size, colour)
    return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")


def is_even(image: Image.Image) -> bool:
    """Whether nothing can be seen in a picture of any mode, as each channel is of one shade."""
    return all(np.ptp(channel.getextrema()) <= INVISIBLE_SPREAD for channel in image.split())
