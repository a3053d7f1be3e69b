"""Pictures as tensors: one range, converted in one place."""

import numpy as np
import pytest
import torch

from oneseed.model.pixels import to_pil, to_pixels, to_tensor


def test_pixels_survive_the_round_trip():
    """The first public attempt trained on [0, 1] and drew from [-1, 1]."""
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert (to_pixels(to_tensor(values))[..., 0] == values).all()
    assert to_tensor(values).min() == -1
    assert to_tensor(values).max() == 1


def test_to_pixels_leaves_its_input_as_it_is():
    images = torch.linspace(-2, 2, 48).reshape(1, 3, 4, 4)
    before = images.clone()
    pixels = to_pixels(images)
    assert torch.equal(images, before)
    assert pixels.min() == 0
    assert pixels.max() == 255


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_rgb_whatever_their_channels(channels):
    images = torch.rand(2, channels, 5, 4) * 2 - 1
    expected = np.broadcast_to(to_pixels(images), (2, 5, 4, 3))
    pictures = to_pil(images)
    assert [picture.mode for picture in pictures] == ["RGB", "RGB"]
    assert np.array_equal(np.stack([np.asarray(picture) for picture in pictures]), expected)


def test_a_grey_picture_shown_as_rgb_is_that_picture():
    grey = torch.rand(2, 1, 5, 4) * 2 - 1
    for picture, expected in zip(to_pil(grey.expand(-1, 3, -1, -1)), to_pil(grey), strict=True):
        assert picture.tobytes() == expected.tobytes()
