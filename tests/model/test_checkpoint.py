"""Checkpoint files of models: damage is named, old ones load, hostile ones execute nothing."""

import json
from pathlib import Path

import pytest
import torch

from oneseed.console.command import UserError
from oneseed.model import checkpoint
from oneseed.model.multimodal import MultimodalModel
from tests.conftest import tiny_config


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut"])
def test_a_damaged_checkpoint_is_named_not_loaded(tmp_path, content):
    path = tmp_path / "best_model.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match="best_model.pt"):
        MultimodalModel.from_checkpoint(path)


def test_a_checkpoint_from_before_a_setting_is_a_model_still(tmp_path):
    """--encoder came later; a model trained before it is one of convolutions."""
    model = MultimodalModel(tiny_config(vit_width=384, vit_layers=6))
    state = json.loads(bytes(model.get_extra_state().tolist()))
    for name in ("encoder", "vit_width", "vit_layers"):
        del state["config"][name]
    extra_state = torch.frombuffer(bytearray(json.dumps(state).encode()), dtype=torch.uint8)
    checkpoint.save(tmp_path / "old.pt", {**model.state_dict(), "_extra_state": extra_state})
    old = MultimodalModel.from_checkpoint(tmp_path / "old.pt")
    assert all(map(torch.equal, old.parameters(), model.parameters()))
    other = MultimodalModel(tiny_config(encoder="vit", vit_width=384, vit_layers=6))
    with pytest.raises(UserError, match="encoder 'cnn' against 'vit'"):
        other.load_state_dict(checkpoint.load(tmp_path / "old.pt"))


def test_a_hostile_checkpoint_executes_nothing(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "owned",))

    torch.save({"weights": Hostile()}, tmp_path / "best_model.pt")
    with pytest.raises(UserError):
        MultimodalModel.from_checkpoint(tmp_path / "best_model.pt")
    assert not (tmp_path / "owned").exists()
