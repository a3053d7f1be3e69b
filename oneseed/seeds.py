"""One generator per seed and purpose; nothing touches the global one."""

import hashlib

import numpy as np
import torch.utils.checkpoint

from oneseed.console.command import UserError


def torch_generator(seed, purpose):
    """Random numbers for one purpose ("latent", "words", …) of one seed, whatever the device, batch or order."""
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def latents(seeds, latent_dim):
    """B seeds, integers 0 … 2**32 - 1 -> z (B, D), float32 standard normal on the CPU. Row i depends on seeds[i] alone."""
    for seed in seeds:
        if (
            isinstance(seed, bool)
            or not isinstance(seed, (int, np.integer))
            or not 0 <= seed < 2**32
        ):
            raise UserError(f"a seed is an integer from 0 to {2**32 - 1}, got {seed!r}")
    return torch.stack(
        [torch.randn(latent_dim, generator=torch_generator(int(seed), "latent")) for seed in seeds]
    )


def numpy_generator(seed, purpose):
    """Random numbers for one purpose ("picture", "words", "collection") of one seed; any int is a seed."""
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
