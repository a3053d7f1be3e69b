"""Settings that are left open follow from the collection and the machine."""

from dataclasses import replace

import pytest
import torch

import training_loop
from oneseed.config.training import TrainConfig
from oneseed.model import checkpoint
from oneseed.model.checkpoint_facts import read_facts
from oneseed.training import setup
from oneseed.training.setup import resolve_model_config, resolve_precision, resolve_schedule
from tests.conftest import tiny_config
from tests.training.test_training_loop import config


@pytest.fixture
def speeds(monkeypatch):
    """speeds(fp32, bf16): what the processor is measured to multiply, in FLOP/s -> products."""
    measured = []

    def give(fp32, bf16):
        def peak(device, dtype):
            measured.append(dtype)
            return {torch.float32: fp32, torch.bfloat16: bf16}[dtype]

        monkeypatch.setattr(setup, "peak_matmul_flops", peak)
        return measured

    return give


CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "fp32, bf16, chosen",
    [
        (50e9, 200e9, "bf16"),
        (50e9, 75e9, "bf16"),
        (50e9, 74e9, "fp32"),
        # as processors without instructions for it do
        (50e9, 2e9, "fp32"),
    ],
)
def test_a_processor_trains_in_bf16_only_where_it_is_half_as_fast_again(
    speeds, capsys, fp32, bf16, chosen
):
    speeds(fp32, bf16)
    assert resolve_precision("auto", CPU) == chosen
    (line,) = capsys.readouterr().out.splitlines()
    assert line == (
        f"this processor multiplies {fp32 / 1e9:.0f} GFLOP/s in fp32 and {bf16 / 1e9:.0f} in "
        f"bf16: training in {chosen}"
    )


@pytest.mark.parametrize("begun", [None, "fp32", "bf16"])
@pytest.mark.parametrize("asked", ["fp32", "bf16"])
def test_a_precision_that_is_asked_for_is_taken_unmeasured(speeds, capsys, begun, asked):
    measured = speeds(50e9, 200e9)
    assert resolve_precision(asked, CPU, begun) == asked
    assert not measured
    assert not capsys.readouterr().out


@pytest.mark.parametrize("begun", ["fp32", "bf16"])
def test_a_run_goes_on_in_the_precision_it_began_with(speeds, capsys, begun):
    """A processor that was busy for a moment would round the rest of a run otherwise."""
    measured = speeds(50e9, 200e9 if begun == "fp32" else 1e9)
    assert resolve_precision("auto", CPU, begun) == begun
    assert not measured
    assert not capsys.readouterr().out


def test_a_checkpoint_says_in_which_precision_its_run_began(builtin_data, tmp_path, speeds, capsys):
    measured = speeds(50e9, 200e9)
    settings = config(data=str(builtin_data), checkpoints=str(tmp_path), num_epochs=1)
    training_loop.main(tiny_config(vocab_size=0), replace(settings, precision="auto"))
    assert len(measured) >= 2
    assert "training in bf16" in capsys.readouterr().out
    facts = read_facts(checkpoint.load(tmp_path / "best_model.pt")["_extra_state"])
    assert facts.meta["training"]["precision"] == "bf16"
    # the same machine, busy
    del measured[:]
    speeds(50e9, 1e9)
    training_loop.main(tiny_config(vocab_size=0), replace(settings, precision="auto", num_epochs=2))
    assert "training in" not in capsys.readouterr().out
    facts = read_facts(checkpoint.load(tmp_path / "best_model.pt")["_extra_state"])
    assert facts.meta["training"]["precision"] == "bf16"


@pytest.mark.parametrize(
    "style, asked, kept",
    [
        ("builtin", 0, 0.7),
        ("builtin", 1, None),
        ("screens", 0, None),
        ("prints", 0, None),
        ("prints", 0.9, 0.9),
    ],
)
def test_a_collection_is_truncated_as_was_measured_for_it_or_as_is_asked(style, asked, kept):
    """Typical drawings have a name; typical plates are grey, and typical screens blurred."""
    known = setup.known_from_settings(TrainConfig(style=style, truncation=asked), [style])
    assert known == {"style": style, "styles": [style]} | ({"truncation": kept} if kept else {})


def test_truncation_is_a_share():
    with pytest.raises(ValueError, match="1 at most, got 1.5"):
        TrainConfig(truncation=1.5)


def test_what_a_preset_leaves_open_is_taken_from_the_collection():
    left_open = tiny_config(vocab_size=0, channels=0)
    settled = resolve_model_config(left_open, vocab_size=320, channels=3, budget=0)
    assert settled == tiny_config(vocab_size=320, channels=3)
    given = tiny_config(vocab_size=300, channels=1)
    assert resolve_model_config(given, vocab_size=320, channels=3, budget=0) == given


def test_the_last_fit_is_as_long_as_the_collection_is_large():
    """What is right for 5,400 drawings shows 2,746 engravings twice as often."""

    def steps(rows, **given):
        return resolve_schedule(TrainConfig(**given), rows).sampler_steps

    assert [steps(rows) for rows in (10, 2746, 5400, 21_600)] == [200, 1500, 3000, 12000]
    # 54,000 drawings waited for 30,000 steps, twenty million pictures would have for 11 million
    assert steps(54_000) == steps(20_000_000) == 22_300
    assert steps(5400, sampler_steps=7) == 7
    assert resolve_schedule(TrainConfig(num_epochs=0), 5400).num_epochs == 5
    # minutes of two cores: the built-in collection waited three more for its sampler
    assert steps(13_500, num_epochs=0) == 3000
    assert steps(13_500) == 7500
    assert resolve_schedule(TrainConfig(num_epochs=3), 5400).num_epochs == 3


def test_a_small_folder_has_as_many_epochs_as_one_of_800_pictures():
    """Twenty-five pictures planned 982 epochs, each of which ended with 130 MB of files."""

    def epochs(rows):
        return resolve_schedule(TrainConfig(num_epochs=0), rows).num_epochs

    assert [epochs(rows) for rows in (2, 22, 171, 763, 5400)] == [34, 34, 32, 35, 5]
    assert resolve_schedule(TrainConfig(), 22).num_epochs == 50
    assert resolve_schedule(TrainConfig(num_epochs=0, epoch_pictures=1), 216).num_epochs == 125
