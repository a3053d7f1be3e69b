"""Code on the page: its lines, escaped, and HTML in a frame that can do nothing."""

import html
import re
import sys
from html.parser import HTMLParser

import pytest

from oneseed.page.code_view import code_html
from tests.nasty import NASTY

EVIL = '<h1>x</h1></pre><script>alert(1)</script><img src=x onerror="alert(2)">"></iframe>'


class Shown(HTMLParser):
    """The tags of a page, and the texts within <pre>."""

    def __init__(self):
        super().__init__()
        self.tags = []
        self.text = ""
        self.depth = 0

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.depth += tag == "pre"

    def handle_endtag(self, tag):
        self.depth -= tag == "pre"

    def handle_data(self, data):
        self.text += data if self.depth else ""


def parsed(text):
    shown = Shown()
    shown.feed(code_html(text))
    shown.close()
    return shown


@pytest.mark.parametrize("text", [*NASTY, EVIL], ids=range(len(NASTY) + 1))
@pytest.mark.parametrize("has_colours", [True, False])
def test_code_is_shown_letter_by_letter(text, has_colours, monkeypatch):
    if not has_colours:
        monkeypatch.setitem(sys.modules, "pygments", None)
    shown = parsed(text)
    assert shown.text == text
    assert [tag for tag, _ in shown.tags].count("button") == 1
    assert {tag for tag, _ in shown.tags} <= {"button", "pre", "code", "span", "iframe"}


def test_the_rendering_runs_and_loads_nothing():
    (frame,) = [attrs for tag, attrs in parsed(EVIL).tags if tag == "iframe"]
    assert frame["sandbox"] == "", "no scripts, forms, links or origin"
    assert frame["srcdoc"].endswith(EVIL)
    assert "default-src 'none'" in frame["srcdoc"].partition(EVIL)[0]
    assert not [tag for tag, _ in parsed("SELECT a FROM b;").tags if tag == "iframe"]


def test_no_template_reads_the_code_as_its_own():
    """Gradio's templates know ${…} and {{…}}."""
    shown = code_html("<p>${alert(1)} {{x}} `y`</p>")
    assert not re.search(r"[${}`]", shown)
    assert "${alert(1)}" in html.unescape(shown)
