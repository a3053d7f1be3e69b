"""Training says in words what goes wrong.

Each of these was once a figure in a log that nobody read.
"""

import re

import numpy as np
import pytest
import torch

from oneseed.config.training import TrainConfig
from oneseed.model.multimodal import MultimodalModel
from oneseed.training import monitor
from oneseed.training.loaders import create_data_loaders
from oneseed.training.speed import count_flops
from oneseed.training.state import EpochState
from tests.conftest import tiny_config
from training_loop import MultimodalTrainer

WEIGHTS = {"reconstruction": 1.0, "caption": 2.0, "contrastive": 0.5}


def row(epoch, train=3.0, val=3.0, **changes):
    return {
        "epoch": epoch,
        "train_loss": train,
        "val_loss": val,
        "pair_score": val,
        "train_reconstruction": 1.0,
        "train_caption": 0.5,
        "train_contrastive": 1.0,
        "code_spread": 0.9,
        "caption_reading": 1.0,
        **changes,
    }


def test_nothing_is_said_of_a_healthy_run():
    assert monitor.findings([row(1, 5, 5), row(2, 4, 4), row(3, 3, 3.5)], WEIGHTS) == []


@pytest.mark.parametrize(
    "metrics, dead, said",
    [
        ([row(1, train_caption=9.0)], [], r"caption is 92% of the loss.*lower --caption-weight 2"),
        (
            [row(1, 5, 4), row(2, 4, 4.2), row(3, 3, 4.5)],
            [],
            r"over-fitting: since epoch 1 .*from 5\.000 to 3\.000.*"
            r"from 4\.000 to 4\.500 from real ones; best_model.pt stays that of epoch 1",
        ),
        (
            [row(1)],
            ["text_encoder.out.weight", "b"],
            r"2 parameters receive no gradient, first text_encoder.out.weight",
        ),
        ([row(1, code_spread=0.01)], [], r"collapsed: only 1\.0% of the codes"),
        ([row(1, caption_reading=0.001)], [], r"captions ignore the picture.* 0\.001 nats"),
        ([row(1, caption_reading=-0.01)], [], r"they lose 0\.000 nats"),
    ],
)
def test_each_way_of_going_wrong_has_its_sentence(metrics, dead, said):
    found = monitor.findings(metrics, WEIGHTS, dead)
    assert len(found) == 1, found
    assert re.search(said, found[0])


def test_a_worse_epoch_alone_is_no_over_fitting():
    assert monitor.findings([row(1, 5, 4), row(2, 4, 4.2)], WEIGHTS) == []
    assert monitor.findings([row(1, 5, 4), row(2, 5.5, 4.2), row(3, 5.5, 4.2)], WEIGHTS) == [], (
        "both losses rose: something else"
    )
    assert monitor.findings([row(1, caption_reading=None)], WEIGHTS) == [], (
        "all captions are the same, nothing is to be read"
    )


def test_spread_is_none_for_equal_codes_and_whole_for_independent_ones():
    codes = torch.randn(500, 64, generator=torch.Generator().manual_seed(0))
    assert monitor.code_variation(codes) > 0.99
    assert monitor.code_variation(codes[:1].expand(500, -1)) < 1e-9
    assert monitor.code_variation(torch.zeros(5, 3)) == 0
    assert monitor.code_variation(codes + 3) == pytest.approx(0.1, abs=0.01)


def new_trainer(config):
    train, val = create_data_loaders(tiny_config(vocab_size=0), config)
    torch.manual_seed(0)
    model = MultimodalModel(tiny_config(vocab_size=len(train.tokenizer)), train.tokenizer)
    return MultimodalTrainer(model, train, val, config)


def short_run(data, folder, **changes):
    """Settings of one epoch of a tiny run."""
    settings = {
        "style": "builtin",
        "preset": "small",
        "num_epochs": 1,
        "epoch_pictures": 1,
        "batch_size": 8,
        "sampler_steps": 20,
        "device": "cpu",
        "precision": "fp32",
        "data": str(data),
        "checkpoints": str(folder),
    }
    return TrainConfig(**{**settings, **changes})


def trained(data, folder, break_it=lambda trainer: None, **changes):
    """One epoch of a tiny run, broken in some way -> (its row of metrics, training.log)."""
    trainer = new_trainer(short_run(data, folder, **changes))
    break_it(trainer)
    trainer.fit()
    return trainer.state.metrics[-1], (folder / "training.log").read_text("utf-8")


def test_a_part_that_no_loss_reaches_is_named(builtin_data, tmp_path):
    """The first public attempt never trained its caption transformer, and nothing said so."""

    def cut_off(trainer):
        decoder = trainer.model.text_decoder
        forward = decoder.forward

        def without_gradient(*inputs):
            logits = forward(*inputs)
            return logits.detach() if decoder.training else logits

        decoder.forward = without_gradient

    found, log = trained(builtin_data, tmp_path, cut_off)
    silent = sum(
        name.startswith("text_decoder.")
        for name, _ in MultimodalModel(tiny_config()).named_parameters()
    )
    beginning = f"{silent} parameters receive no gradient, first text_decoder."
    assert any(note.startswith(beginning) for note in found["notes"])
    assert "  ! " in log


def test_a_blind_caption_and_a_dead_latent_are_named(builtin_data, tmp_path):
    def blind(trainer):
        encoder = trainer.model.image_encoder
        forward = encoder.forward
        encoder.forward = lambda images: forward(torch.ones_like(images))

    # so slow that the one code of all pictures moves little within the epoch
    found, log = trained(builtin_data, tmp_path, blind, learning_rate=1e-4)
    assert found["code_spread"] < 0.05
    assert "the latent has collapsed" in log
    assert found["caption_reading"] == pytest.approx(0, abs=1e-5)
    assert "captions ignore the picture" in log


def test_utilisation_is_told_and_changes_nothing(builtin_data, tmp_path, monkeypatch):
    without = trained(builtin_data, tmp_path / "without")[0]
    monkeypatch.setattr(monitor, "MEASURE_AFTER", 0)
    lines = []
    monkeypatch.setattr("tqdm.tqdm.set_postfix_str", lambda bar, text, refresh: lines.append(text))
    measured = trained(builtin_data, tmp_path / "with")[0]
    del without["images_per_second"], measured["images_per_second"]
    assert measured == without
    assert lines
    step = (
        r"step \d+/5 loss [\d.]+ recon [\d.]+ caption [\d.]+ contrast [\d.]+, "
        r"\d+% of matrix speed"
    )
    for line in lines:
        assert re.fullmatch(step, line)


def test_measuring_utilisation_leaves_gradients_alone(builtin_data, tmp_path):
    config = TrainConfig(
        style="builtin",
        preset="small",
        batch_size=8,
        device="cpu",
        data=str(builtin_data),
        checkpoints=str(tmp_path),
    )
    trainer = new_trainer(config)
    for weight in trainer.model.parameters():
        weight.grad = torch.ones_like(weight)
    epoch = EpochState.begin(8, 32, trainer.parts, trainer.device)
    epoch.pairs = 80
    epoch.seconds = 11.0
    assert "of matrix speed" in trainer.monitor.describe_utilisation(epoch)
    assert all((weight.grad == 1).all() for weight in trainer.model.parameters())


def test_utilisation_counts_what_pytorch_counts():
    a = torch.ones(2, 30, 40)
    b = torch.ones(2, 40, 50)

    assert count_flops(lambda: a @ b) == 2 * 2 * 30 * 40 * 50
    assert (
        count_flops(
            lambda: torch.nn.functional.conv2d(
                torch.ones(1, 3, 8, 8), torch.ones(5, 3, 3, 3), padding=1
            )
        )
        == 2 * 64 * 5 * 27
    )


def test_a_resumed_end_of_an_epoch_calls_nothing_dead(builtin_data, tmp_path):
    """Killed between its last step and its end, an epoch resumes without a step.

    Then no parameter has a gradient.
    """
    trainer = new_trainer(short_run(builtin_data, tmp_path))
    trainer.train_epoch()
    for weight in trainer.model.parameters():
        weight.grad = None
    trainer.fit()
    (row,) = trainer.state.metrics
    assert not any("gradient" in note for note in row["notes"])
    assert np.isfinite(row["code_spread"])
