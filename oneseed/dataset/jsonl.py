"""Rows of JSON, read and written line by line."""

import io
import itertools
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from oneseed.console.command import UserError
from oneseed.dataset.notes import open_regular, with_shared_keys
from oneseed.files import whole_file

Row = dict[str, Any]

# of a list with a row a line: "[" stands before it
FIRST_ROW_LINE = 2
ROW_ENDS = (",\n", "\n")


class RowError(UserError):
    """A line that is no row, named by file and line; the sentence says no remedy yet."""


def read_json(path: Path | str) -> Any:
    """JSON file -> its value. UserError names the file where it is missing or no JSON."""
    try:
        return json_of(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as JSON ({error}); "
            "remove it and run the script that writes it again"
        ) from error


def json_of(path: Path | str) -> Any:
    """JSON file -> its value. OSError or ValueError where it is none."""
    with open_regular(path) as file:
        text = file.read().decode("utf-8-sig")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("brackets within brackets, too many") from None


def each_of_list(path: Path) -> Iterator[Any]:
    """File of a JSON list -> its rows, whatever they are.

    A list written with a row a line is read row by row, any other at once. OSError, or ValueError
    where it is damaged or no list, which names the line where it can.
    """
    with io.TextIOWrapper(open_regular(path), "utf-8", newline="\n") as file:
        if is_row_a_line(file):
            yield from rows_of_lines(file)
            return
    rows = json_of(path)
    if not isinstance(rows, list):
        raise ValueError("not a list of rows")
    yield from rows


def is_row_a_line(file: TextIO) -> bool:
    """Whether a list is laid out as write_metadata does it; the file stands at the first row then.

    Another program may have laid it out otherwise.
    """
    if file.readline() != "[\n":
        return False
    first = file.readline()
    file.seek(2)
    return first.startswith("{") and first.removesuffix("\n").removesuffix(",").endswith("}")


def rows_of_lines(file: TextIO) -> Iterator[Any]:
    """The rows of a list that has a row a line, from the first one on."""
    for number, line in enumerate(file, FIRST_ROW_LINE):
        if line.startswith("]"):
            return
        try:
            # without the JSON module's own search for blanks, a fifth of the time
            row, end = ROW_DECODER.raw_decode(line)
            rest = line[end:]
        except (ValueError, RecursionError):
            rest = ""
        if rest not in ROW_ENDS:
            try:
                row = from_json(line.removesuffix("\n").removesuffix(","))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
        yield row
    raise ValueError("cut off")


def place_in_list(path: Path, number: int) -> str:
    """Where a row of a list stands, for a person who mends it. number: from 1."""
    with io.TextIOWrapper(open_regular(path), "utf-8", newline="\n") as file:
        if is_row_a_line(file):
            return f"{path}, line {number + FIRST_ROW_LINE - 1}"
    return f"{path}, row {number}"


def to_json(row: Any) -> str:
    """One line of JSON, without its end; letters stay letters."""
    return json.dumps(row, ensure_ascii=False)


ROW_DECODER = json.JSONDecoder(object_pairs_hook=with_shared_keys)


def from_json(line: str | bytes) -> Any:
    """A line of JSON -> its value; ValueError where it is none.

    Keys are shared with all other rows: json makes new strings for every text, which took two
    fifths of the memory of 100,000 rows.
    """
    if isinstance(line, bytes):
        line = line.decode(json.detect_encoding(line), "surrogatepass")
    try:
        return ROW_DECODER.decode(line)
    except RecursionError:
        raise ValueError("brackets within brackets, too many") from None


def write_lines(path: Path | str, lines: Callable[[], Iterable[str]]) -> bool:
    """Writes a whole file of what lines() yields, however long it is -> were there other lines?

    lines: is called twice where the file exists; a file that holds just that stays as it is.
    """
    path = Path(path)
    was_there = path.is_file()
    if was_there:
        with open(path, encoding="utf-8", newline="\n", errors="replace") as file:
            if all(old == new for old, new in itertools.zip_longest(file, lines())):
                return False
    with whole_file(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines())
    return was_there


def each_row(path: Path | str, *, torn: bool = False) -> Iterator[Row]:
    """JSON Lines file -> its rows one after another, blank lines skipped.

    torn: overlook a last line without its end, which another process may be writing now.
    UserError names file and line of what is no row.
    """
    for _, row in each_numbered(path, torn=torn):
        yield row


def each_numbered(path: Path | str, *, torn: bool = False) -> Iterator[tuple[int, Row]]:
    """`each_row`, each with the number of its line, from 1. RowError for a line that is no row."""
    number = 0
    try:
        with open_regular(path) as file:
            # A binary file is split at \n alone: U+2028 may stand inside a caption.
            for number, line in enumerate(file, 1):
                unfinished = torn and not line.endswith(b"\n")
                if line.strip() and not unfinished:
                    yield number, parse_row(line)
    except ValueError as error:
        raise RowError(f"{path}, line {number}: not a JSON object ({error})") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error})") from error


def parse_row(line: bytes) -> Row:
    """A line of a JSON Lines file -> its row. ValueError where it is none."""
    row = from_json(line)
    if not isinstance(row, dict):
        raise ValueError("not an object")
    return row


def read_jsonl(path: Path | str, *, torn: bool = False) -> list[Row]:
    """`each_row` as a list."""
    return list(each_row(path, torn=torn))


def each_recovered(path: Path | str) -> Generator[Row]:
    """Rows of a JSON Lines file that is appended to while working; none where there is no file.

    A last line without its end, as a killed run leaves it, is cut off the file. UserError where the
    path is a link: what is cut off would be another file's.
    """
    path = Path(path)
    if path.is_symlink():
        raise UserError(f"{path} is a link, not a file of ours; remove it")
    if not path.exists():
        return
    try:
        with open_regular(path) as file:
            length = sum(len(line) for line in file if line.endswith(b"\n"))
            torn = length < file.tell()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error})") from error
    if torn:
        os.truncate(path, length)
    yield from each_row(path)


def recover_jsonl(path: Path | str) -> list[Row]:
    """`each_recovered` as a list."""
    return list(each_recovered(path))


def write_jsonl(path: Path | str, rows: Iterable[Row]) -> None:
    """Writes a whole file with a row a line."""
    with whole_file(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.writelines(to_json(row) + "\n" for row in rows)
