"""Which pictures are in colour, and what training makes of that.

A sheet that time has yellowed, or a print in one ink, is toned: its colour follows from its
brightness, and a model of one channel loses nothing that was drawn. It counts as in colour where
more than that is there, or where the tone is as strong as paint.
"""

import numpy as np
from PIL import Image

from oneseed.dataset.collection import Collection
from oneseed.dataset.pixels import PixelCache

# part of the pictures in colour from which on a model learns colour
COLOUR_PART = 0.2
# side at which a picture is judged, in pixels
JUDGED_SIDE = 64
# part of the pixels that may be stronger: a stamp, a seal
STRONG_PART = 0.002
# colour, 0 to 255: how far a pixel's channels lie apart. From here on it is paint …
STRONG_COLOUR = 85
# … and so much of it, not told by the brightness, is more than a tone. Measured on 1,034 scans of
# prints: of engravings on yellow paper nearly all lie below both, of paintings nearly all above.
FREE_COLOUR = 6.0
# pictures of a collection that are looked at where no report counts them
MAX_JUDGED = 200


def in_colour(image: Image.Image) -> bool:
    """True where a picture is in colour, neither grey nor only toned. image: "L" or "RGB"."""
    if image.mode == "L":
        return False
    small = image.resize((JUDGED_SIDE, JUDGED_SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small, np.float64).reshape(-1, 3)  # (P, 3)
    colour = np.ptp(pixels, axis=1)  # (P,)
    if np.quantile(colour, 1 - STRONG_PART) >= STRONG_COLOUR:
        return True
    light = pixels.mean(axis=1) / 255  # (P,)
    powers = np.stack([np.ones_like(light), light, light**2], axis=1)  # (P, 3)
    hue = pixels[:, [0, 2]] - pixels[:, [1]]  # (P, 2): red and blue beside green
    tone = powers @ np.linalg.lstsq(powers, hue, rcond=None)[0]  # (P, 2)
    free = np.sqrt(((hue - tone) ** 2).sum(axis=1).mean())
    return bool(free >= FREE_COLOUR)


def colour_share(collection: Collection, size: int) -> float:
    """Part of a prepared collection's pictures that are in colour, 0 to 1.

    As its report counts them; of a collection whose report does not, as some of its pictures of
    `size` px say. 0 where there are none on this machine.
    """
    report = collection.read_report()
    if "colour" in report and "prepared" in report:
        return report["colour"] / max(1, report["prepared"])
    cache = PixelCache.of(collection, size)
    if cache is None or cache.array.ndim == 3 or not len(cache.array):
        return 0.0
    step = -(-len(cache.array) // MAX_JUDGED)
    judged = [in_colour(Image.fromarray(pixels)) for pixels in cache.array[::step]]
    return sum(judged) / len(judged)


def training_channels(share: float, preset: str) -> int:
    """Channels of a model that is not told otherwise: 3 (RGB) or 1 (grey).

    share: see colour_share. The full preset is always RGB.
    """
    return 3 if preset == "full" or share >= COLOUR_PART else 1


def colour_line(colour: int, total: int, preset: str) -> str:
    """How many of a source's pictures are in colour, and what training makes of it."""
    counted = f"{colour:,} of {total:,} in colour"
    if training_channels(colour / max(1, total), preset) == 3:
        return f"{counted}; training {'keeps it' if colour else 'is in RGB'}"
    if colour:
        return f"{counted}; training makes all grey, --channels 3 keeps the colour"
    return f"{counted}; training is in grey"
