"""Code on pictures: lines stay lines, and every letter has a column of its own.

    lines = code_block(caption, width=252, size=11, most=24)
    for number, line in enumerate(lines):
        draw_code_line(draw, (2, 300 + 15 * number), line, size=11)

Columns of equal width keep indentation and tables in place with any font, so no monospaced one is
needed.
"""

from PIL import ImageDraw

from oneseed.generation.fonts import fonts_of
from oneseed.generation.lettering import clusters, draw_boxes, runs_of

# columns of a tab
TAB = 4
# the width of a column, as a part of that of an M
COLUMN = 0.66


def column_width(size: int) -> int:
    """Pixels of a column for letters of so many pixels."""
    return max(1, round(COLUMN * fonts_of(size).default.getlength("M")))


def code_block(text: str, *, width: int, size: int, most: int) -> list[str]:
    """A text of code -> lines of at most `width` pixels, the first `most` of them.

    A line that is longer goes on in the next; where lines are left out, the last says how many.
    """
    columns = max(1, width // column_width(size))
    lines: list[str] = []
    for line in text.rstrip("\n").split("\n"):
        letters = clusters(line.expandtabs(TAB))
        begins = range(0, max(1, len(letters)), columns)
        lines += ["".join(letters[begin : begin + columns]) for begin in begins]
    if len(lines) > most:
        lines[most - 1 :] = [f"… {len(lines) - most + 1:,} more lines"[:columns]]
    return lines


def draw_code_line(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, *, size: int, ink: str = "black"
) -> None:
    """Draws a line, each letter in the middle of its column. place: left and top."""
    left, top = place
    step = column_width(size)
    for number, letter in enumerate(clusters(text)):
        if letter.isspace():
            continue
        run = runs_of(letter, size)[0]
        x = left + number * step
        if run.font is None:
            draw_boxes(draw, (x, top), run.text, size)
            continue
        baseline = top + fonts_of(size).default.getmetrics()[0]
        draw.text((x + step // 2, baseline), run.text, ink, run.font, anchor="ms")
