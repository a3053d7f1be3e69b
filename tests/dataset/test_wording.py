"""Captions read in the words of their style."""

import pytest

from oneseed.dataset.code_texts import kept_caption
from oneseed.dataset.wording import worded
from oneseed.synthetic.collections import DRAWN_STYLES, drawn_collection


@pytest.mark.parametrize(
    "caption, style, expected",
    [
        ("a castle on a hill", "engraving", "An engraving of a castle on a hill"),
        ("An engraving depicting a castle", "engraving", "An engraving depicting a castle"),
        ("an engraving of an engraving of a castle", "engraving", "An engraving of a castle"),
        (
            "An engraving of a black and white drawing of a castle",
            "engraving",
            "An engraving of a castle",
        ),
        (
            "a black and white drawing of a man with a hat",
            "engraving",
            "An engraving of a man with a hat",
        ),
        ("This is an old black-and-white photo of two men", "engraving", "An engraving of two men"),
        ("Engraving: the ship at sea", "engraving", "An engraving of the ship at sea"),
        ("A detailed wood engraving that shows ships", "engraving", "An engraving showing ships"),
        ("Two men in a boat", "engraving", "An engraving of two men in a boat"),
        (
            "The Wolves and the Sheep (wood engraving by Gustave Doré)",
            "engraving",
            "An engraving of The Wolves and the Sheep (wood engraving by Gustave Doré)",
        ),
        (
            "etching / wood engraving by George Cruikshank, from The Tower of London",
            "engraving",
            "An engraving of a work by George Cruikshank, from The Tower of London",
        ),
        (
            "woodcut, from Shakespeare and the Emblem Writers",
            "engraving",
            "An engraving of a work from Shakespeare and the Emblem Writers",
        ),
        ("This engraving depicts a castle.", "engraving", "An engraving depicting a castle."),
        (
            "An engraving of this engraving portrays a castle",
            "engraving",
            "An engraving depicting a castle",
        ),
        (
            "In this black and white image, a man walks.",
            "engraving",
            "An engraving of a man walks.",
        ),
        ("This image is a finely detailed print of a ship", "engraving", "An engraving of a ship"),
        (
            "an engraving of: The image features two men",
            "engraving",
            "An engraving showing two men",
        ),
        (
            "In the Forest, the Picture of a Picnic",
            "engraving",
            "An engraving of In the Forest, the Picture of a Picnic",
        ),
        ("  a\tcastle\n\x00on\u200b a hill ", "engraving", "An engraving of a castle on a hill"),
        ("a statue of a man", "engraving", "An engraving of a statue of a man"),
        ("a photo of a marble statue of a man", "sculpture", "A sculpture of a man"),
        ("a painting of a lady", "painting", "A painting of a lady"),
        ("a pencil sketch of a hand", "drawings", "A drawing of a hand"),
        ("an icon of Saint Nicholas", "iconography", "An icon of Saint Nicholas"),
        ("a tower", "builtin", "An engraving of a tower"),
        ("small red heart at top left", "sprites", "A drawing of small red heart at top left"),
        ("an engraving of a cat", "my_cats", "A picture of a cat"),
        ("Printing in the old days", "engraving", "An engraving of Printing in the old days"),
        ("an engraving", "engraving", ""),
        ("an engraving of", "engraving", ""),
        ("An engraving of an engraving", "engraving", ""),
        (" \n", "engraving", ""),
        ("...", "engraving", ""),
        ("山上的城堡", "engraving", "山上的城堡"),
        ("корабль в море", "my_cats", "корабль в море"),
        ("خانه‌های کوچک", "painting", "خانه‌های کوچک"),
        ("पहाड़ी पर किला", "engraving", "पहाड़ी पर किला"),
        ("Łódź nad rzeką", "engraving", "An engraving of Łódź nad rzeką"),
        ("An engraving of 山上的城堡", "engraving", "An engraving of 山上的城堡"),
        ("👨‍👩‍👧 before a castle", "engraving", "An engraving of 👨‍👩‍👧 before a castle"),
        ("🐱", "engraving", "An engraving of 🐱"),
        ("。。。", "engraving", ""),
        ("🩷 and 🪿", "engraving", "An engraving of 🩷 and 🪿"),
        ("🫨🫨\uffff\ufdd0\ue000", "engraving", "An engraving of 🫨🫨"),
        ("⭐", "engraving", "An engraving of ⭐"),
        ("ប្រាសាទ\u200bនៅ\u200bលើ\u200bភ្នំ", "engraving", "ប្រាសាទ\u200bនៅ\u200bលើ\u200bភ្នំ"),
        ("word\u200bword by the sea", "engraving", "An engraving of word word by the sea"),
        ("слово\u200bслово\u200b.", "engraving", "слово слово."),
    ],
)
def test_captions_read_in_the_words_of_their_style(caption, style, expected):
    assert worded(caption, style) == expected
    assert worded(expected, style) == expected, "wording twice changes nothing"


@pytest.mark.parametrize("style", DRAWN_STYLES)
def test_captions_of_drawn_collections_stay_untouched(style):
    drawn = drawn_collection(style)
    for level in drawn.levels:
        facts = drawn.collection(100, level)
        told = [drawn.tell(one, seed, level) for seed, one in enumerate(facts)]
        row = {"style": style, "caption_kind": drawn.caption_kind}
        assert [kept_caption(row, caption) for caption in told] == told
