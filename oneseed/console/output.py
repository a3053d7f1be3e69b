"""What a terminal shows: progress with time left, and text that cannot move the cursor."""

import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any

# seconds between two states of the bar
TERMINAL_INTERVAL = 0.2
LOG_INTERVAL = 10
# letters of a word that a sentence quotes; a longer one ends in …
LONG_WORD = 300
# invisible letters that join or part others, as in Persian, Khmer and emoji; tags of flags
SHAPING_LETTER = re.compile("[\u200b-\u200d\U000e0020-\U000e007f]")
# code points that will never be letters, beside the last two of each plane
NEVER_LETTERS = re.compile("[\u2065\ufdd0-\ufdef\ufff0-\ufff8\U000e0000-\U000e0fff]")


def progress(
    items: Iterable[Any] | None = None,
    *,
    label: str,
    total: int | None = None,
    unit: str = "picture",
    initial: int = 0,
) -> Any:
    """A tqdm bar on stderr with rate and time left; a log file gets a line every 10 seconds.

    items: what the bar counts as it is iterated; without them the caller calls `update`.
    total: how many there are, where len(items) does not say it; initial: how many are done.
    unit: what is counted, in the singular.
    """
    from tqdm import tqdm

    is_terminal = sys.stderr.isatty()
    return tqdm(
        items,
        # bars alone may move the cursor; what else writes to a script's stderr cannot
        file=getattr(sys.stderr, "bars", sys.stderr),
        desc=label,
        total=total,
        unit=f" {unit}s",
        initial=initial,
        dynamic_ncols=is_terminal,
        mininterval=TERMINAL_INTERVAL if is_terminal else LOG_INTERVAL,
        maxinterval=LOG_INTERVAL,
        leave=True,
        smoothing=0.1,
    )


def printable(text: str) -> str:
    """Text for a terminal or a page, letter by letter.

    What could move the cursor or turn the direction of writing is shown as an escape; what joins
    or parts letters stays.
    """
    return "".join(map(printable_letter, text))


def printable_letter(letter: str) -> str:
    """One character, or its escape such as \\x1b."""
    if letter.isprintable() or SHAPING_LETTER.match(letter) or is_newer_letter(letter):
        return letter
    return letter.encode("unicode_escape", "surrogatepass").decode()


def is_control(letter: str) -> bool:
    """Whether a character is none that a reader sees: it steers, shapes, or means nothing."""
    return unicodedata.category(letter)[0] == "C" and not is_newer_letter(letter)


def is_newer_letter(letter: str) -> bool:
    """Whether a character may be a letter that this Python's Unicode does not have yet.

    Python 3.11 knows no emoji of 2022.
    """
    if unicodedata.category(letter) != "Cn" or ord(letter) & 0xFFFE == 0xFFFE:
        return False
    return not NEVER_LETTERS.match(letter)


def code_lines(text: str, *, indent: int = 0, most: int = 0) -> list[str]:
    """A text of code as lines for a terminal, tabs as four blanks; nothing can move the cursor.

    most: lines that are shown, 0 for all; another says then how many follow.
    """
    lines = text.removesuffix("\n").split("\n")
    shown = lines[: most or len(lines)]
    kept = [" " * indent + printable(line.expandtabs(4)) for line in shown]
    if len(lines) > len(shown):
        kept.append(" " * indent + f"… {len(lines) - len(shown):,} more lines")
    return kept


def with_short_words(sentence: str) -> str:
    """A sentence of which no word, such as a wrong one that it quotes, fills the screen."""
    long_word = rf"\S{{{LONG_WORD},}}"
    return re.sub(long_word, lambda word: word[0][:LONG_WORD] + "…", sentence)
