"""The three grounds, and what stands on their horizon. Units: fractions of the side, y down."""

from collections.abc import Iterator

import numpy as np

from oneseed.synthetic.engravings.plate import (
    BLACK,
    LINE,
    WHITE,
    Part,
    Plate,
    Shade,
    Water,
    bent,
    box,
    poly,
)

# tone at the horizon and at the foot of the picture
GROUND_TONES = {"sea": (0.58, 0.28), "mountains": (0.18, 0.26), "forest": (0.42, 0.2)}
# fmt: off
# where each mountain stands, and its height; the nearest last
PEAKS = [(0.3, 0.17), (0.72, 0.18), (0.5, 0.13), (0.07, 0.28), (0.93, 0.28)]
# x, and height above the foot in heights of the tree
FIR = [(0.06, 0.1), (0.03, 0.38), (0.05, 0.34), (0.02, 0.62), (0.036, 0.58), (0.015, 0.82), (0, 1)]
# from here on in units of their own width, y down
STONE = [(-1, 0), (-0.8, -0.5), (-0.2, -0.9), (0.5, -0.7), (1, 0)]
TUFT = [(-0.6, -0.7), (-0.2, 0), (0, -1), (0.2, 0), (0.7, -0.6), (0, 0.2)]
CREST = [(-1, 0), (0, -0.35), (1, 0), (0, -0.05)]
# fmt: on


def draw_ground(plate: Plate, kind: str, horizon: float, rng: np.random.Generator) -> None:
    """Paints what stands on the horizon, then the ground before it.

    kind: a value of the attribute place.
    """
    far, close = GROUND_TONES[kind]
    slope = (close - far) / (1 - horizon)
    swing = 0.12 * plate.away
    floor = plate.add_label(Shade(far - slope * horizon - swing, 2 * swing, slope))
    if kind == "mountains":
        draw_mountains(plate, horizon, rng)
    if kind == "forest":
        draw_firs(plate, horizon, rng)
    plate.fill(floor, box(0, horizon, 1, 1))
    if kind == "sea":
        plate.water = Water(floor, horizon)
        draw_boats(plate, horizon, rng)
        draw_waves(plate, horizon, rng)
    if kind == "mountains":
        draw_stones(plate, horizon, rng)
    if kind == "forest":
        draw_grass(plate, horizon, rng)


def scattered(
    rng: np.random.Generator, horizon: float, count: int
) -> Iterator[tuple[float, float]]:
    """`count` places (x, y) on the ground, from the horizon forwards."""
    return zip(rng.uniform(0, 1, count), np.linspace(horizon + 0.035, 0.96, count))


def draw_mountains(plate: Plate, horizon: float, rng: np.random.Generator) -> None:
    """Five peaks, each with a lit and a dark flank that meet in a crooked ridge."""
    peaks = poly(*PEAKS) + rng.uniform(-0.03, 0.03, (5, 2))
    for x, tall in peaks:
        wide = tall * 0.85
        y = horizon - tall
        crag = rng.uniform(-0.02, 0.02, 3)
        crest = [
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
            plate.paint(Part(poly(*crest, *flank), 0.45, face=side * 1.2, tilt=side * 50))


def draw_firs(plate: Plate, horizon: float, rng: np.random.Generator) -> None:
    """Thirteen firs in a row, taller towards the borders."""
    for x in np.linspace(0.02, 0.98, 13) + rng.uniform(-0.015, 0.015, 13):
        tall = 0.15 + 0.16 * abs(x - 0.5) + rng.uniform(-0.03, 0.03)
        right = poly(*FIR) * (1, -tall)
        left = right[-2::-1] * (-1, 1)
        fir = np.concatenate([right, left]) + (x, horizon + 0.02)
        plate.fill(WHITE, fir, rim=WHITE, width=0.014)
        plate.paint(Part(fir, 0.76, roundness=0.4, ink=0.5))


def draw_boats(plate: Plate, horizon: float, rng: np.random.Generator) -> None:
    """Two sailing boats on the horizon, near the borders."""
    for x in rng.uniform(-0.03, 0.03, 2) + (0.1, 0.9):
        tall = rng.uniform(0.09, 0.12)
        at = np.array([x, horizon])
        hull = poly((-0.045, -0.012), (0.03, -0.012), (0.02, 0.01), (-0.03, 0.01)) + at
        sail = poly((-0.035, -0.018), (0.008, -tall), (0.012, -0.018)) + at
        plate.fill(WHITE, sail, hull, rim=WHITE, width=0.024)
        plate.fill(WHITE, sail, width=LINE)
        plate.fill(BLACK, hull)


def draw_waves(plate: Plate, horizon: float, rng: np.random.Generator) -> None:
    """Six rows of crests, wider towards the foot."""
    crest = bent(*CREST, steps=3)
    for y in np.linspace(horizon + 0.04, 0.95, 6):
        wide = 0.05 + 0.17 * (y - horizon)
        for x in np.linspace(0, 1, 5) + rng.uniform(0, 0.2):
            plate.fill(WHITE, crest * wide + (x, y))
            plate.fill(BLACK, crest * (wide, 0.6 * wide) + (x, y + 0.14 * wide))


def draw_stones(plate: Plate, horizon: float, rng: np.random.Generator) -> None:
    """Fourteen stones, larger towards the foot."""
    for x, y in scattered(rng, horizon, 14):
        wide = 0.02 + 0.06 * (y - horizon)
        plate.paint(Part(poly(*STONE) * wide + (x, y), 0.4, roundness=0.5, ink=0.6))


def draw_grass(plate: Plate, horizon: float, rng: np.random.Generator) -> None:
    """Forty tufts of grass, larger towards the foot."""
    tuft = poly(*TUFT)
    tufts = [tuft * (0.02 + 0.09 * (y - horizon)) + (x, y) for x, y in scattered(rng, horizon, 40)]
    plate.fill(BLACK, *tufts)
