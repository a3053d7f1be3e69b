"""Pictures and captions of a folder, as its annotation files say.

A bad row is never fatal: it becomes a rejection. A caption is read letter by letter.
"""

import contextlib
import itertools
import json
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from oneseed.console.command import UserError
from oneseed.dataset.commands import prepare_command
from oneseed.dataset.jsonl import Row
from oneseed.dataset.writers import SIDECAR_FORMATS
from oneseed.files import suffix_of
from oneseed.sources.formats import (
    OTHER_SUFFIXES,
    READERS,
    SAMPLE_ROWS,
    SUFFIXES_OF_FORMAT,
    detect,
    is_metadata,
    one_caption,
    require_utf8,
)
from oneseed.sources.rejections import Rejection, rejection
from oneseed.sources.tables import (
    BYTE_ORDER_MARK,
    IMAGE_KEYS,
    PICTURE_SUFFIXES,
    TABLE_SUFFIXES,
    NumberedRow,
    parquet_rows,
    read_table,
    text_of,
)

NOTE_SUFFIXES = TABLE_SUFFIXES | {".txt"}
# how the bytes of a picture begin; everything else is taken for a JPEG
IMAGE_MAGIC: dict[str, bytes | tuple[bytes, ...]] = {
    ".png": b"\x89PNG",
    ".webp": b"RIFF",
    ".gif": b"GIF8",
    ".bmp": b"BM",
    ".tif": (b"II*\0", b"MM\0*"),
}


class FileState(NamedTuple):
    """What tells an earlier file from a later one; os.stat_result takes ten times the memory."""

    # bytes
    length: int
    # time of the last change, in nanoseconds
    mtime: int


@dataclass(frozen=True)
class Described:
    """What annotation files say."""

    # {path of a picture, which may be missing: row with caption, file, line and perhaps style}
    rows: dict[str, Row]
    # rows and files that say nothing of use
    lost: list[Rejection]
    # a row for each annotation file that was read: file, format, confidence (0 to 1), rows
    formats: list[Row]


def state_of(path: str | Path) -> FileState:
    """A file's length and time of change. FileNotFoundError where there is none."""
    state = os.stat(path)
    return FileState(state.st_size, state.st_mtime_ns)


def list_files(folder: Path, data: Path) -> dict[str, FileState | None]:
    """{path relative to folder, with /: a picture's state, or None of an annotation file}.

    At any depth. Hidden files and our own `data` folder are passed over.
    """
    listing = {}
    for base, folders, names in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__MACOSX")) and (Path(base) / name).resolve() != data
        ]
        below = Path(base).relative_to(folder).as_posix()
        for name in names:
            suffix = suffix_of(name)
            if name.startswith(".") or suffix not in PICTURE_SUFFIXES | NOTE_SUFFIXES:
                continue
            path = posixpath.normpath(posixpath.join(below, name))
            # a dangling link is no picture
            with contextlib.suppress(FileNotFoundError):
                is_picture = suffix in PICTURE_SUFFIXES
                listing[path] = state_of(os.path.join(base, name)) if is_picture else None
    return listing


def describe(
    names: Iterable[str],
    path_of: Callable[[str], Path],
    format_name: str = "auto",
    *,
    keep: Callable[[str, bytes], None] | None = None,
    base: str = "",
) -> Described:
    """What annotation files say of pictures; the first of several rows counts.

    names: paths (with /) of pictures and annotation files, below one root.
    path_of: where to read the annotation file of such a name.
    format_name: "auto", or the one that all annotation files have.
    keep: stores a picture that lies inside a Parquet file, by name and bytes.
    base: the root's absolute path, so that absolute names below it are found.
    UserError where the only file cannot be read.
    """
    names = set(names)
    described = Described({}, [], [])
    for name in annotation_files(names, format_name):
        try:
            rows = read_table(name, path_of(name))
            first = list(itertools.islice(rows, SAMPLE_ROWS))
        except UserError as error:
            if len(names) == 1:
                raise
            described.lost.append(rejection(name, str(error), file=name))
            continue
        known_format, confidence = choose_format(name, first, format_name)
        # some other table that lies about
        unsure = confidence <= 0.5 and len(names) > 1 and not is_metadata(name)
        if known_format is None or unsure:
            continue
        reader = TableReader(
            name=name, format_name=known_format, confidence=confidence, keep=keep, base=base
        )
        found = reader.read(itertools.chain(first, rows))
        for path, row in found.rows.items():
            described.rows.setdefault(path, row)
        described.lost.extend(found.lost)
        described.formats.extend(found.formats)
    if format_name == "auto" or format_name in SIDECAR_FORMATS:
        found = describe_sidecars(names, path_of, described.rows)
        described.rows.update(found.rows)
        described.lost.extend(found.lost)
        described.formats.extend(found.formats)
    return described


def annotation_files(names: Set[str], format_name: str) -> list[str]:
    """The names that may be annotation files of many pictures, an imagefolder's own first."""
    if format_name in SIDECAR_FORMATS:
        return []
    suffixes = TABLE_SUFFIXES
    if format_name != "auto":
        suffixes = SUFFIXES_OF_FORMAT.get(format_name, OTHER_SUFFIXES)
    stems = {posixpath.splitext(name)[0] for name in names if suffix_of(name) in PICTURE_SUFFIXES}
    found = []
    for name in names:
        is_sidecar = suffix_of(name) == ".json" and posixpath.splitext(name)[0] in stems
        if suffix_of(name) in suffixes and not is_sidecar:
            found.append(name)
    return sorted(found, key=lambda name: (not is_metadata(name), name))


def choose_format(
    name: str, first: Iterable[NumberedRow], format_name: str
) -> tuple[str | None, float]:
    """The format of an annotation file, None where it has none, and the confidence, 0 to 1."""
    if format_name != "auto":
        return format_name, 1.0
    known_format, confidence = detect(name, first)
    if known_format is None and is_metadata(name):
        known_format = "imagefolder"
    return known_format, confidence


@dataclass(frozen=True, kw_only=True)
class TableReader:
    """Reads one annotation file of a known format. keep, base: as in describe."""

    name: str
    format_name: str
    # 0 to 1
    confidence: float
    keep: Callable[[str, bytes], None] | None
    base: str

    def read(self, numbered_rows: Iterable[NumberedRow]) -> Described:
        """What the rows say; the first row of a picture counts."""
        rows = {}
        lost = []
        count = 0
        for line, row in numbered_rows:
            try:
                path, known = self.read_row(line, row)
            except ValueError as error:
                lost.append(rejection(self.name, str(error), file=self.name, line=line))
                continue
            rows.setdefault(path, known)
            count += 1
        found_format = {
            "file": self.name,
            "format": self.format_name,
            "confidence": round(self.confidence, 2),
            "rows": count,
        }
        return Described(rows, lost, [found_format])

    def read_row(self, line: int, row: Row | str) -> tuple[str, Row]:
        """A picture's path and what is known of it. ValueError says why there is nothing."""
        if isinstance(row, str):
            raise ValueError(row)
        image, caption = READERS[self.format_name](row)
        if isinstance(image, bytes):
            path = self.keep_embedded(line, image)
        else:
            path = path_below(self.name, image, self.base)
        known = {"caption": caption}
        style = row.get("style")
        if isinstance(style, str) and style.strip():
            known["style"] = require_utf8(style)
        member = row.get("member")
        if isinstance(member, str):
            known["member"] = member
        return path, {**known, "file": self.name, "line": line}

    def keep_embedded(self, line: int, image: bytes) -> str:
        """Stores a picture that lies inside the file -> the name that it gets."""
        if self.keep is None:
            raise ValueError("holds the picture itself; name the file as --source")
        path = f"{self.name}/{line:06}{suffix_inside(image)}"
        self.keep(path, image)
        return path


def path_below(name: str, image: str, base: str) -> str:
    """The path below the root of a picture that the annotation file `name` names.

    base: the root's absolute path, or "". ValueError where the path leads out of the root.
    """
    image = image.replace("\\", "/")
    root = base.rstrip("/") + "/"
    if base and image.startswith(root):
        image = image.removeprefix(root)
    else:
        image = posixpath.join(posixpath.dirname(name), image)
    path = posixpath.normpath(image)
    leads_out = path.startswith(("/", "../")) or path == ".." or re.match(r"[A-Za-z]:", path)
    if leads_out or "\0" in path:
        raise ValueError("the image lies outside of the folder")
    return path


def suffix_inside(image: bytes) -> str:
    """Suffix for a picture's bytes, by how they begin."""
    return next((suffix for suffix, mark in IMAGE_MAGIC.items() if image.startswith(mark)), ".jpg")


def describe_sidecars(
    names: Set[str], path_of: Callable[[str], Path], rows: dict[str, Row]
) -> Described:
    """What the .txt and .json files say that bear a picture's name.

    rows: what tables say already; a caption and style of these stay.
    """
    found_rows = {}
    lost = []
    pictures = sorted(name for name in names if suffix_of(name) in PICTURE_SUFFIXES)
    for picture in pictures:
        stem = posixpath.splitext(picture)[0]
        row = rows.get(picture, {})
        found = {}
        if f"{stem}.json" in names:
            try:
                found = read_json_sidecar(path_of(f"{stem}.json"))
            except (OSError, ValueError, RecursionError) as error:
                lost.append(rejection(picture, json_problem(error), file=f"{stem}.json"))
        if not row.get("caption") and f"{stem}.txt" in names:
            text = read_text_sidecar(path_of(f"{stem}.txt"))
            found["caption"] = text if text.strip() else found.get("caption", "")
        if found:
            caption = row.get("caption") or found.get("caption", "")
            found_rows[picture] = {"file": stem, "line": 0, **found, **row, "caption": caption}
    if not found_rows:
        return Described({}, lost, [])
    found_format = {
        "file": "",
        "format": "sidecar",
        "confidence": round(len(found_rows) / len(pictures), 2),
        "rows": len(found_rows),
    }
    return Described(found_rows, lost, [found_format])


def read_json_sidecar(path: Path) -> Row:
    """Caption and perhaps style. ValueError, OSError or RecursionError where it says none."""
    known = json.loads(text_of(path.read_bytes()))
    if not isinstance(known, dict):
        raise ValueError("no JSON object")
    found = {"caption": one_caption(known)}
    if isinstance(known.get("style"), str):
        found["style"] = require_utf8(known["style"])
    return found


def json_problem(error: Exception) -> str:
    """Why a JSON file says nothing."""
    is_no_json = isinstance(error, (json.JSONDecodeError, RecursionError))
    return "no JSON" if is_no_json else str(error)


def read_text_sidecar(path: Path) -> str:
    """The file's text; bytes that are no UTF-8 become U+FFFD."""
    return path.read_bytes().removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace")


def holds_pictures(path: Path) -> bool:
    """True for a Parquet file with the pictures' bytes inside.

    UserError without pyarrow, or where the file is no Parquet.
    """
    first = [row for _, row in itertools.islice(parquet_rows(path), SAMPLE_ROWS)]
    if first and isinstance(first[0], str):
        raise UserError(f"{path} is {first[0]}; name another: {prepare_command()}")
    for row in first:
        for key in (*IMAGE_KEYS, "images"):
            value = row.get(key) if isinstance(row, dict) else None
            images = value if isinstance(value, list) else [value]
            if any(has_bytes(image) for image in images):
                return True
    return False


def has_bytes(image: Any) -> bool:
    """True where a value of a picture's column is the picture itself, or a struct with it."""
    return isinstance(image.get("bytes") if isinstance(image, dict) else image, bytes)
