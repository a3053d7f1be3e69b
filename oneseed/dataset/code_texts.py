"""Captions that stay letter by letter: code, such as HTML or SQL, and those of sounds and clips.

    kept_caption(row, "<h1>Log in</h1>\r\n")    # of a row of code: "<h1>Log in</h1>\n"
    kept_caption(row, "a ship")                 # of words: "An engraving of a ship"
    kept_caption(row, "a dog barks")            # of a sound: "a dog barks"

A row of a collection whose caption is code says "caption_kind": "code"; all other captions are
words. Of a text of code only two things change: line ends of any system become one newline, and
control characters other than newline and tab go, as do halves of characters.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from oneseed.config.options import CAPTION_KINDS, CODE_CAPTIONS, WORD_CAPTIONS
from oneseed.dataset.jsonl import Row
from oneseed.dataset.segmentation import words
from oneseed.dataset.wording import clean_caption, worded
from oneseed.media.kinds import PICTURE

# a row's keys beside its caption that travel with it, where it has them: what was asked of the
# picture, the same with IMAGE_PLACE where that does not stand first, how to answer at all, what was
# said after the caption, the field that it is from, whether the caption is code, and what it is a
# caption of where that is no picture
TRAVELLING_KEYS = (
    *("question", "marked_question", "system", "turns"),
    *("domain", "caption_kind", "medium"),
)
# those of them that are texts of any words
TRAVELLING_TEXTS = ("question", "marked_question", "system", "domain")
# what stands for a picture in marked_question and in turns
IMAGE_PLACE = "<image>"
# what is asked where nothing was asked
CODE_QUESTION = "Write the code that this picture shows."
ANY_LINE_END = re.compile("\r\n?")
# control characters, and halves of pairs of UTF-16, which no file of UTF-8 can hold
NO_CODE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def code_text(text: str) -> str:
    """A text of code as it is kept; "" where it has no letter at all."""
    kept = NO_CODE.sub("", ANY_LINE_END.sub("\n", text))
    return kept if kept.strip() else ""


def is_code(row: Row) -> bool:
    """Whether the caption of a row is code."""
    return row.get("caption_kind") == CODE_CAPTIONS


def kept_caption(row: Row, caption: str) -> str:
    """Any caption -> as it belongs into a row: in the words of its style, or letter by letter.

    That of a sound or clip is on one line, a label without underscores. "" where it says nothing.
    """
    if is_code(row):
        return code_text(caption)
    if medium_of(row) != PICTURE:
        line = clean_caption(caption)
        if " " not in line:
            # a label, such as chirping_birds
            line = line.replace("_", " ").strip()
        return line if words(line) else ""
    return worded(caption, row["style"])


def medium_of(row: Row) -> str:
    """What the row is of, one of MEDIA."""
    return row.get("medium") or PICTURE


def medium_of_rows(rows: Iterable[Row]) -> str:
    """What a collection is of: its rows are of one medium, PICTURE where there are none."""
    return next(map(medium_of, rows), PICTURE)


def travelling(row: Row) -> Row:
    """What travels with the caption of a row."""
    return {key: row[key] for key in TRAVELLING_KEYS if row.get(key)}


def is_turns(value: Any) -> bool:
    """Whether a value is what was said after a caption, each by user or assistant."""
    return isinstance(value, list) and all(map(is_turn, value))


def is_turn(value: Any) -> bool:
    """Whether a value is one turn of `is_turns`."""
    if not isinstance(value, dict) or value.keys() != {"role", "content"}:
        return False
    return value["role"] in ("user", "assistant") and isinstance(value["content"], str)


def clean_labels(labels: Row) -> Row:
    """What travels with a caption, of any source -> the same as it is kept."""
    kept = dict(labels)
    for key in TRAVELLING_TEXTS:
        if key in kept:
            # one string in memory serves the rows that say the same
            kept[key] = sys.intern(code_text(kept[key]).strip())
    if "turns" in kept:
        kept["turns"] = [
            {"role": turn["role"], "content": code_text(turn["content"])} for turn in kept["turns"]
        ]
    return kept


def set_kind(row: Row, kind: str) -> None:
    """Makes the caption of a row code or words. kind: one of CAPTION_KINDS.

    A caption that was worded from the source's own becomes that again; any other stays.
    """
    assert kind in CAPTION_KINDS, kind
    given = row.get("given") or ""
    own = kept_caption(row, given)
    is_changed = is_code(row) != (kind == CODE_CAPTIONS)
    if kind == WORD_CAPTIONS:
        row.pop("caption_kind", None)
    else:
        row["caption_kind"] = kind
    if is_changed and (row.get("caption") or "") in (given, own):
        row["caption"] = kept_caption(row, given)


def are_code(rows: Iterable[Row]) -> bool:
    """Whether most captions are code."""
    kinds = [is_code(row) for row in rows if row.get("caption")]
    return 2 * sum(kinds) > len(kinds)


def word_captions(rows: Sequence[Row], kind: str) -> None:
    """Words the captions of the rows, but for those of code; "" where there is none.

    kind: that all captions are said to be of, "" where the rows know it.
    """
    for row in rows:
        if kind:
            set_kind(row, kind)
        caption = kept_caption(row, row.get("caption") or "")
        # What stays as it is needs no second string in memory.
        if caption != row.get("caption"):
            row["caption"] = caption
