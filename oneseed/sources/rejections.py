"""What was left out: a row with a reason for each."""

from collections.abc import Iterable, Iterator

from oneseed.console.output import printable
from oneseed.dataset.jsonl import Row

# path, reason, file, line: see rejection; loses: see passed_over
Rejection = Row
# letters of a sentence that shows a rejection
MAX_SENTENCE_LETTERS = 200
# rows that are shown: of one reason, and in all
MAX_OF_REASON = 3
MAX_ROWS = 15


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
    if len(rows) > len(shown):
        yield f"… and {len(rows) - len(shown):,} more {where}"
