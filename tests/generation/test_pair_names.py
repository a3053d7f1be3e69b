"""What the files of a pair are called that is made from somebody's picture."""

import json
from pathlib import Path

import pytest
from PIL import Image

import inference
from oneseed.config.inference import InferenceConfig
from oneseed.file_names import is_plain_name
from oneseed.files import MAX_FILE_NAME_BYTES
from oneseed.generation.requests import name_after

ENDS = ("_drawn", "_line", "_000042", "_" + "s" * 100)


def test_a_name_that_fits_stays_as_it_is():
    for name in ("plate", "red fox (2)", "Doré", "海", "p" * 140):
        for end in ENDS:
            assert name_after(Path("folder", f"{name}.png"), end) == name + end


@pytest.mark.parametrize("letter", ["p", "é", "海", "\N{SHIP}"])
@pytest.mark.parametrize("end", ENDS)
def test_a_long_name_is_shortened_and_stays_apart_from_others(letter, end):
    """A picture may have a name as long as the system allows; the pair's is longer."""
    longest = letter * (251 // len(letter.encode()))
    names = {name_after(Path(f"{longest[:-1]}{last}.png"), end) for last in (letter, "1", "2")}
    assert len(names) == 3
    for name in names:
        assert name.endswith(end) and is_plain_name(f"{name}.json")
        assert len(f"{name}.json".encode()) <= MAX_FILE_NAME_BYTES


@pytest.mark.parametrize("name", ["con", "a:b", "a\nb", "half \udcff", " ", "..x", "a?"])
def test_a_name_that_not_every_system_writes_becomes_one_that_it_does(name):
    assert is_plain_name(name_after(Path(f"{name}.png"), "_drawn") + ".json")


def test_a_picture_with_the_longest_name_gets_its_pairs(tiny_run, tmp_path, monkeypatch):
    """--image with a name of 250 letters ended in "File name too long", after the drawing."""
    monkeypatch.chdir(tmp_path)
    pictures = [f"{'p' * 246}{number}.png" for number in range(2)]
    for picture in pictures:
        Image.new("L", (40, 30), 99).save(picture)
        for flags in ({}, {"style": "line"}, {"strength": 0.4, "seeds": "1,2"}):
            inference.main(
                InferenceConfig(
                    checkpoint=str(tiny_run / "best_model.pt"),
                    image=picture,
                    out="out",
                    device="cpu",
                    **flags,
                )
            )
    found = sorted(Path("out").glob("ppp*.json"))
    assert len(found) == 8 == len(list(Path("out").glob("ppp*.png")))
    assert {json.loads(path.read_text("utf-8"))["image"] for path in found} == set(pictures)
