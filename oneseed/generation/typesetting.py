"""A text set into a box: as large as it fits, in lines of about equal length.

    text = set_text(caption, width=1024, height=250, sizes=(60, 48, 38, 30, 24, 19))
    draw_text(draw, (88, 1150), text, width=1024, centred=True)

All of a text is in one font where one has its letters. A text that does not fit even in the
smallest letters ends in "…". A text of several lines is code: its lines stay, and every letter has
a column of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import ImageDraw

from oneseed.generation.code_lettering import TAB, code_block, column_width, draw_code_line
from oneseed.generation.lettering import clusters, draw_line, text_width, wrap

# from one line to the next, as a part of the letters' height
LEADING = 1.35
CUT = " …"
# lines; more than a box holds
MANY = 10_000


@dataclass(frozen=True)
class SetText:
    """A text in lines, and the height of its letters in pixels."""

    lines: list[str]
    size: int
    # the text as it was, which chooses the font
    whole: str = ""
    # True where each letter has a column, and lines begin below each other
    is_code: bool = False

    @property
    def step(self) -> int:
        """Pixels from the top of one line to that of the next."""
        return round(LEADING * self.size)

    @property
    def height(self) -> int:
        """Of the block, in pixels."""
        return self.step * len(self.lines)

    def width_of(self, line: str) -> float:
        """Of a line in this font, in pixels."""
        if self.is_code:
            return len(clusters(line)) * column_width(self.size)
        return text_width(line, self.size, self.whole)


def set_text(text: str, *, width: int, height: int, sizes: Sequence[int]) -> SetText:
    """A text -> the same in the largest letters in which it fits, without lines where it is empty.

    width, height: of the box, in pixels. sizes: of letters, the largest first.
    """
    if "\n" in text.strip():
        return set_code(text, width=width, height=height, sizes=sizes)
    for size in sizes:
        empty = SetText([], size, text)
        # as many lines as it needs even if they break well
        least = empty.width_of(text) / width
        if least * empty.step > height:
            continue
        found = SetText(wrap(text, width=width, size=size, whole=text), size, text)
        if found.height <= height:
            return balanced(found, width)
    smallest = SetText([], sizes[-1], text)
    most = max(1, height // smallest.step)
    lines = wrap(text, width=width, size=smallest.size, most=most, whole=text)
    lines[-1] = cut_line(lines[-1], smallest, width)
    return SetText(lines, smallest.size, text)


def set_code(text: str, *, width: int, height: int, sizes: Sequence[int]) -> SetText:
    """As set_text, of code: a line is broken, or left out, only in the smallest letters."""
    longest = max(len(clusters(line)) for line in text.expandtabs(TAB).split("\n"))
    for size in sizes:
        lines = code_block(text, width=width, size=size, most=MANY)
        found = SetText(lines, size, text, is_code=True)
        if found.height <= height and longest * column_width(size) <= width:
            return found
    most = max(1, height // SetText([], sizes[-1]).step)
    lines = code_block(text, width=width, size=sizes[-1], most=most)
    return SetText(lines, sizes[-1], text, is_code=True)


def balanced(found: SetText, width: int) -> SetText:
    """The same text in the narrowest column that needs no more lines.

    A caption whose last line is one word looks like an accident.
    """
    best = found
    too_narrow = width // 2
    narrowest = width
    while narrowest - too_narrow > found.size // 2:
        middle = (too_narrow + narrowest) // 2
        lines = wrap(found.whole, width=middle, size=found.size, whole=found.whole)
        if len(lines) <= len(best.lines):
            best = SetText(lines, found.size, found.whole)
            narrowest = middle
        else:
            too_narrow = middle
    return best


def cut_line(line: str, text: SetText, width: int) -> str:
    """As much of a line of a text as the width holds, in pixels, with "…" behind it."""
    letters = clusters(line)
    while letters and text.width_of("".join(letters) + CUT) > width:
        letters.pop()
    return "".join(letters).rstrip() + CUT


def on_one_line(text: str, *, width: int, size: int) -> SetText:
    """A text on one line of at most `width` pixels, cut where it is longer."""
    line = SetText([text], size, text)
    if line.width_of(text) <= width:
        return line
    return SetText([cut_line(text, line, width)], size, text)


def draw_text(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: SetText,
    *,
    width: int,
    centred: bool = False,
    ink: str = "black",
) -> None:
    """Draws the lines. place: left and top of the box. width: of the box, in pixels."""
    left, top = place
    if text.is_code:
        block = round(max(map(text.width_of, text.lines), default=0))
        left += (width - block) // 2 if centred else 0
        for number, line in enumerate(text.lines):
            draw_code_line(draw, (left, top + number * text.step), line, size=text.size, ink=ink)
        return
    for number, line in enumerate(text.lines):
        length = round(text.width_of(line))
        indent = (width - length) // 2 if centred else 0
        draw_line(
            draw,
            (left + indent, top + number * text.step),
            line,
            width=length if centred else width,
            size=text.size,
            ink=ink,
            whole=text.whole,
        )
