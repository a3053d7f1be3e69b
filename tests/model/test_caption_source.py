"""Who wrote a caption is said by the model itself, in words for people."""

import pytest

from oneseed.console.command import UserError
from oneseed.model.caption_source import SOURCE_WORDS, source_of


def test_a_checkpoint_that_does_not_say_it_writes_its_own_captions():
    """Checkpoints are older than the question."""
    assert source_of({}) == "decoder"
    assert source_of({"caption_source": "nearest"}) == "nearest"


@pytest.mark.parametrize("source", ["oracle", None, 3])
def test_a_source_of_a_later_version_is_refused_by_name(source):
    with pytest.raises(UserError, match=f"{source!r}.*it knows decoder, nearest, none"):
        source_of({"caption_source": source})


def test_a_model_that_writes_needs_no_words_and_the_others_explain_themselves():
    own, nearest, none = SOURCE_WORDS.values()
    assert (own.sheet, own.mark, own.pair, own.model) == ("", "", "", "")
    assert "nearest training picture" in nearest.pair
    assert "has not learnt to write" in nearest.model
    assert nearest.sheet == "captions: of the nearest training pictures"
    assert "pictures alone" in none.pair
    assert "prompts cannot steer it" in none.model
