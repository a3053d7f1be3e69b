"""--source sprites: a drawn collection through the scripts, small."""

import json
from dataclasses import replace

import pytest
from PIL import Image

import caption_generation
import dataset_preparation
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.dataset.collection import Collection
from oneseed.sources.drawn import draw_pictures
from oneseed.synthetic.collections import drawn_collection
from oneseed.workers import Workers

SPRITES = drawn_collection("sprites")


def prepare(data, **flags):
    config = PrepareConfig(source="sprites", workers=1, data=str(data), **flags)
    dataset_preparation.main(config)
    return Collection("sprites", data)


@pytest.fixture(scope="module")
def sprites(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("sprites") / "data", max_samples=40)


def test_sprites_are_prepared_as_they_are_drawn(sprites):
    """At their own size no picture is resampled, so the pixels are those that were drawn."""
    rows = {row["original"]: row for row in sprites.read_metadata()}
    assert len(rows) == 40
    for seed, facts in enumerate(SPRITES.collection(40)):
        (name,) = [name for name in rows if f"_{seed:05}_" in name]
        with Image.open(sprites.picture(rows[name])) as image:
            assert image.tobytes() == SPRITES.draw(facts, seed, 64).tobytes()
        assert rows[name]["caption"] == SPRITES.tell(facts, seed, 5)
    assert sprites.read_report()["source"] == "sprites-1 level 5"


def test_no_other_style_s_files_are_touched(sprites):
    data = sprites.metadata.parents[1]
    assert {path.name for path in (data / "processed").iterdir()} == {"sprites"}
    with pytest.raises(ValueError, match="--source sprites writes style sprites"):
        PrepareConfig(source="sprites", style="painting")
    with pytest.raises(ValueError, match="belongs to --source sprites"):
        PrepareConfig(source="somewhere", style="sprites")


def test_the_printed_commands_train_at_the_size_that_was_prepared(sprites, capsys):
    """--preset small means 128 px: without --image-size 64 the training would be refused."""
    data = sprites.data
    caption_generation.main(CaptionConfig(style="sprites", data=data))
    printed = capsys.readouterr().out
    assert "training_loop.py --style sprites --preset small --image-size 64" in printed
    pairs = [*sprites.each_pair(sprites.train), *sprites.each_pair(sprites.val)]
    told = [SPRITES.tell(facts, i, 5) for i, facts in enumerate(SPRITES.collection(40))]
    assert sorted(row["caption"] for row in pairs) == sorted(told)


def test_exact_captions_are_not_called_poor(sprites, tmp_path, capsys):
    """Three captions tell all of level 1; a captioner would only know less."""
    collection = prepare(tmp_path / "data", level=1, max_samples=12)
    caption_generation.main(CaptionConfig(style="sprites", data=collection.data))
    assert "warning" not in capsys.readouterr().out
    assert "--level 1" in collection.prepare_again()


def test_another_size_is_drawn_where_a_flag_asks_for_it(tmp_path):
    collection = prepare(tmp_path / "data", image_size=32, smallest=16, max_samples=3)
    assert collection.prepared_size() == 32


def test_exported_sprites_are_drawings_and_can_be_prepared_again(sprites, tmp_path):
    """Under their own style they could be exported but never prepared again."""
    out = str(tmp_path / "set.zip")
    dataset_preparation.main(
        PrepareConfig(style="sprites", export="imagefolder", out=out, data=sprites.data)
    )
    config = PrepareConfig(
        source=out, style="drawings", image_size=64, workers=1, data=str(tmp_path / "data")
    )
    dataset_preparation.main(config)
    again = Collection("drawings", config.data).read_metadata()
    assert sorted(row["caption"] for row in again) == sorted(
        row["caption"] for row in sprites.read_metadata()
    )


def test_kinds_of_screens_are_drawn_alone_and_their_code_is_kept(tmp_path):
    config = PrepareConfig(
        source="screens", kinds="table, form", max_samples=6, workers=1, data=str(tmp_path)
    )
    assert (config.kinds, config.style, config.image_size) == ("form,table", "screens", 512)
    screens = drawn_collection("screens")
    with Workers(1) as workers:
        draw_pictures(screens, replace(config, image_size=64), workers)
    lines = (tmp_path / "raw" / "screens" / "metadata.jsonl").read_text("utf-8").splitlines()
    told = [screens.parse(json.loads(line)["caption"]) for line in lines]
    assert sorted(facts["kind"] for facts in told) == ["form"] * 3 + ["table"] * 3


@pytest.mark.parametrize(
    ("source", "kinds", "sentence"),
    [("screens", "form,pie", "'pie' is none of form"), ("builtin", "form", "--source screens")],
)
def test_kinds_that_a_collection_has_not_are_refused(source, kinds, sentence):
    with pytest.raises(ValueError, match=sentence):
        PrepareConfig(source=source, kinds=kinds)
