"""One picture: a shape, turned at random, on its ground.

    draw({"shape": "heart", "size": "small", "colour": "red", "position": "top left",
          "background": "dark"}, seed=7, size=64)

Lengths are fractions of the picture's side, so the composition is the same at any size.
"""

from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from oneseed.seeds import numpy_generator

# pixels a side, as in the published set
SPRITE_SIDE = 64
# sub-pixels a pixel and direction, for smooth edges
SUBPIXELS = 8
# side of a big sprite's box; that of a small one is half of it
BOX = {"small": 0.18, "big": 0.36}
# red, green, blue; those of the published set
INK = {
    "white": (255, 255, 255),
    "red": (192, 64, 0),
    "yellow": (228, 217, 111),
    "green": (10, 107, 60),
    "blue": (0, 127, 200),
    "pink": (255, 0, 255),
}
# where the middle of a sprite lies in its half: the same range as in the published set
FIRST_HALF = (0.27, 0.39)
SECOND_HALF = (0.65, 0.73)
ANYWHERE = (0.33, 0.71)
# position -> ranges of x and y
PLACES = {
    "anywhere": (ANYWHERE, ANYWHERE),
    "top left": (FIRST_HALF, FIRST_HALF),
    "top right": (SECOND_HALF, FIRST_HALF),
    "bottom left": (FIRST_HALF, SECOND_HALF),
    "bottom right": (SECOND_HALF, SECOND_HALF),
}
# background -> darkest and lightest grey of its texture
GROUND = {"black": (0, 0), "dark": (0, 48), "light": (176, 255)}
# share of a colour that the darkest place of a shape has; white stands for shapes without texture
DARKEST_SHARE = 0.7
# cells of a texture's noise along a side: from broad patches to grains
CELLS = (4, 20)
POINTS = 96


def outline(shape: str) -> np.ndarray:
    """The outline of a shape, (N, 2) of x and y, around (0, 0) in a box of side 1."""
    if shape == "square":
        return np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    angles = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    if shape == "ellipse":
        return np.stack([0.62 * np.cos(angles), 0.31 * np.sin(angles)], axis=1)
    assert shape == "heart", shape
    # the heart curve with these four cosines is 32 wide and 29 high
    x = 16 * np.sin(angles) ** 3
    y = 13 * np.cos(angles) - 5 * np.cos(2 * angles) - 2 * np.cos(3 * angles) - np.cos(4 * angles)
    return np.stack([x, -y - 2.5], axis=1) / 29


def texture(size: int, rng: np.random.Generator) -> np.ndarray:
    """Soft noise, float (size, size) from 0 to 1; its grain comes from rng."""
    cells = rng.integers(*CELLS, size=2, endpoint=True)
    noise = rng.integers(0, 256, size=tuple(cells), dtype=np.uint8)
    smooth = Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(smooth) / 255


def coverage(points: np.ndarray, size: int) -> np.ndarray:
    """How much of each pixel lies within an outline, float (size, size) from 0 to 1.

    points: (N, 2), fractions of the side.
    """
    fine = Image.new("L", (size * SUBPIXELS, size * SUBPIXELS))
    corners = [(float(x), float(y)) for x, y in points * size * SUBPIXELS]
    ImageDraw.Draw(fine).polygon(corners, fill=255)
    return np.asarray(fine.resize((size, size), Image.Resampling.BOX)) / 255


def draw(facts: dict[str, Any], seed: int, size: int = SPRITE_SIDE) -> Image.Image:
    """Facts -> PIL image, mode "RGB", size x size.

    Place within its range, turn and textures come from the seed (any int): the same bytes each
    time, the same composition at any size.
    """
    rng = numpy_generator(seed, "picture")
    turn = rng.uniform(0, 2 * np.pi)
    middle = [rng.uniform(*among) for among in PLACES[facts["position"]]]
    rotation = np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
    points = outline(facts["shape"]) @ rotation * BOX[facts["size"]] + middle
    shape = coverage(points, size)[:, :, None]  # (size, size, 1)

    least = 1 if facts["colour"] == "white" else DARKEST_SHARE
    shading = least + (1 - least) * texture(size, rng)[:, :, None]
    darkest, lightest = GROUND[facts["background"]]
    ground = darkest + (lightest - darkest) * texture(size, rng)[:, :, None]
    drawn = shape * shading * INK[facts["colour"]] + (1 - shape) * ground  # (size, size, 3)
    return Image.fromarray(np.rint(drawn).astype(np.uint8))
