"""Notes: files of JSON that the program writes for itself, and that only save work.

    known = read_note(path, is_marker)      # None where there is none, or it is damaged
    rows = each_noted(journal, is_answer)   # JSON Lines; damaged lines are passed over

A damaged note is no error: what it says is found out again. It costs a bounded amount of memory,
whatever lies at its path.
"""

import io
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

# of a note, in bytes; the names of a million pictures take 200 MB
MAX_NOTE_BYTES = 2**28
# of a line of a journal, in bytes
MAX_LINE_BYTES = 2**20


def read_note(
    path: Path, is_usable: Callable[[Any], bool], *, most_bytes: int = MAX_NOTE_BYTES
) -> Any:
    """JSON file -> its value; None where there is none that is_usable of, or none at all."""
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > most_bytes:
                return None
            value = json.loads(file.read().decode("utf-8"))
    # a file is no JSON in a thousand ways; brackets in brackets take Python's stack
    except (OSError, ValueError, RecursionError):
        return None
    return value if is_usable(value) else None


def open_regular(path: Path | str) -> io.BufferedReader:
    """Opens a file to read its bytes. OSError where there is none, or a folder, pipe or device."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"{path} is no file")
    return open(path, "rb")


def with_shared_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as a dict whose keys are the strings that all rows share."""
    return {sys.intern(key): value for key, value in pairs}


def each_noted(path: Path, is_usable: Callable[[Any], bool]) -> Iterator[Any]:
    """The lines of a JSON Lines file that are usable; none where there is no file.

    A last line without its end is passed over, too: another process may be writing it now.
    """
    try:
        file = open_regular(path)
    except OSError:
        return
    with file:
        for line in whole_lines(file):
            try:
                row = json.loads(line.decode("utf-8"), object_pairs_hook=with_shared_keys)
            except (ValueError, RecursionError):
                continue
            if is_usable(row):
                yield row


def whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of an open file, but for those that are longer than any of ours, or unfinished."""
    while line := file.readline(MAX_LINE_BYTES):
        if line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)


def cut_torn_line(journal: Path) -> None:
    """Cuts a last line without its end off, as a killed run leaves it; lines are appended next."""
    with open(journal, "rb") as file:
        position = file.seek(0, os.SEEK_END)
        end = 0
        while position and not end:
            start = max(0, position - MAX_LINE_BYTES)
            file.seek(start)
            end = file.read(position - start).rfind(b"\n") + 1
            position = start
        end += position
        is_torn = end < file.seek(0, os.SEEK_END)
    if is_torn:
        os.truncate(journal, end)
