"""The text of a vocabulary: only what Tokenizer.train makes reaches the `tokenizers` library.

From a stranger's text that library takes regular expressions that end the process, and decoders
that fill the memory. Ours has bytes, merges of them, and nothing else.
"""

import functools
from typing import Any

from oneseed.console.command import UserError
from oneseed.tensor_files import UnusableFileError, parse_strict_json

# letters of the text
MAX_TEXT = 32 * 2**20
# letters of a token, each of which stands for a byte
MAX_TOKEN_LENGTH = 4096
# the marks, the first entries of every vocabulary
MARKS = ["<pad>", "<start>", "<end>", "<unk>"]
# everything but the vocabulary and its merges; an older library leaves some of it out
FRAME = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "normalizer": None,
    "pre_tokenizer": {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    },
    "post_processor": None,
    "decoder": {
        "type": "ByteLevel",
        "add_prefix_space": True,
        "trim_offsets": True,
        "use_regex": True,
    },
    "added_tokens": [
        {
            "id": number,
            "content": mark,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for number, mark in enumerate(MARKS)
    ],
}
MODEL_FRAME = {
    "type": "BPE",
    "dropout": None,
    "unk_token": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "fuse_unk": False,
    "byte_fallback": False,
    "ignore_merges": False,
}


def byte_letters() -> dict[str, int]:
    """The 256 letters that stand for bytes, as GPT-2 chose them: none of them is a blank."""
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printed]
    letters = [*map(chr, printed), *(chr(256 + number) for number in range(len(others)))]
    return dict(zip(letters, [*printed, *others]))


BYTE_OF_LETTER = byte_letters()
BYTE_LETTERS = frozenset(BYTE_OF_LETTER)


# a model's is read several times while it is loaded
@functools.lru_cache(2)
def require_own_vocabulary(json_text: str) -> int:
    """How many entries a vocabulary has; UserError where Tokenizer.train could not have made it."""
    if len(json_text) > MAX_TEXT:
        raise UserError("its tokenizer is too long")
    try:
        found = parse_strict_json(json_text, is_unique=True)
    except UnusableFileError as error:
        raise UserError("its tokenizer is no JSON") from error
    model = found.get("model") if isinstance(found, dict) else None
    if not isinstance(model, dict):
        raise UserError("its tokenizer has no vocabulary")
    require_frame({key: value for key, value in found.items() if key != "model"}, FRAME)
    parts = ("vocab", "merges")
    require_frame({key: value for key, value in model.items() if key not in parts}, MODEL_FRAME)
    vocabulary = model.get("vocab")
    require_entries(vocabulary)
    require_merges(model.get("merges"), vocabulary)
    return len(vocabulary)


def require_frame(found: dict[str, Any], frame: dict[str, Any]) -> None:
    """UserError where a part of a tokenizer is not as Tokenizer.train makes it."""
    for key, value in found.items():
        if key not in frame or not is_same(value, frame[key]):
            raise UserError(f"its tokenizer has a {key[:40]!r} of another program")
    for key in ("added_tokens", "pre_tokenizer", "decoder", "type"):
        if key in frame and key not in found:
            raise UserError(f"its tokenizer lacks its {key!r}")


def is_same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same; 0 and false are not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and one == other


def require_entries(vocabulary: Any) -> None:
    """UserError where the entries are not the marks, all bytes, and strings of bytes, in order."""
    if not isinstance(vocabulary, dict):
        raise UserError("its tokenizer has no vocabulary")
    numbers = list(vocabulary.values())
    are_whole = all(type(number) is int for number in numbers)
    if not are_whole or sorted(numbers) != list(range(len(numbers))):
        raise UserError("the entries of its tokenizer are not numbered from 0 on")
    if [vocabulary.get(mark) for mark in MARKS] != list(range(len(MARKS))):
        raise UserError("its tokenizer does not begin with the marks")
    if not vocabulary.keys() >= BYTE_LETTERS:
        raise UserError("its tokenizer lacks some of the 256 bytes")
    for entry in vocabulary:
        is_readable = len(entry) <= MAX_TOKEN_LENGTH and BYTE_LETTERS.issuperset(entry)
        if not (entry and is_readable) and entry not in MARKS:
            raise UserError("an entry of its tokenizer is no string of bytes")


def require_merges(merges: Any, vocabulary: dict[str, int]) -> None:
    """UserError where a merge is not of two entries into a third."""
    if not isinstance(merges, list):
        raise UserError("its tokenizer has no merges")
    for merge in merges:
        # an older library writes the two with a blank between them
        pair = merge.split(" ") if isinstance(merge, str) else merge
        is_pair = isinstance(pair, list) and len(pair) == 2
        if not is_pair or not all(isinstance(part, str) and part in vocabulary for part in pair):
            raise UserError("a merge of its tokenizer is not of two entries")
        if pair[0] + pair[1] not in vocabulary:
            raise UserError("a merge of its tokenizer gives no entry")
