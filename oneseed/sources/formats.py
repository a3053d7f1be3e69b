"""The formats of annotation files that other tools write: recognised, and read row by row.

imagefolder  metadata.jsonl or .csv: {"file_name": "1.png", "text": "a castle"}
             datasets, diffusers
jsonl        any .jsonl or .json (see json_tables.py): {"image": "1.png", "caption": "a castle"}
             datasets, kohya, COCO
sidecar      1.png beside 1.txt or 1.caption (see sidecars.py)
             kohya
webdataset   the same, with 1.json, in a .tar
             webdataset, open_clip, img2dataset
clip         .csv or .tsv with a header: filepath, title
             open_clip
llava        .json list: {"image": "1.png", "conversations": [{"from": "gpt", …}]}
             LLaVA
qwen         .json or .jsonl: {"images": ["1.png"], "messages": [{"role": …}]}
             Qwen2-VL, TRL, LLaMA-Factory
instruct     .json list: {"image_path": "1.png", "instruction": "…", "output": "a castle"}
parquet      columns image (struct of bytes and path, or a path) and text; also .arrow, .feather
             datasets

A reader takes a row under known keys (columns.py) and gives what the row says: image, captions,
question, and how many further images it names. ValueError says what is wrong.
"""

import posixpath
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of
from oneseed.sources.captions import all_captions, named_images, one_image, text_of_key
from oneseed.sources.columns import (
    CAPTION_KEYS,
    IMAGE_KEYS,
    IMAGE_ONLY_KEYS,
    QUESTION_KEYS,
    TURN_KEYS,
    looks_like_picture,
)
from oneseed.sources.conversations import (
    RowSays,
    is_conversation,
    read_conversation,
    read_instruction,
)
from oneseed.sources.dialogues import asked_of
from oneseed.sources.json_tables import NumberedRow
from oneseed.sources.tables import CELL_SUFFIXES, COLUMN_SUFFIXES, JSON_SUFFIXES

# rows that decide which format a file has
SAMPLE_ROWS = 50
# how surely a conversation is of the format that has its turns under another key
OTHER_TURNS_SCORE = 0.75


def read_plain(row: Row) -> RowSays:
    """Of imagefolder, jsonl, clip and parquet."""
    return says_of(row, IMAGE_KEYS, CAPTION_KEYS)


def says_of(row: Row, image_keys: Sequence[str], caption_keys: Sequence[str]) -> RowSays:
    """What a row says whose pictures and captions stand under some of these keys."""
    images = named_images(row, image_keys)
    if isinstance(row.get("images"), list) and row["images"][:1] == images:
        # as our own metadata.jsonl names several, beside file_name
        images = named_images(row, ["images"])
    question, marked_question = asked_of(text_of_key(row, QUESTION_KEYS), len(images))
    return RowSays(
        one_image(row, image_keys),
        all_captions(row, caption_keys),
        question,
        images[1:],
        {"marked_question": marked_question} if marked_question else {},
    )


def read_llava(row: Row) -> RowSays:
    """Of llava: turns of "from" and "value"."""
    return read_conversation(row, ("conversations", "conversation", "messages"))


def read_qwen(row: Row) -> RowSays:
    """Of qwen: turns of "role" and "content"."""
    return read_conversation(row, TURN_KEYS)


def read_instruct(row: Row) -> RowSays:
    """Of instruct: the caption is the output, or the first answer of its history."""
    return read_instruction(row, ("image_path", "images", *IMAGE_KEYS))


READERS: dict[str, Callable[[Row], RowSays]] = {
    "imagefolder": read_plain,
    "jsonl": read_plain,
    "clip": read_plain,
    "llava": read_llava,
    "qwen": read_qwen,
    "instruct": read_instruct,
    "parquet": read_plain,
}
# suffixes of the files that may have a format …
SUFFIXES_OF_FORMAT = {
    "imagefolder": {".jsonl", ".csv"},
    "clip": CELL_SUFFIXES | {".txt"},
    "parquet": COLUMN_SUFFIXES,
}
# … and that may have any other format
REMAINING_SUFFIXES = JSON_SUFFIXES | COLUMN_SUFFIXES
FORMAT_NAMES = (*READERS, "sidecar", "webdataset")


def score_of_pair(row: Row, is_picture: Callable[[Any], bool]) -> float:
    """How surely a row is of a picture and its caption, 0 to 1.

    is_picture: tells the name of a picture that is here; without it a column that may hold
    something else, such as "name", counts by how its value ends.
    """
    certain = any(row.get(key) for key in IMAGE_ONLY_KEYS)
    likely = any(looks_like_picture(row.get(key)) or is_picture(row.get(key)) for key in IMAGE_KEYS)
    if not certain and not likely:
        return 0.0
    return 1.0 if any(key in row for key in (*CAPTION_KEYS, "style")) else 0.5


def format_scores(name: str, row: Row, is_picture: Callable[[Any], bool]) -> dict[str, float]:
    """How surely a row of the file `name` is of each format, 0 to 1; the first of equals counts."""
    plain_score = score_of_pair(row, is_picture)
    folder_scores = {"imagefolder": plain_score if is_metadata(name) else 0.0}
    suffix = suffix_of(name)
    if suffix in CELL_SUFFIXES or suffix == ".txt":
        return folder_scores | {"clip": plain_score}
    has_turns = "conversations" in row or "conversation" in row
    may_have_roles = any(key in row for key in ("prompt", "completion", "chosen"))
    has_roles = "messages" in row or (may_have_roles and is_conversation(row))
    # the reader of either reads the other's turns, too
    conversation_scores = {
        "llava": max(float(has_turns), OTHER_TURNS_SCORE * has_roles),
        "qwen": max(float(has_roles), OTHER_TURNS_SCORE * has_turns),
        "instruct": float("instruction" in row and ("output" in row or "response" in row)),
    }
    if suffix in COLUMN_SUFFIXES:
        return conversation_scores | {"parquet": plain_score}
    return conversation_scores | folder_scores | {"jsonl": plain_score}


def is_metadata(name: str) -> bool:
    """True for the names that an imagefolder gives its annotation file."""
    return posixpath.basename(name).lower() in ("metadata.jsonl", "metadata.csv")


def detect(
    name: str,
    rows: Iterable[NumberedRow],
    is_picture: Callable[[Any], bool] = looks_like_picture,
) -> tuple[str | None, float]:
    """Name and first rows of an annotation file -> (its format or None, confidence 0 to 1).

    The confidence is the mean score over the rows that can be read.
    """
    readable = [row for _, row in rows if isinstance(row, dict)]
    totals: dict[str, float] = {}
    for row in readable:
        for format_name, score in format_scores(name, row, is_picture).items():
            totals[format_name] = totals.get(format_name, 0.0) + score
    best = max(totals, key=lambda format_name: totals[format_name], default=None)
    if best is None or not totals[best]:
        return None, 0.0
    return best, totals[best] / len(readable)
