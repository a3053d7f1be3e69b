"""The noise from which a seed's picture is drawn: a fixed linear map of some of its numbers.

A picture is drawn in passes from noise, and z alone decides the picture. So the noise comes from z:
each pixel is a sum of its numbers with signs of its own, divided by the root of their count. Every
pixel is then standard normal, pixels hardly depend on each other, and the noise moves as smoothly
as z does. The map is never stored: the signs are those of Hadamard matrices and of random flips
before them (Ailon and Chazelle 2009, The fast Johnson-Lindenstrauss transform).
"""

import math
from collections.abc import Sequence

import torch

from oneseed.seeds import torch_generator


def hadamard(x: torch.Tensor) -> torch.Tensor:
    """(..., N), N a power of two -> the same rows times the Hadamard matrix of N x N signs."""
    length = x.shape[-1]
    shape = x.shape
    half = 1
    while half < length:
        x = x.view(*shape[:-1], length // (2 * half), 2, half)
        first, second = x.unbind(-2)
        x = torch.stack([first + second, first - second], -2).view(shape)
        half = 2 * half
    return x


def random_flips(count: int, pixels: int) -> torch.Tensor:
    """The signs, float (copies, n), that n numbers get before each copy of them is mixed."""
    copies = -(-pixels // padded_length(count))
    generator = torch_generator(f"{count} {pixels}", "pixel noise")
    return torch.randint(2, (copies, count), generator=generator).mul_(2).sub_(1).float()


def padded_length(count: int) -> int:
    """The least power of two that is no smaller."""
    return 1 << (count - 1).bit_length()


def spread(numbers: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Standard normal numbers (B, n) -> standard normal pixels (B, *shape), linear in them."""
    flips = random_flips(numbers.shape[1], math.prod(shape))
    return spread_with(numbers, flips.to(numbers), shape)


def spread_with(numbers: torch.Tensor, flips: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """As spread. flips: those of random_flips, on the device of the numbers."""
    rows, count = numbers.shape
    flipped = numbers[:, None] * flips  # (B, copies, n)
    padded = torch.nn.functional.pad(flipped, (0, padded_length(count) - count))
    mixed = hadamard(padded) / math.sqrt(count)  # (B, copies, length)
    return mixed.view(rows, -1)[:, : math.prod(shape)].view(rows, *shape)
