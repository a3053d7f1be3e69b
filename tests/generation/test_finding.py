"""--find: whatever preparing reads is searched; what cannot be read is named and ends nothing."""

import os
import re

import numpy as np
import pytest
from PIL import Image

import inference
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError

CASTLE = "a castle by the sea"


def blobs(seed, side=96):
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6), dtype=np.uint8)
    return Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def find(tiny_run, tmp_path, monkeypatch, capsys):
    """Runs --find in tmp_path -> what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(find, **flags):
        config = InferenceConfig(
            find=str(find),
            checkpoint=str(tiny_run / "best_model.pt"),
            out="out",
            device="cpu",
            **flags,
        )
        assert not inference.main(config)
        return capsys.readouterr().out

    (tmp_path / "set").mkdir()
    return run


def scores_of(printed):
    found = re.findall(r"^\s*(-?\d+\.\d+)  set/(.+)$", printed, re.MULTILINE)
    return {name: float(score) for score, name in found}


def test_pictures_at_any_depth_and_of_every_kind_are_searched(find, tmp_path):
    """Only png, jpg and webp at the top of the folder were, and nobody said so."""
    (tmp_path / "set" / "deep").mkdir()
    (tmp_path / "elsewhere").mkdir()
    names = ["a.TIF", "b.bmp", "c.gif", "d.jfif", "e.avif", "deep/f.jp2"]
    formats = ["TIFF", "BMP", "GIF", "JPEG", "AVIF", "JPEG2000"]
    for number, (name, format_name) in enumerate(zip(names, formats)):
        blobs(number).save(tmp_path / "set" / name, format_name)
    blobs(7).save(tmp_path / "set" / "g", "PNG")
    blobs(8).save(tmp_path / "elsewhere" / "h.png")
    (tmp_path / "set" / "README").write_text("no picture")
    os.symlink(tmp_path / "elsewhere", tmp_path / "set" / "linked")
    printed = find("set", prompt=CASTLE)
    assert scores_of(printed).keys() == {*names, "g", "linked/h.png"}
    assert "not searched" not in printed
    assert Image.open("out/found.png").width


def test_deep_and_transparent_pictures_fit_as_their_plain_twins(find, tmp_path):
    """A scan of 16 bits was all white, and what is transparent was black."""
    values = np.asarray(blobs(3))
    Image.fromarray(values).save(tmp_path / "set" / "plain.png")
    Image.fromarray(values.astype(np.uint16) * 257).save(tmp_path / "set" / "deep.png")
    Image.fromarray(values.astype(np.uint16) * 257).save(tmp_path / "set" / "deep.tif")
    Image.fromarray((values / 255).astype(np.float32)).save(tmp_path / "set" / "float.tif")
    hidden = np.dstack([np.zeros_like(values), 255 - values])
    Image.fromarray(hidden).save(tmp_path / "set" / "black on nothing.png")
    scores = scores_of(find("set", prompt=CASTLE))
    assert len(scores) == 5
    assert max(scores.values()) - min(scores.values()) < 0.005, scores


def test_a_damaged_picture_is_named_and_the_others_are_ranked(find, tmp_path):
    for number in range(13):
        blobs(number).save(tmp_path / "set" / f"{number:02}.png")
    whole = (tmp_path / "set" / "02.png").read_bytes()
    (tmp_path / "set" / "02.png").write_bytes(whole[:300])
    (tmp_path / "set" / "05.png").write_bytes(b"")
    (tmp_path / "set" / "icon.svg").write_text("<svg></svg>")
    printed = find("set", prompt=CASTLE)
    assert len(scores_of(printed)) == 10
    assert "not searched: 3" in printed
    for line in (
        "02.png: unreadable (cut off)",
        "05.png: unreadable (empty)",
        "icon.svg: SVG is not read: save it as PNG",
    ):
        assert line in printed


@pytest.mark.parametrize(
    "files, sentence",
    [
        ({}, "set holds no pictures; name a folder of pictures, such as"),
        ({"a.txt": b"a castle"}, "set holds no pictures"),
        ({"a.png": b"", "b.jpg": b"no"}, r"none of the 2 pictures in set .*a.png: unreadable"),
        (None, "gone is no folder, so it cannot be searched; name a folder"),
    ],
)
def test_a_folder_without_a_usable_picture_ends_in_one_sentence(find, files, sentence, tmp_path):
    for name, data in (files or {}).items():
        (tmp_path / "set" / name).write_bytes(data)
    with pytest.raises(UserError, match=sentence) as caught:
        find("set" if files is not None else "gone", prompt=CASTLE)
    assert caught.value.code == 2


def test_captions_are_ranked_and_lines_without_one_are_named(find, tmp_path):
    blobs(1).save(tmp_path / "plate.tif")
    (tmp_path / "captions.jsonl").write_bytes(
        b'\xef\xbb\xbf{"caption": "a castle"}\n{"caption": null}\n'
        + '{"text": "a\u2028ship"}\n'.encode()
    )
    printed = find("captions.jsonl", image="plate.tif")
    lines = re.findall(r"^ *-?\d+\.\d+  (.*)$", printed, re.MULTILINE)
    assert sorted(lines) == ["a castle", "a ship"]
    assert "not searched: 1" in printed
    assert "captions.jsonl, line 2: no caption" in printed


def test_a_letter_of_an_old_encoding_in_a_name_ends_no_search(find, tmp_path):
    """Linux allows any bytes in names; printing them raised an error."""
    blobs(1).save(tmp_path / "set" / "a.png")
    try:
        os.rename(tmp_path / "set" / "a.png", os.fsencode(tmp_path) + b"/set/caf\xe9.png")
    except OSError:
        pytest.skip("this system has no such names")
    blobs(2).save(tmp_path / "set" / "b.png")
    printed = find("set", prompt=CASTLE)
    printed.encode()
    assert "b.png" in printed
    assert "caf" in printed
