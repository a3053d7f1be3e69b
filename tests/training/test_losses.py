"""The losses have known answers."""

import math

import pytest
import torch

from oneseed.training.losses import MIN_NOISE_LEFT, BatchShare, MultimodalLoss, info_nce

PICTURES = {"flow": 3.0, "shape": 2.0, "focus": 3.0}


def picture_losses(difference, times, share=None):
    """The parts of the loss of pictures (B, C, S, S) that are so far from the true ones."""
    return MultimodalLoss(picture_weights=PICTURES).picture_losses(difference, times, share)


def test_contrast_is_log_batch_when_nothing_is_known():
    assert info_nce(torch.ones(16, 8), torch.ones(16, 8)) == pytest.approx(math.log(16), abs=1e-4)


def test_contrast_falls_only_for_true_pairs():
    """The first public attempt contrasted z with itself: its loss taught nothing."""
    images = torch.eye(16)
    captions = torch.eye(16)
    assert info_nce(images, captions) < 0.01
    assert info_nce(images, captions.roll(1, 0)) > math.log(16)


def test_the_total_is_the_weighted_sum_of_its_parts():
    torch.manual_seed(0)
    images = torch.rand(4, 1, 8, 8)
    target = torch.rand(4, 1, 8, 8)
    logits = torch.randn(4, 6, 20)
    tokens = torch.randint(4, 20, (4, 6))
    losses = MultimodalLoss(1.0, 2.0, 0.5)(
        images, target, logits, tokens, torch.randn(4, 8), torch.randn(4, 8)
    )
    assert float(losses["total"]) == pytest.approx(
        float(losses["reconstruction"] + 2 * losses["caption"] + 0.5 * losses["contrastive"]),
        abs=1e-4,
    )
    weighted = MultimodalLoss(3.0, 0.0, 0.0)(
        images, target, logits, tokens, torch.randn(4, 8), torch.randn(4, 8)
    )
    assert float(weighted["total"]) == pytest.approx(3 * float(losses["reconstruction"]), abs=1e-4)


def test_shape_looks_at_forms_and_not_at_lines():
    lines = torch.ones(1, 1, 16, 16)
    # fine hatching, grey on the whole
    lines[..., ::2, :] = -1
    blank = torch.zeros(1, 1, 16, 16)
    common = (
        torch.zeros(1, 3, 5),
        torch.ones(1, 3, dtype=torch.int64),
        torch.ones(1, 4),
        torch.ones(1, 4),
    )
    loss = MultimodalLoss(picture_weights={"shape": 1.0})
    losses = loss(lines, blank, *common)
    assert losses["shape"] < 1e-6
    assert losses["reconstruction"] == 2
    assert loss(blank + 0.5, blank, *common)["shape"] == pytest.approx(0.75)


def test_focus_counts_errors_in_one_place_more_than_the_same_errors_everywhere():
    """The subject is a tenth of the picture and nearly all of its meaning.

    It stayed a smudge between sharp lines.
    """
    blank = torch.zeros(1, 1, 64, 64)
    common = (
        torch.zeros(1, 3, 5),
        torch.ones(1, 3, dtype=torch.int64),
        torch.ones(1, 4),
        torch.ones(1, 4),
    )
    everywhere = blank + 0.1
    one_place = blank.clone()
    # the same error in all
    one_place[..., 8:28, 8:28] = 0.1 * 4096 / 400
    loss = MultimodalLoss(picture_weights={"focus": 1.0})
    spread, dense = (loss(drawn, blank, *common) for drawn in (everywhere, one_place))
    assert float(spread["focus"]) == pytest.approx(float(spread["reconstruction"]), rel=1e-3)
    assert dense["focus"] > 5 * dense["reconstruction"]
    assert float(loss(blank, blank, *common)["focus"]) == 0


def test_padding_costs_nothing():
    logits = torch.randn(2, 8, 20)
    tokens = torch.randint(4, 20, (2, 8))
    tokens[:, 5:] = 0
    common = (
        (torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)),
        (torch.randn(2, 8), torch.randn(2, 8)),
    )
    padded = MultimodalLoss()(*common[0], logits, tokens, *common[1])["caption"]
    cut = MultimodalLoss()(*common[0], logits[:, :5], tokens[:, :5], *common[1])["caption"]
    assert float(padded) == pytest.approx(float(cut), abs=1e-5)


def test_drafts_and_later_passes_are_judged_apart():
    """A draft is a mean and far from any picture: counted in flow, it would drown the lines."""
    times = torch.tensor([0.0, 0.5, 0.0, 0.9])
    drafts_wrong = torch.zeros(4, 1, 16, 16)
    drafts_wrong[::2] = 0.5
    losses = picture_losses(drafts_wrong, times)
    assert float(losses["flow"]) == 0
    assert float(losses["reconstruction"]) == pytest.approx(0.75)
    assert float(losses["shape"]) == pytest.approx(0.75)
    laters_wrong = 0.5 - drafts_wrong
    losses = picture_losses(laters_wrong, times)
    assert float(losses["flow"]) > 0
    assert {part for part, loss in losses.items() if float(loss) == 0} == {
        *("reconstruction", "shape", "focus")
    }


def test_an_error_counts_more_the_less_noise_is_left_and_at_most_ten_times():
    """The last pass sees nearly the picture: what is wrong then stays wrong."""

    def flow(time):
        return float(picture_losses(torch.full((1, 1, 8, 8), 0.5), torch.tensor([time]))["flow"])

    assert flow(0.5) == pytest.approx(0.25 / 0.5)
    assert flow(0.75) == pytest.approx(0.25 / 0.25)
    assert flow(0.99) == flow(0.999) == pytest.approx(0.25 / MIN_NOISE_LEFT)


def test_without_times_all_rows_are_drafts():
    losses = picture_losses(torch.full((3, 1, 8, 8), 0.5), None)
    assert float(losses["reconstruction"]) == pytest.approx(0.75)
    assert float(losses["flow"]) == 0


@pytest.mark.parametrize("rows", [1, 2, 7, 8])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_shares_of_parts_add_up_to_the_loss_of_the_batch(rows, size):
    """Of seven rows four are drafts: a part cannot tell it from its own rows."""
    random = torch.Generator().manual_seed(0)
    difference = torch.randn(rows, 1, 16, 16, generator=random)
    times = torch.rand(rows, generator=random).clamp(min=0.01)
    times[::2] = 0
    whole = picture_losses(difference, times)
    share = BatchShare(rows=rows, caption_tokens=1.0, contrastive=torch.zeros(()))
    sums = dict.fromkeys(whole, 0.0)
    for first in range(0, rows, size):
        part = slice(first, first + size)
        for name, loss in picture_losses(difference[part], times[part], share).items():
            sums[name] += float(loss)
    assert sums == pytest.approx({name: float(loss) for name, loss in whole.items()}, abs=1e-5)


def test_a_part_with_the_weight_0_is_not_looked_at():
    loss = MultimodalLoss(picture_weights={"flow": 0.0, "shape": 2.0, "focus": 0.0})
    assert list(loss.weights) == ["reconstruction", "caption", "contrastive", "shape"]
