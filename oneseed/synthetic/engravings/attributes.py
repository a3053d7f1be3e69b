"""What a drawn engraving can show, told in a sentence and parsed back exactly.

Facts are a dict of the seven attributes; a level says how many of them a sentence names.
"""

import functools
import re
from collections.abc import Sequence
from typing import Any

from oneseed.seeds import numpy_generator
from oneseed.synthetic.drawn import Facts, only_claim

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
# how many attributes a sentence of each level names
LEVEL_SIZES = {1: 1, 2: 3, 3: 4, 4: 6, 5: 7}
# level -> names of those attributes
LEVELS = {level: tuple(ATTRIBUTES)[:size] for level, size in LEVEL_SIZES.items()}
# what is drawn where a level does not name an attribute
CONSTANT: Facts = {
    "count": 1,
    "size": "large",
    "place": "sea",
    "sky": "clear",
    "light": "left",
    "technique": "line",
}


def held_out(facts: Facts) -> bool:
    """As DrawnCollection.held_out."""
    from oneseed.synthetic.engravings.collection import ENGRAVINGS

    return ENGRAVINGS.held_out(facts)


def collection(count: int = 15_000, level: int = 5, seed: int = 0) -> list[Facts]:
    """As DrawnCollection.collection."""
    from oneseed.synthetic.engravings.collection import ENGRAVINGS

    return ENGRAVINGS.collection(count, level, seed)


# how a sentence begins, and in what order it goes on
OPENINGS = ("An engraving of", "An engraving depicting", "An engraving showing")
ORDERS = (
    "what place sky, light, technique",
    "what sky place, technique, light",
    "what, light, place sky, technique",
    "what place, technique, sky, light",
)
# what may stand before the noun
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
WORDINGS: dict[str, dict[Any, tuple[str, ...]]] = {
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
        for side in ATTRIBUTES["light"]
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
# patterns that parse looks for, in lower case; every wording matches that of one value alone
SIGNS: dict[str, dict[Any, str]] = {
    "subject": {
        **{subject: f"{subject}s?" for subject in ATTRIBUTES["subject"]},
        "church": "church(?:es)?",
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


def tell(facts: Facts, seed: int, level: int = 5) -> str:
    """Facts -> one sentence that names the attributes of the level and no other.

    Wording and order come from the seed (any int).
    """
    rng = numpy_generator(seed, "words")

    def pick(choices: Sequence[str]) -> str:
        return choices[int(rng.integers(len(choices)))]

    named = [name for name in LEVELS[level] if name != "subject"]
    phrases = {name: pick(WORDINGS[name][facts[name]]) for name in named}
    subject = facts["subject"]
    noun = pick(EPITHETS[subject]) + subject
    if "count" in phrases and facts["count"] > 1:
        noun += "es" if subject == "church" else "s"
    article = phrases.get("count", "an" if noun[0] in "aeiou" else "a")
    words = (pick(OPENINGS), article, phrases.get("size"), noun)
    phrases["what"] = " ".join(filter(None, words))

    def fill_in(clause: str) -> str:
        return " ".join(phrases[name] for name in clause.split() if name in phrases)

    clauses = [fill_in(clause) for clause in pick(ORDERS).split(", ")]
    return ", ".join(filter(None, clauses)) + "."


@functools.cache
def signs(name: str) -> dict[Any, re.Pattern[str]]:
    """{value: pattern that finds it} of an attribute."""
    patterns = COUNT_SIGNS if name == "count" else SIGNS[name]
    return {value: re.compile(rf"\b(?:{sign})\b") for value, sign in patterns.items()}


def claimed(text: str, name: str) -> Any:
    """What a caption in lower case says of one attribute, looked at by itself.

    None where it is silent or contradicts itself.
    """
    return only_claim(text, signs(name))


def parse(caption: str) -> Facts:
    """Any string -> facts, each None where the caption is silent or contradicts itself.

    A bare "a ship" claims no count, "a large ship" claims one; a count that disagrees with the
    noun's number is a contradiction.
    """
    text = " ".join(str(caption).lower().split())
    found = {name: claimed(text, name) for name in ATTRIBUTES}
    subject = found["subject"]
    if subject and found["count"]:
        nouns = re.findall(rf"\b{SIGNS['subject'][subject]}\b", text)
        several = found["count"] > 1
        if any((noun != subject) != several for noun in nouns):
            found["count"] = None
    return found
