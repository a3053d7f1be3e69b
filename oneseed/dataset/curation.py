"""Captions and pictures mended by hand.

Looking through a prepared collection and mending it by hand: find rows, write a caption anew, leave a picture out.

    matching(rows, "ship night", "training")               # rows whose captions have these words
    change(collection, id, caption="A ship at night")      # -> the row; data/metadata and data/captions are written
    change(collection, id, left_out=True)                  # the next training does without it

A row of <style>_metadata.json with "left_out": true stands in neither caption file, and those are all that training reads. Preparing and
captioning again keep mark, caption and split; only caption_generation.py --recaption writes over a caption that was mended.
"""

import threading

from oneseed.console.command import UserError
from oneseed.dataset.collection import pair_of
from oneseed.dataset.jsonl import read_jsonl, write_jsonl
from oneseed.dataset.wording import worded

SHOWS = ("everything", "training", "validation", "left out", "without caption")
# two visitors may save at once
LOCK = threading.Lock()


def row_kind(row):
    """Which of SHOWS a row belongs to, beside everything."""
    return (
        "left out"
        if row.get("left_out")
        else {"train": "training", "val": "validation"}.get(row.get("split"), "")
        if row.get("caption")
        else "without caption"
    )


def matching_rows(rows, words="", show="everything"):
    """Rows of a kind whose captions have all the words, or begin with them: "elephant" finds elephants. An id finds its row."""
    wanted = words.lower().split()
    return [
        row
        for row in rows
        if (show == "everything" or row_kind(row) == show)
        and (
            row["id"] == words
            or all(f" {word}" in f" {row.get('caption') or ''}".lower() for word in wanted)
        )
    ]


def change_row(collection, id, caption=None, left_out=None):
    """Writes a new caption, or the mark, into metadata and caption file -> the row. UserError where there is no such row, or the caption says nothing."""
    with LOCK:
        rows = collection.read_metadata()
        row = next((row for row in rows if row["id"] == id), None)
        if row is None:
            raise UserError("This picture is no longer in the collection; look again.")
        if caption is not None:
            new = worded(caption, row["style"])
            if not new:
                raise UserError(
                    "A caption says what the picture shows, such as: two ships in a storm."
                )
            if new != row.get("caption"):
                row["caption"] = new
                # no model wrote this one
                row.pop("captioner", None)
        if left_out is not None:
            row.pop("left_out", None)
            row |= {"left_out": True} if left_out else {}
        collection.write_metadata(rows)
        path = {"train": collection.train, "val": collection.val}.get(row.get("split"))
        # else its captions were never dealt: caption_generation.py does
        if path and path.exists():
            pairs = {pair["id"]: pair for pair in read_jsonl(path)}
            pairs.pop(id, None)
            if row.get("caption") and not row.get("left_out"):
                pairs[id] = pair_of(row)
            # in the order that captioning writes
            write_jsonl(path, (pairs[row["id"]] for row in rows if row["id"] in pairs))
        return row
