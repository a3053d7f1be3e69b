"""One owner for the choice of a device."""

import pytest
import torch

from oneseed.console.command import UserError
from oneseed.device import pick_device, pick_device_of_rank


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="--device cuda is not on this machine"):
        pick_device("cuda")
    with pytest.raises(UserError, match="--device cuda is not on this machine"):
        pick_device_of_rank("cuda")
    assert pick_device("auto").type in ("cpu", "mps")


def test_each_rank_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert pick_device_of_rank("auto") == torch.device("cuda")
    assert pick_device_of_rank("cpu") == torch.device("cpu")
    for rank, device in (("0", "cuda:0"), ("1", "cuda:1"), ("2", "cuda:0")):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert pick_device_of_rank("auto") == torch.device(device)
        assert pick_device_of_rank("cuda") == torch.device(device)
        assert pick_device_of_rank("cpu") == torch.device("cpu")
