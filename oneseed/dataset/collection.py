"""Where a prepared collection lies on disk, and how it is split.

Where a collection's files lie, how rows are read and written, and how they are split. The contract between the scripts.

A row is a plain dict with at least: id (16 hex digits of the original's sha256), filename (inside resized/), width, height
(of the original, pixels), sha256, style, source, caption ("" until there is one).
"""

import hashlib
import itertools
import sys
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import each_of_list, read_jsonl, to_json, write_lines

# values that many rows have …
SHARED = ("style", "source", "split", "captioner")
# … or one row twice: one string in memory serves them all
TWICE = (("group", "id"), ("caption", "given"))


class Collection:
    """The paths of one style's files below `data`."""

    def __init__(self, style, data="data"):
        data = Path(data)
        self.style = style
        self.raw = data / "raw" / style
        self.processed = data / "processed" / style
        self.resized = self.processed / "resized"
        self.metadata = data / "metadata" / f"{style}_metadata.json"
        self.report = data / "metadata" / f"{style}_report.json"
        self.check = data / "metadata" / f"{style}_check.json"
        self.train = data / "captions" / f"{style}_train.jsonl"
        self.val = data / "captions" / f"{style}_val.jsonl"

    def pixels(self, size):
        """uint8 array (N, size, size) grey or (N, size, size, 3), memory-mapped by training; its rows' ids stand in pixels_ids(size)."""
        return self.processed / f"pixels_{size}.npy"

    def pixels_ids(self, size):
        return self.processed / f"pixels_{size}.json"

    def read_metadata(self):
        """-> list of rows. UserError where the pictures were not prepared yet."""
        if not self.metadata.exists():
            source = (
                " --source builtin"
                if self.style == "builtin"
                else f" --style {self.style} --source PATH"
            )
            raise UserError(
                f"{self.metadata} is missing: prepare the pictures first: python dataset_preparation.py{source}"
            )
        return list(self.each_metadata())

    def each_metadata(self):
        """The rows one after another, none where there are none yet."""
        for row in each_of_list(self.metadata) if self.metadata.exists() else ():
            row.update(
                [(key, sys.intern(row[key])) for key in SHARED if isinstance(row.get(key), str)]
            )
            row.update(
                [
                    (key, row[twin])
                    for key, twin in TWICE
                    if key in row and row[key] == row.get(twin)
                ]
            )
            yield row

    def write_metadata(self, rows):
        """A JSON list with a row a line; the text of 100,000 rows would be 70 MB."""
        write_lines(
            self.metadata,
            lambda: itertools.chain(
                ["[\n"],
                (
                    to_json(row) + (",\n" if number < len(rows) else "\n")
                    for number, row in enumerate(rows, 1)
                ),
                ["]\n"],
            ),
        )

    def read_captions(self):
        """-> (train rows, val rows) of the caption files. UserError where the captions were not made yet."""
        for path in (self.train, self.val):
            if not path.exists():
                raise UserError(
                    f"{path} is missing: write the captions first: python caption_generation.py --style {self.style}"
                )
        return read_jsonl(self.train), read_jsonl(self.val)


def pair_of(row):
    """Metadata row -> its line of a caption file."""
    return {key: row[key] for key in ("id", "filename", "caption", "style", "split")}


def split_rows(rows, stored=None):
    """Rows -> {id: "train" | "val"}, 90/10. stored: ids already dealt, which stay where they are; only new rows are dealt, so
    adding pictures moves none. The first deal puts exactly round(0.9 n) rows into train, in the order of a hash of the id;
    rows with an equal "group" (pictures that look the same) share a split, as far as the exact count allows.
    """
    stored = stored or {}
    splits = {row["id"]: stored[row["id"]] for row in rows if row["id"] in stored}
    group_of = {row["id"]: row.get("group") or row["id"] for row in rows}
    # a new look-alike follows the one dealt before
    decided = {group_of[id]: split for id, split in splits.items()}
    for id in group_of:
        if id not in splits and group_of[id] in decided:
            splits[id] = decided[group_of[id]]
    groups = {}
    for id in sorted(
        group_of.keys() - splits.keys(),
        key=lambda id: hashlib.sha256(f"split {id}".encode()).digest(),
    ):
        groups.setdefault(group_of[id], []).append(id)
    new = sum(map(len, groups.values()))
    room = round(0.9 * new)
    for members in groups.values():
        split = "train" if len(members) <= room else "val"
        room -= len(members) if split == "train" else 0
        splits.update(dict.fromkeys(members, split))
    return splits
