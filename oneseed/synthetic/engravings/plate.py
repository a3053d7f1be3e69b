"""The plate: shapes, and tone carried by lines as an engraver would.

Two systems of units are used by everything that draws:

* A subject is a list of Parts in a box of 100 units: x from -50 to 50, y from 0 on the ground up to
  100. The draw functions of buildings and figures use these.
* A Plate counts in fractions of the picture's side: x from 0 to 1, y from 0 at the top *down* to 1.
  The sky, the ground and every method of Plate use these.

Outlines are closed: float arrays (N, 2) of (x, y), in either units. Tone is 0 for white, 1 for
black.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# canvas pixels a pixel of the picture, in each direction
OVERSAMPLE = 2
# the first two labels
WHITE = 0
BLACK = 1
# labels that an 8-bit canvas can hold
MAX_LABELS = 256
# width of an outline of weight 1, as a fraction of the side
LINE = 0.0085
# width of the white around a subject, as a fraction of the side
HALO = 0.012
# tone that a subject gains from its lit to its far side, over half its width
SUBJECT_SHADE = 0.16
# tone that a wall gains where it looks straight away from the light
WALL_SHADE = 0.3


class Part(NamedTuple):
    """A closed outline and how it is engraved. Tones 0 and 1 stay pure, others take the light."""

    # (N, 2)
    points: np.ndarray
    # 0 white to 1 black
    tone: float = 0.34
    # tone gained from the middle to the side away from the light, as on a cylinder
    roundness: float = 0.0
    # a wall that looks to the left (-1) or right (1)
    face: float = 0.0
    # tone gained from the middle to the foot
    sink: float = 0.0
    # degrees that its lines lean
    tilt: float = 0.0
    # periods that its lines sag in the middle
    curve: float = 0.0
    # weight of its outline; 1 is LINE wide
    ink: float = 1.0


class Shade(NamedTuple):
    """How the places of one label are shaded; x and y are fractions of the side.

    The tone is tone + tone_x x + tone_y y, clipped to 0 (white) to 1 (black). The lines are shifted
    by bend + bend_x x + bend_y y + bend_xx x^2 periods.
    """

    tone: float
    tone_x: float = 0.0
    tone_y: float = 0.0
    bend: float = 0.0
    bend_x: float = 0.0
    bend_y: float = 0.0
    bend_xx: float = 0.0


class Water(NamedTuple):
    """The label whose lines ripple, and where its horizon lies (a fraction of the side)."""

    label: int
    horizon: float


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """A rectangle with these opposite corners -> (4, 2)."""
    return np.array([(x0, y0), (x0, y1), (x1, y1), (x1, y0)], float)


def poly(*points: Sequence[float]) -> np.ndarray:
    """A polygon with N corners -> (N, 2)."""
    return np.array(points, float)


def oval(x: float, y: float, rx: float, ry: float, points: int = 20) -> np.ndarray:
    """An ellipse around (x, y) with radii rx and ry -> (points, 2)."""
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], 1)


def arch(x: float, y: float, rx: float, top: float, foot: float = 0.0) -> np.ndarray:
    """A round-headed opening: straight from `foot` to y, then half an ellipse up to `top`.

    -> (13, 2); x is its middle, rx half its width.
    """
    turn = np.linspace(0, np.pi, 11)
    return np.concatenate(
        [
            [(x + rx, foot)],
            np.stack([x + rx * np.cos(turn), y + (top - y) * np.sin(turn)], 1),
            [(x - rx, foot)],
        ]
    )


def bent(*points: Sequence[float] | np.ndarray, steps: int = 4) -> np.ndarray:
    """A smooth closed curve through N points (Catmull-Rom) -> (N steps, 2)."""
    corners = np.array(points, float)
    count = len(corners)
    before, after, later = (corners[(np.arange(count) + step) % count] for step in (-1, 1, 2))
    t = (np.arange(steps) / steps)[:, None, None]
    cubic = 3 * corners - before - 3 * after + later
    square = 2 * before - 5 * corners + 4 * after - later
    curve = corners + t / 2 * (after - before + t * (square + t * cubic))
    return curve.transpose(1, 0, 2).reshape(-1, 2)


def bar(x0: float, y0: float, x1: float, y1: float, width: float) -> np.ndarray:
    """A straight bar of `width` from one point to another -> (4, 2)."""
    across = np.array([y0 - y1, x1 - x0]) / np.hypot(x1 - x0, y1 - y0) * width / 2
    start = np.array([x0, y0])
    end = np.array([x1, y1])
    return np.array([start + across, end + across, end - across, start - across])


def battlement(
    x0: float, y0: float, x1: float, y1: float, teeth: int, depth: float = 5
) -> np.ndarray:
    """A wall whose top has so many teeth with gaps of `depth` between them -> (4 teeth, 2)."""
    edges = np.linspace(x0, x1, 2 * teeth)
    top = []
    for i in range(2 * teeth - 1):
        height = y1 - depth * (i % 2)
        top += [(edges[i], height), (edges[i + 1], height)]
    return np.array([(x0, y0), *top, (x1, y0)], float)


def ridge(phase: np.ndarray) -> np.ndarray:
    """Phase in periods -> 1 on the ridge of a line, 0 half-way to the next."""
    return np.abs(phase - np.floor(phase) - 0.5) * 2


class Plate:
    """A canvas of labels, painted back to front, and the Shade of each; engraved in one technique.

    Positions are fractions of the side, y down. `away` is 1 when the light comes from the left, -1
    from the right: the direction in which things darken.
    """

    def __init__(self, size: int, light: str, technique: str) -> None:
        """size: side of the picture in pixels; light, technique: values of the attributes."""
        self.technique = technique
        self.away = 1 if light == "left" else -1
        self.side = size * OVERSAMPLE
        # pixels from line to line
        self.spacing = max(4, size / 96) * OVERSAMPLE
        self.labels = Image.new("L", (self.side, self.side), WHITE)
        self.pen = ImageDraw.Draw(self.labels)
        # of WHITE and BLACK: beyond the range, so that no slope changes them
        self.shades = [Shade(-1), Shade(2)]
        self.water: Water | None = None

    def add_label(self, shade: Shade) -> int:
        """A new label for places that are shaded so."""
        self.shades.append(shade)
        assert len(self.shades) <= MAX_LABELS, "more shades than an 8-bit label can tell apart"
        return len(self.shades) - 1

    def fill(self, label: int, *outlines: np.ndarray, rim: int = BLACK, width: float = 0.0) -> None:
        """Paint closed outlines (N, 2) with a label, and lines of `width` along them with `rim`."""
        line_width = round(width * self.side)
        joint = "curve" if line_width > 3 else None
        for points in outlines:
            dots = (points * self.side).ravel().tolist()
            self.pen.polygon(dots, fill=label)
            if line_width:
                self.pen.line(dots + dots[:4], fill=rim, width=line_width, joint=joint)

    def paint(
        self, part: Part, *more: np.ndarray, middle: float = 0.5, reach: float = np.inf
    ) -> None:
        """Paint one Part, or several outlines shaded as one.

        The part belongs to a subject that is `middle` +- `reach` wide: darker on its far side.
        """
        label = int(part.tone)
        if 0 < part.tone < 1:
            corners = np.concatenate([part.points, *more])
            label = self.add_label(self.shade_of(part, corners, middle, reach))
        self.fill(label, part.points, *more, width=part.ink * LINE)

    def shade_of(self, part: Part, corners: np.ndarray, middle: float, reach: float) -> Shade:
        """The shade of a part whose outlines have these corners (N, 2)."""
        x0, y0 = corners.min(0).tolist()
        x1, y1 = corners.max(0).tolist()
        x = (x0 + x1) / 2
        y = (y0 + y1) / 2
        half_width = (x1 - x0) / 2
        half_height = (y1 - y0) / 2
        slope_x = self.away * (part.roundness / half_width + SUBJECT_SHADE / reach)
        slope_y = part.sink / half_height
        turned_away = (
            WALL_SHADE * part.face
            - part.roundness * x / half_width
            - SUBJECT_SHADE * middle / reach
        )
        # 0 in the middle, -curve at both ends
        sag = part.curve / half_width**2
        lean = np.radians(part.tilt)
        # lines a side; the two other techniques hatch in fixed directions
        turn = self.side / self.spacing * (1 if self.technique == "line" else 0)
        return Shade(
            tone=part.tone + self.away * turned_away - slope_y * y,
            tone_x=slope_x,
            tone_y=slope_y,
            bend=-sag * x * x,
            bend_x=2 * sag * x + np.sin(lean) * turn,
            bend_y=(np.cos(lean) - 1) * turn,
            bend_xx=-sag,
        )

    def halo(self, outlines: Sequence[np.ndarray]) -> None:
        """Clear the paper around (not below) and under the outlines, each (N, 2).

        Engravers set a subject off from its background so.
        """
        reach = round((LINE / 2 + HALO) * self.side)
        corners = np.concatenate(outlines) * self.side
        low = (corners.min(0) - 2 * reach).astype(int)
        high = (corners.max(0) + (2 * reach, LINE * self.side)).astype(int)
        mask = Image.new("L", tuple((high - low).tolist()))
        pen = ImageDraw.Draw(mask)
        for points in outlines:
            pen.polygon((points * self.side - low).ravel().tolist(), fill=255)
        grown = mask.filter(ImageFilter.BoxBlur(reach)).point([0] + 255 * [255])
        self.labels.paste(WHITE, tuple(low.tolist()), grown)

    def frame(self, margin: int, line: int) -> None:
        """A white margin around the picture, and a black line within it, in canvas pixels."""
        end = self.side - 1
        self.pen.rectangle((0, 0, end, end), outline=WHITE, width=margin)
        inner = (margin, margin, end - margin, end - margin)
        self.pen.rectangle(inner, outline=BLACK, width=line)

    def to_image(self) -> Image.Image:
        """-> PIL image, mode "L", of the picture's size.

        The inked area equals the tone, stretched a little so that its ends are clean.
        """
        # (S, S), of the type that indexes fastest
        labels = np.asarray(self.labels).astype(np.intp)
        shades = np.array(self.shades, np.float32).T  # (7, labels)
        tone_0, tone_x, tone_y, bend_0, bend_x, bend_y, bend_xx = shades
        at = (np.arange(self.side, dtype=np.float32) + 0.5) / self.side  # (S,)
        x = at[None]
        y = at[:, None]
        tone = np.clip(tone_0[labels] + tone_x[labels] * x + tone_y[labels] * y, 0, 1)
        bend = bend_0[labels] + (bend_x[labels] + bend_xx[labels] * x) * x
        if self.water:
            horizon = self.water.horizon
            wet = slice(int(horizon * self.side), None)
            # 0 at the horizon to 1 at the foot
            near = (y[wet] - horizon) / (1 - horizon)
            ripple = 0.45 * near * np.sin(44 * x + 9 * near)
            bend[wet] += (labels[wet] == self.water.label) * ripple
        # lines from the top to the foot
        lines = self.side / self.spacing
        if self.technique == "line":
            ink = self.cut(tone, ridge(y * lines + bend_y[labels] * y + bend))
        else:
            rising = ridge((x + y) * lines / 1.5 + bend)
            falling = ridge((x - y) * lines / 1.5 - bend)
            ink = self.cross(tone, rising, falling)
        pixels = (255.5 - np.clip(ink, 0, 1) * 255).astype(np.uint8)
        return Image.fromarray(pixels).reduce(OVERSAMPLE)

    def cut(self, tone: np.ndarray, height: np.ndarray) -> np.ndarray:
        """Ink of lines cut as wide as the tone asks; height: 1 on their ridges to 0 between them.

        At an edge, ink changes by 1 a canvas pixel; below 0 is white, above 1 black.
        """
        # ink changes by this per unit of tone
        crisp = self.spacing / 2
        return (tone * (1 + 1 / crisp) - 0.5 / crisp - 1 + height) * crisp + 0.5

    def cross(self, tone: np.ndarray, rising: np.ndarray, falling: np.ndarray) -> np.ndarray:
        """Ink of two sets of lines: crossed, or as dots where both have their ridges."""
        if self.technique == "cross-hatching":
            first = np.minimum(tone, 0.16 + 0.5 * tone)
            second = (tone - first) / (1 - first)
            return np.maximum(self.cut(first, rising), self.cut(second, falling))
        # a dot of radius^2 r has area pi r / 4 until dots meet
        dots = 1 - (1 - rising) ** 2 - (1 - falling) ** 2
        return self.cut(1.27 * tone + 0.73 * tone**6, dots)
