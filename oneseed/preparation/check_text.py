"""A check in words: for the terminal, and why nothing was usable."""

import math
import os
from collections import Counter

from oneseed.console import output
from oneseed.files import suffix_of
from oneseed.preparation.check_report import QUANTILES
from oneseed.sources import rejections

# rejected files shown; the report has all
MAX_LISTED = 25


def rejection_line(row):
    """A rejected row in words, with file and line where captions named it."""
    return rejections.describe_rejection({"file": row["path"], "line": 0, **row})


def join_counts(counts):
    """{name: count} -> "3 a, 1 b"."""
    return ", ".join(f"{count:,} {output.printable(name)}" for name, count in counts.items())


def overview(found):
    """Report -> rows of label, number and note, for terminal and page."""
    exact = found["exact_duplicates"]
    near = found["near_duplicates"]
    captions = found["captions"]
    earlier = found["collection"]

    def where(twins):
        return join_counts(twins["where"]) + (
            f"; {twins['across_styles']:,} of another style" if twins["across_styles"] else ""
        )

    words = captions["words"]
    yield "found", found["found"], ""
    yield "other style", found["other_style"], join_counts(found["other_styles"])
    yield "beyond --max-samples", found["beyond_max_samples"], "not looked at"
    yield "rejected", found["rejected"], join_counts(found["rejected_by_reason"])
    yield "valid", found["valid"], ""
    yield "exact duplicates", exact["count"], where(exact)
    yield (
        "distinct",
        found["distinct"],
        f"{found['grey']:,} grey, {found['distinct'] - found['grey']:,} colour",
    )
    yield (
        "near duplicates",
        near["count"],
        where(near) and f"{where(near)}; in {near['groups']:,} groups",
    )
    if found["distinct"]:
        yield "enlarged", found["sizes"]["enlarged"], f"whose long side is below {found['size']} px"
        yield "nearly black", found["luminance"]["nearly_black"], ""
        yield "nearly white", found["luminance"]["nearly_white"], ""
        yield (
            "captions",
            captions["count"],
            (
                f"{words['least']:.0f} to {words['most']:.0f} words, median {words['median']:.0f}; "
                f"{captions['vocabulary']:,} different words"
            )
            if words
            else "",
        )
        yield "without a caption", captions["missing"], ""
        yield (
            "repeated captions",
            captions["repeated"],
            f"on {captions['repeated_on']:,} pictures" if captions["repeated"] else "",
        )
    if earlier:
        yield "prepared before", earlier["pictures"], ""
        yield "already in it", earlier["in_it"], join_counts(earlier["in_it_by_split"])
        yield (
            "look like one in it",
            earlier["look_alikes"],
            join_counts(earlier["look_alikes_by_split"]),
        )
        yield "new to it", earlier["new"], ""
        yield (
            "in both splits",
            len(earlier["leaks"]),
            "groups of look-alikes with members in train and val" if earlier["leaks"] else "",
        )


# shown also where it is 0
ALWAYS_SHOWN = (
    "found",
    "rejected",
    "exact duplicates",
    "distinct",
    "near duplicates",
    "captions",
    "in both splits",
)


def tables(found):
    """Report -> (title, note, quantiles, histogram) of everything measured."""
    yield "Short side", "pixels", found["sizes"]["short_side"], found["sizes"]["histogram"]
    yield "Width to height", "", found["aspect_ratio"], found["aspect_ratio"]["histogram"]
    yield (
        "Mean luminance",
        "0 is black, 1 is white",
        found["luminance"],
        found["luminance"]["histogram"],
    )
    yield (
        "Sharpness",
        f"{found['sharpness']['is']}; low is blurred, enlarged or empty",
        found["sharpness"],
        found["sharpness"]["histogram"],
    )


def check_text(found, path):
    """Report -> lines for a terminal."""
    yield from (
        f"  {label:<21}{count:>7,}" + (f"   {note}" if note else "")
        for label, count, note in overview(found)
        if count or label in ALWAYS_SHOWN
    )
    for known in [
        known for known in found["formats"] if known["format"] not in ("imagefolder", "sidecar")
    ][:5]:
        yield f"  {output.printable(known['file'])}: {known['format']} (confidence {known['confidence']:.2f}), {known['rows']:,} rows"
    if found["rejected_files"]:
        yield "rejected"
        yield from (f"  {rejection_line(row)}" for row in found["rejected_files"][:MAX_LISTED])
        if found["rejected"] > MAX_LISTED:
            yield f"  … and {found['rejected'] - MAX_LISTED:,} more in {path}"
    for title, note, quantiles, counts in tables(found) if found["distinct"] else ():
        yield title.lower() + (f" ({note})" if note else "")
        yield "  " + "   ".join(f"{name} {quantiles[name]:g}" for name in QUANTILES)
        most = max(count for _, count in counts)
        yield from (
            f"  {label:<16}{count:>7,}  {'█' * math.ceil(30 * count / most)}"
            for label, count in counts
        )
    if found["sharpness"]["blurriest"]:
        yield "blurriest: " + ", ".join(
            f"{output.printable(name)} ({value:g})"
            for name, value in found["sharpness"]["blurriest"]
        )


# of what a reason begins with: likely cause, remedy
REMEDIES = (
    (
        "image not found",
        "the captions name files that do not lie where they say",
        "put the pictures there, seen from the file of captions, or name the folder that holds both",
    ),
    (
        "the image is a web address",
        "the captions name web addresses, and nothing is fetched from those",
        "download the pictures first and name them by file",
    ),
    (
        "the image lies outside",
        "the captions name files outside of their folder",
        "name the folder that holds captions and pictures",
    ),
    (
        "more than",
        "they are too large to be opened safely",
        "scale them down and run the same command again",
    ),
    (
        "cannot be opened",
        "you may not read them",
        "change the rights (chmod -R u+rX) and run the same command again",
    ),
    ("encrypted", "the archive wants a password", "unpack it yourself and name the folder"),
    ("neither a picture", "the archive holds other files", "name one with pictures"),
    (
        "",
        "the source is damaged or not of a known form",
        "fetch it again, or compare it with an example: python dataset_preparation.py --template jsonl",
    ),
)


def content_of(path):
    """First bytes of a file that is no picture -> (likely cause, remedy)."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError:
        head = b"?"
    if not head.strip(b"\0"):
        return "the files are empty", "the download or copy was cut off, fetch them again"
    if head.startswith(b"version https://git-lfs"):
        return "they are pointers of Git LFS", "run git lfs pull in their folder"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return (
            "they are web pages under the names of pictures",
            "the server wants a log-in or has them no more, download them in another way",
        )
    if head[4:8] == b"ftyp":
        return "they are HEIC or AVIF", "convert them to JPEG or PNG"
    return "the files are damaged or no pictures", "fetch them again"


def cause(found, folder, where, suffixes):
    """Report without a usable picture -> the sentence that says why, most likely, and what to do."""
    if not found["found"]:
        there = Counter(
            suffix_of(name) or "no suffix"
            for _, _, names in os.walk(folder)
            for name in names
            if not name.startswith(".")
        )
        there = f"{join_counts(dict(there.most_common(3)))}" if there else "nothing"
        return (
            f"{where} holds no pictures ({suffixes}) but {there}: convert the files to JPEG or PNG, or name another folder, "
            "python dataset_preparation.py --check --source PATH"
        )
    if not found["rejected"]:
        style = next(iter(found["other_styles"]))
        return (
            f"none of the {found['found']:,} pictures in {where} is of style {found['style']}, they are of {join_counts(found['other_styles'])}: choose one of these "
            f"with --style {style}, or --style all"
        )
    reason, count = next(iter(found["rejected_by_reason"].items()))
    first = next(row["path"] for row in found["rejected_files"] if row["reason"] == reason)
    if reason.startswith("smaller than"):
        why = "they are thumbnails"
        remedy = f"find the full pictures, or take these with --smallest {found['smallest'] // 2}"
    elif reason.startswith("unreadable"):
        why, remedy = content_of(folder / first)
    else:
        why, remedy = next(known[1:] for known in REMEDIES if reason.startswith(known[0]))
    return f"nothing in {where} can be used: {count:,} of {found['found']:,} {reason}, most likely because {why}; {remedy}"
