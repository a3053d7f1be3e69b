"""The outlines of what moves, at any moment of its motion.

    dark, light = shape("horse", moment=0.25)    # polygons in a box of side 1 around (0, 0)

x runs to the right, y down. Everything faces right. A part is drawn over those before it: dark
ones first, then light ones, which are drawn on the dark.
"""

import numpy as np

# corners of a curve
CORNERS = 24
# how far a leg swings, and a wing beats
STRIDE = 0.13
BEAT = 0.42

Outline = list[tuple[float, float]]
Shape = tuple[list[Outline], list[Outline]]


def ellipse(x: float, y: float, width: float, height: float, part: float = 1.0) -> Outline:
    """An ellipse around a place, by its diameters; part: of a turn, from the right downwards."""
    angles = np.linspace(0, 2 * np.pi * part, CORNERS)
    xs, ys = x + width / 2 * np.cos(angles), y + height / 2 * np.sin(angles)
    return list(zip(xs.tolist(), ys.tolist()))


def leg(x: float, top: float, bottom: float, swing: float, width: float) -> Outline:
    """A leg whose foot is `swing` in front of its hip."""
    half = width / 2
    foot = x + swing
    return [(x - half, top), (x + half, top), (foot + half, bottom), (foot - half, bottom)]


def legs(places: tuple[float, ...], moment: float, top: float, width: float) -> list[Outline]:
    """Legs that swing in turn. moment: of a stride, 0 to 1."""
    swings = [STRIDE * np.sin(2 * np.pi * (moment + number / 2)) for number in range(len(places))]
    return [leg(x, top, 0.5, float(swing), width) for x, swing in zip(places, swings)]


def ship_outlines(moment: float) -> Shape:
    """A hull, a mast and two sails."""
    hull = [(-0.5, 0.2), (0.5, 0.2), (0.32, 0.5), (-0.36, 0.5)]
    mast = [(-0.03, -0.5), (0.04, -0.5), (0.04, 0.22), (-0.03, 0.22)]
    return [
        hull,
        mast,
        [(0.07, -0.46), (0.46, 0.1), (0.07, 0.1)],
        [(-0.06, -0.36), (-0.06, 0.1), (-0.4, 0.1)],
    ], []


def balloon_outlines(moment: float) -> Shape:
    """A balloon with light stripes, ropes and a basket."""
    basket = [(-0.11, 0.33), (0.11, 0.33), (0.09, 0.5), (-0.09, 0.5)]
    ropes = [(-0.3, 0.05), (0.3, 0.05), (0.09, 0.35), (-0.09, 0.35)]
    stripes = [ellipse(0, -0.14, 0.24, 0.6)]
    return [ellipse(0, -0.14, 0.74, 0.72), ropes, basket], stripes


def horse_outlines(moment: float) -> Shape:
    """Thin legs, a neck that rises and a tail."""
    neck = [(0.12, -0.12), (0.26, -0.46), (0.36, -0.46), (0.32, 0.08)]
    head = [(0.24, -0.48), (0.36, -0.5), (0.54, -0.24), (0.46, -0.18), (0.28, -0.3)]
    tail = [(-0.34, -0.08), (-0.5, 0.0), (-0.54, 0.24), (-0.46, 0.22), (-0.34, 0.06)]
    trunk = ellipse(-0.03, 0.02, 0.72, 0.3)
    return [*legs((-0.28, 0.24, -0.18, 0.16), moment, 0.05, 0.085), trunk, neck, head, tail], []


def elephant_outlines(moment: float) -> Shape:
    """A heavy trunk of a body, a nose that hangs down, and a light ear."""
    body = ellipse(-0.1, -0.06, 0.76, 0.62)
    head = ellipse(0.28, -0.12, 0.36, 0.4)
    nose = [(0.36, -0.16), (0.47, -0.08), (0.5, 0.36), (0.4, 0.38), (0.36, 0.1)]
    ear = ellipse(0.17, -0.12, 0.16, 0.32)
    stout = legs((-0.32, 0.08, -0.2, 0.2), moment / 2, 0.05, 0.16)
    return [*stout, body, head, nose], [ear]


def ball_outlines(moment: float) -> Shape:
    """A ball, one half of which is light; it rolls forwards."""
    turned = ellipse(0, 0, 0.6, 0.6, 0.5)
    angle = 2 * np.pi * moment
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    light = [(x * cos - y * sin, x * sin + y * cos) for x, y in turned]
    return [ellipse(0, 0, 0.86, 0.86)], [light]


def bird_outlines(moment: float) -> Shape:
    """Seen from the front: a small body, and two wings that beat."""
    beat = float(BEAT * np.cos(2 * np.pi * moment))
    wings = [
        [
            (0.0, -0.08),
            (0.3 * sign, -0.1 - 0.7 * beat),
            (0.52 * sign, 0.04 - beat),
            (0.26 * sign, 0.1 - 0.3 * beat),
            (0.0, 0.16),
        ]
        for sign in (-1, 1)
    ]
    return [*wings, ellipse(0, 0.06, 0.26, 0.36), ellipse(0, -0.14, 0.2, 0.2)], []


SUBJECT_SHAPES = {
    "ship": ship_outlines,
    "balloon": balloon_outlines,
    "horse": horse_outlines,
    "elephant": elephant_outlines,
    "ball": ball_outlines,
    "bird": bird_outlines,
}
# turns of the motion within a clip, at the slow and at the fast speed
MOVING_TURNS = {
    "horse": (2.0, 4.0),
    "elephant": (2.0, 4.0),
    "ball": (0.75, 1.75),
    "bird": (2.0, 4.0),
}


def shape(subject: str, moment: float) -> Shape:
    """(dark parts, light parts) of a subject. moment: of its motion, a turn from 0 to 1."""
    return SUBJECT_SHAPES[subject](moment)
