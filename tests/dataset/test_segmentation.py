"""Words in any language: found, compared and counted as their readers would."""

import re

import pytest

from oneseed.dataset.curation import matching_rows
from oneseed.dataset.segmentation import (
    is_latin,
    missing_words,
    placed_words,
    split_words,
    words,
)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Two SHIPS, half-timbered_x!", {"two", "ships", "half", "timbered", "x"}),
        ("Der FUẞ des Fußes", {"der", "fuss", "des", "fusses"}),
        ("cafe\N{COMBINING ACUTE ACCENT} café", {"café"}),
        ("İSTANBUL Istanbul ıstanbul", {"istanbul"}),
        ("ＡＢＣ １２", {"abc", "12"}),
        ("山上的城堡", {"山上", "城堡"}),
        ("山", {"山"}),
        ("嵐の海の船とカメラ", {"嵐", "海", "船", "カメラ"}),
        ("पहाड़ी पर किला", {"पहाड़ी", "पर", "किला"}),
        ("خانه‌های کوچک", {"خانههای", "کوچک"}),
        ("전나무 숲", {"전나무", "숲"}),
        ("👨‍👩‍👧 und ❤️", {"👨‍👩‍👧", "und", "❤"}),
        ("⌚ ⬛🟥 ⭐️ ▶", {"⌚", "⬛", "🟥", "⭐", "▶"}),
        ("👨\u200d❤\ufe0f\u200d👨 1\ufe0f\u20e3", {"👨\u200d❤\u200d👨", "1\u20e3"}),
        (
            "🏴\U000e0067\U000e0062\U000e007f 🏴\U000e0075\U000e0073\U000e007f",
            {"🏴\U000e0067\U000e0062\U000e007f", "🏴\U000e0075\U000e0073\U000e007f"},
        ),
        ("នៅ\u200bលើ", {"នៅលើ"}),
        ("…", set()),
    ],
)
def test_words_are_those_that_a_reader_would_compare(text, expected):
    assert words(text) == expected
    assert words(" ".join(words(text))) == expected, "the words of words are the words"


def test_a_mark_belongs_to_its_letter():
    """Vowel signs ended words once: "किला", castle, became the letters क and ल."""
    assert split_words("किला नदी") == ["किला", "नदी"]
    assert words("ปราสาท") == {"ปร", "รา", "าส", "สา", "าท"}


def test_a_sentence_without_blanks_has_about_as_many_words_as_its_reader_counts():
    assert split_words("山上的城堡乌云密布") == ["山上", "城堡", "乌云", "密布"]
    assert len(split_words("ปราสาทบนภูเขา")) == 3
    assert split_words("the King's half-timbered house") == [
        "the",
        "king's",
        "half-timbered",
        "house",
    ]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The King's Half-Timbered", ["the", "king", "s", "half", "timbered"]),
        ("Plate IX, 16th.", ["plate", "ix", "16th"]),
        ("Théodose cafe\N{COMBINING ACUTE ACCENT}!", ["théodose", "café"]),
        ("城堡 Castle東京カメラ", ["城", "堡", "castle", "東", "京", "カメラ"]),
        ("किला", ["किला"]),
        ("…", []),
    ],
)
def test_every_word_is_found_where_it_stands(text, expected):
    found = list(placed_words(text))
    assert [word for word, _, _ in found] == expected
    assert [next(placed_words(text[begin:end]))[0] for _, begin, end in found] == expected


def test_seen_words_are_known_in_any_order_where_no_blanks_part_them():
    """城堡 and 乌云 were seen, but never side by side: that is no unknown word."""
    known = words("山上的城堡乌云密布") | words("เรือบนทะเล ปราสาทบนภูเขา")
    for text in ("山上的城堡", "城堡在山上", "乌云城堡", "山", "เรือบนภูเขา"):
        assert not missing_words(text, known), text
    assert missing_words("城堡和飞机", known) == ["飞机"]
    assert missing_words("海", known) == ["海"]
    assert missing_words("รถไฟบนภูเขา", known) == ["รถไฟ"]
    assert missing_words("a Castle", {"castle"}) == ["a"]


def test_a_korean_word_is_known_with_any_particle():
    """성, castle, was called unknown where captions have it as 성과, and castle and, or 성이."""
    known = words("산 위의 성과 먹구름") | words("바다 옆 성이 보인다")
    for text in ("산 위의 성", "성 옆 먹구름", "성을", "먹구름이", "바다에서"):
        assert not missing_words(text, known), text
    assert missing_words("성 옆 비행기와 용", known) == ["비행기와", "용"]


def test_a_search_finds_captions_in_any_script_and_case():
    captions = ["An engraving of elephants", "山上的城堡", "Die STRASSE", "(किला) पर", "Łódź"]
    rows = [{"id": str(number), "caption": caption} for number, caption in enumerate(captions)]
    for typed, expected in (
        ("elephant", [0]),
        ("lephant", []),
        ("城堡 山", [1]),
        ("straße", [2]),
        ("किला", [3]),
        ("ला", []),
        ("łódź", [4]),
        ("", [0, 1, 2, 3, 4]),
    ):
        found = [int(row["id"]) for row in matching_rows(rows, typed)]
        assert found == expected, typed


def test_letters_tell_the_script():
    assert is_latin("Łódź, à Paris")
    assert is_latin("👨‍👩‍👧")
    assert is_latin("An engraving of 城堡")
    assert not is_latin("山上的城堡")
    assert not is_latin("корабль DVD")


def test_english_words_are_what_they_were():
    text = "A 12th-century ship_2, with Dr. O'Neil's ½ x"
    assert words(text) == set(re.findall(r"[^\W_]+", text.lower()))
