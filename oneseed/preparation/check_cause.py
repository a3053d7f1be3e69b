"""Why a source holds nothing usable, most likely, and what to do."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from oneseed.config.preparation import PrepareConfig
from oneseed.dataset.commands import data_flag, flag, prepare_command, script_command, size_flags
from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of
from oneseed.media.clip import INSTALL_VIDEO
from oneseed.media.decoding import EMPTY_PICTURE
from oneseed.media.kinds import OTHER_KINDS, UNREAD_SOUNDS, VIDEO_KINDS
from oneseed.preparation.report import count_found, count_reasons, join_counts, picture_suffixes
from oneseed.sources.gather import source_names
from oneseed.sources.rejections import lost_captions, lost_pictures
from oneseed.sources.survey import Survey
from oneseed.sources.tables import TABLE_SUFFIXES
from oneseed.sources.walking import walk_folder
from oneseed.synthetic.collections import DRAWN_STYLES


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
    "HEIC needs": Remedy(
        "the library that reads HEIC is missing",
        "install it, pip install pillow-heif, and run the same command again, or convert them to "
        "JPEG or PNG",
    ),
    **{
        f"{kind} is not read": Remedy("their kind is not read", "convert them to PNG or JPEG")
        for kind in OTHER_KINDS
    },
    **{
        f"{kind} needs PyAV": Remedy(
            "the library that reads videos is missing",
            f"install it, {INSTALL_VIDEO}, and run the same command again",
        )
        for kind in VIDEO_KINDS
    },
    "sounds need": Remedy(
        "the libraries that read sounds are missing",
        "install them, pip install soundfile scipy, and run the same command again",
    ),
    **{
        f"{kind} is not read": Remedy("their kind is not read", "convert them to WAV or FLAC")
        for kind in UNREAD_SOUNDS
    },
    "encrypted": Remedy("the archive wants a password", "unpack it yourself and name the folder"),
    "neither a picture": Remedy("the archive holds other files", "name one with pictures"),
    "an archive within": Remedy(
        "the archive holds further archives", "unpack it and name the folder of those"
    ),
    "cannot be read as an archive": Remedy("a download was cut off", "fetch it again"),
    "a link to a folder": Remedy("links lead round in a circle", "name the folder of the pictures"),
    "a link that leads": Remedy(
        "what the links led to was moved", "name the folder where the pictures are now"
    ),
}
# by the suffixes of files that are neither pictures nor archives that are read
REMEDY_OF_SUFFIXES = {
    (*(".7z", ".rar", ".zst", ".gz", ".bz2", ".xz", ".lz", ".iso"),): "unpack them first",
    (*(".part", ".crdownload", ".download", ".aria2", ".incomplete"),): (
        "wait for the end of the download"
    ),
    (*(".lnk", ".url", ".webloc"),): "name the folder to which the shortcuts lead",
    (*(".pdf", ".djvu", ".epub", ".docx", ".pptx"),): "save their pictures as JPEG or PNG",
    (*(".mp4", ".mov", ".avi", ".mkv", ".webm"),): "save some of their frames as JPEG or PNG",
    (*(".tfrecord", ".h5", ".hdf5", ".npy", ".npz", ".pkl", ".pt", ".mdb", ".beton"),): (
        "write their pictures to files with the library that made them"
    ),
    (*sorted(TABLE_SUFFIXES), ".txt", ".caption"): (
        "put the pictures beside their captions, or name the folder that holds both"
    ),
}
EMPTY_FILES = Remedy("the files are empty", "the download or copy was cut off, fetch them again")
UNKNOWN_REMEDY = Remedy(
    "the source is damaged or not of a known form",
    "fetch it again, or compare it with an example: "
    + script_command("dataset_preparation.py", "--template jsonl"),
)


def cause(report: Row, survey: Survey, config: PrepareConfig) -> str:
    """Report of a check without a usable picture -> the sentence that says why, and what to do."""
    if not report["found"]:
        return no_pictures(survey, config)
    if not report["rejected"]:
        return only_other_styles(survey, config)
    return no_usable_picture(survey, lost_pictures(report["rejected_files"]), config.smallest)


def no_pictures(survey: Survey, config: PrepareConfig) -> str:
    """The sentence for sources that hold no picture at all."""
    suffixes = suffixes_of_files(survey, Path(config.data).resolve())
    counts = dict(suffixes.most_common(3))
    what = f"but {join_counts(counts)}" if counts else "and no other file"
    remedy = next(
        (remedy for known, remedy in REMEDY_OF_SUFFIXES.items() if counts.keys() & set(known)), ""
    )
    ways = f"{remedy}, or name another folder" if remedy else "name another folder"
    look = "--check" if config.check else ""
    of_links = [row for row in survey.lost if row["reason"].startswith(("a link", "no plain"))]
    passed_over = f"; passed over: {join_counts(count_reasons(of_links))}" if of_links else ""
    return (
        f"{source_names(survey.sources)} holds no pictures ({picture_suffixes()}) {what}"
        f"{passed_over}: {ways}, {prepare_command(options=look)}"
    )


def suffixes_of_files(survey: Survey, data: Path) -> Counter[str]:
    """{suffix: count} of the files in the folders and archives that are sources.

    data: as in walk_folder.
    """
    folders = [source.folder for source in survey.sources if source.formats is None]
    paths = [path for folder in folders for path in walk_folder(folder, data).files]
    counts = Counter(suffix_of(path) or "without a suffix" for path in paths)
    if len(folders) < len(survey.sources):
        for row in lost_captions(survey.lost):
            counts[suffix_of(row["path"]) or "without a suffix"] += row.get("count", 1)
    return counts


def only_other_styles(survey: Survey, config: PrepareConfig) -> str:
    """The sentence for sources whose pictures all belong to other styles than the wanted one."""
    others = dict(survey.other_styles.most_common())
    # no names of a collection of one's own
    named = next((style for style in others if style not in ("all", *DRAWN_STYLES)), "all")
    command = script_command(
        "dataset_preparation.py",
        flag("source", config.source, "kaggle"),
        flag("style", named),
        size_flags(config.image_size),
        "--check" if config.check else "",
        data_flag(config.data),
    )
    return (
        f"none of the {count_found(survey):,} pictures in {source_names(survey.sources)} is of "
        f"style {config.style}, they are of {join_counts(others)}: choose one of these, {command}, "
        "or take every style together with --style all"
    )


def no_usable_picture(survey: Survey, rejected: list[Row], smallest: int) -> str:
    """The sentence for sources of which every picture was rejected. rejected: see report."""
    lost = lost_pictures(rejected)
    reasons = count_reasons(lost)
    commonest = next(iter(reasons))
    first = next(row["path"] for row in lost if row["reason"] == commonest)
    why, remedy = remedy_of(commonest, survey.folder / first, smallest)
    return (
        f"none of the {count_found(survey):,} pictures in {source_names(survey.sources)} can be "
        f"used ({join_counts(reasons)}), most likely because {why}; {remedy}"
    )


def remedy_of(reason: str, first: Path, smallest: int) -> Remedy:
    """The likely cause of the commonest reason. first: the first file that has it."""
    if reason.startswith("smaller than"):
        return Remedy(
            "they are thumbnails",
            f"find the full pictures, or take these with --smallest {smallest // 2}",
        )
    if reason == EMPTY_PICTURE:
        return EMPTY_FILES
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
        return EMPTY_FILES
    if head.startswith(b"version https://git-lfs"):
        return Remedy("they are pointers of Git LFS", "run git lfs pull in their folder")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return Remedy(
            "they are web pages under the names of pictures",
            "the server wants a log-in or has them no more, download them in another way",
        )
    return Remedy("the files are damaged or no pictures", "fetch them again")
