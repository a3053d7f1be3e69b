"""What people answered on the page becomes a line of the report."""

import json
from itertools import repeat

import pytest

from evaluation import evaluate
from oneseed.evaluation import people
from oneseed.evaluation.people import GameAnswer, keep_answer, measure_people, share_interval
from oneseed.evaluation.report import sections, text_report
from tests.evaluation.fakes import BarcodeJudge, Perfect, config

FINGERPRINT = Perfect.fingerprint


@pytest.fixture
def answers(tmp_path):
    """keep(game, right, wrong): writes so many answers beside the report -> the file."""
    path = tmp_path / "report" / people.ANSWERS_NAME

    def keep(game, right, wrong, fingerprint=FINGERPRINT):
        for is_right in [*repeat(True, right), *repeat(False, wrong)]:
            keep_answer(path, GameAnswer(game, fingerprint, 7, is_right))
        return path

    return keep


def test_the_report_says_how_often_people_were_right(tmp_path, answers, barcodes):
    answers("caption", right=17, wrong=3)
    # of another model
    answers("caption", right=9, wrong=0, fingerprint="other")
    report = evaluate(Perfect(), config(tmp_path, 4), BarcodeJudge()).report
    number = report["numbers"]["people_captions"]
    assert number["title"] == "people chose the right caption of four in 17 of 20 answers"
    assert number["value"] == 0.85
    assert number["floor"] == 0.25
    low, high = number["interval"]
    assert 0.6 < low < 0.65
    assert 0.94 < high < 0.96
    assert "people_dreams" not in report["numbers"]
    (line,) = [line for line in text_report(report).splitlines() if line.startswith("people chose")]
    assert f"0.850 [{low:.3f}, {high:.3f}]  0.250  1.000" in line
    assert any("tab Play" in note for note in report["notes"])
    titles = [row[0] for row in sections(report["numbers"])["Pairs of seeds"]]
    assert number["title"] in titles


def test_without_answers_the_report_does_not_speak_of_people(tmp_path):
    found = measure_people(tmp_path / people.ANSWERS_NAME, FINGERPRINT)
    assert not found.numbers
    assert not found.notes


def test_few_answers_are_never_sure(answers):
    """A bootstrap of three right answers says 1.000 to 1.000."""
    path = answers("dream", right=3, wrong=0)
    number = measure_people(path, FINGERPRINT).numbers["people_dreams"]
    assert number.interval[0] < 0.5
    assert number.interval[1] == 1.0
    assert share_interval(0, 5)[0] == 0.0
    # the worked example of a table of Wilson's intervals: 81 of 263
    assert share_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_the_file_of_answers_is_bounded_and_keeps_the_latest(answers, monkeypatch):
    """A page that is left running for a year does not fill the disk."""
    monkeypatch.setattr(people, "MOST_ANSWERS", 5)
    path = answers("caption", right=4, wrong=3)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["is_right"] for row in rows] == [True, True, False, False, False]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_damaged_lines_are_passed_over_and_the_next_answer_mends_the_file(answers):
    path = answers("caption", right=1, wrong=0)
    good = path.read_text()
    strange = [
        '{"game": "chess", "fingerprint": "a", "seed": 1, "is_right": true}',
        '{"game": "caption", "fingerprint": "a", "seed": true, "is_right": true}',
        '{"game": ["caption"], "fingerprint": "a", "seed": 1, "is_right": true}',
        '{"game": "caption", "fingerprint": "a", "seed": 1, "is_right": 1}',
        "[]",
        "{",
    ]
    path.write_text("\n".join([*strange, good]))
    assert len(people.read_answers(path)) == 1
    answers("caption", right=0, wrong=1)
    assert len(path.read_text().splitlines()) == 2


def test_answers_hold_nothing_of_a_person(answers):
    row = json.loads(answers("caption", right=1, wrong=0).read_text())
    assert row == {"game": "caption", "fingerprint": FINGERPRINT, "seed": 7, "is_right": True}
