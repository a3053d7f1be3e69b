"""The networks are compiled where that pays."""

import os

import numpy as np
import pytest
import torch

from oneseed.training import compilation
from oneseed.training.compilation import Compilation
from tests.training.test_training_loop import trainer


def test_networks_are_compiled_where_that_pays(tiny_model, monkeypatch):
    """On two cores compiling takes 49 s and makes a step slower.

    On a GPU it is worth a minute of a long run, not of a short one.
    """
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda part: compiled.append(part))
    cpu = torch.device("cpu")
    gpu = torch.device("cuda")
    assert not Compilation(tiny_model, "auto", cpu).is_worthwhile(1e6)
    assert Compilation(tiny_model, "auto", gpu).is_worthwhile(1000)
    assert not Compilation(tiny_model, "auto", gpu).is_worthwhile(500)
    assert not Compilation(tiny_model, "off", gpu).is_worthwhile(1e6)
    assert not compiled
    assert Compilation(tiny_model, "on", cpu).is_done
    assert len(compiled) == 5


def test_compiling_comes_when_the_pace_is_known(builtin_data, tmp_path, monkeypatch):
    monkeypatch.setattr(compilation, "PACE_AFTER", 0)
    run = trainer(builtin_data, tmp_path)
    seconds = []
    compiled = []

    def third_time(seconds_left):
        seconds.append(seconds_left)
        return len(seconds) == 3

    monkeypatch.setattr(run.compilation, "is_worthwhile", third_time)
    monkeypatch.setattr(run.compilation, "compile", lambda: compiled.append(len(seconds)))
    run.train_epoch()
    assert compiled == [3]
    assert len(seconds) == len(run.train)
    assert all(0 < value < 600 for value in seconds)


@pytest.mark.skipif(not os.environ.get("LONG"), reason="compiling takes a minute")
def test_compiled_networks_learn_the_same(builtin_data, tmp_path):
    plain, fast = (trainer(builtin_data, tmp_path / name, compile=name) for name in ("off", "on"))
    batch = plain.train.batch(np.arange(8))
    for step in range(2):
        first = plain.train_step(batch, step).losses
        second = fast.train_step(batch, step).losses
        assert first == pytest.approx(second, rel=1e-3)
    assert list(plain.model.state_dict()) == list(fast.model.state_dict())
