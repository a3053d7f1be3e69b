"""The plate: shapes, and tone carried by lines as an engraver would."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


class Part(NamedTuple):
    """A closed outline and how it is engraved. Tone is 0 white to 1 black; 0 and 1 stay pure, others take the light."""

    points: np.ndarray  # (N, 2)
    tone: float = 0.34
    # darker away from the light, as on a cylinder
    round: float = 0.0
    # a wall that looks to the left (-1) or right (1)
    face: int = 0
    # darker towards its foot
    sink: float = 0.0
    # degrees that its lines lean
    tilt: float = 0.0
    # periods that its lines sag in the middle
    curve: float = 0.0
    # weight of its outline
    ink: float = 1.0


def box(x0, y0, x1, y1):
    return np.array([(x0, y0), (x0, y1), (x1, y1), (x1, y0)], float)


def poly(*points):
    return np.array(points, float)


def oval(x, y, rx, ry, points=20):
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], 1)


def arch(x, y, rx, top, foot=0.0):
    """A round-headed opening: straight from `foot` to y, then half an ellipse up to `top`."""
    turn = np.linspace(0, np.pi, 11)
    return np.concatenate(
        [
            [(x + rx, foot)],
            np.stack([x + rx * np.cos(turn), y + (top - y) * np.sin(turn)], 1),
            [(x - rx, foot)],
        ]
    )


def bent(*points, steps=4):
    """A smooth closed curve through the points (Catmull-Rom)."""
    p = np.array(points, float)
    before, after, later = (p[(np.arange(len(p)) + step) % len(p)] for step in (-1, 1, 2))
    t = (np.arange(steps) / steps)[:, None, None]
    curve = p + t / 2 * (
        after
        - before
        + t * (2 * before - 5 * p + 4 * after - later + t * (3 * p - before - 3 * after + later))
    )
    return curve.transpose(1, 0, 2).reshape(-1, 2)


def bar(x0, y0, x1, y1, width):
    across = np.array([y0 - y1, x1 - x0]) / np.hypot(x1 - x0, y1 - y0) * width / 2
    return np.array([(x0, y0) + across, (x1, y1) + across, (x1, y1) - across, (x0, y0) - across])


def battlement(x0, y0, x1, y1, teeth, depth=5):
    edges = np.linspace(x0, x1, 2 * teeth)
    top = [(x, y1 - depth * (i % 2)) for i in range(2 * teeth - 1) for x in edges[i : i + 2]]
    return np.array([(x0, y0), *top, (x1, y0)], float)


OVERSAMPLE = 2
# the first two labels
WHITE = 0
BLACK = 1
# of the picture's side: an outline of weight 1, the white around a subject
LINE = 0.0085
HALO = 0.012


class Plate:
    """A canvas of labels painted over back to front, and for each label how it is shaded; printed in one technique.

    Positions are fractions of the side, y down. A label's tone is c + cx x + cy y, clipped to 0 (white) to 1 (black), and its
    lines are bent by b + bx x + by y + bxx x^2 periods. `away` is 1 when the light comes from the left, -1 from the right.
    """

    def __init__(self, size, light, technique):
        self.technique = technique
        self.away = 1 if light == "left" else -1
        self.side = size * OVERSAMPLE
        # pixels from line to line
        self.spacing = max(4, size / 96) * OVERSAMPLE
        self.labels = Image.new("L", (self.side, self.side), WHITE)
        self.pen = ImageDraw.Draw(self.labels)
        self.shades = [(-1, 0, 0, 0, 0, 0, 0), (2, 0, 0, 0, 0, 0, 0)]
        self.water = None  # (label, its horizon), where lines ripple

    def label(self, *shade):
        self.shades.append(shade + (0,) * (7 - len(shade)))
        assert len(self.shades) <= 256, "more shades than an 8-bit label can tell apart"
        return len(self.shades) - 1

    def fill(self, label, *outlines, rim=BLACK, width=0.0):
        """Paint closed outlines (N, 2) with a label, and lines of `width` along them with another."""
        width = round(width * self.side)
        for points in outlines:
            dots = (points * self.side).ravel().tolist()
            self.pen.polygon(dots, fill=label)
            if width:
                self.pen.line(
                    dots + dots[:4], fill=rim, width=width, joint="curve" if width > 3 else None
                )

    def paint(self, part, *more, middle=0.5, reach=np.inf):
        """One Part, or several outlines shaded as one. Its subject is `middle` +- `reach` wide: darker on the far side."""
        label = int(part.tone)
        if 0 < part.tone < 1:
            corners = np.concatenate([part.points, *more])
            (x0, y0), (x1, y1) = corners.min(0).tolist(), corners.max(0).tolist()
            x = (x0 + x1) / 2
            y = (y0 + y1) / 2
            wide = (x1 - x0) / 2
            high = (y1 - y0) / 2
            cx = self.away * (part.round / wide + 0.16 / reach)
            cy = part.sink / high
            c = (
                part.tone
                + self.away * (0.3 * part.face - part.round * x / wide - 0.16 * middle / reach)
                - cy * y
            )
            # 0 in the middle, -curve at both ends
            sag = part.curve / wide**2
            lean = np.radians(part.tilt)
            turn = self.side / self.spacing * (self.technique == "line")
            label = self.label(
                c,
                cx,
                cy,
                -sag * x * x,
                2 * sag * x + np.sin(lean) * turn,
                (np.cos(lean) - 1) * turn,
                -sag,
            )
        self.fill(label, part.points, *more, width=part.ink * LINE)

    def halo(self, outlines):
        """Clear the paper around (not below) and under the outlines: how engravers set a subject off from its background."""
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

    def print(self):
        """-> PIL image, mode "L". The inked area equals the tone, stretched a little so that the ends are clean white and black."""
        labels = np.asarray(self.labels).astype(np.intp)  # (S, S), of the type that indexes fastest
        c, cx, cy, b, bx, by, bxx = np.array(self.shades, np.float32).T  # (labels,) each
        at = (np.arange(self.side, dtype=np.float32) + 0.5) / self.side  # (S,)
        x = at[None]
        y = at[:, None]
        steps = self.side / self.spacing
        tone = np.clip(c[labels] + cx[labels] * x + cy[labels] * y, 0, 1)
        bend = b[labels] + (bx[labels] + bxx[labels] * x) * x
        if self.water:
            label, horizon = self.water
            wet = slice(int(horizon * self.side), None)
            # 0 at the horizon to 1 at the foot
            near = (y[wet] - horizon) / (1 - horizon)
            bend[wet] += (labels[wet] == label) * (0.45 * near * np.sin(44 * x + 9 * near))

        # ink changes by this per unit of tone, 1 per pixel across an edge
        crisp = self.spacing / 2
        cut = lambda tone, wave: (tone * (1 + 1 / crisp) - 0.5 / crisp - 1 + wave) * crisp + 0.5
        # 1 on the ridge of a line, 0 half-way to the next
        wave = lambda phase: np.abs(phase - np.floor(phase) - 0.5) * 2
        if self.technique == "line":
            ink = cut(tone, wave(y * steps + by[labels] * y + bend))
        else:
            one = wave((x + y) * steps / 1.5 + bend)
            two = wave((x - y) * steps / 1.5 - bend)
            if self.technique == "cross-hatching":
                first = np.minimum(tone, 0.16 + 0.5 * tone)
                ink = np.maximum(cut(first, one), cut((tone - first) / (1 - first), two))
            else:
                # a dot of radius^2 r has area pi r / 4 until dots meet
                ink = cut(1.27 * tone + 0.73 * tone**6, 1 - (1 - one) ** 2 - (1 - two) ** 2)
        return Image.fromarray((255.5 - np.clip(ink, 0, 1) * 255).astype(np.uint8)).reduce(
            OVERSAMPLE
        )
