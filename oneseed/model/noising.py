"""What a training step draws at random, and pictures with noise in them."""

from typing import NamedTuple

import torch

from oneseed.seeds import torch_generator

# standard deviation and mean of the logit of a later pass's time
TIME_SPREAD = 1.2
TIME_SHIFT = -0.6


class TrainingNoise(NamedTuple):
    """What a training step draws at random for each row of a batch."""

    # (B, D) standard normal, which the codes get a part of
    code: torch.Tensor
    # (B, C, S, S) standard normal
    pixels: torch.Tensor
    # (B,): how much of the picture the decoder sees: 0 nothing, the draft's row; towards 1 all
    times: torch.Tensor

    @classmethod
    def drawn(
        cls, purpose: str, rows: int, latent_dim: int, shape: tuple[int, ...], device: torch.device
    ) -> "TrainingNoise":
        """Noise for so many rows, the same for equal purposes. shape: of a picture, (C, S, S).

        Every other row, from the first, is a draft's.
        """
        generator = torch_generator(purpose, "noise")
        code = torch.randn(rows, latent_dim, generator=generator)
        logits = TIME_SPREAD * torch.randn(rows, generator=generator) + TIME_SHIFT
        times = logits.sigmoid()
        times[::2] = 0
        # where they are used: a batch of large pictures has tens of millions
        own = torch.Generator(device).manual_seed(generator.initial_seed())
        pixels = torch.randn((rows, *shape), generator=own, device=device)
        return cls(code.to(device), pixels, times.to(device))

    def rows(self, part: slice) -> "TrainingNoise":
        """The noise of some rows."""
        return TrainingNoise(self.code[part], self.pixels[part], self.times[part])

    def noised(self, images: torch.Tensor) -> torch.Tensor:
        """What the decoder sees of pictures (B, C, S, S)."""
        return torch.lerp(self.pixels, images, self.times[:, None, None, None])
