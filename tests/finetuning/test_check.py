"""--check: every fault of a file of conversations is named with its line, and good rows are not."""

import json

import pytest

from oneseed.console.command import UserError
from oneseed.dataset.writers import EXAMPLE, WRITERS
from oneseed.finetuning.check import check_conversations
from tests.sources import test_dialogues

USER = {"role": "user", "content": "<image>What?"}
ANSWER = {"role": "assistant", "content": "a castle"}
PNG = b"\x89PNG\r\n\x1a\n"


def check(folder, *rows, name="rows.jsonl"):
    for picture in ("1.png", "2.png"):
        (folder / picture).write_bytes(PNG)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n")
    return check_conversations([folder / name])


def row(*messages, images=("1.png",)):
    return {"images": list(images), "messages": list(messages)}


@pytest.mark.parametrize("good", test_dialogues.ROWS.values(), ids=test_dialogues.ROWS)
def test_a_row_that_can_be_read_has_no_fault(tmp_path, good):
    report = check(tmp_path, good)
    assert not report.faults
    assert report.is_fine
    assert (report.rows, report.good, report.pictures) == (1, 1, 1)


@pytest.mark.parametrize("name", ["llava", "qwen", "instruct", "jsonl", "clip"])
def test_what_an_export_writes_has_no_fault(tmp_path, name):
    file = WRITERS[name]
    (tmp_path / file.name).write_text(file.text(EXAMPLE))
    for picture in ("1.png", "2.png"):
        (tmp_path / picture).write_bytes(PNG)
    report = check_conversations([tmp_path / file.name])
    assert not report.faults
    assert report.exchanges == 2


def test_a_picture_within_its_row_is_looked_at(tmp_path):
    url = test_dialogues.data_url(1)
    part = {"type": "image_url", "image_url": {"url": url}}
    good = {"messages": test_dialogues.messages(part)}
    text = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8gd29ybGQ="}}
    report = check(tmp_path, good, {"messages": test_dialogues.messages(text)})
    assert [(fault.line, fault.reason) for fault in report.faults] == [
        (2, "what is written into the row is no picture")
    ]


TWO = {"role": "user", "content": "<image><image>Which?"}
FAULTS = {
    "no JSON": ("{", "no JSON"),
    "no picture": ({"messages": [USER, ANSWER], "id": ""}, "no image is named"),
    "a picture that is not there": (row(USER, ANSWER, images=["9.png"]), "not there: 9.png"),
    "a picture outside": (row(USER, ANSWER, images=["../x.png"]), "outside of the folder"),
    "an address": (row(USER, ANSWER, images=["https://a/1.png"]), "web address"),
    "a mark too many": (row(TWO, ANSWER), "as many as pictures: 2 against 1"),
    "a mark too few": (row(USER, ANSWER, images=["1.png", "2.png"]), "pictures: 1 against 2"),
    "a mark in an answer": (
        row({**USER, "content": "?"}, {**ANSWER, "content": "<image> a"}),
        "marked in assistant's words",
    ),
    "an empty answer": (row(USER, {**ANSWER, "content": " "}), "an answer is empty"),
    "no answer": (row(USER), "nothing is answered"),
    "a last question": (row(USER, ANSWER, {**USER, "content": "?"}), "has no answer"),
    "an answer first": (row(ANSWER, USER, ANSWER), "the first turn is an answer"),
    "two of one side": (row(USER, {**USER, "content": "?"}, ANSWER), "follow each other"),
    "a late system prompt": (
        row(USER, ANSWER, {"role": "system", "content": "x"}),
        "a system prompt stands after",
    ),
    "a tool": (row(USER, {"role": "tool", "content": "4"}, ANSWER), "nor system: tool"),
    "lost letters": (row(USER, {**ANSWER, "content": "Schlo\ufffd"}), "letters that were lost"),
    "turns that are none": ({"images": ["1.png"], "messages": [USER, "a castle"]}, "no list"),
}


@pytest.mark.parametrize(("bad", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_its_line(tmp_path, bad, reason):
    """A trainer stops at it after an hour, or trains on it without a word."""
    report = check(tmp_path, row(USER, ANSWER), bad, row(USER, ANSWER))
    assert len(report.faults) == 1, report.faults
    (fault,) = report.faults
    assert fault.line == 2
    assert reason in fault.reason
    assert report.good == 2
    assert not report.is_fine
    assert "rows.jsonl, line 2" in "\n".join(report.lines())


def test_faults_of_one_kind_are_counted_and_the_first_shown(tmp_path):
    report = check(tmp_path, *[row(USER, ANSWER, images=[f"{number}.gif"]) for number in range(9)])
    lines = list(report.lines())
    assert "  the picture is not there: 9" in lines
    assert sum("rows.jsonl, line" in line for line in lines) == 3


def test_a_row_of_several_pictures_with_all_its_marks_is_fine(tmp_path):
    assert check(tmp_path, row(TWO, ANSWER, images=["1.png", "2.png"])).is_fine


def test_what_is_no_file_of_rows_ends_in_one_sentence(tmp_path):
    with pytest.raises(UserError, match="is missing"):
        check_conversations([tmp_path / "none.jsonl"])
    with pytest.raises(UserError, match="no rows of pictures"):
        check(tmp_path, {"colour": 1}, name="other.jsonl")
