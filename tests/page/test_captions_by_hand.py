"""Captions written on the page, from prepared pictures alone to pairs that training reads."""

import gradio
import pytest

from oneseed.dataset.collection import Collection
from oneseed.dataset.curation import caption_author
from oneseed.page.collection_handlers import CollectionHandlers
from tests.captioning.prepared import prepared, run_main


@pytest.fixture
def handlers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return CollectionHandlers(gradio, "data", lambda: "", True, str(tmp_path))


def ids(count=12, **more):
    collection = prepared("data", count, caption="", pictures=True, **more)
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
