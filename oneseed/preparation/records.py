"""Examined originals become the collection's records, and files of earlier runs go."""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from oneseed.console.command import UserError
from oneseed.dataset.code_texts import is_code, kept_caption, travelling
from oneseed.dataset.collection import PIXEL_FILE, Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.notes import read_note
from oneseed.dataset.rows import BESIDE_KEY, PREPARED_NAME
from oneseed.files import suffix_of, sweep_partials, write_changed
from oneseed.preparation.duplicates import first_of_groups
from oneseed.preparation.examine import prepared_name
from oneseed.sources.resolve import UNPACKED

# keys of a record that later stages add, and that stay when pictures are prepared again
LATER_KEYS = ("split", "captioner", "left_out")
# a key that records have since their groups are those of first_of_groups
GROUPED_KEY = "colour"
# names that this file gives, and alone removes: of links to originals
LINK_NAME = re.compile(r"[0-9a-f]{16}(\.[a-z0-9]{1,10})?")


def to_records(kept: list[Row], earlier: Iterable[Row]) -> tuple[list[Row], Counter[str]]:
    """Rows of original and finding -> (records, how many each source had in the earlier run).

    earlier: the records of the earlier run, read once. A caption, a split and a mark of theirs
    stay, the caption unless the source's own has changed since.
    `kept` becomes the list of records, each in the place of its row, so that the memory of a row
    goes as its record comes.
    """
    ids = [row["sha256"][:16] for row in kept]
    row_of = dict(zip(ids, kept))
    earlier_ids = []
    earlier_sources: Counter[str] = Counter()
    for record in earlier:
        earlier_ids.append(record["id"])
        earlier_sources[record["source"]] += 1
        if row := row_of.get(record["id"]):
            row |= earlier_values(record, row)
    del row_of
    if earlier_ids == ids and all("group" in row for row in kept):
        groups = [row["group"] for row in kept]
    else:
        looks = [row["look"] for row in kept]
        style = kept[0]["style"] if kept else ""
        groups = [ids[first] for first in first_of_groups(looks, style)]
    for number, (picture_id, row, group) in enumerate(zip(ids, kept, groups)):
        kept[number] = record_of(picture_id, row, group)
    return kept, earlier_sources


def name_pictures(kept: list[Row], duplicates: list[Row]) -> None:
    """Rows of several pictures name them as they are prepared, each once, their own first.

    duplicates: see MergedTwins. Pictures that could not be used are left out; of one picture alone
    nothing is said.
    """
    names = {row["path"]: prepared_name(row["sha256"]) for row in kept}
    names |= {row["path"]: names.get(row["same_as"], "") for row in duplicates}
    for row in kept:
        found = [names[row["path"]], *(names.get(path, "") for path in row.pop("images", []))]
        several = [name for name in dict.fromkeys(found) if name]
        if len(several) > 1:
            row["images"] = several


def earlier_values(record: Row, row: Row) -> Row:
    """What stays of a record of the earlier run. row: with the caption of the source today.

    "mended" is a caption that is not the source's: a model or a user wrote it. One that was only
    worded goes where captions have become code, or were it.
    """
    given = row["caption"]
    values = {key: record[key] for key in LATER_KEYS if key in record}
    if record.get(BESIDE_KEY):
        # nobody's mark: today's sources say whether it stays
        values.pop("left_out", None)
    if GROUPED_KEY in record and "group" in record:
        values["group"] = record["group"]
    is_other_kind = is_code(row) != is_code(record)
    is_own = record.get("caption") == kept_caption(record, record.get("given") or "")
    is_changed = bool(given) and (given != record.get("given", given) or (is_other_kind and is_own))
    if is_changed:
        values.pop("captioner", None)
    elif record.get("caption") not in (None, "", given):
        values["mended"] = record["caption"]
    return values


def record_of(picture_id: str, row: Row, group: str) -> Row:
    """Row of original and finding -> the collection's record of the picture."""
    record = {
        "id": picture_id,
        "filename": f"{picture_id}.png",
        "width": row["width"],
        "height": row["height"],
        "sha256": row["sha256"],
        "style": row["style"],
        "source": row["source"],
        "original": row["path"],
        "group": group,
        "grey": row["grey"],
        "colour": row["colour"],
        "given": row["caption"],
        "caption": row.get("mended", row["caption"]),
        **travelling(row),
        **({"member": row["member"]} if row.get("member") else {}),
        **({"seconds": row["seconds"]} if "seconds" in row else {}),
    }
    if row.get("is_beside") and not record["caption"] and "left_out" not in row:
        # a part of other pairs, and none of its own
        record |= {"left_out": True, BESIDE_KEY: True}
    return record | {key: row[key] for key in (*LATER_KEYS, "images") if key in row}


def link_originals(records: list[Row], folder: Path, collection: Collection) -> None:
    """Writes data/raw/<style>/<id>.<suffix>, a link to each original.

    A copy where links are refused (Windows); the user's folder is only read. links.json beside
    resized/ remembers the names, so that nothing else is ever removed; of a damaged list nothing
    is. Nothing is done where a source lies in data/raw/<style>/ already.
    """
    raw = collection.raw.resolve().as_posix()
    base = folder.as_posix().rstrip("/")
    paths = {record["id"]: f"{base}/{record['original']}" for record in records}
    paths = {
        picture_id: path
        for picture_id, path in paths.items()
        if not path.startswith(f"{raw}/{UNPACKED}/")
    }
    if any(path.startswith(f"{raw}/") for path in paths.values()):
        return
    wanted = {link_name(picture_id, path): path for picture_id, path in paths.items()}
    list_path = collection.processed / "links.json"
    linked = read_note(list_path, is_list_of_links) or {}
    collection.raw.mkdir(parents=True, exist_ok=True)
    there = set(os.listdir(collection.raw))
    for name in (linked.keys() - wanted.keys()) & there:
        remove_own(collection.raw / name, LINK_NAME)
    # Before the first link, so that none is forgotten.
    write_changed(list_path, json.dumps(linked | wanted))
    for name, target in wanted.items():
        if name not in there or linked.get(name) != target:
            link_or_copy(collection.raw / name, target)
    write_changed(list_path, json.dumps(wanted))


def is_list_of_links(value: Any) -> bool:
    """Whether a note lists links: {name: target}."""
    return isinstance(value, dict) and all(isinstance(target, str) for target in value.values())


def link_name(picture_id: str, original: str) -> str:
    """The name of the link to an original: its id, and its suffix where that is a plain one."""
    name = picture_id + suffix_of(original)
    return name if LINK_NAME.fullmatch(name) else picture_id


def remove_own(path: Path, names: re.Pattern[str]) -> None:
    """Removes a file, or a link itself, that has one of our names; nothing else, and no folder."""
    if names.fullmatch(path.name) and (path.is_symlink() or not path.is_dir()):
        path.unlink(missing_ok=True)


def link_or_copy(link: Path, target: str) -> None:
    """Makes `link` a link to the target, or its copy. UserError where a folder is in its place."""
    if link.is_dir() and not link.is_symlink():
        raise UserError(
            f"{link} is a folder where a link to an original belongs; move it away, and run the "
            "same command again"
        )
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(target)
    except (OSError, NotImplementedError):
        shutil.copyfile(target, link)


def remove_stale_files(records: list[Row], collection: Collection, size: int) -> None:
    """Removes what belongs to an earlier source or size from resized/ and beside it.

    Only what has the name of a file of ours: other files stay, in resized/ too.
    """
    wanted = {record["filename"] for record in records}
    for name in os.listdir(collection.resized):
        if name not in wanted:
            remove_own(collection.resized / name, PREPARED_NAME)
    sweep_partials(collection.resized)
    for name in os.listdir(collection.processed):
        if not collection.is_pixel_file(name, size):
            remove_own(collection.processed / name, PIXEL_FILE)
