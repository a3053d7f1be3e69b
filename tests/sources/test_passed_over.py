"""Nothing is passed over in silence: it is counted and named, on the screen and in the report."""

import json

import pytest

from oneseed.console.command import UserError
from oneseed.sources.rejections import lines_of, passed_over, rejection
from tests.preparation.test_checking import check
from tests.preparation.test_dataset_preparation import picture, run_main


@pytest.fixture
def pictures(tmp_path):
    """A folder with 1.png and 2.png, each with its text."""
    folder = tmp_path / "set"
    folder.mkdir()
    for number in (1, 2):
        picture(number).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"castle {number}")
    return folder


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("notes.csv", "a,b\n1,2\n", "no known form of captions: it holds a, b"),
        ("captions.xlsx", "PK", "captions are not read from .xlsx; save it as .csv"),
        ("README.md", "# A set", "neither pictures nor captions: 1 .md"),
        ("LICENSE.txt", "All rights reserved", "lies beside no picture"),
    ],
)
def test_a_file_that_gives_nothing_is_counted_and_named(
    pictures, tmp_path, capsys, name, content, reason
):
    (pictures / name).write_text(content)
    _, rows, report = run_main(pictures, tmp_path)
    shown = capsys.readouterr().out
    assert len(rows) == 2
    assert (report["found"], report["rejected"], report["passed_over"]) == (2, 0, 1)
    (named,) = report["rejected_files"]
    assert named["file"] == name
    assert reason in named["reason"]
    assert f"{name}: {named['reason']}" in shown
    assert "passed over                1" in shown


def test_looking_first_names_it_too(pictures, tmp_path, capsys):
    (pictures / "notes.csv").write_text("a,b\n1,2\n")
    check(pictures, tmp_path)
    shown = capsys.readouterr().out
    assert "notes.csv: no known form of captions: it holds a, b" in shown
    assert "passed over                1" in shown


def test_a_caption_that_is_refused_is_no_lost_picture(pictures, tmp_path, capsys):
    """One text of two pictures in another encoding: 3 were found and 1 rejected, of 2 pictures."""
    (pictures / "1.txt").write_bytes("Schloß".encode("cp1252"))
    _, rows, report = run_main(pictures, tmp_path)
    assert {row["original"]: row["caption"] for row in rows} == {"1.png": "", "2.png": "castle 2"}
    assert (report["found"], report["rejected"], report["passed_over"]) == (2, 0, 1)
    assert "1.txt: is not UTF-8: 1.png" in capsys.readouterr().out


def test_captions_that_are_not_used_are_counted_on_the_screen(pictures, tmp_path, capsys):
    (pictures / "metadata.jsonl").write_text('{"file_name": "1.png", "text": ["a", "b", "c"]}\n')
    run_main(pictures, tmp_path)
    shown = capsys.readouterr().out
    assert "3 further captions of the same pictures, the first of each is used" in shown


def test_of_many_reasons_each_is_shown_once_at_least():
    rows = [rejection(f"{n}.png", "image not found", file="a.csv", line=n) for n in range(1, 99)]
    rows.append(passed_over("z.json", "empty"))
    lines = list(lines_of(rows, "in report.json"))
    assert lines == [
        "a.csv, line 1: image not found: 1.png",
        "a.csv, line 2: image not found: 2.png",
        "a.csv, line 3: image not found: 3.png",
        "z.json: empty",
        "… and 95 more in report.json",
    ]


def test_control_characters_reach_no_caption(pictures, tmp_path):
    """A zero or a bell within a row of JSON went on into training."""
    (pictures / "metadata.jsonl").write_text(
        '{"file_name": "1.png", "text": "a\\u0000 cas\\u0007tle\\u0085 \\u000bon a hill"}\n'
    )
    _, rows, _ = run_main(pictures, tmp_path)
    assert rows[0]["caption"] == "a castle on a hill"


def test_a_file_of_captions_that_says_nothing_is_told_why(pictures, tmp_path):
    (pictures / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"is of no known format \(no known form.*holds a, b\)"):
        run_main(pictures / "x.csv", tmp_path)


@pytest.mark.parametrize(
    "image",
    [f"{'x' * 300}.png", "a castle stands on a hill " * 13, ["1.png", f"{'é' * 200}.png"]],
    ids=["name", "sentence", "second"],
)
def test_a_name_that_no_system_allows_costs_its_own_row_alone(pictures, tmp_path, image):
    """It ended the whole run: "the name is longer than this system allows"."""
    rows = [{"image": "1.png", "text": "a castle"}, {"image": "2.png", "text": "a keep"}]
    rows.append({"image": image, "text": "a ship"})
    (pictures / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, prepared, report = run_main(pictures / "rows.jsonl", tmp_path)
    assert [row["original"] for row in prepared] == ["1.png", "2.png"]
    (lost,) = report["rejected_files"]
    assert (lost["reason"], lost["line"]) == ("image not found", 3)
    assert len(lost["path"]) <= 210
