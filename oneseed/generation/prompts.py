"""Prompts as people type them -> the words that the model has read in its training captions.

    reader = PromptReader.of_model(model)
    read = reader.read("TWO huge shpis at midnight")
    read.text        # "An engraving of two large ships"
    read.understood  # ["no training caption has 'huge': read as 'large'", ...]
    read.unknown     # ["no training caption has 'midnight'; nearest known: 'night'"]

A text encoder knows the words of its captions in the tokens, the case and the place that they have
there. So a prompt begins like a caption, its words are spelt like those of captions, and what no
caption has is replaced by what comes nearest, or left out; either is said.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from oneseed.config.inference import MAX_PROMPT_LENGTH
from oneseed.config.options import CODE_CAPTIONS
from oneseed.console.command import UserError
from oneseed.dataset.phrases import (
    ARTICLES,
    Phrases,
    Piece,
    join_pieces,
    parts_clauses,
    split_pieces,
    without_articles,
)
from oneseed.dataset.segmentation import is_latin, missing_words
from oneseed.dataset.wording import captions_style, worded_prompt, words
from oneseed.generation.synonyms import LONGEST, key_of, synonyms
from oneseed.generation.typos import nearest_spellings, similar_words
from oneseed.model.multimodal import MultimodalModel

VOWELS = tuple("aeiou")
# nearest words or phrases that are named
NEAREST_SHOWN = 2
# unknown combinations that are named
COMBINATIONS_SHOWN = 3


def check_prompt(prompt: str) -> None:
    """UserError for a prompt that says nothing or too much."""
    if not words(prompt):
        raise UserError(
            "the prompt has no words; write what the picture should show, "
            'such as "a ship under a stormy sky"'
        )
    if len(prompt) > MAX_PROMPT_LENGTH:
        raise UserError(
            f"the prompt has {len(prompt):,} characters, "
            f"at most {MAX_PROMPT_LENGTH} are read; shorten it"
        )


class PromptWarning(UserWarning):
    """A prompt has words or combinations of words that no training caption has."""


@dataclass(frozen=True)
class ReadPrompt:
    """A prompt as the model reads it, and what is to be known of that."""

    # how captions begin: "An engraving of"; "" in a collection of several styles
    opening: str
    # what is asked for, in words that captions have; "" where that is only a medium
    subject: str
    # sentences on what was read as something else
    understood: list[str] = field(default_factory=list)
    # sentences on what the model cannot know
    unknown: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """As a caption would say it. Without an opening it begins with a blank: within a caption
        a word has other tokens than at its beginning. Captions in other letters than Latin have
        neither.
        """
        if not is_latin(self.subject):
            return self.subject
        return f"{self.opening} {self.subject}".rstrip()

    @property
    def remarks(self) -> list[str]:
        """All sentences; none where training captions have all that is asked for."""
        return [*self.understood, *self.unknown]


@dataclass(frozen=True)
class Replacement:
    """What some words of a prompt become."""

    # words of the prompt, from the first on
    length: int
    # what is read instead of them; none: they are left out
    pieces: list[Piece]
    # the sentence that says so, "" where nothing is to be said
    understood: str = ""
    unknown: str = ""


def quoted(phrases: Iterable[str], joint: str = " or ") -> str:
    """'starry night' or 'the sea'."""
    return joint.join(f"'{phrase}'" for phrase in phrases)


@dataclass(frozen=True)
class PromptReader:
    """What a model's training captions had, and how a prompt is read with it."""

    # the style of the collection
    style: str
    # all words of the captions, in lower case; empty where the checkpoint does not tell
    words: frozenset[str]
    # see known_phrases; {} in older checkpoints
    phrases: Phrases
    # tokens that a text takes in the vocabulary
    token_count: Callable[[str], int]
    # True where captions are code: a prompt is some of its letters, worded by nobody
    is_code: bool = False

    @classmethod
    def of_model(cls, model: MultimodalModel) -> Self:
        """The reader of a model's prompts."""
        bpe = model.tokenizer.bpe
        return cls(
            style=model.meta.get("style", "engraving"),
            # Older checkpoints have them as they were written.
            words=frozenset(words(" ".join(model.meta.get("words", [])))),
            phrases=model.meta.get("phrases", {}),
            token_count=lambda text: len(bpe.encode(text, add_special_tokens=False).ids),
            is_code=model.meta.get("caption_kind") == CODE_CAPTIONS,
        )

    def read(self, prompt: str, style: str | None = None) -> ReadPrompt:
        """A prompt as typed -> as a caption would say it.

        style: that is asked for; it words the prompt where the collection is of all styles.
        """
        if self.is_code:
            return self.read_code(prompt)
        opening, subject = worded_prompt(prompt, captions_style(self.style, style))
        pieces, tail = split_pieces(subject)
        if not pieces:
            return ReadPrompt(opening, subject)
        understood: list[str] = []
        unknown: list[str] = []
        if self.words:
            replaced = self.replacements(pieces)
            understood = [one.understood for one in replaced if one.understood]
            unknown = [one.unknown for one in replaced if one.unknown]
            pieces = self.kept(replaced) or pieces
            unknown += self.unknown_combinations(pieces)
        spelt = join_pieces(self.respelt(pieces))
        return ReadPrompt(opening, spelt + tail, understood, unknown)

    def read_code(self, prompt: str) -> ReadPrompt:
        """A prompt of a model of code: its letters, and which of its words no caption has."""
        missing = missing_words(prompt, self.words) if self.words else []
        unknown = [f"no training caption has '{word}'" for word in missing]
        return ReadPrompt("", prompt.strip(), unknown=unknown)

    # ---- words

    def knows(self, phrase: str) -> bool:
        """Have captions all words of a phrase, and those that belong together one after another?"""
        pieces = without_articles(split_pieces(phrase)[0])
        return all(piece.word in self.words for piece in pieces) and not any(
            self.is_new_pair(one, other) for one, other in itertools.pairwise(pieces)
        )

    def replacements(self, pieces: list[Piece]) -> list[Replacement]:
        """Each word, or some in a row, and what they become; known words stay what they are."""
        found = []
        at = 0
        while at < len(pieces):
            one = self.synonym(pieces[at:]) or self.joined(pieces[at:])
            one = one or self.unchanged(pieces[at]) or self.parted(pieces[at])
            one = one or self.corrected(pieces[at]) or self.left_out(pieces[at])
            found.append(one)
            at += one.length
        return found

    def unchanged(self, piece: Piece) -> Replacement | None:
        """A known word stays, and an article, and several words that no blanks part."""
        parts = words(piece.word)
        unknown = sorted({*missing_words(piece.word, self.words)} - ARTICLES)
        if not unknown:
            return Replacement(1, [piece])
        if len(parts) > 1:
            remark = f"no training caption has {quoted(unknown, ', ')}"
            return Replacement(1, [piece], unknown=remark)
        return None

    def synonym(self, pieces: list[Piece]) -> Replacement | None:
        """The longest phrase from the first word on that captions have in other words alone."""
        for length in range(min(LONGEST, len(pieces)), 0, -1):
            some = pieces[:length]
            if any(parts_clauses(piece.gap) for piece in some[1:]):
                continue
            typed = join_pieces(some)
            group = synonyms().get(key_of(typed))
            if group is None or self.knows(typed):
                continue
            known = [phrase for phrase in group if self.knows(phrase)]
            if known:
                return self.read_as(some, known[0])
        return None

    def read_as(self, pieces: list[Piece], text: str) -> Replacement:
        """Some words become a text."""
        first, *others = split_pieces(text)[0]
        typed = join_pieces(pieces)
        return Replacement(
            length=len(pieces),
            pieces=[first._replace(gap=pieces[0].gap), *others],
            understood=f"no training caption has '{typed}': read as '{text}'",
        )

    def joined(self, pieces: list[Piece]) -> Replacement | None:
        """Two words that captions write as one: "thunder storm"."""
        if len(pieces) < 2 or parts_clauses(pieces[1].gap):
            return None
        one, other = pieces[0].word.lower(), pieces[1].word.lower()
        if one + other not in self.words or {one, other} <= self.words | ARTICLES:
            return None
        return self.read_as(pieces[:2], one + other)

    def parted(self, piece: Piece) -> Replacement | None:
        """One word that captions write as two: "crosshatched"."""
        word = piece.word.lower()
        for first, phrases in self.phrases.get("followers", {}).items():
            for phrase in phrases:
                if word.startswith(first) and word == first + phrase.lstrip(" -"):
                    return self.read_as([piece], first + phrase)
        return None

    def corrected(self, piece: Piece) -> Replacement | None:
        """A word with a typo, where one known word alone is nearest."""
        nearest = nearest_spellings(piece.word.lower(), self.words)
        return self.read_as([piece], nearest[0]) if len(nearest) == 1 else None

    def left_out(self, piece: Piece) -> Replacement:
        """A word that the model cannot know."""
        nearest = similar_words(piece.word.lower(), self.words)[:NEAREST_SHOWN]
        hint = f"; nearest known: {quoted(nearest)}" if nearest else ""
        return Replacement(1, [], unknown=f"no training caption has '{piece.word}'{hint}")

    def kept(self, replaced: list[Replacement]) -> list[Piece]:
        """What is read; nothing where no known word is left.

        Where a word is left out at the end of its clause, "in the" before it goes too.
        """
        pieces: list[Piece] = []
        for i, one in enumerate(replaced):
            pieces += one.pieces
            after = [other.pieces for other in replaced[i + 1 : i + 2]]
            ends = not after or not after[0] or parts_clauses(after[0][0].gap)
            if not one.pieces and ends:
                while pieces and self.leads_on(pieces[-1].word.lower()):
                    pieces.pop()
        if all(piece.word.lower() in ARTICLES for piece in pieces):
            return []
        are_typed = len(pieces) == len(replaced) and not any(one.understood for one in replaced)
        return pieces if are_typed else with_own_articles(pieces)

    def leads_on(self, word: str) -> bool:
        """Does a word never end a clause?"""
        return word in ARTICLES or word in self.phrases.get("followers", {})

    # ---- spelling

    def respelt(self, pieces: list[Piece]) -> list[Piece]:
        """The words in the case that takes the fewest tokens, parted as captions part them."""
        spelt = []
        for piece in pieces:
            word = min(spellings(piece.word), key=lambda one: self.token_count(f" {one}"))
            gap = piece.gap
            if spelt and gap in (" ", "-", "- ", " -", " - "):
                gap = self.gap_between(spelt[-1].word, word) or " "
            spelt.append(Piece(gap, word))
        return spelt

    def gap_between(self, word: str, after: str) -> str:
        """What captions have between two words that belong together, "" where they have neither."""
        for phrase in self.phrases.get("followers", {}).get(word.lower(), []):
            if phrase.lstrip(" -") == after.lower():
                return phrase[: -len(after)]
        return ""

    # ---- combinations

    def unknown_combinations(self, pieces: list[Piece]) -> list[str]:
        """Sentences on known words that no caption has together."""
        followed = without_articles(pieces)
        apart = self.phrases.get("apart", {})
        found = []
        named: set[str] = set()
        for i, one in enumerate(followed):
            for other in followed[i + 1 :]:
                first, second = sorted((one.word, other.word))
                if second in apart.get(first, []):
                    named |= {first, second}
                    found.append(
                        f"no training caption has '{one.word}' and '{other.word}' together"
                    )
        for one, other in itertools.pairwise(followed):
            if self.is_new_pair(one, other) and other.word not in named:
                typed = f"{one.word}{other.gap}{other.word}"
                hint = quoted(self.nearest_phrases(one.word, other.word))
                found.append(f"no training caption has '{typed}'; nearest known: {hint}")
        return found[:COMBINATIONS_SHOWN]

    def is_new_pair(self, one: Piece, other: Piece) -> bool:
        """Does the first word lead on to another, and never to this one, now or a word later?"""
        followers = self.phrases.get("followers", {})
        if parts_clauses(other.gap) or one.word not in followers:
            return False
        after = {last_word(phrase) for phrase in followers[one.word]}
        later = {last_word(phrase) for word in after for phrase in followers.get(word, [])}
        return other.word in self.words - after - later

    def nearest_phrases(self, word: str, after: str) -> list[str]:
        """What captions have before the second word, or else after the first."""
        before = [
            first + phrase
            for first, phrases in self.phrases["followers"].items()
            for phrase in phrases
            if last_word(phrase) == after
        ]
        others = [word + phrase for phrase in self.phrases["followers"][word]]
        return (before or others)[:NEAREST_SHOWN]


def with_own_articles(pieces: list[Piece]) -> list[Piece]:
    """The pieces, "a" before a consonant and "an" before a vowel."""
    kept = []
    for piece, after in zip(pieces, [*pieces[1:], Piece("", "")]):
        if piece.word in ("a", "an"):
            piece = piece._replace(word="an" if after.word[:1] in VOWELS else "a")
        kept.append(piece)
    return kept


def last_word(phrase: str) -> str:
    """ " the sea" -> "sea"."""
    return split_pieces(phrase)[0][-1].word


def spellings(word: str) -> list[str]:
    """A word as typed and in other cases, each once."""
    return list(dict.fromkeys([word, word.lower(), word.capitalize(), word.upper()]))
