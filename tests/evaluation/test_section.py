"""Sections of the report: joined in their order, written with the keys of report.json."""

import pytest

from oneseed.evaluation.section import Number, Section, joined, mean_number


def test_sections_are_joined_in_their_order():
    one = Section({"b": Number("B", 1.0)}, notes=["first"], examples=[{"caption": "x"}])
    other = Section({"a": Number("A", None)}, notes=["second"], warnings=["WARNING: odd"])
    found = joined([one, other])
    assert list(found.numbers) == ["b", "a"]
    assert found.notes == ["first", "second"]
    assert found.warnings == ["WARNING: odd"]
    assert found.examples == [{"caption": "x"}]
    assert one.notes == ["first"], "the parts are left as they were"


def test_a_number_keeps_its_keys_in_the_report():
    number = Number("pairs", 0.5, ceiling={"real pairs": 1.0}, wanted="at least 0.4")
    assert Section({"pairs": number}).rows() == {
        "pairs": {
            "title": "pairs",
            "value": 0.5,
            "floor": None,
            "ceiling": {"real pairs": 1.0},
            "wanted": "at least 0.4",
            "interval": None,
        }
    }


def test_a_mean_over_items_comes_with_its_interval():
    number = mean_number("pairs", [True, True, True, False], floor=0.1)
    low, high = number.interval
    assert number.value == 0.75
    assert 0 <= low < 0.75 < high <= 1
    assert Section({"pairs": number}).rows()["pairs"]["interval"] == (low, high)


def test_nothing_is_measured_twice():
    section = Section({"pairs": Number("pairs", 1.0)})
    with pytest.raises(AssertionError, match="pairs"):
        joined([section, section])
