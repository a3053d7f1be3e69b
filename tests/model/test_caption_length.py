"""A caption that is too long for a model is cut where it reads well, and that is said."""

import pytest

from oneseed.model.caption_length import print_cut, readable_beginning
from oneseed.model.tokenizer import Encoded, Tokenizer
from tests.stopwatch import within

HILL = "An engraving of a castle on a hill."
RIVER = "A river flows below it, and two ships pass."


@pytest.mark.parametrize(
    "text, limit, beginning",
    [
        (HILL, 100, HILL),
        (f"{HILL} {RIVER}", 70, HILL),
        (f"{HILL} {RIVER} A third.", 82, f"{HILL} {RIVER}"),
        ('A sign says "Stop!" Nobody does so here.', 30, 'A sign says "Stop!"'),
        # no sentence that is long enough
        (f"Look! {RIVER}", 36, "Look! A river flows below it"),
        ("a tower, a very long wall without any gate", 30, "a tower, a very long wall"),
        ("a castle with two towers, then a wall", 33, "a castle with two towers"),
        ("a castle – seen from a hill", 15, "a castle"),
        # abbreviations and numbers end none
        (
            "An engraving of St. Peter by J. M. W. Turner",
            38,
            "An engraving of St. Peter by J. M. W.",
        ),
        ("An engraving of fig. two of a book", 25, "An engraving of fig. two"),
        ("A plate of 3.5 inches... wide and deep", 34, "A plate of 3.5 inches... wide and"),
        # scripts without blanks
        ("一座山上的城堡。河流在下面流过，两艘船经过。", 15, "一座山上的城堡。"),
        ("河流在山下面流过，两艘船经过。", 12, "河流在山下面流过"),
        ("一座山上的城堡和一条河流", 7, "一座山上的城堡"),
        ("「山上的城堡。」河流在下面", 10, "「山上的城堡。」"),
        ("किला पहाड़ी पर है। नदी नीचे बहती है।", 25, "किला पहाड़ी पर है।"),
        # no letter is parted from its accent, no joined emoji from its parts
        ("e\u0301e\u0301e\u0301", 3, "e\u0301"),
        ("👨\u200d👩\u200d👧👨\u200d👩\u200d👧", 7, "👨\u200d👩\u200d👧"),
        ("x" * 50, 20, "x" * 20),
        ("abc", 0, ""),
    ],
)
def test_the_beginning_of_a_long_caption_reads_as_if_it_ended_there(text, limit, beginning):
    """Captions once ended in the middle of a word, and so did what the model wrote."""
    assert readable_beginning(text, limit) == beginning


def test_an_encoded_caption_ends_with_a_sentence_and_fits():
    captions = [f"{HILL} {RIVER} The sky above them is full of clouds and birds."] * 4
    tokenizer = Tokenizer.train(captions, 400)
    whole = tokenizer.length(captions[0])
    ends = {tokenizer.decode(tokenizer.encode(captions[0], length)) for length in range(10, whole)}
    assert {HILL, f"{HILL} {RIVER}"} < ends
    assert all(captions[0].startswith(end) for end in ends)
    assert all(captions[0][len(end)] in " ,." for end in ends)
    assert tokenizer.decode(tokenizer.encode(captions[0], whole)) == captions[0]


@pytest.mark.parametrize(
    "text", ["Größe 版画 \U0001f600 " * 40, "版画" * 100, "é" * 200, " " * 300]
)
@pytest.mark.parametrize("length", [4, 5, 9, 48])
def test_a_cut_caption_is_a_beginning_without_broken_letters(text, length):
    tokenizer = Tokenizer.train([HILL], 300)
    ids = tokenizer.encode(text, length)
    assert len(ids) <= length
    assert text.startswith(tokenizer.decode(ids))


def test_long_captions_are_counted_and_the_length_that_reads_them_is_named(capsys):
    captions = [HILL] * 5 + [f"{HILL} {RIVER}"] * 3
    tokenizer = Tokenizer.train([HILL] * 2, 300)
    fits, needed = tokenizer.length(HILL), tokenizer.length(captions[-1])
    print_cut(captions, tokenizer, fits)
    said = capsys.readouterr().out
    assert f"captions longer than {fits} tokens: 3 of 8" in said
    advised = int(said.split("--max-caption-length ")[1].split()[0])
    assert needed <= advised < needed + 10
    print_cut(captions, tokenizer, advised)
    assert not capsys.readouterr().out
    print_cut([], tokenizer, advised)
    assert not capsys.readouterr().out


def test_captions_of_a_large_collection_are_counted_from_a_sample(capsys):
    """To encode all of them would delay the first step by seconds."""
    captions = [HILL, f"{HILL} {RIVER}"] * 50_000
    # no sample has it; the length that reads all whole must
    captions[1] = f"{HILL} {RIVER} {HILL} {RIVER}"
    tokenizer = Tokenizer.train([HILL], 260)
    with within(2):
        print_cut(captions, tokenizer, 60)
    said = capsys.readouterr().out
    assert "longer than 60 tokens: about 50,000 of 100,000" in said
    advised = int(said.split("--max-caption-length ")[1].split()[0])
    assert advised >= tokenizer.length(captions[1])


def test_captions_stay_unread_until_they_are_asked_for():
    tokenizer = Tokenizer.train([HILL], 300)
    encoded = Encoded([HILL, RIVER], tokenizer, 20)
    assert encoded.items == [HILL, RIVER]
    assert encoded[1] == tokenizer.encode(RIVER, 20)
    assert encoded.items[0] == HILL
