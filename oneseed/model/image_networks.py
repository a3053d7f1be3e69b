"""Picture encoder and decoder, and the linear code that both begin with."""

import itertools
import math

import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import nn

from oneseed.config.model import base_and_doublings
from oneseed.model.text_networks import Block

# points of the tone curve
TONE_POINTS = 65


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel: no statistics shared with the batch or with the rest of the picture."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], self.weight, self.bias).permute(
            0, 3, 1, 2
        )


def apply_blocks(layers, x, recompute=False):
    """x through convolution, norm and SiLU, again and again, and the last convolution. recompute: of each such three only the input is kept for the way
    back, the rest is computed once more there (Chen et al. 2016, arXiv:1604.06174)."""
    if not (recompute and torch.is_grad_enabled()):
        return layers(x)
    for first in range(0, len(layers), 3):
        x = torch.utils.checkpoint.checkpoint(
            layers[first : first + 3], x, use_reentrant=False, preserve_rng_state=False
        )
    return x


def feature_widths(config):
    """-> (side of the coarsest map, channels of each map from the finest to the coarsest)."""
    base, doublings = base_and_doublings(config.image_size)
    steps = doublings - config.patch.bit_length() + 1
    return base, [min(config.width * 2**step, config.max_width) for step in range(steps + 1)]


class PatchTransformer(nn.Module):
    """Pictures cut into as many patches as the coarsest feature map has places, (B, C P P, base, base) -> (B, neck, base, base).
    Source: Dosovitskiy et al. 2020 (arXiv:2010.11929)."""

    def __init__(self, inward, places, config):
        super().__init__()
        self.inward = nn.Linear(inward, config.vit_width)
        self.positions = nn.Parameter(torch.zeros(places, config.vit_width))
        self.blocks = nn.ModuleList(
            Block(config.vit_width, config.vit_width // 32) for _ in range(config.vit_layers)
        )
        self.norm = nn.LayerNorm(config.vit_width)
        self.neck = nn.Linear(config.vit_width, config.neck)

    def forward(self, patches, recompute=False):
        x = self.inward(patches.flatten(2).transpose(1, 2)) + self.positions  # (B, base base, W)
        for block in self.blocks:
            x = (
                torch.utils.checkpoint.checkpoint(
                    block, x, use_reentrant=False, preserve_rng_state=False
                )
                if recompute and torch.is_grad_enabled()
                else block(x)
            )
        return self.neck(self.norm(x)).transpose(1, 2).unflatten(2, patches.shape[2:])


class ImageEncoder(nn.Module):
    """Pictures (B, C, S, S) in [-1, 1] -> code (B, D) of root mean square 1: what convolutions or a transformer see and, where the
    configuration has linear directions, what a fixed linear map says of the picture as a thumbnail."""

    # see through()
    recompute = False

    def __init__(self, config):
        super().__init__()
        base, widths = feature_widths(config)
        self.patch = config.patch
        self.side = thumbnail_side(config)
        if config.encoder == "vit":
            self.patch = config.image_size // base
            self.layers = PatchTransformer(config.channels * self.patch**2, base**2, config)
        else:
            layers = [
                nn.Conv2d(config.channels * config.patch**2, widths[0], 3, padding=1),
                ChannelNorm(widths[0]),
                nn.SiLU(),
            ]
            for narrow, wide in itertools.pairwise(widths):
                layers += [
                    nn.Conv2d(narrow, wide, 3, stride=2, padding=1),
                    ChannelNorm(wide),
                    nn.SiLU(),
                ]
            self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], config.neck, 1))
        self.to_code = nn.Linear(config.neck * base**2, config.latent_dim)
        if config.linear_dims:
            self.register_buffer("mean", torch.zeros(config.channels * self.side**2))
            self.register_buffer("linear", torch.zeros(config.latent_dim, len(self.mean)))

    def forward(self, images):
        # (B, C P P, S/P, S/P)
        x = F.pixel_unshuffle(images, self.patch).contiguous(memory_format=torch.channels_last)
        # (B, neck, base, base)
        x = (
            self.layers(x, self.recompute)
            if isinstance(self.layers, PatchTransformer)
            else apply_blocks(self.layers, x, self.recompute)
        )
        code = self.to_code(x.flatten(1))  # (B, D)
        if hasattr(self, "linear"):
            code = code + (pooled_pixels(images, self.side) - self.mean) @ self.linear.T
        return F.rms_norm(code, self.to_code.bias.shape)


class ImageDecoder(nn.Module):
    """Code (B, D) -> pictures (B, C, S, S), about [-1, 1]; decode_image clips. What convolutions draw and, enlarged, the thumbnail
    that can be read back from the encoder's linear map."""

    recompute = False

    def __init__(self, config):
        super().__init__()
        base, widths = feature_widths(config)
        self.patch = config.patch
        self.shape = (config.neck, base, base)
        self.size = config.image_size
        self.thumbnail = (config.channels, thumbnail_side(config), thumbnail_side(config))
        self.from_code = nn.Linear(config.latent_dim, config.neck * base**2)
        layers = [
            nn.Conv2d(config.neck, widths[-1], 3, padding=1),
            ChannelNorm(widths[-1]),
            nn.SiLU(),
        ]
        for wide, narrow in zip(widths[::-1], widths[-2::-1]):
            layers += [
                nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1),
                ChannelNorm(narrow),
                nn.SiLU(),
            ]
        self.layers = nn.Sequential(
            *layers, nn.Conv2d(widths[0], config.channels * config.patch**2, 3, padding=1)
        )
        if config.linear_dims:
            self.register_buffer("mean", torch.zeros(math.prod(self.thumbnail)))
            self.register_buffer("linear", torch.zeros(len(self.mean), config.latent_dim))
            self.register_buffer("tone", torch.linspace(-1, 1, TONE_POINTS))

    def printed(self, code):
        """The picture (B, C, S, S) in [-1, 1] for people: `forward` through the tone curve."""
        images = self(code).clamp(-1, 1)
        if not hasattr(self, "tone"):
            return images
        place = (images + 1) * ((TONE_POINTS - 1) / 2)
        low = place.floor().clamp(max=TONE_POINTS - 2).long()
        return torch.lerp(self.tone[low], self.tone[low + 1], place - low)

    @torch.no_grad()
    def set_tone(self, drawn, real):
        """Fit the tone curve: pictures as drawn get the greys, and the paper white, of real ones (histogram matching). (N, C, S, S) each; where lines
        are too fine for the code, what is drawn is their mean, paler than ink on paper."""
        drawn, real = (
            images.clamp(-1, 1)
            .flatten()[:: math.ceil(images.numel() / 4_000_000)]
            .double()
            .cpu()
            .sort()
            .values
            for images in (drawn, real)
        )
        greys = torch.linspace(-1, 1, TONE_POINTS, dtype=torch.float64)
        rank = (
            (torch.searchsorted(drawn, greys) + torch.searchsorted(drawn, greys, right=True))
            / 2
            / len(drawn)
        )
        self.tone.copy_(real[(rank * len(real)).long().clamp(max=len(real) - 1)])

    def forward(self, code):
        x = self.from_code(code).unflatten(1, self.shape)  # (B, neck, base, base)
        # (B, C P P, S/P, S/P)
        x = apply_blocks(
            self.layers, x.contiguous(memory_format=torch.channels_last), self.recompute
        )
        images = F.pixel_shuffle(x, self.patch)  # (B, C, S, S)
        if hasattr(self, "linear"):
            images = images + F.interpolate(
                (self.mean + code @ self.linear.T).unflatten(1, self.thumbnail),
                self.size,
                mode="bilinear",
            )
        return images


def thumbnail_side(config):
    """Pixels: as fine as the latent can say, one number a pixel."""
    return min(32, config.image_size // 2)


def pooled_pixels(images, side):
    """(B, C, S, S) -> (B, C side side)."""
    return F.adaptive_avg_pool2d(images, side).flatten(1)


def linear_code(samples, dimensions, noise, most=None):
    """The linear code from which rows (N, P) are best read back when every one of its D numbers, of mean square 1 on average, gets noise of
    this standard deviation -> mean (P,), encoder (D, P), decoder (P, D), which adds the mean. most: only of so many leading directions,
    the power of the others is left to spare.

    A principal direction of standard deviation s gets the share max(0, c s - noise²) of the power D, and the decoder is Wiener's: Lee
    and Petersen 1976, Optimal linear coding for vector channels (IEEE Transactions on Communications 24)."""
    samples = samples.double()
    noise = max(noise, 0.05)
    mean = samples.mean(0)
    variance, directions = torch.linalg.eigh((samples - mean).T @ (samples - mean) / len(samples))
    # (K,), (P, K)
    variance = variance.flip(0)[:dimensions].clamp(min=1e-12)
    directions = directions.flip(1)[:, :dimensions]
    low = 0.0
    high = (dimensions + dimensions * noise**2) / float(variance.sqrt().max()) + 1
    for _ in range(100):
        c = (low + high) / 2
        power = (c * variance.sqrt() - noise**2).clamp(min=0)  # (K,)
        low, high = (c, high) if power.sum() < dimensions else (low, c)
    power[dimensions if most is None else most :] = 0
    gain = (power / variance).sqrt()
    encoder = (directions * gain).T
    decoder = directions * torch.where(power > 0, power / (gain * (power + noise**2)), 0.0)
    more = dimensions - len(variance)
    return mean.float(), F.pad(encoder, (0, 0, 0, more)).float(), F.pad(decoder, (0, more)).float()
