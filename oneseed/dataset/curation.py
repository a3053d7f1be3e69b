"""A prepared collection mended by hand: find rows, rewrite a caption, leave a picture out.

    matching_rows(rows, "ship night", "training")              # captions that have these words
    change_row(collection, picture_id, caption="A ship at night")
    change_row(collection, picture_id, left_out=True)          # the next training does without it

A row of <style>_metadata.json with "left_out": true stands in neither caption file, and those are
all that training reads. Preparing and captioning again keep mark, caption and split; only
caption_generation.py --recaption writes over a caption that was mended.
"""

import threading

from oneseed.config.captioning import EXISTING, FOLDERS, NAMES
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import kept_caption
from oneseed.dataset.collection import Collection, pair_of
from oneseed.dataset.commands import caption_command
from oneseed.dataset.in_use import locked_collection
from oneseed.dataset.jsonl import Row, write_jsonl
from oneseed.dataset.next_run import next_training
from oneseed.dataset.rows import BESIDE_KEY
from oneseed.dataset.segmentation import has_words

SHOWS = ("everything", "training", "validation", "left out", "without caption")
# Two visitors of the page may save at once.
LOCK = threading.Lock()
# seconds that a visitor waits for another program that writes the collection
LOCK_WAIT = 10.0
SAVE_AGAIN = "save again when that one has ended."


def caption_author(row: Row) -> str:
    """Who wrote a row's caption, in a few words; "no caption" where it has none."""
    if not row.get("caption"):
        return "no caption"
    author = row.get("captioner")
    of_names = {NAMES: "caption from the file name", FOLDERS: "caption from the folder's name"}
    if author:
        return of_names.get(author, f"caption by {author}")
    return "the collection's own caption, or written by hand"


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
    return [
        row for row in shown if row["id"] == words or has_words(row.get("caption") or "", words)
    ]


def change_row(
    collection: Collection,
    picture_id: str,
    caption: str | None = None,
    *,
    left_out: bool | None = None,
) -> Row:
    """Writes a new caption, or the mark, into metadata and caption file; returns the row.

    None: stays as it is. UserError where there is no such row, the caption says nothing, or
    another run works on the collection.
    """
    what = f"The collection {collection.style}"
    with LOCK, locked_collection(collection, what=what, remedy=SAVE_AGAIN, wait=LOCK_WAIT):
        rows = collection.read_metadata()
        row = next((row for row in rows if row["id"] == picture_id), None)
        if row is None:
            raise UserError("This picture is no longer in the collection; look again.")
        if caption is not None:
            change_caption(row, caption)
        if left_out is not None:
            was_beside = row.pop(BESIDE_KEY, False)
            row.pop("left_out", None)
            if left_out or was_beside:
                row["left_out"] = left_out
        collection.write_metadata(rows)
        write_pair(collection, rows, row)
        return row


def change_caption(row: Row, caption: str) -> None:
    """Puts a caption, in the words of its style or as code, into the row.

    UserError where it says nothing.
    """
    new = kept_caption(row, caption)
    if not new:
        raise UserError("A caption says what the picture shows, such as: two ships in a storm.")
    if new != row.get("caption"):
        row["caption"] = new
        # No model wrote this one.
        row.pop("captioner", None)


def next_command(collection: Collection, row: Row) -> str:
    """What brings a changed row into training: dealing the pairs where it is in none, or training.

    row: as change_row gave it.
    """
    pairs: list[Row] = []
    if collection.train.exists() and collection.val.exists():
        pairs = [*collection.each_pair(collection.train), *collection.each_pair(collection.val)]
    stands_there = any(pair["id"] == row["id"] and pair["caption"] for pair in pairs)
    if not pairs or (row.get("caption") and not row.get("left_out") and not stands_there):
        return caption_command(collection.style, collection.data, f"--captioner {EXISTING}")
    samples = sum(1 for pair in pairs if pair["split"] == "train")
    wordless = collection.is_wordless()
    return next_training(collection, samples, wordless=wordless, changed=True)


def write_pair(collection: Collection, rows: list[Row], row: Row) -> None:
    """Brings the row's line of its caption file up to date, in the order that captioning writes.

    Nothing is written where captions were never dealt: caption_generation.py does that. Pairs that
    were dealt without captions stay so.
    """
    path = {"train": collection.train, "val": collection.val}.get(row.get("split", ""))
    if path is None or not path.exists():
        return
    wordless = collection.is_wordless()
    pairs = {pair["id"]: pair for pair in collection.each_pair(path)}
    pairs.pop(row["id"], None)
    if (row.get("caption") or wordless) and not row.get("left_out"):
        pairs[row["id"]] = pair_of(row, wordless=wordless)
    write_jsonl(path, (pairs[row["id"]] for row in rows if row["id"] in pairs))
