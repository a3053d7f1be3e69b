"""What values of other people's rows say: the picture, and its captions letter by letter."""

import ast
import base64
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from oneseed.config.options import CODE_CAPTIONS
from oneseed.dataset.jsonl import Row
from oneseed.sources.columns import (
    CAPTION_KEYS,
    CLASS_KEYS,
    IMAGE_KEYS,
    IMAGE_ONLY_KEYS,
    STRICT_CAPTION_KEYS,
    TAG_KEYS,
)

# keys of a picture that is an object, the first filled one counts: bytes, then its path or address
PICTURE_PARTS = ("bytes", "path", "url", "file_name", "image", "filename", "source")
# how a picture begins that is written into its row, as OpenAI takes it
DATA_URL = re.compile("data:", re.IGNORECASE)
# of a path, or an address of a file
MAX_PATH_LETTERS = 2**12
# how PNG, JPEG, GIF and WebP begin in base64, and how long such a text is at least; names of files
# hold points
BARE_PICTURE = re.compile(r"\s*(iVBORw0KGgo|/9j/|R0lGOD|UklGR)[A-Za-z0-9+/\s]*={0,2}\s*")
MIN_BARE_LETTERS = 100
# letters of a text that may be a list, as a spreadsheet keeps one in a cell
MAX_LIST_LETTERS = 2**16
# a text within such a list as Python writes it, and a list of them; numpy parts them by blanks
QUOTED = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
QUOTED_LIST = rf"\[\s*{QUOTED}(?:(?:\s+|\s*,\s*){QUOTED})*\s*\]"


class MissingPictureError(ValueError):
    """A row names a picture that is not to be had, for the reason that the text says."""


def require_utf8(text: str) -> str:
    """The text itself. ValueError where bytes were no UTF-8, or letters are lost."""
    if re.search("[\ud800-\udfff]", text):
        raise ValueError("text that is no UTF-8")
    if "\ufffd" in text:
        raise ValueError("text with letters that were lost (U+FFFD)")
    return text


def named_images(row: Row, keys: Sequence[str] = IMAGE_KEYS) -> list[Any]:
    """What the first filled one of `keys` names as pictures, each once, whatever it is."""
    key = next((key for key in keys if row.get(key)), "")
    image = row.get(key)
    if isinstance(image, int) and key not in IMAGE_ONLY_KEYS:
        # 17 is the picture 17.png
        image = str(image)
    if isinstance(image, list):
        return [one for number, one in enumerate(image) if one not in image[:number]]
    return [image]


def one_image(row: Row, keys: Sequence[str] = IMAGE_KEYS) -> str | bytes:
    """The picture that the first filled one of `keys` names: its path or address, or its bytes.

    Of several the first: the row is about that one. ValueError where there is none,
    MissingPictureError where it lies elsewhere on the web, or cannot be read from the row.
    """
    image = next(iter(named_images(row, keys)), None)
    if isinstance(image, dict):
        image = next((image[key] for key in PICTURE_PARTS if image.get(key)), None)
    if not image:
        raise ValueError("no image is named")
    if isinstance(image, bytes):
        return image
    if not isinstance(image, str):
        raise ValueError("the image is no path")
    if re.match(r"https?://", image, re.IGNORECASE):
        raise MissingPictureError("the image is a web address")
    if DATA_URL.match(image):
        return bytes_in(image)
    if len(image) > MIN_BARE_LETTERS and BARE_PICTURE.fullmatch(image):
        return bytes_in(f"data:;base64,{image}")
    if len(image) > MAX_PATH_LETTERS:
        raise MissingPictureError("the image is written into the row; save it as a file")
    return require_utf8(image)


def bytes_in(url: str) -> bytes:
    """The bytes that a data URL holds. MissingPictureError where they are not in base64."""
    head, _, coded = url.partition(",")
    try:
        if not head.lower().endswith(";base64"):
            raise ValueError("another coding")
        coded = "".join(coded.split())
        # some leave out the signs that only fill the last four letters
        image = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
    except ValueError as error:
        reason = "the image in the row is no base64; save it as a file"
        raise MissingPictureError(reason) from error
    if not image:
        raise MissingPictureError("the image in the row is empty")
    return image


def one_caption(row: Row, keys: Sequence[str] = CAPTION_KEYS) -> str:
    """The first caption of a row, "" where it has none. ValueError as of all_captions."""
    return next(iter(all_captions(row, keys)), "")


def all_captions(row: Row, keys: Sequence[str] = CAPTION_KEYS) -> list[str]:
    """The texts under the first of `keys` that says something; several where that is a list.

    Tags are one text. The number of a class says nothing, and no more does nan, as tables write
    what is missing; of code either may be meant. ValueError where what stands there is no text.
    """
    problem = False
    is_code = row.get("caption_kind") == CODE_CAPTIONS
    for key in keys:
        value = row.get(key)
        if value in (None, "", [], {}) or is_nan(value):
            continue
        texts = [text for text in texts_in(value) if text.strip()]
        if not is_code:
            texts = [text for text in texts if not stands_for_nothing(text, key)]
        if texts:
            said = [require_utf8(text) for text in texts]
            return [", ".join(said)] if key in TAG_KEYS else said
        is_blank = isinstance(value, str | list) and not any(not_text(value))
        problem = problem or (key in STRICT_CAPTION_KEYS and not is_blank)
    if problem:
        raise ValueError("the caption is no text")
    return []


def stands_for_nothing(text: str, key: str) -> bool:
    """Whether a table's text under `key` is missing, or numbers of classes."""
    has_letters = any(map(str.isalpha, text))
    are_numbers = any(map(str.isdigit, text)) and not has_letters
    return text.strip().lower() == "nan" or (key in CLASS_KEYS and are_numbers)


def is_nan(value: Any) -> bool:
    """Whether a value is the number that stands for a missing one."""
    return isinstance(value, float) and math.isnan(value)


def text_of_key(row: Row, keys: Sequence[str]) -> str:
    """The first text under one of `keys` that says something, "" for none."""
    return next(filter(None, (whole_text(row.get(key)) for key in keys)), "")


def whole_text(value: Any) -> str:
    """A text of which no letter is lost; "" for anything else, which costs no row."""
    if not isinstance(value, str) or not value.strip():
        return ""
    try:
        return require_utf8(value)
    except ValueError:
        return ""


def not_text(value: Any) -> list[bool]:
    """For a text or each value of a list, whether it is neither text nor missing."""
    values = value if isinstance(value, list) else [value]
    return [not (isinstance(one, str) or one is None or is_nan(one)) for one in values]


def texts_in(value: Any) -> list[str]:
    """The texts of a caption's value: itself, those of a list, those of an object or of several."""
    if isinstance(value, str):
        return list_in_cell(value) or [value]
    if isinstance(value, dict):
        return all_captions(value)
    if isinstance(value, list):
        said = [one for one in value if not is_asked(one)]
        return [text for one in said if isinstance(one, str | dict) for text in texts_in(one)]
    return []


def is_asked(value: Any) -> bool:
    """Whether a value of a list is a turn that answers nothing: a question, or how to answer."""
    return isinstance(value, dict) and value.get("role") in ("user", "system")


def list_in_cell(text: str) -> list[str]:
    """The texts of a list that a table keeps as text: '["a castle", "a keep"]'; none of others."""
    looks_so = re.fullmatch(r"\s*\[\s*[\"'].*[\"']\s*\]\s*", text, re.DOTALL)
    if not looks_so or len(text) > MAX_LIST_LETTERS:
        return []
    for read in (json.loads, quoted_texts):
        try:
            values = read(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            return values
    return []


def quoted_texts(text: str) -> list[str]:
    """The texts of a list as Python or numpy writes one; none of another text.

    Python would read two without a comma between them as one. ValueError or SyntaxError where one
    is not as Python writes it.
    """
    if not re.fullmatch(QUOTED_LIST, text, re.DOTALL):
        return []
    return [ast.literal_eval(quoted) for quoted in re.findall(QUOTED, text, re.DOTALL)]
