"""What is changed at random stays true."""

import torch

from oneseed.training.augmentation import random_zoom


def test_zoomed_pictures_stay_upright_and_unmirrored():
    images = torch.zeros(64, 1, 32, 32)
    # the upper left quarter
    images[..., :16, :16] = 1
    moved = random_zoom(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    assert not torch.equal(moved, images)
    assert (moved[:, 0, 2, 2] > 0.99).all()
    assert (moved[:, 0, -3, -3] < 0.01).all()
    assert (moved[:, 0, 2, -3] < 0.01).all()
