"""Ship, tree, balloon, horse and elephant, each as a list of parts.

Each function takes the generator that decides what the facts leave open, and gives the parts back
to front. Units: a box of 100 units on the ground, y up (see plate).
"""

import numpy as np

from oneseed.synthetic.engravings.plate import Part, arch, bar, bent, box, oval, poly

# fmt: off
HULL = [
    (-47, 30), (-44, 12), (-38, 1), (0, -1), (32, 1), (44, 16), (50, 28), (30, 22), (0, 20),
    (-28, 22), (-33, 29),
]

TRUNK = [
    (-15, -1), (-7, 8), (-6, 24), (-13, 40), (12, 40), (6, 24), (8, 8), (17, -1), (4, 2), (-4, 2),
]
# middle and radius of each tuft of leaves, back to front
CROWN = [
    (-26, 46, 17), (26, 46, 17), (-31, 62, 17), (31, 62, 17), (-18, 80, 17), (18, 80, 17),
    (0, 84, 16), (-12, 62, 19), (13, 60, 19), (0, 46, 15),
]

# the right half, from the top down
ENVELOPE = [(0, 100), (20, 96), (33, 84), (37, 68), (32, 52), (20, 37), (8, 25)]
BAND = [
    (-36, 70), (-35, 63), (-20, 59), (0, 58), (20, 59), (35, 63), (36, 70), (20, 66), (0, 65),
    (-20, 66),
]

HORSE = [
    # muzzle, throat, breast
    (-47, 69), (-48, 63), (-44, 61), (-38, 66), (-31, 71), (-27, 69), (-25, 60), (-27, 50),
    # foreleg
    (-26, 43), (-22, 35), (-23, 20), (-22, 10), (-27, 0), (-18, 0), (-17, 10), (-17, 20),
    # belly
    (-12, 34), (0, 32), (14, 34), (21, 39),
    # hind leg
    (25, 32), (30, 20), (29, 9), (26, 0), (36, 0), (35, 10), (38, 20), (38, 30), (43, 44),
    # rump, back, neck
    (40, 57), (33, 63), (20, 61), (6, 58), (-6, 63), (-13, 72), (-20, 84), (-26, 91),
    # ear, forehead
    (-27, 100), (-32, 92), (-37, 86), (-43, 77),
]
HORSE_TAIL = [(38, 60), (45, 60), (50, 46), (48, 26), (43, 16), (44, 32), (41, 46)]
MANE = [
    (-28, 94), (-22, 89), (-15, 77), (-7, 65), (-11, 60), (-16, 67), (-20, 76), (-25, 84),
]

# from below the trunk to the neck
ELEPHANT = [
    # foreleg
    (-36, 42), (-31, 42), (-27, 34), (-27, 18), (-28, 0), (-13, 0), (-13, 18),
    # belly
    (-10, 27), (6, 25), (18, 28),
    # hind leg
    (21, 16), (20, 0), (36, 0), (36, 16), (41, 34),
    # back, neck
    (44, 52), (39, 68), (26, 77), (8, 79), (-8, 76), (-17, 77), (-27, 82),
]
ELEPHANT_FORELEG = [(-10, 36), (-9, 4), (-10, 0), (3, 0), (3, 6), (4, 34)]
ELEPHANT_HIND_LEG = [(6, 36), (8, 8), (7, 0), (19, 0), (19, 8), (22, 34)]
ELEPHANT_TAIL = [(41, 60), (46, 48), (46, 34), (49, 26), (44, 26), (44, 38), (41, 50)]
EAR = [(-24, 74), (-14, 74), (-5, 66), (-5, 52), (-12, 40), (-18, 46), (-24, 58)]
TUSK = [(-33, 47), (-41, 36), (-52, 33), (-43, 40), (-37, 50)]
# fmt: on


def ship(rng: np.random.Generator) -> list[Part]:
    """Three masts with two or three sails each, a jib, and a hull with gun ports."""
    rows = rng.integers(2, 4)
    parts = [
        Part(bar(26, 24, 50, 36, 1.5), 1, ink=0),
        Part(poly((28, 76), (49, 35), (30, 31)), 0.2, face=1, tilt=60),
    ]
    for x, top, wide in ((-26, 86, 14), (26, 84, 12), (0, 100, 15)):
        heads = np.linspace(27, top - 5, rows + 1)
        parts.append(Part(bar(x, 20, x, top, 2), 1, ink=0))
        for i in range(rows):
            half_foot = wide * (1 - 0.16 * i)
            half_head = wide * (0.86 - 0.16 * i)
            sail = ship_sail(x, heads[i] + 2, heads[i + 1], half_foot, half_head)
            parts.append(Part(sail, 0.2, roundness=0.35, curve=-0.7))
    return [
        *parts,
        Part(bent(*HULL), 0.66, roundness=0.3, curve=0.8),
        Part(bar(-43, 17, 42, 16, 4), 0, ink=0.5),
        *[Part(box(x, 15, x + 3, 18.5), 1, ink=0) for x in range(-36, 34, 10)],
        Part(poly((0, 100), (13, 97), (0, 93)), 1, ink=0),
    ]


def ship_sail(x: float, foot: float, head: float, half_foot: float, half_head: float) -> np.ndarray:
    """A sail that the wind fills, between the heights `foot` and `head` -> (32, 2)."""
    waist = (foot + head) / 2
    # fmt: off
    return bent(
        (x - half_foot, foot), (x - half_foot + 1, waist), (x - half_head, head),
        (x, head + 1),
        (x + half_head, head), (x + half_foot + 2, waist), (x + half_foot, foot),
        (x, foot + 4),
    )
    # fmt: on


def tree(rng: np.random.Generator) -> list[Part]:
    """A trunk, and a crown of ten tufts of leaves."""
    wobble = rng.uniform(-2.5, 2.5, (len(CROWN), 2))
    parts = [Part(bent(*TRUNK), 0.62, roundness=0.4, tilt=80)]
    # leaves stand out and in along the edge of a tuft
    jagged = np.tile([[1.0], [0.87]], (9, 1))
    for (x, y, r), (dx, dy) in zip(CROWN, wobble):
        leaves = oval(0, 0, r, r, 18) * jagged + (x + dx, y + dy)
        parts.append(Part(leaves, 0.46, roundness=0.34, sink=0.22, curve=-0.6, ink=0.7))
    return parts


def balloon(rng: np.random.Generator) -> list[Part]:
    """An envelope with stripes and a band, and a basket on ropes."""
    stripes = rng.integers(2, 4)
    right = np.array(ENVELOPE, float)
    parts = [Part(bar(s * 7, 27, s * 5, 10, 1), 1, ink=0) for s in (-1, 0, 1)]
    for i, k in enumerate(np.linspace(1, 0, 2 * stripes, endpoint=False)):
        # halves of the width of the whole: stripes narrow towards the borders
        width = np.sin(k * np.pi / 2)
        stripe = bent(*(right * (width, 1)), *(right[:0:-1] * (-width, 1)), steps=3)
        tone = 0.62 if i % 2 else 0.2
        parts.append(Part(stripe, tone, roundness=0.3, curve=0.9, ink=0.6 if i else 1))
    return [
        *parts,
        Part(poly(*BAND), 0, ink=0.7),
        Part(box(-9, 24, 9, 28), 1, ink=0),
        Part(poly((-8, 12), (-6, 0), (6, 0), (8, 12)), 0.5, roundness=0.4),
        Part(bar(-9, 12, 9, 12, 2.5), 1, ink=0),
    ]


def horse(rng: np.random.Generator) -> list[Part]:
    """A horse that looks to the left, its far legs before or behind the near ones."""
    shift = rng.uniform(-3, 3)
    # fmt: off
    far_foreleg = bent(
        (-14, 40), (-12, 22), (-8 - shift, 12), (-11 - shift, 0), (-3 - shift, 0),
        (-3 - shift, 13), (-4, 38),
        steps=3,
    )
    far_hind_leg = bent(
        (14, 42), (17, 26), (19 + shift, 16), (15 + shift, 0), (23 + shift, 0),
        (25 + shift, 18), (28, 40),
        steps=3,
    )
    # fmt: on
    return [
        Part(far_foreleg, 0.8),
        Part(far_hind_leg, 0.8),
        Part(bent(*HORSE_TAIL), 1, ink=0.5),
        Part(bent(*HORSE), 0.36, roundness=0.3, sink=0.25, curve=-1),
        Part(bent(*MANE), 1, ink=0.5),
        Part(oval(-36, 81, 1.7, 1.7), 1, ink=0),
        Part(box(-27, -1, -18, 3), 1, ink=0),
        Part(box(26, -1, 36, 3), 1, ink=0),
    ]


def elephant(rng: np.random.Generator) -> list[Part]:
    """An elephant that looks to the left and swings its trunk."""
    swing = rng.uniform(-3, 3)
    # fmt: off
    trunk = [
        (-36, 76), (-42, 66), (-45, 50), (-47 + swing / 2, 32), (-47 + swing, 14), (-50 + swing, 6),
        (-45 + swing, 3), (-40 + swing, 10), (-40 + swing / 2, 26),
    ]
    # fmt: on
    return [
        Part(bent(*ELEPHANT_FORELEG, steps=3), 0.8),
        Part(bent(*ELEPHANT_HIND_LEG, steps=3), 0.8),
        Part(bent(*ELEPHANT_TAIL), 1, ink=0.4),
        Part(bent(*trunk, *ELEPHANT), 0.4, roundness=0.3, sink=0.22, curve=-1.1),
        Part(bent(*EAR), 0.5, roundness=0.28, tilt=30),
        Part(bent(*TUSK), 0),
        Part(oval(-34, 64, 1.8, 1.8), 1, ink=0),
        # toenails
        *[Part(arch(x, 1, 2, 3.5), 0, ink=0.4) for x in (-24, -19, 24, 29)],
    ]
