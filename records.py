"""Where a collection's files lie, how rows are read and written, and how they are split. The contract between the scripts.

A row is a plain dict with at least: id (16 hex digits of the original's sha256), filename (inside resized/), width, height
(of the original, pixels), sha256, style, source, caption ("" until there is one).
"""
import hashlib
import json
import os
from pathlib import Path

from cli import UserError, whole_file


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
            source = " --source builtin" if self.style == "builtin" else f" --style {self.style} --source PATH"
            raise UserError(f"{self.metadata} is missing: prepare the pictures first: python dataset_preparation.py{source}")
        return read_json(self.metadata)

    def write_metadata(self, rows):
        with whole_file(self.metadata) as partial, open(partial, "w", encoding="utf-8") as file:
            json.dump(rows, file, ensure_ascii=False, indent=1)         # of 100,000 rows the text alone would be 70 MB
            file.write("\n")

    def read_captions(self):
        """-> (train rows, val rows) of the caption files. UserError where the captions were not made yet."""
        for path in (self.train, self.val):
            if not path.exists():
                raise UserError(f"{path} is missing: write the captions first: python caption_generation.py --style {self.style}")
        return read_jsonl(self.train), read_jsonl(self.val)


def read_json(path):
    """JSON file -> value. UserError names the file where it is missing or no JSON."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}); remove it and run the script that writes it again") from error


def each_row(path, torn=False):
    """JSON Lines file -> its dicts one after another, blank lines skipped. UserError names file and line. torn: overlook a last line
    without its end, which another process may be writing at this moment."""
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):                     # splits at \n alone: U+2028 may stand inside a caption
                if line.strip() and not (torn and not line.endswith(b"\n")):
                    row = json.loads(line)
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


def recover_jsonl(path):
    """Rows of a JSON Lines file that is appended to while working, [] where there is none; a last line torn by a kill is cut off."""
    path = Path(path)
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
    return read_jsonl(path)


def write_jsonl(path, rows):
    with whole_file(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def split_rows(rows, stored=None):
    """Rows -> {id: "train" | "val"}, 90/10. stored: ids already dealt, which stay where they are; only new rows are dealt, so
    adding pictures moves none. The first deal puts exactly round(0.9 n) rows into train, in the order of a hash of the id;
    rows with an equal "group" (pictures that look the same) share a split, as far as the exact count allows.
    """
    stored = stored or {}
    splits = {row["id"]: stored[row["id"]] for row in rows if row["id"] in stored}
    group_of = {row["id"]: row.get("group") or row["id"] for row in rows}
    decided = {group_of[id]: split for id, split in splits.items()}     # a new look-alike follows the one dealt before
    for id in group_of:
        if id not in splits and group_of[id] in decided:
            splits[id] = decided[group_of[id]]
    groups = {}
    for id in sorted(group_of.keys() - splits.keys(), key=lambda id: hashlib.sha256(f"split {id}".encode()).digest()):
        groups.setdefault(group_of[id], []).append(id)
    new = sum(map(len, groups.values()))
    room = round(0.9 * new)
    for members in groups.values():
        split = "train" if len(members) <= room else "val"
        room -= len(members) if split == "train" else 0
        splits.update(dict.fromkeys(members, split))
    return splits
