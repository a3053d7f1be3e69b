"""Whether a collection is in colour, and what training makes of that."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from oneseed.dataset.collection import Collection
from oneseed.dataset.colour import colour_line, colour_share, in_colour, training_channels
from tests.preparation.test_checking import check
from tests.preparation.test_dataset_preparation import SIZE, picture, run_main


def grey(seed=1):
    return picture(seed, 96, 96, "L")


def one_shape(ink, ground="white"):
    image = Image.new("RGB", (96, 96), ground)
    ImageDraw.Draw(image).ellipse((40, 40, 56, 56), fill=ink)
    return image


@pytest.mark.parametrize(
    "image, expected",
    [
        (grey(), False),
        (grey().convert("RGB"), False),
        (ImageOps.colorize(grey(), (40, 30, 20), (250, 240, 215)), False),
        (ImageOps.colorize(grey(), "black", (255, 240, 200)), False),
        (picture(1), True),
        (one_shape("red"), True),
        (one_shape("yellow", ground="black"), True),
        (ImageOps.colorize(grey(), "navy", "gold"), True),
        (Image.blend(picture(2, 96, 96), grey().convert("RGB"), 0.7), True),
    ],
    ids=["L", "RGB", "yellowed", "sepia", "paint", "red", "yellow", "two_inks", "pale"],
)
def test_paint_is_colour_and_old_paper_is_not(image, expected):
    assert in_colour(image) is expected


def test_the_share_of_a_collection_is_what_its_report_counts(tmp_path, capsys):
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(3):
        picture(number).save(folder / f"{number}.png")
    grey(7).save(folder / "7.png")
    collection, rows, report = run_main(folder, tmp_path, preset="small")
    assert (report["colour"], report["grey"]) == (3, 1)
    assert sum(row["colour"] for row in rows) == 3
    assert colour_share(collection, SIZE) == 0.75
    assert "3 of 4 in colour; training keeps it" in capsys.readouterr().out
    _, report, _ = check(folder, tmp_path, preset="small")
    assert report["colour"] == 3
    assert "3 of 4 in colour; training keeps it" in capsys.readouterr().out


def test_of_a_collection_from_before_colour_was_counted_the_pixels_tell(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    picture(1).save(folder / "1.png")
    grey(2).save(folder / "2.png")
    collection, _, report = run_main(folder, tmp_path)
    del report["colour"]
    collection.report.write_text(json.dumps(report))
    assert colour_share(collection, SIZE) == 0.5
    collection.report.unlink()
    assert colour_share(collection, SIZE) == 0.5
    assert np.load(collection.pixels(SIZE)).ndim == 4


def test_the_share_of_grey_and_of_no_pictures_is_0(tmp_path):
    (tmp_path / "set").mkdir()
    grey().save(tmp_path / "set" / "1.png")
    collection, _, _ = run_main(tmp_path / "set", tmp_path)
    collection.report.unlink()
    assert colour_share(collection, SIZE) == 0
    assert colour_share(Collection("none", tmp_path), SIZE) == 0


def test_a_fifth_in_colour_makes_three_channels_and_the_full_preset_always():
    assert [training_channels(share, "small") for share in (0, 0.19, 0.2, 1)] == [1, 1, 3, 3]
    assert training_channels(0, "full") == 3
    assert training_channels(0, "medium") == 1


def test_one_line_says_what_training_makes_of_colour():
    assert colour_line(38, 38, "small") == "38 of 38 in colour; training keeps it"
    assert "--channels 3" in colour_line(1, 190, "small")
    assert colour_line(0, 190, "small") == "0 of 190 in colour; training is in grey"
    assert colour_line(0, 190, "full") == "0 of 190 in colour; training is in RGB"
