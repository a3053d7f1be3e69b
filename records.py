"""Where a collection's files lie, how rows are read and written, and how they are split. The contract between the scripts.

A row is a plain dict with at least: id (16 hex digits of the original's sha256), filename (inside resized/), width, height
(of the original, pixels), sha256, style, source, caption ("" until there is one).
"""

import hashlib
import itertools
import json
import os
import sys
from pathlib import Path

from cli import UserError, whole_file

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


def read_json(path):
    """JSON file -> value. UserError names the file where it is missing or no JSON."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as JSON ({error}); remove it and run the script that writes it again"
        ) from error


def each_of_list(path):
    """JSON list -> its rows, one after another where it was written with a row a line. UserError where it is damaged."""
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            # laid out by another hand
            if file.readline() != "[\n" or not file.readline().startswith("{"):
                yield from read_json(path)
                return
            file.seek(2)
            for line in file:
                if line.startswith("]"):
                    return
                yield from_json(line.removesuffix("\n").removesuffix(","))
        raise ValueError("cut off")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as JSON ({error}); remove it and run the script that writes it again"
        ) from error


def to_json(row):
    return json.dumps(row, ensure_ascii=False)


ROW = json.JSONDecoder(
    object_pairs_hook=lambda pairs: {sys.intern(key): value for key, value in pairs}
)


def from_json(line):
    """Row of many. Its keys are those of all others: json makes new ones for every text, which took two fifths of the memory of 100,000 rows."""
    return ROW.decode(
        line if isinstance(line, str) else line.decode(json.detect_encoding(line), "surrogatepass")
    )


def write_lines(path, lines):
    """Whole-file write of what lines() yields, however long. A file that holds just that stays as it is."""
    path = Path(path)
    if path.exists():
        with open(path, encoding="utf-8", newline="\n", errors="replace") as file:
            if all(old == new for old, new in itertools.zip_longest(file, lines())):
                return
    with whole_file(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines())


def each_row(path, torn=False):
    """JSON Lines file -> its dicts one after another, blank lines skipped. UserError names file and line. torn: overlook a last line
    without its end, which another process may be writing at this moment."""
    try:
        with open(path, "rb") as file:
            # splits at \n alone: U+2028 may stand inside a caption
            for number, line in enumerate(file, 1):
                if line.strip() and not (torn and not line.endswith(b"\n")):
                    row = from_json(line)
                    if not isinstance(row, dict):
                        raise ValueError("not an object")
                    yield row
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{path}, line {number}: not a JSON object ({error})") from error


def read_jsonl(path, torn=False):
    """each_row as a list."""
    return list(each_row(path, torn))


def each_recovered(path):
    """Rows of a JSON Lines file that is appended to while working, one after another, none where there is no file; a last line torn by a kill is cut off."""
    path = Path(path)
    if path.exists():
        with open(path, "rb") as file:
            whole = sum(len(line) for line in file if line.endswith(b"\n"))
            torn = whole < file.tell()
        if torn:
            os.truncate(path, whole)
        yield from each_row(path)


def recover_jsonl(path):
    """each_recovered as a list."""
    return list(each_recovered(path))


def write_jsonl(path, rows):
    with whole_file(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.writelines(to_json(row) + "\n" for row in rows)


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
