"""Seeds and codes: one to one, Gaussian on one side, free of ghosts on the other."""

import itertools

import pytest
import torch

from oneseed.model.prior import Prior
from tests.conftest import tiny_config


def fitted(codes, clusters, steps=400, captions=None, noise=0.05):
    """A sampler fitted to codes (N, 32) as training does it, small."""
    torch.manual_seed(0)
    sampler = Prior(tiny_config(flow_dims=4, flow_width=64, code_noise=noise))
    for last in (sampler.flow.outward, sampler.regression[-1]):
        torch.nn.init.zeros_(last.weight)
    generator = torch.Generator().manual_seed(0)
    leading = sampler.set_frame(codes)
    sampler.set_clusters(leading, clusters)
    optimizer = torch.optim.AdamW(sampler.parameters(), 3e-3)
    for _ in range(steps):
        rows = torch.randint(len(leading), (128,), generator=generator)
        loss = sampler.loss(leading[rows], generator, None if captions is None else captions[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    sampler.set_spread(leading, generator)
    return sampler.eval().requires_grad_(False)


def blobs(count=4, rows=512):
    """`count` small clusters of codes far apart in the first two of 32 directions -> (N, 32), which cluster (N,)."""
    generator = torch.Generator().manual_seed(1)
    which = torch.arange(rows) % count
    angle = which * 2 * torch.pi / count
    codes = 0.05 * torch.randn(rows, 32, generator=generator)
    codes[:, 0] += 3 * angle.cos()
    codes[:, 1] += 3 * angle.sin()
    return codes, which


def ghosts(sampler, count=4):
    """Share of 500 seeds whose code lies near no cluster."""
    codes = sampler.to_code(torch.randn(500, 32, generator=torch.Generator().manual_seed(2)))[:, :2]
    angle = torch.arange(count) * 2 * torch.pi / count
    centres = 3 * torch.stack([angle.cos(), angle.sin()], 1)
    return float((torch.cdist(codes, centres).amin(1) > 0.5).float().mean())


def test_seeds_between_clusters_are_not_drawn_as_ghosts():
    """One continuous flow stretches bridges between clusters, and a tenth of the pairs were ghosts of two subjects."""
    codes, _ = blobs()
    with_clusters = ghosts(fitted(codes, 4))
    alone = ghosts(fitted(codes, 1))
    assert with_clusters < 0.08 and alone > 2 * with_clusters, (with_clusters, alone)


def test_seeds_and_codes_are_one_to_one():
    codes, _ = blobs()
    sampler = fitted(codes, 4)
    z = torch.randn(200, 32, generator=torch.Generator().manual_seed(3))
    # Runge-Kutta in twelve steps
    assert (sampler.to_latent(sampler.to_code(z)) - z).abs().amax() < 1e-2


def test_choosing_a_cluster_leaves_a_normal_number():
    """The interval that chooses the cluster is as wide as the cluster is frequent, and the place within it is N(0, 1) again."""
    codes, _ = blobs(2, 600)
    # twice as many of one as of the other
    sampler = fitted(torch.cat([codes, codes[::2]]), 2, steps=0)
    last = torch.randn(20000, generator=torch.Generator().manual_seed(4))
    clusters, rest = sampler.split(last)
    assert sorted((torch.bincount(clusters) / 20000).tolist()) == pytest.approx(
        [1 / 3, 2 / 3], abs=0.02
    )
    assert abs(rest.mean()) < 0.03 and abs(rest.std() - 1) < 0.03
    assert (sampler.join(clusters, rest) - last).abs().amax() < 1e-4


def test_clusters_that_no_code_fills_are_never_chosen():
    codes, _ = blobs()
    sampler = fitted(codes, 3, steps=0)
    assert int((sampler.edges.diff() > 0).sum()) == 3
    assert (
        set(sampler.split(torch.linspace(-8, 8, 999))[0].tolist()) == {0, 1, 2}
        and int(sampler.nearest(torch.full((1, 4), 100.0))) < 3
    )


def test_a_prompt_chooses_what_is_drawn():
    codes, which = blobs()
    # rms 1, as caption_features makes them
    captions = torch.nn.functional.one_hot(which, 32).float() * 32**0.5
    sampler = fitted(codes, 4, steps=800, captions=captions)
    z = torch.randn(200, 32, generator=torch.Generator().manual_seed(5))
    drawn = sampler.draw(z, captions[:1].expand(200, -1), 1.5)
    # cluster 0 lies at (3, 0)
    assert float((drawn[:, 0] > 1.5).float().mean()) > 0.95
    assert float((sampler.to_code(z)[:, 0] > 1.5).float().mean()) < 0.5


def test_another_style_changes_the_style_alone():
    generator = torch.Generator().manual_seed(6)
    codes = 0.5 * torch.randn(600, 32, generator=generator)
    style = torch.arange(600) % 3
    # what is in the other directions is no style
    codes[:, 0] += 2.0 * style
    codes[:, 1] *= 6
    sampler = Prior(tiny_config(flow_dims=4))
    sampler.set_styles(sampler.set_frame(codes), style, generator)
    assert (
        float((sampler.style_chances(codes)[:, :3].argmax(1) == style).float().mean()) > 0.85
        and sampler.style_chances(codes)[:, 3:].sum() == 0
    )
    moved = sampler.restyle(codes, torch.full((600,), 2), 1.0)
    assert (
        abs(float(moved[style == 0, 0].mean()) - 4) < 0.6
        and (moved[:, 1] - codes[:, 1]).abs().mean() < 0.5
    )
    assert (sampler.restyle(codes, torch.full((600,), 2), 0.0) - codes).abs().amax() < 1e-4


def test_every_row_of_a_batch_is_mapped_alone():
    sampler = fitted(blobs()[0], 4, steps=50)
    z = torch.randn(9, 32, generator=torch.Generator().manual_seed(7))
    assert (sampler.to_code(z)[4] - sampler.to_code(z[4:5])[0]).abs().amax() < 1e-5


def test_what_left_the_known_space_comes_back_to_the_length_of_a_normal_draw():
    """Half-way between two seeds lay ghosts of two subjects: a quarter of all steps of a walk said something else than they showed."""
    sampler = Prior(tiny_config(flow_dims=4))
    z = torch.randn(200, 32, generator=torch.Generator().manual_seed(8))
    short = z[:, :4].norm(dim=1) < 2
    assert 0.3 < short.float().mean() < 0.8 and (sampler.typical(z) - z)[short].abs().amax() == 0
    far = torch.cat([20 * z[:, :4], z[:, 4:]], 1)
    back = sampler.typical(far)
    assert (back[:, :4].norm(dim=1) - 2).abs().amax() < 1e-4 and (back[:, 4:] == z[:, 4:]).all()
    assert torch.nn.functional.cosine_similarity(back[:, :4], z[:, :4]).amin() > 0.999
    allowed = torch.linspace(1, 9, 200)[:, None]
    assert (
        sampler.typical(far, allowed)[:, :4].norm(dim=1) - allowed[:, 0].clamp(min=2)
    ).abs().amax() < 1e-4


def test_no_step_of_a_walk_is_further_from_its_cluster_than_a_normal_draw(tiny_model):
    torch.manual_seed(0)
    torch.nn.init.normal_(tiny_model.sampler.flow.outward.weight, std=0.5)
    way = tiny_model.walk(3 * torch.randn(2, 32), 6)
    dims = tiny_model.sampler.dims
    assert (way[1:-1, :dims].norm(dim=1) <= dims**0.5 + 1e-4).all()


def test_a_variation_of_strength_0_is_the_seed_itself(tiny_model):
    """Walks use the flow that knows no cluster; a seed must be carried there and back."""
    torch.manual_seed(0)
    torch.nn.init.normal_(tiny_model.sampler.flow.cluster.weight)
    torch.nn.init.normal_(tiny_model.sampler.flow.outward.weight, std=0.2)
    z = torch.randn(5, 32)
    assert (
        (tiny_model.vary(z, torch.randn(5, 32), 0.0) - z).abs().amax()
        < 1e-2
        < (tiny_model.vary(z, torch.randn(5, 32), 0.5) - z).abs().amax()
    )


def test_directions_that_follow_from_the_leading_ones_are_not_drawn_at_random():
    """The longer a model was trained, the finer the things that its codes held beyond the leading directions; drawn from a Gaussian
    apart, they were of another picture: half an hour of training gave no better seeds than six minutes."""
    generator = torch.Generator().manual_seed(4)
    codes = 0.02 * torch.randn(600, 32, generator=generator)
    # four leading directions, as the flow has
    codes[:, :4] += 2 * torch.randn(600, 4, generator=generator)
    # not to be had by a straight line
    codes[:, 4] += codes[:, 0].abs()
    sampler = fitted(codes, 1, steps=800)
    drawn = sampler.to_code(torch.randn(500, 32, generator=generator))

    def left(code):
        return float((code[:, 4] - code[:, 0].abs()).std())

    assert left(drawn) < 0.5 * float(codes[:, 4].std()), (
        left(drawn),
        left(codes),
        float(codes[:, 4].std()),
    )
    z = torch.randn(100, 32, generator=generator)
    assert (sampler.to_latent(sampler.to_code(z)) - z).abs().amax() < 1e-2


def test_a_seed_s_code_follows_every_change_of_the_weights():
    """The copy in double precision, on which seeds run, is kept between calls: one that outlived its weights would draw yesterday's pictures."""
    sampler = fitted(blobs()[0], 4, steps=3).requires_grad_(True)
    z = torch.randn(2, 32, generator=torch.Generator().manual_seed(3))
    other = Prior(tiny_config(flow_dims=4, flow_width=64, code_noise=0.05)).state_dict()
    found = [sampler.to_code(z)]
    with torch.inference_mode():
        assert torch.equal(sampler.to_code(z), found[0])
    optimizer = torch.optim.AdamW(sampler.parameters(), 1e-2, fused=True)
    sampler.loss(torch.randn(8, 31), torch.Generator().manual_seed(0)).backward()
    for change in (
        optimizer.step,
        lambda: sampler.load_state_dict(other),
        lambda: torch.nn.init.normal_(sampler.regression[-1].bias),
    ):
        change()
        found.append(sampler.to_code(z))
    assert all(not torch.equal(before, after) for before, after in itertools.pairwise(found))
    leading = torch.randn(2, 32).requires_grad_()
    # also after a copy made where no gradients are
    sampler.to_code(leading).sum().backward()
    assert leading.grad.any()
