"""The frames of a clip: a subject on its way, and what is behind it.

draw({"subject": "horse", "count": 1, "direction": "right", "speed": "fast", "manner": "steady",
      "ground": "hills", "sky": "night"}, seed=7, size=128)

Lengths are fractions of a frame's side, so that the composition is the same at any size.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from oneseed.media.clip import FRAMES, FRAMES_A_ROW, sheet_of_frames
from oneseed.seeds import numpy_generator
from oneseed.synthetic.clips.shapes import MOVING_TURNS, Outline, shape

# side of the sheet that a clip is made for, in pixels
CLIP_SIDE = 128
# a frame is drawn at so many pixels or more, and made smaller
FINE_SIDE = 128
# tones
INK, PAPER, GROUND, CLOUD = 0, 255, 170, 185
NIGHT_SKY, NIGHT_GROUND = 110, 45
# how high the ground reaches
HORIZON = 0.74
# the way of the middle of what moves: its length, slow and fast, to the side and up or down
WAYS = {"slow": 0.3, "fast": 0.68}
HEIGHTS = {"slow": 0.25, "fast": 0.54}
# by what it grows on its way, slow and fast
GROWTH = {"slow": 1.8, "fast": 3.4}
# side of its box, alone and as one of two; both in the middle of their growth
BOX_SIZES = {1: 0.42, 2: 0.34}
GROWING_SIZES = {1: 0.36, 2: 0.28}
# two of them: their middles, one from the other, and their strides, in turns
APART = 0.44
APART_IN_TIME = 0.3
# of what bobs: how far to each side, and how often
BOB, BOBS = 0.1, 2.5
# share of the frames in which what halts stands still, in the middle
STOP = 0.5
# of the white line around what moves
OUTLINE = 0.035
# how far a seed moves the way from the middle
ASIDE = 0.04
STARS = 9
# tones of a mask: all that is touched belongs to it
AS_MASK = [0] + [255] * 255


@dataclass(frozen=True)
class Layout:
    """What a seed decides, whatever the subject is.

    aside: of the way, (2,). phase: of bobbing and of strides, a turn from 0 to 1. faces_left: where
    the way leads neither left nor right. hills: phases of their waves, (2,). clouds: places and
    widths, (3, 3). stars: places, (STARS, 2).
    """

    aside: np.ndarray
    phase: float
    faces_left: bool
    hills: np.ndarray
    clouds: np.ndarray
    stars: np.ndarray

    @classmethod
    def of_seed(cls, seed: int) -> "Layout":
        """seed: any int."""
        rng = numpy_generator(seed, "clip")
        aside = rng.uniform(-ASIDE, ASIDE, 2)
        phase = float(rng.uniform())
        faces_left = bool(rng.integers(2))
        hills = rng.uniform(0, 1, 2)
        lefts = np.array([0.18, 0.5, 0.82]) + rng.uniform(-0.08, 0.08, 3)
        tops = rng.uniform(0.08, 0.22, 3)
        clouds = np.stack([lefts, tops, rng.uniform(0.24, 0.32, 3)], axis=1)
        stars = np.stack([rng.uniform(0.03, 0.97, STARS), rng.uniform(0.03, 0.5, STARS)], axis=1)
        return cls(aside, phase, faces_left, hills, clouds, stars)


def progress_of(manner: str) -> np.ndarray:
    """How far what moves has come in each frame, float (FRAMES,) from -0.5 to 0.5."""
    time = np.linspace(0, 1, FRAMES)
    if manner != "halting":
        return time - 0.5
    before = (1 - STOP) / 2
    return np.interp(time, [0, before, 1 - before, 1], [-0.5, 0, 0, 0.5])


@dataclass(frozen=True)
class Pose:
    """One of what moves, in one frame. x, y: its middle; size: side of its box."""

    x: float
    y: float
    size: float
    moment: float


def poses(facts: dict[str, Any], layout: Layout) -> list[list[Pose]]:
    """The poses of each frame."""
    direction, speed, count = facts["direction"], facts["speed"], facts["count"]
    sign = -1 if direction in ("left", "up", "away") else 1
    progress = sign * progress_of(facts["manner"])
    middle = np.array([0.5, 0.47]) + layout.aside
    places = np.tile(middle, (FRAMES, 1))  # (FRAMES, 2)
    sizes = np.full(FRAMES, BOX_SIZES[count])
    # one beside the other, across their way
    apart = np.array([APART, 0.0])
    sideways = np.array([0.0, 1.0])
    if direction in ("right", "left"):
        places[:, 0] += WAYS[speed] * progress
        apart = apart[::-1]
    elif direction in ("up", "down"):
        places[:, 1] += HEIGHTS[speed] * progress
        sideways = sideways[::-1]
    else:
        sizes = GROWING_SIZES[count] * GROWTH[speed] ** progress
    if facts["manner"] == "bobbing":
        time = np.linspace(0, 1, FRAMES)
        swing = BOB * np.sin(2 * np.pi * (BOBS * time + layout.phase))
        places += swing[:, None] * sideways
    turns = MOVING_TURNS.get(facts["subject"], (0.0, 0.0))[speed == "fast"]
    moments = layout.phase + turns * (np.abs(progress - progress[0]))
    offsets = [np.zeros(2)] if count == 1 else [-apart / 2, apart / 2]
    frames = []
    for place, size, moment in zip(places, sizes, moments):
        shown = []
        for number, offset in enumerate(offsets):
            x, y = place + offset
            shown.append(
                Pose(float(x), float(y), float(size), float(moment) + APART_IN_TIME * number)
            )
        frames.append(shown)
    return frames


def background(facts: dict[str, Any], layout: Layout, side: int) -> Image.Image:
    """What stands still in all frames, "L", side x side."""
    is_night = facts["sky"] == "night"
    image = Image.new("L", (side, side), NIGHT_SKY if is_night else PAPER)
    pen = ImageDraw.Draw(image)
    if facts["sky"] == "clouds":
        for left, top, width in layout.clouds:
            for x, y, part in ((-0.3, 0.02, 0.6), (0.0, -0.02, 0.8), (0.3, 0.02, 0.6)):
                round_spot(pen, side, left + x * width, top + y, part * width * 0.75, CLOUD)
    if is_night:
        for x, y in layout.stars:
            round_spot(pen, side, x, y, 0.045, PAPER)
    xs = np.linspace(0, 1, 65)
    heights = np.full(65, HORIZON)
    if facts["ground"] == "hills":
        first, second = layout.hills
        heights += 0.1 * np.sin(2 * np.pi * (1.5 * xs + first))
        heights += 0.03 * np.sin(2 * np.pi * (3.5 * xs + second))
    line = [(float(x) * side, float(y) * side) for x, y in zip(xs, heights)]
    pen.polygon([*line, (side, side), (0, side)], fill=NIGHT_GROUND if is_night else GROUND)
    return image


def round_spot(
    pen: ImageDraw.ImageDraw, side: int, x: float, y: float, width: float, tone: int
) -> None:
    """A disc around a place."""
    box = [(x - width / 2) * side, (y - width / 2) * side]
    pen.ellipse([*box, box[0] + width * side, box[1] + width * side], fill=tone)


def placed(outline: Outline, pose: Pose, side: int, *, is_mirrored: bool) -> Outline:
    """An outline in its box -> in pixels of the frame."""
    sign = -1 if is_mirrored else 1
    return [
        ((pose.x + sign * x * pose.size) * side, (pose.y + y * pose.size) * side)
        for x, y in outline
    ]


def with_subject(image: Image.Image, subject: str, pose: Pose, *, is_mirrored: bool) -> Image.Image:
    """A frame with one of what moves, dark with a white line around it."""
    side = image.width
    dark, light = shape(subject, pose.moment)
    mask = Image.new("L", image.size)
    pen = ImageDraw.Draw(mask)
    for outline in dark:
        pen.polygon(placed(outline, pose, side, is_mirrored=is_mirrored), fill=255)
    around = mask.filter(ImageFilter.BoxBlur(round(OUTLINE * side)))
    image.paste(PAPER, mask=around.point(AS_MASK))
    image.paste(INK, mask=mask)
    pen = ImageDraw.Draw(image)
    for outline in light:
        pen.polygon(placed(outline, pose, side, is_mirrored=is_mirrored), fill=PAPER)
    return image


def draw(facts: dict[str, Any], seed: int, size: int = CLIP_SIDE) -> Image.Image:
    """Facts -> the sheet of the clip's frames, PIL image, mode "L", size x size."""
    layout = Layout.of_seed(seed)
    side = size // FRAMES_A_ROW
    times = max(1, -(-FINE_SIDE // side))
    behind = background(facts, layout, side * times)
    direction = facts["direction"]
    is_mirrored = layout.faces_left if direction not in ("left", "right") else direction == "left"
    frames = []
    for shown in poses(facts, layout):
        frame = behind.copy()
        for pose in shown:
            frame = with_subject(frame, facts["subject"], pose, is_mirrored=is_mirrored)
        frames.append(frame.reduce(times))
    return sheet_of_frames(frames, size)
