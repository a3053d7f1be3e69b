"""The picture networks of models before version 0.4, whose checkpoints load and draw as before.

Their decoder was taught by regression and draws the mean of all pictures that a code allows: soft
pictures. Nothing trains them any more.
"""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import nn

from oneseed.config.model import ModelConfig
from oneseed.model.image_networks import (
    ChannelNorm,
    PatchTransformer,
    feature_widths,
)
from oneseed.model.weights import require_numbers

# points of the tone curve
TONE_POINTS = 65
# pixels a side of the thumbnail, at most: as fine as the latent can say, one number a pixel
MAX_THUMBNAIL_SIDE = 32


class RegressionEncoder(nn.Module):
    """Pictures (B, C, S, S) in [-1, 1] -> code (B, D) of root mean square 1.

    The code is what convolutions or a transformer see and, where the configuration has linear
    directions, what a fixed linear map says of the picture as a thumbnail.
    """

    # of the thumbnails, and from them to the code; only with linear directions
    mean: torch.Tensor  # (P,)
    linear: torch.Tensor  # (D, P)

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        base, widths = feature_widths(config)
        self.patch = config.patch
        self.side = thumbnail_side(config)
        if config.encoder == "vit":
            self.patch = config.image_size // base
            inward = config.channels * self.patch**2
            self.layers: nn.Module = PatchTransformer(inward, base**2, config.neck, config)
        else:
            first = nn.Conv2d(config.channels * config.patch**2, widths[0], 3, padding=1)
            layers: list[nn.Module] = [first, ChannelNorm(widths[0]), nn.SiLU()]
            for narrow, wide in itertools.pairwise(widths):
                halving = nn.Conv2d(narrow, wide, 3, stride=2, padding=1)
                layers += [halving, ChannelNorm(wide), nn.SiLU()]
            self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], config.neck, 1))
        self.to_code = nn.Linear(config.neck * base**2, config.latent_dim)
        if config.linear_dims:
            self.register_buffer("mean", torch.zeros(config.channels * self.side**2))
            self.register_buffer("linear", torch.zeros(config.latent_dim, len(self.mean)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures (B, C, S, S) -> code (B, D)."""
        x = F.pixel_unshuffle(images, self.patch)  # (B, C P P, S / P, S / P)
        x = self.layers(x.contiguous(memory_format=torch.channels_last))  # (B, neck, base, base)
        code = self.to_code(x.flatten(1))  # (B, D)
        if hasattr(self, "linear"):
            thumbnails = F.adaptive_avg_pool2d(images, self.side).flatten(1)  # (B, P)
            code = code + (thumbnails - self.mean) @ self.linear.T
        return F.rms_norm(code, self.to_code.bias.shape)


class RegressionDecoder(nn.Module):
    """Code (B, D) -> pictures (B, C, S, S).

    A picture is what convolutions draw and, enlarged, the thumbnail that can be read back from the
    encoder's linear map.
    """

    # of the thumbnails, and from the code to them; only with linear directions
    mean: torch.Tensor  # (P,)
    linear: torch.Tensor  # (P, D)
    # what pictures for people make of the greys from -1 to 1; only with linear directions
    tone: torch.Tensor  # (TONE_POINTS,)

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        base, widths = feature_widths(config)
        side = thumbnail_side(config)
        self.patch = config.patch
        self.shape = (config.neck, base, base)
        self.size = config.image_size
        self.thumbnail = (config.channels, side, side)
        self.from_code = nn.Linear(config.latent_dim, config.neck * base**2)
        first = nn.Conv2d(config.neck, widths[-1], 3, padding=1)
        layers: list[nn.Module] = [first, ChannelNorm(widths[-1]), nn.SiLU()]
        for wide, narrow in itertools.pairwise(reversed(widths)):
            doubling = nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1)
            layers += [doubling, ChannelNorm(narrow), nn.SiLU()]
        last = nn.Conv2d(widths[0], config.channels * config.patch**2, 3, padding=1)
        self.layers = nn.Sequential(*layers, last)
        if config.linear_dims:
            self.register_buffer("mean", torch.zeros(math.prod(self.thumbnail)))
            self.register_buffer("linear", torch.zeros(len(self.mean), config.latent_dim))
            self.register_buffer("tone", torch.linspace(-1, 1, TONE_POINTS))

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """Code (B, D) -> pictures (B, C, S, S), about [-1, 1]."""
        x = self.from_code(code).unflatten(1, self.shape)  # (B, neck, base, base)
        x = self.layers(x.contiguous(memory_format=torch.channels_last))  # (B, C P P, S/P, S/P)
        images = F.pixel_shuffle(x, self.patch)  # (B, C, S, S)
        if hasattr(self, "linear"):
            thumbnails = (self.mean + code @ self.linear.T).unflatten(1, self.thumbnail)
            images = images + F.interpolate(thumbnails, self.size, mode="bilinear")
        return images

    def draw(self, code: torch.Tensor, noise: torch.Tensor, passes: int) -> torch.Tensor:
        """Code (B, D) -> pictures (B, C, S, S) in [-1, 1]; noise and passes change nothing.

        UserError where what is drawn is no number.
        """
        drawn = self(code)
        require_numbers(drawn, "pictures")
        images = drawn.clamp(-1, 1)
        if not hasattr(self, "tone"):
            return images
        position = (images + 1) * ((TONE_POINTS - 1) / 2)
        low = position.floor().clamp(max=TONE_POINTS - 2).long()
        return torch.lerp(self.tone[low], self.tone[low + 1], position - low)


def thumbnail_side(config: ModelConfig) -> int:
    """Pixels a side of the thumbnail that the linear code is of."""
    return min(MAX_THUMBNAIL_SIDE, config.image_size // 2)
