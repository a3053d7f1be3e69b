"""A prepared collection on disk, and its split: the contract between the scripts.

A row is a plain dict with at least: id (the first 16 hex digits of the original's sha256), filename
(inside resized/), width and height (of the original, in pixels), sha256, style, source, and caption
("" until there is one).
"""

import hashlib
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.dataset.commands import caption_command, prepare_command
from oneseed.dataset.jsonl import Row, each_of_list, read_jsonl, to_json, write_lines

# part of the pictures that are trained on
TRAIN_PART = 0.9
# keys whose values many rows have: one string in memory serves them all
SHARED_KEYS = ("style", "source", "split", "captioner")
# keys that often have the value of another key of the same row
EQUAL_KEYS = (("group", "id"), ("caption", "given"))


class Collection:
    """The paths of one style's files below `data`."""

    def __init__(self, style: str, data: Path | str = "data") -> None:
        """style: the collection's name; data: the folder of raw/, processed/, metadata/, ..."""
        data = Path(data)
        self.style: str = style
        self.raw: Path = data / "raw" / style
        self.processed: Path = data / "processed" / style
        self.resized: Path = self.processed / "resized"
        self.metadata: Path = data / "metadata" / f"{style}_metadata.json"
        self.report: Path = data / "metadata" / f"{style}_report.json"
        self.check: Path = data / "metadata" / f"{style}_check.json"
        self.train: Path = data / "captions" / f"{style}_train.jsonl"
        self.val: Path = data / "captions" / f"{style}_val.jsonl"

    def pixels(self, size: int) -> Path:
        """The pictures of `size` px as one uint8 array; its rows' ids stand in pixels_ids."""
        return self.processed / f"pixels_{size}.npy"

    def pixels_ids(self, size: int) -> Path:
        """The ids of the rows of `pixels`."""
        return self.processed / f"pixels_{size}.json"

    def read_metadata(self) -> list[Row]:
        """The rows. UserError where the pictures were not prepared yet."""
        if not self.metadata.exists():
            raise UserError(
                f"{self.metadata} is missing: prepare the pictures first: "
                f"{prepare_command(self.style)}"
            )
        return list(self.each_metadata())

    def each_metadata(self) -> Iterator[Row]:
        """The rows one after another, none where there are none yet."""
        if self.metadata.exists():
            for row in each_of_list(self.metadata):
                share_strings(row)
                yield row

    def write_metadata(self, rows: list[Row]) -> None:
        """Writes a JSON list with a row a line: the text of 100,000 rows would be 70 MB."""

        def lines() -> Iterator[str]:
            for number, row in enumerate(rows, 1):
                yield to_json(row) + (",\n" if number < len(rows) else "\n")

        write_lines(self.metadata, lambda: itertools.chain(["[\n"], lines(), ["]\n"]))

    def read_captions(self) -> tuple[list[Row], list[Row]]:
        """The rows of the caption files, (train, val). UserError where they were not made yet."""
        for path in (self.train, self.val):
            if not path.exists():
                raise UserError(
                    f"{path} is missing: write the captions first: {caption_command(self.style)}"
                )
        return read_jsonl(self.train), read_jsonl(self.val)


def share_strings(row: Row) -> None:
    """Replaces equal strings of a row, or of many rows, by one in memory."""
    for key in SHARED_KEYS:
        if isinstance(row.get(key), str):
            row[key] = sys.intern(row[key])
    for key, other in EQUAL_KEYS:
        if key in row and row[key] == row.get(other):
            row[key] = row[other]


def pair_of(row: Row) -> Row:
    """Metadata row -> its line of a caption file."""
    return {key: row[key] for key in ("id", "filename", "caption", "style", "split")}


def split_rows(rows: list[Row], stored: dict[str, str] | None = None) -> dict[str, str]:
    """Rows -> {id: "train" or "val"}, nine tenths in train.

    stored: the split of earlier runs, {id: "train" or "val"}. Those rows stay where they are, and
    only new ones are dealt, so that adding pictures moves none. The first deal puts exactly
    round(0.9 N) rows into train, in the order of a hash of the id. Rows of equal "group" (pictures
    that look the same) share a split, as far as the exact count allows.
    """
    stored = stored or {}
    splits = {row["id"]: stored[row["id"]] for row in rows if row["id"] in stored}
    group_of = {row["id"]: row.get("group") or row["id"] for row in rows}
    split_of_group = {group_of[row_id]: split for row_id, split in splits.items()}
    # A new look-alike follows the one that was dealt before.
    for row_id, group in group_of.items():
        if row_id not in splits and group in split_of_group:
            splits[row_id] = split_of_group[group]
    groups: dict[str, list[str]] = {}
    for row_id in in_order_of_hash(group_of.keys() - splits.keys()):
        groups.setdefault(group_of[row_id], []).append(row_id)
    new = sum(map(len, groups.values()))
    room = round(TRAIN_PART * new)
    for members in groups.values():
        split = "val"
        if len(members) <= room:
            split = "train"
            room -= len(members)
        splits.update(dict.fromkeys(members, split))
    return splits


def in_order_of_hash(ids: Iterable[str]) -> list[str]:
    """The ids in an order that looks random and is always the same."""
    return sorted(ids, key=lambda row_id: hashlib.sha256(f"split {row_id}".encode()).digest())
