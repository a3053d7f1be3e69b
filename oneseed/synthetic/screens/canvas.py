"""A sheet to draw screens on: boxes, words, lines; lengths are pixels of a grid of 128 or 256.

Letters and straight boxes are drawn at the picture's own size, so that they stay crisp; round and
slanted things are smoothed.
"""

import colorsys
import functools
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Point = tuple[float, float]

# subpixels a pixel and direction, for smooth edges
SMOOTHING = 4
# hues of what stands out, of one luminance, so that they look the same in grey
HUES = (0.60, 0.36, 0.97, 0.78, 0.07, 0.50)
ACCENT_LUMINANCE = 96
# … and of what stands out on a dark ground
BRIGHT_LUMINANCE = 176


@functools.cache
def accent(number: int, luminance: int = ACCENT_LUMINANCE) -> Colour:
    """One of the colours of what stands out; all have the same grey, the luminance."""
    hue = HUES[number % len(HUES)]
    for lightness in range(10, 95):
        red, green, blue = colorsys.hls_to_rgb(hue, lightness / 100, 0.7)
        colour = round(255 * red), round(255 * green), round(255 * blue)
        if grey_of(colour) >= luminance:
            return exact_grey(colour, luminance)
    raise AssertionError(f"hue {hue} has no colour of luminance {luminance}")


def grey_of(colour: Colour) -> int:
    """The grey that Pillow makes of a colour."""
    red, green, blue = colour
    return (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16


def exact_grey(colour: Colour, luminance: int) -> Colour:
    """A colour near by whose grey is the luminance exactly."""
    red, green, blue = colour
    while grey_of((red, green, blue)) > luminance:
        if blue:
            blue -= 1
        else:
            red -= 1
    return red, green, blue


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that Pillow carries. size: pixels of an em."""
    return ImageFont.load_default(size)


class Canvas:
    """An RGB picture that is being drawn."""

    def __init__(self, size: int, grid: int, ground: Colour, shift: tuple[int, int]) -> None:
        """size: pixels a side; grid: units a side; shift: of everything, in units."""
        self.scale = size / grid
        self.grid = grid
        self.shift = shift
        self.image = Image.new("RGB", (size, size), ground)
        self.pen = ImageDraw.Draw(self.image)

    def at(self, x: float, y: float) -> Point:
        """Where a point of the grid lies in the picture."""
        return (x + self.shift[0]) * self.scale, (y + self.shift[1]) * self.scale

    def box(
        self,
        corners: tuple[float, float, float, float],
        fill: Colour | None = None,
        *,
        outline: Colour | None = None,
        radius: float = 0,
    ) -> None:
        """A rectangle from left, top to before right, bottom."""
        left, top = self.at(*corners[:2])
        right, bottom = self.at(*corners[2:])
        edge = (round(left), round(top), max(round(right), round(left) + 1) - 1, round(bottom) - 1)
        if edge[3] < edge[1]:
            return
        self.pen.rounded_rectangle(
            edge, round(radius * self.scale), fill, outline, max(1, round(self.scale))
        )

    def words(
        self,
        place: Point,
        text: str,
        colour: Colour,
        *,
        size: float = 9,
        anchor: str = "lm",
        bold: bool = False,
    ) -> None:
        """A line of text. place: of its anchor, as Pillow names anchors: "lm" is left, middle."""
        x, y = self.at(*place)
        em = max(4, round(size * self.scale))
        for step in range(2 if bold else 1):
            spot = (round(x) + step * max(1, em // 24) * 0.5, round(y))
            self.pen.text(spot, text, colour, font(em), anchor)

    def width(self, text: str, size: float = 9) -> float:
        """How wide a line of text is, in units."""
        return font(max(4, round(size * self.scale))).getlength(text) / self.scale

    def smooth(
        self, points: Sequence[Point], colour: Colour, *, width: float = 0, closed: bool = True
    ) -> None:
        """A polygon, filled, or lines `width` units wide through the points."""
        spots = [self.at(*point) for point in points]
        reach = width * self.scale + 2
        left = int(min(x for x, _ in spots) - reach)
        top = int(min(y for _, y in spots) - reach)
        right = int(max(x for x, _ in spots) + reach) + 1
        bottom = int(max(y for _, y in spots) + reach) + 1
        fine = Image.new("L", ((right - left) * SMOOTHING, (bottom - top) * SMOOTHING))
        inner = [((x - left) * SMOOTHING, (y - top) * SMOOTHING) for x, y in spots]
        pen = ImageDraw.Draw(fine)
        if width:
            ends = [*inner, inner[0]] if closed else inner
            pen.line(ends, 255, round(width * self.scale * SMOOTHING), "curve")
        else:
            pen.polygon(inner, 255)
        mask = fine.resize((right - left, bottom - top), Image.Resampling.BOX)
        self.image.paste(colour, (left, top), mask)

    def disc(self, middle: Point, radius: float, colour: Colour) -> None:
        """A filled circle."""
        x, y = self.at(*middle)
        reach = radius * self.scale
        left, top = int(x - reach) - 1, int(y - reach) - 1
        side = int(2 * reach) + 4
        fine = Image.new("L", (side * SMOOTHING, side * SMOOTHING))
        edge = [
            (x - left - reach) * SMOOTHING,
            (y - top - reach) * SMOOTHING,
            (x - left + reach) * SMOOTHING,
            (y - top + reach) * SMOOTHING,
        ]
        ImageDraw.Draw(fine).ellipse(edge, 255)
        self.image.paste(colour, (left, top), fine.resize((side, side), Image.Resampling.BOX))

    def arrow(self, points: Sequence[Point], colour: Colour, width: float = 1) -> None:
        """Lines through the points, with a head at the last one; the last piece is straight."""
        self.smooth(points, colour, width=width, closed=False)
        (x0, y0), (x, y) = points[-2:]
        length = max(1e-6, ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5)
        ahead = (x - x0) / length, (y - y0) / length
        back = (x - 4 * ahead[0], y - 4 * ahead[1])
        aside = (-2.5 * ahead[1], 2.5 * ahead[0])
        head = [(x, y), (back[0] + aside[0], back[1] + aside[1])]
        self.smooth([*head, (back[0] - aside[0], back[1] - aside[1])], colour)
