"""Captions mended by hand and pictures left out: what is stored.

Preparing, captioning and training keep to it.
"""

import json
import shutil
import threading

import pytest

import caption_generation
import dataset_preparation
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.curation import change_row, matching_rows, row_kind
from oneseed.dataset.jsonl import read_jsonl
from oneseed.training.loaders import create_data_loaders


@pytest.fixture
def collection(builtin_data, tmp_path):
    shutil.copytree(builtin_data, tmp_path / "data")
    return Collection("builtin", tmp_path / "data")


def caption_again(collection):
    caption_generation.main(
        CaptionConfig(style="builtin", data=str(collection.metadata.parents[1]))
    )


def prepare_again(collection):
    dataset_preparation.main(
        PrepareConfig(
            source="builtin",
            preset="small",
            image_size=32,
            max_samples=40,
            smallest=16,
            workers=1,
            data=str(collection.metadata.parents[1]),
        )
    )


def files(collection):
    return {
        path.name: path.read_text("utf-8")
        for path in (collection.metadata, collection.train, collection.val)
    }


def test_rows_are_found_by_the_beginnings_of_their_words_by_kind_and_by_id():
    rows = [
        {"id": "a", "caption": "An engraving of two ships at night.", "split": "train"},
        {"id": "b", "caption": "An engraving of a ship.", "split": "val"},
        {"id": "c", "caption": "An engraving of a township.", "split": "train", "left_out": True},
        {"id": "d", "caption": ""},
    ]

    def found(*asked):
        return "".join(row["id"] for row in matching_rows(rows, *asked))

    assert found() == "abcd"
    assert found("SHIP") == "ab"
    assert found("ship nig") == "a"
    assert found("b") == "b"
    assert found("zeppelin") == ""
    assert [
        found("", show) for show in ("training", "validation", "left out", "without caption")
    ] == ["a", "b", "c", "d"]
    assert [row_kind(row) for row in rows] == [
        "training",
        "validation",
        "left out",
        "without caption",
    ]


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_mended_caption_is_what_the_next_training_reads_and_stays_when_everything_runs_again(
    collection, split
):
    rows = collection.read_metadata()
    row = next(row for row in rows if row["split"] == split)
    assert (
        change_row(collection, row["id"], caption="two black cats on a roof\n")["caption"]
        == "An engraving of two black cats on a roof"
    )
    mended = files(collection)
    (pair,) = [pair for pair in read_jsonl(getattr(collection, split)) if pair["id"] == row["id"]]
    assert pair["caption"] == "An engraving of two black cats on a roof"
    assert pair["split"] == split
    prepare_again(collection)
    caption_again(collection)
    assert files(collection) == mended


def test_a_picture_left_out_is_in_no_caption_file_until_it_is_taken_back(collection):
    from tests.conftest import tiny_config

    before = files(collection)
    row = next(row for row in collection.read_metadata() if row["split"] == "train")
    change_row(collection, row["id"], left_out=True)
    marked = files(collection)
    assert row["id"] not in marked[collection.train.name] + marked[collection.val.name]
    assert json.loads(marked[collection.metadata.name])[0].keys() >= {"id"}
    prepare_again(collection)
    caption_again(collection)
    assert files(collection) == marked, "preparing and captioning again keep the mark"
    train, val = create_data_loaders(
        tiny_config(vocab_size=0),
        TrainConfig(
            style="builtin", preset="small", batch_size=4, data=str(collection.metadata.parents[1])
        ),
    )
    assert (len(train.rows), len(val.rows)) == (35, 4)
    change_row(collection, row["id"], left_out=False)
    assert files(collection) == before


def test_a_picture_left_out_is_not_exported_and_no_captioner_is_asked_about_it(
    collection, tmp_path, capsys
):
    row = collection.read_metadata()[0]
    change_row(collection, row["id"], left_out=True)
    rows = collection.read_metadata()
    collection.write_metadata(
        [{**one, "caption": ""} if one["id"] == row["id"] else one for one in rows]
    )
    # a missing caption would load BLIP-2
    caption_again(collection)
    assert "marked so: 1" in capsys.readouterr().out
    dataset_preparation.main(
        PrepareConfig(
            style="builtin",
            export="jsonl",
            out=str(tmp_path / "set.zip"),
            data=str(collection.metadata.parents[1]),
        )
    )
    assert "39 pictures" in capsys.readouterr().out


def test_a_model_s_caption_that_was_mended_counts_as_written_by_hand(collection):
    rows = collection.read_metadata()
    rows[0]["captioner"] = "blip"
    collection.write_metadata(rows)
    assert (
        change_row(collection, rows[0]["id"], caption=rows[0]["caption"])["captioner"] == "blip"
    ), "nothing was changed"
    assert "captioner" not in change_row(collection, rows[0]["id"], caption="a cat")


@pytest.mark.parametrize("caption", ["", " ", "An engraving of", "a picture", "…"])
def test_a_caption_that_says_nothing_is_refused_and_changes_no_file(collection, caption):
    before = files(collection)
    with pytest.raises(UserError, match="says what the picture shows"):
        change_row(collection, collection.read_metadata()[0]["id"], caption=caption)
    with pytest.raises(UserError, match="no longer in the collection"):
        change_row(collection, "0" * 16, caption="a cat")
    assert files(collection) == before


def test_two_visitors_who_save_at_once_lose_nothing(collection):
    ids = [row["id"] for row in collection.read_metadata()][:8]
    threads = [
        threading.Thread(target=change_row, args=(collection, picture_id, f"cat number {number}"))
        for number, picture_id in enumerate(ids)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    captions = {row["id"]: row["caption"] for row in collection.read_metadata()}
    assert [captions[picture_id] for picture_id in ids] == [
        f"An engraving of cat number {number}" for number in range(8)
    ]


def test_a_collection_whose_captions_were_never_dealt_can_be_mended_and_is_dealt_afterwards(
    collection,
):
    rows = [
        {key: value for key, value in row.items() if key != "split"}
        for row in collection.read_metadata()
    ]
    collection.write_metadata(rows)
    collection.train.unlink()
    collection.val.unlink()
    change_row(collection, rows[0]["id"], left_out=True)
    change_row(collection, rows[1]["id"], caption="a cat")
    assert not collection.train.exists()
    caption_again(collection)
    dealt = {
        pair["id"]: pair["caption"]
        for pair in read_jsonl(collection.train) + read_jsonl(collection.val)
    }
    assert len(dealt) == 39
    assert rows[0]["id"] not in dealt
    assert dealt[rows[1]["id"]] == "An engraving of a cat"
