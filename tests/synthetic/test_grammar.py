"""A collection's grammar: all texts that it tells, and no other."""

import random

import pytest

from oneseed.synthetic.grammar import Automaton, any_of, in_order
from oneseed.synthetic.screens.collection import DENSE_SCREENS, SCREENS


@pytest.fixture(scope="module", params=[SCREENS, DENSE_SCREENS], ids=["128", "256"])
def drawn(request):
    return request.param


@pytest.fixture(scope="module")
def automaton(drawn):
    return Automaton(drawn.grammar)


def random_text(automaton, rng):
    """A text of the grammar: at each byte any way on."""
    state = automaton.start
    text = b""
    while automaton.moves[state]:
        if automaton.is_end(state) and rng.random() < 0.5:
            break
        byte = rng.choice(sorted(automaton.moves[state]))
        text += bytes([byte])
        state = automaton.moves[state][byte]
    return text.decode()


def test_parts_follow_one_another_and_alternatives_may_begin_alike():
    ships = Automaton(in_order("a ", any_of(["", "small ", "smart "]), "ship"))
    assert [ships.accepts(text) for text in ("a ship", "a small ship", "a smart ship")] == [
        True
    ] * 3
    refused = ("", "a ", "a ships", "a smal ship", "a small small ship", "ship")
    assert [text for text in refused if ships.accepts(text)] == []
    assert ships.read(ships.start, b"a sma") is not None
    assert ships.read(ships.start, b"a smb") is None


def test_letters_of_any_script_are_read_byte_by_byte():
    words = Automaton(any_of(["Füße", "Füller", "船"]))
    assert [words.accepts(text) for text in ("Füße", "Füller", "船", "F")] == [True] * 3 + [False]


def test_whatever_a_collection_tells_is_of_its_grammar(drawn, automaton):
    for level in drawn.levels:
        for facts in drawn.sample(level, 60, 5, None):
            text = drawn.tell(facts, 0, level)
            assert automaton.accepts(text), text


def test_every_text_of_the_grammar_is_one_that_the_collection_tells(drawn, automaton):
    rng = random.Random(0)
    kinds = set()
    for _ in range(150):
        text = random_text(automaton, rng)
        found = drawn.check(text)
        assert found.is_valid and not found.reason, f"{found.reason}\n{text}"
        assert text in [drawn.tell(found.facts, 0, level) for level in drawn.levels], text
        kinds.add(found.facts["kind"])
    assert kinds == set(drawn.kinds)


def test_a_text_with_one_letter_more_less_or_other_is_not(drawn, automaton):
    rng = random.Random(1)
    for facts in drawn.collection(60, seed=2):
        text = drawn.tell(facts, 0, 5)
        place = rng.randrange(len(text))
        assert not automaton.accepts(text[:place] + "~" + text[place:])
        assert not automaton.accepts(text[:place] + "~" + text[place + 1 :])
        assert not automaton.accepts(text[:-1])
