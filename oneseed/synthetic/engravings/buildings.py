"""Castle, church, windmill, lighthouse, cottage, bridge and tent, each as a list of parts.

Each function takes the generator that decides what the facts leave open, and gives the parts back
to front. Units: a box of 100 units on the ground, y up (see plate).
"""

import itertools

import numpy as np

from oneseed.synthetic.engravings.plate import Part, arch, bar, battlement, bent, box, oval, poly

# fmt: off
CAP = [(-14, 58), (-12, 67), (0, 76), (12, 67), (14, 58)]
ROCK = [(-30, 0), (-26, 8), (-14, 13), (2, 10), (16, 14), (27, 7), (31, 0), (0, -2)]
LANTERN_ROOF = [(-11, 85), (-7, 93), (0, 97), (7, 93), (11, 85)]
THATCH = [(-25, 66), (-20, 56), (-4, 29), (24, 29), (51, 29), (44, 48), (38, 65), (8, 67)]
THATCH_EDGE = [(-50, 27), (-36, 50), (-26, 66), (-21, 64), (-24, 57), (-34, 43), (-45, 25)]
# fmt: on


def slits(x: float, *heights: float) -> list[Part]:
    """Narrow windows of 7 units above each other."""
    return [Part(box(x - 1.5, y, x + 1.5, y + 7), 1, ink=0) for y in heights]


def castle(rng: np.random.Generator) -> list[Part]:
    """A keep with a flag, a wall with a gate, and two towers, roofed or not."""
    tall = 84 + int(rng.integers(0, 7))
    parts = [
        Part(box(-15, 30, 15, tall - 8), 0.3, roundness=0.4, curve=0.5),
        Part(battlement(-18, tall - 10, 18, tall, 4), 0.3, roundness=0.4),
        *slits(-6, 56, 68),
        *slits(6, 56, 68),
        Part(bar(0, tall, 0, 100, 1.5), 1, ink=0),
        Part(poly((0, 100), (16, 96), (0, 92)), 1, ink=0),
        Part(battlement(-34, 0, 34, 46, 6), 0.3),
        Part(arch(0, 18, 12, 30), 0),
        Part(arch(0, 17, 9, 26), 1, ink=0),
    ]
    for x in (-36, 36):
        parts += [
            Part(box(x - 11, 0, x + 11, 54), 0.32, roundness=0.45, curve=0.6),
            Part(battlement(x - 14, 50, x + 14, 62, 3), 0.32, roundness=0.45),
            *slits(x, 12, 34),
        ]
        if rng.integers(2):
            roof = poly((x - 11, 62), (x, 84), (x + 11, 62))
            parts.append(Part(roof, 0.6, roundness=0.4, tilt=0))
    return parts


def church(rng: np.random.Generator) -> list[Part]:
    """A nave with two to four windows, and a tower with a spire and a cross."""
    windows = rng.integers(2, 5)
    nave = [
        Part(box(-16, 0, 46, 34), 0.36, sink=0.1),
        Part(poly((-18, 34), (-12, 58), (40, 58), (50, 34)), 0.58, tilt=-35),
        *[Part(arch(x, 20, 3.5, 27, 9), 1, ink=0.6) for x in np.linspace(-4, 38, windows)],
    ]
    tower = [
        Part(box(-44, 0, -30, 64), 0.34, face=-1),
        Part(box(-30, 0, -16, 64), 0.34, face=1),
        Part(poly((-47, 63), (-30, 93), (-30, 61)), 0.5, face=-1, tilt=50),
        Part(poly((-30, 61), (-30, 93), (-13, 63)), 0.5, face=1, tilt=-50),
        Part(arch(-37, 48, 3, 56, 40), 1, ink=0.6),
        Part(arch(-23, 48, 3, 56, 40), 1, ink=0.6),
        Part(arch(-23, 12, 4, 19), 1, ink=0.6),
    ]
    cross = [
        Part(bar(-30, 90, -30, 102, 2.2), 1, ink=0),
        Part(bar(-34, 98, -26, 98, 2.2), 1, ink=0),
    ]
    return [*nave, *tower, *cross]


def windmill(rng: np.random.Generator) -> list[Part]:
    """A round tower with one or two windows, a cap, and four sails."""
    turn = np.radians(45 + rng.uniform(-5, 5))
    windows = (28, 43)[: rng.integers(1, 3)]
    parts = [
        Part(poly((-20, 0), (-12, 60), (12, 60), (20, 0)), 0.32, roundness=0.48, curve=0.7),
        Part(bent(*CAP), 0.62, roundness=0.4),
        Part(arch(0, 12, 5, 17), 1, ink=0.6),
        *[Part(box(-2.5, y, 2.5, y + 7), 1, ink=0.6) for y in windows],
    ]
    for angle in turn + np.arange(4) * np.pi / 2:
        parts += windmill_sail(angle)
    return [*parts, Part(oval(0, 64, 3, 3), 1)]


def windmill_sail(angle: float) -> list[Part]:
    """One sail around the hub: cloth, spar and four laths. angle: of its spar, in radians."""
    along = np.array([np.cos(angle), np.sin(angle)])
    aside = np.array([-np.sin(angle), np.cos(angle)])

    def at(out: float, side: float) -> np.ndarray:
        """A point of the sail: so far out from the hub, so far beside the spar."""
        return np.array([0, 64]) + out * along + side * aside

    return [
        Part(np.array([at(12, 0), at(46, 0), at(46, 11), at(12, 9)]), 0, ink=0.8),
        Part(bar(*at(0, 0), *at(47, 0), 2.2), 1, ink=0),
        *[Part(bar(*at(out, 0), *at(out, 10), 1.1), 1, ink=0) for out in (20, 28.5, 37)],
        Part(bar(*at(12, 5), *at(46, 5.5), 1), 1, ink=0),
    ]


def lighthouse(rng: np.random.Generator) -> list[Part]:
    """A tower with two or three dark bands and a lantern, on a rock."""
    bands = rng.integers(2, 4)
    edges = np.linspace(8, 70, 2 * bands + 2)
    parts = [Part(bent(*ROCK), 0.5, roundness=0.35, tilt=20)]
    for i, (low, high) in enumerate(itertools.pairwise(edges)):
        low_half = 15 - 7 * (low - 8) / 60
        high_half = 15 - 7 * (high - 8) / 60
        shape = poly((-low_half, low), (-high_half, high), (high_half, high), (low_half, low))
        parts.append(Part(shape, 0.72 if i % 2 else 0.14, roundness=0.42, curve=0.7))
    return [
        *parts,
        Part(arch(0, 20, 3.5, 25, 11), 1, ink=0.6),
        Part(box(-13, 69, 13, 73), 0.4, roundness=0.4),
        Part(box(-8, 73, 8, 86), 0),
        Part(bar(-3, 73, -3, 86, 1.4), 1, ink=0),
        Part(bar(3, 73, 3, 86, 1.4), 1, ink=0),
        Part(bent(*LANTERN_ROOF), 0.75, roundness=0.3),
        Part(bar(0, 95, 0, 103, 1.8), 1, ink=0),
    ]


def cottage(rng: np.random.Generator) -> list[Part]:
    """A house with a thatched roof, a smoking chimney, and one or two windows beside the door."""
    x = int(rng.integers(20, 32))
    smoke = [
        Part(oval(x + 2, 78, 3, 3, 12), 0, ink=0.6),
        Part(oval(x + 5, 85, 4.3, 4, 12), 0, ink=0.6),
    ]
    chimney = [
        Part(box(x - 6, 48, x, 73), 0.36, face=-1),
        Part(box(x, 48, x + 6, 73), 0.36, face=1),
    ]
    house = [
        Part(box(-4, 0, 46, 34), 0.34, face=1),
        Part(poly((-45, 0), (-45, 32), (-24, 62), (-4, 32), (-4, 0)), 0.34, face=-1),
        Part(bent(*THATCH, steps=3), 0.55, sink=0.15, tilt=-55),
        Part(bent(*THATCH_EDGE, steps=3), 0.75),
    ]
    windows = []
    for left in (33, 2)[: rng.integers(1, 3)]:
        windows += [
            Part(box(left, 10, left + 10, 21), 1, ink=0.6),
            Part(bar(left + 5, 10, left + 5, 21, 1.5), 0, ink=0),
        ]
    door_and_gable = [
        Part(arch(19, 16, 5, 21), 1, ink=0.6),
        Part(box(-31, 8, -18, 22), 1, ink=0.6),
        Part(bar(-24.5, 8, -24.5, 22, 1.5), 0, ink=0),
        Part(bar(-31, 15, -18, 15, 1.5), 0, ink=0),
    ]
    return [*smoke, *chimney, *house, *windows, *door_and_gable]


def bridge(rng: np.random.Generator) -> list[Part]:
    """A humped bridge over one to three arches, with a pillar at each end."""
    arches = rng.integers(1, 4)
    x = np.linspace(-50, 50, 13)
    deck = 54 - 18 * (x / 50) ** 2

    def ribbon(low: float, high: float) -> np.ndarray:
        """A band along the deck, from `low` to `high` above it."""
        lower = np.stack([x, deck + low], 1)
        upper = np.stack([x, deck + high], 1)
        return np.concatenate([lower, upper[::-1]])

    wall = np.concatenate([[(-50, 0)], np.stack([x, deck], 1), [(50, 0)]])
    parts = [Part(wall, 0.34, sink=0.12)]
    for centre in (np.arange(arches) - (arches - 1) / 2) * 84 / arches:
        half_width = 34 / arches + 2
        top = 42 - 14 * (centre / 50) ** 2
        parts += [
            Part(arch(centre, 4, half_width + 3, top + 3), 0),
            Part(arch(centre, 4, half_width, top), 1),
            Part(arch(centre - 2, 2, half_width - 4, top - 5), 0.12, ink=0),
        ]
    parts += [Part(ribbon(-4, 6), 0.16), Part(ribbon(-5, -3), 1, ink=0)]
    for end, side in ((-46, -1), (46, 1)):
        parts += [
            Part(box(end - 5, 0, end + 5, 54), 0.34, face=side, roundness=0.3),
            Part(poly((end - 7, 54), (end, 67), (end + 7, 54)), 0.6, roundness=0.3),
        ]
    return parts


def tent(rng: np.random.Generator) -> list[Part]:
    """A striped tent of seven or nine folds, open in front, with a scalloped eave and a flag."""
    folds = int(rng.integers(3, 5)) * 2 + 1
    foot = np.linspace(-46, 46, folds + 1)
    eave = np.linspace(-49, 49, folds + 1)
    tones = [0.7 if i % 2 else 0.14 for i in range(folds)]
    parts = [
        Part(bar(0, 84, 0, 102, 1.8), 1, ink=0),
        Part(poly((0, 102), (17, 97), (0, 92)), 1, ink=0),
    ]
    for i, tone in enumerate(tones):
        top_left = (eave[i] * 0.94, 46)
        top_right = (eave[i + 1] * 0.94, 46)
        wall = poly((foot[i], 0), top_left, top_right, (foot[i + 1], 0))
        parts.append(Part(wall, tone, roundness=0.1, ink=0.6))
    parts += [
        Part(poly((0, 0), (0, 42), (-13, 0)), 1),
        Part(poly((0, 0), (0, 42), (13, 0)), 1),
    ]
    for i, tone in enumerate(tones):
        a = eave[i]
        b = eave[i + 1]
        left_edge = [(a, 46), (a * 0.42, 66), (a * 0.06, 88)]
        right_edge = [(b * 0.06, 88), (b * 0.42, 66), (b, 46)]
        roof = poly(*left_edge, *right_edge)
        scallop = arch((a + b) / 2, 46, (b - a) / 2, 38, 46)
        parts += [
            Part(roof, tone, roundness=0.1, curve=0.8, ink=0.6),
            Part(scallop, 1 - tone if tone > 0.5 else 0.7, ink=0.6),
        ]
    return parts
