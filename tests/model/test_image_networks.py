"""The picture networks: what the code begins as, and how a picture is drawn in passes."""

import numpy as np
import pytest
import torch

from oneseed.config.model import ModelConfig
from oneseed.console.command import UserError
from oneseed.model.image_networks import ResidualBlock, code_grid
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.pixels import to_pixels
from oneseed.seeds import latents
from tests.conftest import tiny_config

PASSES = (1, 2, 5)


def pictures(count, config):
    """Random pictures of a model, in [-1, 1]."""
    shape = (count, config.channels, config.image_size, config.image_size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def difference(one, other):
    """The largest difference between pictures, in 1/255."""
    return int(np.abs(to_pixels(one).astype(int) - to_pixels(other)).max())


# ---- the code as a grid --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size, latent_dim, channels, side",
    [
        (128, 1024, 16, 8),
        (128, 512, 8, 8),
        (128, 256, 4, 8),
        (128, 128, 8, 4),
        (128, 64, 4, 4),
        (128, 16, 4, 2),
        (224, 1024, 21, 7),
        (224, 64, 4, 4),
        (32, 32, 8, 2),
    ],
)
def test_the_code_begins_as_the_finest_grid_that_leaves_each_place_four_channels(
    size, latent_dim, channels, side
):
    config = ModelConfig(preset="small", image_size=size, latent_dim=latent_dim, patch=2)
    assert code_grid(config) == (channels, side)


@pytest.mark.parametrize("size", [128, 160, 192, 224])
@pytest.mark.parametrize("latent_dim", [8, 9, 37, 100, 1000])
def test_every_length_of_latent_fits_into_its_grid(size, latent_dim):
    grid = code_grid(ModelConfig(preset="small", image_size=size, latent_dim=latent_dim, patch=2))
    assert grid.numbers >= latent_dim
    assert grid.numbers - latent_dim < max(grid.side**2, 9), "a grid of numbers that no code has"


@pytest.mark.parametrize(
    "changes",
    [
        dict(latent_dim=8),
        dict(latent_dim=37),
        dict(latent_dim=256, encoder="cnn"),
        dict(image_size=224, channels=3, patch=8, latent_dim=100),
        dict(image_size=96, channels=3, blocks=2),
    ],
    ids=str,
)
def test_any_sizes_draw_a_picture_and_read_it_again(changes):
    model = MultimodalModel(tiny_config(vocab_size=300, **changes)).eval()
    size = model.config.image_size
    images = model.decode_image(latents([1, 2], model.config.latent_dim))
    assert images.shape == (2, 3, size, size)
    assert model.encode(images).shape == (2, model.config.latent_dim)


@pytest.mark.parametrize("encoder", ["cnn", "vit"])
def test_a_new_code_is_the_grid_itself(encoder):
    """A random map between the two scatters what is at a place over the whole code."""
    model = MultimodalModel(tiny_config(vocab_size=300, encoder=encoder))
    into, out = model.image_encoder.to_code, model.image_decoder.from_code
    assert torch.equal(into.weight, torch.eye(*into.weight.shape))
    assert torch.equal(out.weight, torch.eye(*out.weight.shape))
    assert not into.bias.any()
    assert not out.bias.any()


@torch.no_grad()
def test_a_new_decoder_draws_nearly_grey_and_passes_its_input_through_all_blocks():
    model = MultimodalModel(tiny_config(vocab_size=300))
    drawn = model.draw(torch.randn(4, 32), 2)
    assert drawn.std() < 0.3
    x = torch.randn(2, 16, 8, 8)
    for block in model.image_decoder.modules():
        if isinstance(block, ResidualBlock) and len(block.norm.weight) == 16:
            assert torch.allclose(block(x, torch.randn(2, 128)), x, atol=0.02)


@torch.no_grad()
def test_a_code_has_mean_square_one():
    """The noise of training, and of seeds, is a share of that."""
    model = MultimodalModel(tiny_config(vocab_size=300))
    code = model.image_encoder(pictures(5, model.config))
    assert torch.allclose(code.square().mean(1), torch.ones(5), atol=1e-3)


# ---- drawing in passes ---------------------------------------------------------------------------


def test_one_pass_draws_what_the_decoder_predicts_of_noise_alone(tiny_model):
    """The draft, which half of each training batch is for."""
    seen = []
    forward = tiny_model.image_decoder.forward

    def watched(code, noised, times):
        predicted = forward(code, noised, times)
        seen.append((noised, times, predicted))
        return predicted

    tiny_model.image_decoder.forward = watched
    drawn = tiny_model.decode_image(latents([1, 2], 32), 1)
    ((noised, times, predicted),) = seen
    assert not times.any()
    assert 0.3 < noised.std() < 0.7, "half of the noise"
    assert torch.equal(drawn, tiny_model.to_rgb(predicted.clamp(-1, 1)))


def test_later_passes_see_what_was_drawn_before_and_end_with_a_prediction(tiny_model):
    seen = []
    forward = tiny_model.image_decoder.forward

    def watched(code, noised, times):
        predicted = forward(code, noised, times)
        seen.append((noised, float(times[0]), predicted.clamp(-1, 1)))
        return predicted

    tiny_model.image_decoder.forward = watched
    drawn = tiny_model.decode_image(latents([1, 2], 32), 4)
    assert [time for _, time, _ in seen] == [0, 0.25, 0.5, 0.75]
    # each way from noise to prediction is straight, and as long as the times say
    for (noised, _, predicted), (after, _, _), share in zip(seen, seen[1:], (1 / 4, 1 / 3, 1 / 2)):
        assert torch.allclose(after, torch.lerp(noised, predicted, share), atol=1e-6)
    assert torch.equal(drawn, tiny_model.to_rgb(seen[-1][2]))


def test_more_passes_draw_another_picture_and_the_default_is_four(tiny_model):
    z = latents(range(3), 32)
    one, two, five = (tiny_model.decode_image(z, passes) for passes in PASSES)
    assert difference(one, two) > 10
    assert difference(two, five) > 10
    assert torch.equal(tiny_model.decode_image(z), tiny_model.decode_image(z, 4))


@pytest.mark.parametrize("passes", PASSES)
def test_a_picture_is_the_same_alone_in_a_batch_and_again(tiny_model, passes):
    """Passes repeat what rounding does: what is 1/255 off in one may be more after five."""
    z = latents(range(7), 32)
    together = tiny_model.decode_image(z, passes)
    for row in range(7):
        assert difference(tiny_model.decode_image(z[row : row + 1], passes), together[[row]]) <= 1
    torch.manual_seed(3)
    assert torch.equal(tiny_model.decode_image(z, passes), together), "z alone decides"


@pytest.mark.parametrize("passes", PASSES)
def test_every_way_to_a_picture_draws_the_same(tiny_model, passes):
    z = latents(range(3), 32)
    images = tiny_model.decode_image(z, passes)
    assert torch.equal(tiny_model.decode(z, passes=passes)[0], images)
    assert torch.equal(tiny_model.decode_code(tiny_model.code(z), passes=passes)[0], images)


@pytest.mark.parametrize("passes", PASSES)
def test_a_morph_changes_slowly_in_picture_and_in_noise(tiny_model, passes):
    """Noise of its own for each step would make paper flicker, however near two codes are."""
    one, other = latents([1, 2], 32)
    steps = torch.stack([torch.lerp(one, other, step / 40) for step in range(41)])
    images = tiny_model.decode_image(steps, passes)
    moved = (images[1:] - images[:-1]).abs().mean((1, 2, 3))  # (40,)
    whole = (images[-1] - images[0]).abs().mean()
    assert whole > 0.3
    assert moved.max() < 0.2 * whole, "a fortieth of the way, not a jump"


def test_the_noise_comes_from_coordinates_that_the_prior_leaves_as_they_are(tiny_model):
    """Pictures of one cluster would all begin with nearly the same noise."""
    seen = []
    draw = tiny_model.image_decoder.draw
    tiny_model.image_decoder.draw = lambda code, noise, passes: (
        seen.append(noise) or draw(code, noise, passes)
    )
    z = latents(range(200), 32)
    tiny_model.decode_image(z, 1)
    (noise,) = seen
    assert noise.shape == (200, 1, 32, 32)
    assert abs(float(noise.mean())) < 0.05
    assert float(noise.std()) == pytest.approx(1, abs=0.15)


def test_weights_that_draw_no_numbers_are_refused_at_every_pass(tiny_model):
    with torch.no_grad():
        tiny_model.image_decoder.time[0].weight.fill_(float("inf"))
    for passes in PASSES:
        with pytest.raises(UserError, match="no numbers"):
            tiny_model.decode_image(latents([1], 32), passes)
