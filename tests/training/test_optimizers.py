"""Muon moves every direction alike."""

import copy

import torch

from oneseed.training.optimizers import Muon, orthogonalise


def steep_matrix(*shape: int, seed: int = 0) -> torch.Tensor:
    """A matrix of any shape (n, …) whose rows differ tenfold in size."""
    rows = torch.logspace(0, -1, shape[0]).view(-1, *[1] * (len(shape) - 1))
    return rows * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_orthogonalised_steps_move_every_direction_alike():
    strengths = torch.linalg.svdvals(orthogonalise([steep_matrix(40, 3, 4, 4)])[0].flatten(1))
    assert strengths.min() > 0.5
    assert strengths.max() < 1.3


def test_a_weight_moves_the_same_beside_others_of_its_height_as_alone():
    shapes = [(16, 4, 3, 3), (16, 2, 3, 3), (40, 16), (24, 24), (16, 40)]
    matrices = [steep_matrix(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    together = orthogonalise(matrices)
    for matrix, found in zip(matrices, together, strict=True):
        assert found.shape == matrix.shape
        torch.testing.assert_close(found, orthogonalise([matrix])[0], atol=1e-4, rtol=1e-4)


def test_a_saved_run_goes_on_with_the_momentum_it_had():
    weight = torch.nn.Parameter(torch.zeros(8, 8))
    other = torch.nn.Parameter(torch.zeros(8, 8))
    begun, resumed = Muon([weight], lr=0.1), Muon([other], lr=0.1)
    weight.grad = other.grad = steep_matrix(8, 8)
    begun.step()
    other.data.copy_(weight)
    resumed.load_state_dict(copy.deepcopy(begun.state_dict()))
    begun.step()
    resumed.step()
    assert torch.equal(weight, other)
