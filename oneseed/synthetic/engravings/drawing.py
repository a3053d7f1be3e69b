"""One scene drawn: sky, ground and subjects on one plate.

A picture is painted back to front on a canvas of labels; each label has a tone that changes evenly
with x and y, and the technique makes ink of it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

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
from oneseed.synthetic.engravings.ground import draw_ground
from oneseed.synthetic.engravings.plate import LINE, OVERSAMPLE, Part, Plate, Shade
from oneseed.synthetic.engravings.sky import draw_sky

# the values of the attribute subject
SUBJECTS: dict[str, Callable[[np.random.Generator], list[Part]]] = {
    "ship": ship,
    "castle": castle,
    "church": church,
    "windmill": windmill,
    "lighthouse": lighthouse,
    "cottage": cottage,
    "tree": tree,
    "balloon": balloon,
    "horse": horse,
    "elephant": elephant,
    "bridge": bridge,
    "tent": tent,
}
# tone of the shadows on the ground
SHADOW = 0.86
# white around the picture, as a fraction of its side
MARGIN = 0.018


class Arrangement(NamedTuple):
    """Where the subjects of a scene stand, in fractions of the side, y down."""

    # the largest that a subject may be
    width: float
    height: float
    # (x, y) of the middle of each one's foot, back to front
    stands: list[tuple[float, float]]


# (size, count) ->
ARRANGEMENTS = {
    ("large", 1): Arrangement(0.78, 0.78, [(0.5, 0.905)]),
    ("small", 1): Arrangement(0.48, 0.48, [(0.5, 0.85)]),
    ("large", 2): Arrangement(0.46, 0.62, [(0.265, 0.895), (0.735, 0.895)]),
    ("small", 2): Arrangement(0.30, 0.40, [(0.32, 0.84), (0.68, 0.84)]),
    ("large", 3): Arrangement(0.44, 0.44, [(0.5, 0.70), (0.265, 0.915), (0.735, 0.915)]),
    ("small", 3): Arrangement(0.29, 0.29, [(0.5, 0.71), (0.33, 0.875), (0.67, 0.875)]),
}


def draw(facts: dict[str, Any], seed: int, size: int = 128) -> Image.Image:
    """Facts -> PIL image, mode "L", size x size: black ink (0) on white paper (255).

    Everything that the facts leave open comes from the seed (any int): the same bytes each time,
    the same composition at any size.
    """
    rng = numpy_generator(seed, "picture")
    plate = Plate(size, facts["light"], facts["technique"])
    horizon = 0.66 + rng.uniform(-0.008, 0.008)
    draw_sky(plate, facts["sky"], horizon, rng)
    draw_ground(plate, facts["place"], horizon, rng)
    parts = SUBJECTS[facts["subject"]](rng)
    draw_subjects(plate, parts, ARRANGEMENTS[facts["size"], facts["count"]], rng)
    # whole pixels, so crisp
    margin = round(MARGIN * size) * OVERSAMPLE
    line = max(1, round(LINE * size)) * OVERSAMPLE
    plate.frame(margin, line)
    return plate.to_image()


def draw_subjects(
    plate: Plate, parts: list[Part], arrangement: Arrangement, rng: np.random.Generator
) -> None:
    """Paints a subject, given in its box of 100 units, as often as the arrangement has stands."""
    corners = np.concatenate([part.points for part in parts])
    left = corners[:, 0].min()
    right, top = corners.max(0)
    middle = (left + right) / 2
    width, height, stands = arrangement
    # fractions of the side a unit of the box
    scale = min(width / (right - left), height / top) * rng.uniform(0.985, 1.015)
    places = (
        np.array(stands)
        + rng.uniform(-0.008, 0.008, 2)
        + rng.uniform(-0.004, 0.004, (len(stands), 2))
    )  # (count, 2)
    # of the boxes' origins
    places -= (middle * scale, 0)

    # a shadow falls away from the light, and back
    lean = np.array([(1, 0), (plate.away * 0.75, 0.16)]) * (scale, -scale)
    # all shadows first: they lie on the ground alone
    for place in places:
        shadow = plate.add_label(Shade(SHADOW))
        plate.fill(shadow, *[part.points @ lean + place for part in parts])
    for place in places:
        placed = [part._replace(points=part.points * (scale, -scale) + place) for part in parts]
        plate.halo([part.points for part in placed])
        for part in placed:
            reach = (right - left) / 2 * scale
            plate.paint(part, middle=place[0] + middle * scale, reach=reach)
