"""What the rows of a data folder must be: checked once, where they are read, and trusted after.

    check_row(row, METADATA, "data/metadata/prints_metadata.json, line 7")     # UserError, or fine

A data folder may come from a stranger, and a person may mend its files by hand.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from oneseed.config.options import CAPTION_KINDS
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import is_turns
from oneseed.dataset.jsonl import to_json
from oneseed.file_names import is_plain_name
from oneseed.files import suffix_of
from oneseed.media.kinds import MEDIA

# of a picture's side, in pixels: the largest that a PNG can have
MAX_SIDE = 2**31 - 1
# characters of a wrong value within a sentence
MAX_SHOWN_LENGTH = 60
PREPARED_SUFFIX = ".png"
PICTURE_ID = re.compile("[0-9a-f]{16}")
PREPARED_NAME = re.compile(rf"[0-9a-f]{{16}}\{PREPARED_SUFFIX}")
# half of a pair of UTF-16, which JSON can write and UTF-8 cannot
SURROGATE = re.compile("[\ud800-\udfff]")


class Kind(NamedTuple):
    """What the value of a key must be."""

    # whether a value is of this kind
    holds: Callable[[Any], bool]
    # the kind in words: "a text"
    words: str
    # whether a row must have the key
    is_required: bool = False
    # true of most values of this kind and of no other, or TypeError: one call into C, since
    # 100,000 rows have 1.5 million values
    is_sure: Callable[[Any], Any] | None = None


class RowKinds:
    """The kinds of the values of a row, by key."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self.kinds: Mapping[str, Kind] = kinds
        self.required: frozenset[str] = frozenset(
            key for key, kind in kinds.items() if kind.is_required
        )
        self.is_sure: Mapping[str, Callable[[Any], Any]] = {
            key: kind.is_sure or kind.holds for key, kind in kinds.items()
        }

    def are_sure(self, row: Any) -> bool:
        """Whether a row is certainly as it must be; of few right ones this says False."""
        is_sure = self.is_sure
        try:
            for key, value in row.items():
                if not is_sure[key](value):
                    return False
            return row.keys() >= self.required
        except (KeyError, TypeError, AttributeError):
            return False


def is_utf8_text(value: Any) -> bool:
    """Whether a value is a text that a file of UTF-8 can hold, "" among them; of any length."""
    return type(value) is str and not SURROGATE.search(value)


def is_filled(value: Any) -> bool:
    """Whether a value is a text of one letter or more."""
    return is_utf8_text(value) and bool(value)


def is_text_or_null(value: Any) -> bool:
    """Whether a value is a text, or JSON's null."""
    return value is None or is_utf8_text(value)


def is_picture_id(value: Any) -> bool:
    """Whether a value is the first 16 digits of a hash."""
    return type(value) is str and PICTURE_ID.fullmatch(value) is not None


def is_prepared_name(value: Any) -> bool:
    """Whether a value is the name of a prepared picture, and no path."""
    if type(value) is not str:
        return False
    if PREPARED_NAME.fullmatch(value):
        return True
    return is_plain_name(value) and suffix_of(value) == PREPARED_SUFFIX


def are_prepared_names(value: Any) -> bool:
    """Whether a value is the names of a pair's pictures: two or more, each once."""
    return (
        isinstance(value, list)
        and len(value) > 1
        and all(map(is_prepared_name, value))
        and len(set(value)) == len(value)
    )


def is_side(value: Any) -> bool:
    """Whether a value is a picture's width or height in pixels."""
    return type(value) is int and 0 < value <= MAX_SIDE


def is_natural_number(value: Any) -> bool:
    """Whether a value is a number of pictures, or of a caption's tokens."""
    return type(value) is int and 0 <= value <= MAX_SIDE


def is_seconds(value: Any) -> bool:
    """Whether a value is how long a sound or clip is."""
    return type(value) in (int, float) and 0 < value < MAX_SIDE


def is_flag(value: Any) -> bool:
    """Whether a value is true or false."""
    return type(value) is bool


def is_caption_kind(value: Any) -> bool:
    """Whether a value says what a caption is."""
    return value in CAPTION_KINDS


def is_medium(value: Any) -> bool:
    """Whether a value says what a collection is made of."""
    return value in MEDIA


def is_writable_turns(value: Any) -> bool:
    """Whether a value is what was said after a caption, in texts that can be written."""
    return is_turns(value) and all(is_utf8_text(turn["content"]) for turn in value)


def is_split(value: Any) -> bool:
    """Whether a value names a split."""
    return value in ("train", "val")


ID = Kind(is_picture_id, "16 digits from 0 to f", True, PICTURE_ID.fullmatch)
FILENAME = Kind(
    is_prepared_name, "the name of a .png file, without a folder", True, PREPARED_NAME.fullmatch
)
STYLE = Kind(is_filled, "a text of one letter or more", True)
ANY_TEXT = Kind(is_utf8_text, "a text", False, str.isprintable)
REQUIRED_TEXT = ANY_TEXT._replace(is_required=True)
TEXT_OR_NULL = Kind(is_text_or_null, "a text, or null", False, str.isprintable)
SIDE = Kind(is_side, f"a whole number from 1 to {MAX_SIDE:,}", True)
COUNT = Kind(is_natural_number, f"a whole number from 0 to {MAX_SIDE:,}")
SECONDS = Kind(is_seconds, "a number above 0")
FLAG = Kind(is_flag, "true or false")
MEDIUM_VALUE = Kind(is_medium, " or ".join(f'"{medium}"' for medium in MEDIA))
CAPTION_KIND = Kind(is_caption_kind, " or ".join(f'"{kind}"' for kind in CAPTION_KINDS))
TURN_LIST = Kind(is_writable_turns, "a list of turns, each with role (user, assistant) and content")
# what travels with a caption, see code_texts
TRAVELLING = {
    "question": ANY_TEXT,
    "marked_question": ANY_TEXT,
    "system": ANY_TEXT,
    "turns": TURN_LIST,
    "domain": ANY_TEXT,
    "caption_kind": CAPTION_KIND,
    "medium": MEDIUM_VALUE,
}
IMAGES = Kind(are_prepared_names, "a list of the names of two or more .png files")
SPLIT = Kind(is_split, '"train" or "val"')

# of a record that is left out since it is a part of other pairs alone, and nobody has marked it
BESIDE_KEY = "beside"
# a row of <style>_metadata.json; earlier versions wrote neither colour nor left_out
METADATA = RowKinds(
    {
        "id": ID,
        "filename": FILENAME,
        "width": SIDE,
        "height": SIDE,
        "sha256": REQUIRED_TEXT,
        "style": STYLE,
        "source": REQUIRED_TEXT,
        # a path below the source: shown, and never opened
        "original": ANY_TEXT,
        "member": ANY_TEXT,
        "group": ANY_TEXT,
        "grey": FLAG,
        "colour": FLAG,
        "given": TEXT_OR_NULL,
        "caption": TEXT_OR_NULL,
        "split": SPLIT,
        "captioner": ANY_TEXT,
        "left_out": FLAG,
        BESIDE_KEY: FLAG,
        # of a sound's or clip's file
        "seconds": SECONDS,
        "images": IMAGES,
        **TRAVELLING,
    }
)
# a line of <style>_train.jsonl and <style>_val.jsonl
PAIR = RowKinds(
    {
        "id": ID,
        "filename": FILENAME,
        "caption": REQUIRED_TEXT,
        "style": STYLE,
        # the file decides
        "split": SPLIT,
        "images": IMAGES,
        **TRAVELLING,
    }
)
# a line of a captioner's log; earlier versions wrote neither cut nor reason
CAPTIONER_LOG = RowKinds(
    {
        "id": ID,
        "captioner": REQUIRED_TEXT,
        "caption": REQUIRED_TEXT,
        "cut": COUNT,
        "reason": ANY_TEXT,
        "taught": ANY_TEXT,
        # of a caption of code; without it, of words
        "caption_kind": CAPTION_KIND,
    }
)
# what is read of <style>_report.json
REPORT = RowKinds(
    {
        "preset": ANY_TEXT,
        "source": ANY_TEXT,
        "prepared": COUNT,
        "colour": COUNT,
        # of captions of code
        "code": COUNT,
        "medium": MEDIUM_VALUE,
        # of --medium and --format, where they were given
        "asked_medium": MEDIUM_VALUE,
        "asked_format": ANY_TEXT,
        # as they were given, or by default
        "smallest": COUNT,
        "max_samples": COUNT,
    }
)


def check_row(row: Any, kinds: RowKinds, place: str, remedy: str = "") -> None:
    """UserError where a row is not what it must be.

    place: file and line, as the sentence begins; remedy: how it ends.
    """
    if fault := fault_of(row, kinds):
        raise UserError(f"{place}: {fault}{remedy and f'; {remedy}'}")


def fault_of(row: Any, kinds: RowKinds) -> str:
    """What is wrong with a row, "" for nothing.

    Values of other keys, which may be somebody's own, must only be such that they can be written.
    """
    if kinds.are_sure(row):
        return ""
    if type(row) is not dict:
        return f"it is {shown(row)}, not an object with keys"
    for key, kind in kinds.kinds.items():
        if key not in row:
            if kind.is_required:
                return f"{key} is missing, {kind.words}"
        elif not kind.holds(row[key]):
            return f"{key} is {shown(row[key])}, not {kind.words}"
    for key in row.keys() - kinds.kinds.keys():
        if not is_writable({key: row[key]}):
            return f"{shown(key)} holds what no file of UTF-8 can hold"
    return ""


def is_writable(value: Any) -> bool:
    """Whether a value of JSON can be written as it was read."""
    try:
        to_json(value).encode()
    except (ValueError, RecursionError):
        return False
    return True


def shown(value: Any) -> str:
    """A value within a sentence: short, and of letters that can be written."""
    try:
        text = repr(value)
    except RecursionError:
        text = type(value).__name__
    return text if len(text) <= MAX_SHOWN_LENGTH else f"{text[:MAX_SHOWN_LENGTH]} …"
