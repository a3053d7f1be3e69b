"""What a sound can be, told in a sentence and parsed back exactly."""

import functools
import re
from typing import Any

from oneseed.seeds import numpy_generator
from oneseed.synthetic.drawn import Facts, only_claim, sign_of

INSTRUMENTS = ("flute", "violin", "trumpet", "clarinet", "organ", "bell", "harp", "marimba")
SOUND_ATTRIBUTES: dict[str, tuple[Any, ...]] = {
    "instrument": INSTRUMENTS,
    "count": (3, 4, 6),
    "register": ("low", "middle", "high"),
    "direction": ("rising", "falling", "level", "arch"),
    "tempo": ("slow", "fast"),
    "loudness": ("swelling", "fading", "even"),
    "surroundings": ("room", "hall", "rain", "wind"),
}
# how many attributes a sentence of each level names
SOUND_LEVEL_SIZES = {1: 1, 2: 3, 3: 4, 4: 6, 5: 7}
SOUND_LEVELS = {level: tuple(SOUND_ATTRIBUTES)[:size] for level, size in SOUND_LEVEL_SIZES.items()}
# what is played where a level does not name an attribute
SOUND_CONSTANT: Facts = {
    "count": 4,
    "register": "middle",
    "direction": "level",
    "tempo": "fast",
    "loudness": "even",
    "surroundings": "room",
}
# the wordings of each value; no wording of one value is part of another's
SOUND_WORDINGS: dict[str, dict[Any, tuple[str, ...]]] = {
    "instrument": {name: (name,) for name in INSTRUMENTS},
    "count": {3: ("three",), 4: ("four",), 6: ("six",)},
    "register": {
        "low": ("low", "deep"),
        "middle": ("middle", "medium"),
        "high": ("high", "shrill"),
    },
    "direction": {
        "rising": ("rising", "going up", "climbing"),
        "falling": ("falling", "going down", "descending"),
        "level": ("on one pitch", "all alike", "repeated"),
        "arch": ("up and down again", "in an arch"),
    },
    "tempo": {
        "slow": ("slowly", "at a slow pace", "at leisure"),
        "fast": ("quickly", "at a fast pace", "in haste"),
    },
    "loudness": {
        "swelling": ("growing louder", "swelling"),
        "fading": ("growing softer", "fading away"),
        "even": ("at an even volume", "evenly loud"),
    },
    "surroundings": {
        "room": ("in a quiet room", "in silence"),
        "hall": ("in a large hall", "in an echoing church"),
        "rain": ("in the rain", "while it rains"),
        "wind": ("in the wind", "on a windy day"),
    },
}
# the order in which a sentence names what follows the notes
SOUND_ORDERS = (
    ("direction", "tempo", "instrument", "loudness", "surroundings"),
    ("instrument", "direction", "tempo", "loudness", "surroundings"),
    ("instrument", "tempo", "direction", "surroundings", "loudness"),
)


def tell(facts: Facts, seed: int, level: int = 5) -> str:
    """Facts -> one sentence that names the attributes of the level and no other.

    seed: any int; it chooses among wordings and orders.
    """
    rng = numpy_generator(seed, "words")
    named = SOUND_LEVELS[level]
    said = {
        name: wordings[rng.integers(len(wordings))]
        for name in named
        for wordings in [SOUND_WORDINGS[name][facts[name]]]
    }
    article = "an" if facts["instrument"][0] in "aeiou" else "a"
    said["instrument"] = f"on {article} {said['instrument']}"
    order = SOUND_ORDERS[rng.integers(len(SOUND_ORDERS))]
    notes = " ".join([*(said[name] for name in ("count", "register") if name in said), "notes"])
    rest = [said[name] for name in order if name in said]
    return f"{' '.join(['A recording of', notes, *rest])}."


@functools.cache
def sound_signs(name: str) -> dict[Any, re.Pattern[str]]:
    """{value: pattern that finds it in a text in lower case} of an attribute."""
    return {value: sign_of(wordings) for value, wordings in SOUND_WORDINGS[name].items()}


def parse(caption: str) -> Facts:
    """Any string -> facts, each None where the caption is silent or contradicts itself."""
    text = str(caption).lower()
    return {name: only_claim(text, sound_signs(name)) for name in SOUND_ATTRIBUTES}
