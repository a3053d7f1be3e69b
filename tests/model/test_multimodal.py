"""The model keeps its word: every part learns, both outputs read z and z alone.

Nothing depends on the neighbours in a batch.
"""

import numpy as np
import pytest
import torch

from oneseed.console.command import UserError
from oneseed.model.fingerprint import fingerprint_of
from oneseed.model.image_networks import ResidualBlock
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.noising import TrainingNoise
from oneseed.model.pixels import to_pixels
from oneseed.model.prior_fitting import prior_loss
from oneseed.model.tokenizer import PAD, START
from oneseed.seeds import latents, torch_generator
from oneseed.training.losses import MultimodalLoss
from tests.conftest import CAPTIONS, tiny_config


def pictures(count, seed=0):
    """Random pictures of the tiny model, in [-1, 1]."""
    config = tiny_config()
    shape = (count, config.channels, config.image_size, config.image_size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_every_parameter_receives_a_gradient(tiny_model):
    """The first public attempt left 12.6 million transformer parameters without one.

    It generated with them untrained.
    """
    images = pictures(4)
    ids = [tiny_model.tokenizer.encode(caption, 48)[:8] for caption in CAPTIONS[:4]]
    tokens = torch.tensor(ids)
    noise = TrainingNoise.drawn("0 step", 4, 32, tuple(images.shape[1:]), tiny_model.device)
    # from their first values on, blocks of the decoder are the identity
    for block in tiny_model.image_decoder.modules():
        if isinstance(block, ResidualBlock):
            torch.nn.init.normal_(block.second.weight, std=0.02)
    code, drawn, logits = tiny_model.autoencode(images, tokens, noise)
    loss = MultimodalLoss(picture_weights={"flow": 3.0})
    features = tiny_model.text_encoder(tokens)
    losses = loss(drawn, images, logits, tokens, code, features, times=noise.times)
    losses["total"].backward()
    silent = [
        name
        for name, weight in tiny_model.named_parameters()
        if not name.startswith("sampler.") and (weight.grad is None or not weight.grad.any())
    ]
    assert not silent
    prior = tiny_model.sampler
    prior_loss(prior, torch.randn(64, 31), torch.Generator(), torch.randn(64, 32)).backward()
    assert all(weight.grad is not None for weight in prior.parameters())
    assert all(weight.grad.any() for weight in prior.parameters())


@pytest.mark.parametrize("size", [64, 96, 128, 224])
def test_decoder_depth_follows_from_the_size(size):
    model = MultimodalModel(tiny_config(image_size=size, channels=3))
    z, image, logits = model(torch.zeros(2, 3, size, size), torch.ones(2, 5, dtype=torch.int64))
    assert z.shape == (2, 32)
    assert image.shape == (2, 3, size, size)
    assert logits.shape == (2, 5, 320)


def test_decoder_output_covers_the_target_range_and_stays_in_it(tiny_model):
    images = tiny_model.decode_image(torch.randn(64, 32) * 3)
    assert images.shape == (64, 3, 32, 32)
    assert images.min() == -1
    assert images.max() == 1


@pytest.mark.parametrize("value", [9.0, -9.0])
def test_a_latent_far_from_all_seeds_still_has_a_picture(tiny_model, value):
    """Beyond 8.3 the distribution function is 1 to the last digit, an interval of no cluster.

    The picture was not a number.
    """
    assert tiny_model.decode_image(torch.full((1, 32), value)).isfinite().all()


def test_same_latent_same_pair_alone_or_in_a_batch(tiny_model):
    z = latents(range(7), 32)
    together = to_pixels(tiny_model.decode_image(z)).astype(int)
    captions = tiny_model.decode_text(z)
    for i in range(7):
        alone = to_pixels(tiny_model.decode_image(z[i : i + 1])).astype(int)
        assert np.abs(alone - together[i : i + 1]).max() <= 1
        assert tiny_model.decode_text(z[i : i + 1]) == captions[i : i + 1]


def test_truncation_changes_what_is_drawn_and_no_latent(tiny_model):
    """Seeds of pictures stay where real pictures are found; only what they show is typical."""
    tiny_model.sampler.centres[0] = 1.0
    z = latents(range(6), 32)
    images, _ = tiny_model.decode(z)
    was = [tiny_model.code(z), tiny_model.encode(images), fingerprint_of(tiny_model)]
    tiny_model.meta["truncation"] = 0.5
    assert torch.equal(tiny_model.code(z), was[0])
    assert torch.equal(tiny_model.encode(images), was[1])
    assert fingerprint_of(tiny_model) != was[2]
    drawn, told = tiny_model.decode(z)
    assert (drawn - images).abs().amax() > 0.01
    assert torch.equal(drawn, tiny_model.decode_image(z))
    assert torch.equal(tiny_model.decode_image(z, finish="plain"), images)
    assert torch.equal(tiny_model.decode_code(was[0])[0], images), "a picture has its own code"
    assert torch.equal(tiny_model.decode_code(was[0], seed_share=1.0)[0], drawn)
    assert told == tiny_model.decode_text(z)
    assert torch.allclose(drawn[2:3], tiny_model.decode_image(z[2:3]), atol=1e-5)


def test_one_solve_gives_what_picture_and_caption_give_apart(tiny_model):
    z = latents(range(3), 32)
    images, captions = tiny_model.decode(z)
    assert torch.equal(images, tiny_model.decode_image(z))
    assert captions == tiny_model.decode_text(z)
    images, captions = tiny_model.decode_code(tiny_model.code(z))
    assert torch.equal(images, tiny_model.decode_image(z))
    assert captions == tiny_model.decode_text(z)


def test_the_caption_is_unchanged_when_the_picture_decoder_is_destroyed(tiny_model):
    """Not picture -> caption in disguise: each output needs z alone."""
    z = latents([1, 2], 32)
    caption = tiny_model.decode_text(z)
    with torch.no_grad():
        for part in (tiny_model.image_decoder, tiny_model.image_encoder):
            for weight in part.parameters():
                weight.fill_(float("nan"))
    assert tiny_model.decode_text(z) == caption


def test_the_picture_is_unchanged_when_the_caption_decoder_is_destroyed(tiny_model):
    z = latents([1, 2], 32)
    image = tiny_model.decode_image(z)
    with torch.no_grad():
        for part in (tiny_model.text_decoder, tiny_model.text_encoder):
            for weight in part.parameters():
                weight.fill_(float("nan"))
    assert torch.equal(tiny_model.decode_image(z), image)


def test_encode_is_the_same_for_equal_pixels_and_in_the_space_of_seeds(tiny_model):
    images = pictures(3)
    z = tiny_model.encode(images)
    assert z.shape == (3, 32)
    assert torch.allclose(tiny_model.encode(images[1:2]), z[1:2], atol=1e-4)
    assert torch.equal(tiny_model.encode(images), z)


def test_the_code_of_a_picture_is_that_of_its_latent(tiny_model):
    images = pictures(3)
    code = tiny_model.encode_code(images)
    assert torch.allclose(tiny_model.code(tiny_model.encode(images)), code, atol=1e-3)


def test_equal_captions_are_read_once_and_all_in_their_order(tiny_model):
    captions = [CAPTIONS[1], CAPTIONS[0], CAPTIONS[1]]
    seen = []
    tiny_model.text_encoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    features = tiny_model.features_of(captions)
    assert [len(tokens) for tokens in seen] == [2]
    assert torch.equal(features[0], features[2])
    for row, caption in enumerate(captions):
        alone = tiny_model.features_of([caption])[0]
        assert torch.allclose(features[row], alone, atol=1e-5)


def test_captions_with_and_without_cache_are_equal(tiny_model):
    code = tiny_model.code(torch.randn(6, 32))
    assert tiny_model.decode_tokens(code) == tiny_model.decode_tokens(code, use_cache=False)


def test_captions_end_within_the_limit_and_unused_words_are_never_chosen(tiny_model):
    used = len(tiny_model.tokenizer)
    generators = [torch_generator(i, "words") for i in range(32)]
    code = tiny_model.code(torch.randn(32, 32))
    for ids in tiny_model.decode_tokens(code, temperature=3.0, generators=generators):
        assert len(ids) <= tiny_model.config.max_caption_length
        assert max(ids) < used
        assert PAD not in ids
        assert START not in ids[1:]


def test_near_ties_go_to_the_lower_id(tiny_model):
    with torch.no_grad():
        tiny_model.text_decoder.tokens.weight.zero_()
        tiny_model.text_decoder.bias.zero_()
        tiny_model.text_decoder.bias[50] = 1.0
        tiny_model.text_decoder.bias[70] = 1.0 + 1e-5
    assert set(tiny_model.decode_tokens(torch.randn(1, 32))[0][1:]) == {50}


def test_a_state_dict_restores_the_model_and_refuses_another_preset(tiny_model, tmp_path):
    torch.save(tiny_model.state_dict(), tmp_path / "model.pt")
    twin = MultimodalModel(tiny_model.config).eval()
    twin.load_state_dict(torch.load(tmp_path / "model.pt"))
    z = latents([3], 32)
    assert twin.decode_text(z) == tiny_model.decode_text(z)
    assert torch.equal(twin.decode_image(z), tiny_model.decode_image(z))
    with pytest.raises(UserError, match="from_checkpoint"):
        MultimodalModel(tiny_config(width=8)).load_state_dict(torch.load(tmp_path / "model.pt"))
