"""What a clip can show, told in a sentence and parsed back exactly."""

import functools
import re
from typing import Any

from oneseed.seeds import numpy_generator
from oneseed.synthetic.drawn import Facts, only_claim, sign_of

CLIP_SUBJECTS = ("ship", "balloon", "horse", "elephant", "ball", "bird")
CLIP_ATTRIBUTES: dict[str, tuple[Any, ...]] = {
    "subject": CLIP_SUBJECTS,
    "count": (1, 2),
    "direction": ("right", "left", "up", "down", "nearer", "away"),
    "speed": ("slow", "fast"),
    "manner": ("steady", "bobbing", "halting"),
    "ground": ("plain", "hills"),
    "sky": ("clear", "clouds", "night"),
}
# how many attributes a sentence of each level names
CLIP_LEVEL_SIZES = {1: 1, 2: 3, 3: 4, 4: 5, 5: 7}
CLIP_LEVELS = {level: tuple(CLIP_ATTRIBUTES)[:size] for level, size in CLIP_LEVEL_SIZES.items()}
# what is drawn where a level does not name an attribute
CLIP_CONSTANT: Facts = {
    "count": 1,
    "direction": "right",
    "speed": "fast",
    "manner": "steady",
    "ground": "plain",
    "sky": "clear",
}
# the wordings of each value; no wording of one value is part of another's
CLIP_WORDINGS: dict[str, dict[Any, tuple[str, ...]]] = {
    "subject": {name: (name,) for name in CLIP_SUBJECTS},
    "count": {1: ("one", "a single", "a lone"), 2: ("two", "a pair of")},
    "direction": {
        "right": ("moving to the right", "going right", "heading right"),
        "left": ("moving to the left", "going left", "heading left"),
        "up": ("rising", "going up", "climbing"),
        "down": ("sinking", "going down", "descending"),
        "nearer": ("coming nearer", "drawing near", "approaching"),
        "away": ("moving away", "going away", "receding"),
    },
    "speed": {
        "slow": ("slowly", "at a slow pace", "at leisure"),
        "fast": ("quickly", "at a fast pace", "in haste"),
    },
    "manner": {
        "steady": ("steadily", "without a pause", "at an even pace"),
        "bobbing": ("bobbing", "swaying", "wobbling"),
        "halting": ("halting half-way", "stopping in between", "with a stop"),
    },
    "ground": {
        "plain": ("over a plain", "above level ground", "in flat country"),
        "hills": ("over the hills", "above rolling hills", "in hilly country"),
    },
    "sky": {
        "clear": ("under a clear sky", "by day", "in fine weather"),
        "clouds": ("below clouds", "under a cloudy sky", "on a cloudy day"),
        "night": ("at night", "under the stars", "by moonlight"),
    },
}
# the order in which a sentence names what follows the subject
CLIP_ORDERS = (
    ("direction", "speed", "manner", "ground", "sky"),
    ("direction", "manner", "speed", "sky", "ground"),
    ("ground", "sky", "direction", "speed", "manner"),
)


def tell(facts: Facts, seed: int, level: int = 5) -> str:
    """Facts -> one sentence that names the attributes of the level and no other.

    seed: any int; it chooses among wordings and orders.
    """
    rng = numpy_generator(seed, "words")
    said = {
        name: wordings[rng.integers(len(wordings))]
        for name in CLIP_LEVELS[level]
        for wordings in [CLIP_WORDINGS[name][facts[name]]]
    }
    subject = said["subject"]
    if "count" in said:
        shown = f"{said['count']} {subject}{'s' if facts['count'] > 1 else ''}"
    else:
        shown = f"{'an' if subject[0] in 'aeiou' else 'a'} {subject}"
    order = CLIP_ORDERS[rng.integers(len(CLIP_ORDERS))]
    rest = [said[name] for name in order if name in said]
    return f"{' '.join(['A clip of', shown, *rest])}."


@functools.cache
def clip_signs(name: str) -> dict[Any, re.Pattern[str]]:
    """{value: pattern that finds it in a text in lower case} of an attribute."""
    return {value: sign_of(wordings) for value, wordings in CLIP_WORDINGS[name].items()}


def parse(caption: str) -> Facts:
    """Any string -> facts, each None where the caption is silent or contradicts itself."""
    text = str(caption).lower()
    return {name: only_claim(text, clip_signs(name)) for name in CLIP_ATTRIBUTES}
