"""Logs of captioners from elsewhere, damaged or of another collection."""

import json
import os

import pytest
from PIL import Image

from oneseed.captioning.captions import CaptionLog
from oneseed.captioning.quality import find_flags, quality_numbers
from oneseed.captioning.review import write_review
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import write_jsonl
from tests.captioning.prepared import prepared, run_main

LOGGED = {"id": "0" * 16, "captioner": "tiny", "caption": "a ship", "cut": 0}


def write_log(collection, *rows, name=""):
    path = collection.train.parent / (name or f"{collection.style}_generated.jsonl")
    write_jsonl(path, rows)
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"id": 5},
        {"id": "../x"},
        {"caption": None},
        {"caption": ["a ship"]},
        {"caption": "half \ud800"},
        {"captioner": 7},
        {"cut": "many"},
        {"cut": -1},
        {"cut": float("nan")},
        {"reason": 5},
        {"caption_kind": "song"},
    ],
    ids=str,
)
def test_a_row_of_a_log_that_is_no_answer_is_named_by_its_line(tmp_path, change):
    """Captioning ended in a traceback, perhaps after hours, where the row was used."""
    collection = prepared(tmp_path, 3, caption="")
    path = collection.train.parent / "engraving_generated.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(row) + "\n" for row in (LOGGED, {**LOGGED, **change})))
    with pytest.raises(UserError, match=r"engraving_generated\.jsonl, line 2: .*delete it"):
        CaptionLog(collection, None)


@pytest.mark.parametrize("line", ["[1]", "5", "{", "[" * 100_000], ids=lambda line: line[:5])
def test_a_line_of_a_log_that_is_no_row_is_named(tmp_path, line):
    collection = prepared(tmp_path, 3, caption="")
    path = write_log(collection, LOGGED)
    path.write_text(f"{line}\n{path.read_text()}")
    with pytest.raises(UserError, match=r"line 1: .*delete it and run the same command again"):
        run_main(tmp_path, style="engraving", captioner="tiny")


def test_a_log_of_the_first_version_is_read(tmp_path):
    """It had neither "cut" nor "reason"."""
    collection = prepared(tmp_path, 3, caption="")
    write_log(collection, {key: LOGGED[key] for key in ("id", "captioner", "caption")})
    assert CaptionLog(collection, None).find("tiny", "0" * 16)["caption"] == "a ship"


def test_only_the_logs_of_the_collection_itself_are_read(tmp_path):
    """The files of a style named "x_generated" begin as the log of "x" does, and in a style's name
    brackets stand for themselves: the captions of "plates [old]" were never found again."""
    other = {**LOGGED, "caption": "of another collection"}
    write_log(Collection("x", tmp_path), LOGGED)
    write_log(Collection("x", tmp_path), other, name="x_generated_train.jsonl")
    write_log(Collection("x", tmp_path), other, name="x_generated_generated.jsonl")
    write_log(Collection("x", tmp_path), {**LOGGED, "id": "1" * 16}, name="x_generated_1of2.jsonl")
    log = CaptionLog(Collection("x", tmp_path), None)
    assert [row_id for _, row_id in log.answers] == ["0" * 16, "1" * 16]
    assert log.find("tiny", "0" * 16)["caption"] == "a ship"
    assert log.find("tiny", "1" * 16)["caption"] == "a ship"
    write_log(Collection("plates [old]", tmp_path), LOGGED)
    assert len(CaptionLog(Collection("plates [old]", tmp_path), None).answers) == 1


def test_a_log_that_is_a_link_to_another_place_is_refused(tmp_path):
    """Captions would be written to the end of a file of mine."""
    collection = prepared(tmp_path / "data", 3, caption="")
    mine = tmp_path / "mine.jsonl"
    mine.write_text("")
    collection.train.parent.mkdir()
    log = collection.train.parent / "engraving_generated.jsonl"
    log.symlink_to(mine)
    with pytest.raises(UserError, match="leads out of its folder"):
        CaptionLog(collection, None)
    log.unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(log)
        with pytest.raises(UserError, match="not a file"):
            CaptionLog(collection, None)


def test_no_private_picture_reaches_a_page_or_a_captioner(tmp_path, caption_server, capsys):
    """resized/ of a stranger's folder holds a link to a picture of mine: it is neither put on the
    page of --review, which may be published, nor sent to a server."""
    collection = prepared(tmp_path / "data", 3, caption="", pictures=True)
    Image.new("L", (32, 32), 77).save(tmp_path / "private.png")
    rows = collection.read_metadata()
    link = collection.resized / rows[1]["filename"]
    link.unlink()
    link.symlink_to(tmp_path / "private.png")
    run_main(tmp_path / "data", captioner=caption_server.url)
    assert "(a link that leads out of its folder)" in capsys.readouterr().out
    assert len(caption_server.questions()) == 2
    for row in rows:
        row |= {"split": "train", "caption": "An engraving of a ship"}
    flags = find_flags(rows)
    numbers = quality_numbers(rows, flags)
    page = tmp_path / "page.html"
    write_review(page, rows, flags, numbers=numbers, resized=collection.resized)
    text = page.read_text("utf-8")
    assert (text.count("<img"), text.count("no picture here")) == (2, 1)


def test_the_page_shows_nothing_in_place_of_a_private_picture(tmp_path):
    from oneseed.page.collection_handlers import row_thumbnail

    collection = prepared(tmp_path / "data", 1, pictures=True)
    Image.new("L", (32, 32), 77).save(tmp_path / "private.png")
    (row,) = collection.read_metadata()
    assert row_thumbnail(collection, row).getcolors() != [(32 * 32, (255, 255, 255))]
    link = collection.resized / row["filename"]
    link.unlink()
    link.symlink_to(tmp_path / "private.png")
    assert {colour for _, colour in row_thumbnail(collection, row).getcolors()} == {(255, 255, 255)}
