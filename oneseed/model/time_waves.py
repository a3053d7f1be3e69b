"""How networks are told a time between 0, noise, and 1, data: as waves of several lengths."""

import math

import torch

# sines and cosines
WAVES = 24


def wave_frequencies() -> torch.Tensor:
    """The frequencies of the waves, (WAVES / 2,), in radians per unit of time."""
    return math.pi * 2.0 ** torch.arange(0, 6, 0.5)


def time_waves(times: torch.Tensor, frequencies: torch.Tensor) -> torch.Tensor:
    """Times (B,) in [0, 1], frequencies as wave_frequencies gives them -> (B, WAVES)."""
    angles = times[:, None] * frequencies  # (B, WAVES / 2)
    return torch.cat([angles.sin(), angles.cos()], -1)
