"""`--checkpoint base` answers without any training, and its cards are true everywhere."""

import json

import pytest
import torch

import inference
from oneseed.config import base_model
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model.base import save_base


@pytest.fixture(autouse=True)
def small_base(tiny_model, tmp_path, monkeypatch):
    """A base model that draws in no time, and a current folder that holds a file of its name."""
    tiny_model.meta = {"style": "prints"}
    path = tmp_path / "package" / "model.safetensors"
    save_base(tiny_model, path)
    monkeypatch.setattr(base_model, "BASE_FILE", path)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    torch.save({**tiny_model.state_dict(), "more": torch.ones(1)}, here / "base")


def draw(**flags):
    return inference.main(InferenceConfig(device="cpu", **{"checkpoint": "base", **flags}))


def test_seeds_are_drawn_and_commands_and_cards_say_base(tmp_path, capsys):
    draw(seeds="0-1")
    assert "next: python gradio_demo.py --checkpoint base" in capsys.readouterr().out
    card = json.loads((tmp_path / "here/outputs/000001.json").read_text("utf-8"))
    assert card["checkpoint"] == "base"
    assert draw(verify="outputs/000001.png") == 0
    assert "is what base makes" in capsys.readouterr().out


def test_python_and_the_command_line_give_the_same_pair(tmp_path):
    draw(seeds="7")
    card = json.loads((tmp_path / "here/outputs/000007.json").read_text("utf-8"))
    generator = MultimodalGenerator("base", "cpu")
    assert generator.generate(7)[1] == card["caption"]
    assert generator.generate_with_metadata(7)["checkpoint"] == "base"
    assert generator.fingerprint == card["fingerprint"]


def test_the_index_of_the_base_model_lies_beside_it(tmp_path, capsys):
    draw(index=4)
    assert (tmp_path / "package" / "model.seeds.npz").exists()
    assert "--checkpoint base --find seeds" in capsys.readouterr().out
    draw(find="seeds", prompt="a ship")
    assert "--checkpoint base" in capsys.readouterr().out


def test_a_card_of_the_base_model_names_it_where_another_model_is_asked(tmp_path, tiny_run):
    draw(seeds="1")
    with pytest.raises(
        UserError, match=r"another model \(base, .*name that one: --checkpoint base$"
    ):
        draw(verify="outputs/000001.png", checkpoint=str(tiny_run / "best_model.pt"))
    draw(seeds="2", checkpoint=str(tiny_run / "best_model.pt"))
    with pytest.raises(UserError, match="than base .*name that one: --checkpoint FILE$"):
        draw(verify="outputs/000002.png")


def test_a_default_checkpoint_that_is_missing_stays_an_error_and_names_the_base_model():
    with pytest.raises(UserError, match="best_model.pt is missing; .*--checkpoint base$"):
        draw(checkpoint="checkpoints/best_model.pt")


def test_the_file_of_that_name_is_read_where_it_is_asked_for():
    with pytest.raises(UserError, match=r"^\./base is not a checkpoint .*'more' too many"):
        draw(checkpoint="./base")
