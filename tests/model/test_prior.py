"""Seeds and codes: one to one, Gaussian on one side, free of ghosts on the other."""

import itertools

import pytest
import torch

from oneseed.model.multimodal import MultimodalModel
from oneseed.model.prior import Prior
from oneseed.model.prior_fitting import (
    fit_clusters,
    fit_frame,
    fit_spread,
    prior_loss,
)
from oneseed.seeds import latents
from tests.conftest import tiny_config


def fitted(codes, clusters, steps=400, captions=None, noise=0.05):
    """A prior fitted to codes (N, 32) as training does it, small."""
    torch.manual_seed(0)
    prior = Prior(tiny_config(flow_dims=4, flow_width=64, code_noise=noise))
    for last in (prior.flow.outward, prior.regression[-1]):
        torch.nn.init.zeros_(last.weight)
    generator = torch.Generator().manual_seed(0)
    leading = fit_frame(prior, codes)
    fit_clusters(prior, leading, clusters)
    optimizer = torch.optim.AdamW(prior.parameters(), 3e-3)
    for _ in range(steps):
        rows = torch.randint(len(leading), (128,), generator=generator)
        loss = prior_loss(
            prior, leading[rows], generator, None if captions is None else captions[rows]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fit_spread(prior, leading, generator)
    return prior.eval().requires_grad_(False)


def blobs(count=4, rows=512):
    """`count` small clusters of codes, far apart in 2 of 32 directions -> (N, 32), numbers (N,)."""
    generator = torch.Generator().manual_seed(1)
    which = torch.arange(rows) % count
    angle = which * 2 * torch.pi / count
    codes = 0.05 * torch.randn(rows, 32, generator=generator)
    codes[:, 0] += 3 * angle.cos()
    codes[:, 1] += 3 * angle.sin()
    return codes, which


def ghosts(prior, count=4):
    """Share of 500 seeds whose code lies near no cluster."""
    codes = prior.to_code(torch.randn(500, 32, generator=torch.Generator().manual_seed(2)))[:, :2]
    angle = torch.arange(count) * 2 * torch.pi / count
    centres = 3 * torch.stack([angle.cos(), angle.sin()], 1)
    return float((torch.cdist(codes, centres).amin(1) > 0.5).float().mean())


def test_seeds_between_clusters_are_not_drawn_as_ghosts():
    """One continuous flow stretches bridges between clusters.

    A tenth of the pairs were ghosts of two subjects.
    """
    codes, _ = blobs()
    with_clusters = ghosts(fitted(codes, 4))
    alone = ghosts(fitted(codes, 1))
    assert with_clusters < 0.08
    assert alone > 2 * with_clusters


def test_seeds_and_codes_are_one_to_one():
    codes, _ = blobs()
    prior = fitted(codes, 4)
    z = torch.randn(200, 32, generator=torch.Generator().manual_seed(3))
    # Runge-Kutta in twelve steps
    assert (prior.to_latent(prior.to_code(z)) - z).abs().amax() < 1e-2


def test_choosing_a_cluster_leaves_a_normal_number():
    """The interval that chooses a cluster is as wide as the cluster is frequent."""
    codes, _ = blobs(2, 600)
    # twice as many of one as of the other
    prior = fitted(torch.cat([codes, codes[::2]]), 2, steps=0)
    last = torch.randn(20000, generator=torch.Generator().manual_seed(4))
    clusters, rest = prior.split(last)
    assert sorted((torch.bincount(clusters) / 20000).tolist()) == pytest.approx(
        [1 / 3, 2 / 3], abs=0.02
    )
    assert abs(rest.mean()) < 0.03
    assert abs(rest.std() - 1) < 0.03
    assert (prior.join(clusters, rest) - last).abs().amax() < 1e-4


def test_clusters_that_no_code_fills_are_never_chosen():
    codes, _ = blobs()
    prior = fitted(codes, 3, steps=0)
    assert int((prior.edges.diff() > 0).sum()) == 3
    assert set(prior.split(torch.linspace(-8, 8, 999))[0].tolist()) == {0, 1, 2}
    assert int(prior.nearest(torch.full((1, 4), 100.0))) < 3


def test_a_prompt_chooses_what_is_drawn():
    codes, which = blobs()
    # rms 1, as caption_features makes them
    captions = torch.nn.functional.one_hot(which, 32).float() * 32**0.5
    prior = fitted(codes, 4, steps=800, captions=captions)
    z = torch.randn(200, 32, generator=torch.Generator().manual_seed(5))
    drawn = prior.draw(z, captions[:1].expand(200, -1), 1.5)
    # cluster 0 lies at (3, 0)
    assert float((drawn[:, 0] > 1.5).float().mean()) > 0.95
    assert float((prior.to_code(z)[:, 0] > 1.5).float().mean()) < 0.5


def test_every_row_of_a_batch_is_mapped_alone():
    prior = fitted(blobs()[0], 4, steps=50)
    z = torch.randn(9, 32, generator=torch.Generator().manual_seed(7))
    assert (prior.to_code(z)[4] - prior.to_code(z[4:5])[0]).abs().amax() < 1e-5


def test_what_left_the_known_space_comes_back_to_the_length_of_a_normal_draw():
    """Half-way between two seeds lay ghosts of two subjects.

    A quarter of all steps of a walk said something else than they showed.
    """
    prior = Prior(tiny_config(flow_dims=4))
    z = torch.randn(200, 32, generator=torch.Generator().manual_seed(8))
    short = z[:, :4].norm(dim=1) < 2
    assert 0.3 < short.float().mean() < 0.8
    assert torch.equal(prior.clip_norm(z)[short], z[short])
    far = torch.cat([20 * z[:, :4], z[:, 4:]], 1)
    back = prior.clip_norm(far)
    assert (back[:, :4].norm(dim=1) - 2).abs().amax() < 1e-4
    assert torch.equal(back[:, 4:], z[:, 4:])
    assert torch.nn.functional.cosine_similarity(back[:, :4], z[:, :4]).amin() > 0.999
    allowed = torch.linspace(1, 9, 200)[:, None]
    norms = prior.clip_norm(far, allowed)[:, :4].norm(dim=1)
    assert (norms - allowed[:, 0].clamp(min=2)).abs().amax() < 1e-4


def test_directions_that_follow_from_the_leading_ones_are_not_drawn_at_random():
    """The longer a model was trained, the more its codes held beyond the leading directions.

    Drawn from a Gaussian apart, that was of another picture: half an hour of training gave no
    better seeds than six minutes.
    """
    generator = torch.Generator().manual_seed(4)
    codes = 0.02 * torch.randn(600, 32, generator=generator)
    # four leading directions, as the flow has
    codes[:, :4] += 2 * torch.randn(600, 4, generator=generator)
    # not to be had by a straight line
    codes[:, 4] += codes[:, 0].abs()
    prior = fitted(codes, 1, steps=800)
    drawn = prior.to_code(torch.randn(500, 32, generator=generator))

    def left(code):
        return float((code[:, 4] - code[:, 0].abs()).std())

    assert left(drawn) < 0.5 * float(codes[:, 4].std())
    z = torch.randn(100, 32, generator=generator)
    assert (prior.to_latent(prior.to_code(z)) - z).abs().amax() < 1e-2


def test_a_seed_s_code_follows_every_change_of_the_weights():
    """Seeds run on a frozen form of the networks; one kept too long would draw old pictures."""
    prior = fitted(blobs()[0], 4, steps=3).requires_grad_(True)
    z = torch.randn(2, 32, generator=torch.Generator().manual_seed(3))
    other = Prior(tiny_config(flow_dims=4, flow_width=64, code_noise=0.05)).state_dict()
    found = [prior.to_code(z)]
    with torch.inference_mode():
        assert torch.equal(prior.to_code(z), found[0])
    optimizer = torch.optim.AdamW(prior.parameters(), 1e-2, fused=True)
    prior_loss(prior, torch.randn(8, 31), torch.Generator().manual_seed(0)).backward()
    for change in (
        optimizer.step,
        lambda: prior.load_state_dict(other),
        lambda: torch.nn.init.normal_(prior.regression[-1].bias),
    ):
        change()
        found.append(prior.to_code(z))
    assert all(not torch.equal(before, after) for before, after in itertools.pairwise(found))


def test_a_seed_can_be_moved_along_gradients_of_its_code():
    """Also after a solve where no gradients are, and without gradients of the weights."""
    prior = fitted(blobs()[0], 4, steps=3).requires_grad_(True)
    prior.zero_grad()
    z = torch.randn(2, 32).requires_grad_()
    with torch.inference_mode():
        prior.to_code(z.detach())
    prior.to_code(z).sum().backward()
    assert z.grad[:, : prior.dims].any()
    assert not z.grad[:, -1].any()
    assert all(weight.grad is None for weight in prior.parameters())


def test_the_map_between_seeds_and_codes_is_a_bijection(tiny_model):
    fit_frame(tiny_model.sampler, torch.randn(200, 32) @ torch.randn(32, 32))
    z = torch.randn(16, 32)
    back = tiny_model.sampler.to_latent(tiny_model.sampler.to_code(z))
    assert torch.allclose(back, z, atol=1e-3)


def test_an_unfitted_sampler_is_the_identity():
    z = torch.randn(4, 32)
    assert torch.allclose(MultimodalModel(tiny_config()).sampler.to_code(z), z, atol=1e-6)


def test_sampled_codes_look_like_training_codes(tiny_model):
    """The first public attempt sampled 39 times outside its latents.

    Two clusters, fitted: samples fall into both and nowhere else.
    """
    sampler = tiny_model.sampler
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(400, 32, generator=generator) * 0.1
    codes[:, 3] += torch.where(torch.arange(400) % 2 == 0, 4.0, -4.0)
    leading = fit_frame(sampler, codes)
    optimizer = torch.optim.AdamW(sampler.parameters(), lr=3e-3)
    for _ in range(800):
        optimizer.zero_grad()
        rows = torch.randint(400, (256,), generator=generator)
        prior_loss(sampler, leading[rows], generator).backward()
        optimizer.step()
    side = sampler.to_code(latents(range(500), 32))[:, 3]
    assert 0.35 < (side > 0).float().mean() < 0.65
    assert (side.abs() - 4).abs().lt(2).float().mean() > 0.85, "seeds land between the clusters"


def test_a_turned_frame_keeps_the_flow_nearly_right(tiny_model):
    """Between epochs the principal directions swap and flip.

    The flow fitted before must not become nonsense.
    """
    codes = torch.randn(300, 32) @ torch.diag(torch.linspace(3, 0.2, 32))
    before = fit_frame(tiny_model.sampler, codes)
    after = fit_frame(tiny_model.sampler, codes * torch.linspace(1, 1.2, 32), before)
    assert torch.nn.functional.cosine_similarity(before.flatten(), after.flatten(), dim=0) > 0.95


def test_truncation_moves_codes_towards_the_centres_near_them_and_leaves_the_rest():
    """A seed at the edge of what training showed was drawn as a blot: .08 could not be read."""
    prior = fitted(blobs()[0], 4, steps=100)
    codes = prior.to_code(torch.randn(200, 32, generator=torch.Generator().manual_seed(9)))
    moved = prior.truncated(codes, 0.7)
    before, after = (prior.to_frame(each) for each in (codes, moved))
    ways = prior.typical(before[:, : prior.dims]) - before[:, : prior.dims]
    assert torch.allclose(after[:, : prior.dims] - before[:, : prior.dims], 0.3 * ways, atol=1e-4)
    residuals = [
        prior.without_following(each)[:, 4 : 4 + prior.following] for each in (before, after)
    ]
    assert torch.allclose(residuals[1], 0.7 * residuals[0], atol=1e-3)
    others = slice(prior.dims + prior.following, None)
    assert torch.allclose(after[:, others], before[:, others], atol=1e-4)
    assert torch.allclose(prior.truncated(codes, 1.0), codes, atol=1e-4)
    assert (moved[7:8] - prior.truncated(codes[7:8], 0.7)).abs().amax() < 1e-5


def test_between_two_centres_truncation_does_not_jump():
    """A walk from one subject to another would snap in its middle."""
    prior = Prior(tiny_config(flow_dims=4))
    prior.centres[:2, 0] = torch.tensor([-1.5, 1.5])
    prior.edges[:3] = torch.tensor([0, 0.5, 1])
    way = torch.zeros(101, 4)
    way[:, 0] = torch.linspace(-1.5, 1.5, 101)
    typical = prior.typical(way)[:, 0]
    assert typical[50].abs() < 1e-6
    assert (typical.diff() > 0).all()
    assert typical.diff().max() < 0.06
    assert typical[-1] > 1
