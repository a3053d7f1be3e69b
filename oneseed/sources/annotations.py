"""Pictures and captions of a folder, as its annotation files say.

A bad row is never fatal: it becomes a rejection, and a file that is not understood is named. A
caption is read letter by letter.
"""

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import Row
from oneseed.dataset.writers import SIDECAR_FORMATS
from oneseed.files import suffix_of
from oneseed.media.kinds import medium_of_file
from oneseed.sources.columns import guess_columns, looks_like_picture, renamed
from oneseed.sources.described import Described
from oneseed.sources.formats import (
    REMAINING_SUFFIXES,
    SAMPLE_ROWS,
    SUFFIXES_OF_FORMAT,
    detect,
    format_scores,
    is_metadata,
)
from oneseed.sources.json_tables import NumberedRow
from oneseed.sources.names import PictureFinder
from oneseed.sources.rejections import Rejection, passed_over
from oneseed.sources.sidecars import (
    SIDECAR_SUFFIXES,
    TEXT_SUFFIXES,
    Sidecars,
    describe_sidecars,
    match_sidecars,
)
from oneseed.sources.table_reader import TableReader, finds_picture
from oneseed.sources.tables import TABLE_SUFFIXES, read_table

NOTE_SUFFIXES = TABLE_SUFFIXES.union(SIDECAR_SUFFIXES)
# columns that a message lists
MAX_COLUMNS = 8
# columns of json_tables' rows of a file by name
BY_NAME = "key, caption"


class FileState(NamedTuple):
    """What tells an earlier file from a later one; os.stat_result takes ten times the memory."""

    # bytes
    length: int
    # time of the last change, in nanoseconds
    mtime: int


def state_of(path: str | Path) -> FileState:
    """A file's length and time of change. FileNotFoundError where there is none."""
    state = os.stat(path)
    return FileState(state.st_size, state.st_mtime_ns)


def list_files(folder: Path, paths: Iterable[str]) -> dict[str, FileState | None]:
    """{path below the folder: a picture's state, or None of an annotation file}, no others."""
    listing = {}
    for path in paths:
        # removed meanwhile
        with contextlib.suppress(FileNotFoundError):
            if suffix_of(path) in NOTE_SUFFIXES:
                listing[path] = None
            elif may_be_medium(folder / path):
                listing[path] = state_of(folder / path)
    return listing


def may_be_medium(path: Path) -> bool:
    """Whether a file is a picture, sound or clip, or may be one, as it may not be read."""
    try:
        return bool(medium_of_file(path))
    except PermissionError:
        # what opens it for its pixels says so
        return True


def describe(
    names: Iterable[str],
    path_of: Callable[[str], Path],
    format_name: str = "auto",
    *,
    keep: Callable[[str, bytes], None] | None = None,
    base: str = "",
    only: str = "",
) -> Described:
    """What annotation files say of pictures; the first of several captions counts.

    names: paths (with /) of pictures and annotation files, below one root.
    path_of: where to read the annotation file of such a name.
    format_name: "auto", or the one that all annotation files have.
    keep: stores a picture that lies inside a Parquet file, by name and bytes.
    base: the root's absolute path, so that absolute names below it are found.
    only: the one annotation file that counts, "" for all.
    UserError where the only file cannot be read.
    """
    names = set(names)
    finder = PictureFinder(name for name in names if suffix_of(name) not in NOTE_SUFFIXES)
    sidecars = Sidecars({}, [], [])
    if not only:
        sidecars = match_sidecars(names, finder)
    make_reader = functools.partial(
        TableReader,
        finder=finder,
        keep=keep,
        base=base,
        is_alone=bool(only) or not finder.pictures,
    )
    described = Described()
    for name in [only] if only else annotation_files(names, format_name, sidecars):
        try:
            described.add(
                describe_table(
                    name,
                    path_of(name),
                    format_name,
                    is_picture=functools.partial(
                        finds_picture, finder=finder, name=name, base=base
                    ),
                    make_reader=make_reader,
                    is_meant=bool(only) or len(names) == 1,
                )
            )
        except UserError as error:
            if only or len(names) == 1:
                raise
            described.lost.append(passed_over(name, str(error)))
    if not only and format_name in ("auto", *SIDECAR_FORMATS):
        found = describe_sidecars(sidecars, finder, path_of, described.rows)
        described.rows.update(found.rows)
        described.lost.extend(found.lost)
        described.formats.extend(found.formats)
    return described


def annotation_files(names: Set[str], format_name: str, sidecars: Sidecars) -> list[str]:
    """The names that may be annotation files of many pictures, an imagefolder's own first."""
    if format_name in SIDECAR_FORMATS:
        return []
    suffixes = TABLE_SUFFIXES
    if format_name != "auto":
        suffixes = SUFFIXES_OF_FORMAT.get(format_name, REMAINING_SUFFIXES)
    beside = {name for files in sidecars.of_picture.values() for name in files}
    beside.update(row["file"] for row in sidecars.lost)
    found = [name for name in names if suffix_of(name) in suffixes and name not in beside]
    if format_name == "auto":
        # a text that lies beside no picture may be a table
        found += [name for name in sidecars.others if suffix_of(name) not in suffixes]
    return sorted(found, key=lambda name: (not is_metadata(name), name))


def describe_table(
    name: str,
    path: Path,
    format_name: str,
    *,
    is_picture: Callable[[Any], bool],
    make_reader: Callable[..., TableReader],
    is_meant: bool,
) -> Described:
    """What one annotation file says; where it is not understood, that. Arguments as in describe.

    is_picture: tells the name of a picture that is here. make_reader: makes a TableReader of what
    is known of the file. is_meant: the user named the file, or its kind: it need not say captions
    to be one of pictures. UserError where it cannot be read.
    """
    numbered_rows = read_table(name, path)
    first = list(itertools.islice(numbered_rows, SAMPLE_ROWS))
    readable = [row for _, row in first if isinstance(row, dict)]
    guesses = guess_columns(readable, is_picture) if format_name == "auto" else {}
    sample = [
        (line, renamed(row, guesses) if isinstance(row, dict) else row) for line, row in first
    ]
    known_format, confidence = choose_format(name, sample, format_name, is_picture)
    if suffix_of(name) in TEXT_SUFFIXES and not names_pictures(readable, is_picture):
        reason = "lies beside no picture, and is no table of captions"
        return Described(lost=[passed_over(name, reason)])
    is_meant = is_meant or is_metadata(name) or format_name != "auto"
    # else some other table that lies about
    unsure = not is_meant and not any(
        max(format_scores(name, row, is_picture).values()) > 0.5
        for _, row in sample
        if isinstance(row, dict)
    )
    if known_format is None or unsure:
        return Described(lost=[not_understood(name, first)])
    reader = make_reader(
        name=name, format_name=known_format, confidence=confidence, guesses=guesses
    )
    found = reader.read(itertools.chain(first, numbered_rows))
    says_nothing = not any(row["caption"] or "style" in row for row in found.rows.values())
    if format_name == "auto" and found.rows and says_nothing:
        found.lost.append(passed_over(name, f"no caption in its columns: {name_columns(first)}"))
    return found


def choose_format(
    name: str,
    first: Sequence[NumberedRow],
    format_name: str,
    is_picture: Callable[[Any], bool] = looks_like_picture,
) -> tuple[str | None, float]:
    """The format of an annotation file, None where it has none, and the confidence, 0 to 1.

    is_picture: tells the name of a picture that is here.
    """
    if format_name != "auto":
        return format_name, 1.0
    return detect(name, first, is_picture)


def names_pictures(rows: Iterable[Row], is_picture: Callable[[Any], bool]) -> bool:
    """True where a row names a picture that is here."""
    return any(is_picture(value) for row in rows for value in row.values())


def not_understood(name: str, first: Sequence[NumberedRow]) -> Rejection:
    """Names a file that may hold captions in a form that is not known, by its first rows."""
    columns = name_columns(first)
    if columns == BY_NAME:
        named = next(row["key"] for _, row in first if isinstance(row, dict))
        return passed_over(name, f"the names in it, such as {named[:40]}, fit no picture")
    if columns:
        return passed_over(name, f"no known form of captions: it holds {columns}")
    line, reason = next(((line, row) for line, row in first if isinstance(row, str)), (0, "empty"))
    return passed_over(name, reason, line=line)


def name_columns(rows: Sequence[NumberedRow]) -> str:
    """The columns of a table's rows, for a sentence."""
    columns = dict.fromkeys(
        str(column)[:40] for _, row in rows if isinstance(row, dict) for column in row
    )
    shown = list(columns)[:MAX_COLUMNS]
    return ", ".join(shown) + (" and others" if len(columns) > len(shown) else "")
