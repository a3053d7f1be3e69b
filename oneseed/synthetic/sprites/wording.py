"""What a sprite can show, told in a sentence and parsed back exactly."""

import functools
import re

from oneseed.synthetic.drawn import Facts, only_claim

SHAPES = ("heart", "square", "ellipse")
SIZES = ("small", "big")
COLOURS = ("red", "yellow", "green", "blue", "pink")
POSITIONS = ("top left", "top right", "bottom left", "bottom right")
BACKGROUNDS = ("light", "dark")
# what each level names, one attribute more than the level before
SPRITE_ATTRIBUTES = {
    "shape": SHAPES,
    "size": SIZES,
    "colour": COLOURS,
    "position": POSITIONS,
    "background": BACKGROUNDS,
}
SPRITE_LEVELS = {level: tuple(SPRITE_ATTRIBUTES)[:level] for level in range(1, 6)}


def tell(facts: Facts, seed: int, level: int = 5) -> str:
    """Facts -> one sentence that names the attributes of the level and no other.

    The facts alone decide the words, as in the published set: no seed changes them.
    """
    named = {name: facts[name] for name in SPRITE_LEVELS[level]}
    noun = " ".join(named[name] for name in ("size", "colour", "shape") if name in named)
    sentence = f"A drawing of {'an' if noun[0] in 'aeiou' else 'a'} {noun}"
    if "position" in named:
        sentence += f" at the {named['position']}"
    if "background" in named:
        sentence += f" on a {named['background']} background"
    return f"{sentence}."


@functools.cache
def sprite_signs(name: str) -> dict[str, re.Pattern[str]]:
    """{value: pattern that finds it in a text in lower case} of an attribute."""
    return {
        value: re.compile(r"\b" + r"\W+".join(value.split()) + r"s?\b")
        for value in SPRITE_ATTRIBUTES[name]
    }


def parse(caption: str) -> Facts:
    """Any string -> facts, each None where the caption is silent or contradicts itself."""
    text = str(caption).lower()
    return {name: only_claim(text, sprite_signs(name)) for name in SPRITE_ATTRIBUTES}
