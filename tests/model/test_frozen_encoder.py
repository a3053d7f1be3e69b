"""Frozen picture encoders: features of others, a head of our own, and no weight of theirs moves."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from oneseed.config.model import FROZEN
from oneseed.console.command import UserError
from oneseed.model import checkpoint
from oneseed.model.checkpoint_facts import config_of_settings
from oneseed.model.frozen_encoder import FrozenTower
from oneseed.model.multimodal import MultimodalModel
from tests.conftest import tiny_config
from tests.tiny_towers import TOWERS


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    """{kind: the folder of a tiny untrained checkpoint}."""
    folder = tmp_path_factory.mktemp("towers")
    return {kind: make(folder / kind) for kind, make in TOWERS.items()}


def pictures(count, channels=1):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, channels, 32, 32, generator=generator) * 2 - 1


def model_of(folder):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MultimodalModel(tiny_config(encoder=str(folder))).eval()


@pytest.mark.parametrize("kind", TOWERS)
def test_each_family_says_something_of_every_place(towers, kind):
    tower = FrozenTower(towers[kind])
    seen = tower.features(pictures(3))
    assert seen.shape == (3, 24, 4, 4)
    assert torch.equal(seen, tower.features(pictures(3, 1).expand(-1, 3, -1, -1)))
    assert torch.allclose(seen[1:2], tower.features(pictures(3)[1:2]), atol=1e-5)
    # what changes in one place changes most what is said of that place
    other = pictures(1)
    other[:, :, 8:16, 16:24] = -other[:, :, 8:16, 16:24]
    moved = (tower.features(other) - seen[:1]).square().sum(1)[0]
    assert divmod(int(moved.argmax()), 4) == (1, 2)


def test_the_head_learns_and_the_encoder_does_not(towers):
    model = model_of(towers["dinov2"]).train()
    tower = model.image_encoder.tower
    before = {name: weight.clone() for name, weight in tower.network.named_parameters()}
    optimizer = torch.optim.SGD(model.image_encoder.parameters(), lr=0.1)
    code = model.image_encoder(pictures(4))
    assert code.shape == (4, 32)
    (code * torch.randn(4, 32)).sum().backward()
    silent = [name for name, one in model.image_encoder.named_parameters() if one.grad is None]
    assert not silent
    optimizer.step()
    assert not torch.equal(code, model.image_encoder(pictures(4)))
    for name, weight in tower.network.named_parameters():
        assert torch.equal(weight, before[name]), name
    names = [*model.state_dict(), *dict(model.named_parameters())]
    assert not [name for name in names if "tower" in name or "network" in name]


def test_a_checkpoint_has_the_digest_and_no_weight_of_the_encoder(towers, tmp_path):
    model = model_of(towers["clip"])
    path = tmp_path / "best_model.pt"
    checkpoint.save(path, model.state_dict())
    again = MultimodalModel.from_checkpoint(path)
    assert again.config.encoder == FROZEN
    assert again.meta["encoder_path"] == str(towers["clip"])
    assert again.fingerprint() == model.fingerprint()
    assert torch.equal(again.encode(pictures(2)), model.encode(pictures(2)))


def test_an_encoder_that_has_moved_is_named_and_another_one_refused(towers, tmp_path):
    folder = tmp_path / "clip"
    shutil.copytree(towers["clip"], folder)
    model = model_of(folder)
    path = tmp_path / "best_model.pt"
    checkpoint.save(path, model.state_dict())
    folder.rename(tmp_path / "moved")
    with pytest.raises(UserError, match="there is no picture encoder in .*clip, .* --encoder PATH"):
        MultimodalModel.from_checkpoint(path)
    moved = MultimodalModel.from_checkpoint(path, encoder=tmp_path / "moved")
    # cards that it made stay true
    assert moved.fingerprint() == model.fingerprint()
    with pytest.raises(UserError, match="another SHA-256"):
        MultimodalModel.from_checkpoint(path, encoder=towers["dinov2"])
    weights = tmp_path / "moved" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UserError, match="another SHA-256"):
        MultimodalModel.from_checkpoint(path, encoder=tmp_path / "moved")
    # who shows it no pictures needs none
    assert MultimodalModel.from_checkpoint(path, sees=False).decode_text(torch.randn(1, 32))


def test_a_model_of_its_own_eyes_takes_no_other(tiny_model, towers, tmp_path):
    checkpoint.save(tmp_path / "best_model.pt", tiny_model.state_dict())
    with pytest.raises(UserError, match="leave --encoder out"):
        MultimodalModel.from_checkpoint(tmp_path / "best_model.pt", encoder=towers["clip"])


def test_a_folder_that_is_none_is_refused_in_a_sentence(towers, tmp_path):
    with pytest.raises(ValueError, match="--encoder is cnn, vit, or the folder"):
        tiny_config(encoder=str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="named by its folder: --encoder PATH"):
        tiny_config(encoder=FROZEN)
    with pytest.raises(UserError, match="there is no picture encoder in"):
        model_of(tmp_path)
    # only weights that are no program are read
    pickled = tmp_path / "pickled"
    shutil.copytree(towers["dinov2"], pickled)
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    with pytest.raises(UserError, match="is no picture encoder"):
        model_of(pickled)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text(json.dumps({"model_type": "gpt2", "auto_map": {}}))
    with pytest.raises(UserError, match="is no picture encoder"):
        model_of(foreign)


@pytest.mark.parametrize("side", ["word", 2**20, 0, [], None])
def test_pictures_of_no_size_are_refused_before_memory_is_asked_for(towers, tmp_path, side):
    """A word ended in a traceback, and a million pixels a side in all of the memory."""
    folder = Path(shutil.copytree(towers["dinov2"], tmp_path / "odd"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"image_size": side}))
    with pytest.raises(UserError, match="is no picture encoder"):
        model_of(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_among_the_files_of_an_encoder_is_not_waited_for(towers, tmp_path):
    folder = Path(shutil.copytree(towers["dinov2"], tmp_path / "odd"))
    os.mkfifo(folder / "preprocessor_config.json")
    with pytest.raises(UserError, match="is no picture encoder .*is no file"):
        model_of(folder)


def test_a_stranger_s_checkpoint_names_no_folder_as_its_encoder(towers):
    settings = tiny_config().settings() | {"encoder": str(towers["clip"])}
    with pytest.raises(UserError, match="its encoder is"):
        config_of_settings(settings)
    settings |= {"encoder": FROZEN, "encoder_sha256": "../..", "encoder_width": 24}
    with pytest.raises(UserError, match="frozen encoder"):
        config_of_settings(settings)


def test_other_checkpoints_say_nothing_of_frozen_encoders(tiny_model):
    """Older versions of the program refuse settings that they do not know."""
    assert not {"encoder_sha256", "encoder_width"} & tiny_model.config.settings().keys()
