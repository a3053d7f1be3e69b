"""The words of a text in any language.

    words("Der Fuß des Königs")        # {"der", "fuss", "des", "königs"}
    words("山上的城堡")                 # {"山上", "城堡"}
    split_words("the King's castle")   # ["the", "king's", "castle"]
    missing_words("城堡和飞机", {"城堡"})   # ["飞机"]

Chinese, Japanese, Thai, Lao, Khmer, Burmese and their kin write no blanks between words. Without a
dictionary nobody knows where theirs begin, so pairs of neighbouring letters stand for them, a
letter with its marks counting as one. The Chinese letters that only join words part them, and so do
changes between Chinese characters, hiragana and katakana; a katakana word is one word, and a single
hiragana, mostly an ending or a particle, is none. A pictograph, joined or not, is a word. A Korean
word is known with any particle behind it.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator, Set
from dataclasses import dataclass

from oneseed.workers import chunks

HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
HIRAGANA = "\u3041-\u309f"
KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
# Thai, Lao, Burmese, Khmer, Tai, Balinese, Javanese
SOUTHEAST = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0eff\u1000-\u109f\u1780-\u17d3\u1950-\u19df\u1a20-\u1aad"
    "\u1b00-\u1b4b\ua980-\ua9c0\ua9e0-\ua9ef\uaa60-\uaa7f"
)
# Chinese letters that only join words: of, and, in, on, is, has, a …
HAN_JOINTS = "的了着在和与與及是有地得之一"
# letters with their marks that make up a word on average, for counts
HAN_WORD = 2
SOUTHEAST_WORD = 4
JOINING = "\u200b-\u200d"
JOINER = re.compile(f"[{JOINING}]")
# they only ask for a plain or a coloured pictograph
SELECTORS = "\ufe0e\ufe0f"
# code points where marks lie that belong to the letter before
MARK_RANGES = (range(0x300, 0x3100), range(0xA66F, 0xAC00), range(0xFE20, 0xFE30))


def as_ranges(letters: Iterator[str]) -> str:
    """Letters in order -> what stands for them between [ and ], which is compiled faster so."""
    ranges: list[list[str]] = []
    for letter in letters:
        if ranges and ord(letter) == ord(ranges[-1][-1]) + 1:
            ranges[-1][1:] = [letter]
        else:
            ranges.append([letter])
    return "".join("-".join(ends) for ends in ranges)


COMBINING = as_ranges(
    letter
    for letter in map(chr, itertools.chain(*MARK_RANGES))
    if unicodedata.category(letter)[0] == "M"
)
LETTER = rf"[^\W_][{COMBINING}{JOINING}{SELECTORS}]*"
# signs that show something: pictures, shapes, and the arrows that are drawn as emoji
SIGN = (
    "[\u2194-\u2199\u21a9\u21aa\u2300-\u2307\u230c-\u231f\u2322-\u2328\u232b-\u239a\u23b4-\u23ff"
    "\u25a0-\u27bf\u2934\u2935\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
    rf"[\U0001f3fb-\U0001f3ff]?[{SELECTORS}]?"
)
# a flag of two letters; or joined signs, with the tags of a region's flag
PICTOGRAPH = rf"(?:[\U0001f1e6-\U0001f1ff]{{2}}|{SIGN}(?:\u200d{SIGN})*[\U000e0020-\U000e007f]*)"
# a word as it is written, where blanks part words; or a pictograph
WORD = re.compile(rf"(?:{LETTER})+|{PICTOGRAPH}")
# as one with what a hyphen or an apostrophe joins
JOINED_WORD = re.compile(rf"(?:{LETTER})+(?:['’-](?:{LETTER})+)*|{PICTOGRAPH}")
NO_LETTER_BEFORE = rf"(?<![^\W_])(?<![{COMBINING}])"
ASCII_WORD = re.compile(r"[^\W_]+")
# a word of one script, or a stretch without blanks
STRETCH = re.compile(
    rf"(?P<han>(?:[{HAN}][{COMBINING}{JOINING}]*)+)"
    rf"|(?P<hiragana>(?:[{HIRAGANA}][{COMBINING}]*)+)"
    rf"|(?P<southeast>(?:[{SOUTHEAST}][{COMBINING}{JOINING}]*)+)"
    rf"|(?P<word>[{KATAKANA}]+|[^{HAN}{HIRAGANA}{KATAKANA}{SOUTHEAST}]+)"
)
UNSPACED = re.compile(f"[{HAN}{HIRAGANA}{KATAKANA}{SOUTHEAST}]")
# a word, or a letter of a script in which nobody knows where words begin
PLACED_WORD = re.compile(
    rf"[{HAN}{HIRAGANA}{SOUTHEAST}][{COMBINING}]*|(?:(?![{HAN}{HIRAGANA}{SOUTHEAST}]){LETTER})+"
)
CLUSTER = re.compile(rf".[{COMBINING}{JOINING}]*")
# letters of full or half width
WIDE_LETTERS = re.compile("[\uff01-\uffef]+")
# the Turkish ı, whose capital is I, and what only asks for a coloured or a plain pictograph
FOLDED = str.maketrans({"ı": "i", **dict.fromkeys(SELECTORS, "")})
HANGUL_WORD = re.compile("[\uac00-\ud7a3]+")
# syllables of a longer ending behind a Korean word
MAX_ENDING = 2
# what stands behind a Korean noun
PARTICLE = re.compile(
    "(?<=.)(?:은|는|이|가|을|를|의|에|와|과|로|도|만|에서|에게|으로|까지|부터|처럼|하고)$"
)


def fold(text: str) -> str:
    """A text as texts are compared: case, width, composition and joiners make no difference."""
    if text.isascii():
        return text.lower()
    text = WIDE_LETTERS.sub(lambda wide: unicodedata.normalize("NFKC", wide.group()), text)
    # Twice: a letter's other case may be composed otherwise.
    folded = unicodedata.normalize("NFC", text).casefold().replace("i\u0307", "i")
    return unicodedata.normalize("NFC", folded.translate(FOLDED))


def is_latin(text: str) -> bool:
    """Whether at least half of the letters are Latin; of none they are."""
    if text.isascii():
        return True
    names = [unicodedata.name(letter, "") for letter in text if letter.isalpha()]
    latin = sum(name.startswith(("LATIN", "FULLWIDTH LATIN")) for name in names)
    return 2 * latin >= len(names)


def words(text: str) -> set[str]:
    """The words of a caption or prompt, folded; pairs of letters where no blanks part words."""
    return set(units(text))


def units(text: str) -> Iterator[str]:
    """The words of a text as `words` has them, in order."""
    if text.isascii():
        yield from ASCII_WORD.findall(text.lower())
        return
    for token in WORD.findall(fold(text)):
        for stretch in stretches(token):
            yield from stretch.units()


def placed_words(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of a text in order, folded, each with where it begins and ends in the text.

    Where no blanks part words, each letter stands for itself.
    """
    if text.isascii():
        for found in ASCII_WORD.finditer(text):
            yield found.group().lower(), *found.span()
        return
    for found in PLACED_WORD.finditer(text):
        yield without_joiners(fold(found.group())), *found.span()


def split_words(text: str) -> list[str]:
    """All words in order and folded, for counts; "King's" and "half-timbered" are one each.

    Where no blanks part words, stretches of a word's usual length stand for them.
    """
    found = []
    for token in JOINED_WORD.findall(fold(text)):
        if UNSPACED.search(token):
            for stretch in stretches(token):
                parts = chunks(stretch.letters, stretch.word_length)
                found += ["".join(part) for part in parts]
        else:
            found.append(without_joiners(token))
    return found


def has_words(text: str, beginnings: str) -> bool:
    """Whether a text has a word for each beginning; "elephant" finds elephants.

    beginnings: with blanks between. Where no blanks part words, they stand anywhere.
    """
    searched = JOINER.sub("", fold(text))
    return all(
        re.search(
            ("" if UNSPACED.match(beginning) else NO_LETTER_BEFORE) + re.escape(beginning), searched
        )
        for beginning in JOINER.sub("", fold(beginnings)).split()
    )


def missing_words(text: str, known: Set[str]) -> list[str]:
    """The words of a text that are not among the known ones, folded, each once.

    known: as `words` gives them. Where no blanks part words a letter is known that stands in a
    known pair, or, alone, in any known word: what parts two words is a pair that nobody wrote.
    """
    missing: dict[str, None] = {}
    for token in WORD.findall(fold(text)):
        for stretch in stretches(token):
            missing |= dict.fromkeys(stretch.missing(known))
    return list(missing)


@dataclass(frozen=True)
class Stretch:
    """Neighbouring letters of one script, each with its marks; or a whole word."""

    letters: list[str]
    # letters of a word in counts
    word_length: int = 1

    def units(self) -> list[str]:
        """The pairs of neighbouring letters, or the letter or word that stands alone."""
        pairs = [one + other for one, other in itertools.pairwise(self.letters)]
        return pairs or self.letters

    def missing(self, known: Set[str]) -> list[str]:
        """The parts that no known word has."""
        if len(self.letters) == 1:
            word = self.letters[0]
            is_letter = self.word_length > 1
            is_known = word in known or (is_letter and any(word in longer for longer in known))
            return [] if is_known or is_known_in_korean(word, known) else [word]
        has_pair = [False, *map(known.__contains__, self.units()), False]
        parts = [""]
        for letter, before, after in zip(self.letters, has_pair, has_pair[1:]):
            if before or after:
                parts.append("")
            else:
                parts[-1] += letter
        return [part for part in parts if part]


def stretches(token: str) -> Iterator[Stretch]:
    """A folded word, or letters without blanks -> what it consists of."""
    for found in STRETCH.finditer(without_joiners(token)):
        letters = CLUSTER.findall(found.group())
        if found.lastgroup == "han":
            for is_joint, part in itertools.groupby(letters, key=HAN_JOINTS.__contains__):
                if not is_joint:
                    yield Stretch(list(part), HAN_WORD)
        elif found.lastgroup == "southeast":
            yield Stretch(letters, SOUTHEAST_WORD)
        elif found.lastgroup == "word":
            yield Stretch([found.group()])
        elif len(letters) > 1:
            yield Stretch(letters, SOUTHEAST_WORD)


def is_known_in_korean(word: str, known: Set[str]) -> bool:
    """Whether a Korean word is known with another ending: "성" and "성이" are where "성과" is.

    False for a word of other letters.
    """
    if not HANGUL_WORD.fullmatch(word):
        return False
    stem = PARTICLE.sub("", word)
    return any(
        other.startswith(word)
        or (word.startswith(other) and len(word) - len(other) <= MAX_ENDING)
        or PARTICLE.sub("", other) == stem
        for other in known
        if other[:1] == word[0]
    )


def without_joiners(token: str) -> str:
    """A word without its invisible letters; joined pictographs keep theirs."""
    return JOINER.sub("", token) if token[0].isalnum() else token
