"""The report: hostile captions stay text, disagreement is marked, and what moved is told."""

import re

import pytest
from PIL import Image

from evaluation import evaluate
from oneseed.console.command import UserError
from oneseed.console.html import CONTENT_SECURITY_POLICY, safe_text
from oneseed.evaluation.learned import measure_captions
from oneseed.evaluation.report import moved, read_report, report_page, sections, text_report
from oneseed.synthetic.engravings.collection import ENGRAVINGS
from oneseed.synthetic.screens.collection import SCREENS
from tests.evaluation.fakes import BarcodeJudge, Perfect, Shuffled, config


@pytest.fixture(autouse=True)
def all_are_barcodes(barcodes):
    """Every test of this file draws bar codes."""


def test_what_moved_is_told_and_a_strange_file_refused(tmp_path):
    old = evaluate(Shuffled(), config(tmp_path, 40), BarcodeJudge()).report
    new = evaluate(Perfect(), config(tmp_path, 40), BarcodeJudge()).report
    changes = moved(new, old)
    strict = [line for line in changes if line.endswith("picture and caption agree, strict")]
    assert strict[0].startswith("+")
    assert not moved(new, new)
    assert "What moved" in report_page(new, [], {}, changes=changes)
    (tmp_path / "odd.json").write_text("[]")
    with pytest.raises(UserError, match=r"--compare .*odd\.json is no report"):
        read_report(tmp_path / "odd.json")


def test_page_shows_hostile_captions_as_text(tmp_path):
    class Hostile(Perfect):
        style = "<b>engraving"

        def generate_batch(self, seeds, **conditions):
            caption = '<script>alert(1)</script> & "more".'
            return [(image, caption) for image, _ in super().generate_batch(seeds)]

    document = report_page(*evaluate(Hostile(), config(tmp_path, 4)))
    assert "<script" not in document
    assert "<b>engraving" not in document
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;." in document


@pytest.mark.parametrize(
    ("source", "meaning"),
    [
        ("decoder", "Captions are the model's own (caption_source: decoder)."),
        ("nearest", "That they read well, are whole and name a style is no merit of the model"),
        ("none", "There are no captions (caption_source: none)"),
    ],
)
def test_the_report_says_who_wrote_the_captions_and_what_their_figures_mean(
    tmp_path, source, meaning
):
    """Borrowed captions end properly every time: a perfect figure that says nothing."""

    class Holiday(Perfect):
        caption_source = source

    found = evaluate(Holiday(), config(tmp_path, 4), BarcodeJudge())
    assert found.report["caption_source"] == source
    assert meaning in found.report["notes"][0]
    assert meaning in text_report(found.report)
    assert safe_text(meaning)[5:-6] in report_page(*found)


def test_without_captions_no_figure_speaks_of_them(tmp_path):
    """A model of pictures alone was told that all its captions are fallbacks."""

    class Silent(Perfect):
        caption_source = "none"

        def generate_batch(self, seeds, **conditions):
            return [(image, "") for image, _ in super().generate_batch(seeds)]

    for style in ("holiday", "builtin"):
        Silent.style = style
        numbers = evaluate(Silent(), config(tmp_path, 4)).report["numbers"]
        assert "distinct_pairs" in numbers
        assert not [
            name for name, number in numbers.items() if re.search("caption|agree", number["title"])
        ]


def test_a_judge_of_pairs_is_refused_where_no_captions_are(tmp_path):
    """It was passed over, and a note advised to name one."""

    class Silent(Perfect):
        caption_source = "none"

    with pytest.raises(UserError, match="writes no captions"):
        evaluate(Silent(), config(tmp_path, 4, judge="tones:Tones"))


def test_code_ends_as_its_language_ends_and_is_not_cut_off():
    """Every screen's caption counted as cut off, since it ends in no full stop: 1.000 of them."""
    facts = SCREENS.collection(12)
    codes = [SCREENS.tell(one, 0, SCREENS.last_level) for one in facts]
    blank = Image.new("RGB", (8, 8))
    numbers = measure_captions([(blank, code) for code in codes], codes, SCREENS).numbers
    assert numbers["fallback"].value == 0
    cut = measure_captions([(blank, "An engraving of two")], [], ENGRAVINGS).numbers
    assert cut["fallback"].value == 1


def test_page_is_self_contained_and_may_load_nothing(tmp_path):
    document = report_page(*evaluate(Perfect(), config(tmp_path, 4), BarcodeJudge()))
    assert f'content="{CONTENT_SECURITY_POLICY}"' in document
    # four pairs, twelve held-out renders and the same through the model
    assert document.count("data:image/png;base64,") == 4 + 12 + 12
    assert "http:" not in document
    assert "https:" not in document


def test_page_keeps_the_lines_of_its_tables(tmp_path):
    report = evaluate(Perfect(), config(tmp_path, 4), BarcodeJudge()).report
    document = report_page(report, [], changes=["+0.1  one", "-0.1  other"])
    assert "<pre><bdi>+0.1  one</bdi>\n<bdi>-0.1  other</bdi></pre>" in document


def test_page_marks_what_disagrees(tmp_path):
    document = report_page(*evaluate(Shuffled(), config(tmp_path, 20), BarcodeJudge()))
    assert 'class="wrong"><bdi>subject: seen ' in document


def test_means_are_shown_with_their_interval_everywhere(tmp_path):
    found = evaluate(Shuffled(), config(tmp_path, 40), BarcodeJudge())
    number = found.report["numbers"]["joint_technique"]
    low, high = number["interval"]
    assert 0 <= low < number["value"] < high <= 1
    shown = f"{number['value']:.3f} [{low:.3f}, {high:.3f}]"
    for text in (text_report(found.report), report_page(*found)):
        assert shown in text
        assert "95 % of 1,000 resamples" in text
    # the number of distinct combinations is no mean
    assert found.report["numbers"]["distinct_pictures"]["interval"] is None


def test_a_walk_is_one_draw_however_many_pictures_it_has(tmp_path):
    """The six pictures of a walk are alike: counted singly they would look six times as sure."""

    class Half(Perfect):
        def interpolate(self, first, last, steps):
            pairs = self.generate_batch([first] * steps)
            return pairs if first % 2 else [(image, "An engraving.") for image, _ in pairs]

    numbers = evaluate(Half(), config(tmp_path, 20), BarcodeJudge()).report["numbers"]
    low, high = numbers["interpolation_strict"]["interval"]
    assert numbers["interpolation_strict"]["value"] == 0.5
    # 30 walks: 1.96 x .5 / sqrt(30) either way; 180 pictures would give .07
    assert 0.14 < (high - low) / 2 < 0.2


def test_reports_without_intervals_are_still_shown():
    old = {"title": "old", "value": 0.5, "floor": None, "ceiling": None, "wanted": ""}
    assert sections({"joint_strict": old})["Pairs of seeds"] == [("old", "0.500", "-", "-", "")]


def test_every_number_stands_below_one_heading(tmp_path):
    numbers = evaluate(Perfect(), config(tmp_path, 20), BarcodeJudge()).report["numbers"]
    found = sections(numbers)
    assert next(iter(found)) == "Pairs of seeds"
    assert found["Pairs of seeds"][0][0] == "picture and caption agree, strict"
    assert sum(map(len, found.values())) == len(numbers)
