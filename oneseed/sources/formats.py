"""The formats of annotation files that other tools write: recognised, and read row by row.

imagefolder  metadata.jsonl or .csv: {"file_name": "1.png", "text": "a castle"}
             datasets, diffusers
jsonl        any .jsonl or .json list: {"image": "1.png", "caption": "a castle"}
             datasets
sidecar      1.png beside 1.txt
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
parquet      columns image (struct of bytes and path, or a path) and text
             datasets

A reader takes a row and gives (image, caption): the image as a path below the file's folder, or as
its bytes; the caption letter by letter, "" where there is none. ValueError says what is wrong.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of
from oneseed.sources.tables import CAPTION_KEYS, IMAGE_KEYS, NumberedRow

# rows that decide which format a file has
SAMPLE_ROWS = 50


def require_utf8(text: str) -> str:
    """The text itself. ValueError where tables.text_of met bytes that are no UTF-8."""
    if re.search("[\ud800-\udfff]", text):
        raise ValueError("text that is no UTF-8")
    return text


def one_image(row: Row, keys: Sequence[str] = IMAGE_KEYS) -> str | bytes:
    """The picture that the first filled one of `keys` names: its path, or its bytes.

    ValueError where there is none, more than one, or a web address.
    """
    image = next((row[key] for key in keys if row.get(key)), None)
    if isinstance(image, list):
        if len(image) > 1:
            raise ValueError(f"{len(image)} images, one is wanted")
        image = image[0] if image else None
    if isinstance(image, dict):
        image = image.get("bytes") or image.get("path")
    if not image:
        raise ValueError("no image is named")
    if isinstance(image, bytes):
        return image
    if not isinstance(image, str):
        raise ValueError("the image is no path")
    if re.match(r"https?://", image):
        raise ValueError("the image is a web address")
    return require_utf8(image.removeprefix("file://"))


def one_caption(row: Row, keys: Sequence[str] = CAPTION_KEYS) -> str:
    """The text of the first of `keys` that says something, "" where none does.

    ValueError where what stands there is no text.
    """
    values = [row[key] for key in keys if row.get(key) not in (None, "")]
    texts = [value for value in values if isinstance(value, str)]
    caption = next((text for text in texts if text.strip()), None)
    if caption is None and len(texts) < len(values):
        raise ValueError("the caption is no text")
    return require_utf8(caption or "")


def conversation_turns(
    row: Row, key: str, *, speaker_key: str, words_key: str
) -> list[tuple[Any, Any]]:
    """The conversation at `key` -> pairs of (who, what); what is a text or a list of parts."""
    turns = row.get(key)
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise ValueError(f"{key} is no list of turns")
    return [(turn.get(speaker_key), turn.get(words_key)) for turn in turns]


def read_plain(row: Row) -> tuple[str | bytes, str]:
    """Of imagefolder, jsonl, clip and parquet."""
    return one_image(row), one_caption(row)


def read_llava(row: Row) -> tuple[str | bytes, str]:
    """Of llava: the caption is what the model says first."""
    turns = conversation_turns(row, "conversations", speaker_key="from", words_key="value")
    answers = [words for who, words in turns if who in ("gpt", "assistant")]
    return one_image(row), one_caption({"caption": next(iter(answers), "")})


def read_qwen(row: Row) -> tuple[str | bytes, str]:
    """Of qwen: the caption is the assistant's first text; a turn may name the picture, too."""
    answer = None
    named_images = []
    for who, content in conversation_turns(
        row, "messages", speaker_key="role", words_key="content"
    ):
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        for part in parts:
            if not isinstance(part, dict):
                continue
            if part.get("type") == "image" and part.get("image"):
                named_images.append(part["image"])
            if who == "assistant" and part.get("type") == "text" and answer is None:
                answer = {"caption": part.get("text")}
    images = row.get("images") or row.get("image") or named_images
    return one_image({"images": images}, ("images",)), one_caption(answer or {})


def read_instruct(row: Row) -> tuple[str | bytes, str]:
    """Of instruct: the caption is the output."""
    image = one_image(row, ("image_path", "images", *IMAGE_KEYS))
    return image, one_caption(row, ("output",))


READERS: dict[str, Callable[[Row], tuple[str | bytes, str]]] = {
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
    "clip": {".csv", ".tsv"},
    "parquet": {".parquet"},
}
# … and that may have any other format
OTHER_SUFFIXES = {".json", ".jsonl", ".parquet"}
FORMAT_NAMES = (*READERS, "sidecar", "webdataset")


def format_scores(name: str, row: Row) -> dict[str, float]:
    """How surely a row of the file `name` is of each format, 0 to 1; the first of equals counts."""
    pair_score = 0.0
    if any(row.get(key) for key in IMAGE_KEYS):
        pair_score = 1.0 if any(key in row for key in CAPTION_KEYS) else 0.5
    folder_scores = {"imagefolder": pair_score if is_metadata(name) else 0.0}
    suffix = suffix_of(name)
    if suffix in (".csv", ".tsv"):
        return folder_scores | {"clip": pair_score}
    conversation_scores = {
        "llava": float("conversations" in row),
        "qwen": float("messages" in row),
        "instruct": float(row.keys() >= {"instruction", "output"}),
    }
    if suffix == ".parquet":
        return conversation_scores | {"parquet": pair_score}
    return conversation_scores | folder_scores | {"jsonl": pair_score}


def is_metadata(name: str) -> bool:
    """True for the names that an imagefolder gives its annotation file."""
    return posixpath.basename(name) in ("metadata.jsonl", "metadata.csv")


def detect(name: str, rows: Iterable[NumberedRow]) -> tuple[str | None, float]:
    """Name and first rows of an annotation file -> (its format or None, confidence 0 to 1).

    The confidence is the mean score over the rows that can be read.
    """
    readable = [row for _, row in rows if isinstance(row, dict)]
    totals: dict[str, float] = {}
    for row in readable:
        for format_name, score in format_scores(name, row).items():
            totals[format_name] = totals.get(format_name, 0.0) + score
    best = max(totals, key=lambda format_name: totals[format_name], default=None)
    if best is None or not totals[best]:
        return None, 0.0
    return best, totals[best] / len(readable)
