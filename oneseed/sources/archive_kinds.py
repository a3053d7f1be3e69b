"""Which files count as archives: those whose rows hold the pictures themselves do, too."""

import contextlib
import itertools
import re
import stat
from pathlib import Path
from typing import Any

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of
from oneseed.sources import tables
from oneseed.sources.archive_members import (
    ARCHIVE_SUFFIXES,
    UnreadableArchiveError,
    unreadable,
    without_right,
)
from oneseed.sources.formats import READERS, SAMPLE_ROWS, detect
from oneseed.sources.rejections import NO_RIGHT
from oneseed.sources.table_reader import image_inside

# how a picture may begin that is written into a text, and where it is looked for
PICTURE_IN_TEXT = re.compile(
    rb'(?:^|["\t,;|\r\n])\s*'
    rb'(?:data:[^"\s,]{0,80};base64,|iVBORw0KGgo|\\?/9j\\?/|R0lGOD|UklGR)',
    re.IGNORECASE,
)
SEARCHED_BYTES = 2**20


def is_archive(path: Path) -> bool:
    """By its name; a table of any kind by whether pictures are inside.

    UnreadableArchiveError for a Parquet or Arrow file that cannot be read, or not without pyarrow.
    """
    suffix = suffix_of(path)
    if suffix in tables.COLUMN_SUFFIXES:
        return holds_pictures(path)
    if suffix in tables.JSON_SUFFIXES | tables.CELL_SUFFIXES:
        return holds_written_pictures(path)
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def holds_pictures(path: Path) -> bool:
    """True for a Parquet or Arrow file with the pictures' bytes inside.

    UnreadableArchiveError without pyarrow, or where the file is neither or may not be read.
    """
    try:
        first = [row for _, row in itertools.islice(tables.column_rows(path), SAMPLE_ROWS)]
    except UserError as error:
        raise UnreadableArchiveError(str(error), str(error)) from error
    if first and first[0] == NO_RIGHT:
        raise without_right(path)
    if first and isinstance(first[0], str):
        raise unreadable(path, f"is {first[0]}")
    for row in first:
        for value in row.values() if isinstance(row, dict) else ():
            if any(has_bytes(image) for image in (value if isinstance(value, list) else [value])):
                return True
    return False


def has_bytes(image: Any) -> bool:
    """True where a value of a picture's column is the picture itself, or a struct with it."""
    return isinstance(image.get("bytes") if isinstance(image, dict) else image, bytes)


def holds_written_pictures(path: Path) -> bool:
    """True for a table of text with a picture written into one of its first rows, as OpenAI has it.

    False where another of these names a file instead: a row costs no other row its picture. False
    where it cannot be read: then it is an annotation file, and named as such.
    """
    if not PICTURE_IN_TEXT.search(beginning_of(path)):
        return False
    try:
        first = list(itertools.islice(tables.read_table(path.name, path), SAMPLE_ROWS))
    except UserError:
        return False
    format_name, _ = detect(path.name, first)
    rows = [row for _, row in first if isinstance(row, dict)]
    pictures = [picture_of(row, format_name, path.parent) for row in rows] if format_name else []
    named = any(isinstance(picture, str) for picture in pictures)
    return any(pictures) and not named


def beginning_of(path: Path) -> bytes:
    """A file's first bytes, none of one that cannot be read."""
    with contextlib.suppress(OSError):
        # a pipe would make the run wait for ever
        if stat.S_ISREG(path.stat().st_mode):
            with open(path, "rb") as file:
                return file.read(SEARCHED_BYTES)
    return b""


def picture_of(row: Row, format_name: str, folder: Path) -> str | bytes:
    """A row's picture, or its name; b"" where it has neither.

    A row may name a picture and hold it: the name counts where such a file lies in `folder`.
    """
    image: str | bytes = b""
    with contextlib.suppress(ValueError):
        image = READERS[format_name](row).image
    if isinstance(image, str):
        with contextlib.suppress(OSError):
            if (folder / image).is_file():
                return image
    return image_inside(row) or image
