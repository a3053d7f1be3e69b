"""Which of the known words is meant by one that has a typo."""

import difflib
from collections.abc import Set

from oneseed.dataset.wording import words

# letters of the shortest word that may be a typo
MIN_TYPO = 4
# letters from which on another letter may stand for the right one ("house" is no "horse")
MIN_REPLACED = 7
# letters from which on a word may have two typos
MIN_TWO_TYPOS = 8
# how alike a word must be to be named as the nearest, 0 to 1
ALIKE = 0.75
# words around what is asked for; not in a caption perhaps, but no typos of what is
COMMON_WORDS = words(
    "about and are for from have here is it just like make more much only over please show some "
    "than that their them then there these they this those very want where which while will with"
)


def nearest_spellings(word: str, known_words: Set[str]) -> list[str]:
    """The known words that an unknown one is a typo of, those with the fewest typos, in order.

    Of several the one with its last letter is nearer: "windmills" to "windmils" than "windmill".
    Both are in lower case.
    """
    if len(word) < MIN_TYPO or not word.isalpha() or word in COMMON_WORDS:
        return []
    limit = 2 if len(word) >= MIN_TWO_TYPOS else 1
    counts = {known: typo_count(word, known) for known in known_words if may_mean(word, known)}
    fewest = min(counts.values(), default=limit + 1)
    nearest = sorted(known for known, count in counts.items() if count == fewest <= limit)
    return [known for known in nearest if known[-1] == word[-1]] or nearest


def may_mean(word: str, known: str) -> bool:
    """Is it worth counting the typos of a word? The first letter is seldom wrong."""
    if len(known) < MIN_TYPO or abs(len(known) - len(word)) > 2:
        return False
    is_other_letter = len(known) == len(word) and sorted(known) != sorted(word)
    return known[0] in word[:2] and (len(word) >= MIN_REPLACED or not is_other_letter)


def similar_words(word: str, known_words: Set[str]) -> list[str]:
    """The known words that an unknown one may be meant for, or that look like it."""
    nearest = nearest_spellings(word, known_words)
    if nearest or word in COMMON_WORDS:
        return nearest
    return difflib.get_close_matches(word, sorted(known_words), cutoff=ALIKE)


def typo_count(word: str, known: str) -> int:
    """Letters too many, too few, wrong or exchanged with their neighbour that part two words.

    The method is optimal string alignment.
    """
    before: list[int] = []
    row = list(range(len(known) + 1))
    for i, letter in enumerate(word, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(known, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if last and j > 1 and letter == known[j - 2] and word[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
