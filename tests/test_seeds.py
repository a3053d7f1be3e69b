"""Seeds: each has generators of its own, and what is no seed is refused."""

import pytest
import torch

from oneseed.console.command import UserError
from oneseed.seeds import latents, torch_generator


def test_seeds_have_generators_of_their_own():
    torch.manual_seed(1)
    first = latents([5, 6], 16)
    torch.manual_seed(2)
    torch.rand(100)
    assert torch.equal(latents([6, 5], 16), first.flip(0))
    assert not torch.equal(torch.randn(16, generator=torch_generator(5, "words")), first[0])


@pytest.mark.parametrize("seed", [-1, 2**32, 3.7, True, "7", None, float("nan")])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(UserError, match="a seed is an integer"):
        latents([seed], 16)
