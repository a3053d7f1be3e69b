"""Text files that people bring, decoded in one way: Unicode is read, anything else is refused."""

import codecs
import re
import stat
from pathlib import Path

# how a text begins -> its encoding; the longer mark first, for one begins like the other
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# bytes that decide whether a text without a mark is UTF-16 or UTF-32
SAMPLE_BYTES = 2**16
# a zero, or the escapes by which ISO-2022 writes Japanese and Korean in ASCII
NO_TEXT = re.compile(r"\0|\x1b[$()]")
# bytes of a text of a person that lies beside a picture
MAX_TEXT_BYTES = 2**20


def decode_text_file(data: bytes) -> str:
    """The text of a file: UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Line ends stay as they are. ValueError with a short reason, such as "is not UTF-8", where the
    bytes are in another encoding, damaged, or no text at all.
    """
    try:
        text = as_utf8(data).decode("utf-8").removesuffix("\x1a")
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8") from error
    if NO_TEXT.search(text):
        raise ValueError("is not UTF-8 text: it holds control characters")
    return text.lstrip("\ufeff")


def read_text_file(path: Path, *, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """The text of a short file. ValueError with a short reason where there is none to be read."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise ValueError("is not a plain file")
        if state.st_size > max_bytes:
            raise ValueError(f"is longer than {max_bytes:,} bytes")
        return decode_text_file(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error


def as_utf8(data: bytes) -> bytes:
    """The same text as UTF-8 without a byte order mark.

    Bytes that are not recognised as UTF-16 or UTF-32 stay as they are. ValueError where they say
    that they are one of these, and are not.
    """
    encoding, mark = encoding_of(data)
    if encoding == "utf-8":
        return data.removeprefix(mark)
    try:
        return data.removeprefix(mark).decode(encoding).encode("utf-8")
    except UnicodeDecodeError as error:
        name = encoding.upper()[:6]
        raise ValueError(f"is {name} that is damaged or cut off") from error


def encoding_of(data: bytes) -> tuple[str, bytes]:
    """The Unicode encoding that the bytes seem to have, and the byte order mark that they bear."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return encoding, mark
    return unmarked_encoding(data[:SAMPLE_BYTES]), b""


def unmarked_encoding(sample: bytes) -> str:
    """The Unicode encoding of a text without a mark: UTF-16 or UTF-32 where that is evident.

    UTF-8 text holds no zero byte. In UTF-16 the upper byte of each letter, digit, blank and line
    end of ASCII is zero, and nearly no lower byte is; in UTF-32 so is one byte in four of any text.
    """
    zeros = [sample[start::4].count(0) for start in range(4)]
    letters = len(sample) // 4
    if letters and zeros[3] >= letters and zeros[2] > letters / 2:
        return "utf-32-le"
    if letters and zeros[0] >= letters and zeros[1] > letters / 2:
        return "utf-32-be"
    at_even = zeros[0] + zeros[2]
    at_odd = zeros[1] + zeros[3]
    most, fewest = max(at_even, at_odd), min(at_even, at_odd)
    if most <= len(sample) / 4 or fewest > most / 10:
        return "utf-8"
    return "utf-16-be" if at_even > at_odd else "utf-16-le"
