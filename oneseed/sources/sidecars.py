"""Files of captions that lie beside one picture each.

1.png    1.txt, 1.caption, 1.json, also 1.png.txt; capitals do not count
images/1.png    captions/1.txt, where only one picture fits
0001.input.png  0001.outputs.txt: a shard whose keys end at the first point
"""

import json
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from oneseed.dataset.code_texts import TRAVELLING_KEYS
from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of
from oneseed.sources.captions import all_captions, require_utf8, text_of_key, texts_in
from oneseed.sources.columns import CAPTION_KEYS, QUESTION_KEYS, TURN_KEYS, with_known_keys
from oneseed.sources.conversations import dialogue_in, is_conversation
from oneseed.sources.described import Described, format_row
from oneseed.sources.dialogues import asked_of
from oneseed.sources.names import PictureFinder, name_key, without_suffix
from oneseed.sources.rejections import Rejection, passed_over
from oneseed.sources.table_reader import labels_of
from oneseed.text_files import read_text_file

LAST_LINE_END = re.compile(r"\r?\n\Z")
# the first that says something counts
TEXT_SUFFIXES = (".txt", ".caption", ".captions", ".cap")
SIDECAR_SUFFIXES = (*TEXT_SUFFIXES, ".json")
# what the files beside a picture may say of it
SAID_KEYS = ("caption", "style", *TRAVELLING_KEYS)
# bytes of a .json that tells of one picture
MAX_JSON_BYTES = 2**24
# keys that a message lists
MAX_KEYS = 6
# what a message says of a text of boxes
NUMBERS_ALONE = "numbers alone"
# a line of a box as detectors have it: four numbers or more
BOX_NUMBER = r"[-+]?\.?\d[\d.]*(?:e[-+]?\d+)?"
BOX_LINE = re.compile(rf"\s*{BOX_NUMBER}(?:\s+{BOX_NUMBER}){{3,}}\s*", re.IGNORECASE)


class Sidecars(NamedTuple):
    """Which files of captions belong to which pictures.

    of_picture: {picture: names of its files, in the order of SIDECAR_SUFFIXES}.
    others: names with such suffixes that belong to none; lost: those that fit several.
    """

    of_picture: dict[str, list[str]]
    others: list[str]
    lost: list[Rejection]


def match_sidecars(names: Iterable[str], finder: PictureFinder) -> Sidecars:
    """Deals files of captions out to pictures. names: of all files, with /."""
    found = Sidecars({}, [], [])
    unmatched = []
    for name in sorted(name for name in names if suffix_of(name) in SIDECAR_SUFFIXES):
        stem = without_suffix(name)
        key = name_key(stem)
        pictures = finder.by_stem.get(key, []) or finder.by_key.get(key, [])
        if pictures:
            for picture in pictures:
                found.of_picture.setdefault(picture, []).append(name)
        else:
            unmatched.append(name)
    match_by_first_point(unmatched, finder, found)
    for name in unmatched:
        try:
            picture = finder.find_by_end(
                posixpath.basename(without_suffix(name)), posixpath.dirname(name)
            )
        except ValueError as error:
            found.lost.append(passed_over(name, str(error)))
            continue
        if picture is None:
            found.others.append(name)
        else:
            found.of_picture.setdefault(picture.path, []).append(name)
    for files in found.of_picture.values():
        files.sort(key=lambda name: SIDECAR_SUFFIXES.index(suffix_of(name)))
    return found


def match_by_first_point(unmatched: list[str], finder: PictureFinder, found: Sidecars) -> None:
    """Moves files from `unmatched` to the one picture whose name is alike up to its first point.

    Of several such files of one kind that counts whose name says that it holds the caption.
    """
    files_of_key: dict[tuple[str, bool], list[str]] = {}
    for name in unmatched:
        kind = (first_part(name), suffix_of(name) == ".json")
        files_of_key.setdefault(kind, []).append(name)
    pictures_of_key: dict[str, list[str]] = {}
    if files_of_key:
        for picture in finder.pictures:
            if picture not in found.of_picture:
                pictures_of_key.setdefault(first_part(picture), []).append(picture)
    taken = set()
    for (key, _), files in files_of_key.items():
        pictures = pictures_of_key.get(key, [])
        if len(files) > 1:
            best = min(map(caption_rank, files))
            files = [name for name in files if caption_rank(name) == best]
        if len(pictures) == len(files) == 1:
            found.of_picture.setdefault(pictures[0], []).append(files[0])
            taken.add(files[0])
    unmatched[:] = [name for name in unmatched if name not in taken]


def first_part(path: str) -> str:
    """A path up to the first point of the file's name, as name_key has it."""
    folder, base = posixpath.split(name_key(path))
    return posixpath.join(folder, base.split(".", 1)[0])


def caption_rank(name: str) -> int:
    """How surely a file's name says that it holds captions, best first: 0001.caption.txt is 0."""
    parts = posixpath.basename(name).lower().split(".")[1:-1]
    ranks = [CAPTION_KEYS.index(part) for part in parts if part in CAPTION_KEYS]
    return min(ranks, default=len(CAPTION_KEYS))


def describe_sidecars(
    sidecars: Sidecars, finder: PictureFinder, path_of: Callable[[str], Path], rows: dict[str, Row]
) -> Described:
    """What the files beside pictures say.

    rows: what tables say already; a caption and style of these stay.
    """
    found = Described(lost=list(sidecars.lost))
    further = 0
    without_caption: list[Row] = []
    for picture in sorted(sidecars.of_picture):
        row = rows.get(picture, {})
        beside = read_beside(
            sidecars.of_picture[picture], path_of, has_caption=bool(row.get("caption"))
        )
        found.lost.extend({**row, "path": picture} for row in beside.lost)
        further += beside.further
        if not beside.said:
            continue
        caption = row.get("caption") or beside.said.get("caption", "")
        if not caption and "keys" in beside.said:
            without_caption.append(beside.said)
        known = {key: beside.said[key] for key in SAID_KEYS if key in beside.said}
        stem = without_suffix(picture)
        found.rows[picture] = {"file": stem, "line": 0, **known, **row, "caption": caption}
    if without_caption:
        found.lost.append(nothing_said(without_caption))
    if found.rows:
        confidence = len(found.rows) / len(finder.pictures)
        found.formats.append(
            format_row(
                "",
                "sidecar",
                confidence=confidence,
                rows=len(found.rows),
                further_captions=further,
            )
        )
    return found


class Beside(NamedTuple):
    """What the files beside one picture say: caption, style, file and keys of a .json without."""

    said: Row
    lost: list[Rejection]
    # captions that are not used
    further: int


def read_beside(names: list[str], path_of: Callable[[str], Path], *, has_caption: bool) -> Beside:
    """Reads a picture's files; the first caption counts."""
    said: Row = {}
    lost = []
    further = 0
    for name in names:
        is_json = suffix_of(name) == ".json"
        if not is_json and (has_caption or said.get("caption")):
            further += 1
            continue
        try:
            read = read_json_sidecar if is_json else read_text_sidecar
            found = read(path_of(name))
        except ValueError as error:
            lost.append(passed_over(name, str(error)))
            continue
        said = {**found, **{key: value for key, value in said.items() if value}, "file": name}
    return Beside(said, lost, further)


def read_json_sidecar(path: Path) -> Row:
    """Caption and perhaps style; without a caption the keys. ValueError says what is wrong."""
    text = read_text_file(path, max_bytes=MAX_JSON_BYTES)
    try:
        known = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("no JSON") from error
    if isinstance(known, str | list):
        texts = texts_in(known)
        return {"caption": require_utf8(texts[0])} if texts else {"caption": "", "keys": []}
    if not isinstance(known, dict):
        raise ValueError("no JSON object")
    row = with_known_keys(known)
    captions = all_captions(row)
    question, marked_question = asked_of(text_of_key(row, QUESTION_KEYS))
    if marked_question:
        row = {"marked_question": marked_question, **row}
    if is_conversation(row):
        dialogue = dialogue_in(row, TURN_KEYS)
        captions = list(dialogue.answers[:1])
        question = dialogue.question
        row |= dialogue.labels()
    found: Row = {"caption": next(iter(captions), ""), **labels_of(row, question)}
    if not captions and "style" not in row and set(CAPTION_KEYS).isdisjoint(row):
        found["keys"] = list(known)
    return found


def read_text_sidecar(path: Path) -> Row:
    """The file's text as caption, without the end of its last line, which is the file's own.

    Boxes of a detector are none. ValueError says why it cannot be read.
    """
    text = LAST_LINE_END.sub("", require_utf8(read_text_file(path)))
    if is_boxes(text):
        return {"caption": "", "keys": [NUMBERS_ALONE]}
    return {"caption": text} if text.strip() else {"caption": "", "keys": []}


def is_boxes(text: str) -> bool:
    """Whether a text holds nothing but boxes, one a line."""
    lines = [line for line in text.splitlines() if line.strip()]
    return bool(lines) and all(BOX_LINE.fullmatch(line) for line in lines)


def nothing_said(said: list[Row]) -> Rejection:
    """Names the files beside pictures that hold no caption, as one."""
    keys = Counter(str(key)[:40] for row in said for key in row.get("keys", ()))
    held = ", ".join(key for key, _ in keys.most_common(MAX_KEYS))
    beside = f"{len(said):,} files beside pictures hold" if len(said) > 1 else "holds"
    reason = f"{beside} no caption" + (f" but {held}" if held else "")
    first: Any = said[0]["file"]
    return passed_over(first, reason)
