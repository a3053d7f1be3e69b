"""A record per picture, what a run leaves behind, and its report."""

import json
import os
import posixpath
import shutil
from collections import Counter
from pathlib import Path

import numpy as np

from oneseed.dataset import writers
from oneseed.dataset.jsonl import read_json
from oneseed.files import write_changed
from oneseed.preparation.duplicates import look_alikes
from oneseed.sources.resolve import UNPACKED


def to_records(kept, earlier):
    """Kept rows and the records of an earlier run, one after another -> records, each in the place of its row. A caption, a split and a mark of
    the earlier run stay, the caption unless the source's own has changed since."""
    ids = [row["sha256"][:16] for row in kept]
    known = []
    of_id = dict(zip(ids, kept))
    for old in earlier:
        known.append(old["id"])
        if row := of_id.get(old["id"]):
            given = row["caption"]
            changed = given and given != old.get("given", given)
            caption = (
                {"said": old["caption"]}
                if not changed and old.get("caption") not in (None, "", given)
                else {}
            )
            row |= caption | {
                key: old[key]
                for key in ("group", "split", "captioner", "left_out")
                if key in old and not (changed and key == "captioner")
            }
    # so that each row goes as its record comes
    del of_id
    groups = (
        [row["group"] for row in kept]
        if known == ids
        else [ids[first] for first in look_alikes([row["look"] for row in kept])]
    )
    for number, (id, row, group) in enumerate(zip(ids, kept, groups)):
        kept[number] = {
            "id": id,
            "filename": f"{id}.png",
            "width": row["width"],
            "height": row["height"],
            "sha256": row["sha256"],
            "style": row["style"],
            "source": row["source"],
            "original": row["path"],
            "group": group,
            "grey": row["grey"],
            "given": row["caption"],
            "caption": row.get("said", row["caption"]),
            **{key: row[key] for key in ("split", "captioner", "left_out") if key in row},
        }
    return kept


def link_originals(records, folder, collection):
    """data/raw/<style>/<id>.<suffix>: a link to each original, or a copy where links are refused (Windows); the user's folder is
    only read. links.json beside resized/ remembers the names, so that nothing else is ever removed."""
    raw = collection.raw.resolve()
    base = folder.as_posix().rstrip("/") + "/"
    ours = raw.as_posix() + "/"
    records = [
        record
        for record in records
        if not (base + record["original"]).startswith(f"{ours}{UNPACKED}/")
    ]
    # a source lies there already
    if any((base + record["original"]).startswith(ours) for record in records):
        return
    listed = collection.processed / "links.json"
    wanted = {
        record["id"]
        + posixpath.splitext(record["original"])[
            1
        ].lower(): f"{folder.as_posix()}/{record['original']}"
        for record in records
    }
    ours = read_json(listed) if listed.exists() else {}
    collection.raw.mkdir(parents=True, exist_ok=True)
    there = set(os.listdir(collection.raw))
    for name in ours.keys() - wanted.keys():
        (collection.raw / name).unlink(missing_ok=True)
    # before the first link, so that none is forgotten
    write_changed(listed, json.dumps(ours | wanted))
    for name, target in wanted.items():
        if name in there and ours.get(name) == target:
            continue
        link = collection.raw / name
        link.unlink(missing_ok=True)
        try:
            link.symlink_to(target)
        except (OSError, NotImplementedError):
            shutil.copyfile(target, link)
    write_changed(listed, json.dumps(wanted))


def remove_stale_files(records, collection, size):
    """Removes what belongs to an earlier source or size from resized/ and beside it."""
    wanted = {record["filename"] for record in records}
    for name in os.listdir(collection.resized):
        if name not in wanted:
            (collection.resized / name).unlink()
    for path in [*collection.processed.glob("pixels_*"), *collection.processed.glob(".*.partial")]:
        if path not in (collection.pixels(size), collection.pixels_ids(size)):
            path.unlink()


def count_reasons(records, rejected):
    """The report's summary of original sizes and of reasons."""
    sides = np.array([(record["width"], record["height"]) for record in records])  # (N, 2)
    short = sides.min(axis=1)
    long = sides.max(axis=1)
    return {
        "original_sizes": {
            "short_side": {
                "least": int(short.min()),
                "median": int(np.median(short)),
                "most": int(short.max()),
            },
            "long_side": {
                "least": int(long.min()),
                "median": int(np.median(long)),
                "most": int(long.max()),
            },
        },
        "rejected_by_reason": dict(Counter(row["reason"] for row in rejected).most_common()),
    }


def export_collection(config, collection):
    """The collection's pictures and captions as one file in the format of --export. The built-in ones are engravings to others."""
    rows = [row for row in collection.read_metadata() if not row.get("left_out")]
    below = "" if config.export in ("imagefolder", "sidecar", "webdataset") else "images/"
    writers.write_export(
        config.export,
        [
            {
                "image": below + row["filename"],
                "path": collection.resized / row["filename"],
                "caption": row.get("caption") or "",
                "style": "engraving" if row["style"] == "builtin" else row["style"],
            }
            for row in rows
        ],
        Path(config.out),
    )
    bare = sum(not row.get("caption") for row in rows)
    print(
        f"{config.out}: {len(rows):,} pictures as {config.export}"
        + (
            f", {bare:,} of them without a caption; to write those: "
            f"python caption_generation.py --style {config.style}"
            if bare
            else ""
        )
    )
