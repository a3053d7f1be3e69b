"""The losses have known answers."""

import math

import pytest
import torch

from oneseed.training.losses import MultimodalLoss, info_nce


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
    losses = MultimodalLoss(shape_weight=1.0)(lines, blank, *common)
    assert losses["shape"] < 1e-6
    assert losses["reconstruction"] == 2
    assert MultimodalLoss(shape_weight=1.0)(blank + 0.5, blank, *common)["shape"] == pytest.approx(
        0.75
    )


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
    spread, dense = (
        MultimodalLoss(focus_weight=1.0)(drawn, blank, *common) for drawn in (everywhere, one_place)
    )
    assert float(spread["focus"]) == pytest.approx(float(spread["reconstruction"]), rel=1e-3)
    assert dense["focus"] > 5 * dense["reconstruction"]
    assert float(MultimodalLoss(focus_weight=1.0)(blank, blank, *common)["focus"]) == 0


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
