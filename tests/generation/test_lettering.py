"""Text on pictures: every script is drawn, and different words look different."""

import pytest
from PIL import Image, ImageDraw

from oneseed.generation import fonts, lettering
from oneseed.generation.rendering import with_caption

SIZE = 12


def drawn(text):
    """A line of text as an image."""
    image = Image.new("L", (300, 24), 255)
    lettering.draw_line(ImageDraw.Draw(image), (2, 2), text, width=296, size=SIZE)
    return image


@pytest.fixture
def bare(monkeypatch):
    """A machine without fonts: the built-in one alone."""
    for cached in (fonts.fonts_of, fonts.font_files, fonts.say_missing):
        cached.cache_clear()
    monkeypatch.setattr(fonts, "font_files", lambda letter: [])
    yield
    fonts.fonts_of.cache_clear()
    fonts.say_missing.cache_clear()


@pytest.mark.parametrize(
    "one, other",
    [
        ("山上的城堡", "海边的小船"),
        ("корабль", "девушка"),
        ("ałb", "ađb"),
        ("किला", "नदी"),
        ("🐱", "🐶"),
        ("🩷", "🪿"),
        (
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
            "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        ),
    ],
)
def test_different_words_look_different_whatever_fonts_there_are(one, other, bare):
    """All letters that the built-in font lacks were the same empty box. Later the flags of England
    and Scotland were the same one, and emoji newer than Python's Unicode were none at all."""
    assert drawn(one).tobytes() != drawn(other).tobytes()
    assert drawn(one).getcolors() != [(300 * 24, 255)]


def test_a_missing_script_is_said_once_with_what_brings_it(bare, capsys):
    for text in ("山上的城堡", "海边的小船", "किला"):
        drawn(text)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2, said
    assert "Chinese" in said[0] and "pip install noto-cjk-sans-otc" in said[0]
    assert "Devanagari" in said[1] and "pip install manimgx-fonts" in said[1]
    # a screen of an old code page shows it
    assert "".join(said).isascii()


def test_latin_text_is_in_the_built_in_font(bare):
    runs = lettering.runs_of("An engraving of a café, 12 ships", SIZE)
    assert [run.font for run in runs] == [fonts.fonts_of(SIZE).default]


def test_a_word_is_in_one_font_where_one_has_it():
    """Letters of two fonts in one word look like a mistake."""
    runs = lettering.runs_of("ałb and a castle", SIZE)
    if runs[0].font is None:
        pytest.skip("no font here has Polish letters")
    assert runs[0].text.strip() == "ałb"


def test_lines_are_no_wider_than_their_paper():
    for text in ("a castle on a hill " * 9, "山上的城堡乌云密布" * 9, "x" * 300):
        lines = lettering.wrap(text, width=200, size=SIZE)
        assert len(lines) > 1
        assert max(lettering.text_width(line, SIZE) for line in lines) <= 200
        assert "".join("".join(lines).split()) == "".join(text.split())
    assert len(lettering.wrap("a castle " * 99, width=200, size=SIZE, most=5)) == 5
    assert lettering.wrap("", width=200, size=SIZE) == []


def test_joined_letters_stay_together_in_a_line():
    family = "👨‍👩‍👧"
    lines = lettering.wrap(family * 30, width=100, size=SIZE)
    assert all(line.count("👨") * family == line for line in lines)
    assert lettering.clusters("कि") == ["कि"]


def test_text_from_right_to_left_begins_at_the_right():
    assert lettering.is_right_to_left("12 ספינות")
    assert not lettering.is_right_to_left("a ספינה")
    columns = drawn("אב").point(lambda value: 255 - value).getbbox()
    assert columns[0] > 200


def test_without_raqm_letters_from_right_to_left_are_turned_and_numbers_are_not(monkeypatch):
    monkeypatch.setattr(lettering, "can_order", lambda: False)
    assert lettering.in_drawing_order("אבג 12") == "12 גבא"
    assert lettering.in_drawing_order("abc") == "abc"


def test_cards_take_any_text():
    image = Image.new("L", (64, 64), 128)
    for text in ("", "\n\t", "\u200d", "\ue000\U000f0000", "\x00", "a" * 5000, "🏴󠁧󠁢󠁥󠁮󠁧󠁿"):
        assert with_caption(image, text, 256, "title " + text).width == 256
