"""A GPU takes tensors of its own alone: a forgotten one ends a run after hours."""

import json

import numpy as np
import pytest
import torch

from oneseed.generation.generator import MultimodalGenerator
from oneseed.model.multimodal import MultimodalModel
from oneseed.training import data
from oneseed.training.loaders import create_data_loaders
from tests.accelerator import DEVICE, ElsewhereError, accelerator
from tests.conftest import tiny_config
from tests.training.test_training_loop import config
from training_loop import MultimodalTrainer


def trained(collection, folder, device):
    """A run of two epochs, broken off after the first and resumed, its batches in parts."""
    for epochs in (1, 2):
        settings = config(
            data=str(collection), checkpoints=str(folder), num_epochs=epochs, micro_batch=3
        )
        train, val = create_data_loaders(tiny_config(vocab_size=0), settings)
        torch.manual_seed(0)
        model = MultimodalModel(tiny_config(vocab_size=len(train.tokenizer)), train.tokenizer)
        run = MultimodalTrainer(model, train, val, settings, device=device)
        assert run.load_checkpoint() == (epochs == 2)
        run.fit()
    return run


def test_tensors_of_two_devices_are_refused_here_as_on_a_gpu(monkeypatch):
    with accelerator(monkeypatch):
        there = torch.ones(3, device=DEVICE)
        assert (there + 1).cpu().tolist() == [2, 2, 2]
        assert (there[torch.tensor([0, 2])] * torch.tensor(2.0)).tolist() == [2, 2]
        for wrong in (
            lambda: there + torch.ones(3),
            lambda: torch.nn.functional.linear(there, torch.ones(1, 3)),
            lambda: torch.where(there > 0, torch.ones(3), there),
            lambda: torch.randn(3, device=DEVICE, generator=torch.Generator()),
        ):
            with pytest.raises(ElsewhereError):
                wrong()
        with pytest.raises(RuntimeError):
            there.numpy()


def test_a_run_on_another_device_ends_as_on_this_one(builtin_data, tmp_path, monkeypatch):
    """Each training on a GPU ended at the end of its first epoch: the noise of its sampler lay on
    the GPU, and the coordinates that get it did not. Behind that waited the latent check."""

    def copied(pixels, device):
        return torch.from_numpy(np.array(pixels[:])).to(device)

    with accelerator(monkeypatch):
        # a GPU holds the pictures of a collection that fits
        monkeypatch.setattr(data, "on_device_if_it_fits", copied)
        run = trained(builtin_data, tmp_path / "there", DEVICE)
        assert run.model.device == DEVICE
        assert run.train.pixels.device == DEVICE
    monkeypatch.undo()
    trained(builtin_data, tmp_path / "here", "cpu")
    rows = [
        json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("there", "here")
    ]
    for there, here in zip(*rows):
        assert there["val_loss"] == pytest.approx(here["val_loss"], rel=1e-4)
    for name in ("there", "here"):
        image, caption = MultimodalGenerator(tmp_path / name / "best_model.pt", "cpu")(7)
        assert caption
        assert image.size == (32, 32)
