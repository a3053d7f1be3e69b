"""Training says how many captions it cuts before it begins, and trains on readable beginnings."""

from oneseed.config.training import TrainConfig
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
