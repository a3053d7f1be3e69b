"""The numbers of captions are those of the captions."""

import json
import re

import pytest

from oneseed.captioning.quality import find_flags, quality_lines, quality_numbers
from oneseed.synthetic.engravings import attributes
from tests.captioning.prepared import prepared, rows_of, run_main


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
    flags = find_flags(rows, cut_ids={rows[2]["id"]})
    assert list(flags.values()) == [
        ["duplicate", "generic"],
        ["duplicate", "generic"],
        ["cut off"],
        [],
    ]
    numbers = quality_numbers(rows, flags, known_ids={rows[2]["id"], rows[3]["id"]})
    assert numbers["words"] == {"least": 5, "median": 7, "most": 11}
    assert numbers["sources"] == {
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
    assert (numbers["generic"]["count"], numbers["generic"]["share"]) == (2, 0.5)
    assert numbers["cut_off"] == {"count": 1, "share": 0.5, "known": 2}
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
    assert not any(flags[:400])
    assert flags[400] == ["duplicate", "generic"]
    assert flags[405] == ["duplicate"]


def test_good_captions_are_not_warned_of():

    rows = rows_of(
        [
            attributes.tell(facts, seed, 5)
            for seed, facts in enumerate(attributes.collection(300, 5, 0))
        ]
    )
    assert not quality_numbers(rows, find_flags(rows))["warnings"]


def test_captions_without_blanks_are_not_said_to_say_little():
    """A whole Chinese sentence was one word."""
    captions = ["山上的城堡乌云密布", "河上的小船月光明亮", "ปราสาทบนภูเขา", "嵐の海の船"]
    rows = rows_of([*captions, "城堡"])
    flags = list(find_flags(rows).values())
    assert flags == [[], [], [], [], ["generic"]]
    numbers = quality_numbers(rows, find_flags(rows))
    assert numbers["words"] == {"least": 1, "median": 3, "most": 4}
    assert not numbers["warnings"]


@pytest.mark.parametrize("medium", ["sound", "clip"])
def test_no_captioner_is_advised_for_what_captioners_do_not_look_at(medium):
    """A larger --captioner was advised for sounds and clips, and refused where it was given."""
    rows = rows_of(["rain"] * 4, medium=medium)
    warnings = quality_numbers(rows, find_flags(rows))["warnings"]
    assert len(warnings) == 2
    assert not any("--captioner" in warning or "picture" in warning for warning in warnings)
    pictures = rows_of(["rain"] * 4)
    advised = quality_numbers(pictures, find_flags(pictures))["warnings"]
    assert all("--captioner" in warning for warning in advised)


def test_captions_that_say_nothing_new_are_warned_of_when_the_pairs_are_written(tmp_path, capsys):
    collection = prepared(tmp_path, 10, caption="An engraving of a castle")
    run_main(tmp_path)
    numbers = json.loads((tmp_path / "captions" / "engraving_quality.json").read_text("utf-8"))
    said = capsys.readouterr().out
    assert numbers["pairs"] == 10
    assert numbers["duplicate"]["times"] == 10
    assert len(collection.read_captions()[0]) == 9
    assert "warning: 100% of the captions stand at more than one picture" in said
    assert "--recaption" in said
