"""How much each token of a caption weighs in the loss: what no picture tells weighs less.

    told = told_words(train_rows)
    weights = weigh_words(captions, tokenizer, 100, told, 0.1)
    weights[0]                           # [1.0, 1.0, 0.1, 0.1, 1.0], as long as the caption's ids

Names and dates cannot be read off a picture. Their loss falls only by learning by heart, and its
gradient would drown the others in the code that picture and caption share.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from oneseed.dataset.code_texts import is_code
from oneseed.dataset.jsonl import Row
from oneseed.dataset.segmentation import placed_words
from oneseed.model.tokenizer import Tokenizer
from oneseed.synthetic.collections import DRAWN_STYLES

# captions that a word must stand in at least, to be learnt from them
RARE_CAPTIONS = 5


@dataclass(frozen=True)
class ToldWords:
    """The words that a picture may tell, by the training captions alone.

    They are those without a digit that enough captions have, and all of drawn collections and of
    code, whose captions say what was drawn.
    """

    # folded, see placed_words
    words: frozenset[str]
    # share of all words that are others, each counted once a caption; 0 to 1
    untold_share: float

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "ToldWords":
        """Those of rows with a "caption" and a "style": the same for the same rows."""
        captions_with: Counter[str] = Counter()
        told: set[str] = set()
        for row in rows:
            found = {word for word, _, _ in placed_words(row["caption"])}
            captions_with.update(found)
            if is_all_told(row):
                told |= found
        for word, count in captions_with.items():
            if count >= RARE_CAPTIONS and not any(map(str.isdigit, word)):
                told.add(word)
        untold = sum(count for word, count in captions_with.items() if word not in told)
        return cls(frozenset(told), untold / max(1, captions_with.total()))


def is_all_told(row: Row) -> bool:
    """Whether every word of a row's caption can be read off its picture."""
    return row["style"] in DRAWN_STYLES or is_code(row)


class WordWeights:
    """The weights of the tokens of captions, each list made when it is first asked for."""

    def __init__(
        self,
        captions: Sequence[str],
        tokenizer: Tokenizer,
        max_length: int,
        told: ToldWords,
        untold_weight: float,
    ) -> None:
        """max_length: of a caption in ids, see Tokenizer.encode. untold_weight: 0 to 1."""
        # each a caption, or its weights
        self.items: list[str | list[float]] = list(captions)
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.told = told
        self.untold_weight = untold_weight

    def __getitem__(self, row: int) -> list[float]:
        """A weight for each id of a caption as the model reads it, START and END counted."""
        item = self.items[row]
        if isinstance(item, str):
            item = self.weights_of(item)
            self.items[row] = item
        return item

    def weights_of(self, caption: str) -> list[float]:
        """1 for tokens of told words, blanks, punctuation and marks, else untold_weight.

        Of a caption that is cut within a word, the whole word counts.
        """
        is_untold = [False] * len(caption)
        for word, begin, end in placed_words(caption):
            if word not in self.told.words:
                is_untold[begin:end] = [True] * (end - begin)
        encoding = self.tokenizer.encoding_within(caption, self.max_length)
        weights = [
            self.untold_weight if any(is_untold[begin:end]) else 1.0
            for begin, end in encoding.offsets
        ]
        return [1.0, *weights, 1.0]


def told_words(rows: Sequence[Row]) -> ToldWords | None:
    """The told words of training rows with a "caption" and a "style"; None where all are told."""
    if all(map(is_all_told, rows)):
        return None
    told = ToldWords.of(rows)
    return told if told.untold_share else None


def weigh_words(
    captions: Sequence[str],
    tokenizer: Tokenizer,
    max_length: int,
    told: ToldWords | None,
    untold_weight: float,
) -> WordWeights | None:
    """The weights of captions, see WordWeights; None where all would be 1."""
    if told is None or untold_weight == 1:
        return None
    return WordWeights(captions, tokenizer, max_length, told, untold_weight)
