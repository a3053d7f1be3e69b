"""What a check measures, as JSON's own types.

What a source would give, told before anything is prepared: what is valid, what is doubtful, and a page with its pictures.

Everything is measured on the picture as it would be prepared, without its white margins. Names and captions come from strangers: in
the report they stand as they are, on the page and in a terminal they can do nothing.
"""

import io
import itertools
import posixpath
import re
from collections import Counter

import numpy as np

from oneseed.dataset.jsonl import each_recovered, each_row

PLATE = 224
# of 255: nearly black is a picture whose 99th percentile lies below, nearly white …
DARK = 32
LIGHT = 223
QUANTILES = {
    "least": 0,
    "5 %": 0.05,
    "25 %": 0.25,
    "median": 0.5,
    "75 %": 0.75,
    "95 %": 0.95,
    "most": 1,
}
SIDES = {str(side): side for side in (64, 128, 256, 512, 1024, 2048, 4096)}
ASPECTS = {
    "1:3": 1 / 3,
    "1:2": 1 / 2,
    "2:3": 2 / 3,
    "9:10": 0.9,
    "10:9": 10 / 9,
    "3:2": 1.5,
    "2:1": 2,
    "3:1": 3,
}
TENTHS = {f".{tenth}": tenth / 10 for tenth in range(1, 10)}
SHARPNESS = {str(value): value for value in (10, 30, 100, 300, 1000, 3000, 10000)}
CAPTION_WORD = re.compile(r"\w+(?:['’-]\w+)*")


def measure_picture(image):
    """Prepared picture without its margins -> mean luminance, 0 to 1; its 1st and 99th percentile, 0 to 255; sharpness: the variance of
    the Laplacian (four neighbours, grey values to 255), which is low where a picture is blurred, enlarged or empty."""
    values = np.asarray(image.convert("L"), np.float32)  # (height, width)
    edged = np.pad(values, 1, "edge")
    laplacian = edged[:-2, 1:-1] + edged[2:, 1:-1] + edged[1:-1, :-2] + edged[1:-1, 2:] - 4 * values
    low, high = np.percentile(values, (1, 99))
    return {
        "light": round(float(values.mean()) / 255, 4),
        "low": int(low),
        "high": int(high),
        "sharp": round(float(laplacian.var()), 1),
    }


def encode_plate(image):
    """Picture -> a small JPEG for the page, as bytes."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=75)
    return file.getvalue()


def quantiles(values):
    """-> {name of a quantile: value}, {} of nothing."""
    found = np.quantile(values, list(QUANTILES.values())) if len(values) else ()
    return {name: float(f"{value:.4g}") for name, value in zip(QUANTILES, found)}


def histogram(values, edges):
    """Values and {label: edge} -> [[label, count]] from the first to the last range that holds something."""
    labels = list(edges)
    names = [
        f"below {labels[0]}",
        *(f"{low} to {high}" for low, high in itertools.pairwise(labels)),
        f"{labels[-1]} and more",
    ]
    counts = (
        np.bincount(np.digitize(values, list(edges.values())), minlength=len(names))
        if len(values)
        else np.zeros(1, int)
    )
    filled = np.flatnonzero(counts)
    return (
        [[names[place], int(counts[place])] for place in range(filled[0], filled[-1] + 1)]
        if len(filled)
        else []
    )


def relation(row, twin):
    """Where two rows lie from each other."""
    if row["source"] != twin["source"]:
        return "across sources"
    return (
        "within a folder"
        if posixpath.dirname(row["path"]) == posixpath.dirname(twin["path"])
        else "across folders"
    )


def twin_counts(found):
    """(row, its twin) of each -> how many lie where, and the folders that share most."""

    def folder(row):
        return posixpath.dirname(row["path"]) or "."

    between = Counter(
        (folder(twin), folder(row))
        for row, twin in found
        if relation(row, twin) != "within a folder"
    )
    return {
        "count": len(found),
        "where": dict(Counter(relation(row, twin) for row, twin in found).most_common()),
        "across_styles": sum(row["style"] != twin["style"] for row, twin in found),
        "folders": [[*names, count] for names, count in between.most_common(20)],
    }


def prepared_before(collection):
    """The collection's pictures, as far as it was prepared -> rows of original, sha256, look and split ("" before captions were dealt)."""
    looks = {
        line["sha256"]: line["look"]
        for line in each_recovered(collection.processed / "prepared.jsonl")
        if "look" in line
    }
    dealt = {
        row["id"]: split
        for path, split in ((collection.train, "train"), (collection.val, "val"))
        if path.exists()
        for row in each_row(path)
    }
    return [
        {
            "original": row.get("original", row["filename"]),
            "sha256": row["sha256"],
            "look": looks[row["sha256"]],
            "split": dealt.get(row["id"], ""),
        }
        for row in collection.each_metadata()
        if row["sha256"] in looks
    ]


def against(earlier, kept, alike):
    """The source beside the prepared collection: what is in it already, what looks like something in it, and groups of look-alikes, new
    ones included, that have members in both splits. alike: number of the group of each of [*earlier, *kept]."""
    if not earlier:
        return None
    members = {}
    known = {row["sha256"]: row for row in earlier}
    for row, group in zip(earlier, alike):
        members.setdefault(group, []).append(row)
    same = []
    similar = []
    for row, group in zip(kept, alike[len(earlier) :]):
        twin = known.get(row["sha256"]) or next(iter(members.get(group, ())), None)
        if twin:
            (same if twin["sha256"] == row["sha256"] else similar).append(
                {"path": row["path"], "like": twin["original"], "split": twin["split"]}
            )
    leaks = [
        [{"original": row["original"], "split": row["split"]} for row in group]
        for group in members.values()
        if {"train", "val"} <= {row["split"] for row in group}
    ]

    def count(found):
        return dict(Counter(row["split"] or "no split" for row in found).most_common())

    return {
        "pictures": len(earlier),
        "in_it": len(same),
        "in_it_by_split": count(same),
        "look_alikes": len(similar),
        "look_alikes_by_split": count(similar),
        "new": len(kept) - len(same) - len(similar),
        "look_alike_files": similar,
        "leaks": leaks,
    }


def of_captions(kept):
    captions = [row["caption"] for row in kept if row["caption"]]
    words = [len(caption.split()) for caption in captions]
    again = Counter(captions)
    repeated = [[caption, count] for caption, count in again.most_common() if count > 1]
    missing = [row["path"] for row in kept if not row["caption"]]
    return {
        "count": len(captions),
        "words": quantiles(words),
        "vocabulary": len(
            {word for caption in again for word in CAPTION_WORD.findall(caption.lower())}
        ),
        "repeated": len(repeated),
        "repeated_on": sum(count for _, count in repeated),
        "most_repeated": repeated[:20],
        "missing": len(missing),
        "missing_files": missing,
    }


def check_report(about, originals, kept, duplicates, rejected, earlier, alike):
    """All that is known of a source, as JSON's own types. about: what it is and how it was looked at; the rest as dataset_preparation has
    it: rows of original and finding, what select() makes of them, rows of prepared_before, and look_alikes of [*earlier, *kept]."""
    rows = {row["path"]: row for row in originals}
    blank = {
        "nearly_black": [row for row in kept if row["high"] < DARK],
        "nearly_white": [row for row in kept if row["low"] > LIGHT],
    }
    empty = {row["path"] for found in blank.values() for row in found}
    groups = {}
    for row, group in zip(kept, alike[len(earlier) :]):
        # an empty black and an empty white picture look the same to look()
        if row["path"] not in empty:
            groups.setdefault(group, []).append(row)
    groups = [group for group in groups.values() if len(group) > 1]
    drawn = sorted(
        (row for row in kept if row["path"] not in empty),
        key=lambda row: (row["sharp"], row["path"]),
    )
    short, long = ([side(row["width"], row["height"]) for row in kept] for side in (min, max))
    aspects = [row["width"] / row["height"] for row in kept]
    near = [(row, group[0]) for group in groups for row in group[1:]]
    return {
        **about,
        "valid": len(kept) + len(duplicates),
        "rejected": len(rejected),
        "distinct": len(kept),
        "grey": sum(row["grey"] for row in kept),
        "rejected_by_reason": dict(Counter(row["reason"] for row in rejected).most_common()),
        "exact_duplicates": twin_counts(
            [(rows[row["path"]], rows[row["same_as"]]) for row in duplicates]
        ),
        "near_duplicates": twin_counts(near) | {"groups": len(groups)},
        "collection": against(earlier, kept, alike),
        "sizes": {
            "short_side": quantiles(short),
            "long_side": quantiles(long),
            "enlarged": sum(side < about["size"] for side in long),
            "histogram": histogram(short, SIDES),
        },
        "aspect_ratio": quantiles(aspects) | {"histogram": histogram(aspects, ASPECTS)},
        "luminance": quantiles([row["light"] for row in kept])
        | {name: len(found) for name, found in blank.items()}
        | {
            "histogram": histogram([row["light"] for row in kept], TENTHS),
            **{f"{name}_files": [row["path"] for row in found] for name, found in blank.items()},
        },
        "sharpness": quantiles([row["sharp"] for row in kept])
        | {
            "is": f"variance of the Laplacian at {about['size']} px, margins left out",
            "histogram": histogram([row["sharp"] for row in kept], SHARPNESS),
            "blurriest": [[row["path"], row["sharp"]] for row in drawn[:5]],
        },
        "captions": of_captions(kept),
        "rejected_files": rejected,
        "duplicate_files": duplicates,
        "look_alike_files": [[row["path"] for row in group] for group in groups],
    }
