"""What a word with a typo is read as, and what is not read as anything."""

import pytest

from oneseed.generation.typos import nearest_spellings, similar_words, typo_count

KNOWN = {
    *("stormy", "starry", "ship", "ships", "horse", "horses", "bridge", "bridges"),
    *("three", "lighthouse", "windmill", "windmills", "cross", "elephant", "tent"),
}


@pytest.mark.parametrize(
    "word, known, count",
    [
        ("ship", "ship", 0),
        ("stromy", "stormy", 1),
        ("shipp", "ship", 1),
        ("shp", "ship", 1),
        ("shop", "ship", 1),
        ("kitten", "sitting", 3),
    ],
)
def test_letters_too_many_too_few_wrong_or_exchanged_count_one(word, known, count):
    assert typo_count(word, known) == typo_count(known, word) == count


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("stromy", "stormy"),
        ("stary", "starry"),
        ("shpis", "ships"),
        ("lighthose", "lighthouse"),
        ("ligthhuose", "lighthouse"),
        ("elehpnat", "elephant"),
        ("windmils", "windmills"),
        ("windmil", "windmill"),
        ("brigdes", "bridges"),
    ],
)
def test_a_typo_means_the_one_word_that_is_nearest(typed, meant):
    assert nearest_spellings(typed, KNOWN) == [meant]


@pytest.mark.parametrize(
    "word", ["house", "there", "these", "rent", "cat", "x", "zeppelin", "19th"]
)
def test_another_word_is_no_typo(word):
    """ "House" is one letter from "horse", and "there" two exchanged letters from "three"."""
    assert nearest_spellings(word, KNOWN) == []


def test_what_could_be_two_words_is_neither():
    assert nearest_spellings("castlet", {"castles", "castle", "castled"}) == [
        "castle",
        "castled",
        "castles",
    ]


def test_words_that_look_alike_are_named_without_being_meant():
    assert similar_words("house", KNOWN) == ["horse"]
    assert similar_words("there", KNOWN) == []
    assert similar_words("zeppelin", KNOWN) == []
