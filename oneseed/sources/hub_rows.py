"""Rows of a data set: which columns hold picture, caption and style, and one row read safely.

A row comes from a stranger: it may lead to nothing but the data set's own files.
"""

import re
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple

from oneseed.config.options import STYLES
from oneseed.console.command import UserError
from oneseed.console.output import printable
from oneseed.dataset.jsonl import Row
from oneseed.sources import captions
from oneseed.sources.archive_members import DEFAULT_LIMITS, Limits
from oneseed.sources.columns import CAPTION_KEYS, IMAGE_KEYS, QUESTION_KEYS, TAG_KEYS
from oneseed.sources.dialogues import asked_of


class Columns(NamedTuple):
    """Names of columns, None where there is none of the kind.

    style_names: what the numbers of the style's column mean. title: the column that counts where
    the caption's is empty. labels: columns of what travels with a caption: question, domain.
    """

    picture: str
    caption: str | None
    style: str | None
    style_names: tuple[str, ...] = ()
    title: str | None = None
    labels: tuple[str, ...] = ()


class PictureFile(NamedTuple):
    """A picture's bytes as they are, and its name in the data set, "" where it has none."""

    image: bytes
    name: str


def find_columns(features: Mapping[str, Any], source: str) -> Columns:
    """The columns that count, printed for the user. UserError where none holds pictures.

    The first of CAPTION_KEYS, else the only column of text; style, or labels that are styles.
    features: {name of a column: its kind}.
    """
    import datasets

    pictures = [name for name in features if isinstance(features[name], datasets.Image)]
    if not pictures:
        columns = ", ".join(map(printable, features))
        raise UserError(f"{source} has no column of pictures, only {columns}: name another")
    pictures.sort(key=lambda name: name not in IMAGE_KEYS)
    texts = [name for name in features if is_text(features[name])]
    class_names = {
        name: tuple(feature.names)
        for name, feature in features.items()
        if isinstance(feature, datasets.ClassLabel)
    }
    caption = caption_column(texts)
    title = "title" if "title" in texts and caption != "title" else None
    style = style_column(texts, class_names)
    print(
        f"{source}: pictures from column {pictures[0]}, captions from {caption or 'none'}"
        f"{', else title' if title else ''}, "
        f"styles from {style or 'none'}",
        flush=True,
    )
    known_labels = (*QUESTION_KEYS, "domain")
    labels = tuple(name for name in texts if name in known_labels and name != caption)
    return Columns(pictures[0], caption, style, class_names.get(style or "", ()), title, labels)


def is_text(feature: Any) -> bool:
    """True for a column of text, or of lists of texts."""
    import datasets

    if isinstance(feature, datasets.List):
        feature = feature.feature
    return getattr(feature, "dtype", None) in ("string", "large_string")


def caption_column(texts: list[str]) -> str | None:
    """Which of the columns of text holds captions; of two without a known name none is guessed."""
    for name in CAPTION_KEYS:
        if name in texts:
            return name
    others = [name for name in texts if name not in ("style", *IMAGE_KEYS)]
    return others[0] if len(others) == 1 else None


def style_column(texts: list[str], class_names: dict[str, tuple[str, ...]]) -> str | None:
    """Which column holds styles: "style", else a column of labels of which one is a known style."""
    if "style" in class_names or "style" in texts:
        return "style"
    known_styles = {style.rstrip("s") for style in STYLES}
    for name, labels in class_names.items():
        if any(label.lower().rstrip("s") in known_styles for label in labels):
            return name
    return None


def read_row(
    row: Row, columns: Columns, name: str, *, limits: Limits = DEFAULT_LIMITS
) -> tuple[bytes, Row] | str:
    """A row of the data set `name` -> (the picture's bytes, row for metadata.jsonl).

    A text in place of both is the reason why the row is left out.
    """
    try:
        picture = read_picture(row[columns.picture], name, limits)
        caption = text_in_column(row, columns.caption) or text_in_column(row, columns.title)
        style = style_in(row, columns)
        known = {"member": captions.require_utf8(picture.name)}
    except ValueError as error:
        return str(error)
    if caption:
        known["caption"] = caption
    if style.strip():
        known["style"] = style
    labels = {name: row.get(name) for name in columns.labels}
    asked = asked_of(captions.text_of_key(labels, QUESTION_KEYS))
    known |= {key: text for key, text in zip(("question", "marked_question"), asked) if text}
    if domain := captions.text_of_key(labels, ["domain"]):
        known["domain"] = domain
    return picture.image, known


def text_in_column(row: Row, column: str | None) -> str:
    """The caption in a column, the first of several; "" for none. ValueError: it is no text."""
    text = row.get(column) if column else None
    if column in TAG_KEYS:
        return captions.one_caption({column: text})
    if isinstance(text, list):
        text = text[0] if text else None
    return captions.one_caption({"caption": text})


def style_in(row: Row, columns: Columns) -> str:
    """The style that a row states, "" where it states none."""
    value = row.get(columns.style) if columns.style else None
    if isinstance(value, int):
        value = columns.style_names[value] if 0 <= value < len(columns.style_names) else ""
    return captions.require_utf8(value) if isinstance(value, str) else ""


def read_picture(value: Any, name: str, limits: Limits = DEFAULT_LIMITS) -> PictureFile:
    """A value of the picture's column of the data set `name` -> the picture.

    ValueError says what is wrong with it: too large, not there, or a path that leads elsewhere.
    """
    image = captions.one_image({"image": value})
    inside = ""
    if isinstance(value, dict):
        inside = value.get("path") or ""
    if isinstance(image, str):
        inside = path_inside(image, name)
        image = read_own_file(image, limits.member_bytes + 1)
    if len(image) > limits.member_bytes:
        raise ValueError(f"larger than {limits.member_bytes:,} bytes")
    return PictureFile(image, inside)


def path_inside(path: str, name: str) -> str:
    """A picture's path as its data set knows it. ValueError where it leads out of the data set.

    path: as fsspec reads it, in a .zip of the data set, too: zip://1.png::hf://datasets/….
    """
    is_folder = name.startswith("/") or re.match("[A-Za-z]:", name)
    root = f"{name}/" if is_folder else f"hf://datasets/{name}@"
    *outer, file = path.replace("\\", "/").split("::")
    is_own_file = file.startswith(root) and ".." not in file.split("/")
    if not is_own_file or not all(part.startswith("zip://") for part in outer):
        raise ValueError("the image lies outside of the data set")
    if outer:
        return outer[0].removeprefix("zip://")
    below = file.removeprefix(root)
    # what stands before the first / is the revision
    return below if is_folder else below.partition("/")[2]


def read_own_file(path: str, max_bytes: int) -> bytes:
    """At most so many bytes of a file of the data set. ValueError where it cannot be read."""
    import fsspec

    try:
        with fsspec.open(path, "rb") as file:
            return file.read(max_bytes)
    except FileNotFoundError as error:
        raise ValueError("image not found") from error
    except zipfile.BadZipFile as error:
        raise ValueError("damaged (BadZipFile)") from error
