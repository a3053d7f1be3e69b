"""What a drawn engraving can show, told in a sentence and parsed back exactly."""

import functools
import hashlib
import re
from itertools import product

import numpy as np

from oneseed.seeds import numpy_generator

# another drawing or wording is another collection: raise the number
COLLECTION = "builtin-1"
ATTRIBUTES = {
    "subject": (
        "ship",
        "castle",
        "church",
        "windmill",
        "lighthouse",
        "cottage",
        "tree",
        "balloon",
        "horse",
        "elephant",
        "bridge",
        "tent",
    ),
    "count": (1, 2, 3),
    "size": ("small", "large"),
    "place": ("sea", "mountains", "forest"),
    "sky": ("clear", "cloudy", "stormy", "starry"),
    "light": ("left", "right"),
    "technique": ("line", "cross-hatching", "stipple"),
}
LEVELS = {level: tuple(ATTRIBUTES)[:told] for level, told in {1: 1, 2: 3, 3: 4, 4: 6, 5: 7}.items()}
CONSTANT = {
    "count": 1,
    "size": "large",
    "place": "sea",
    "sky": "clear",
    "light": "left",
    "technique": "line",
}


def combinations(level):
    """All facts of a level, in a fixed order; what the level does not tell is CONSTANT."""
    names = LEVELS[level]
    return [
        dict(CONSTANT, **dict(zip(names, values)))
        for values in product(*(ATTRIBUTES[name] for name in names))
    ]


def held_out(facts):
    """Is this full combination (level 5) kept from training? True for a tenth of the 5,184, fixed by hash.

    Levels 1 to 4 have few combinations (12, 72, 216, 1,728) and hold none out.
    """
    words = " ".join(str(facts[name]) for name in ATTRIBUTES)
    return hashlib.sha256(words.encode()).digest()[0] * 10 < 256


def even_sample(combos, count, seed):
    """`count` facts, each combination floor or ceil times, in an order drawn from the seed."""
    order = numpy_generator(seed, "collection").permutation(len(combos))
    chosen = np.resize(order, count)
    return [dict(combos[i]) for i in numpy_generator(seed, "order").permutation(chosen)]


def collection(count=6000, level=5, seed=0):
    """`count` facts (dicts of the seven attributes), near uniform over the level's combinations; at level 5 never a held-out one."""
    return even_sample(
        [facts for facts in combinations(level) if level < 5 or not held_out(facts)], count, seed
    )


def held_out_facts(count, seed=0):
    """`count` facts from the held-out combinations, near uniform."""
    return even_sample([facts for facts in combinations(5) if held_out(facts)], count, seed)


OPENINGS = ("An engraving of", "An engraving depicting", "An engraving showing")
ORDERS = (
    "what place sky, light, technique",
    "what sky place, technique, light",
    "what, light, place sky, technique",
    "what place, technique, sky, light",
)
EPITHETS = {
    "ship": ("", "sailing "),
    "castle": ("", "stone "),
    "church": ("", "village "),
    "windmill": ("", "old "),
    "lighthouse": ("", "stone "),
    "cottage": ("", "country "),
    "tree": ("", "leafy ", "oak "),
    "balloon": ("", "hot-air "),
    "horse": ("", "standing "),
    "elephant": ("", "tusked "),
    "bridge": ("", "arched ", "stone "),
    "tent": ("", "striped "),
}
WORDINGS = {
    "count": {
        1: ("a", "a", "one", "a single"),
        2: ("two", "two", "a pair of"),
        3: ("three", "three", "a group of three"),
    },
    "size": {"small": ("small", "little", "tiny"), "large": ("large", "big", "great")},
    "place": {
        "sea": ("by the sea", "beside the sea", "on the coast", "at the sea shore"),
        "mountains": ("in the mountains", "before jagged mountains", "among high peaks"),
        "forest": (
            "by a forest",
            "at the edge of a forest",
            "before dark woods",
            "among tall firs",
        ),
    },
    "sky": {
        "clear": ("under a clear sky", "beneath a cloudless sky", "in fair weather"),
        "cloudy": ("under a cloudy sky", "beneath white clouds", "under a sky full of clouds"),
        "stormy": ("under a stormy sky", "in a thunderstorm", "under lightning and rain"),
        "starry": ("under a starry sky", "on a starry night", "beneath the moon and stars"),
    },
    "light": {
        side: (
            f"lit from the {side}",
            f"with light from the {side}",
            f"the light falling from the {side}",
        )
        for side in ("left", "right")
    },
    "technique": {
        "line": ("in parallel lines", "engraved in lines", "drawn with plain lines"),
        "cross-hatching": (
            "in cross-hatching",
            "shaded with cross-hatching",
            "cross-hatched throughout",
        ),
        "stipple": ("in stipple", "stippled with dots", "shaded with fine dots"),
    },
}
# what parse looks for, in lower case; every wording holds exactly one value's sign
SIGNS = {
    "subject": {
        name: {"church": "church(?:es)?"}.get(name, f"{name}s?") for name in ATTRIBUTES["subject"]
    },
    "size": {value: "|".join(words) for value, words in WORDINGS["size"].items()},
    "place": {
        "sea": "sea|coast|shore",
        "mountains": "mountains?|peaks?",
        "forest": "forests?|woods|firs",
    },
    "sky": {
        "clear": "clear|cloudless|fair",
        "cloudy": "cloudy|clouds?",
        "stormy": "stormy?|thunderstorms?|lightning|rain",
        "starry": "starry|stars?|moon",
    },
    "light": {"left": "left", "right": "right"},
    "technique": {
        "line": "lines?",
        "cross-hatching": r"cross\W*hatch\w*",
        "stipple": r"stippl\w*|dots?",
    },
}
COUNT_SIGNS = {
    1: r"one|single|an?(?= (?:small|little|tiny|large|big|great)\b)",
    2: "two|pair",
    3: "three|trio",
}


def tell(facts, seed, level=5):
    """Facts -> one sentence that names the attributes of the level and no other; wording and order come from the seed."""
    rng = numpy_generator(seed, "words")

    def pick(choices):
        return choices[rng.integers(len(choices))]

    told = {name: pick(WORDINGS[name][facts[name]]) for name in LEVELS[level] if name != "subject"}
    kind = facts["subject"]
    alone = facts["count"] == 1 or "count" not in told
    noun = pick(EPITHETS[kind]) + kind + ("" if alone else "es" if kind == "church" else "s")
    article = told.get("count", "an" if noun[0] in "aeiou" else "a")
    told["what"] = " ".join(filter(None, (pick(OPENINGS), article, told.get("size"), noun)))
    clauses = [
        " ".join(told[name] for name in clause.split() if name in told)
        for clause in pick(ORDERS).split(", ")
    ]
    return ", ".join(filter(None, clauses)) + "."


@functools.cache
def signs(name):
    return [
        (value, re.compile(rf"\b(?:{sign})\b"))
        for value, sign in (COUNT_SIGNS if name == "count" else SIGNS[name]).items()
    ]


def claimed(text, name):
    """What a caption in lower case says of one attribute, by itself; None where it is silent or contradicts itself."""
    values = [value for value, sign in signs(name) if sign.search(text)]
    return values[0] if len(values) == 1 else None


def parse(caption):
    """Any string -> dict of the seven attributes, each None where the caption is silent or contradicts itself.

    A bare "a ship" claims no count, "a large ship" claims one; a count that disagrees with the noun's number is a contradiction.
    """
    text = " ".join(str(caption).lower().split())
    found = {name: claimed(text, name) for name in ATTRIBUTES}
    if found["subject"] and found["count"]:
        nouns = re.findall(rf"\b{SIGNS['subject'][found['subject']]}\b", text)
        if any((noun != found["subject"]) != (found["count"] > 1) for noun in nouns):
            found["count"] = None
    return found
