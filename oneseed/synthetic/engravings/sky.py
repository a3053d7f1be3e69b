"""The four skies, and what shines in them on the lit side. Units: fractions of the side, y down."""

import numpy as np

from oneseed.synthetic.engravings.plate import (
    BLACK,
    LINE,
    WHITE,
    Part,
    Plate,
    Shade,
    bar,
    box,
    oval,
    poly,
)

# tone at the horizon, what it gains up to the top, and what it gains away from the light
SKY_TONES = {
    "clear": (0.08, 0.16, 0.16),
    "cloudy": (0.34, 0.12, 0.22),
    "stormy": (0.6, 0.12, 0.2),
    "starry": (0.56, 0.32, 0.2),
}
# fmt: off
# each cloud's middle and half its width
CLOUDS = [
    (0.55, 0.12, 0.17), (0.15, 0.18, 0.2), (0.87, 0.21, 0.2), (0.3, 0.43, 0.15), (0.74, 0.46, 0.15),
]
# its puffs: middle and radius, in halves of its width, y up
PUFFS = [
    (-0.62, 0.02, 0.26), (0.62, 0, 0.28), (-0.28, 0.18, 0.34), (0.26, 0.16, 0.38), (0, 0, 0.34),
]
# x from the light, y from the top
BOLT = [
    (0.01, 0.15), (-0.035, 0.33), (-0.005, 0.32), (-0.045, 0.52), (0.055, 0.28), (0.018, 0.285),
    (0.05, 0.14),
]
# fmt: on


def draw_sky(plate: Plate, kind: str, horizon: float, rng: np.random.Generator) -> None:
    """Paints the sky down to the horizon: brighter towards the light, and what belongs to it.

    kind: a value of the attribute sky.
    """
    base, climb, swing = SKY_TONES[kind]
    swing = swing * plate.away
    shade = Shade(base + climb - swing, 2 * swing, -climb / horizon)
    plate.fill(plate.add_label(shade), box(0, 0, 1, horizon))
    # of sun, lightning or moon
    x, y = np.array([0.5 - 0.35 * plate.away, 0.16]) + rng.uniform(-0.02, 0.02, 2)
    if kind == "clear":
        draw_sun(plate, x, y)
        draw_streaks(plate, horizon, rng)
    elif kind == "cloudy":
        draw_clouds(plate, rng)
    elif kind == "stormy":
        draw_storm(plate, x, horizon, rng)
    else:
        draw_stars(plate, horizon, rng)
        draw_moon(plate, x, y)


def draw_sun(plate: Plate, x: float, y: float) -> None:
    """A disc in a white ring, with twelve rays."""
    plate.fill(WHITE, oval(x, y, 0.1, 0.1))
    rays = [
        bar(x + 0.062 * a, y + 0.062 * b, x + 0.09 * a, y + 0.09 * b, 0.007)
        for a, b in oval(0, 0, 1, 1, 12)
    ]
    plate.fill(BLACK, *rays)
    plate.fill(WHITE, oval(x, y, 0.045, 0.045), width=LINE)


def draw_streaks(plate: Plate, horizon: float, rng: np.random.Generator) -> None:
    """Five thin streaks of haze."""
    streaks = rng.uniform((0.1, 0.07, 0.08), (0.9, horizon - 0.1, 0.2), (5, 3))
    for x, y, length in streaks:
        plate.fill(BLACK, poly((x - length, y), (x, y - 0.004), (x + length, y), (x, y + 0.004)))


def draw_clouds(plate: Plate, rng: np.random.Generator) -> None:
    """Five clouds, each of five puffs on a flat shadow."""
    for middle_x, middle_y, wide in CLOUDS:
        x = middle_x + rng.uniform(-0.04, 0.04)
        y = middle_y + rng.uniform(-0.025, 0.025)
        puffs = [
            oval(x + wide * a, y - wide * (b + rng.uniform(0, 0.1)), wide * r, wide * r * 0.85)
            for a, b, r in PUFFS
        ]
        foot = oval(x, y + wide * 0.1, wide * 0.85, wide * 0.16)
        shadow = oval(x, y + wide * 0.1, wide * 0.85, wide * 0.15)
        plate.fill(WHITE, *puffs, foot, rim=WHITE, width=0.012)
        plate.paint(Part(shadow, 0.3, sink=0.2, roundness=0.15, ink=0))
        plate.paint(Part(puffs[0], 0.02, sink=0.12, roundness=0.06, ink=0), *puffs[1:])


def draw_storm(plate: Plate, x: float, horizon: float, rng: np.random.Generator) -> None:
    """Rain, seven dark clouds along the top, and a flash of lightning at x."""
    drops = rng.uniform((0.04, 0.2), (1.1, horizon), (50, 2))
    plate.fill(WHITE, *[bar(x0, y0, x0 - 0.035, y0 + 0.075, 0.004) for x0, y0 in drops])
    for i in rng.permutation(7):
        cloud = oval(
            i / 6 + rng.uniform(-0.04, 0.04),
            rng.uniform(0.02, 0.06),
            rng.uniform(0.1, 0.14),
            rng.uniform(0.08, 0.12),
        )
        plate.fill(WHITE, cloud, rim=WHITE, width=0.014)
        plate.paint(Part(cloud, 0.8, roundness=0.14, ink=0))
    bolt = poly(*BOLT) + (x, 0)
    plate.fill(BLACK, bolt, width=0.03)
    plate.fill(WHITE, bolt)


def draw_stars(plate: Plate, horizon: float, rng: np.random.Generator) -> None:
    """Twenty-four stars of four points."""
    # radii of long and short points alternate
    star = oval(0, 0, 1, 1, 8) * np.tile([[1.0], [0.36]], (4, 1))
    stars = rng.uniform((0.06, 0.06, 0.01), (0.94, horizon - 0.08, 0.026), (24, 3))
    plate.fill(WHITE, *[star * r + (x, y) for x, y, r in stars])


def draw_moon(plate: Plate, x: float, y: float) -> None:
    """A crescent whose round edge faces the lit border."""
    turn = np.linspace(-2, 2, 24)
    rim = np.stack([-plate.away * np.cos(turn), np.sin(turn)], 1) * 0.085
    inner_rim = ((rim - rim[0]) * (0.5, 1) + rim[0])[::-1]
    plate.fill(WHITE, np.concatenate([rim, inner_rim]) + (x, y), width=LINE)
