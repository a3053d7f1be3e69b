"""What a training step draws at random: half of the rows draw a draft, half a later pass."""

import pytest
import torch

from oneseed.model.noising import TrainingNoise

SHAPE = (1, 32, 32)


def noise(rows, purpose="0 step"):
    """Noise of so many rows of the tiny model."""
    return TrainingNoise.drawn(purpose, rows, 32, SHAPE, torch.device("cpu"))


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
def test_every_other_row_from_the_first_is_a_draft(rows):
    """Parts of a batch count drafts by its rows alone; see BatchShare."""
    drawn = noise(rows)
    assert drawn.code.shape == (rows, 32)
    assert drawn.pixels.shape == (rows, *SHAPE)
    assert (drawn.times == 0).tolist() == [row % 2 == 0 for row in range(rows)]
    assert drawn.times.max() < 1


def test_times_of_later_passes_are_spread_over_all_of_the_way():
    later = noise(4000).times[1::2]
    assert later.min() < 0.03
    assert later.max() > 0.9
    assert 0.3 < later.mean() < 0.45, "most of the lines are decided in the first half"


def test_equal_purposes_draw_equal_noise_and_other_steps_other_noise():
    one, again, other = noise(6), noise(6), noise(6, "0 other")
    assert all(map(torch.equal, one, again))
    assert not any(map(torch.equal, one, other))
    torch.manual_seed(5)
    assert all(map(torch.equal, one, noise(6))), "the global generator has no say"


def test_a_slice_of_a_batch_has_the_noise_of_its_own_rows():
    """With noise drawn anew, micro-batches and processes would take another step than the whole."""
    whole = noise(7)
    parts = [whole.rows(slice(start, start + 3)) for start in (0, 3, 6)]
    for name in TrainingNoise._fields:
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(whole, name)), name


def test_a_draft_is_drawn_from_noise_alone_and_a_later_pass_sees_the_picture():
    images = torch.full((2, *SHAPE), 0.5)
    drawn = noise(2)._replace(times=torch.tensor([0.0, 0.75]))
    noised = drawn.noised(images)
    assert torch.equal(noised[0], drawn.pixels[0])
    assert torch.allclose(noised[1], 0.25 * drawn.pixels[1] + 0.75 * 0.5, atol=1e-6)
