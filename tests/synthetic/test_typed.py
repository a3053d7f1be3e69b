"""Prompts as people type them: what they ask for is known, and no caption says it so."""

import re

import pytest

from oneseed.synthetic.engravings.attributes import ATTRIBUTES, parse, tell
from oneseed.synthetic.engravings.collection import ENGRAVINGS
from oneseed.synthetic.engravings.typed import KINDS, MAX_ASKED, OTHER_WORDS, typed_prompt

FACTS = ENGRAVINGS.collection(300, seed=7)
# kinds whose words are those of captions
OWN_WORDS = ("bare", "reordered", "capitals", "blanks")


@pytest.mark.parametrize("kind", KINDS)
def test_one_to_four_attributes_are_asked_for_and_repeatably(kind):
    sizes = set()
    for seed, facts in enumerate(FACTS):
        prompt = typed_prompt(facts, kind, seed)
        assert prompt == typed_prompt(facts, kind, seed)
        assert prompt.asked.items() <= facts.items()
        sizes.add(len(prompt.asked))
    assert sizes == set(range(2 if kind == "reordered" else 1, MAX_ASKED + 1))


@pytest.mark.parametrize("kind", OWN_WORDS)
def test_the_text_says_what_is_asked_for_and_nothing_else(kind):
    for seed, facts in enumerate(FACTS):
        prompt = typed_prompt(facts, kind, seed)
        said = {name: value for name, value in parse(prompt.text).items() if value is not None}
        # "a ship" asks for one, though a caption would not claim it; "a large ship" claims one
        said.pop("count", None)
        assert said == {name: value for name, value in prompt.asked.items() if name != "count"}


def test_no_typed_prompt_is_a_caption():
    captions = {tell(facts, seed) for seed, facts in enumerate(FACTS)}
    for kind in KINDS:
        texts = {typed_prompt(facts, kind, seed).text for seed, facts in enumerate(FACTS)}
        assert not texts & captions
        assert not any("engraving of" in text.lower() for text in texts)


def test_what_is_reordered_does_not_begin_with_its_subject():
    for seed, facts in enumerate(FACTS):
        prompt = typed_prompt(facts, "reordered", seed)
        assert prompt.asked["subject"] not in prompt.text.split(", ")[0]


def test_a_typo_changes_one_word():
    captions = [tell(facts, seed) for seed, facts in enumerate(ENGRAVINGS.collection(3000))]
    vocabulary = set(re.findall(r"\w+", " ".join(captions).lower()))
    typos = []
    for seed, facts in enumerate(FACTS):
        typed = typed_prompt(facts, "misspelt", seed).text
        wrong = set(re.findall(r"\w+", typed)) - vocabulary
        assert len(wrong) <= 1, typed
        typos += wrong
    # a letter too few may make another word: "tents"
    assert len(typos) > 0.9 * len(FACTS)


def test_other_words_exist_for_every_value():
    for name, values in ATTRIBUTES.items():
        assert set(OTHER_WORDS[name]) == set(values)
