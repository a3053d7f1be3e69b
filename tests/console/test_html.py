"""Pages of strangers' names and captions do nothing but show them."""

import pytest

from oneseed.console.html import data_url, html_page, safe_text


def test_text_of_strangers_stays_text():
    """A caption of <script> was data once; on a page it must stay that."""
    shown = safe_text('<img src=x onerror="alert(1)">\x1b[2J\u202egnp')
    assert "<img" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("text", ["خانه\u200cهای", "👨\u200d👩\u200d👧", "នៅ\u200bលើ", "🩷"])
def test_letters_that_need_a_joiner_are_shown_as_they_are_written(text):
    """Pages of captions, and notes on the terminal, had \\u200c in the middle of Persian words."""
    assert safe_text(text) == f"<bdi>{text}</bdi>"


def test_every_page_forbids_scripts_and_other_hosts():
    page = html_page("title </title><script>", "p {}", ["<p>one</p>", "<p>two</p>"])
    assert "default-src 'none'" in page
    assert "<script>" not in page
    assert page.index("<p>one</p>") < page.index("<p>two</p>") < page.index("</body>")


def test_a_picture_travels_inside():
    assert data_url(b"abc", "jpeg") == "data:image/jpeg;base64,YWJj"
