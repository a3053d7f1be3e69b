"""Text on pictures, in any script: each run of letters in a font that has them.

    lines = wrap(caption, width=256, size=12, most=5)
    for number, line in enumerate(lines):
        draw_line(draw, (2, 300 + 16 * number), line, width=252, size=12)

Where no font has a letter, a box with its code point stands for it, so that different words look
different. A line whose first letter is of a script from right to left begins at the right.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from PIL import ImageDraw, features
from PIL.ImageFont import FreeTypeFont

from oneseed.dataset.segmentation import COMBINING, JOINING, PICTOGRAPH, UNSPACED
from oneseed.generation.fonts import VISIBLE_TAGS, fonts_of, is_drawn, say_missing, script_of

# a letter with its marks, joined pictographs, or a blank
CLUSTER_OF_TEXT = re.compile(rf"{PICTOGRAPH}|.[{COMBINING}{JOINING}\ufe00-\ufe0f]*", re.DOTALL)
NUMBER_OR_CLUSTER = re.compile(rf"[0-9]+|{CLUSTER_OF_TEXT.pattern}", re.DOTALL)
# of letters that run from left to right, and from right to left
DIRECTIONS = ("L", "R", "AL")
# height of the digits in a box, as a part of the text's
BOX_DIGITS = 0.46
DIGITS_PER_ROW = 2


class Run(NamedTuple):
    """Neighbouring letters in one font; None: boxes."""

    text: str
    font: FreeTypeFont | None


def clusters(text: str) -> list[str]:
    """The letters of a text, each with its marks."""
    return [found.group() for found in CLUSTER_OF_TEXT.finditer(text)]


def runs_of(text: str, size: int, whole: str = "") -> list[Run]:
    """A text -> its runs; a word is in one font where one has all its letters.

    whole: the text that this is a part of, which is in one font where one has all its letters.
    """
    if whole and (font := fonts_of(size).font_of(unicodedata.normalize("NFC", whole))):
        return [Run(unicodedata.normalize("NFC", text), font)]
    runs: list[Run] = []
    for word in re.findall(r"\s+|\S+", unicodedata.normalize("NFC", text)):
        for part in word_runs(word, runs[-1].font if runs else None, size):
            if runs and runs[-1].font is part.font:
                runs[-1] = Run(runs[-1].text + part.text, part.font)
            else:
                runs.append(part)
    return runs


def word_runs(word: str, before: FreeTypeFont | None, size: int) -> list[Run]:
    """A word, or blanks -> its runs. before: the font of the word before."""
    fonts = fonts_of(size)
    has_direction = any(unicodedata.bidirectional(one) in DIRECTIONS for one in word)
    # Numbers and blanks go with the letters before, which may run from right to left.
    if before and not has_direction and fonts.font_has(before, word):
        return [Run(word, before)]
    if font := fonts.font_of(word):
        return [Run(word, font)]
    return [cluster_run(cluster, size) for cluster in clusters(word)]


def cluster_run(cluster: str, size: int) -> Run:
    """A letter with its marks -> its run; without its accents where no font has both."""
    fonts = fonts_of(size)
    letters = unicodedata.normalize("NFKD", cluster)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    for text in (cluster, bare):
        if font := fonts.font_of(text):
            return Run(text, font)
    say_missing(script_of(cluster[0]))
    return Run(cluster, None)


def run_width(run: Run, size: int) -> float:
    """The width of a run in pixels."""
    if run.font is None:
        return sum(box_width(letter, size) for letter in run.text)
    return run.font.getlength(run.text)


def text_width(text: str, size: int, whole: str = "") -> float:
    """The width of a line in pixels. size: the height of its letters. whole: see runs_of."""
    return sum(run_width(run, size) for run in runs_of(text, size, whole))


def wrap(
    text: str, *, width: int, size: int, most: int | None = None, whole: str = ""
) -> list[str]:
    """A text -> lines of at most `width` pixels, the first `most` of them.

    size: the height of the letters. whole: see runs_of. Lines break at blanks, and between letters
    where a script has none or a word is longer than a line.
    """
    lines = [""]
    for part in breakable_parts(text, width=width, size=size, whole=whole):
        if lines[-1] and text_width((lines[-1] + part).rstrip(), size, whole) > width:
            lines[-1] = lines[-1].rstrip()
            if len(lines) == most:
                return lines
            lines.append("")
        lines[-1] += part
    lines[-1] = lines[-1].rstrip()
    return [line for line in lines if line]


def breakable_parts(text: str, *, width: int, size: int, whole: str = "") -> Iterator[str]:
    """The parts of a text that stay together, each with the blank behind it."""
    for word in text.split():
        if UNSPACED.search(word) or text_width(word, size, whole) > width:
            *before, last = clusters(word)
            yield from before
            yield f"{last} "
        else:
            yield f"{word} "


def is_right_to_left(text: str) -> bool:
    """Whether the first letter with a direction runs from right to left."""
    directions = map(unicodedata.bidirectional, text)
    return next((one for one in directions if one in DIRECTIONS), "L") != "L"


def draw_line(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    *,
    width: int,
    size: int,
    ink: str = "black",
    whole: str = "",
) -> None:
    """Draws a line of text.

    place: left and top. width: of the line, which text from right to left begins at the end of.
    ink: the colour, as Pillow names it. whole: see runs_of.
    """
    left, top = place
    runs = runs_of(text, size, whole)
    x = float(left)
    if is_right_to_left(text):
        runs = [turned(run) for run in reversed(runs)]
        x = max(x, left + width - sum(run_width(run, size) for run in runs))
    for run in runs:
        if run.font is None:
            draw_boxes(draw, (round(x), top), run.text, size)
        else:
            baseline = top + fonts_of(size).default.getmetrics()[0]
            draw.text((x, baseline), in_drawing_order(run.text), ink, run.font, anchor="ls")
        x += run_width(run, size)


def turned(run: Run) -> Run:
    """A run for a line from right to left: blanks behind a number or a foreign word go before."""
    if is_right_to_left(run.text):
        return run
    text = run.text.rstrip()
    return Run(run.text[len(text) :] + text, run.font)


def in_drawing_order(text: str) -> str:
    """The text as Pillow draws it. Without Raqm, which orders and joins letters, it is turned."""
    if can_order() or not is_right_to_left(text):
        return text
    return "".join(found.group() for found in [*NUMBER_OR_CLUSTER.finditer(text)][::-1])


@functools.cache
def can_order() -> bool:
    """Whether Pillow orders text from right to left by itself."""
    return bool(features.check("raqm"))


def box_width(letter: str, size: int) -> float:
    """The width of a box with a code point, with the gap behind it."""
    if letter.isspace():
        return fonts_of(size).default.getlength(" ")
    digits = fonts_of(digit_size(size)).default
    return max((digits.getlength(row) + 4 for row in code_rows(letter)), default=0)


def code_rows(letter: str) -> list[str]:
    """The code point of a letter in two rows: ["5C", "71"]; [] of what is invisible.

    A tag of a flag is the small letter that it means.
    """
    if not is_drawn(letter):
        return []
    if tag := VISIBLE_TAGS.get(ord(letter)):
        return [tag]
    code = f"{ord(letter):04X}"
    half = -(-len(code) // DIGITS_PER_ROW)
    return [code[:half], code[half:]]


def digit_size(size: int) -> int:
    """The height of the digits in a box."""
    return max(5, round(BOX_DIGITS * size))


def draw_boxes(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int) -> None:
    """Draws a box with its code point for each letter. place: left and top."""
    left, top = place
    x = float(left)
    small = digit_size(size)
    for letter in text:
        box = (round(x), top, round(x + box_width(letter, size)) - 2, top + 2 * small + 2)
        for number, row in enumerate(code_rows(letter)):
            draw.rectangle(box, outline="gray")
            draw.text((box[0] + 1, top + number * small), row, "black", fonts_of(small).default)
        x += box_width(letter, size)
