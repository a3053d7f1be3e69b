"""Captions that are longer than what a model reads: where they are cut, and how many there are."""

import heapq
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from oneseed.model.tokenizer import Tokenizer

# marks that end a sentence before a blank, and those of scripts that need none behind them
SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？｡।॥؟۔።។။]+[」』”’）》]*")
CLAUSE_END = re.compile(r"[,;:](?=\s)|\s[–—-](?=\s)|[，、；：،؛]")
ZERO_WIDTH_JOINER = "\u200d"
WORD_END = re.compile(r"\s+")
# words behind which a full stop ends no sentence, beside single letters
ABBREVIATION = re.compile(
    r"(?:\b[^\W\d_]|\b(?:st|ste|mr|mrs|ms|dr|prof|no|nos|vol|fig|pl|ca|approx|jr|sr|vs|ed|cf|etc))"
    r"\.$",
    re.IGNORECASE,
)
# letters that tell an abbreviation
MAX_ABBREVIATION = 12
# shares of the room that a beginning fills, at least: one of sentences, one of clauses or words
MIN_SENTENCES = 1 / 3
MIN_CLAUSES = 1 / 2
# captions that are encoded to count those that are cut
MAX_COUNTED = 1_000
# the longest ones, in bytes, which are always among them
LONGEST_COUNTED = 20
# the advised limit is a multiple of it
LENGTH_STEP = 10


def readable_beginning(text: str, limit: int) -> str:
    """The beginning of a text in at most `limit` characters, which reads as if it ended there.

    It ends with a sentence, else before a mark that parts clauses, else with a word. Where a script
    has no blanks it ends with a letter. A text of several lines, which is code, ends with a line.
    """
    if len(text) <= limit:
        return text
    if "\n" in text:
        return text[: text.rfind("\n", 0, limit + 1)] if "\n" in text[:limit] else text[:limit]
    ends = [found.end() for found in SENTENCE_END.finditer(text) if ends_sentence(text, found)]
    end = last_of(ends, limit, limit * MIN_SENTENCES)
    if end:
        return text[:end]
    for pattern in (CLAUSE_END, WORD_END):
        begins = [found.start() for found in pattern.finditer(text)]
        end = last_of(begins, limit, limit * MIN_CLAUSES)
        if end:
            return text[:end].rstrip(" ,;:–—-，、；：،؛")
    # No accent or joiner is parted from its letter.
    while limit and (
        text[limit - 1] == ZERO_WIDTH_JOINER or unicodedata.category(text[limit])[0] in "MC"
    ):
        limit -= 1
    return text[:limit]


def last_of(ends: Sequence[int], limit: int, least: float) -> int:
    """The last of some places that is at most `limit` and at least `least`; 0: none is."""
    return max((end for end in ends if least <= end <= limit), default=0)


def ends_sentence(text: str, found: re.Match[str]) -> bool:
    """Whether a mark ends a sentence: no abbreviation, and no small letter behind it."""
    following = text[found.end() : found.end() + MAX_ABBREVIATION].lstrip()[:1]
    last_word = text[max(0, found.end() - MAX_ABBREVIATION) : found.end()]
    return not following.islower() and not ABBREVIATION.search(last_word)


class CutCaptions(NamedTuple):
    """How many captions a model does not read whole."""

    # 0 where all are read whole; an estimate where not all were looked at
    count: int
    is_estimate: bool
    # tokens with which a model reads them whole, a multiple of LENGTH_STEP
    enough: int


def cut_captions(captions: Sequence[str], tokenizer: "Tokenizer", max_length: int) -> CutCaptions:
    """How many captions are longer than `max_length` tokens.

    Of more than MAX_COUNTED that may be, some from all over are looked at.
    """
    # A token has at least one byte, and START and END take two of the places.
    long = [caption for caption in captions if len(caption.encode()) > max_length - 2]
    step = -(-len(long) // MAX_COUNTED) or 1
    lengths = [tokenizer.length(caption) for caption in long[::step]]
    cut = sum(length > max_length for length in lengths)
    if not cut:
        return CutCaptions(0, False, max_length)
    # the sample may have missed the longest
    most_bytes = heapq.nlargest(LONGEST_COUNTED, long, key=lambda caption: len(caption.encode()))
    lengths += [tokenizer.length(caption) for caption in most_bytes]
    count = round(cut * len(long) / -(-len(long) // step))
    return CutCaptions(count, step > 1, -(-max(lengths) // LENGTH_STEP) * LENGTH_STEP)


def print_cut(
    captions: Sequence[str], tokenizer: "Tokenizer", max_length: int, *, is_code: bool = False
) -> None:
    """Prints how many captions are longer than `max_length` tokens, and what reads them whole.

    Nothing where none is. is_code: the captions are code.
    """
    cut = cut_captions(captions, tokenizer, max_length)
    if cut.count:
        print(cut_sentence(cut, len(captions), max_length, is_code=is_code), flush=True)


def cut_sentence(cut: CutCaptions, total: int, max_length: int, *, is_code: bool) -> str:
    """How many of `total` captions are cut, and the flag that mends it."""
    about = "about " if cut.is_estimate else ""
    where = "a line, and what is left is broken code" if is_code else "a sentence, clause or word"
    return (
        f"captions longer than {max_length} tokens: {about}{cut.count:,} of {total:,}; they "
        f"are cut at the end of {where}; a model trained with "
        f"--max-caption-length {cut.enough} reads them whole"
    )
