"""Captions that are longer than what a model reads: where they are cut, and how many there are."""

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

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
# the advised limit is a multiple of it
LENGTH_STEP = 10


def readable_beginning(text: str, limit: int) -> str:
    """The beginning of a text in at most `limit` characters, which reads as if it ended there.

    It ends with a sentence, else before a mark that parts clauses, else with a word. Where a script
    has no blanks it ends with a letter.
    """
    if len(text) <= limit:
        return text
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


def print_cut(captions: Sequence[str], tokenizer: "Tokenizer", max_length: int) -> None:
    """Prints how many captions are longer than `max_length` tokens, and what reads them whole.

    Nothing where none is. Of more than MAX_COUNTED that may be, some from all over are counted.
    """
    # A token has at least one byte, and START and END take two of the places.
    long = [caption for caption in captions if len(caption.encode()) > max_length - 2]
    step = -(-len(long) // MAX_COUNTED) or 1
    lengths = [tokenizer.length(caption) for caption in long[::step]]
    cut = sum(length > max_length for length in lengths)
    if not cut:
        return
    count = round(cut * len(long) / len(lengths))
    about = "about " if step > 1 else ""
    enough = -(-max(lengths) // LENGTH_STEP) * LENGTH_STEP
    print(
        f"captions longer than {max_length} tokens: {about}{count:,} of {len(captions):,}; they "
        "are cut at the end of a sentence, clause or word; a model trained with "
        f"--max-caption-length {enough} reads them whole",
        flush=True,
    )
