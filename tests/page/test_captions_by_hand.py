"""Captions written on the page, from prepared pictures alone to pairs that training reads."""

import shlex
from dataclasses import replace

import gradio
import pytest

from oneseed.config.captioning import CaptionConfig
from oneseed.config.finetuning import FinetuningConfig
from oneseed.console.flags import parse_configs
from oneseed.dataset.collection import Collection
from oneseed.dataset.curation import caption_author
from oneseed.dataset.next_run import next_teaching
from oneseed.page.collection_handlers import CollectionHandlers
from tests.captioning.prepared import prepared, run_main


@pytest.fixture
def handlers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return CollectionHandlers(gradio, "data", lambda: "", True, str(tmp_path))


def ids(count=12, caption="", **more):
    collection = prepared("data", count, caption=caption, pictures=True, **more)
    return [row["id"] for row in collection.read_metadata()]


def test_pictures_are_shown_before_anything_is_captioned(handlers):
    """After dataset_preparation.py alone there are no caption files yet."""
    listed = ids()
    page = handlers.look("", "", "without caption", 0)
    assert page.listed == listed
    assert [caption for _, caption in page.shelf] == ["no caption"] * 12


def test_each_saved_caption_says_how_many_are_missing_and_what_comes_next(handlers):
    listed = ids()
    said = handlers.saved("", listed[0], "a red fox").said.value
    assert "caption_generation.py --style engraving --captioner existing" in said
    assert "11 pictures are still without a caption" in said
    for picture_id in listed[1:]:
        said = handlers.saved("", picture_id, "a grey owl").said.value
    assert "without a caption" not in said
    run_main("data", captioner="existing")
    train, val = Collection("engraving", "data").read_captions()
    captions = {pair["id"]: pair["caption"] for pair in train + val}
    assert captions.pop(listed[0]) == "An engraving of a red fox"
    assert set(captions.values()) == {"An engraving of a grey owl"}
    said = handlers.saved("", listed[0], "a red fox at night").said.value
    assert "training_loop.py --style engraving" in said


def test_the_collection_says_how_a_captioner_is_taught_on_it(handlers, tmp_path):
    """The commands are accepted as they stand, and the first of them is the one that is missing."""
    ids(caption="An engraving of castle {}")
    first, *teaching = handlers.look("", "", "everything", 0).teaching.value.split("\n")
    assert first.endswith("caption_generation.py --style engraving")
    run_main("data", captioner="existing")
    shown = handlers.look("", "", "everything", 0).teaching
    assert shown.visible
    assert shown.value.split("\n") == teaching
    estimate, teach, recaption = (shlex.split(line)[2:] for line in teaching)
    (config,) = parse_configs(FinetuningConfig, description="", argv=estimate)
    assert (config.style, config.estimate) == ("engraving", True)
    (config,) = parse_configs(FinetuningConfig, description="", argv=teach)
    assert not config.estimate
    (again,) = parse_configs(CaptionConfig, description="", argv=recaption)
    assert (again.captioner, again.recaption) == (config.checkpoints, True)
    other = replace(handlers, editable=False).look("", "", "everything", 0).teaching
    assert not other.value and not other.visible, "it is not the visitor's machine"


def test_sounds_teach_no_captioner(handlers):
    collection = prepared("data", 4, pictures=True)
    rows = collection.read_metadata()
    assert next_teaching(collection, rows)
    assert next_teaching(collection, [row | {"medium": "sound"} for row in rows]) == []


def test_a_caption_for_a_picture_that_was_left_out_is_dealt_first(handlers):
    """Training reads the caption files; this picture stands in none of them yet."""
    listed = ids()
    for picture_id in listed[:10]:
        handlers.saved("", picture_id, "a red fox")
    run_main("data", captioner="existing")
    said = handlers.saved("", listed[11], "a grey owl").said.value
    assert "caption_generation.py --style engraving --captioner existing" in said
    assert "1 picture is still without a caption" in said


def test_pairs_of_pictures_alone_stay_without_words(handlers):
    """One caption among empty ones would make a training with words of it."""
    listed = ids()
    run_main("data", captioner="none")
    said = handlers.saved("", listed[0], "a red fox").said.value
    assert "--captioner existing" in said
    collection = Collection("engraving", "data")
    assert collection.is_wordless()
    assert collection.read_metadata()[0]["caption"] == "An engraving of a red fox"
    handlers.marked("", listed[1])
    train, val = collection.read_captions()
    assert len(train + val) == 11
    assert "training_loop.py" in handlers.marked("", listed[1]).said.value
    train, val = collection.read_captions()
    assert len(train + val) == 12


@pytest.mark.parametrize(
    "row, author",
    [
        ({}, "no caption"),
        ({"caption": "a fox", "captioner": "names"}, "caption from the file name"),
        ({"caption": "a fox", "captioner": "folders"}, "caption from the folder's name"),
        ({"caption": "a fox", "captioner": "blip"}, "caption by blip"),
        ({"caption": "a fox"}, "the collection's own caption, or written by hand"),
    ],
)
def test_each_caption_says_where_it_came_from(row, author):
    assert caption_author(row) == author
