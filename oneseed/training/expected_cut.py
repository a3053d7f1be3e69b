"""Before training: how many captions it would cut, and the flag with which it reads them whole.

    cut = expected_cut(rows, collection)
    cut.sentence       # "captions longer than 100 tokens: 12 of 600; …", "" where none is cut
    cut.options        # "--max-caption-length 130"

The vocabulary is the one that training would take from these captions. Nothing here loads torch.
"""

from collections.abc import Sequence
from typing import NamedTuple

from oneseed.config.model import PRESETS, ModelConfig
from oneseed.dataset.code_texts import are_code
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.segmentation import UNSPACED
from oneseed.model.caption_length import cut_captions, cut_sentence

# rough length of a caption, as a part of the tokens that are read, from which on it may be cut
LONG_CAPTION = 0.6


class ExpectedCut(NamedTuple):
    """What training would cut of the captions as they are."""

    sentence: str = ""
    # of training_loop.py
    options: str = ""


def expected_cut(rows: Sequence[Row], collection: Collection) -> ExpectedCut:
    """Of dealt rows with captions, at the length of the preset that they were prepared with.

    Sentences that are all short are not looked at.
    """
    settings = PRESETS.get(collection.prepared_preset(), {})
    length = settings.get("max_caption_length", ModelConfig.max_caption_length)
    is_code = are_code(rows)
    captions = [row["caption"] for row in rows]
    longest = max(map(rough_length, captions), default=0)
    if not is_code and longest < LONG_CAPTION * length:
        return ExpectedCut()
    # the tokenizers come with it
    from oneseed.model.tokenizer import Tokenizer

    trained = [row["caption"] for row in rows if row.get("split") == "train"]
    vocabulary = settings.get("vocab_size", ModelConfig.vocab_size)
    tokenizer = Tokenizer.of_captions(trained or captions, vocabulary)
    cut = cut_captions(captions, tokenizer, length)
    if not cut.count:
        return ExpectedCut()
    sentence = cut_sentence(cut, len(captions), length, is_code=is_code)
    return ExpectedCut(sentence, f"--max-caption-length {cut.enough}")


def rough_length(caption: str) -> int:
    """Words of a caption, and its letters where no blanks part words: about as many as its tokens.

    Chinese of 870 letters is one stretch without a blank, and has hundreds of tokens.
    """
    return len(caption.split()) + len(UNSPACED.findall(caption))
