"""The formats that other tools write: recognised, and read row by row."""

import posixpath
import re
from collections import Counter

from oneseed.files import suffix_of
from oneseed.sources.tables import CAPTION, IMAGE

# rows that decide which format a file has
SAMPLE_ROWS = 50


def sound(text):
    if re.search("[\ud800-\udfff]", text):
        raise ValueError("text that is no UTF-8")
    return text


def one_image(row, keys=IMAGE):
    """A path, or the bytes themselves."""
    image = next((row[key] for key in keys if row.get(key)), None)
    if isinstance(image, list):
        if len(image) > 1:
            raise ValueError(f"{len(image)} images, one is wanted")
        image = image[0] if image else None
    if isinstance(image, dict):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, bytes) and image:
        return image
    if not image:
        raise ValueError("no image is named")
    if not isinstance(image, str):
        raise ValueError("the image is no path")
    if re.match(r"https?://", image):
        raise ValueError("the image is a web address")
    return sound(image.removeprefix("file://"))


def one_caption(row, keys=CAPTION):
    """The first of the keys that says something, "" where none does."""
    values = [row[key] for key in keys if row.get(key) not in (None, "")]
    said = next((value for value in values if isinstance(value, str) and value.strip()), None)
    if said is None and any(not isinstance(value, str) for value in values):
        raise ValueError("the caption is no text")
    return sound(said or "")


def turns(row, key, speaker, words):
    """Conversation -> pairs of (who, what); what is a text or a list of parts."""
    said = row.get(key)
    if not isinstance(said, list) or not all(isinstance(turn, dict) for turn in said):
        raise ValueError(f"{key} is no list of turns")
    return [(turn.get(speaker), turn.get(words)) for turn in said]


def plain_row(row):
    return one_image(row), one_caption(row)


def llava_row(row):
    said = turns(row, "conversations", "from", "value")
    answer = next((words for who, words in said if who in ("gpt", "assistant")), "")
    return one_image(row), one_caption({"caption": answer})


def qwen_row(row):
    said = turns(row, "messages", "role", "content")
    lists = [
        (who, words if isinstance(words, list) else [{"type": "text", "text": words}])
        for who, words in said
    ]
    parts = [(who, part) for who, words in lists for part in words if isinstance(part, dict)]
    named = [
        part["image"] for _, part in parts if part.get("type") == "image" and part.get("image")
    ]
    answer = next(
        (
            part.get("text")
            for who, part in parts
            if who == "assistant" and part.get("type") == "text"
        ),
        "",
    )
    return one_image(
        {"images": row.get("images") or row.get("image") or named}, ("images",)
    ), one_caption({"caption": answer})


def instruct_row(row):
    return one_image(row, ("image_path", "images", *IMAGE)), one_caption(row, ("output",))


READERS = {
    "imagefolder": plain_row,
    "jsonl": plain_row,
    "clip": plain_row,
    "llava": llava_row,
    "qwen": qwen_row,
    "instruct": instruct_row,
    "parquet": plain_row,
}
# of the others: .json .jsonl .parquet
SUFFIXES_OF_FORMAT = {
    "imagefolder": {".jsonl", ".csv"},
    "clip": {".csv", ".tsv"},
    "parquet": {".parquet"},
}
FORMAT_NAMES = (*READERS, "sidecar", "webdataset")


def format_scores(name, row):
    """How surely a row of the file `name` is of each format, 0 to 1; the first of equals counts."""
    suffix = suffix_of(name)
    picture = any(row.get(key) for key in IMAGE)
    pair = (1 if any(key in row for key in CAPTION) else 0.5) if picture else 0
    talks = {
        "llava": "conversations" in row,
        "qwen": "messages" in row,
        "instruct": {"instruction", "output"} <= row.keys(),
    }
    folder = {"imagefolder": pair if is_metadata(name) else 0}
    if suffix in (".csv", ".tsv"):
        return folder | {"clip": pair}
    return talks | ({"parquet": pair} if suffix == ".parquet" else folder | {"jsonl": pair})


def is_metadata(name):
    return posixpath.basename(str(name)) in ("metadata.jsonl", "metadata.csv")


def detect(name, rows):
    """Name and first rows of an annotation file -> (format or None, confidence 0 to 1: the mean certainty over its readable rows)."""
    rows = [row for _, row in rows if isinstance(row, dict)]
    certainty = Counter()
    for row in rows:
        certainty.update(format_scores(name, row))
    best = max(certainty, key=certainty.get, default=None)
    return (best, certainty[best] / len(rows)) if best and certainty[best] else (None, 0.0)
