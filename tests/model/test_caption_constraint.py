"""Captions that are held to a grammar: whatever the decoder likes best, its texts are valid."""

import pytest
import torch

from oneseed.console.command import UserError
from oneseed.model.caption_constraint import HERE, CaptionConstraint, token_trie
from oneseed.model.text_networks import TextDecoder, write_captions
from oneseed.model.tokenizer import END, UNK, Tokenizer
from oneseed.synthetic.screens.collection import SCREENS
from tests.conftest import tiny_config

ROOM = 80


@pytest.fixture(scope="module")
def texts():
    return [SCREENS.tell(facts, 0, 5) for facts in SCREENS.collection(120)]


@pytest.fixture(scope="module")
def tokenizer(texts):
    return Tokenizer.train(texts, 500)


@pytest.fixture(scope="module")
def constraint(tokenizer):
    return CaptionConstraint(SCREENS.grammar, tokenizer, ROOM)


@pytest.fixture(scope="module")
def decoder(tokenizer):
    """An untrained decoder, which likes any nonsense as well as a text."""
    config = tiny_config(vocab_size=500, max_caption_length=ROOM)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = TextDecoder(config).eval()
        torch.nn.init.normal_(decoder.condition.weight, std=0.5)
    decoder.unused[:] = torch.arange(500) >= len(tokenizer)
    decoder.unused[:2] = True
    return decoder


def codes(count):
    return torch.randn(count, 32, generator=torch.Generator().manual_seed(1))


def drawn(decoder, count, constraint, room=ROOM):
    generators = [torch.Generator().manual_seed(seed) for seed in range(count)]
    return write_captions(
        decoder,
        codes(count),
        room,
        temperature=2.0,
        generators=generators,
        constraint=constraint,
    )


def reasons(ids, tokenizer):
    return [SCREENS.check(tokenizer.decode(row)).reason for row in ids]


def test_an_untrained_decoder_always_writes_texts_that_parse(decoder, tokenizer, constraint):
    free = reasons(drawn(decoder, 8, None), tokenizer)
    assert all(free), "else this test shows nothing"
    ids = drawn(decoder, 8, constraint)
    assert reasons(ids, tokenizer) == [""] * 8
    assert len({tokenizer.decode(row) for row in ids}) > 4
    likeliest = write_captions(decoder, codes(6), ROOM, constraint=constraint)
    assert reasons(likeliest, tokenizer) == [""] * 6


@pytest.mark.parametrize("room", [14, 22, 40])
def test_a_text_ends_within_the_room_that_captions_have(decoder, tokenizer, room):
    """A form that has begun cannot end in three tokens: such beginnings are not allowed then."""
    constraint = CaptionConstraint(SCREENS.grammar, tokenizer, room)
    ids = drawn(decoder, 8, constraint, room)
    assert max(map(len, ids)) <= room
    assert all(row[-1] == END for row in ids)
    assert reasons(ids, tokenizer) == [""] * 8


def test_no_text_fits_into_too_little_room(tokenizer):
    with pytest.raises(UserError, match="leave --constrained out"):
        CaptionConstraint(SCREENS.grammar, tokenizer, 4)


def test_a_caption_is_the_same_alone_in_a_batch_and_without_caches(decoder, constraint):
    together = write_captions(decoder, codes(5), ROOM, constraint=constraint)
    for row in range(5):
        alone = codes(5)[row : row + 1]
        assert write_captions(decoder, alone, ROOM, constraint=constraint) == [together[row]]
    slow = write_captions(decoder, codes(5), ROOM, constraint=constraint, use_cache=False)
    assert slow == together


def test_the_tokens_of_training_captions_are_all_allowed(texts, tokenizer, constraint):
    """A decoder that is right is not led astray."""
    whole = [text for text in texts if tokenizer.length(text) <= ROOM]
    assert len(whole) > 60
    for text in whole:
        state = constraint.start
        _, *ids = tokenizer.encode(text, ROOM)
        for place, token in enumerate(ids):
            assert token in constraint.allowed(state, ROOM - 1 - place), (text, place)
            state = constraint.moves[state][token]
        assert state == constraint.over


def test_a_token_without_letters_is_no_way_on():
    """It stood at the root of the vocabulary, so it was allowed everywhere, and wrote blanks."""

    class Vocabulary:
        def __len__(self):
            return UNK + 3

        def bytes_of(self, token):
            return b"" if token == UNK + 1 else b"a"

    trie = token_trie(Vocabulary())
    assert HERE not in trie
    assert trie == {ord("a"): {HERE: UNK + 2}}
