"""A prepared collection mended by hand: find rows, rewrite a caption, leave a picture out.

    matching_rows(rows, "ship night", "training")              # captions that have these words
    change_row(collection, picture_id, caption="A ship at night")
    change_row(collection, picture_id, left_out=True)          # the next training does without it

A row of <style>_metadata.json with "left_out": true stands in neither caption file, and those are
all that training reads. Preparing and captioning again keep mark, caption and split; only
caption_generation.py --recaption writes over a caption that was mended.
"""

import threading

from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection, pair_of
from oneseed.dataset.jsonl import Row, read_jsonl, write_jsonl
from oneseed.dataset.wording import worded

SHOWS = ("everything", "training", "validation", "left out", "without caption")
# Two visitors of the page may save at once.
LOCK = threading.Lock()


def row_kind(row: Row) -> str:
    """Which of SHOWS a row belongs to, beside everything; "" where it was not dealt yet."""
    if row.get("left_out"):
        return "left out"
    if not row.get("caption"):
        return "without caption"
    return {"train": "training", "val": "validation"}.get(row.get("split", ""), "")


def matching_rows(rows: list[Row], words: str = "", show: str = "everything") -> list[Row]:
    """Rows of a kind whose captions have all the words, or words that begin so.

    words: with spaces between; "elephant" finds elephants. An id finds its row.
    show: one of SHOWS.
    """
    shown = [row for row in rows if show in ("everything", row_kind(row))]
    wanted = words.lower().split()
    return [row for row in shown if row["id"] == words or has_words(row, wanted)]


def has_words(row: Row, beginnings: list[str]) -> bool:
    """Whether the row's caption has a word for each beginning (in lower case)."""
    caption = f" {row.get('caption') or ''}".lower()
    return all(f" {beginning}" in caption for beginning in beginnings)


def change_row(
    collection: Collection,
    picture_id: str,
    caption: str | None = None,
    *,
    left_out: bool | None = None,
) -> Row:
    """Writes a new caption, or the mark, into metadata and caption file; returns the row.

    None: stays as it is. UserError where there is no such row, or the caption says nothing.
    """
    with LOCK:
        rows = collection.read_metadata()
        row = next((row for row in rows if row["id"] == picture_id), None)
        if row is None:
            raise UserError("This picture is no longer in the collection; look again.")
        if caption is not None:
            change_caption(row, caption)
        if left_out is not None:
            row.pop("left_out", None)
            if left_out:
                row["left_out"] = True
        collection.write_metadata(rows)
        write_pair(collection, rows, row)
        return row


def change_caption(row: Row, caption: str) -> None:
    """Puts a caption, in the words of its style, into the row. UserError where it says nothing."""
    new = worded(caption, row["style"])
    if not new:
        raise UserError("A caption says what the picture shows, such as: two ships in a storm.")
    if new != row.get("caption"):
        row["caption"] = new
        # No model wrote this one.
        row.pop("captioner", None)


def write_pair(collection: Collection, rows: list[Row], row: Row) -> None:
    """Brings the row's line of its caption file up to date, in the order that captioning writes.

    Nothing is written where captions were never dealt: caption_generation.py does that.
    """
    path = {"train": collection.train, "val": collection.val}.get(row.get("split", ""))
    if path is None or not path.exists():
        return
    pairs = {pair["id"]: pair for pair in read_jsonl(path)}
    pairs.pop(row["id"], None)
    if row.get("caption") and not row.get("left_out"):
        pairs[row["id"]] = pair_of(row)
    write_jsonl(path, (pairs[row["id"]] for row in rows if row["id"] in pairs))
