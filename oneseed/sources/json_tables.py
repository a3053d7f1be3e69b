"""Rows of JSON files of captions: lines, lists, and objects of several forms.

lines      {"image": "1.png", "caption": "a castle"} on each line
list       [{"image": …}, …]
by name    {"1.png": {"caption": "a castle"}, "2.png": "a ship", "3.png": ["a tree", "an oak"]}
COCO       {"images": [{"id": 1, "file_name": "1.png"}],
            "annotations": [{"image_id": 1, "caption": "a castle"}]}
columns    {"image": ["1.png", "2.png"], "caption": ["a castle", "a ship"]}
wrapped    {"data": [{"image": …}, …]}, also {"train": […], "val": […]}
"""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from oneseed.dataset.jsonl import Row
from oneseed.sources.columns import (
    CAPTION_KEYS,
    IMAGE_ONLY_KEYS,
    TURN_KEYS,
    looks_like_picture,
    with_known_keys,
)

# a line, which counts from 1, and the row that a stranger wrote there; a text in place of the row
# is the reason why it cannot be read. Line 0 is the file as such.
NumberedRow = tuple[int, Row | str]

# what stands between the objects of a JSON list
SEPARATORS = re.compile(r"[\s,]*")
NO_JSON = (ValueError, RecursionError)


def json_rows(data: bytes) -> Iterator[NumberedRow]:
    """Rows of a JSON file. data: UTF-8, where other bytes may stand in some of its lines."""
    beginning = data.lstrip()[:1]
    if beginning == b"[":
        return json_list_rows(text_of_table(data))
    if beginning == b"{" and not is_json_lines(data):
        try:
            return object_rows(json.loads(text_of_table(data)))
        except NO_JSON:
            pass
    return json_lines_rows(data)


def text_of_table(data: bytes) -> str:
    """UTF-8 as text. Other bytes become lone surrogates, so that only their own row is refused."""
    return data.decode("utf-8", "surrogateescape")


def is_json_lines(data: bytes) -> bool:
    """True where the first line is an object, and others follow."""
    first, _, rest = data.lstrip().partition(b"\n")
    if not rest.strip():
        return False
    try:
        json.loads(text_of_table(first))
    except NO_JSON:
        return False
    return True


def json_lines_rows(data: bytes) -> Iterator[NumberedRow]:
    """One object a line; blank lines are passed over."""
    # splits at \n alone, and never holds the text as a whole
    for line, content in enumerate(io.BytesIO(data), 1):
        if content.strip():
            try:
                row = json.loads(text_of_table(content))
            except NO_JSON:
                yield line, "no JSON"
            else:
                yield line, row if isinstance(row, dict) else "no JSON object"


def json_list_rows(text: str) -> Iterator[NumberedRow]:
    """A list of objects, read one by one, so that what stands before a damage is kept."""
    decoder = json.JSONDecoder()
    position = text.index("[") + 1
    line = 1 + text.count("\n", 0, position)
    while True:
        between = SEPARATORS.match(text, position)
        assert between, "the pattern matches nothing at all, too"
        start = between.end()
        line += text.count("\n", position, start)
        if text[start : start + 1] == "]":
            return
        try:
            row, position = decoder.raw_decode(text, start)
        except NO_JSON:
            yield line, "no JSON, or cut off: nothing was read from here on"
            return
        yield line, row if isinstance(row, dict) else "no JSON object"
        line += text.count("\n", start, position)


def object_rows(value: Row) -> Iterator[NumberedRow]:
    """Rows of a file that is one object, in any of the forms above; else that object alone."""
    known = with_known_keys(value)
    if is_list_of_rows(value.get("images")) and is_list_of_rows(value.get("annotations")):
        yield from coco_rows(value["images"], value["annotations"])
    elif is_row(known):
        yield 1, value
    elif columns := columns_of(known):
        names = list(columns)
        for values in zip(*columns.values()):
            yield 0, dict(zip(names, values))
    elif is_by_name(value):
        for name, said in value.items():
            yield 0, row_of_name(name, said)
    elif lists := [rows for rows in value.values() if is_list_of_rows(rows)]:
        for rows in lists:
            for row in rows:
                yield 0, row
    else:
        yield 1, value


def is_list_of_rows(value: Any) -> bool:
    """True for a list of objects that holds one at least."""
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def is_row(known: Row) -> bool:
    """True for an object that is a conversation, or names a picture and is no table of columns."""
    if any(is_list_of_rows(known.get(key)) for key in TURN_KEYS):
        return True
    names = [known[key] for key in IMAGE_ONLY_KEYS if key in known]
    named = any(isinstance(name, str) or is_list_of_texts(name) for name in names)
    return named and columns_of(known) is None


def coco_rows(images: list[Row], annotations: list[Row]) -> Iterator[NumberedRow]:
    """A row for each image with all its captions."""
    captions: dict[Any, list[Any]] = {}
    for annotation in annotations:
        said = with_known_keys(annotation)
        texts = [said[key] for key in CAPTION_KEYS if isinstance(said.get(key), str)]
        captions.setdefault(str(annotation.get("image_id")), []).extend(texts[:1])
    for image in images:
        texts = captions.pop(str(image.get("id")), [])
        yield 0, {**image, "caption": texts} if texts else image
    for image_id, texts in captions.items():
        for _ in texts:
            yield 0, f"a caption of image {image_id[:40]}, which is not in the list of images"


def columns_of(known: Row) -> dict[str, list[Any]] | None:
    """{column: values} of a table written column by column, None of anything else."""
    columns = {}
    for key, value in known.items():
        if isinstance(value, dict):
            # {"0": …, "1": …}
            value = list(value.values())
        if not isinstance(value, list):
            return None
        columns[key] = value
    names = next((columns[key] for key in IMAGE_ONLY_KEYS if key in columns), [])
    lengths = {len(values) for values in columns.values()}
    are_names = bool(names) and all(isinstance(name, str) for name in names)
    return columns if are_names and len(lengths) == 1 and len(columns) > 1 else None


def is_by_name(value: Row) -> bool:
    """True where the keys may be names of pictures, and the values captions or rows with them."""
    if not value:
        return False
    if any(looks_like_picture(name) for name in value):
        return True
    said = list(value.values())
    are_rows = all(isinstance(one, dict) for one in said)
    return are_rows or all(isinstance(one, str) or is_list_of_texts(one) for one in said)


def is_list_of_texts(value: Any) -> bool:
    """True for a list of texts that holds one at least."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def row_of_name(name: str, said: Any) -> Row | str:
    """A row from a name and what is said of it. A text says why there is none."""
    # a key without a picture's suffix may be anything
    key = "file_name" if looks_like_picture(name) else "key"
    if isinstance(said, dict):
        return {**said, key: name}
    if isinstance(said, str | list):
        return {key: name, "caption": said}
    return f"{name[:40]} has no text"
