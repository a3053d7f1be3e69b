"""The page of pictures and captions shows them and harms nobody."""

import html.parser

import numpy as np
from PIL import Image

from oneseed.captioning.quality import find_flags, quality_numbers
from oneseed.captioning.review import MAX_REVIEW_PAIRS, rows_to_show, write_review
from oneseed.console.output import printable
from oneseed.dataset.collection import Collection
from tests.captioning.prepared import prepared, rows_of, run_main

HOSTILE = [
    'An engraving of <script>document.title="owned"</script>',
    'An engraving of "><img src=x onerror=alert(1)>',
    "An engraving of \u202eevil\u2066 letters",
    "An engraving of </p></article><style>*{display:none}</style>",
    "An engraving of &lt;b&gt; and &amp;",
    "An engraving of ' onmouseover='x",
    "An engraving of http://a.example/x.png",
]


class Page(html.parser.HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.captions = []
        self.sources = []
        self.of = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        assert not [
            name for name in values if name.startswith("on") or name in ("href", "action")
        ], attributes
        self.sources += [values["src"]] if "src" in values else []
        if tag == "p":
            self.of = values.get("class")
            self.captions += [""] if self.of == "caption" else []

    def handle_data(self, data):
        if self.of == "caption" and self.tags[-1] == "bdi":
            self.captions[-1] += data

    def handle_endtag(self, tag):
        self.of = None if tag == "p" else self.of


def reviewed(tmp_path, rows):
    resized = Collection("engraving", tmp_path).resized
    resized.mkdir(parents=True)
    # the first has lost its picture
    for row in rows[1:]:
        Image.fromarray(np.full((40, 60), 128, np.uint8)).save(resized / row["filename"])
    (resized / rows[1]["filename"]).write_bytes(b"\x89PNG\r\n\x1a\n cut")
    flags = find_flags(rows)
    numbers = quality_numbers(rows, flags)
    write_review(tmp_path / "sheet.html", rows, flags, numbers=numbers, resized=resized)
    return (tmp_path / "sheet.html").read_text("utf-8")


def test_hostile_captions_are_shown_letter_by_letter_and_do_nothing(tmp_path):
    rows = rows_of(HOSTILE, captioner='<script>alert("model")</script>')
    text = reviewed(tmp_path, rows)
    page = Page(text)
    shown = sorted(map(printable, HOSTILE))
    assert sorted(page.captions) == shown, "each caption is what it was, letter by letter"
    assert {*page.tags} <= {
        *[
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "header",
            "main",
            "h1",
            "h2",
            "small",
            "p",
            "article",
            "div",
            "img",
            "bdi",
            "span",
        ]
    }
    assert page.tags.count("style") == 1
    assert text.count("<bdi>") == text.count("</bdi>")
    assert "default-src 'none'" in text
    assert len(page.sources) == len(rows) - 2, "nothing is fetched from anywhere"
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources), (
        "nothing is fetched from anywhere"
    )
    assert text.count("no picture here") == 2
    assert "<script" not in text


def test_the_page_shows_flagged_pairs_first_and_the_same_ones_every_time(tmp_path):
    rows = rows_of(
        [
            f"An engraving of house number {number} by the sea"
            for number in range(MAX_REVIEW_PAIRS + 50)
        ]
        + ["An engraving of a man"] * 3
    )
    flags = find_flags(rows)
    shown = rows_to_show(rows, flags)
    assert len(shown) == MAX_REVIEW_PAIRS
    assert {row["caption"] for row in shown[:3]} == {"An engraving of a man"}
    assert shown == rows_to_show(rows[::-1], flags)
    assert [row["id"] for row in shown[3:]] != sorted(row["id"] for row in shown[3:]), (
        "a sample of all, not the first ones"
    )
    text = reviewed(tmp_path, rows)
    assert text.count("<article>") == MAX_REVIEW_PAIRS
    assert "297 of 350" in text
    assert text.index("To look at") < text.index("A sample of the others")


def test_review_writes_the_page_beside_the_pairs(tmp_path, capsys):
    collection = prepared(tmp_path, 6, pictures=True)
    run_main(tmp_path, review=str(tmp_path / "out" / "sheet.html"))
    page = Page((tmp_path / "out" / "sheet.html").read_text("utf-8"))
    assert sorted(page.captions) == sorted(row["caption"] for row in collection.read_metadata())
    assert len(page.sources) == 6
    assert "review: " in capsys.readouterr().out
