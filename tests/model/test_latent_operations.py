"""Prompts, styles, variations and walks: what they give, and how many solves they cost."""

import pytest
import torch

from oneseed.model import latent_operations
from oneseed.model.flow import SOLVER_STEPS, FrozenField
from oneseed.model.prior import Prior
from oneseed.model.prior_fitting import fit_frame, fit_styles
from tests.conftest import CAPTIONS, tiny_config

# evaluations of the network in one solve: Runge-Kutta has four stages
SOLVE = 4 * SOLVER_STEPS
# of them, those up to t = 0.5 are guided
GUIDED = SOLVE // 2 + 1


@pytest.fixture
def evaluations(monkeypatch):
    """The number of rows in each evaluation of the flow's network, in order."""
    rows = []
    velocity = FrozenField.velocity

    def counted(self, y, shift):
        rows.append(len(y))
        return velocity(self, y, shift)

    monkeypatch.setattr(FrozenField, "velocity", counted)
    return rows


def bent(model):
    """The model with a flow that is far from the identity and differs between clusters."""
    torch.manual_seed(0)
    torch.nn.init.normal_(model.sampler.flow.cluster.weight)
    torch.nn.init.normal_(model.sampler.flow.outward.weight, std=0.2)
    return model


# ---- what they cost


def test_a_seed_costs_one_solve(tiny_model, evaluations):
    tiny_model.decode(torch.randn(3, 32))
    assert evaluations == [3] * SOLVE


def test_a_prompt_costs_one_guided_solve_and_a_look_at_its_seeds(
    tiny_model, evaluations, monkeypatch
):
    monkeypatch.setattr(latent_operations, "PROMPT_LEEWAY", 1e6)
    code = latent_operations.apply_conditions(
        tiny_model.sampler, torch.randn(3, 32), captions=tiny_model.features_of(CAPTIONS[:3])
    )
    tiny_model.decode_code(code)
    # in the guided evaluations each row is there with the caption and without
    assert evaluations[:SOLVE].count(6) == GUIDED
    assert evaluations[:SOLVE].count(3) == SOLVE - GUIDED
    assert evaluations[SOLVE:] == [3] * SOLVE


def test_of_a_prompt_only_codes_that_lie_too_far_out_are_solved_again(tiny_model, evaluations):
    prior = tiny_model.sampler
    z = torch.randn(4, 32)
    # two of the four far out
    z[:2, : prior.dims] *= 10
    z[2:, : prior.dims] *= 0.1
    captions = tiny_model.features_of(CAPTIONS[:4])
    drawn = prior.draw(z, captions, 1.5)
    evaluations.clear()
    code = latent_operations.apply_conditions(prior, z, captions=captions, guidance=1.5)
    assert len(evaluations) == 3 * SOLVE
    assert evaluations[2 * SOLVE :] == [2] * SOLVE
    assert torch.equal(code[2:], drawn[2:])
    limit = prior.dims**0.5 + latent_operations.PROMPT_LEEWAY
    assert (prior.to_latent(drawn)[:2, : prior.dims].norm(dim=1) > limit).all()
    assert (prior.to_latent(code)[:, : prior.dims].norm(dim=1) < limit + 1e-2).all()


def test_a_style_costs_no_solve_beyond_the_seed(tiny_model, evaluations):
    styles = torch.tensor([0, 1, 0])
    code = latent_operations.apply_conditions(tiny_model.sampler, torch.randn(3, 32), styles=styles)
    assert evaluations == [3] * SOLVE
    latent_operations.restyle(tiny_model.sampler, code, styles)
    assert evaluations == [3] * SOLVE


def test_variations_of_a_picture_solve_it_once_for_all(tiny_model, evaluations):
    code = tiny_model.encode_code(torch.rand(1, 1, 32, 32) * 2 - 1)
    assert evaluations == []
    latent_operations.vary(tiny_model.sampler, code, torch.randn(5, 32), 0.3)
    assert evaluations.count(1) >= 2 * SOLVE
    assert evaluations.count(5) == 2 * SOLVE
    assert len(evaluations) <= 5 * SOLVE


def test_a_walk_solves_its_ends_once_and_its_steps_once(tiny_model, evaluations, monkeypatch):
    monkeypatch.setattr(Prior, "clip_norm", lambda self, z, max_norm=0.0: z)
    ends = tiny_model.code(torch.randn(2, 32))
    latent_operations.walk(tiny_model.sampler, ends, 8)
    # the ends' codes and smooth coordinates; the six between, and a look at their seeds
    assert evaluations == [2] * 2 * SOLVE + [6] * 2 * SOLVE


def test_a_mixture_solves_its_seeds_once_and_all_mixtures_together(
    tiny_model, evaluations, monkeypatch
):
    monkeypatch.setattr(Prior, "clip_norm", lambda self, z, max_norm=0.0: z)
    codes = tiny_model.code(torch.randn(3, 32))
    latent_operations.mix(tiny_model.sampler, codes, torch.rand(5, 3))
    # the codes and their smooth coordinates; the mixtures, and a look at their seeds
    assert evaluations == [3] * 2 * SOLVE + [5] * 2 * SOLVE


# ---- what they give


def test_another_style_changes_the_style_alone():
    generator = torch.Generator().manual_seed(6)
    codes = 0.5 * torch.randn(600, 32, generator=generator)
    style = torch.arange(600) % 3
    # what is in the other directions is no style
    codes[:, 0] += 2.0 * style
    codes[:, 1] *= 6
    prior = Prior(tiny_config(flow_dims=4))
    fit_styles(prior, fit_frame(prior, codes), style, generator)
    chances = prior.style_chances(codes)
    assert float((chances[:, :3].argmax(1) == style).float().mean()) > 0.85
    assert chances[:, 3:].sum() == 0
    wanted = torch.full((600,), 2)
    moved = latent_operations.restyle(prior, codes, wanted, 1.0)
    assert abs(float(moved[style == 0, 0].mean()) - 4) < 0.6
    assert (moved[:, 1] - codes[:, 1]).abs().mean() < 0.5
    assert (latent_operations.restyle(prior, codes, wanted, 0.0) - codes).abs().amax() < 1e-4


def test_no_step_of_a_walk_is_further_from_its_cluster_than_a_normal_draw(tiny_model):
    torch.manual_seed(0)
    prior = tiny_model.sampler
    torch.nn.init.normal_(prior.flow.outward.weight, std=0.5)
    ends = prior.to_code(3 * torch.randn(2, 32))
    codes = latent_operations.walk(prior, ends, 6)
    assert len(codes) == 6
    assert torch.equal(codes[[0, -1]], ends)
    z = prior.to_latent(codes)
    # the seeds of codes are known as well as Runge-Kutta undoes itself
    assert (z[1:-1, : prior.dims].norm(dim=1) <= prior.dims**0.5 + 1e-2).all()
    assert (z[[0, -1], : prior.dims].norm(dim=1) > prior.dims**0.5 + 1).all()


def test_a_walk_of_two_steps_is_its_ends(tiny_model):
    ends = tiny_model.code(torch.randn(2, 32))
    assert torch.equal(latent_operations.walk(tiny_model.sampler, ends, 2), ends)


def test_a_variation_of_strength_0_is_the_code_itself(tiny_model):
    """Walks use the flow that knows no cluster; a code must be carried there and back."""
    prior = bent(tiny_model).sampler
    code = prior.to_code(torch.randn(5, 32))
    noise = torch.randn(5, 32)
    unchanged = latent_operations.vary(prior, code, noise, 0.0)
    changed = latent_operations.vary(prior, code, noise, 0.5)
    assert (unchanged - code).abs().amax() < 1e-2
    assert (changed - code).abs().amax() > 1e-2


def test_a_variation_does_not_depend_on_the_others(tiny_model):
    prior = bent(tiny_model).sampler
    code = prior.to_code(torch.randn(1, 32))
    noise = torch.randn(5, 32)
    together = latent_operations.vary(prior, code, noise, 0.4)
    for i in range(5):
        alone = latent_operations.vary(prior, code, noise[i : i + 1], 0.4)
        assert torch.allclose(alone[0], together[i], atol=1e-4)


def test_a_mixture_of_one_seed_alone_is_its_code_to_the_last_bit(tiny_model):
    prior = bent(tiny_model).sampler
    codes = prior.to_code(torch.randn(4, 32))
    # the size of a weight does not matter
    mixed = latent_operations.mix(prior, codes, torch.diag(torch.tensor([1.0, 0.2, 3.0, 1.0])))
    assert torch.equal(mixed, codes)


def test_a_mixture_does_not_depend_on_the_others(tiny_model):
    prior = bent(tiny_model).sampler
    codes = prior.to_code(torch.randn(3, 32))
    weights = torch.rand(5, 3)
    together = latent_operations.mix(prior, codes, weights)
    for i in range(5):
        alone = latent_operations.mix(prior, codes, weights[i : i + 1])
        assert torch.allclose(alone[0], together[i], atol=1e-4)
    assert (together[0] - together[1]).abs().amax() > 1e-2


def test_a_seed_mixed_with_itself_is_itself(tiny_model):
    """Weights of length 1, which are right for seeds that differ, would push it outwards."""
    prior = bent(tiny_model).sampler
    # short enough that nothing is pulled back
    code = prior.to_code(0.1 * torch.randn(1, 32))
    mixed = latent_operations.mix(prior, code.repeat(3, 1), torch.tensor([[0.5, 0.3, 0.2]]))
    assert (mixed - code).abs().amax() < 1e-2


def test_a_mixture_is_as_far_out_as_its_seeds_on_average(tiny_model, monkeypatch):
    """The mean of two normal draws is a third shorter than they are: a grey, average picture."""
    monkeypatch.setattr(Prior, "clip_norm", lambda self, z, max_norm=0.0: z)
    prior = bent(tiny_model).sampler
    codes = prior.to_code(torch.randn(3, 32))
    mixed = latent_operations.mix(prior, codes, torch.tensor([[0.5, 0.25, 0.25]]))
    lengths = prior.to_smooth(codes).norm(dim=1)
    wanted = 0.5 * lengths[0] + 0.25 * lengths[1] + 0.25 * lengths[2]
    assert abs(float(prior.to_smooth(mixed).norm() - wanted)) < 0.05 * float(wanted)
