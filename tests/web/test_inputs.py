"""The limits on what strangers send to the page."""

import pytest

from oneseed.console.command import UserError
from oneseed.dataset.wording import worded_prompt
from oneseed.seeds import LAST_SEED, seed_of_word
from oneseed.web.inputs import (
    one_line,
    one_of,
    parse_guidance,
    parse_seed,
    seed_text,
)

NO_SEED = [
    True,
    None,
    3.7,
    "3.7",
    "a\tb",
    "a" * 101,
    -1,
    "-1",
    LAST_SEED + 1,
    "1e9",
    "1e400",
    float("nan"),
    float("inf"),
    "",
    " ",
    [7],
    ["7"],
    {"seed": 7},
    "٧",
    "7" * 5000,
    "0x7",
    "1_0",
    "<b>7</b>",
]
NO_NUMBER = [
    True,
    False,
    None,
    "NaN",
    float("nan"),
    float("inf"),
    1e400,
    "1e400",
    -1,
    "-.1",
    5.01,
    10**400,
    "abc",
    "",
    [2],
    {"x": 2},
    "<b>2</b>",
    "2" * 5000,
]


@pytest.mark.parametrize("value", NO_SEED, ids=lambda value: repr(value)[:20])
def test_bad_seed_is_refused_in_one_sentence(value):
    with pytest.raises(
        UserError, match=r"^A seed is a whole number from 0 to 4,294,967,295, or a word\.$"
    ):
        parse_seed(value)


@pytest.mark.parametrize("value", [7, "7", " 7 ", "007", 0, LAST_SEED])
def test_good_seed_is_taken(value):
    assert parse_seed(value) == int(value)


@pytest.mark.parametrize("value", ["Anna", " Anna ", "NaN", "an owl", "Zoë", "山"])
def test_any_word_is_a_seed_of_the_page(value):
    assert parse_seed(value) == seed_of_word(value.strip())
    assert seed_text(value) == value.strip()
    assert seed_text("007") == "7"


@pytest.mark.parametrize("value", NO_NUMBER, ids=lambda value: repr(value)[:20])
def test_bad_number_is_refused_in_one_sentence(value):
    with pytest.raises(UserError, match=r"^Guidance is a number from 0 to 5\.$"):
        parse_guidance(value)


@pytest.mark.parametrize("value", [0, 5, 2.5, "2.5", " 1e0 "])
def test_good_number_is_taken(value):
    assert parse_guidance(value) == float(value)


@pytest.mark.parametrize("value", [True, 7, [], ["a ship"], {"a": 1}], ids=repr)
def test_what_is_no_text_is_refused(value):
    with pytest.raises(UserError, match=r"^A prompt is text\.$"):
        one_line(value, "A prompt", limit=500)


def test_text_comes_on_one_line_without_control_characters_and_no_longer_than_allowed():
    assert (
        one_line(" a\nship\u2028at\tnight \x00\x1b[31m\u202e", "A prompt", limit=500)
        == "a ship at night [31m"
    )
    assert one_line(None, "A prompt", limit=500) == ""
    assert len(one_line("x" * 500, "A prompt", limit=500)) == 500
    with pytest.raises(
        UserError, match=r"^A prompt has 50,000,000 characters, at most 500 are read; shorten it\.$"
    ):
        one_line("x" * 50_000_000, "A prompt", limit=500)


@pytest.mark.parametrize(
    "prompt",
    [
        "خانه\u200cهای کوچک",
        "ប្រាសាទ\u200bនៅ\u200bលើ\u200bភ្នំ",
        "👨\u200d👩\u200d👧 before a castle",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f over a castle",
        "🩷 castle",
    ],
)
def test_a_prompt_has_the_same_letters_on_the_page_as_on_the_command_line(prompt):
    """The page dropped joiners, tags of flags and emoji newer than Python's Unicode, so that one
    seed and one prompt gave another pair there."""
    assert one_line(prompt, "A prompt", limit=500) == prompt
    assert worded_prompt(prompt, "engraving")[1] == prompt
    typed = f" word\u200bword\x00 a\u200db {prompt}"
    assert one_line(typed, "A prompt", limit=500) == f"word word ab {prompt}"


@pytest.mark.parametrize(
    "value", ["stippl", "<b>", 7, True, ["stipple"], {"style": "stipple"}], ids=repr
)
def test_what_is_no_choice_is_refused_and_not_repeated(value):
    with pytest.raises(UserError, match=r"^The style is one of: line, stipple\.$"):
        one_of(value, ["line", "stipple"], "The style")
    assert one_of("stipple", ["line", "stipple"], "The style") == "stipple"
    assert one_of(None, [], "The style") == ""
