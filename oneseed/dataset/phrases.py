"""How the words of a collection's captions go together: what a model can know of combinations.

    known_phrases(["An engraving of a ship at the sea shore, on a starry night."])
    # {"followers": {"at": [" the sea"], "starry": [" night"], ...}, "apart": {}}

Each word of "at night" may be known and the two of them not.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

from oneseed.dataset.segmentation import SELECTORS, WORD

# they change no meaning: people leave them out
ARTICLES = {"a", "an", "the"}
WITHOUT_SELECTORS = str.maketrans("", "", SELECTORS)
# of one word, and of all words together: a checkpoint stays small, and a word that goes with so
# many others goes with any
MAX_FOLLOWERS = 200
MAX_PHRASES = 20_000
# two words count as kept apart where chance alone would have brought them together so many times
MIN_EXPECTED = 3
# the most frequent words, which are looked at for that
MAX_COMPARED_WORDS = 300

Phrases = dict[str, dict[str, list[str]]]


class Piece(NamedTuple):
    """A word or pictograph of a text, and what stands between it and the one before."""

    gap: str
    word: str


def split_pieces(text: str) -> tuple[list[Piece], str]:
    """A text -> its words in order, and what follows the last; joined they are the text again."""
    pieces = []
    end = 0
    for found in WORD.finditer(text):
        pieces.append(Piece(text[end : found.start()], found.group()))
        end = found.end()
    return pieces, text[end:]


def join_pieces(pieces: Iterable[Piece]) -> str:
    """The text of some pieces, without what stands before the first."""
    first, *others = pieces
    return first.word + "".join(piece.gap + piece.word for piece in others)


def without_articles(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces in lower case, articles as a part of the gap before the next word.

    Plain and coloured pictographs are the same.
    """
    kept = []
    gap = ""
    for piece in pieces:
        gap += piece.gap.lower()
        word = piece.word.lower().translate(WITHOUT_SELECTORS)
        if word in ARTICLES:
            gap += word
        else:
            kept.append(Piece(gap, word))
            gap = ""
    return kept


def parts_clauses(gap: str) -> bool:
    """Does a new clause begin after what stands between two words?"""
    return bool(re.search(r"[^\w\s'’-]", gap))


def known_phrases(captions: Sequence[str]) -> Phrases:
    """All captions of a training -> plain JSON for its checkpoint.

    followers: a word that never ends a clause, such as "at" or "starry" -> what stands after it,
    the most frequent first, each with its gap: " the sea", "-hatched".
    apart: a frequent word -> frequent words, later in the alphabet, that no caption has with it.
    """
    counts: Counter[str] = Counter()
    following: dict[str, Counter[str]] = defaultdict(Counter)
    closing = set()
    for caption in captions:
        pieces = without_articles(split_pieces(caption)[0])
        counts.update({piece.word for piece in pieces})
        for piece, after in zip(pieces, [*pieces[1:], Piece(".", "")]):
            if parts_clauses(after.gap):
                closing.add(piece.word)
                following.pop(piece.word, None)
            elif piece.word not in closing:
                following[piece.word][after.gap + after.word] += 1
    return {"followers": bounded(following, counts), "apart": kept_apart(captions, counts)}


def bounded(following: dict[str, Counter[str]], counts: Counter[str]) -> dict[str, list[str]]:
    """What follows each word, of the most frequent words; see MAX_FOLLOWERS and MAX_PHRASES."""
    followers: dict[str, list[str]] = {}
    room = MAX_PHRASES
    for word, _ in counts.most_common():
        found = following.get(word, Counter())
        if 0 < len(found) <= min(room, MAX_FOLLOWERS):
            followers[word] = [phrase for phrase, _ in found.most_common()]
            room -= len(found)
    return followers


def kept_apart(captions: Sequence[str], counts: Counter[str]) -> dict[str, list[str]]:
    """Pairs of frequent words that no caption has, though chance would have brought them together.

    counts: of the captions that each word stands in.
    """
    frequent = {word for word, _ in counts.most_common(MAX_COMPARED_WORDS)}
    together = set()
    for caption in captions:
        pieces = without_articles(split_pieces(caption)[0])
        words_here = {piece.word for piece in pieces}
        together.update(combinations(sorted(words_here & frequent), 2))
    apart: dict[str, list[str]] = {}
    for one, other in combinations(sorted(frequent), 2):
        expected = counts[one] * counts[other] / len(captions)
        if expected >= MIN_EXPECTED and (one, other) not in together:
            apart.setdefault(one, []).append(other)
    return apart
