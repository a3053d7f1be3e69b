"""Picture encoder and decoder, and the linear code that both may begin with."""

import itertools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import nn

from oneseed.config.model import VIT_HEAD_WIDTH, ModelConfig, base_and_doublings
from oneseed.model.text_networks import Block
from oneseed.model.weights import require_numbers

# points of the tone curve
TONE_POINTS = 65
# values of pictures that the tone curve is fitted to, at most
MAX_TONE_SAMPLES = 4_000_000
# pixels a side of the thumbnail, at most: as fine as the latent can say, one number a pixel
MAX_THUMBNAIL_SIDE = 32
# halvings of the interval in which the power of a linear code is searched
POWER_BISECTIONS = 100
# share of a code's power that is left to the convolutions beside a linear code, at least
MIN_CONVOLUTION_POWER = 0.01
# layers of a convolution, its norm and its SiLU
STAGE_LENGTH = 3


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel.

    It shares no statistics with the batch or with the rest of the picture.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        x = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        return F.layer_norm(x, x.shape[3:], self.weight, self.bias).permute(0, 3, 1, 2)


def apply_blocks(
    layers: nn.Sequential, x: torch.Tensor, *, recompute: bool = False
) -> torch.Tensor:
    """x through stages of convolution, norm and SiLU, and the last convolution.

    recompute: of each stage only the input is kept for the backward pass, which computes the rest
    once more (Chen et al. 2016, arXiv:1604.06174).
    """
    if not (recompute and torch.is_grad_enabled()):
        return layers(x)
    for first in range(0, len(layers), STAGE_LENGTH):
        x = checkpointed(layers[first : first + STAGE_LENGTH], x)
    return x


def checkpointed(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """module(x), which the backward pass computes once more; the module draws no random numbers."""
    return torch.utils.checkpoint.checkpoint(
        module, x, use_reentrant=False, preserve_rng_state=False
    )


def feature_widths(config: ModelConfig) -> tuple[int, list[int]]:
    """(side of the coarsest feature map, channels of each map from the finest to the coarsest)."""
    base, doublings = base_and_doublings(config.image_size)
    steps = doublings - config.patch.bit_length() + 1
    return base, [min(config.width * 2**step, config.max_width) for step in range(steps + 1)]


class PatchTransformer(nn.Module):
    """Patches (B, C P P, base, base) -> (B, neck, base, base).

    There are as many patches as the coarsest feature map has places. Source: Dosovitskiy et al.
    2020 (arXiv:2010.11929).
    """

    def __init__(self, inward: int, places: int, config: ModelConfig) -> None:
        """inward: numbers of a patch; places: patches of a picture."""
        super().__init__()
        width = config.vit_width
        self.inward = nn.Linear(inward, width)
        self.positions = nn.Parameter(torch.zeros(places, width))
        self.blocks = nn.ModuleList(
            Block(width, width // VIT_HEAD_WIDTH) for _ in range(config.vit_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.neck = nn.Linear(width, config.neck)

    def forward(self, patches: torch.Tensor, *, recompute: bool = False) -> torch.Tensor:
        """recompute: as in apply_blocks, of each transformer block."""
        x = self.inward(patches.flatten(2).transpose(1, 2)) + self.positions  # (B, base base, W)
        for block in self.blocks:
            x = checkpointed(block, x) if recompute and torch.is_grad_enabled() else block(x)
        return self.neck(self.norm(x)).transpose(1, 2).unflatten(2, patches.shape[2:])


class ImageEncoder(nn.Module):
    """Pictures (B, C, S, S) in [-1, 1] -> code (B, D) of root mean square 1.

    The code is what convolutions or a transformer see and, where the configuration has linear
    directions, what a fixed linear map says of the picture as a thumbnail.
    """

    # whether training keeps less and computes more; see apply_blocks
    recompute = False
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
            self.layers = PatchTransformer(config.channels * self.patch**2, base**2, config)
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
        x = x.contiguous(memory_format=torch.channels_last)
        if isinstance(self.layers, PatchTransformer):
            x = self.layers(x, recompute=self.recompute)  # (B, neck, base, base)
        else:
            x = apply_blocks(self.layers, x, recompute=self.recompute)  # (B, neck, base, base)
        code = self.to_code(x.flatten(1))  # (B, D)
        if hasattr(self, "linear"):
            code = code + (pooled_pixels(images, self.side) - self.mean) @ self.linear.T
        return F.rms_norm(code, self.to_code.bias.shape)


class ImageDecoder(nn.Module):
    """Code (B, D) -> pictures (B, C, S, S), about [-1, 1]; `render` clips.

    A picture is what convolutions draw and, enlarged, the thumbnail that can be read back from the
    encoder's linear map.
    """

    # as in ImageEncoder
    recompute = False
    # of the thumbnails, and from the code to them; only with linear directions
    mean: torch.Tensor  # (P,)
    linear: torch.Tensor  # (P, D)
    # what `render` makes of the greys from -1 to 1; only with linear directions
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
        """Code (B, D) -> pictures (B, C, S, S), as training compares them."""
        x = self.from_code(code).unflatten(1, self.shape)  # (B, neck, base, base)
        x = x.contiguous(memory_format=torch.channels_last)
        x = apply_blocks(self.layers, x, recompute=self.recompute)  # (B, C P P, S / P, S / P)
        images = F.pixel_shuffle(x, self.patch)  # (B, C, S, S)
        if hasattr(self, "linear"):
            thumbnails = (self.mean + code @ self.linear.T).unflatten(1, self.thumbnail)
            images = images + F.interpolate(thumbnails, self.size, mode="bilinear")
        return images

    def render(self, code: torch.Tensor) -> torch.Tensor:
        """Code (B, D) -> pictures (B, C, S, S) in [-1, 1] for people: `forward`, tone curve.

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

    @torch.no_grad()
    def set_tone(self, drawn: torch.Tensor, real: torch.Tensor) -> None:
        """Fit the tone curve: drawn pictures get the greys, and the paper white, of real ones.

        Both are (N, C, S, S). Where lines are too fine for the code, their mean is drawn, which is
        paler than ink on paper. The method is histogram matching.
        """
        drawn = sorted_sample(drawn)
        real = sorted_sample(real)
        greys = torch.linspace(-1, 1, TONE_POINTS, dtype=torch.float64)
        below = torch.searchsorted(drawn, greys)
        not_above = torch.searchsorted(drawn, greys, right=True)
        rank = (below + not_above) / 2 / len(drawn)
        self.tone.copy_(real[(rank * len(real)).long().clamp(max=len(real) - 1)])


def sorted_sample(images: torch.Tensor) -> torch.Tensor:
    """Pictures of any shape -> evenly chosen values of theirs in order, (N,) float64 on the CPU."""
    step = math.ceil(images.numel() / MAX_TONE_SAMPLES)
    return images.clamp(-1, 1).flatten()[::step].double().cpu().sort().values


def thumbnail_side(config: ModelConfig) -> int:
    """Pixels a side of the thumbnail that the linear code is of."""
    return min(MAX_THUMBNAIL_SIDE, config.image_size // 2)


def pooled_pixels(images: torch.Tensor, side: int) -> torch.Tensor:
    """Pictures (B, C, S, S) -> thumbnails (B, C side side)."""
    return F.adaptive_avg_pool2d(images, side).flatten(1)


class LinearCode(NamedTuple):
    """A linear map from thumbnails (P,) to codes (D,), and back; see linear_code."""

    mean: torch.Tensor  # (P,)
    encoder: torch.Tensor  # (D, P), for thumbnails without their mean
    decoder: torch.Tensor  # (P, D), to which the mean is added


def linear_code(
    samples: torch.Tensor, dimensions: int, noise: float, max_directions: int | None = None
) -> LinearCode:
    """The linear code from which samples (N, P) are best read back.

    dimensions: numbers of a code, of mean square 1 on average. noise: standard deviation of what
    each of them gets. max_directions: only so many leading directions are encoded, the power of the
    others is left to spare; None: no limit.

    A principal direction of standard deviation s gets the share max(0, c s - noise²) of the power
    `dimensions`, and the decoder is Wiener's: Lee and Petersen 1976, Optimal linear coding for
    vector channels (IEEE Transactions on Communications 24).
    """
    samples = samples.double()
    noise = max(noise, 0.05)
    mean = samples.mean(0)
    variance, directions = torch.linalg.eigh((samples - mean).T @ (samples - mean) / len(samples))
    variance = variance.flip(0)[:dimensions].clamp(min=1e-12)  # (K,)
    directions = directions.flip(1)[:, :dimensions]  # (P, K)
    power = share_power(variance.sqrt(), dimensions, noise)  # (K,)
    power[dimensions if max_directions is None else max_directions :] = 0
    gain = (power / variance).sqrt()
    wiener = torch.where(power > 0, power / (gain * (power + noise**2)), 0.0)
    spare = dimensions - len(variance)
    encoder = F.pad((directions * gain).T, (0, 0, 0, spare))
    decoder = F.pad(directions * wiener, (0, spare))
    return LinearCode(mean.float(), encoder.float(), decoder.float())


@torch.no_grad()
def begin_at_linear_code(
    encoder: ImageEncoder, decoder: ImageDecoder, samples: torch.Tensor, config: ModelConfig
) -> None:
    """Let picture encoder and decoder begin at the best linear code of thumbnails (N, P)."""
    best = linear_code(samples, config.latent_dim, config.code_noise, config.linear_dims)
    linear_power = ((samples - best.mean) @ best.encoder.T).square().mean()
    spare_power = (1 - linear_power).clamp(min=MIN_CONVOLUTION_POWER)
    encoder.to_code.weight.mul_(spare_power.sqrt())
    encoder.mean.copy_(best.mean)
    encoder.linear.copy_(best.encoder)
    decoder.mean.copy_(best.mean)
    decoder.linear.copy_(best.decoder)


def share_power(deviations: torch.Tensor, dimensions: int, noise: float) -> torch.Tensor:
    """Standard deviations (K,) -> max(0, c s - noise²) for each, with c such that the sum fits."""
    low = 0.0
    high = (dimensions + dimensions * noise**2) / float(deviations.max()) + 1
    for _ in range(POWER_BISECTIONS):
        c = (low + high) / 2
        power = (c * deviations - noise**2).clamp(min=0)
        if power.sum() < dimensions:
            low = c
        else:
            high = c
    return power
