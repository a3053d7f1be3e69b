"""What captions say of combinations: which words follow which, and which are kept apart."""

from oneseed.dataset.phrases import join_pieces, known_phrases, parts_clauses, split_pieces
from oneseed.synthetic.engravings import attributes

CAPTIONS = [
    "An engraving of a ship at the sea shore, cross-hatched throughout.",
    "An engraving of a castle at the edge of a forest, on a starry night.",
    "An engraving of two ships under a starry sky.",
    "An engraving of ships.",
]


def test_pieces_joined_are_the_text_again():
    text = "two  small ships, cross-hatched: (by the sea)!"
    pieces, tail = split_pieces(text)
    assert join_pieces(pieces) + tail == text
    assert [piece.word for piece in pieces][:4] == ["two", "small", "ships", "cross"]
    assert split_pieces("…") == ([], "…")


def test_a_pictograph_is_a_piece_wherever_it_stands():
    """As the first letter of a text it was a part of the gap that is dropped there."""
    text = "🚢 and 👨\u200d👩\u200d👧, ❤\ufe0f🔥"
    pieces, tail = split_pieces(text)
    assert join_pieces(pieces) + tail == text
    assert [piece.word for piece in pieces] == [
        "🚢",
        "and",
        "👨\u200d👩\u200d👧",
        "❤\ufe0f",
        "🔥",
    ]
    followers = known_phrases(["the ❤\ufe0f🔥 by a 🚢"])["followers"]
    assert followers == {"❤": ["🔥"], "🔥": [" by"], "by": [" a 🚢"]}


def test_a_hyphen_and_an_apostrophe_begin_no_clause():
    assert [parts_clauses(gap) for gap in (" ", "-", "'", ", ", ". ", " (")] == [
        *[False] * 3,
        *[True] * 3,
    ]


def test_words_that_never_end_a_clause_keep_what_follows_them():
    followers = known_phrases(CAPTIONS)["followers"]
    assert followers["at"] == [" the sea", " the edge"]
    assert followers["starry"] == [" night", " sky"]
    assert followers["cross"] == ["-hatched"]
    assert not {"shore", "night", "sky", "forest", "throughout", "ships"} & followers.keys()


def test_frequent_words_that_no_caption_has_together_are_apart():
    facts = attributes.collection(6000)
    captions = [attributes.tell(one, seed) for seed, one in enumerate(facts)]
    apart = known_phrases(captions)["apart"]
    assert "ship" in apart["castle"]
    assert "two" in apart["three"]
    # any subject stands at any place
    assert "sea" not in apart["castle"]
    for one, others in apart.items():
        for caption in captions[:300]:
            here = {piece.word for piece in split_pieces(caption.lower())[0]}
            assert one not in here or not here & set(others), caption


def test_rare_words_are_not_said_to_be_apart():
    """Of 190 titles nearly no two share two words; that says nothing of foxes in snow."""
    titles = [f"An engraving of thing{i} and other{i}." for i in range(190)]
    assert known_phrases(titles)["apart"] == {}


def test_captions_that_say_nothing_are_no_trouble():
    assert known_phrases([]) == {"followers": {}, "apart": {}}
    assert known_phrases(["", "…", ""]) == {"followers": {}, "apart": {}}


def test_what_a_checkpoint_keeps_stays_small(monkeypatch):
    """A word that goes with hundreds of others goes with any: nothing is kept of it."""
    monkeypatch.setattr("oneseed.dataset.phrases.MAX_FOLLOWERS", 2)
    followers = known_phrases([f"red thing{i}, old one" for i in range(3)])["followers"]
    assert "red" not in followers
    assert followers["old"] == [" one"]
