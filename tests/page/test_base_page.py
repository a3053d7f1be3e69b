"""Without a model of one's own, the page opens on the base model, and says so."""

from pathlib import Path

import pytest

import gradio_demo
from gradio_demo import build_page
from oneseed.config import base_model
from oneseed.config.demo import DemoConfig
from oneseed.console.command import UserError
from oneseed.generation import model_finder
from tests.page.test_gradio_demo import Noise, states

TOLD = "This is the base model, which comes with the program."
MISSING = "checkpoints/best_model.pt is missing"


class StoppedError(Exception):
    """The page is built, and would be served now."""


@pytest.fixture
def opened(tmp_path, monkeypatch, capsys):
    """opened(settings): builds the page as the command does -> (it, lines on the console)."""
    pages = []

    class Found(Noise):
        def __init__(self, checkpoint, device, encoder=None):
            self.checkpoint = base_model.checkpoint_file(checkpoint)
            if not self.checkpoint.exists():
                raise UserError(f"{checkpoint} is missing")

    def stopped(page, *args, **more):
        pages.append(page)
        raise StoppedError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model_finder, "MultimodalGenerator", Found)
    monkeypatch.setattr(gradio_demo, "serve", stopped)

    def build(**settings):
        with pytest.raises(StoppedError):
            gradio_demo.main(DemoConfig(**settings))
        return pages[-1], capsys.readouterr().out.splitlines()

    return build


def test_it_opens_on_the_base_model_and_says_so_on_the_console_and_on_the_page(opened):
    page, lines = opened()
    (line,) = lines
    assert line.startswith(f"{MISSING}: the page opens on the base model; the way to one of your")
    assert line.endswith("python dataset_preparation.py --source builtin --preset small")
    found = states(page)
    assert found["notice"][0] is False
    visible, text = found["remarks"]
    assert visible
    assert TOLD in text
    assert "dataset_preparation.py" in text
    assert found["colophon"][1].endswith("checkpoint *base*")


def test_a_model_of_ones_own_takes_its_place_and_keeps_it(opened):
    """Training has just ended; later its folder is moved away."""
    page, _ = opened()
    assert TOLD in states(page)["remarks"][1]
    own = Path("checkpoints/best_model.pt")
    own.parent.mkdir()
    own.touch()
    found = states(page)
    assert TOLD not in found["remarks"][1]
    assert found["colophon"][1].endswith("checkpoint *best_model.pt*")
    own.unlink()
    assert states(page)["colophon"][1].endswith("checkpoint *best_model.pt*")


def test_a_named_checkpoint_that_is_missing_stays_an_error(opened):
    for name in ("checkpoints/best_model.pt", "runs/a.pt"):
        page, (line,) = opened(checkpoint=name)
        assert line.startswith(f"{name} is missing; make it with: ")
        assert line.endswith("--checkpoint base; the page looks for it on each click")
        visible, notice = states(page)["notice"]
        assert visible
        assert f"{name} is missing" in notice


def test_where_the_base_model_is_missing_too_the_page_opens_without(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(base_model, "BASE_FILE", tmp_path / "nowhere.safetensors")
    page, (line,) = opened()
    assert line.startswith(f"{MISSING}; make it with: ")
    assert states(page)["notice"][0] is True


def test_the_word_base_opens_the_base_model_though_there_is_another(opened, tmp_path):
    Path("checkpoints").mkdir()
    Path("checkpoints/best_model.pt").touch()
    Path("base").touch()
    page, lines = opened(checkpoint="base")
    assert not lines
    assert TOLD in states(page)["remarks"][1]
    page, _ = opened(checkpoint="./base")
    assert TOLD not in states(page)["remarks"][1]


def test_the_page_of_another_model_does_not_speak_of_the_base_model():
    assert "base model" not in states(build_page(Noise()))["remarks"][1]
