"""Which epoch is the best, and who writes captions, is decided by what pairs are like."""

import math

import numpy as np
import pytest
import torch

from oneseed.model import caption_source
from oneseed.model.multimodal import MultimodalModel
from oneseed.training.data import PairLoader
from oneseed.training.pair_quality import (
    CaptionQuality,
    choose_source,
    common_words,
    describe_captions,
    guessing_contrast,
    make_book,
    measure_quality,
    pair_score,
    repeats_a_word,
    standard_error,
    word_agreement,
)
from tests.conftest import CAPTIONS

WEIGHTS = {"reconstruction": 1.0, "caption": 2.0, "contrastive": 0.5}


def quality(written=0.5, nearest=0.4, standard_error=0.01, preference=0.0, faulty=0.0):
    return CaptionQuality(written, nearest, standard_error, preference, faulty)


def loader(tokenizer, captions=CAPTIONS, **changes):
    pixels = np.random.default_rng(0).integers(0, 256, (len(captions), 32, 32), dtype=np.uint8)
    tokens = [tokenizer.encode(caption, 48) for caption in captions]
    return PairLoader(
        pixels,
        np.arange(len(captions)),
        tokens,
        **{"batch_size": 8, "channels": 1, "tokenizer": tokenizer} | changes,
    )


def test_words_twice_in_a_row_are_seen_in_any_case():
    assert repeats_a_word("An engraving of of of")
    assert repeats_a_word("An engraving of The the Wolf")
    assert not repeats_a_word("An engraving of a wolf and a lamb of an age")


def test_agreement_counts_words_and_not_their_order():
    assert word_agreement({"wolf", "lamb"}, {"lamb", "wolf"}) == 1
    assert word_agreement({"wolf"}, {"wolf", "lamb"}) == pytest.approx(2 / 3)
    assert word_agreement({"wolf"}, {"fox"}) == word_agreement(set(), {"fox"}) == 0
    assert word_agreement(set(), set()) == 1


def test_words_of_most_captions_tell_nothing():
    """Captions of nothing but "An engraving of" agreed in four words of ten."""
    assert common_words(["An engraving of a fox", "An engraving of wolves", "An icon of it"]) == {
        "an",
        "engraving",
        "of",
    }


def test_a_decoder_writes_where_it_is_better_than_copying():
    assert quality(0.95, 0.7).can_write
    assert not quality(0.08, 0.08).can_write
    # luck: less than two standard errors
    assert not quality(0.10, 0.08, standard_error=0.015).can_write
    # all captions are the same
    assert quality(1.0, 1.0).can_write
    # the same in other words: two or a pair, at the sea or on the coast
    assert quality(0.48, 0.46, preference=9.0).can_write
    assert not quality(0.48, 0.46, preference=-9.0).can_write


def test_word_salad_is_never_written_however_well_its_words_agree():
    assert not quality(0.95, 0.7, faulty=0.02).can_write
    assert quality(0.95, 0.7, faulty=0.01).can_write


def test_titles_that_no_picture_tells_do_not_decide_which_epoch_is_best(tiny_model):
    """The kept model was of epoch 15, though pictures became better until the end of the run."""
    val = loader(tiny_model.tokenizer)
    unlearnt = quality(0.05, 0.08)
    early = {"reconstruction": 0.30, "caption": 5.0, "contrastive": 2.5}
    late = {"reconstruction": 0.25, "caption": 9.0, "contrastive": 4.0}
    assert pair_score(late, WEIGHTS, val, unlearnt) < pair_score(early, WEIGHTS, val, unlearnt)


def test_captions_that_are_learnt_do_decide(tiny_model):
    val = loader(tiny_model.tokenizer)
    losses = {"reconstruction": 0.30, "caption": 1.0}
    learnt = pair_score(losses, WEIGHTS, val, quality(0.95, 0.7))
    better = pair_score(losses, WEIGHTS, val, quality(0.97, 0.7))
    assert better == pytest.approx(learnt - 2 * 0.02)
    # without captions, they do not count
    assert pair_score(losses, {"reconstruction": 1.0}, val, None) == pytest.approx(0.30)


def test_contrast_counts_up_to_guessing(tiny_model):
    val = loader(tiny_model.tokenizer, batch_size=6)
    assert guessing_contrast(val) == pytest.approx((6 * math.log(6) + 2 * math.log(2)) / 8)
    many = loader(tiny_model.tokenizer, CAPTIONS * 8)
    weights = {"contrastive": 0.5}
    scores = [pair_score({"contrastive": loss}, weights, many, None) for loss in (0.4, 2.0, 9.0)]
    assert scores == pytest.approx([0.2, 1.0, 0.5 * math.log(8)])


def test_luck_among_three_pairs_decides_nothing(tiny_model):
    """Of 25 pictures three were held out, and who found their partners first was kept."""
    few = loader(tiny_model.tokenizer, CAPTIONS[:3])
    weights = {"reconstruction": 1.0, "contrastive": 0.5}
    lucky = pair_score({"reconstruction": 0.26, "contrastive": 0.3}, weights, few, None)
    better = pair_score({"reconstruction": 0.24, "contrastive": 1.0}, weights, few, None)
    assert better < lucky


def test_a_book_gives_the_caption_of_the_nearest_picture(tiny_model):
    """Each picture's own code finds its own caption, alone as in a batch."""
    codes = torch.randn(8, 32, generator=torch.Generator().manual_seed(1))
    book = make_book(tiny_model, loader(tiny_model.tokenizer), codes, torch.arange(8))
    choose_source(tiny_model, book, quality(0.0, 0.5))
    assert tiny_model.captions_of(codes + 0.01) == CAPTIONS
    assert [tiny_model.captions_of(code[None])[0] for code in codes] == CAPTIONS
    assert tiny_model.decode_code(codes)[1] == CAPTIONS
    z = tiny_model.sampler.to_latent(codes)
    assert tiny_model.decode_text(z) == CAPTIONS


def test_a_book_travels_in_the_checkpoint_and_belongs_to_the_fingerprint(tiny_model, tmp_path):
    z = torch.randn(5, 32, generator=torch.Generator().manual_seed(2))
    plain = tiny_model.fingerprint()
    codes = torch.randn(8, 32, generator=torch.Generator().manual_seed(1))
    book = make_book(tiny_model, loader(tiny_model.tokenizer), codes, torch.arange(8))
    choose_source(tiny_model, book, quality(0.0, 0.5))
    path = tmp_path / "best_model.pt"
    torch.save(tiny_model.state_dict(), path)
    for other in (MultimodalModel(tiny_model.config), MultimodalModel(tiny_model.config)):
        other.load_state_dict(torch.load(path))
        assert other.decode_text(z) == tiny_model.decode_text(z)
        assert other.fingerprint() == tiny_model.fingerprint() != plain
    assert set(tiny_model.decode_text(z)) <= set(CAPTIONS)
    # another book of the same pictures is another model
    before = tiny_model.fingerprint()
    tiny_model.caption_book.captions[0] = "An engraving of a fox."
    assert tiny_model.fingerprint() != before
    # a checkpoint without a book, loaded into a model that has one
    choose_source(tiny_model, book, quality(0.9, 0.5))
    other.load_state_dict(tiny_model.state_dict())
    assert other.caption_book is None
    assert caption_source.source_of(other.meta) == caption_source.DECODER


def test_an_untrained_decoder_is_measured_and_not_let_write(tiny_model):
    """An engraving of of of: a pair had better carry a caption that somebody wrote."""
    pairs = loader(tiny_model.tokenizer)
    codes = torch.randn(8, 32, generator=torch.Generator().manual_seed(1))
    book = make_book(tiny_model, pairs, codes, torch.arange(8))
    measured = measure_quality(tiny_model, book, pairs, 0)
    assert measured.faulty > 0.5
    assert 0 <= measured.written < 1
    assert abs(measured.preference) < 100
    assert not measured.can_write
    assert "nearest training picture" in describe_captions(measured)
    # the same every time
    assert measure_quality(tiny_model, book, pairs, 0) == measured


def test_a_written_caption_is_told_from_a_copied_one(tiny_model, monkeypatch):
    """A decoder that writes what is true, and a book that does not know it."""
    pairs = loader(tiny_model.tokenizer, CAPTIONS * 2)
    codes = torch.randn(16, 32, generator=torch.Generator().manual_seed(1))
    book = make_book(tiny_model, pairs, codes, torch.arange(16))
    book.captions = ["An engraving of nothing."] * 16
    true = iter([pairs.tokens, [pairs.tokens[0]] * 100])
    monkeypatch.setattr(tiny_model, "decode_tokens", lambda codes: list(next(true)))
    measured = measure_quality(tiny_model, book, pairs, 0)
    assert (measured.written, measured.faulty) == (1, 0)
    assert measured.nearest == 0
    assert measured.can_write
    assert measured.gain == 1
    assert "writes its own" in describe_captions(measured)


def test_two_pictures_cannot_tell_who_writes_better():
    """With one held-out picture any difference was certain, and word salad was written."""
    assert standard_error(np.array([0.3])) == math.inf
    assert standard_error(np.array([0.3, 0.3])) == math.inf
    assert not quality(0.9, 0.1, standard_error=math.inf).can_write
    three = np.array([0.0, 0.3, 0.6])
    assert standard_error(three) == pytest.approx(0.3 / 3**0.5)
