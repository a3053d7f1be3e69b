"""Copies of training pictures are found, also where they are worse than the original."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from oneseed.generation.memorisation import memorised, thumbnail_features


def smooth(count, seed):
    """Pictures without like, uint8 (count, 128, 128)."""
    noise = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    pictures = F.interpolate(noise, 128, mode="bicubic").clamp(0, 1)[:, 0] * 255
    return pictures.to(torch.uint8).numpy()


def coarse(pictures):
    """The same in blocks of 8 x 8 pixels."""
    blocks = F.avg_pool2d(torch.tensor(pictures)[:, None].float(), 8)
    pixels = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)[:, 0]
    return pixels.to(torch.uint8).numpy()


def test_copies_are_found_although_blurred_pale_and_noisy():
    training = smooth(100, 0)
    fresh = smooth(40, 1)
    noise = np.random.default_rng(0).normal(0, 20, (20, 128, 128))
    copies = coarse(training[60:80]) * 0.5 + 90 + noise
    copies = copies.clip(0, 255).astype(np.uint8)
    found = memorised(
        thumbnail_features,
        np.concatenate([copies, coarse(fresh[:20])]),
        coarse(fresh[20:]),
        training,
        [f"id {i}" for i in range(100)],
    )
    assert found.share == pytest.approx(0.5, abs=0.03)
    copied = {(near.sample, near.training_id) for near in found.nearest[:20]}
    assert copied == {(i, f"id {60 + i}") for i in range(20)}
    distances = [near.distance for near in found.nearest]
    assert distances == sorted(distances)
    assert distances[19] < found.threshold
