"""Promises about working at a batch in parts, by several processes or piece by piece.

The step stays the same.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from oneseed.console.command import UserError
from oneseed.training import distributed
from oneseed.training.optimizers import trained_weights
from tests.training.test_training_loop import trainer

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--style",
    "builtin",
    "--preset",
    "small",
    "--image-size",
    "32",
    "--latent-dim",
    "32",
    "--patch",
    "2",
    "--width",
    "16",
    "--max-width",
    "32",
    "--text-width",
    "32",
    "--text-heads",
    "2",
    "--flow-dims",
    "8",
    "--flow-width",
    "32",
    "--precision",
    "fp32",
    "--epoch-pictures",
    "1",
    "--num-epochs",
    "2",
    "--batch-size",
    "7",
    "--sampler-steps",
    "20",
    "--device",
    "cpu",
]


def gradients(run, micro_batch):
    """-> (losses, every gradient as one vector) of one batch."""
    run.gradient_cache.micro_batch = micro_batch
    batch = run.train.batch(np.arange(7))
    losses, codes = run.gradient_cache.forward_backward(batch, run.objective.noise(7, "test"))
    assert codes.shape == (7, 32)
    flat = torch.cat([weight.grad.flatten() for weight in trained_weights(run.model)])
    return losses.tolist(), flat


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 6])
def test_a_batch_in_pieces_has_the_gradients_of_the_whole(builtin_data, tmp_path, micro_batch):
    """Contrast within each piece alone would be another, easier loss.

    A piece with short captions must not weigh as much as one with long ones, nor a piece with one
    draft as much as one with two.
    """
    full = gradients(trainer(builtin_data, tmp_path), 0)
    pieces = gradients(trainer(builtin_data, tmp_path), micro_batch)
    assert len(full[0]) == 6, "flow, shape and focus are among them"
    assert full[0] == pytest.approx(pieces[0], abs=1e-4)
    assert (full[1] - pieces[1]).norm() < 1e-5 * full[1].norm()


def test_a_gpu_that_runs_out_of_memory_goes_on_with_half_as_many(
    builtin_data, tmp_path, monkeypatch, capsys
):
    run = trainer(builtin_data, tmp_path)
    batch = run.train.batch(np.arange(7))
    real = run.model.autoencode

    def short(images, *rest):
        if len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(images, *rest)

    before = [weight.clone() for weight in trained_weights(run.model)]
    monkeypatch.setattr(run.model, "autoencode", short)
    result = run.train_step(batch, 5)
    assert run.gradient_cache.micro_batch == 2
    assert len(result.codes) == 7
    assert "2 pairs at a time" in capsys.readouterr().out
    other = trainer(builtin_data, tmp_path)
    assert result.losses == pytest.approx(other.train_step(batch, 5).losses, abs=1e-4)
    assert any(
        not torch.equal(one, weight) for one, weight in zip(before, trained_weights(run.model))
    )
    monkeypatch.setattr(run.model, "autoencode", lambda *given: short(torch.zeros(3)))
    with pytest.raises(
        UserError,
        match="does not fit into the memory of cpu; run again with --micro-batch 1, a smaller",
    ):
        run.train_step(batch, 6)


@pytest.mark.parametrize("length", [1, 7, 8])
def test_every_row_belongs_to_one_process(monkeypatch, length):
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    found = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", lambda number=rank: number)
        found += range(length)[distributed.local_slice(length)]
    assert found == list(range(length))


def test_two_processes_train_the_model_that_one_would(builtin_data, tmp_path):
    """Through torchrun, with Gloo, the last batch of an epoch smaller than the others.

    The losses and weights are the same, and one process writes.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    runs = {
        "one": [sys.executable],
        "two": [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
        ],
    }
    for name, begin in runs.items():
        done = subprocess.run(
            [
                *begin,
                str(ROOT / "training_loop.py"),
                *FLAGS,
                "--data",
                str(builtin_data),
                "--checkpoints",
                str(tmp_path / name),
            ],
            capture_output=True,
            text=True,
            env=environment,
            cwd=ROOT,
            timeout=300,
        )
        assert done.returncode in (0, 1), done.stderr[-2000:]
        assert done.stdout.count("Epoch 2/2") == 1
        assert done.stdout.count("Done: ") == 1
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in runs)
    for row, other in zip(one, two, strict=True):
        assert len(row["notes"]) == len(other["notes"])
        for key in row.keys() - {
            "images_per_second",
            "latent_mean",
            "latent_std",
            "latent_norm",
            "notes",
        }:
            assert row[key] == pytest.approx(other[key], rel=1e-3, abs=1e-3), key
    weights = [torch.load(tmp_path / name / "last.pt", weights_only=True)["model"] for name in runs]
    for name, weight in weights[0].items():
        if name.startswith(("image_", "text_")) and weight.is_floating_point():
            assert torch.allclose(weight, weights[1][name], atol=5e-3), name
