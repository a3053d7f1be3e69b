"""The way that a message names works for these pictures, on this machine."""

import sys
from types import SimpleNamespace

import pytest

from oneseed.dataset import caption_ways
from oneseed.dataset.caption_ways import first_options, ways_sentence


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(caption_ways, "has_gpu", lambda: False)
    monkeypatch.setattr(caption_ways, "is_downloaded", lambda checkpoint: False)


def row(original, caption="", **more):
    return {"id": original, "original": original, "source": "/s/1", "caption": caption, **more}


def test_names_come_first_where_they_say_something():
    assert first_options([row("red_fox.jpg"), row("IMG_1.jpg")]) == "--captioner names"


def test_folders_come_first_where_names_say_nothing():
    assert first_options([row("foxes/IMG_1.jpg"), row("wolves/IMG_2.jpg")]) == "--captioner folders"


def test_pictures_alone_are_the_way_where_nothing_says_anything():
    assert first_options([row("IMG_1.jpg"), row("IMG_2.jpg")]) == "--captioner none"


def test_captions_of_most_pictures_are_kept():
    rows = [row("a.jpg", "a castle"), row("b.jpg", "a ship"), row("red_fox.jpg")]
    assert first_options(rows) == "--captioner existing"


def test_new_pictures_get_captions_in_the_way_of_the_earlier_ones():
    """Twelve captions from names, five new pictures: these were left out without a word."""
    rows = [row(f"fox_{n}.jpg", "a fox", captioner="names") for n in range(12)]
    assert first_options([*rows, row("wolf.jpg")]) == "--captioner names"


def test_a_complete_collection_needs_no_option():
    assert first_options([row("a.jpg", "a castle"), row("b.jpg", "", left_out=True)]) == ""


def test_a_captioner_comes_first_where_a_gpu_can_run_it(monkeypatch):
    rows = [row("red_fox.jpg")]
    monkeypatch.setattr(caption_ways, "has_gpu", lambda: True)
    assert first_options(rows) == ""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert first_options(rows) == "--captioner names"
    monkeypatch.setattr(caption_ways, "is_downloaded", lambda checkpoint: True)
    assert first_options(rows) == ""


def test_apple_s_gpu_is_none_that_captioners_run_on(monkeypatch):
    """It counted as one, so that hours of BLIP-2 on the CPU were the way that came first."""
    monkeypatch.undo()
    apple = SimpleNamespace(is_available=lambda: True)
    cuda = SimpleNamespace(is_available=lambda: False)
    torch = SimpleNamespace(cuda=cuda, backends=SimpleNamespace(mps=apple))
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert not caption_ways.has_gpu()
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.setattr(caption_ways.shutil, "which", lambda name: None)
    monkeypatch.setattr(caption_ways.Path, "exists", lambda path: False)
    assert not caption_ways.has_gpu()
    monkeypatch.setattr(caption_ways.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert caption_ways.has_gpu()


def test_all_ways_are_told_with_an_example():
    said = ways_sentence([row("foxes/red_fox.jpg")], "prints", "my data")
    assert '--captioner names (file names, such as "red fox")' in said
    assert '--captioner folders (folders\' names, such as "foxes")' in said
    assert "--captions FILE" in said
    assert "--captioner Salesforce/" in said
    assert "--captioner none" in said
    assert "gradio_demo.py --data 'my data', tab Collection" in said
    assert "--captioner existing" not in said


def test_ways_that_would_say_nothing_are_not_offered():
    said = ways_sentence([row("IMG_1.jpg")], "prints", "data", model=False)
    assert "names" not in said
    assert "folders" not in said
    assert "Salesforce" not in said
    assert "--captioner none" in said


def test_a_checkpoint_in_the_hubs_cache_is_found(monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    assert not caption_ways.is_downloaded("a/b")
    snapshot = tmp_path / "hub" / "models--a--b" / "snapshots" / "123"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").touch()
    assert caption_ways.is_downloaded("a/b")
