"""Prompts that people type, judged: who knows only captions is found out."""

from dataclasses import replace

import pytest

from evaluation import evaluate
from oneseed.evaluation.exact import Exam
from oneseed.evaluation.exact_prompts import TITLES, honoured_share, measure_typed_prompts
from oneseed.evaluation.report import report_page, text_report
from oneseed.synthetic.collections import drawn_collection
from oneseed.synthetic.engravings.collection import ENGRAVINGS
from oneseed.synthetic.engravings.typed import KINDS
from tests.evaluation.fakes import BarcodeJudge, Perfect, config


@pytest.fixture(autouse=True)
def all_are_barcodes(barcodes):
    """Every test of this file draws bar codes."""


def exam_of(generator, level=5):
    drawn = drawn_collection("builtin")
    return Exam(generator, BarcodeJudge(), drawn, level, drawn.collection(300, level), 16)


def test_each_kind_of_prompt_has_a_figure_with_floor_and_goal():
    numbers = measure_typed_prompts(exam_of(Perfect()), 60).numbers
    assert set(numbers) == {"typed_captions", *(f"typed_{kind}" for kind in KINDS)}
    assert TITLES.keys() == KINDS.keys()
    for name, number in numbers.items():
        assert number.floor < 0.6, name
        assert number.wanted == ("" if name == "typed_misspelt" else "at least 0.9")


def test_who_reads_only_the_words_of_captions_is_found_out():
    """This generator does all that a caption says, and knows neither "huge" nor a typo."""
    numbers = measure_typed_prompts(exam_of(Perfect()), 100).numbers
    for name in ("typed_captions", "typed_bare", "typed_reordered", "typed_capitals"):
        assert numbers[name].value == 1, name
    assert numbers["typed_synonyms"].value < 0.7
    assert numbers["typed_misspelt"].value < 0.9


def test_every_attribute_that_is_asked_for_must_be_seen_and_said():
    ship = {**ENGRAVINGS.constant, "subject": "ship", "count": 2}
    castle = {**ship, "subject": "castle"}
    asked = {"subject": "ship", "count": 2}
    assert honoured_share([asked], [ship], [ship]) == 1
    assert honoured_share([asked], [castle], [ship]) == 0
    assert honoured_share([asked], [ship], [castle]) == 0
    assert honoured_share([asked], [ship], [{**ship, "count": None}]) == 0
    assert honoured_share([asked, {"count": 2}], [castle, castle], [castle, castle]) == 0.5


def test_a_collection_that_knows_no_typing_has_no_such_figures():
    exam = exam_of(Perfect())
    silent = replace(exam, drawn=replace(exam.drawn, prompt_kinds=(), typed_prompt=None))
    assert measure_typed_prompts(silent, 20).numbers == {}


def test_lower_levels_have_no_attributes_to_ask_for():
    assert measure_typed_prompts(exam_of(Perfect(), level=3), 20).numbers == {}


def test_the_figures_stand_in_the_report_the_page_and_the_terminal(tmp_path):
    report, examples, gallery = evaluate(Perfect(), config(tmp_path, 50), BarcodeJudge())
    assert {f"typed_{kind}" for kind in KINDS} <= report["numbers"].keys()
    for text in (text_report(report), report_page(report, examples, gallery)):
        assert "prompts as people type them" in text.lower()
        assert all(title.split("(")[0] in text for title in TITLES.values())
