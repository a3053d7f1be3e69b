"""One scene drawn: sky, ground and subjects."""

import numpy as np

from oneseed.seeds import numpy_generator
from oneseed.synthetic.engravings.buildings import (
    bridge,
    castle,
    church,
    cottage,
    lighthouse,
    tent,
    windmill,
)
from oneseed.synthetic.engravings.figures import balloon, elephant, horse, ship, tree
from oneseed.synthetic.engravings.plate import (
    BLACK,
    LINE,
    OVERSAMPLE,
    WHITE,
    Part,
    Plate,
    bar,
    bent,
    box,
    oval,
    poly,
)

SUBJECTS = {
    build.__name__: build
    for build in (
        ship,
        castle,
        church,
        windmill,
        lighthouse,
        cottage,
        tree,
        balloon,
        horse,
        elephant,
        bridge,
        tent,
    )
}
# (size, count): cell width and height, then where each subject stands (x, ground), back to front
LAYOUT = {
    ("large", 1): (0.78, 0.78, [(0.5, 0.905)]),
    ("small", 1): (0.48, 0.48, [(0.5, 0.85)]),
    ("large", 2): (0.46, 0.62, [(0.265, 0.895), (0.735, 0.895)]),
    ("small", 2): (0.30, 0.40, [(0.32, 0.84), (0.68, 0.84)]),
    ("large", 3): (0.44, 0.44, [(0.5, 0.70), (0.265, 0.915), (0.735, 0.915)]),
    ("small", 3): (0.29, 0.29, [(0.5, 0.71), (0.33, 0.875), (0.67, 0.875)]),
}


def sky(plate, kind, horizon, rng):
    """Brighter towards the light; sun, moon or lightning on the lit side."""
    base, climb, swing = {
        "clear": (0.08, 0.16, 0.16),
        "cloudy": (0.34, 0.12, 0.22),
        "stormy": (0.6, 0.12, 0.2),
        "starry": (0.56, 0.32, 0.2),
    }[kind]
    swing = swing * plate.away
    plate.fill(
        plate.label(base + climb - swing, 2 * swing, -climb / horizon), box(0, 0, 1, horizon)
    )
    # of whatever shines
    x, y = np.array([0.5 - 0.35 * plate.away, 0.16]) + rng.uniform(-0.02, 0.02, 2)
    if kind == "clear":
        plate.fill(WHITE, oval(x, y, 0.1, 0.1))
        plate.fill(
            BLACK,
            *[
                bar(x + 0.062 * a, y + 0.062 * b, x + 0.09 * a, y + 0.09 * b, 0.007)
                for a, b in oval(0, 0, 1, 1, 12)
            ],
        )
        plate.fill(WHITE, oval(x, y, 0.045, 0.045), width=LINE)
        for x, y, long in rng.uniform((0.1, 0.07, 0.08), (0.9, horizon - 0.1, 0.2), (5, 3)):
            plate.fill(BLACK, poly((x - long, y), (x, y - 0.004), (x + long, y), (x, y + 0.004)))
    if kind == "cloudy":
        for x, y, wide in (
            (0.55, 0.12, 0.17),
            (0.15, 0.18, 0.2),
            (0.87, 0.21, 0.2),
            (0.3, 0.43, 0.15),
            (0.74, 0.46, 0.15),
        ):
            x = x + rng.uniform(-0.04, 0.04)
            y = y + rng.uniform(-0.025, 0.025)
            puffs = [
                oval(x + wide * a, y - wide * (b + rng.uniform(0, 0.1)), wide * r, wide * r * 0.85)
                for a, b, r in (
                    (-0.62, 0.02, 0.26),
                    (0.62, 0, 0.28),
                    (-0.28, 0.18, 0.34),
                    (0.26, 0.16, 0.38),
                    (0, 0, 0.34),
                )
            ]
            plate.fill(
                WHITE,
                *puffs,
                oval(x, y + wide * 0.1, wide * 0.85, wide * 0.16),
                rim=WHITE,
                width=0.012,
            )
            plate.paint(
                Part(
                    oval(x, y + wide * 0.1, wide * 0.85, wide * 0.15),
                    0.3,
                    sink=0.2,
                    round=0.15,
                    ink=0,
                )
            )
            plate.paint(Part(puffs[0], 0.02, sink=0.12, round=0.06, ink=0), *puffs[1:])
    if kind == "stormy":
        drops = rng.uniform((0.04, 0.2), (1.1, horizon), (50, 2))
        plate.fill(WHITE, *[bar(x, y, x - 0.035, y + 0.075, 0.004) for x, y in drops])
        for i in rng.permutation(7):
            cloud = oval(
                i / 6 + rng.uniform(-0.04, 0.04),
                rng.uniform(0.02, 0.06),
                rng.uniform(0.1, 0.14),
                rng.uniform(0.08, 0.12),
            )
            plate.fill(WHITE, cloud, rim=WHITE, width=0.014)
            plate.paint(Part(cloud, 0.8, round=0.14, ink=0))
        bolt = np.array(
            [
                (0.01, 0.15),
                (-0.035, 0.33),
                (-0.005, 0.32),
                (-0.045, 0.52),
                (0.055, 0.28),
                (0.018, 0.285),
                (0.05, 0.14),
            ]
        ) + (x, 0)
        plate.fill(BLACK, bolt, width=0.03)
        plate.fill(WHITE, bolt)
    if kind == "starry":
        spikes = oval(0, 0, 1, 1, 8) * np.tile([[1.0], [0.36]], (4, 1))
        plate.fill(
            WHITE,
            *[
                spikes * r + (a, b)
                for a, b, r in rng.uniform(
                    (0.06, 0.06, 0.01), (0.94, horizon - 0.08, 0.026), (24, 3)
                )
            ],
        )
        turn = np.linspace(-2, 2, 24)
        # the moon's round edge faces the lit border
        rim = np.stack([-plate.away * np.cos(turn), np.sin(turn)], 1) * 0.085
        plate.fill(
            WHITE,
            np.concatenate([rim, ((rim - rim[0]) * (0.5, 1) + rim[0])[::-1]]) + (x, y),
            width=LINE,
        )


def ground(plate, kind, horizon, rng):
    """The band on the horizon and the ground before it."""
    far, close = {"sea": (0.58, 0.28), "mountains": (0.18, 0.26), "forest": (0.42, 0.2)}[kind]
    slope = (close - far) / (1 - horizon)
    swing = 0.12 * plate.away
    floor = plate.label(far - slope * horizon - swing, 2 * swing, slope)
    scattered = lambda count: zip(
        rng.uniform(0, 1, count), np.linspace(horizon + 0.035, 0.96, count)
    )

    if kind == "mountains":
        peaks = np.array(
            [(0.3, 0.17), (0.72, 0.18), (0.5, 0.13), (0.07, 0.28), (0.93, 0.28)]
        ) + rng.uniform(-0.03, 0.03, (5, 2))
        for x, tall in peaks:
            wide = tall * 0.85
            y = horizon - tall
            crag = rng.uniform(-0.02, 0.02, 3)
            ridge = [
                (x, y),
                (x + 0.02 + crag[0], y + tall * 0.3),
                (x - 0.01 + crag[1], y + tall * 0.55),
                (x + 0.03 + crag[2], horizon),
            ]
            for side in (-1, 1):
                flank = [
                    (x + side * wide, horizon),
                    (x + side * wide * 0.55, y + tall * 0.6),
                    (x + side * wide * 0.4, y + tall * 0.38),
                ]
                plate.paint(Part(poly(*ridge, *flank), 0.45, face=side * 1.2, tilt=side * 50))
    if kind == "forest":
        for x in np.linspace(0.02, 0.98, 13) + rng.uniform(-0.015, 0.015, 13):
            tall = 0.15 + 0.16 * abs(x - 0.5) + rng.uniform(-0.03, 0.03)
            right = poly(
                (0.06, 0.1),
                (0.03, 0.38),
                (0.05, 0.34),
                (0.02, 0.62),
                (0.036, 0.58),
                (0.015, 0.82),
                (0, 1),
            ) * (1, -tall)
            fir = np.concatenate([right, right[-2::-1] * (-1, 1)]) + (x, horizon + 0.02)
            plate.fill(WHITE, fir, rim=WHITE, width=0.014)
            plate.paint(Part(fir, 0.76, round=0.4, ink=0.5))
    plate.fill(floor, box(0, horizon, 1, 1))
    if kind == "sea":
        plate.water = floor, horizon
        for x in rng.uniform(-0.03, 0.03, 2) + (0.1, 0.9):
            tall = rng.uniform(0.09, 0.12)
            hull = poly((-0.045, -0.012), (0.03, -0.012), (0.02, 0.01), (-0.03, 0.01)) + (
                x,
                horizon,
            )
            sail = poly((-0.035, -0.018), (0.008, -tall), (0.012, -0.018)) + (x, horizon)
            plate.fill(WHITE, sail, hull, rim=WHITE, width=0.024)
            plate.fill(WHITE, sail, width=LINE)
            plate.fill(BLACK, hull)
        crest = bent((-1, 0), (0, -0.35), (1, 0), (0, -0.05), steps=3)
        for y in np.linspace(horizon + 0.04, 0.95, 6):
            wide = 0.05 + 0.17 * (y - horizon)
            for x in np.linspace(0, 1, 5) + rng.uniform(0, 0.2):
                plate.fill(WHITE, crest * wide + (x, y))
                plate.fill(BLACK, crest * (wide, 0.6 * wide) + (x, y + 0.14 * wide))
    if kind == "mountains":
        for x, y in scattered(14):
            wide = 0.02 + 0.06 * (y - horizon)
            stone = poly((-1, 0), (-0.8, -0.5), (-0.2, -0.9), (0.5, -0.7), (1, 0)) * wide + (x, y)
            plate.paint(Part(stone, 0.4, round=0.5, ink=0.6))
    if kind == "forest":
        tuft = poly((-0.6, -0.7), (-0.2, 0), (0, -1), (0.2, 0), (0.7, -0.6), (0, 0.2))
        plate.fill(
            BLACK, *[tuft * (0.02 + 0.09 * (y - horizon)) + (x, y) for x, y in scattered(40)]
        )


def draw(facts, seed, size=128):
    """Facts -> PIL image, mode "L", size x size: black ink (0) on white paper (255).

    Everything the facts leave open comes from the seed (any int): the same bytes each time, the same composition at any size.
    """
    rng = numpy_generator(seed, "picture")
    plate = Plate(size, facts["light"], facts["technique"])
    horizon = 0.66 + rng.uniform(-0.008, 0.008)
    sky(plate, facts["sky"], horizon, rng)
    ground(plate, facts["place"], horizon, rng)

    parts = SUBJECTS[facts["subject"]](rng)
    corners = np.concatenate([part.points for part in parts])
    (left, _), (right, top) = corners.min(0), corners.max(0)
    wide, high, stands = LAYOUT[facts["size"], facts["count"]]
    scale = min(wide / (right - left), high / top) * rng.uniform(0.985, 1.015)
    stands = (
        np.array(stands)
        + rng.uniform(-0.008, 0.008, 2)
        + rng.uniform(-0.004, 0.004, (len(stands), 2))
    )
    stands -= ((left + right) / 2 * scale, 0)

    # a shadow falls away from the light, and back
    lean = np.array([(1, 0), (plate.away * 0.75, 0.16)]) * (scale, -scale)
    # all shadows first: they lie on the ground alone
    for stand in stands:
        plate.fill(plate.label(0.86), *[part.points @ lean + stand for part in parts])
    for stand in stands:
        placed = [part._replace(points=part.points * (scale, -scale) + stand) for part in parts]
        plate.halo([part.points for part in placed])
        for part in placed:
            plate.paint(
                part, middle=stand[0] + (left + right) / 2 * scale, reach=(right - left) / 2 * scale
            )

    # whole pixels, so crisp
    margin = round(0.018 * size) * OVERSAMPLE
    line = max(1, round(LINE * size)) * OVERSAMPLE
    side = plate.side - 1
    plate.pen.rectangle((0, 0, side, side), outline=WHITE, width=margin)
    plate.pen.rectangle((margin, margin, side - margin, side - margin), outline=BLACK, width=line)
    return plate.print()
