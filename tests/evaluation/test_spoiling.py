"""Spoilt drawings: what is left of a subject, and what a judge is taught about it."""

import pytest
import torch

from oneseed.evaluation.attribute_judge import judge_views
from oneseed.evaluation.attribute_judge_training import labels, taught_facts
from oneseed.evaluation.renders import draw_all
from oneseed.evaluation.spoiling import (
    IGNORED,
    READABLE,
    UNREADABLE,
    Drawings,
    Spoiler,
    left_of_subject,
    subject_region,
    with_bent_outlines,
)
from oneseed.evaluation.teaching import blurred, judge_generator
from oneseed.synthetic.collections import DRAWN_STYLES, drawn_collection

COUNT = 64


def drawings_of(drawn):
    """Half of them are rivals of the other half."""
    facts = taught_facts(drawn, 2 * COUNT)
    pixels = draw_all(drawn, facts, [*range(COUNT), *range(COUNT)], "renders")
    views = judge_views(pixels, drawn.channels, drawn.size)
    return Drawings(views[:COUNT], views[COUNT:], labels(drawn, facts[:COUNT]))


# collections whose judge is taught
TAUGHT = [style for style in DRAWN_STYLES if drawn_collection(style).redrawn is None]


@pytest.fixture(scope="module", params=TAUGHT)
def drawn(request):
    return drawn_collection(request.param)


@pytest.fixture(scope="module")
def batch(drawn):
    return drawings_of(drawn)


@pytest.fixture(scope="module")
def spoiler(drawn, batch):
    return Spoiler(drawn, batch.images)


def test_all_of_a_subject_is_left_of_itself_and_little_of_a_blur(batch):
    region = subject_region(batch.images, batch.rivals)

    def left(spoilt):
        return left_of_subject(spoilt, batch.images, region)

    assert torch.allclose(left(batch.images), torch.ones(COUNT))
    shares = [left(blurred(batch.images, sigma)).mean() for sigma in (0.5, 1.0, 2.0, 4.0, 8.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.97
    assert shares[-1] < UNREADABLE
    assert left(batch.rivals).mean() < 0.3


def test_the_region_of_a_subject_is_where_its_rival_differs(batch):
    region = subject_region(batch.images, batch.rivals)
    assert region.min() >= 0
    assert region.max() <= 1
    changed = (batch.images - batch.rivals).abs().amax(1, keepdim=True) > 0.5
    assert region[changed].mean() > 0.9
    assert region.mean() < 0.9
    assert subject_region(batch.images, batch.images).max() == 0


def test_directions_give_back_the_drawings_that_they_are_of(spoiler, batch):
    codes = spoiler.directions.codes(batch.images)
    again = spoiler.directions.pictures(codes, batch.images.shape)
    assert torch.allclose(again, batch.images, atol=1e-2)
    spread = codes.square().sum(0)
    assert (spread[:-1] >= spread[1:] * 0.999).all(), "the first has most variance"


def test_a_subject_is_taught_as_long_as_enough_of_it_is_left(spoiler, batch):
    for sigma in (0.3, 1.5, 2.5, 6.0):
        spoilt = blurred(batch.images, sigma)
        region = subject_region(batch.images, batch.rivals)
        left = left_of_subject(spoilt, batch.images, region)
        targets = spoiler.by_what_is_left(batch, spoilt)[:, spoiler.main]
        truth = batch.truth[:, spoiler.main]
        unread = spoiler.unread[spoiler.main]
        assert torch.equal(targets[left > READABLE], truth[left > READABLE])
        assert (targets[left < UNREADABLE] == unread).all()
        between = (left > UNREADABLE + 1e-4) & (left < READABLE - 1e-4)
        assert (targets[between] == IGNORED).all()


def test_every_lesson_is_repeatable_and_of_the_pictures_own_form(spoiler, batch):
    once, twice = (spoiler.lesson(batch, judge_generator("test")) for _ in range(2))
    for first, second in zip(once, twice):
        assert torch.equal(first, second)
    images, targets = once
    assert images.shape == batch.images.shape
    assert targets.shape == batch.truth.shape
    assert torch.isfinite(images).all()
    # values, "cannot be read" after the last, and what is not taught
    assert ((targets <= spoiler.unread) & (targets >= 0) | (targets == IGNORED)).all()
    share = (targets[:, spoiler.main] == spoiler.unread[spoiler.main]).float().mean()
    assert 0.1 < share < 0.6, "both are taught: to read, and not to"


def test_a_drawing_as_it_is_keeps_its_targets(spoiler, batch):
    for way in (spoiler.left_alone, spoiler.degraded):
        _, targets = way(batch, judge_generator("test"))
        assert torch.equal(targets, batch.truth)


@pytest.mark.parametrize("way", ["mix", "smear", "bend"])
def test_what_spoils_the_subject_alone_leaves_the_rest_to_be_read(spoiler, batch, way):
    _, targets = getattr(spoiler, way)(batch, judge_generator("test"))
    others = [column for column in range(targets.shape[1]) if column != spoiler.main]
    assert torch.equal(targets[:, others], batch.truth[:, others])
    assert not torch.equal(targets[:, spoiler.main], batch.truth[:, spoiler.main])


def test_outlines_bend_by_the_amount_that_is_asked_for(batch):
    still = with_bent_outlines(batch.images, torch.zeros(COUNT, 1, 1, 1), judge_generator("test"))
    assert torch.allclose(still, batch.images, atol=1e-4)
    changes = []
    for by in (1.0, 4.0):
        bends = torch.full((COUNT, 1, 1, 1), by)
        bent = with_bent_outlines(batch.images, bends, judge_generator("test"))
        changes.append((bent - batch.images).abs().mean())
    assert changes[1] > 1.3 * changes[0]


def test_the_main_attribute_is_what_every_level_tells(drawn):
    assert all(drawn.main_attribute in names for names in drawn.levels.values())
