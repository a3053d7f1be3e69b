"""Captions that exist read in their style's words, and pairs are dealt once."""

import json
import os

import pytest

import dataset_preparation
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from tests.captioning.prepared import prepared, run_main, sides


def test_existing_captions_are_dealt_exactly_and_written_back(tmp_path, capsys):
    collection = prepared(tmp_path, 848, caption="castle {}")
    run_main(tmp_path)
    train, val = collection.read_captions()
    assert (len(train), len(val)) == (763, 85)
    assert all(row.keys() == {"id", "filename", "caption", "style", "split"} for row in train + val)
    assert {row["split"] for row in train} == {"train"}
    assert {row["split"] for row in val} == {"val"}
    assert {row["id"]: row["caption"] for row in collection.read_metadata()} == {
        row["id"]: row["caption"] for row in train + val
    }
    assert "848 pairs, 763 to train and 85 to validate" in capsys.readouterr().out


def test_pairs_of_all_styles_keep_their_own_and_read_in_its_words(tmp_path, blip2):
    """Captions that came along, and those a captioner writes for the last two."""
    collection = prepared(tmp_path, 12, style="all", pictures=True)
    styles = {
        "engraving": "An engraving of ",
        "drawings": "A drawing of ",
        "painting": "A painting of ",
        "sculpture": "A sculpture of ",
        "iconography": "An icon of ",
        "all": "A picture of ",
    }
    rows = [
        {**row, "style": style, "caption": f"castle {number}" if number < 10 else ""}
        for number, (row, style) in enumerate(zip(collection.read_metadata(), [*styles] * 2))
    ]
    collection.write_metadata(rows)
    run_main(tmp_path, style="all", captioner=blip2, max_new_tokens=8)
    train, val = collection.read_captions()
    assert collection.train.name == "all_train.jsonl"
    assert {row["style"] for row in train + val} == {*styles}
    assert {row["id"]: row["style"] for row in train + val}.items() <= {
        row["id"]: row["style"] for row in rows
    }.items()
    assert all(row["caption"].startswith(styles[row["style"]]) for row in train + val)
    assert len(train + val) > 10


def test_running_again_rewrites_nothing(tmp_path):
    collection = prepared(tmp_path, 20)
    run_main(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")}
    run_main(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")} == before
    assert collection.val in before


def test_split_does_not_move_when_pictures_are_added_or_left_out(tmp_path):
    collection = prepared(tmp_path, 100)
    run_main(tmp_path)
    first = sides(collection)
    old = {row["id"]: row for row in collection.read_metadata()}
    prepared(tmp_path, 150)
    collection.write_metadata([old.get(row["id"], row) for row in collection.read_metadata()])
    run_main(tmp_path)
    second = sides(collection)
    run_main(tmp_path, max_samples=30)
    assert len(sides(collection)) == 30
    run_main(tmp_path)
    assert len(second) == 150
    assert second.items() >= first.items()
    assert sides(collection) == second


def test_the_stored_split_decides_even_if_moved_by_hand(tmp_path):
    collection = prepared(tmp_path, 20)
    run_main(tmp_path)
    train, val = collection.read_captions()
    collection.train.write_text("".join(json.dumps(row) + "\n" for row in train + val[:1]))
    collection.val.write_text("".join(json.dumps(row) + "\n" for row in val[1:]))
    run_main(tmp_path)
    assert sides(collection)[val[0]["id"]] == "train"


def test_pictures_without_a_caption_are_left_out_and_counted(tmp_path, capsys):
    collection = prepared(tmp_path, 10)
    rows = collection.read_metadata()
    rows[3]["caption"] = ""
    rows[4]["caption"] = "an engraving of "
    collection.write_metadata(rows)
    run_main(tmp_path, captioner="existing")
    assert len(sides(collection)) == 8
    assert not {rows[3]["id"], rows[4]["id"]} & sides(collection).keys()
    assert "left out for want of a caption: 2 of 10" in capsys.readouterr().out
    assert len(collection.read_metadata()) == 10


def test_no_captions_at_all_name_the_captioner(tmp_path):
    collection = prepared(tmp_path, 3, caption="")
    with pytest.raises(UserError, match="none of the 3 pictures.*--captioner") as caught:
        run_main(tmp_path, captioner="existing")
    assert caught.value.code == 2
    assert not collection.train.exists()


def test_a_missing_earlier_stage_is_named(tmp_path):
    with pytest.raises(UserError, match="python dataset_preparation.py"):
        run_main(tmp_path)


@pytest.mark.skipif(
    "ENGRAVINGS" not in os.environ, reason="set ENGRAVINGS to the folder of real pictures"
)
def test_real_engravings_are_dealt_763_and_85(tmp_path):

    dataset_preparation.main(
        PrepareConfig(source=os.environ["ENGRAVINGS"], image_size=32, workers=2, data=str(tmp_path))
    )
    run_main(tmp_path)
    train, val = Collection("engraving", tmp_path).read_captions()
    assert (len(train), len(val)) == (763, 85)
    assert all(row["caption"].startswith("An engraving ") for row in train + val)
