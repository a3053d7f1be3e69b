"""Promises about working at a batch in parts, by several processes or piece by piece.

The step stays the same.
"""

import json
import os
import signal
import subprocess
import sys
import time
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


def test_one_process_speaks_for_all(monkeypatch, capsys):
    """Each of eight processes drew a bar of its own, and the last one's lines were torn by it."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("TQDM_DISABLE", "")
    for first in (True, False):
        monkeypatch.setattr(distributed, "is_first", lambda first=first: first)
        with distributed.joined_processes(torch.device("cpu")) as device:
            print(f"first {first} on {device}")
            assert bool(os.environ["TQDM_DISABLE"]) is not first
    assert capsys.readouterr().out == "first True on cpu\n"


def test_accumulated_batches_make_the_step_of_one_large_batch(builtin_data, tmp_path):
    """Contrast within each batch alone would be an easier loss, and the gradients others."""
    large = trainer(builtin_data, tmp_path / "large", batch_size=16)
    parts = trainer(builtin_data, tmp_path / "parts", batch_size=4, accumulate=4)
    assert parts.gradient_cache.micro_batch == 4
    assert len(parts.train) == len(large.train)
    assert parts.schedule == large.schedule
    for step, (batch, other) in enumerate(zip(large.train.batches(), parts.train.batches())):
        assert batch.rows.tolist() == other.rows.tolist()
        losses = large.train_step(batch, step).losses
        assert parts.train_step(other, step).losses == pytest.approx(losses, abs=1e-4)
    for weight, other in zip(trained_weights(large.model), trained_weights(parts.model)):
        assert torch.allclose(weight, other, atol=2e-3)


def test_a_lost_process_is_one_sentence_with_the_remedy(monkeypatch):
    """Gloo raises a RuntimeError of addresses, and a traceback came from each process."""

    def lost(*_):
        raise RuntimeError("[gloo] Connection closed by peer [127.0.0.1]:5000")

    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "rank", lambda: 0)
    monkeypatch.setattr(distributed.dist, "all_reduce", lost)
    with pytest.raises(UserError, match="process 0 of 2 has lost another one.*same command"):
        distributed.all_reduce(torch.zeros(2))


LONG = pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")


def torchrun(count, data, folder, *more, **options):
    """A run of so many processes that has begun."""
    begin = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    command = [sys.executable, *begin, str(ROOT / "training_loop.py"), *FLAGS, *more]
    return subprocess.Popen(
        [*command, "--data", str(data), "--checkpoints", str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def rows_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def saved_model(folder):
    return torch.load(folder / "last.pt", weights_only=True)["model"]


@LONG
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_four_processes_train_the_model_that_two_would(builtin_data, tmp_path, precision):
    for count in (2, 4):
        more = ["--precision", precision]
        run = torchrun(count, builtin_data, tmp_path / str(count), *more)
        _, errors = run.communicate(timeout=900)
        assert run.returncode in (0, 1), errors[-2000:]
    # bf16 rounds sums of other slices to other numbers
    tolerance = 1e-3 if precision == "fp32" else 5e-2
    for row, other in zip(rows_of(tmp_path / "2"), rows_of(tmp_path / "4"), strict=True):
        for key in ("train_loss", "val_loss", "train_contrastive", "grad_norm"):
            assert row[key] == pytest.approx(other[key], rel=tolerance, abs=tolerance), key


def workers_of(process):
    """The process numbers of a torchrun's children."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True
    )
    return [int(number) for number in listed.stdout.split()]


@LONG
@pytest.mark.skipif(os.name != "posix", reason="kills a process by its number")
def test_a_killed_process_ends_the_others_clearly_and_the_run_resumes_exactly(
    builtin_data, tmp_path
):
    more = ["--num-epochs", "6"]
    whole = torchrun(2, builtin_data, tmp_path / "whole", *more)
    _, errors = whole.communicate(timeout=900)
    assert whole.returncode in (0, 1), errors[-2000:]
    run = torchrun(2, builtin_data, tmp_path / "part", *more)
    until = time.monotonic() + 600
    while not (tmp_path / "part" / "metrics.json").exists() and time.monotonic() < until:
        assert run.poll() is None, run.communicate()[1][-2000:]
        time.sleep(0.05)
    os.kill(workers_of(run.pid)[-1], signal.SIGKILL)
    _, errors = run.communicate(timeout=600)
    assert run.returncode != 0
    own = [line for line in errors.splitlines() if "training_loop" in line and "File" in line]
    assert not own, errors[-3000:]
    rest = torchrun(2, builtin_data, tmp_path / "part", *more)
    _, errors = rest.communicate(timeout=900)
    assert rest.returncode in (0, 1), errors[-2000:]
    one, other = saved_model(tmp_path / "whole"), saved_model(tmp_path / "part")
    # what it says of its settings is no weight
    one.pop("_extra_state")
    assert not [name for name in one if not torch.equal(one[name], other[name])]
    losses = [[row["train_loss"] for row in rows_of(tmp_path / name)] for name in ("whole", "part")]
    assert losses[0] == losses[1]
