"""Ships, trees, balloons and animals, as parts in a unit square.

Draw captioned engravings: the built-in collection, which needs no key, no network and no download.

    facts = collection(count=6000)[0]             # {"subject": "ship", "count": 2, "size": "small", ...}
    draw(facts, seed=7).save("000007.png")        # white paper, black ink; the same bytes every time
    parse(tell(facts, seed=7)) == facts           # "An engraving of two small ships by the sea under ..."

A picture is painted back to front on a canvas of labels; each label has a tone that is affine in x and y, and a technique makes
ink of it. Subjects are lists of Parts in a box of 100 units on the ground. `facts` is told; all else comes from the seed.
"""

import numpy as np

from oneseed.synthetic.engravings.plate import Part, arch, bar, bent, box, oval, poly


def ship(rng):
    def sail(x, foot, head, wide, narrow):
        return Part(
            bent(
                (x - wide, foot),
                (x - wide + 1, (foot + head) / 2),
                (x - narrow, head),
                (x, head + 1),
                (x + narrow, head),
                (x + wide + 2, (foot + head) / 2),
                (x + wide, foot),
                (x, foot + 4),
            ),
            0.2,
            round=0.35,
            curve=-0.7,
        )

    rows = rng.integers(2, 4)
    parts = [
        Part(bar(26, 24, 50, 36, 1.5), 1, ink=0),
        Part(poly((28, 76), (49, 35), (30, 31)), 0.2, face=1, tilt=60),
    ]
    for x, top, wide in ((-26, 86, 14), (26, 84, 12), (0, 100, 15)):
        heads = np.linspace(27, top - 5, rows + 1)
        parts += [Part(bar(x, 20, x, top, 2), 1, ink=0)]
        parts += [
            sail(x, heads[i] + 2, heads[i + 1], wide * (1 - 0.16 * i), wide * (0.86 - 0.16 * i))
            for i in range(rows)
        ]
    hull = bent(
        (-47, 30),
        (-44, 12),
        (-38, 1),
        (0, -1),
        (32, 1),
        (44, 16),
        (50, 28),
        (30, 22),
        (0, 20),
        (-28, 22),
        (-33, 29),
    )
    parts += [Part(hull, 0.66, round=0.3, curve=0.8), Part(bar(-43, 17, 42, 16, 4), 0, ink=0.5)]
    parts += [Part(box(x, 15, x + 3, 18.5), 1, ink=0) for x in range(-36, 34, 10)]
    return parts + [Part(poly((0, 100), (13, 97), (0, 93)), 1, ink=0)]


def tree(rng):
    crown = [
        (-26, 46, 17),
        (26, 46, 17),
        (-31, 62, 17),
        (31, 62, 17),
        (-18, 80, 17),
        (18, 80, 17),
        (0, 84, 16),
        (-12, 62, 19),
        (13, 60, 19),
        (0, 46, 15),
    ]
    wobble = rng.uniform(-2.5, 2.5, (len(crown), 2))
    parts = [
        Part(
            bent(
                (-15, -1),
                (-7, 8),
                (-6, 24),
                (-13, 40),
                (12, 40),
                (6, 24),
                (8, 8),
                (17, -1),
                (4, 2),
                (-4, 2),
            ),
            0.62,
            round=0.4,
            tilt=80,
        )
    ]
    for (x, y, r), (dx, dy) in zip(crown, wobble):
        leaves = oval(0, 0, r, r, 18) * np.tile([[1.0], [0.87]], (9, 1)) + (x + dx, y + dy)
        parts += [Part(leaves, 0.46, round=0.34, sink=0.22, curve=-0.6, ink=0.7)]
    return parts


def balloon(rng):
    stripes = rng.integers(2, 4)
    half = np.array([(0, 100), (20, 96), (33, 84), (37, 68), (32, 52), (20, 37), (8, 25)], float)
    gore = lambda k: bent(*(half * (k, 1)), *(half[:0:-1] * (-k, 1)), steps=3)
    parts = [Part(bar(s * 7, 27, s * 5, 10, 1), 1, ink=0) for s in (-1, 0, 1)]
    for i, k in enumerate(np.linspace(1, 0, 2 * stripes, endpoint=False)):
        parts += [
            Part(
                gore(np.sin(k * np.pi / 2)),
                (0.2, 0.62)[i % 2],
                round=0.3,
                curve=0.9,
                ink=0.6 if i else 1,
            )
        ]
    parts += [
        Part(
            poly(
                (-36, 70),
                (-35, 63),
                (-20, 59),
                (0, 58),
                (20, 59),
                (35, 63),
                (36, 70),
                (20, 66),
                (0, 65),
                (-20, 66),
            ),
            0,
            ink=0.7,
        )
    ]
    return parts + [
        Part(box(-9, 24, 9, 28), 1, ink=0),
        Part(poly((-8, 12), (-6, 0), (6, 0), (8, 12)), 0.5, round=0.4),
        Part(bar(-9, 12, 9, 12, 2.5), 1, ink=0),
    ]


def horse(rng):
    shift = rng.uniform(-3, 3)
    far = [
        Part(
            bent(
                (-14, 40),
                (-12, 22),
                (-8 - shift, 12),
                (-11 - shift, 0),
                (-3 - shift, 0),
                (-3 - shift, 13),
                (-4, 38),
                steps=3,
            ),
            0.8,
        ),
        Part(
            bent(
                (14, 42),
                (17, 26),
                (19 + shift, 16),
                (15 + shift, 0),
                (23 + shift, 0),
                (25 + shift, 18),
                (28, 40),
                steps=3,
            ),
            0.8,
        ),
    ]
    body = bent(
        (-47, 69),
        (-48, 63),
        (-44, 61),
        (-38, 66),
        (-31, 71),
        (-27, 69),
        (-25, 60),
        (-27, 50),
        (-26, 43),
        (-22, 35),
        (-23, 20),
        (-22, 10),
        (-27, 0),
        (-18, 0),
        (-17, 10),
        (-17, 20),
        (-12, 34),
        (0, 32),
        (14, 34),
        (21, 39),
        (25, 32),
        (30, 20),
        (29, 9),
        (26, 0),
        (36, 0),
        (35, 10),
        (38, 20),
        (38, 30),
        (43, 44),
        (40, 57),
        (33, 63),
        (20, 61),
        (6, 58),
        (-6, 63),
        (-13, 72),
        (-20, 84),
        (-26, 91),
        (-27, 100),
        (-32, 92),
        (-37, 86),
        (-43, 77),
    )
    tail = bent((38, 60), (45, 60), (50, 46), (48, 26), (43, 16), (44, 32), (41, 46))
    mane = bent(
        (-28, 94), (-22, 89), (-15, 77), (-7, 65), (-11, 60), (-16, 67), (-20, 76), (-25, 84)
    )
    return [
        *far,
        Part(tail, 1, ink=0.5),
        Part(body, 0.36, round=0.3, sink=0.25, curve=-1),
        Part(mane, 1, ink=0.5),
        Part(oval(-36, 81, 1.7, 1.7), 1, ink=0),
        Part(box(-27, -1, -18, 3), 1, ink=0),
        Part(box(26, -1, 36, 3), 1, ink=0),
    ]


def elephant(rng):
    swing = rng.uniform(-3, 3)
    far = [
        Part(bent((-10, 36), (-9, 4), (-10, 0), (3, 0), (3, 6), (4, 34), steps=3), 0.8),
        Part(bent((6, 36), (8, 8), (7, 0), (19, 0), (19, 8), (22, 34), steps=3), 0.8),
    ]
    body = bent(
        (-36, 76),
        (-42, 66),
        (-45, 50),
        (-47 + swing / 2, 32),
        (-47 + swing, 14),
        (-50 + swing, 6),
        (-45 + swing, 3),
        (-40 + swing, 10),
        (-40 + swing / 2, 26),
        (-36, 42),
        (-31, 42),
        (-27, 34),
        (-27, 18),
        (-28, 0),
        (-13, 0),
        (-13, 18),
        (-10, 27),
        (6, 25),
        (18, 28),
        (21, 16),
        (20, 0),
        (36, 0),
        (36, 16),
        (41, 34),
        (44, 52),
        (39, 68),
        (26, 77),
        (8, 79),
        (-8, 76),
        (-17, 77),
        (-27, 82),
    )
    ear = bent((-24, 74), (-14, 74), (-5, 66), (-5, 52), (-12, 40), (-18, 46), (-24, 58))
    return [
        *far,
        Part(
            bent((41, 60), (46, 48), (46, 34), (49, 26), (44, 26), (44, 38), (41, 50)), 1, ink=0.4
        ),
        Part(body, 0.4, round=0.3, sink=0.22, curve=-1.1),
        Part(ear, 0.5, round=0.28, tilt=30),
        Part(bent((-33, 47), (-41, 36), (-52, 33), (-43, 40), (-37, 50)), 0),
        Part(oval(-34, 64, 1.8, 1.8), 1, ink=0),
        *[Part(arch(x, 1, 2, 3.5), 0, ink=0.4) for x in (-24, -19, 24, 29)],
    ]
