"""The script that shows the model's shapes."""

import re

import model_architecture
from oneseed.config.model import SpecsConfig
from tests.conftest import tiny_config


def test_the_shape_check_takes_a_budget(capsys):
    config = tiny_config(image_size=64)
    assert not model_architecture.main(config, SpecsConfig(parameters=200_000))
    shown = capsys.readouterr().out
    assert "--parameters 200,000: " in shown
    assert " -> " in shown
    assert "All shapes correct" in shown
    total = int(re.search(r"total +([0-9,]+)", shown)[1].replace(",", ""))
    assert 190_000 <= total <= 200_000


def test_a_wrong_shape_is_named_and_ends_with_exit_code_1(capsys, monkeypatch):
    monkeypatch.setattr(
        model_architecture.MultimodalModel, "to_rgb", lambda self, images: images[..., 1:]
    )
    assert model_architecture.main(tiny_config(), SpecsConfig()) == 1
    shown = capsys.readouterr().out
    assert "✗ wrong: Image recon" in shown
    assert "✓ Latent" in shown
