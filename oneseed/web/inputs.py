"""What visitors send, checked.

Values are plain JSON from strangers. Each check gives a clean value, or raises a UserError of one
sentence that does not repeat what came: a page shows error messages as HTML. Its files are in
oneseed.page.uploads.
"""

import contextlib
import math
from collections.abc import Sequence
from typing import Any

from oneseed.console.command import UserError
from oneseed.dataset.wording import clean_caption
from oneseed.seeds import LAST_SEED, is_word, seed_of_word

# pixels of a picture that somebody brings; 160 MB once decoded
PAGE_MAX_PIXELS = 40_000_000
PAGE_MAX_GUIDANCE = 5
PAGE_MAX_TEMPERATURE = 2
# digits of a whole number, and characters of any other, that are looked at
MAX_DIGITS = 20
MAX_NUMBER_LENGTH = 30


def whole_number(value: Any, name: str, *, low: int, high: int) -> int:
    """7 or "7" -> 7. name: of the value, as the sentence begins."""
    text = str(value).strip()
    is_whole = text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
    if not is_whole or not low <= int(text) <= high:
        raise UserError(f"{name} is a whole number from {low:,} to {high:,}.")
    return int(text)


def parse_seed(value: Any, name: str = "A seed") -> int:
    """A seed of a pair: 7 or "7" -> 7, a word -> the seed for which it stands."""
    if word := word_in(value):
        return seed_of_word(word)
    try:
        return whole_number(value, name, low=0, high=LAST_SEED)
    except UserError as error:
        raise UserError(f"{str(error).removesuffix('.')}, or a word.") from None


def seed_text(value: Any, name: str = "A seed") -> str:
    """A seed as a field shows it: 7 or "007" -> "7", a word as it is."""
    return word_in(value) or str(parse_seed(value, name))


def word_in(value: Any) -> str:
    """The word that a seed's field holds, "" where it holds none."""
    text = value.strip() if isinstance(value, str) else ""
    return text if is_word(text) else ""


def parse_number(value: Any, name: str, *, low: float, high: float) -> float:
    """2, 2.5 or "2.5" -> float."""
    number = math.nan
    with contextlib.suppress(TypeError, ValueError):
        if not isinstance(value, bool) and len(str(value)) <= MAX_NUMBER_LENGTH:
            number = float(value)
    if not low <= number <= high:
        raise UserError(f"{name} is a number from {low:g} to {high:g}.")
    return number


def parse_guidance(value: Any, name: str = "Guidance") -> float:
    """How literally a prompt is taken."""
    return parse_number(value, name, low=0, high=PAGE_MAX_GUIDANCE)


def parse_temperature(value: Any, name: str = "The captions' freedom") -> float:
    """The temperature of captions."""
    return parse_number(value, name, low=0, high=PAGE_MAX_TEMPERATURE)


def one_line(value: Any, name: str, *, limit: int) -> str:
    """Text -> the same on one line, cleaned as captions and prompts are; null is empty.

    limit: characters.
    """
    return clean_caption(typed_text(value, name, limit=limit))


def typed_text(value: Any, name: str, *, limit: int) -> str:
    """Text of one or several lines, letter by letter; null is empty. limit: characters."""
    text = "" if value is None else value
    if not isinstance(text, str):
        raise UserError(f"{name} is text.")
    if len(text) > limit:
        raise UserError(
            f"{name} has {len(text):,} characters, at most {limit} are read; shorten it."
        )
    return text


def one_of(value: Any, choices: Sequence[str], name: str) -> str:
    """One of the choices; null and "" are ""."""
    if value in (None, ""):
        return ""
    if isinstance(value, str) and value in choices:
        return value
    if not choices:
        raise UserError(f"{name} is to be left empty: this model knows only one.")
    raise UserError(f"{name} is one of: {', '.join(choices)}.")
