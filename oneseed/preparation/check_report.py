"""A checked source as a report of JSON's own types: what is valid, and what is doubtful.

Everything is measured on the picture as it would be prepared, without its white margins. Names and
captions come from strangers and stand in the report as they are.
"""

import posixpath
from collections import Counter
from dataclasses import dataclass

from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.segmentation import split_words
from oneseed.preparation.check_measures import (
    ASPECTS,
    SHARPNESS,
    SIDES,
    TENTHS,
    histogram,
    quantiles,
)
from oneseed.preparation.duplicates import MergedTwins
from oneseed.preparation.examine import is_finding
from oneseed.preparation.journal import each_finding
from oneseed.preparation.report import count_reasons
from oneseed.sources.rejections import how_many, lost_captions, lost_pictures

# grey values, 0 to 255: the 99th percentile of a nearly black picture lies below
DARK = 32
# the 1st percentile of a nearly white picture lies above
LIGHT = 223
# captions, and pairs of folders, that the report lists
MAX_LISTED = 20
BLURRIEST = 5
# an original and the one it is a twin of
Twins = list[tuple[Row, Row]]


@dataclass(frozen=True)
class CheckedSource:
    """All that the report is made of; rows are of original and finding, measures included."""

    # what was looked at and how, as the report begins
    about: Row
    originals: list[Row]
    merged: MergedTwins
    # of unusable originals and of what is described but not there, see report.rejected_rows
    rejected: list[Row]
    # rows of the prepared collection, see prepared_before
    earlier: list[Row]
    # number of the group of each of [*earlier, *kept], see duplicates.look_alikes
    group_of_all: list[int]

    @property
    def kept(self) -> list[Row]:
        """The usable pictures, each once."""
        return self.merged.kept

    @property
    def group_of_kept(self) -> list[int]:
        """Number of the group of each of `kept`."""
        return self.group_of_all[len(self.earlier) :]

    @property
    def group_of_earlier(self) -> list[int]:
        """Number of the group of each of `earlier`."""
        return self.group_of_all[: len(self.earlier)]


def check_report(source: CheckedSource) -> Row:
    """All that is known of a source, as JSON's own types."""
    kept = source.kept
    lost = lost_pictures(source.rejected)
    passed_over = lost_captions(source.rejected)
    duplicates = source.merged.duplicates
    black = [row for row in kept if row["high"] < DARK]
    white = [row for row in kept if row["low"] > LIGHT]
    empty = {row["path"] for row in [*black, *white]}
    groups = groups_of_look_alikes(source, empty)
    by_path = {row["path"]: row for row in source.originals}
    exact = [(by_path[row["path"]], by_path[row["same_as"]]) for row in duplicates]
    near = [(row, group[0]) for group in groups for row in group[1:]]
    return {
        **source.about,
        "valid": len(kept) + len(duplicates),
        "rejected": how_many(lost),
        "passed_over": how_many(passed_over),
        "distinct": len(kept),
        "grey": sum(row["grey"] for row in kept),
        "colour": sum(row["colour"] for row in kept),
        "rejected_by_reason": count_reasons(lost),
        "passed_over_by_reason": count_reasons(passed_over),
        "exact_duplicates": twin_counts(exact),
        "near_duplicates": twin_counts(near) | {"groups": len(groups)},
        "collection": compare_with_collection(source),
        "sizes": sizes_of(kept, source.about["size"]),
        "aspect_ratio": aspects_of(kept),
        "luminance": luminance_of(kept, black, white),
        "sharpness": sharpness_of(kept, source.about["size"], empty),
        "captions": captions_of(kept),
        "rejected_files": source.rejected,
        "duplicate_files": duplicates,
        "look_alike_files": [paths_of(group) for group in groups],
    }


def paths_of(rows: list[Row]) -> list[str]:
    """The paths of some originals."""
    return [row["path"] for row in rows]


def groups_of_look_alikes(source: CheckedSource, empty: set[str]) -> list[list[Row]]:
    """Groups of two or more kept rows that look alike.

    empty: paths that are left out, for an empty black and an empty white picture have equal hashes.
    """
    groups: dict[int, list[Row]] = {}
    for row, group in zip(source.kept, source.group_of_kept):
        if row["path"] not in empty:
            groups.setdefault(group, []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def twin_counts(twins: Twins) -> Row:
    """How many twins there are, where they lie from each other, and the folders that share most."""
    shared = Counter(
        (folder_of(twin), folder_of(row))
        for row, twin in twins
        if relation(row, twin) != "within a folder"
    )
    return {
        "count": len(twins),
        "where": dict(Counter(relation(row, twin) for row, twin in twins).most_common()),
        "across_styles": sum(row["style"] != twin["style"] for row, twin in twins),
        "folders": [[*names, count] for names, count in shared.most_common(MAX_LISTED)],
    }


def folder_of(row: Row) -> str:
    """The folder of an original, "." for the source's own."""
    return posixpath.dirname(row["path"]) or "."


def relation(row: Row, twin: Row) -> str:
    """Where two rows lie from each other."""
    if row["source"] != twin["source"]:
        return "across sources"
    return "within a folder" if folder_of(row) == folder_of(twin) else "across folders"


def prepared_before(collection: Collection) -> list[Row]:
    """The collection's pictures as far as it was prepared.

    Rows of original, sha256, look, and split, which is "" before captions were dealt.
    """
    hashes = {
        line["sha256"]: line["look"]
        for line in each_finding(collection.processed / "prepared.jsonl")
        if is_finding(line) and "look" in line
    }
    splits = {}
    for path in collection.split_files():
        if path.exists():
            splits |= {pair["id"]: pair["split"] for pair in collection.each_pair(path)}
    return [
        {
            "original": row.get("original", row["filename"]),
            "sha256": row["sha256"],
            "look": hashes[row["sha256"]],
            "split": splits.get(row["id"], ""),
        }
        for row in collection.each_metadata()
        if row["sha256"] in hashes
    ]


def compare_with_collection(source: CheckedSource) -> Row | None:
    """The source beside the collection as it is prepared, None where it is not.

    What is in it already, what looks like something in it, and groups of look-alikes, new ones
    included, that have members in both splits.
    """
    if not source.earlier:
        return None
    by_hash = {row["sha256"]: row for row in source.earlier}
    groups: dict[int, list[Row]] = {}
    for row, group in zip(source.earlier, source.group_of_earlier):
        groups.setdefault(group, []).append(row)
    same = []
    similar = []
    for row, group in zip(source.kept, source.group_of_kept):
        twin = by_hash.get(row["sha256"])
        if twin:
            same.append(twin)
        elif group in groups:
            first = groups[group][0]
            similar.append(
                {"path": row["path"], "like": first["original"], "split": first["split"]}
            )
    return {
        "pictures": len(source.earlier),
        "in_it": len(same),
        "in_it_by_split": count_splits(same),
        "look_alikes": len(similar),
        "look_alikes_by_split": count_splits(similar),
        "new": len(source.kept) - len(same) - len(similar),
        "look_alike_files": similar,
        "leaks": [leak_rows(group) for group in groups.values() if is_leak(group)],
    }


def count_splits(rows: list[Row]) -> dict[str, int]:
    """{split: count}, the commonest first."""
    return dict(Counter(row["split"] or "no split" for row in rows).most_common())


def is_leak(group: list[Row]) -> bool:
    """Whether look-alikes stand in both splits."""
    return {"train", "val"} <= {row["split"] for row in group}


def leak_rows(group: list[Row]) -> list[Row]:
    """A leak as the report has it."""
    return [{"original": row["original"], "split": row["split"]} for row in group]


def sizes_of(kept: list[Row], size: int) -> Row:
    """The originals' sides in pixels. size: of the prepared pictures."""
    short = [min(row["width"], row["height"]) for row in kept]
    long = [max(row["width"], row["height"]) for row in kept]
    return {
        "short_side": quantiles(short),
        "long_side": quantiles(long),
        "enlarged": sum(side < size for side in long),
        "histogram": histogram(short, SIDES),
    }


def aspects_of(kept: list[Row]) -> Row:
    """The originals' width by height."""
    aspects = [row["width"] / row["height"] for row in kept]
    return {**quantiles(aspects), "histogram": histogram(aspects, ASPECTS)}


def luminance_of(kept: list[Row], black: list[Row], white: list[Row]) -> Row:
    """Mean luminance, and the pictures that are nearly black or nearly white."""
    values = [row["light"] for row in kept]
    return {
        **quantiles(values),
        "nearly_black": len(black),
        "nearly_white": len(white),
        "histogram": histogram(values, TENTHS),
        "nearly_black_files": [row["path"] for row in black],
        "nearly_white_files": [row["path"] for row in white],
    }


def sharpness_of(kept: list[Row], size: int, empty: set[str]) -> Row:
    """Sharpness, and the blurriest pictures that are not empty. empty: paths."""
    values = [row["sharp"] for row in kept]
    drawn = [row for row in kept if row["path"] not in empty]
    drawn.sort(key=lambda row: (row["sharp"], row["path"]))
    return {
        **quantiles(values),
        "is": f"variance of the Laplacian at {size} px, margins left out",
        "histogram": histogram(values, SHARPNESS),
        "blurriest": [[row["path"], row["sharp"]] for row in drawn[:BLURRIEST]],
    }


def captions_of(kept: list[Row]) -> Row:
    """Lengths in words, vocabulary, repeated captions, and pictures without one."""
    captions = [row["caption"] for row in kept if row["caption"]]
    missing = [row["path"] for row in kept if not row["caption"]]
    counts = Counter(captions)
    repeated = [[caption, count] for caption, count in counts.most_common() if count > 1]
    vocabulary = set()
    for caption in counts:
        vocabulary.update(split_words(caption))
    return {
        "count": len(captions),
        "words": quantiles([len(split_words(caption)) for caption in captions]),
        "vocabulary": len(vocabulary),
        "repeated": len(repeated),
        "repeated_on": sum(count for _, count in repeated),
        "most_repeated": repeated[:MAX_LISTED],
        "missing": len(missing),
        "missing_files": missing,
    }
