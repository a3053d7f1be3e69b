"""The vocabulary: every text comes back, every entry can be reached."""

import pytest

from oneseed.model.tokenizer import END, START, Encoded, Tokenizer
from tests.conftest import CAPTIONS


@pytest.mark.parametrize(
    "text",
    [
        *CAPTIONS,
        "Größe, 版画 \U0001f600",
        "<end> spelled out <pad>",
        "a\u2028b\tc",
        "def f(x):\n    return x",
        "SELECT * FROM t;",
        "",
    ],
)
def test_tokenizer_brings_every_caption_back(text):
    """The first public attempt built its vocabulary from raw words and encoded stripped ones.

    Some entries could never be reached.
    """
    tokenizer = Tokenizer.train(CAPTIONS, 400)
    ids = tokenizer.encode(text, 200)
    assert tokenizer.decode(ids) == text
    assert ids[0] == START
    assert ids[-1] == END
    assert not set(ids[1:-1]) & {0, 1, 2, 3}


def test_long_texts_are_cut_and_end_all_the_same():
    tokenizer = Tokenizer.train(CAPTIONS, 400)
    ids = tokenizer.encode("x" * 500, 48)
    assert len(ids) == 48
    assert ids[-1] == END


def test_texts_encoded_when_asked_for_are_those_encoded_at_once():
    tokenizer = Tokenizer.train(CAPTIONS, 400)
    at_once = [tokenizer.encode(caption, 9) for caption in CAPTIONS]
    assert list(Encoded(CAPTIONS, tokenizer, 9)) == at_once


def test_every_vocabulary_entry_can_be_reached():
    tokenizer = Tokenizer.train(CAPTIONS, 400)

    def ids_of(text):
        return tokenizer.bpe.encode(text, add_special_tokens=False).ids

    reached = {token for caption in CAPTIONS for token in ids_of(caption)}
    for caption in CAPTIONS:
        for cut in range(1, len(caption)):
            reached.update(ids_of(caption[:cut]))
    for token in range(260, len(tokenizer)):
        text = tokenizer.bpe.decode([token])
        assert token in reached or token in ids_of(text), text
