"""Models of version 0.3 and before load and draw as they did, whatever new ones are asked for.

What a stored one draws and says is compared in tests/test_behaviour.py.
"""

import json

import pytest
import torch

from oneseed.console.command import UserError
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import Tokenizer
from oneseed.seeds import latents
from tests.conftest import CAPTIONS, tiny_config


@pytest.fixture
def old_model():
    """As a version before 0.4 trained it, with a linear code and a tone curve."""
    config = tiny_config(image_networks="regression", linear_dims=32, neck=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MultimodalModel(config, Tokenizer.train(CAPTIONS, 320)).eval()
        for linear in (model.image_encoder.linear, model.image_decoder.linear):
            torch.nn.init.normal_(linear, std=0.1)
        model.image_decoder.tone.copy_(torch.linspace(-1, 1, 65).sign() * 0.9)
    return model


def saved_by_old_program(model, path):
    """The model's file, whose configuration says nothing of what came later."""
    weights = dict(model.state_dict())
    facts = json.loads(weights["_extra_state"].numpy().tobytes())
    for name in ("image_networks", "blocks"):
        del facts["config"][name]
    content = bytearray(json.dumps(facts).encode())
    weights["_extra_state"] = torch.frombuffer(content, dtype=torch.uint8)
    torch.save(weights, path)


@pytest.mark.parametrize("linear_dims", [0, 32])
@pytest.mark.parametrize("encoder", ["cnn", "vit"])
def test_an_old_file_is_read_as_the_model_that_it_is(tmp_path, linear_dims, encoder):
    changes = dict(image_networks="regression", linear_dims=linear_dims, encoder=encoder)
    old = MultimodalModel(tiny_config(**changes), Tokenizer.train(CAPTIONS, 320)).eval()
    saved_by_old_program(old, tmp_path / "old.pt")
    read = MultimodalModel.from_checkpoint(tmp_path / "old.pt")
    assert read.config == old.config
    z = latents([1, 2], 32)
    assert torch.equal(read.decode_image(z), old.decode_image(z))
    assert torch.equal(read.encode(old.decode_image(z)), old.encode(old.decode_image(z)))


def test_the_passes_change_nothing_of_an_old_picture(old_model):
    z = latents(range(3), 32)
    one = old_model.decode_image(z, 1)
    assert torch.equal(one, old_model.decode_image(z, 5))
    assert one.abs().max() <= 0.9 + 1e-6, "its tone curve has the last word"


def test_settings_that_came_later_leave_the_fingerprint_of_an_old_model_alone(old_model, tmp_path):
    """Cards name it: none of before would be true any more."""
    saved_by_old_program(old_model, tmp_path / "old.pt")
    read = MultimodalModel.from_checkpoint(tmp_path / "old.pt")
    read.config = tiny_config(**{**vars(read.config), "blocks": 7})
    assert read.fingerprint() == old_model.fingerprint()
    read.config = tiny_config(**{**vars(read.config), "neck": 9})
    assert read.fingerprint() != old_model.fingerprint()


def test_weights_that_draw_no_numbers_are_refused(old_model):
    with torch.no_grad():
        old_model.image_decoder.from_code.weight.fill_(1e38)
    with pytest.raises(UserError, match="no numbers"):
        old_model.decode_image(latents([1], 32))
