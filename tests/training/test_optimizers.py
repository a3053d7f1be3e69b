"""Muon moves every direction alike."""

import torch

from oneseed.training.optimizers import orthogonalise


def test_orthogonalised_steps_move_every_direction_alike():
    matrix = torch.randn(40, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * torch.logspace(
        0, -1, 40
    ).view(40, 1, 1, 1)
    strengths = torch.linalg.svdvals(orthogonalise(matrix).flatten(1))
    assert strengths.min() > 0.5
    assert strengths.max() < 1.3
