"""Why a checked source holds nothing usable, most likely, and what to do."""

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of
from oneseed.preparation.report import join_counts, picture_suffixes


class Remedy(NamedTuple):
    """A likely cause, and what the user can do."""

    cause: str
    remedy: str


# by what a reason begins with
REMEDIES = {
    "image not found": Remedy(
        "the captions name files that do not lie where they say",
        "put the pictures there, seen from the file of captions, or name the folder that holds "
        "both",
    ),
    "the image is a web address": Remedy(
        "the captions name web addresses, and nothing is fetched from those",
        "download the pictures first and name them by file",
    ),
    "the image lies outside": Remedy(
        "the captions name files outside of their folder",
        "name the folder that holds captions and pictures",
    ),
    "more than": Remedy(
        "they are too large to be opened safely",
        "scale them down and run the same command again",
    ),
    "cannot be opened": Remedy(
        "you may not read them",
        "change the rights (chmod -R u+rX) and run the same command again",
    ),
    "encrypted": Remedy("the archive wants a password", "unpack it yourself and name the folder"),
    "neither a picture": Remedy("the archive holds other files", "name one with pictures"),
}
UNKNOWN_REMEDY = Remedy(
    "the source is damaged or not of a known form",
    "fetch it again, or compare it with an example: python dataset_preparation.py --template jsonl",
)


def cause(report: Row, folder: Path, place: str) -> str:
    """Report without a usable picture -> the sentence that says why, and what to do.

    folder: where the paths of the report begin; place: the sources as the user knows them.
    """
    found = report["found"]
    if not found:
        return (
            f"{place} holds no pictures ({picture_suffixes()}) but {other_files(folder)}: "
            "convert the files to JPEG or PNG, or name another folder, "
            "python dataset_preparation.py --check --source PATH"
        )
    if not report["rejected"]:
        others = report["other_styles"]
        return (
            f"none of the {found:,} pictures in {place} is of style {report['style']}, they are of "
            f"{join_counts(others)}: choose one of these "
            f"with --style {next(iter(others))}, or --style all"
        )
    reason, count = next(iter(report["rejected_by_reason"].items()))
    first = next(row["path"] for row in report["rejected_files"] if row["reason"] == reason)
    why, remedy = remedy_of(reason, folder / first, report["smallest"])
    return (
        f"nothing in {place} can be used: {count:,} of {found:,} {reason}, "
        f"most likely because {why}; {remedy}"
    )


def other_files(folder: Path) -> str:
    """What a folder without pictures holds: the commonest suffixes."""
    suffixes = Counter()
    for _, _, names in os.walk(folder):
        visible = [name for name in names if not name.startswith(".")]
        suffixes.update(suffix_of(name) or "no suffix" for name in visible)
    return join_counts(dict(suffixes.most_common(3))) or "nothing"


def remedy_of(reason: str, first: Path, smallest: int) -> Remedy:
    """The likely cause of the commonest reason. first: the first file that has it."""
    if reason.startswith("smaller than"):
        return Remedy(
            "they are thumbnails",
            f"find the full pictures, or take these with --smallest {smallest // 2}",
        )
    if reason.startswith("unreadable"):
        return remedy_of_unreadable(first)
    for beginning, remedy in REMEDIES.items():
        if reason.startswith(beginning):
            return remedy
    return UNKNOWN_REMEDY


def remedy_of_unreadable(path: Path) -> Remedy:
    """The likely cause, by the first bytes of a file that is no picture."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError:
        head = b"?"
    if not head.strip(b"\0"):
        return Remedy("the files are empty", "the download or copy was cut off, fetch them again")
    if head.startswith(b"version https://git-lfs"):
        return Remedy("they are pointers of Git LFS", "run git lfs pull in their folder")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return Remedy(
            "they are web pages under the names of pictures",
            "the server wants a log-in or has them no more, download them in another way",
        )
    if head[4:8] == b"ftyp":
        return Remedy("they are HEIC or AVIF", "convert them to JPEG or PNG")
    return Remedy("the files are damaged or no pictures", "fetch them again")
