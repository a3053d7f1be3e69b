"""Rows of JSON, read and written line by line."""

import itertools
import json
import os
import sys
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.files import whole_file


def read_json(path):
    """JSON file -> value. UserError names the file where it is missing or no JSON."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as JSON ({error}); remove it and run the script that writes it again"
        ) from error


def each_of_list(path):
    """JSON list -> its rows, one after another where it was written with a row a line. UserError where it is damaged."""
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            # laid out by another hand
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
        raise UserError(
            f"{path} cannot be read as JSON ({error}); remove it and run the script that writes it again"
        ) from error


def to_json(row):
    return json.dumps(row, ensure_ascii=False)


ROW_DECODER = json.JSONDecoder(
    object_pairs_hook=lambda pairs: {sys.intern(key): value for key, value in pairs}
)


def from_json(line):
    """Row of many. Its keys are those of all others: json makes new ones for every text, which took two fifths of the memory of 100,000 rows."""
    return ROW_DECODER.decode(
        line if isinstance(line, str) else line.decode(json.detect_encoding(line), "surrogatepass")
    )


def write_lines(path, lines):
    """Whole-file write of what lines() yields, however long. A file that holds just that stays as it is."""
    path = Path(path)
    if path.exists():
        with open(path, encoding="utf-8", newline="\n", errors="replace") as file:
            if all(old == new for old, new in itertools.zip_longest(file, lines())):
                return
    with whole_file(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines())


def each_row(path, torn=False):
    """JSON Lines file -> its dicts one after another, blank lines skipped. UserError names file and line. torn: overlook a last line
    without its end, which another process may be writing at this moment."""
    try:
        with open(path, "rb") as file:
            # splits at \n alone: U+2028 may stand inside a caption
            for number, line in enumerate(file, 1):
                if line.strip() and not (torn and not line.endswith(b"\n")):
                    row = from_json(line)
                    if not isinstance(row, dict):
                        raise ValueError("not an object")
                    yield row
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{path}, line {number}: not a JSON object ({error})") from error


def read_jsonl(path, torn=False):
    """each_row as a list."""
    return list(each_row(path, torn))


def each_recovered(path):
    """Rows of a JSON Lines file that is appended to while working, one after another, none where there is no file; a last line torn by a kill is cut off."""
    path = Path(path)
    if path.exists():
        with open(path, "rb") as file:
            whole = sum(len(line) for line in file if line.endswith(b"\n"))
            torn = whole < file.tell()
        if torn:
            os.truncate(path, whole)
        yield from each_row(path)


def recover_jsonl(path):
    """each_recovered as a list."""
    return list(each_recovered(path))


def write_jsonl(path, rows):
    with whole_file(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.writelines(to_json(row) + "\n" for row in rows)
