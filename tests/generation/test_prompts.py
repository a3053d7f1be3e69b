"""How prompts are read: in the words, the spelling and the form of the training captions."""

import pytest

from oneseed.dataset.phrases import known_phrases
from oneseed.dataset.wording import words
from oneseed.generation.prompts import PromptReader
from oneseed.generation.synonyms import synonyms
from oneseed.model.tokenizer import Tokenizer
from oneseed.synthetic.engravings import attributes

CAPTIONS = [attributes.tell(facts, seed) for seed, facts in enumerate(attributes.collection(6000))]
TITLES = [f"An engraving of The {name}." for name in ("Raven", "Wolf", "Raven and the Wolf")] * 9


def reader_of(captions, style="builtin", **changes):
    """A reader of prompts for a model that was trained on these captions."""
    bpe = Tokenizer.train(captions, 1000).bpe
    facts = {
        "style": style,
        "words": frozenset(set().union(*map(words, captions))),
        "phrases": known_phrases(captions),
        "token_count": lambda text: len(bpe.encode(text, add_special_tokens=False).ids),
    }
    return PromptReader(**facts | changes)


@pytest.fixture(scope="module")
def drawn():
    """The reader of a model of drawn engravings."""
    return reader_of(CAPTIONS)


def test_a_caption_is_read_as_it_stands(drawn):
    for caption in CAPTIONS[:500]:
        read = drawn.read(caption)
        assert (read.text, read.remarks) == (caption, [])


@pytest.mark.parametrize(
    "typed, text",
    [
        ("two small ships under a stormy sky", "two small ships under a stormy sky"),
        ("TWO SMALL SHIPS", "two small ships"),
        ("Two Small Ships", "two small ships"),
        ("  two\n small   ships \t", "two small ships"),
        ("two small ships !!", "two small ships"),
        ("“two small ships”", "two small ships"),
        ("two small ships .", "two small ships."),
        ("a picture of two small ships", "two small ships"),
        ("AN ENGRAVING OF TWO SMALL SHIPS", "two small ships"),
        ("stormy sky, two ships", "stormy sky, two ships"),
        ("two ships stormy sky", "two ships stormy sky"),
        ("a castle, cross hatched", "a castle, cross-hatched"),
        ("a hot air balloon", "a hot-air balloon"),
    ],
)
def test_a_prompt_is_worded_like_a_caption(drawn, typed, text):
    """Its first word has other tokens at the beginning than within: "two small ships under a stormy
    sky" was honoured in 38 of 100 seeds, and in 100 when it began with a blank."""
    read = drawn.read(typed)
    assert (read.text, read.remarks) == (f"An engraving of {text}", [])


def test_the_first_word_has_the_tokens_that_it_has_within(drawn):
    bpe = Tokenizer.train(CAPTIONS, 1000).bpe
    whole = bpe.encode(drawn.read("two small ships").text).tokens
    within = bpe.encode("An engraving of two small ships by the sea.").tokens
    assert whole == within[: len(whole)]
    assert len(bpe.encode("two small ships").tokens) > 3


@pytest.mark.parametrize(
    "typed, text, read_as",
    [
        ("a huge castle", "a large castle", {"huge": "large"}),
        ("an enormous castle", "a large castle", {"enormous": "large"}),
        ("a couple of boats", "two ships", {"a couple of": "two", "boats": "ships"}),
        ("2 ships", "two ships", {"2": "two"}),
        (
            "a large castle at night",
            "a large castle on a starry night",
            {"at night": "on a starry night"},
        ),
        ("an elephant in the forest", "an elephant by a forest", {"in the forest": "by a forest"}),
        ("a crosshatched church", "a cross-hatched church", {"crosshatched": "cross-hatched"}),
        ("a light house", "a lighthouse", {"light house": "lighthouse"}),
        ("under a stromy sky", "under a stormy sky", {"stromy": "stormy"}),
        (
            "a ship in a thunder storm",
            "a ship in a thunderstorm",
            {"thunder storm": "thunderstorm"},
        ),
    ],
)
def test_other_words_and_typos_are_understood_and_said(drawn, typed, text, read_as):
    read = drawn.read(typed)
    assert read.text == f"An engraving of {text}"
    for word, meant in read_as.items():
        (remark,) = [one for one in read.understood if f"'{word}'" in one]
        assert f"read as '{meant}'" in remark


def test_what_no_caption_has_is_named_with_the_nearest_and_left_out(drawn):
    read = drawn.read("a midnight castle")
    assert read.text == "An engraving of a castle"
    assert read.unknown == ["no training caption has 'midnight'; nearest known: 'night'"]
    read = drawn.read("an ugly castle in the snow")
    assert read.text == "An engraving of a castle"
    assert read.unknown == ["no training caption has 'ugly'", "no training caption has 'snow'"]


def test_a_prompt_of_unknown_words_alone_stays_as_it_is(drawn):
    read = drawn.read("a xylophone")
    assert read.text == "An engraving of a xylophone"
    assert read.unknown == ["no training caption has 'xylophone'"]


@pytest.mark.parametrize(
    "typed, named",
    [
        ("a castle and a ship", ["'castle' and 'ship' together"]),
        ("a stormy castle", ["'stormy castle'; nearest known: "]),
        ("an old castle", ["'old' and 'castle' together"]),
        ("two ships, three trees", ["'two' and 'three' together", "'ships' and 'trees' together"]),
    ],
)
def test_known_words_that_no_caption_has_together_are_named(drawn, typed, named):
    """Each word of "at night" may be known: nobody has drawn the two together."""
    unknown = drawn.read(typed).unknown
    assert len(unknown) == len(named)
    for remark, part in zip(unknown, named):
        assert f"no training caption has {part}" in remark


@pytest.mark.parametrize(
    "typed", ["two ships", "ship, castle-like sky", "three trees by the sea, in stipple", "tree"]
)
def test_fragments_of_captions_are_no_unknown_combinations(drawn, typed):
    """Captions say "two small ships"; who leaves out a word asks for nothing unheard of."""
    assert not [one for one in drawn.read(typed).unknown if "two ships" in one or "sea" in one]


def test_a_checkpoint_without_phrases_still_reads_prompts():
    old = reader_of(CAPTIONS, phrases={})
    assert old.read("TWO huge SHIPS").text == "An engraving of two large ships"
    assert old.read("a castle and a ship").remarks == []
    assert reader_of(CAPTIONS, phrases={}, words=frozenset()).read("A zeppelin!").remarks == []


def test_words_are_written_in_the_case_of_the_captions():
    """Titles have their own capitals, and the tokens that belong to them."""
    titles = reader_of(TITLES, "engraving")
    assert titles.read("the raven AND THE wolf").text.endswith("Raven and the Wolf")


def test_captions_without_blanks_between_words_are_not_taken_apart():
    captions = [f"{place}上的城堡" for place in ("山", "海岸", "河")]
    read = reader_of(captions, "engraving").read("山上的城堡")
    assert (read.text, read.remarks) == ("山上的城堡", [])
    (remark,) = reader_of(captions, "engraving").read("山上的飞机").unknown
    assert "'飞机'" in remark


def test_a_pictograph_is_kept_where_captions_have_it_and_told_where_none_has():
    """A prompt that began with an emoji lost it without a word, and no emoji was ever unknown."""
    captions = ["An engraving of a 🚢.", "An engraving of a castle by a river."]
    reader = reader_of(captions, "engraving")
    read = reader.read("🚢 by a river")
    assert (read.text, read.remarks) == ("An engraving of 🚢 by a river", [])
    for typed in ("🐫 by a river", "a 🐫 by a river", "a castle by a river 🐫"):
        read = reader.read(typed)
        assert "🐫" not in read.text
        assert read.unknown == ["no training caption has '🐫'"]


def test_a_korean_noun_stays_in_a_prompt_without_its_particle():
    """성, castle, was left out, since captions have it as 성과 and 성이 alone."""
    captions = ["산 위의 성과 먹구름", "바다 옆 성이 보인다"]
    read = reader_of(captions, "engraving").read("성 옆 먹구름")
    assert read.text == "성 옆 먹구름"
    assert not [one for one in read.remarks if "'성'" in one]


@pytest.mark.parametrize(
    "style, asked, typed, text",
    [
        ("painting", None, "a ship", "A painting of a ship"),
        ("my pictures", None, "a ship", "A picture of a ship"),
        ("builtin", "stipple", "a ship", "An engraving of a ship"),
        ("all", None, "a ship", " a ship"),
        ("all", None, "a painting of a ship", "A painting of a ship"),
        ("all", "painting", "a ship", "A painting of a ship"),
        ("sculpture", None, "a statue of a horse", "A sculpture of a horse"),
    ],
)
def test_a_prompt_begins_as_the_captions_of_its_style_do(style, asked, typed, text):
    """In a collection of all styles none of the beginnings is everybody's."""
    captions = ["A painting of a ship.", "A sculpture of a horse.", "A drawing of a ship."]
    assert reader_of(captions, style).read(typed, asked).text == text


def test_a_medium_alone_asks_for_nothing(drawn):
    assert drawn.read("an engraving").text == "An engraving"
    assert drawn.read("An engraving of").text == "An engraving"


def test_no_word_is_read_as_itself():
    for phrase, group in synonyms().items():
        assert phrase in {other.lower().replace("-", " ") for other in group}
        assert len(group) > 1, phrase
