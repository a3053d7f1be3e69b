"""Prompts as people type them: fragments, other orders, other words, capitals, blanks, typos.

    prompt = typed_prompt(facts, "misspelt", seed=7)
    prompt.text     # "two smlal ships, under a stormy sky"
    prompt.asked    # {"subject": "ship", "count": 2, "size": "small", "sky": "stormy"}

A caption tells all attributes in a sentence; a prompt asks for one to four of them, as somebody
would who has never read a caption. What is asked for is known, since the prompt is made of it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from oneseed.seeds import numpy_generator
from oneseed.synthetic.drawn import Facts, TypedPrompt
from oneseed.synthetic.engravings.attributes import ATTRIBUTES, WORDINGS

# most attributes that a prompt asks for
MAX_ASKED = 4
# attributes with a clause of their own: "under a stormy sky"; "two" and "small" need a subject
CLAUSES = ("place", "sky", "light", "technique")
# as people say it and no caption of the collection does, or seldom
OTHER_WORDS: dict[str, dict[Any, tuple[str, ...]]] = {
    "subject": {
        "ship": ("boat", "vessel", "sailing boat"),
        "castle": ("fortress", "castle"),
        "church": ("chapel", "church"),
        "windmill": ("mill", "windmill"),
        "lighthouse": ("lighthouse",),
        "cottage": ("house", "cabin", "hut"),
        "tree": ("tree",),
        "balloon": ("hot air balloon", "balloon"),
        "horse": ("pony", "stallion", "horse"),
        "elephant": ("elephant",),
        "bridge": ("bridge",),
        "tent": ("tent",),
    },
    "count": {
        1: ("a", "1", "a lone"),
        2: ("a pair of", "a couple of", "2"),
        3: ("a trio of", "3"),
    },
    "size": {"small": ("little", "tiny", "mini"), "large": ("huge", "giant", "enormous")},
    "place": {
        "sea": ("on the ocean", "at the seaside", "by the shore"),
        "mountains": ("in the mountains", "in the hills", "near the mountains"),
        "forest": ("in the forest", "in the woods", "near a forest"),
    },
    "sky": {
        "clear": ("under a blue sky", "in clear weather"),
        "cloudy": ("under an overcast sky", "under clouds"),
        "stormy": ("in a storm", "in the rain"),
        "starry": ("at night", "under the stars"),
    },
    "light": {side: (f"light from {side}", f"lit from {side}") for side in ATTRIBUTES["light"]},
    "technique": {
        "line": ("line engraving", "drawn in lines"),
        "cross-hatching": ("crosshatched", "cross hatched"),
        "stipple": ("dotted", "in dots"),
    },
}


def plural_noun(noun: str) -> str:
    """The plural of a subject, whatever its name."""
    if noun == "pony":
        return "ponies"
    return noun + ("es" if noun.endswith(("ch", "ss")) else "s")


def asked_attributes(facts: Facts, rng: np.random.Generator, kind: str) -> Facts:
    """One to MAX_ASKED of the facts, in the order of ATTRIBUTES; what is reordered has two clauses.

    Several have the subject among them.
    """
    count = int(rng.integers(1, MAX_ASKED + 1))
    if kind == "reordered":
        names = ["subject", rng.choice(CLAUSES)]
    else:
        names = ["subject"] if count > 1 else [rng.choice(("subject", *CLAUSES))]
    others = [name for name in ATTRIBUTES if name not in names]
    names += list(rng.choice(others, max(0, count - len(names)), replace=False))
    return {name: facts[name] for name in ATTRIBUTES if name in names}


def clauses_of(
    asked: Facts, wordings: dict[str, dict[Any, tuple[str, ...]]], rng: np.random.Generator
) -> list[str]:
    """What is asked for, clause by clause; the subject with its count and size is the first."""

    def pick(choices: Sequence[str]) -> str:
        return choices[int(rng.integers(len(choices)))]

    clauses = []
    if "subject" in asked:
        nouns = wordings.get("subject", {}).get(asked["subject"], (asked["subject"],))
        noun = pick(nouns)
        noun = plural_noun(noun) if asked.get("count", 1) > 1 else noun
        size = pick(wordings["size"][asked["size"]]) if "size" in asked else ""
        described = f"{size} {noun}".strip()
        article = "an" if described[0] in "aeiou" else "a"
        if "count" in asked:
            article = pick(wordings["count"][asked["count"]])
            article = "an" if article == "a" and described[0] in "aeiou" else article
        clauses.append(f"{article} {described}")
    return clauses + [pick(wordings[name][asked[name]]) for name in CLAUSES if name in asked]


def bare(asked: Facts, rng: np.random.Generator) -> str:
    """A fragment in the collection's words, without its opening, with or without commas."""
    clauses = clauses_of(asked, WORDINGS, rng)
    return (", ", " ")[int(rng.integers(2))].join(clauses)


def reordered(asked: Facts, rng: np.random.Generator) -> str:
    """The same clauses, the subject anywhere but first."""
    first, *others = clauses_of(asked, WORDINGS, rng)
    others = [others[i] for i in rng.permutation(len(others))]
    at = int(rng.integers(1, len(others) + 1))
    return ", ".join([*others[:at], first, *others[at:]])


def in_other_words(asked: Facts, rng: np.random.Generator) -> str:
    """A fragment in other words than the collection's."""
    return ", ".join(clauses_of(asked, OTHER_WORDS, rng))


def capitals(asked: Facts, rng: np.random.Generator) -> str:
    """A fragment in capitals, or with a capital at the beginning of each word, or of the first."""
    text = bare(asked, rng)
    return (text.upper(), text.title(), text.capitalize())[int(rng.integers(3))]


def blanks(asked: Facts, rng: np.random.Generator) -> str:
    """A fragment with blanks and line ends around and within it, or a full stop."""
    text = bare(asked, rng)
    return (f"{text}  ", f"  {text}\n", text.replace(" ", "  "), f"{text} .")[int(rng.integers(4))]


def misspelt(asked: Facts, rng: np.random.Generator) -> str:
    """A fragment with a letter too many or too few, or two exchanged, in its longest word."""
    text = bare(asked, rng)
    word = max(text.replace("-", " ").replace(",", " ").split(), key=len)
    # never its first letter
    at = int(rng.integers(1, len(word) - 1))
    exchanged = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    too_few = word[:at] + word[at + 1 :]
    too_many = word[:at] + word[at] + word[at:]
    wrong = [typo for typo in (exchanged, too_few, too_many) if typo != word]
    return text.replace(word, wrong[int(rng.integers(len(wrong)))], 1)


# name -> how a prompt of that kind is typed, of what is asked for
KINDS: dict[str, Callable[[Facts, np.random.Generator], str]] = {
    "bare": bare,
    "reordered": reordered,
    "synonyms": in_other_words,
    "capitals": capitals,
    "blanks": blanks,
    "misspelt": misspelt,
}


def typed_prompt(facts: Facts, kind: str, seed: int) -> TypedPrompt:
    """Some of the facts, as a person would ask for them. kind: of KINDS; seed: any int."""
    rng = numpy_generator(seed, f"typed {kind}")
    asked = asked_attributes(facts, rng, kind)
    text = KINDS[kind](asked, rng)
    return TypedPrompt(text, asked)
