"""Pictures and captions of a folder, as its annotation files say.

Annotated pictures in the formats that other tools write: recognised, read row by row, and written again.

imagefolder   metadata.jsonl or .csv: {"file_name": "1.png", "text": "a castle"}            datasets, diffusers
jsonl         any .jsonl or .json list: {"image": "1.png", "caption": "a castle"}           datasets
sidecar       1.png beside 1.txt                                                            kohya
webdataset    the same, with 1.json, in a .tar                                              webdataset, open_clip, img2dataset
clip          .csv or .tsv with a header: filepath, title                                   open_clip
llava         .json list: {"image": "1.png", "conversations": [{"from": "gpt", …}]}         LLaVA
qwen          .json or .jsonl: {"images": ["1.png"], "messages": [{"role": …}]}             Qwen2-VL, TRL, LLaMA-Factory
instruct      .json list: {"image_path": "1.png", "instruction": "…", "output": "a castle"}
parquet       columns image (struct of bytes and path, or a path) and text                  datasets

A row in: {"image": path below the file's folder, or bytes, "caption": "" where there is none, "style": where one is said}.
A bad row is never fatal: it becomes {"path", "reason", "file", "line"}. A caption is read and written letter by letter.
"""

import contextlib
import itertools
import json
import os
import posixpath
import re
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.files import suffix_of
from oneseed.sources.formats import (
    READERS,
    SAMPLE_ROWS,
    SUFFIXES_OF_FORMAT,
    detect,
    is_metadata,
    one_caption,
    sound,
)
from oneseed.sources.rejections import rejection
from oneseed.sources.tables import (
    IMAGE,
    SUFFIXES,
    TABLES,
    parquet_rows,
    read_table,
    text_of,
)

NOTE_SUFFIXES = TABLES | {".txt"}
IMAGE_MAGIC = {
    ".png": b"\x89PNG",
    ".webp": b"RIFF",
    ".gif": b"GIF8",
    ".bmp": b"BM",
    ".tif": (b"II*\0", b"MM\0*"),
}


def list_files(folder, data):
    """{path relative to folder, with /: None, or state_of a picture} of pictures and annotation files at any depth. Hidden files and our
    own `data` folder are passed over."""
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
            if not name.startswith(".") and suffix in SUFFIXES | NOTE_SUFFIXES:
                # a dangling link is no picture
                with contextlib.suppress(FileNotFoundError):
                    listing[posixpath.normpath(posixpath.join(below, name))] = (
                        state_of(os.path.join(base, name)) if suffix in SUFFIXES else None
                    )
    return listing


def state_of(path):
    """File -> (bytes, time of its last change); what os.stat returns takes ten times the memory."""
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns


def describe(names, path_of, format="auto", keep=None, base=""):
    """What is known of pictures -> (rows, lost, seen).

    names: paths (with /) of pictures and annotation files, below one root. path_of(name) -> Path to read an annotation file from.
    format: "auto", or the one that all annotation files have. keep(name, bytes): stores a picture that lies inside a Parquet file.
    base: the root's absolute path, so that absolute names below it are found.
    rows: {path of a picture, which may be missing: row with caption, file, line and perhaps style}; the first of several rows counts.
    lost: bad rows; seen: what was read: {"file", "format", "confidence", "rows"}.
    """
    names = set(names)
    stems = {posixpath.splitext(name)[0] for name in names if suffix_of(name) in SUFFIXES}

    def beside(name):
        return suffix_of(name) == ".json" and posixpath.splitext(name)[0] in stems

    rows = {}
    lost = []
    seen = []
    tables = sorted(
        (name for name in names if suffix_of(name) in TABLES and not beside(name)),
        key=lambda name: (not is_metadata(name), name),
    )
    for name in tables if format not in ("sidecar", "webdataset") else ():
        if format != "auto" and suffix_of(name) not in SUFFIXES_OF_FORMAT.get(
            format, {".json", ".jsonl", ".parquet"}
        ):
            continue
        try:
            found = read_table(name, path_of(name))
            first = list(itertools.islice(found, SAMPLE_ROWS))
        except UserError as error:
            if len(names) == 1:
                raise
            lost.append(rejection(name, str(error), name, 0))
            continue
        known, certainty = detect(name, first)
        known, certainty = (
            (format, 1.0)
            if format != "auto"
            else ("imagefolder", certainty)
            if is_metadata(name) and not known
            else (known, certainty)
        )
        # some other table that lies about
        if known is None or (certainty <= 0.5 and len(names) > 1 and not is_metadata(name)):
            continue
        count = 0
        for line, row in itertools.chain(first, found):
            try:
                if isinstance(row, str):
                    raise ValueError(row)
                image, caption = READERS[known](row)
                path = (
                    embedded(name, line, image, keep)
                    if isinstance(image, bytes)
                    else located(name, image, base)
                )
                style = row.get("style")
                style = {"style": sound(style)} if isinstance(style, str) and style.strip() else {}
                member = {"member": row["member"]} if isinstance(row.get("member"), str) else {}
                rows.setdefault(
                    path, {"caption": caption, **style, **member, "file": name, "line": line}
                )
                count += 1
            except ValueError as error:
                lost.append(rejection(name, str(error), name, line))
        seen.append(
            {"file": name, "format": known, "confidence": round(certainty, 2), "rows": count}
        )
    lost += (
        sidecars(names, path_of, rows, seen) if format in ("auto", "sidecar", "webdataset") else []
    )
    return rows, lost, seen


def located(name, image, base):
    """Path of a picture that the annotation file `name` names. ValueError where it leads out of the root."""
    root = base.rstrip("/") + "/"
    image = image.replace("\\", "/")
    below = base and image.startswith(root)
    path = posixpath.normpath(
        image.removeprefix(root) if below else posixpath.join(posixpath.dirname(name), image)
    )
    if (
        path.startswith(("/", "../"))
        or path == ".."
        or re.match(r"[A-Za-z]:", path)
        or "\0" in path
    ):
        raise ValueError("the image lies outside of the folder")
    return path


def suffix_inside(image):
    """Suffix for a picture's bytes, by how they begin."""
    return next((suffix for suffix, mark in IMAGE_MAGIC.items() if image.startswith(mark)), ".jpg")


def embedded(name, line, image, keep):
    if keep is None:
        raise ValueError("holds the picture itself; name the file as --source")
    path = f"{name}/{line:06}{suffix_inside(image)}"
    keep(path, image)
    return path


def sidecars(names, path_of, rows, seen):
    """Fills rows from the .txt or .json with the picture's name; a caption that a table gave stays -> bad ones."""
    lost = []
    count = 0
    pictures = sorted(name for name in names if suffix_of(name) in SUFFIXES)
    for picture in pictures:
        stem = posixpath.splitext(picture)[0]
        row = rows.get(picture, {})
        found = {}
        if stem + ".json" in names:
            try:
                known = json.loads(text_of(path_of(stem + ".json").read_bytes()))
                if not isinstance(known, dict):
                    raise ValueError("no JSON object")
                found = {
                    "caption": one_caption(known),
                    **{
                        key: sound(known[key])
                        for key in ("style",)
                        if isinstance(known.get(key), str)
                    },
                }
            except (OSError, ValueError, RecursionError) as error:
                reason = (
                    "no JSON"
                    if isinstance(error, (json.JSONDecodeError, RecursionError))
                    else str(error)
                )
                lost.append(rejection(picture, reason, stem + ".json", 0))
        if not row.get("caption") and stem + ".txt" in names:
            text = (
                path_of(stem + ".txt")
                .read_bytes()
                .removeprefix(b"\xef\xbb\xbf")
                .decode("utf-8", "replace")
            )
            found = {**found, "caption": text if text.strip() else found.get("caption", "")}
        if found:
            count += 1
            rows[picture] = {
                "file": stem,
                "line": 0,
                **found,
                **row,
                "caption": row.get("caption") or found.get("caption", ""),
            }
    if count:
        seen.append(
            {
                "file": "",
                "format": "sidecar",
                "confidence": round(count / len(pictures), 2),
                "rows": count,
            }
        )
    return lost


def holds_pictures(path):
    """True for a Parquet file with the pictures' bytes inside. UserError without pyarrow, or where the file is none."""
    first = list(itertools.islice(parquet_rows(path), SAMPLE_ROWS))
    if first and isinstance(first[0][1], str):
        raise UserError(
            f"{path} is {first[0][1]}; name another: python dataset_preparation.py --source PATH"
        )
    values = [
        row.get(key) for _, row in first if isinstance(row, dict) for key in (*IMAGE, "images")
    ]
    values += [part for value in values if isinstance(value, list) for part in value]
    return any(
        isinstance(value.get("bytes") if isinstance(value, dict) else value, bytes)
        for value in values
    )
