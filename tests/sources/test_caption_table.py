"""--captions: a table gives each picture its own caption, and no picture another's."""

import json

import pytest

from oneseed.console.command import UserError
from oneseed.sources.caption_table import read_caption_table


def rows_of(*originals):
    return [
        {"id": f"{number:016x}", "filename": f"{number:016x}.png", "original": name}
        for number, name in enumerate(originals)
    ]


def captions_of(tmp_path, rows, *lines):
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["file_name,caption", *lines]) + "\n")
    found = read_caption_table(table, rows)
    name_of = {row["id"]: row["original"] for row in rows}
    return {name_of[row_id]: text for row_id, text in found.captions.items()}, found


def test_of_two_pictures_of_one_name_neither_caption_is_guessed(tmp_path):
    """The folder val was prepared, and the owl of val/1.png was called the fox of train/1.png."""
    rows = rows_of("1.png", "2.png")
    lines = ["train/1.png,a fox", "val/1.png,an owl", "val/2.png,a hen"]
    captions, found = captions_of(tmp_path, rows, *lines)
    assert captions == {"2.png": "a hen"}
    assert any("val/1.png and train/1.png may both be one picture" in line for line in found.unread)


def test_a_name_that_is_a_picture_s_own_wins(tmp_path):
    lines = ["old/1.png,wrong", "1.png,right", "older/1.png,wrong too"]
    captions, _ = captions_of(tmp_path, rows_of("1.png"), *lines)
    assert captions == {"1.png": "right"}


def test_of_several_captions_of_one_picture_the_first_counts(tmp_path):
    lines = ["val/1.png,a fox", "val/1.png,an owl"]
    captions, _ = captions_of(tmp_path, rows_of("1.png"), *lines)
    assert captions == {"1.png": "a fox"}


def test_a_name_as_long_as_a_text_is_shown_in_short(tmp_path):
    """A picture written into its line was printed as a line of 3,320 letters."""
    lines = ["1.png,a fox", f"{'x' * 3000}.png,an owl", f"/9j/{'AbC+' * 400},a hen"]
    captions, found = captions_of(tmp_path, rows_of("1.png"), *lines)
    assert captions == {"1.png": "a fox"}
    assert all(len(line) < 300 for line in found.lines())
    assert "it holds a picture instead of its name" in found.unread[0]


@pytest.mark.parametrize(
    "name, content",
    [
        ("x.csv", "Datei;Beschreibung\na.png;a castle\nb.png;two ships\n"),
        ("captions.txt", "a.png a castle\nb.png: two ships\n"),
        ("x.json", json.dumps({"a": "a castle", "b": "two ships"})),
        ("x.csv", "id,caption\na,a castle\nb,two ships\n"),
        ("x.tsv", "7\ta.png\ta castle\n8\tb.png\ttwo ships\n"),
    ],
)
def test_a_table_in_any_form_that_preparing_reads_gives_its_captions(tmp_path, name, content):
    """Each of these was "no table of captions", where preparing read it beside the pictures."""
    (tmp_path / name).write_text(content)
    rows = rows_of("prints/a.png", "prints/b.png")
    found = read_caption_table(tmp_path / name, rows)
    assert list(found.captions.values()) == ["a castle", "two ships"]
    assert not found.lines()


def test_a_text_of_words_is_no_table_of_captions(tmp_path):
    (tmp_path / "notes.txt").write_text("All rights reserved\nby me\n")
    with pytest.raises(UserError, match="is no table of captions; a line names a picture"):
        read_caption_table(tmp_path / "notes.txt", rows_of("a.png"))
