"""Training says how many captions it cuts before it begins, and trains on readable beginnings."""

import random

import pytest

from oneseed.config.training import TrainConfig
from oneseed.dataset.collection import Collection
from oneseed.training.expected_cut import ExpectedCut, expected_cut
from oneseed.training.loaders import create_data_loaders
from tests.conftest import tiny_config


def loaders(data, **changes):
    config = TrainConfig(style="builtin", preset="small", batch_size=8, data=str(data))
    return create_data_loaders(tiny_config(vocab_size=0, **changes), config)


def test_captions_that_are_cut_are_counted_before_training(builtin_data, capsys):
    """They were cut in the middle of a word, and no screen said so."""
    train, val = loaders(builtin_data, max_caption_length=8)
    total = len(train.rows) + len(val.rows)
    assert f"captions longer than 8 tokens: {total} of {total}" in capsys.readouterr().out
    for caption in map(train.tokenizer.decode, train.tokens):
        assert caption.startswith("An engraving")
        assert caption[-1].isalpha()


def test_nothing_is_said_where_all_captions_fit(builtin_data, capsys):
    loaders(builtin_data, max_caption_length=200)
    assert "longer than" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "letters", ["\u4e00-\u51ff", "\u3042-\u3090", "\u0e01-\u0e2e"], ids=["han", "kana", "thai"]
)
def test_long_captions_without_blanks_are_counted_when_they_are_dealt(tmp_path, letters):
    """Each was a single word, and so too short to be looked at: nobody was told that it is cut."""
    first, last = map(ord, letters.split("-"))
    draw = random.Random(0)
    captions = ["".join(map(chr, draw.choices(range(first, last), k=870))) for _ in range(12)]
    rows = [{"caption": caption, "split": "train"} for caption in captions]
    cut = expected_cut(rows, Collection("prints", tmp_path))
    assert cut.sentence.startswith("captions longer than 100 tokens: 12 of 12; ")
    assert cut.options.startswith("--max-caption-length ")


def test_short_captions_are_not_looked_at_before_training(tmp_path, monkeypatch):
    """To learn a vocabulary from a hundred thousand of them takes a while."""
    monkeypatch.setattr("oneseed.model.tokenizer.Tokenizer.of_captions", None)
    rows = [{"caption": text, "split": "train"} for text in ("A ship at the sea.", "山上的城堡")]
    assert expected_cut(rows, Collection("prints", tmp_path)) == ExpectedCut()
