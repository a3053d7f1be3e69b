"""Rows of JSON, read and written line by line."""

import itertools
import json
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from oneseed.console.command import UserError
from oneseed.files import whole_file

Row = dict[str, Any]


def read_json(path: Path | str) -> Any:
    """JSON file -> its value. UserError names the file where it is missing or no JSON."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable_json(path, error) from error


def unreadable_json(path: Path | str, error: Exception) -> UserError:
    """The error of a JSON file that is missing or damaged."""
    return UserError(
        f"{path} cannot be read as JSON ({error}); "
        "remove it and run the script that writes it again"
    )


def each_of_list(path: Path) -> Iterator[Row]:
    """File of a JSON list -> its rows.

    A list written with a row a line is read row by row, any other at once. UserError where it is
    damaged.
    """
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            # Another program laid the list out.
            if file.readline() != "[\n" or not file.readline().startswith("{"):
                yield from read_json(path)
                return
            file.seek(2)
            for line in file:
                if line.startswith("]"):
                    return
                yield from_json(line.removesuffix("\n").removesuffix(","))
        raise ValueError("cut off")
    except (OSError, ValueError) as error:
        raise unreadable_json(path, error) from error


def to_json(row: Any) -> str:
    """One line of JSON, without its end; letters stay letters."""
    return json.dumps(row, ensure_ascii=False)


def with_shared_keys(pairs: list[tuple[str, Any]]) -> Row:
    """The pairs as a dict whose keys are the strings that all rows share."""
    return {sys.intern(key): value for key, value in pairs}


ROW_DECODER = json.JSONDecoder(object_pairs_hook=with_shared_keys)


def from_json(line: str | bytes) -> Any:
    """A line of JSON -> its value; ValueError where it is none.

    Keys are shared with all other rows: json makes new strings for every text, which took two
    fifths of the memory of 100,000 rows.
    """
    if isinstance(line, bytes):
        line = line.decode(json.detect_encoding(line), "surrogatepass")
    return ROW_DECODER.decode(line)


def write_lines(path: Path | str, lines: Callable[[], Iterable[str]]) -> None:
    """Writes a whole file of what lines() yields, however long it is.

    lines: is called twice where the file exists; a file that holds just that stays as it is.
    """
    path = Path(path)
    if path.exists():
        with open(path, encoding="utf-8", newline="\n", errors="replace") as file:
            if all(old == new for old, new in itertools.zip_longest(file, lines())):
                return
    with whole_file(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines())


def each_row(path: Path | str, *, torn: bool = False) -> Iterator[Row]:
    """JSON Lines file -> its rows one after another, blank lines skipped.

    torn: overlook a last line without its end, which another process may be writing now.
    UserError names file and line of what is no row.
    """
    try:
        with open(path, "rb") as file:
            # A binary file is split at \n alone: U+2028 may stand inside a caption.
            for number, line in enumerate(file, 1):
                unfinished = torn and not line.endswith(b"\n")
                if line.strip() and not unfinished:
                    yield parse_row(line, f"{path}, line {number}")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error


def parse_row(line: bytes, place: str) -> Row:
    """A line of a JSON Lines file -> its row. UserError names the place where it is none."""
    try:
        row = from_json(line)
        if not isinstance(row, dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise UserError(f"{place}: not a JSON object ({error})") from error
    return row


def read_jsonl(path: Path | str, *, torn: bool = False) -> list[Row]:
    """`each_row` as a list."""
    return list(each_row(path, torn=torn))


def each_recovered(path: Path | str) -> Generator[Row]:
    """Rows of a JSON Lines file that is appended to while working; none where there is no file.

    A last line without its end, as a killed run leaves it, is cut off the file.
    """
    path = Path(path)
    if not path.exists():
        return
    with open(path, "rb") as file:
        length = sum(len(line) for line in file if line.endswith(b"\n"))
        torn = length < file.tell()
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
