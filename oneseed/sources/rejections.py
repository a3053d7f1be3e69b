"""What was left out: a row with a reason for each."""

from oneseed.console.output import printable
from oneseed.dataset.jsonl import Row

# path, reason, file, line: see rejection
Rejection = Row
# letters of a sentence that shows a rejection
MAX_SENTENCE_LETTERS = 200


def rejection(path: str, reason: str, *, file: str, line: int = 0) -> Rejection:
    """The report's row for something that was left out.

    path: the picture, archive member or annotation file that is left out.
    file, line: where it is named; line counts from 1, and 0 means the file as such.
    """
    return {"path": path, "reason": reason, "file": file, "line": line}


def describe_rejection(row: Rejection) -> str:
    """A rejection in words, such as "captions.csv, line 12: image not found: x.png"."""
    sentence = row["file"]
    if row["line"]:
        sentence += f", line {row['line']}"
    sentence += f": {row['reason']}"
    if row["path"] != row["file"]:
        sentence += f": {row['path']}"
    return printable(sentence[:MAX_SENTENCE_LETTERS])
