"""Who wrote the captions of a model's pairs, and the words in which people are told.

A model that has learnt to write captions writes its own. Where its caption decoder has not learnt
it, a pair carries the caption of the nearest training picture. Where it was trained on pictures
alone, its pairs have no captions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oneseed.config.captioning import NONE
from oneseed.console.command import UserError

# what a model's meta["caption_source"] may be, beside NONE
DECODER = "decoder"
NEAREST = "nearest"


@dataclass(frozen=True)
class SourceWords:
    """One way in which captions come about, in words; "" where nothing need be said."""

    # of several pairs: below a sheet
    sheet: str
    # of one pair, in a few words between others
    mark: str
    # of one pair, as a sentence
    pair: str
    # of the model, as a sentence
    model: str


SOURCE_WORDS = {
    DECODER: SourceWords(sheet="", mark="", pair="", model=""),
    NEAREST: SourceWords(
        sheet="captions: of the nearest training pictures",
        mark="borrowed caption",
        pair="The caption is that of the nearest training picture.",
        model=(
            "The model has not learnt to write captions, so each pair borrows the caption of the "
            "training picture that is nearest to it; more pictures with captions, or longer "
            "training, may change that."
        ),
    ),
    NONE: SourceWords(
        sheet="no captions: the model was trained on pictures alone",
        mark="",
        pair="There is no caption: the model was trained on pictures alone.",
        model=(
            "The model was trained on pictures alone, so its pairs have no captions, and prompts "
            "cannot steer it."
        ),
    ),
}


def source_of(meta: Mapping[str, Any]) -> str:
    """A model's meta -> DECODER, NEAREST or NONE; checkpoints that do not say it have a decoder.

    UserError for any other value, which a later version may have written.
    """
    source = meta.get("caption_source", DECODER)
    if source not in SOURCE_WORDS:
        raise UserError(
            f"this checkpoint says that its captions come from {source!r}, of which this version "
            f"of the program knows nothing; it knows {', '.join(SOURCE_WORDS)}"
        )
    return source
