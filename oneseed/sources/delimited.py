"""Rows of tables of cells: comma, semicolon, tab or bar between them, with or without a header."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from oneseed.sources.columns import (
    CAPTION_KEYS,
    IMAGE_KEYS,
    known_key,
    looks_like_picture,
)
from oneseed.sources.json_tables import NumberedRow, text_of_table

# the first of those that part a header equally well
DELIMITERS = ("\t", ",", ";", "|")
# the first line of a spreadsheet that says how its cells are parted
DELIMITER_LINE = re.compile(r"sep=(.)\r?\n")
# lines before a header that hold nothing
BLANK_LINES = re.compile(r"(?:[ \t,;|]*(?:\r\n|\r|\n))*")
LINE_BREAKS = re.compile(r"\r\n|\r|\n")
# of delimiters, for a sentence
DELIMITER_NAMES = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a bar"}
# the apostrophe that keeps a spreadsheet from computing a cell; writers.clip_text puts it there
FORMULA_GUARD = re.compile(r"^'(?='*[=+\-@\t\r])")
# a line of a text: the name of a picture, a blank or colon, the caption
SPACED_LINE = re.compile(r"(\S+?\.[A-Za-z0-9]{3,5}(?:#\d+)?):?[ \t]+(\S.*)")
MAX_CELL_LETTERS = 2**30


def delimited_rows(data: bytes) -> Iterator[NumberedRow]:
    """Rows of a .csv or .tsv under the names of the columns, or under those that name_cells gives.

    data: UTF-8, where other bytes may stand in some of its lines.
    """
    text = text_of_table(data)
    first_line = 1
    stated = DELIMITER_LINE.match(text)
    if stated:
        text = text[stated.end() :]
        first_line = 2
    blank = BLANK_LINES.match(text)
    assert blank, "the pattern matches nothing at all, too"
    text = text[blank.end() :]
    first_line += len(LINE_BREAKS.findall(blank[0]))
    header = first_line_of(text)
    delimiter = stated[1] if stated else delimiter_of(header)
    columns = None
    if any(map(looks_like_picture, cells_of(header, delimiter))):
        columns = name_cells(cells_of(header, delimiter))
    for line, cells, written in each_line_of_cells(text, delimiter, first_line):
        if isinstance(cells, str):
            yield line, cells
            continue
        if columns is None:
            columns = numbered([cell.strip() for cell in cells])
            continue
        cells = fitted_cells(cells, columns, written, delimiter)
        if len(cells) > len(columns):
            held = DELIMITER_NAMES.get(delimiter, delimiter)
            yield (
                line,
                f"more columns than the {len(columns)} of the header: quote cells that hold {held}",
            )
        elif swallows_rows(cells, delimiter):
            yield line, "a quote that is not closed: it hides the rows after it"
        elif cells:
            values = [FORMULA_GUARD.sub("", cell) for cell in cells]
            yield line, dict(zip(columns, values))


class CellsOfLine(NamedTuple):
    """One row of a table.

    line: where it begins. cells: a text says why there are none. written: the row as it stands.
    """

    line: int
    cells: list[str] | str
    written: str


def each_line_of_cells(text: str, delimiter: str, first_line: int) -> Iterator[CellsOfLine]:
    """The rows of a table, whose lines are counted from first_line."""
    csv.field_size_limit(MAX_CELL_LETTERS)
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter=delimiter, skipinitialspace=delimiter != "\t")
    line = first_line
    while True:
        start = file.tell()
        try:
            cells = next(reader, None)
        except csv.Error:
            yield CellsOfLine(line, "no CSV", "")
            return
        if cells is None:
            return
        if delimiter == "|":
            cells = [cell.strip() for cell in cells]
        yield CellsOfLine(line, cells, text[start : file.tell()])
        line = first_line + reader.line_num


def fitted_cells(cells: list[str], columns: list[str], written: str, delimiter: str) -> list[str]:
    """A row's cells without empty ones beyond the columns.

    A caption that holds delimiters and no quotes is one cell, where it stands behind the picture
    alone. written: the row as it stands.
    """
    filled = len(cells)
    while filled > len(columns) and not cells[filled - 1].strip():
        filled -= 1
    is_picture_first = len(columns) == 2 and known_key(columns[0]) in IMAGE_KEYS
    if filled <= len(columns) or not is_picture_first or '"' in written:
        return cells[:filled]
    picture, _, caption = written.partition(delimiter)
    return [picture.strip(), caption.strip()]


def first_line_of(text: str) -> str:
    """The text up to its first line end, of any system."""
    return re.split(r"[\r\n]", text, maxsplit=1)[0]


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of one line, none where it is no CSV."""
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


def delimiter_of(header: str) -> str:
    """What parts the cells: that by which most of the header is understood."""

    def known_cells(delimiter: str) -> tuple[int, bool]:
        cells = cells_of(header, delimiter)
        known = {known_key(cell.strip()) for cell in cells} & {*IMAGE_KEYS, *CAPTION_KEYS}
        return len(known) + sum(map(looks_like_picture, cells)), len(cells) > 1

    return max(DELIMITERS, key=known_cells)


def name_cells(cells: list[str]) -> list[str]:
    """Names for the columns of a table without a header, by its first row.

    Of two cells one names the picture and the other is its caption. Of more only the picture is
    certain; what the others hold is looked for (columns.guess_columns).
    """
    picture = next(number for number, cell in enumerate(cells) if looks_like_picture(cell))
    names = [f"column {number}" for number in range(1, len(cells) + 1)]
    names[picture] = IMAGE_KEYS[0]
    if len(cells) == 2:
        names[1 - picture] = CAPTION_KEYS[0]
    return names


def numbered(columns: Sequence[str]) -> list[str]:
    """The names of columns, of which repetitions get a number: caption, caption_2, caption_3.

    Numbered captions are further ones (columns.with_known_keys); of others the first counts.
    """
    # {name: the last number that was given to its repetitions}, in the order of the columns
    names: dict[str, int] = {}
    for column in columns:
        name = column
        while name in names:
            names[column] += 1
            name = f"{column}_{names[column]}"
        names[name] = 1
    return list(names)


def swallows_rows(cells: list[str], delimiter: str) -> bool:
    """True where a cell holds what looks like rows of the table."""
    if not any("\n" in cell for cell in cells):
        return False
    lines = [line for cell in cells for line in cell.split("\n")[1:]]
    return any(delimiter in line and looks_like_picture(line.split(delimiter)[0]) for line in lines)


def text_rows(data: bytes) -> Iterator[NumberedRow]:
    """Rows of a .txt: a table of cells, or lines of a picture's name and its caption."""
    lines = text_of_table(data).splitlines()
    first = next((line for line in lines if line.strip()), "")
    if len(cells_of(first, delimiter_of(first))) > 1 and not SPACED_LINE.match(first):
        yield from delimited_rows(data)
        return
    for number, line in enumerate(lines, 1):
        parts = SPACED_LINE.fullmatch(line.strip())
        if parts:
            yield number, {IMAGE_KEYS[0]: parts[1], CAPTION_KEYS[0]: parts[2]}
        elif line.strip():
            yield number, "no name of a picture and caption"
