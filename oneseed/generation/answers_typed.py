"""What somebody types in an interactive session: seeds, words and prompts."""

import contextlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from oneseed.file_names import safe_name
from oneseed.generation.generator import get_random_seed
from oneseed.seeds import LAST_SEED, is_word, seed_of_word

# asks for any seed
RANDOM = "random"
# bytes of a prompt in a file's name
MAX_NAME_SUFFIX = 60


class AskedSeed(NamedTuple):
    """What somebody typed."""

    seed: int
    # by which the seed was named, "" for a number
    word: str
    prompt: str | None


def parse_answer(text: str) -> int | None:
    """What somebody typed -> a seed, None where it is none."""
    if text.lower() == RANDOM:
        return get_random_seed()
    if is_word(text):
        return seed_of_word(text)
    is_seed = text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= LAST_SEED
    return int(text) if is_seed else None


def ask_for_pairs(prompt: str | None = None) -> Iterator[AskedSeed]:
    """Asks on the terminal, until an empty line, quit or end of input.

    prompt: of all pairs; then it is not asked for.
    """
    with contextlib.suppress(EOFError):
        while True:
            text = input(f"seed, 0 to {LAST_SEED}, a word, or random (an empty line ends): ")
            text = text.strip()
            if text.lower() in ("", "quit"):
                return
            seed = parse_answer(text)
            if seed is None:
                print(f"a seed is an integer from 0 to {LAST_SEED}, or a word; not {text[:40]!r}")
                continue
            asked_prompt = prompt or input("prompt (an empty line for none): ").strip()
            if asked_prompt.lower() == "quit":
                return
            word = text if is_word(text) and text.lower() != RANDOM else ""
            yield AskedSeed(seed, word, asked_prompt or None)


def suffix_of_prompt(prompt: str) -> str:
    """What a prompt adds to the name of a file, another for each: "_two_ships"."""
    words = "_".join(re.findall(r"\w+", prompt.lower()))
    return f"_{safe_name(words, MAX_NAME_SUFFIX)}" if words else ""
