"""The estimate is measured, and holds against what a real step takes."""

import ctypes
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import training_loop
from oneseed.config.training import TrainConfig
from oneseed.model.multimodal import MultimodalModel
from oneseed.training import memory
from oneseed.training.data import PairLoader
from tests.conftest import tiny_config
from training_loop import MultimodalTrainer

# of the measured peak; what an operation needs within itself is not in the estimate
TOLERANCE = 0.1


def test_a_peak_is_the_most_that_was_held_at_once():
    x = torch.zeros(1000)

    def work():
        # 4,000 bytes
        a = x + 1
        # nothing new
        a.mul_(2).view(10, 100).t()
        # 8,000
        b = torch.cat([a, a])
        del a
        # 8,000: two of three at once
        c = b * 2
        del b, c
        return x + 1

    assert memory.measured_peak(work, torch.device("cpu")) == 16_000
    assert memory.measured_peak(lambda: x.view(10, 100).add_(1), torch.device("cpu")) == 0


def test_optimiser_states_are_counted_as_they_are():
    weight = torch.ones(1000, requires_grad=True)
    weight.grad = torch.ones(1000)
    optimizers = [
        torch.optim.AdamW([weight]),
        torch.optim.SGD([weight], lr=0.1, momentum=0.9),
        torch.optim.SGD([weight], lr=0.1),
    ]
    for optimizer in optimizers:
        optimizer.step()
    # AdamW also counts its steps
    assert memory.total_bytes(memory.optimizer_tensors(optimizers)) == pytest.approx(
        3 * 4000, abs=100
    )


def resident(key):
    """Bytes of this process in memory.

    VmRSS: now; VmHWM: at most since the last time that "5" was written to clear_refs.
    """
    return 1024 * int(
        re.search(rf"^{key}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)[1]
    )


def measure():
    """Prints the bytes of a step's activations: as estimated, and as the process grew by them."""
    batch = 32
    config = tiny_config(image_size=256, width=8, max_width=16)
    tokens = [[1, *[3] * 30, 2]] * batch
    loader = PairLoader(
        np.zeros((batch, 256, 256), np.uint8),
        np.arange(batch),
        tokens,
        batch_size=batch,
        channels=1,
    )
    trainer = MultimodalTrainer(
        MultimodalModel(config), loader, loader, TrainConfig(batch_size=batch)
    )
    objective = trainer.objective
    optimizers = [*trainer.state.optimizers, trainer.state.prior_optimizer]
    # leaves gradients and optimiser states where they are
    parts = memory.estimate_memory(objective, loader, optimizers, batch)
    pairs = loader.batch(np.arange(batch))

    def one_step():
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        backward(objective, pairs)
        return resident("VmHWM") - before

    print(int(parts["activations"]), min(one_step() for _ in range(3)))


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the process's peak")
def test_the_estimate_is_near_the_measured_peak():
    """In a process of its own, every tensor in pages of its own.

    Among those of other tests the allocator kept up to a fifth more, in holes.
    """
    done = subprocess.run(
        [sys.executable, "-c", "from tests.training.test_memory import measure; measure()"],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "MALLOC_MMAP_THRESHOLD_": "65536",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
    )
    assert done.returncode == 0, done.stderr[-2000:]
    estimated, measured = map(int, done.stdout.splitlines()[-1].split())
    assert measured > 100 * 2**20
    assert estimated == pytest.approx(measured, rel=TOLERANCE)


def test_the_parts_are_those_of_the_model(tmp_path, capsys):
    """Without a collection, nothing is written and nothing is trained; the sum is the sum."""
    config = tiny_config(vocab_size=0)
    train = TrainConfig(
        preset="small",
        batch_size=16,
        device="cpu",
        precision="fp32",
        estimate=True,
        data=str(tmp_path / "data"),
        checkpoints=str(tmp_path / "run"),
    )
    assert training_loop.main(config, train) == 0
    shown = capsys.readouterr().out
    sizes = {
        name: float(size) * {"MiB": 2**20, "GiB": 2**30}[unit]
        for name, size, unit in re.findall(r"^  (\w+) +([\d.]+) (MiB|GiB)", shown, re.MULTILINE)
    }
    assert list(sizes) == ["weights", "gradients", "optimisers", "activations", "sum"]
    assert sizes["sum"] == pytest.approx(
        sum(size for name, size in sizes.items() if name != "sum"), abs=0.3 * 2**20
    )
    model = MultimodalModel(tiny_config(vocab_size=2000))
    assert sizes["gradients"] == pytest.approx(
        4 * sum(weight.numel() for weight in model.parameters()), abs=0.06 * 2**20
    )
    assert "16 pictures of 32 px, captions of 48 tokens" in shown
    assert "dataset_preparation.py" in shown
    assert not list(tmp_path.iterdir())


def test_a_plan_needs_no_collection(tmp_path, capsys):
    """It ended in a traceback, where a spec is written before there are any pictures."""
    train = TrainConfig(
        style="tones",
        preset="small",
        medium="sound",
        device="cpu",
        precision="fp32",
        plan=True,
        data=str(tmp_path / "data"),
        checkpoints=str(tmp_path / "run"),
    )
    assert training_loop.main(tiny_config(vocab_size=0), train) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^makes +a sound of [\d.]+ s", shown, re.MULTILINE)
    assert re.search(r"^collection +tones: not prepared yet$", shown, re.MULTILINE)
    assert "dataset_preparation.py" in shown
    assert not list(tmp_path.iterdir())


def looking(data, folder, **changes):
    """The settings of a run that only looks ahead."""
    settings = dict(
        style="builtin",
        preset="small",
        batch_size=16,
        device="cpu",
        precision="fp32",
        data=str(data),
        checkpoints=str(folder / "run"),
    )
    return TrainConfig(**settings | changes)


def test_a_plan_tells_what_a_run_takes(builtin_data, tmp_path, capsys):
    train = looking(builtin_data, tmp_path, plan=True)
    assert training_loop.main(tiny_config(vocab_size=0), train) == 0
    shown = capsys.readouterr().out
    for name in ("makes", "collection", "image_decoder", "parameters", "memory", "time", "disk"):
        assert re.search(rf"^{name} ", shown, re.MULTILINE), name
    assert not list(tmp_path.iterdir())


def test_a_budget_that_small_batches_keep_is_kept(builtin_data, tmp_path):
    """--micro-batch was advised, and the same command with it was refused by the same sentence."""
    config = tiny_config(vocab_size=0)
    budget = 24 * 2**20
    for changes, status in (
        (dict(batch_size=64), 1),
        (dict(batch_size=64, micro_batch=2), 0),
        (dict(batch_size=2, accumulate=32), 0),
    ):
        train = looking(builtin_data, tmp_path, plan=True, memory_budget=budget, **changes)
        assert training_loop.main(config, train) == status


def test_a_collection_s_own_captions_and_vocabulary_are_taken(builtin_data, tmp_path, capsys):
    train = looking(builtin_data, tmp_path, estimate=True)
    assert training_loop.main(tiny_config(vocab_size=0, max_caption_length=90), train) == 0
    length = int(re.search(r"captions of (\d+) tokens", capsys.readouterr().out)[1])
    assert 15 < length < 90
    assert not list(tmp_path.iterdir())


def backward(objective, batch):
    objective.losses(batch, objective.noise(len(batch.images), 0))[0]["total"].backward()


@pytest.mark.parametrize("encoder", ["cnn", "vit"])
def test_recomputed_activations_change_no_gradient_and_take_less_room(encoder):
    found = []
    for recompute in (False, True):
        torch.manual_seed(0)
        loader = PairLoader(
            np.random.default_rng(0).integers(0, 256, (16, 64, 64), dtype=np.uint8),
            np.arange(16),
            [[1, 5, 6, 2]] * 16,
            batch_size=16,
            channels=1,
        )
        trainer = MultimodalTrainer(
            MultimodalModel(
                tiny_config(image_size=64, width=16, max_width=32, encoder=encoder, vit_layers=3)
            ),
            loader,
            loader,
            TrainConfig(batch_size=16, recompute=recompute),
        )
        batch = loader.batch(np.arange(16))
        weights = [weight for weight in trainer.model.parameters() if weight.requires_grad]
        work = functools.partial(backward, trainer.objective, batch)
        peak = memory.measured_peak(work, torch.device("cpu"))
        found.append((peak, [weight.grad for weight in weights if weight.grad is not None]))
    (all_kept, gradients), (fewer, again) = found
    assert len(gradients) == len(again) > 20
    assert all(map(torch.equal, gradients, again))
    assert fewer < 0.75 * all_kept, (fewer, all_kept)


def test_batches_from_pixels_on_the_device_are_those_from_the_file():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
    for channels in (1, 3):
        file, device = (
            PairLoader(source, np.array([7, 1, 3]), [[1, 2]] * 3, batch_size=3, channels=channels)
            for source in (pixels, torch.from_numpy(pixels))
        )
        one, other = (loader.batch(np.array([2, 0])) for loader in (file, device))
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.tokens, other.tokens)
