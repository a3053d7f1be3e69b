"""The noise of a picture follows from z alone, and looks like noise all the same."""

import pytest
import torch

from oneseed.model.pixel_noise import hadamard, spread

# numbers, and a picture's shape: grey and small to RGB and large; two are no power of two
SIZES = [
    (8, (1, 32, 32)),
    (32, (1, 32, 32)),
    (16, (3, 224, 224)),
    (100, (1, 64, 64)),
    (1000, (3, 64, 64)),
    (1024, (1, 128, 128)),
]


def numbers(rows, count, seed=0):
    """Standard normal (rows, count)."""
    return torch.randn(rows, count, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("count", [1, 2, 8, 64])
def test_the_signs_are_those_of_a_hadamard_matrix(count):
    signs = hadamard(torch.eye(count))
    assert set(signs.flatten().tolist()) <= {-1.0, 1.0}
    assert torch.equal(signs @ signs.T, count * torch.eye(count))


@pytest.mark.parametrize("count, shape", SIZES)
def test_every_pixel_is_standard_normal(count, shape):
    """A pixel of less noise than the others would be drawn softer in every picture."""
    weights = spread(torch.eye(count), shape).flatten(1)  # (n, P), of each number in each pixel
    assert torch.allclose(weights.square().sum(0), torch.ones(weights.shape[1]), atol=1e-5)
    assert weights.abs().max() < 1.01 * count**-0.5, "no number decides a pixel alone"


@pytest.mark.parametrize("count, shape", SIZES)
def test_pixels_hardly_depend_on_each_other(count, shape):
    """Equal neighbours would be seen as a pattern in every picture."""
    weights = spread(torch.eye(count), shape).flatten(1)  # (n, P)
    picked = torch.randperm(weights.shape[1], generator=torch.Generator().manual_seed(0))[:400]
    picked = weights[:, picked]
    correlation = picked.T @ picked - torch.eye(picked.shape[1])
    assert correlation.square().mean().sqrt() < 1.2 * count**-0.5
    if count >= 100:
        assert correlation.abs().max() < 0.6, "some pixels repeat others"
    beside = (weights[:, 1:] * weights[:, :-1]).sum(0)
    assert abs(float(beside.mean())) < 0.05


@pytest.mark.parametrize("count, shape", SIZES)
def test_equal_numbers_give_equal_noise_in_any_batch(count, shape):
    rows = numbers(5, count)
    together = spread(rows, shape)
    assert together.shape == (5, *shape)
    assert torch.equal(spread(rows[3:4], shape), together[3:4])
    torch.manual_seed(1)
    assert torch.equal(spread(rows, shape), together), "the global generator has no say"


def test_noise_is_linear_in_the_numbers_and_moves_as_smoothly_as_they_do():
    """Noise drawn anew for each step of a morph would flicker."""
    one, other = numbers(2, 32)
    shape = (1, 32, 32)
    ends = spread(torch.stack([one, other]), shape)
    between = spread(torch.lerp(one, other, 0.3)[None], shape)[0]
    assert torch.allclose(between, torch.lerp(*ends, 0.3), atol=1e-5)
    near = spread(torch.lerp(one, other, 0.01)[None], shape)[0]
    assert (near - ends[0]).abs().max() <= 0.011 * (ends[1] - ends[0]).abs().max()


def test_other_sizes_have_noise_of_their_own():
    """Pictures of two sizes, or of two models, share no pattern."""
    row = numbers(1, 32)
    small, large = spread(row, (1, 32, 32)), spread(row, (1, 64, 64))
    assert not torch.equal(small.flatten(), large.flatten()[: small.numel()])
