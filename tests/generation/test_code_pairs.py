"""Pairs whose captions are code: cards, files beside them, sheets, the terminal."""

import json
import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from inference import main
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation import cards
from oneseed.generation.code_lettering import code_block
from oneseed.generation.film import set_captions
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.postcard import postcard
from oneseed.generation.rendering import contact_sheet
from oneseed.generation.typesetting import draw_text, set_text
from oneseed.media.words_shown import recogniser
from oneseed.model import checkpoint
from oneseed.model.caption_book import CaptionBook
from oneseed.seeds import latents
from tests.nasty import NASTY, SIXTY_LINES

SUFFIXES = {0: ".html", 3: ".sql", 7: ".py"}


@pytest.fixture
def run_of_code(tiny_model, tmp_path):
    """A folder with best_model.pt, whose seeds have the nasty texts as captions."""
    codes = tiny_model.code(latents(range(len(NASTY)), 32))
    tiny_model.caption_book = CaptionBook(tiny_model.leading_coordinates(codes), NASTY)
    tiny_model.meta.update(
        style="screens",
        caption_source="nearest",
        caption_kind="code",
        words=["log", "in", "ships"],
    )
    with torch.no_grad():
        checkpoint.save(tmp_path / "best_model.pt", tiny_model.state_dict())
    return tmp_path / "best_model.pt"


def draw(path, out, **flags):
    main(InferenceConfig(checkpoint=str(path), out=str(out), device="cpu", **flags))


def test_code_survives_decoding_cards_json_and_the_file_beside_them(run_of_code, tmp_path, capsys):
    draw(run_of_code, tmp_path / "out", seeds=f"0-{len(NASTY) - 1}")
    shown = capsys.readouterr().out
    for seed, text in enumerate(NASTY):
        card = tmp_path / "out" / f"{seed:06}.png"
        row = json.loads(card.with_suffix(".json").read_text("utf-8"))
        assert cards.read_card(card)[1]["caption"] == text
        assert row["caption"] == text
        assert (tmp_path / "out" / row["code"]).read_bytes() == text.encode()
        if seed in SUFFIXES:
            assert row["code"] == f"{seed:06}{SUFFIXES[seed]}"
    assert "\n" + " " * 18 + "    Name TEXT NOT NULL,\n" in shown
    generator = MultimodalGenerator(run_of_code, device="cpu")
    assert not cards.differences(generator, tmp_path / "out" / "000003.png")


def test_a_prompt_of_code_is_no_sentence(run_of_code):
    """ "A picture of <h1>" was encoded, and words in capitals were respelt."""
    generator = MultimodalGenerator(run_of_code, device="cpu")
    read = generator.read_prompt("Log In  <h1>")
    assert read.text == " Log In  <h1>"
    assert read.unknown == ["no training caption has 'h1'"]


def test_lines_of_code_stay_lines_on_sheets():
    image = Image.new("L", (64, 64), 255)
    block = code_block("a\n\tb\n" + "c" * 99 + "\n", width=200, size=11, most=24)
    assert block[:2] == ["a", "    b"]
    assert "".join(block[2:]) == "c" * 99
    assert code_block(SIXTY_LINES, width=400, size=11, most=10)[-1] == "… 51 more lines"
    lines = [np.asarray(contact_sheet([(image, f"{'x' * n}\nyy")], ["1"])) for n in (1, 9)]
    assert lines[0].shape == lines[1].shape
    indented = np.asarray(contact_sheet([(image, "x\n    yy")], ["1"])) < 128
    plain = np.asarray(contact_sheet([(image, "x\nyy")], ["1"])) < 128
    assert indented.any(axis=(0, 2)).nonzero()[0].max() > plain.any(axis=(0, 2)).nonzero()[0].max()


def rows_of_ink(picture, box):
    """The rows within a box that hold ink, and the leftmost column of it in each."""
    dark = np.asarray(picture.convert("L").crop(box)) < 100
    return {row: int(line.argmax()) for row, line in enumerate(dark) if line.any()}


def test_lines_of_code_stay_lines_below_postcards_and_films():
    """A caption of code was set as a sentence: its lines ran together, and none was indented."""
    text = "while age > 5:\n    print('Go')\nprint('Stop')"
    found = set_text(text, width=1024, height=250, sizes=(60, 30, 15))
    assert found.lines == ["while age > 5:", "    print('Go')", "print('Stop')"]
    assert found.is_code
    assert found.width_of(found.lines[1]) > found.width_of(found.lines[0])
    paper = Image.new("RGB", (1024, 250), "white")
    draw_text(ImageDraw.Draw(paper), (0, 0), found, width=1024, centred=True)
    first, second, third = (
        min(rows_of_ink(paper, (0, top, 1024, top + found.step)).values())
        for top in (0, found.step, 2 * found.step)
    )
    assert abs(first - third) < found.size < second - first
    image = Image.new("L", (64, 64), 255)
    facts = {"caption": text, "seed": 7, "checkpoint": "a.pt", "fingerprint": "0" * 64}
    facts |= {"caption_source": "decoder", "caption_kind": "code"}
    assert postcard(image, facts).size == (1200, 1500)
    assert set_captions([text, "SELECT a\nFROM b;"])[text].lines == found.lines


def test_code_that_fits_in_no_size_says_how_many_lines_are_missing():
    found = set_text(SIXTY_LINES, width=400, height=100, sizes=(20, 10))
    assert found.size == 10
    assert found.height <= 100
    assert found.lines[-1].endswith("more lines")
    long_line = set_text("a\n" + "b" * 300, width=200, height=400, sizes=(20, 10))
    assert "".join(long_line.lines[1:]) == "b" * 300


def test_read_without_its_library_names_the_command(run_of_code, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    recogniser.cache_clear()
    Image.new("L", (64, 64)).save(tmp_path / "form.png")
    with pytest.raises(UserError, match=r"pip install -r requirements-ocr\.txt"):
        draw(run_of_code, tmp_path / "out", image=str(tmp_path / "form.png"), read=True)


def test_words_that_a_picture_shows_stand_beside_its_caption(
    run_of_code, tmp_path, monkeypatch, capsys
):
    class RapidOCR:
        """A stand-in that finds two lines, where it is given colours and enough pixels."""

        def __init__(self, params):
            assert params

        def __call__(self, pixels):
            assert pixels.shape == (512, 512, 3)
            return types.SimpleNamespace(txts=("Log in", "E-mail"))

    stand_in = types.SimpleNamespace(RapidOCR=RapidOCR)
    monkeypatch.setitem(sys.modules, "rapidocr", stand_in)
    recogniser.cache_clear()
    Image.new("L", (64, 64)).save(tmp_path / "form.png")
    draw(run_of_code, tmp_path / "out", image=str(tmp_path / "form.png"), read=True)
    row = json.loads((tmp_path / "out" / "form_drawn.json").read_text("utf-8"))
    assert row["words_shown"] == "Log in\nE-mail"
    assert "form.png:\n    Log in\n    E-mail\n" in capsys.readouterr().out
    assert (tmp_path / "out" / row["code"]).exists()


def test_read_asks_for_a_picture():
    with pytest.raises(ValueError, match="--image FILE --read"):
        InferenceConfig(read=True)
