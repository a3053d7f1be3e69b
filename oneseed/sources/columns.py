"""What the columns of other people's tables mean: which names the picture, which holds captions."""

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of
from oneseed.media.kinds import MEDIA_SUFFIXES

# keys that name nothing but a picture …
IMAGE_ONLY_KEYS = (
    *("file_name", "filename", "image", "image_path", "filepath", "file_path", "img"),
    *("image_file", "image_filename", "image_file_name", "image_name", "img_path", "img_name"),
    *("img_file", "picture", "photo", "images", "image_url", "media", "media_path", "jpg", "png"),
    *("audio", "audio_path", "audio_file", "sound", "wav", "flac", "mp3"),
    *("video", "video_path", "video_file", "video_name", "clip", "gif", "mp4", "webm"),
)
# … and that may name something else; the first filled one of all counts
IMAGE_KEYS = (*IMAGE_ONLY_KEYS, "path", "file", "name", "key", "image_id", "id")
# keys of a caption; the first of them that says something counts: what tells of the picture comes
# before its title, which is mostly a name
CAPTION_KEYS = (
    *("caption", "text", "description", "image_caption", "image_description"),
    *("captions", "texts", "descriptions", "sentence", "sentences", "long_caption"),
    *("detailed_caption", "title"),
    *("short_caption", "generated_caption", "generated_text", "raw_caption"),
    *("caption_text", "alt_text", "alt", "txt", "raw", "completion", "response", "answer"),
    *(
        "assistant",
        "output",
        "chosen",
        "content",
        "prompt",
        "comment",
        "comments",
        "summary",
        "annotation",
    ),
    *("tags", "keywords", "label", "labels", "class_name"),
)
# keys of which all texts together are one caption, and those whose numbers stand for classes
TAG_KEYS = {"tags", "keywords", "labels"}
CLASS_KEYS = TAG_KEYS | {"label", "class_name"}
# keys whose values are captions or mistakes; of the others a number, say, only is no caption
STRICT_CAPTION_KEYS = {"caption", "text", "title", "output"}
# keys of what was asked of the picture
QUESTION_KEYS = ("question", "instruction", "query")
TURN_KEYS = ("messages", "conversations", "conversation", "prompt", "completion", "chosen")
# of a file of columns no column of another kind than text is read beside these
KNOWN_KEYS = {
    *(*IMAGE_KEYS, *CAPTION_KEYS, *TURN_KEYS, *QUESTION_KEYS),
    *("style", "domain", "caption_kind", "member"),
    *("marked_question", "system", "turns", "input", "history"),
}
# keys of labels, which are no captions even where they are sentences
LABEL_KEYS = ("style", "domain", "caption_kind", "marked_question", "system", "turns", "input")
# share of the rows that show what a column with an unknown name holds
GUESSED_SHARE = 0.5


def letters_of(column: str) -> str:
    """A column's name without what people write differently: "Image-Path " -> "imagepath"."""
    return "".join(letter for letter in column.casefold() if letter.isalnum())


KEY_OF_LETTERS = {letters_of(key): key for key in KNOWN_KEYS}


@functools.lru_cache(maxsize=1024)
def known_key(column: str) -> str:
    """The known key that a column's name means: "Image Path", "caption_2"; else the name itself."""
    if column in KNOWN_KEYS:
        return column
    letters = letters_of(column)
    key = KEY_OF_LETTERS.get(letters)
    # caption_0, caption_1 …
    numbered = KEY_OF_LETTERS.get(re.sub(r"\d+$", "", letters))
    return key or (numbered if numbered in CAPTION_KEYS else None) or column


def with_known_keys(row: Row) -> Row:
    """The row under the keys that its columns mean; several columns of one key become a list."""
    if all(key in KNOWN_KEYS or known_key(key) == key for key in row):
        return row
    found: Row = {}
    for column, value in row.items():
        key = known_key(column)
        if key not in found:
            found[key] = value
        elif value and key in CAPTION_KEYS:
            earlier = found[key]
            found[key] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
    return found


def looks_like_picture(value: Any) -> bool:
    """True for a text that ends like the name of a picture."""
    return isinstance(value, str) and suffix_of(value.partition("#")[0]) in MEDIA_SUFFIXES


def guess_columns(rows: Iterable[Row], is_picture: Callable[[Any], bool]) -> dict[str, str]:
    """{column: key that it means}, of columns whose names do not say it, by what they hold.

    rows: the first ones, under known keys. is_picture: tells the name of a picture that is here.
    A column names pictures where most of its values do, and holds captions where it alone holds
    sentences.
    """
    rows = list(rows)
    if not any(rows) or any(key in row for row in rows for key in ("messages", "conversations")):
        return {}
    enough = GUESSED_SHARE * len(rows)
    pictures: Counter[str] = Counter()
    sentences: Counter[str] = Counter()
    for row in rows:
        for column, value in row.items():
            # a number under any name is more likely one than the picture 17.png
            may_name = column in IMAGE_KEYS or not str(value).strip().isdecimal()
            pictures[column] += may_name and is_picture(value)
            sentences[column] += is_sentence(value)
    guesses = {}
    filled = {column for row in rows for column, value in row.items() if value}
    named = next((key for key in IMAGE_KEYS if key in filled), None)
    best = max(pictures, key=lambda column: pictures[column])
    if pictures[best] >= enough and pictures[best] > pictures[named or ""]:
        guesses[best] = IMAGE_KEYS[0]
    holds_captions = any(holds_caption(row) for row in rows)
    others = [
        column
        for column in sentences
        if sentences[column] >= enough and column not in (best, *LABEL_KEYS, *IMAGE_KEYS)
    ]
    if not holds_captions and len(others) == 1 and (named or best in guesses):
        guesses[others[0]] = CAPTION_KEYS[0]
    return guesses


def holds_caption(row: Row) -> bool:
    """True where a known key of a caption says something that may be one."""
    return any(row.get(key) and isinstance(row[key], str | list | dict) for key in CAPTION_KEYS)


def is_sentence(value: Any) -> bool:
    """True for a text of several words."""
    is_text = isinstance(value, str) and not looks_like_picture(value)
    return is_text and len(re.findall(r"[^\W\d_]+", value)) > 1


def renamed(row: Row, guesses: dict[str, str]) -> Row:
    """The row with guessed columns under their keys, which win over others of these keys."""
    if not guesses:
        return row
    kept = {key: value for key, value in row.items() if key not in guesses.values()}
    return {guesses.get(key, key): value for key, value in kept.items()}
