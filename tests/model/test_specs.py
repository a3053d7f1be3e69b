"""Sizes: what is counted is what is built, and a budget is met."""

import dataclasses
import re
from pathlib import Path

import pytest
import torch

import model_architecture
from oneseed.config.model import ModelConfig, SpecsConfig
from oneseed.console.command import UserError
from oneseed.model import specs
from oneseed.model.multimodal import MultimodalModel
from tests.conftest import tiny_config

ROOT = Path(__file__).resolve().parents[2]


def test_full_preset_has_45_to_55_million_parameters_and_every_listed_size():
    with torch.device("meta"):
        counts = specs.parameter_counts(MultimodalModel(ModelConfig()))
    assert list(counts) == list(specs.MODEL_PARTS)
    assert 45e6 <= sum(counts.values()) <= 55e6, counts


def test_model_specs_are_current():
    assert (ROOT / "docs/model_specs.md").read_text("utf-8") == specs.specs(), (
        "stale: run python model_architecture.py --write-specs"
    )


@pytest.mark.parametrize(
    ("preset", "budget"),
    [("full", 50_000_000), ("full", 20_000_000), ("medium", 30_000_000), ("small", 2_500_000)],
)
def test_a_parameter_budget_is_met_within_five_per_cent(preset, budget):
    config = specs.preset_config(preset)
    inside = specs.within_budget(config, budget)
    with torch.device("meta"):
        built = sum(specs.parameter_counts(MultimodalModel(inside)).values())
    assert 0.95 * budget <= built <= budget
    kept = {field.name for field in dataclasses.fields(ModelConfig)} - set(specs.SCALED_WIDTHS)
    assert all(getattr(inside, name) == getattr(config, name) for name in kept)
    assert all(getattr(inside, name) % 8 == 0 for name in specs.SCALED_WIDTHS)
    assert inside.vit_width % 32 == 0
    assert inside.text_width % (8 * inside.text_heads) == 0


def test_a_budget_that_no_width_can_meet_is_refused():
    sentence = (
        "--parameters 100,000 cannot be reached: the narrowest model of these settings has [0-9,]+;"
    )
    with pytest.raises(UserError, match=sentence) as refused:
        specs.within_budget(specs.preset_config("small"), 100_000)
    least = int(re.search(r"has ([0-9,]+);", str(refused.value))[1].replace(",", ""))
    assert specs.built_size(specs.within_budget(specs.preset_config("small"), least)) == least


def test_the_size_that_is_counted_is_the_size_that_is_built():
    config = tiny_config()
    built = sum(weight.numel() for weight in MultimodalModel(config).parameters())
    assert specs.built_size(config) == built


def test_sizes_of_one_model_are_not_written_as_those_of_all():
    """--write-specs passed over all flags beside it."""
    with pytest.raises(UserError, match="leave the other flags out"):
        model_architecture.main(ModelConfig(width=32), SpecsConfig(write_specs=True))
    with pytest.raises(UserError, match="leave the other flags out"):
        model_architecture.main(ModelConfig(), SpecsConfig(write_specs=True, parameters=9_000_000))
