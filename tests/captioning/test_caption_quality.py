"""Promises of caption_quality.py: the numbers are those of the captions, and the page harms nobody."""

import html.parser
import json
import re

import numpy as np
from PIL import Image

from oneseed.captioning.quality import (
    MAX_SHOWN,
    find_flags,
    quality,
    quality_lines,
    rows_to_show,
    write_review,
)
from oneseed.dataset.collection import Collection
from oneseed.synthetic.engravings import attributes
from tests.captioning.test_caption_generation import prepared, run_main


def rows_of(captions, **more):
    return [
        {
            "id": f"{number:016x}",
            "filename": f"{number:016x}.png",
            "style": "engraving",
            "split": "train",
            "caption": caption,
            **more,
        }
        for number, caption in enumerate(captions)
    ]


def test_the_numbers_are_those_of_the_captions():
    rows = rows_of(
        [
            "An engraving of a man",
            "An engraving of a man",
            "An engraving of two ships near a castle on a hill",
            "An engraving depicting the King's Castle and a horse",
        ]
    )
    rows[3]["captioner"] = "blip"
    flags = find_flags(rows, cut={rows[2]["id"]})
    assert list(flags.values()) == [
        ["duplicate", "generic"],
        ["duplicate", "generic"],
        ["cut off"],
        [],
    ]
    numbers = quality(rows, flags, known={rows[2]["id"], rows[3]["id"]})
    assert numbers["words"] == {"least": 5, "median": 7, "most": 11} and numbers["sources"] == {
        "own": 3,
        "blip": 1,
    }
    assert numbers["vocabulary"] == len(
        [
            "an",
            "engraving",
            "of",
            "a",
            "man",
            "two",
            "ships",
            "near",
            "castle",
            "on",
            "hill",
            "depicting",
            "the",
            "king's",
            "and",
            "horse",
        ]
    )
    assert numbers["duplicate"] == {
        "count": 2,
        "share": 0.5,
        "most_frequent": "An engraving of a man",
        "times": 2,
    }
    assert (numbers["generic"]["count"], numbers["generic"]["share"]) == (2, 0.5) and numbers[
        "cut_off"
    ] == {"count": 1, "share": 0.5, "known": 2}
    assert [
        re.match(r"50% of the captions (?:that a captioner wrote )?(stand|say|end)", warning)[1]
        for warning in numbers["warnings"]
    ] == ["stand", "say", "end"]
    assert all(len(line) < 250 for line in quality_lines(numbers))


def test_a_caption_that_many_pictures_share_says_little_however_long_it_is():
    """A captioner that writes the same fine sentence under every tenth picture has not looked."""
    rows = rows_of(
        [f"An engraving of house number {number} by the sea" for number in range(400)]
        + ["An engraving of a ruined tower above a river"] * 5
        + ["An engraving of a mill beside a bridge"] * 4
    )
    flags = list(find_flags(rows).values())
    assert (
        not any(flags[:400])
        and flags[400] == ["duplicate", "generic"]
        and flags[405] == ["duplicate"]
    )


def test_good_captions_are_not_warned_of():

    rows = rows_of(
        [
            attributes.tell(facts, seed, 5)
            for seed, facts in enumerate(attributes.collection(300, 5, 0))
        ]
    )
    assert not quality(rows, find_flags(rows))["warnings"]


def test_captions_that_say_nothing_new_are_warned_of_when_the_pairs_are_written(tmp_path, capsys):
    collection = prepared(tmp_path, 10, caption="An engraving of a castle")
    run_main(tmp_path)
    numbers = json.loads((tmp_path / "captions" / "engraving_quality.json").read_text("utf-8"))
    said = capsys.readouterr().out
    assert (
        numbers["pairs"] == 10
        and numbers["duplicate"]["times"] == 10
        and len(collection.read_captions()[0]) == 9
    )
    assert (
        "warning: 100% of the captions stand at more than one picture" in said
        and "--recaption" in said
    )


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
    write_review(tmp_path / "sheet.html", rows, flags, quality(rows, flags), resized)
    return (tmp_path / "sheet.html").read_text("utf-8")


def test_hostile_captions_are_shown_letter_by_letter_and_do_nothing(tmp_path):
    rows = rows_of(HOSTILE, captioner='<script>alert("model")</script>')
    text = reviewed(tmp_path, rows)
    page = Page(text)
    assert sorted(page.captions) == sorted(HOSTILE), "each caption is exactly what it was"
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
    assert (
        page.tags.count("style") == 1
        and text.count("<bdi>") == text.count("</bdi>")
        and "default-src 'none'" in text
    )
    assert len(page.sources) == len(rows) - 2 and all(
        source.startswith("data:image/jpeg;base64,") for source in page.sources
    ), "nothing is fetched from anywhere"
    assert text.count("no picture here") == 2 and "<script" not in text


def test_the_page_shows_flagged_pairs_first_and_the_same_ones_every_time(tmp_path):
    rows = rows_of(
        [f"An engraving of house number {number} by the sea" for number in range(MAX_SHOWN + 50)]
        + ["An engraving of a man"] * 3
    )
    flags = find_flags(rows)
    shown = rows_to_show(rows, flags)
    assert (
        len(shown) == MAX_SHOWN
        and {row["caption"] for row in shown[:3]} == {"An engraving of a man"}
        and shown == rows_to_show(rows[::-1], flags)
    )
    assert [row["id"] for row in shown[3:]] != sorted(row["id"] for row in shown[3:]), (
        "a sample of all, not the first ones"
    )
    text = reviewed(tmp_path, rows)
    assert (
        text.count("<article>") == MAX_SHOWN
        and "297 of 350" in text
        and text.index("To look at") < text.index("A sample of the others")
    )


def test_review_writes_the_page_beside_the_pairs(tmp_path, capsys):
    collection = prepared(tmp_path, 6, pictures=True)
    run_main(tmp_path, review=str(tmp_path / "out" / "sheet.html"))
    page = Page((tmp_path / "out" / "sheet.html").read_text("utf-8"))
    assert (
        sorted(page.captions) == sorted(row["caption"] for row in collection.read_metadata())
        and len(page.sources) == 6
    )
    assert "review: " in capsys.readouterr().out
