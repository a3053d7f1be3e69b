"""The flow's solver: the same network as in training, frozen, guided in one evaluation."""

import pytest
import torch

from oneseed.model.flow import (
    GUIDED_UNTIL,
    NO_CLUSTER,
    SOLVER_STEPS,
    FrozenField,
    Regression,
    VelocityField,
    predict_frozen,
    solve_flow,
)

ROWS = 6


@pytest.fixture
def field():
    torch.manual_seed(0)
    field = VelocityField(dims=5, width=16, clusters=4, latent_dim=12)
    for weight in field.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return field


def test_the_frozen_field_is_the_network_without_dropout(field):
    y = torch.randn(ROWS, 5)
    clusters = torch.tensor([0, 1, 2, 3, NO_CLUSTER, 0])
    captions = torch.randn(ROWS, 12)
    times = torch.linspace(0, 1, ROWS)
    # in training mode, so that its dropout would show
    frozen_field = FrozenField(field.train())
    condition = frozen_field.condition(clusters, captions)
    shift = torch.stack(frozen_field.embed(times.tolist())) + condition
    field.eval()
    expected = field(y, times, field.condition(clusters, captions))
    assert torch.allclose(frozen_field.velocity(y, shift), expected, atol=1e-5)


def test_the_frozen_regression_is_the_network_without_dropout():
    regression = Regression(dims=5, width=16, following=3).train()
    y = torch.randn(ROWS, 5)
    predicted = predict_frozen(regression, y)
    assert torch.allclose(predicted, regression.eval()(y), atol=1e-6)


def test_a_solve_gives_gradients_to_its_points_and_none_to_the_weights(field):
    y = torch.randn(ROWS, 5, requires_grad=True)
    solve_flow(field, y, 0, 1).sum().backward()
    assert y.grad.any()
    assert all(weight.grad is None for weight in field.parameters())


def test_a_solve_back_undoes_a_solve(field):
    y = torch.randn(ROWS, 5)
    clusters = torch.arange(ROWS) % 4
    there = solve_flow(field, y, 0, 1, clusters=clusters)
    assert (there - y).abs().amax() > 0.1
    back = solve_flow(field, there, 1, 0, clusters=clusters)
    assert (back - y).abs().amax() < 1e-2


def test_a_guided_solve_is_that_of_two_networks_apart(field):
    """Both conditions go through the network in one evaluation, up to the time of the guidance."""
    field.eval()
    y = torch.randn(ROWS, 5)
    captions = torch.randn(ROWS, 12)
    nothing = torch.full((ROWS,), NO_CLUSTER)
    given = field.condition(nothing, captions)
    free = field.condition(nothing)

    def velocity(x, t):
        times = torch.full((ROWS,), t)
        with_caption = field(x, times, given)
        if t > GUIDED_UNTIL + 1e-9:
            return with_caption
        return torch.lerp(field(x, times, free), with_caption, 2.5)

    x = y
    h = 1 / SOLVER_STEPS
    with torch.no_grad():
        for step in range(SOLVER_STEPS):
            t = step * h
            k1 = velocity(x, t)
            k2 = velocity(x + h / 2 * k1, t + h / 2)
            k3 = velocity(x + h / 2 * k2, t + h / 2)
            k4 = velocity(x + h * k3, t + h)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    guided = solve_flow(field, y, 0, 1, captions=captions, guidance=2.5)
    assert torch.allclose(guided, x, atol=1e-4)
    unguided = solve_flow(field, y, 0, 1, captions=captions)
    assert not torch.allclose(unguided, guided, atol=1e-2)
