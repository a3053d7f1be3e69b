"""What was left out: a row with a reason for each, and where there are very many a count."""

import errno
import os
from collections.abc import Iterable, Iterator
from typing import Any

from oneseed.console.output import printable
from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of

# path, reason, file, line: see rejection; loses: see passed_over; count: see Rejections
Rejection = Row
# letters of a sentence that shows a rejection
MAX_SENTENCE_LETTERS = 200
# rows that are shown: of one reason, and in all
MAX_OF_REASON = 3
MAX_ROWS = 15
# rows that are listed one by one, in memory and in reports
MAX_LISTED_REJECTIONS = 5_000
# letters of a name that is shown where no file bears it
MAX_NAME_SHOWN = 200
# of what is there, and may not be read
NO_RIGHT = f"cannot be opened ({os.strerror(errno.EACCES)})"
# kinds of further rows that are counted apart by their suffixes
MAX_KINDS_COUNTED = 200


class Rejections:
    """Some thousand rows as they are; of further ones the first of each kind, with a count.

    A kind is the reason, what is lost, and the suffix. So an archive of a million empty files takes
    no more memory than one of some thousand.
    """

    def __init__(self, rows: Iterable[Rejection] = ()) -> None:
        self.listed: list[Rejection] = []
        self.counted: dict[tuple[str, ...], Rejection] = {}
        self.extend(rows)

    def append(self, row: Rejection) -> None:
        """Adds one."""
        if len(self.listed) < MAX_LISTED_REJECTIONS:
            self.listed.append(row)
            return
        suffix = suffix_of(row["path"]) if len(self.counted) < MAX_KINDS_COUNTED else ""
        kind = (row["reason"], row.get("loses", ""), suffix)
        if kind in self.counted:
            self.counted[kind]["count"] += row.get("count", 1)
        else:
            self.counted[kind] = {**row, "count": row.get("count", 1)}

    def extend(self, rows: Iterable[Rejection]) -> None:
        """Adds some."""
        for row in rows:
            self.append(row)

    @property
    def rows(self) -> list[Rejection]:
        """All of them, those with a count last."""
        return [*self.listed, *self.counted.values()]


def how_many(rows: Iterable[Rejection]) -> int:
    """What was left out, each row by its count."""
    return sum(row.get("count", 1) for row in rows)


def rejection(path: str, reason: str, *, file: str, line: int = 0) -> Rejection:
    """The report's row for something that was left out.

    path: the picture, archive member or annotation file that is left out.
    file, line: where it is named; line counts from 1, and 0 means the file as such.
    """
    return {
        "path": writable(path),
        "reason": writable(reason),
        "file": writable(file),
        "line": line,
    }


def writable(text: str) -> str:
    """The text with what no file of UTF-8 can hold, such as half of a pair, written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def short_name(name: str) -> str:
    """The beginning of a name that no file bears; it may be a whole text, or a picture."""
    return name if len(name) <= MAX_NAME_SHOWN else f"{name[: MAX_NAME_SHOWN - 1]}…"


def is_rejection(value: Any) -> bool:
    """Whether a value of a note is a row that `rejection` or `passed_over` made."""
    if not isinstance(value, dict):
        return False
    texts = [value.get(key) for key in ("path", "reason", "file")]
    numbers = [value.get("line"), value.get("count", 1)]
    return all(isinstance(text, str) for text in texts) and all(
        type(number) is int and number >= 0 for number in numbers
    )


def passed_over(file: str, reason: str, *, line: int = 0) -> Rejection:
    """The row of a file of captions, or of a line of it, that was not used; no picture is lost."""
    return {**rejection(file, reason, file=file, line=line), "loses": "caption"}


def lost_pictures(rows: Iterable[Rejection]) -> list[Rejection]:
    """The rows by which a picture was lost."""
    return [row for row in rows if row.get("loses") != "caption"]


def lost_captions(rows: Iterable[Rejection]) -> list[Rejection]:
    """The rows by which no picture was lost: see passed_over."""
    return [row for row in rows if row.get("loses") == "caption"]


def describe_rejection(row: Rejection) -> str:
    """A rejection in words, such as "captions.csv, line 12: image not found: x.png"."""
    sentence = row["file"]
    if row["line"]:
        sentence += f", line {row['line']}"
    sentence += f": {row['reason']}"
    if row["path"] != row["file"]:
        sentence += f": {row['path']}"
    if row.get("count", 1) > 1:
        sentence = f"{sentence[: MAX_SENTENCE_LETTERS - 30]}, and {row['count'] - 1:,} like it"
    return printable(sentence[:MAX_SENTENCE_LETTERS])


def lines_of(rows: Iterable[Rejection], where: str) -> Iterator[str]:
    """Rejections in words: the first of each reason. where: the rest is to be found."""
    rows = list(rows)
    of_reason: dict[str, list[Rejection]] = {}
    for row in rows:
        of_reason.setdefault(row["reason"], []).append(row)
    shown = [row for alike in of_reason.values() for row in alike[:MAX_OF_REASON]][:MAX_ROWS]
    for row in shown:
        yield describe_rejection(row)
    more = how_many(rows) - how_many(shown)
    if more:
        yield f"… and {more:,} more {where}"
