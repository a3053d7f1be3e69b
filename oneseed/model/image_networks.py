"""Picture encoder and decoder.

The code begins as a grid: each of its places says what is there in the picture. A linear map on
both sides, which begins as the identity, lets training make it global. The decoder is told, beside
the code, a noised picture and its time, and predicts the picture. A decoder that is told the code
alone can only draw the mean of all pictures that the code allows: grey, since lines are too fine
for a code.
"""

import itertools
from typing import NamedTuple

import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import nn

from oneseed.config.model import FROZEN, VIT_HEAD_WIDTH, ModelConfig, base_and_doublings
from oneseed.console.command import UserError
from oneseed.model.frozen_encoder import FrozenTower
from oneseed.model.text_networks import Block
from oneseed.model.time_waves import WAVES, time_waves, wave_frequencies
from oneseed.model.weights import require_numbers

# layers of a convolution, its norm and its SiLU
STAGE_LENGTH = 3
# channels of each place of the grid, at least
MIN_GRID_CHANNELS = 4
# share of the noise that training shows which pictures are drawn from: with all of it, a network
# that has not learnt everything leaves speckles on plain paper
DRAWN_NOISE = 0.5
# width of what the blocks of the decoder are told of the time
TIME_WIDTH = 128


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


def checkpointed(module: nn.Module, *given: torch.Tensor) -> torch.Tensor:
    """module(*given), which the backward pass computes once more, instead of keeping what it needs.

    The module draws no random numbers. Source: Chen et al. 2016 (arXiv:1604.06174).
    """
    return torch.utils.checkpoint.checkpoint(
        module, *given, use_reentrant=False, preserve_rng_state=False
    )


def feature_widths(config: ModelConfig) -> tuple[int, list[int]]:
    """(side of the coarsest feature map, channels of each map from the finest to the coarsest)."""
    base, doublings = base_and_doublings(config.image_size)
    steps = doublings - config.patch.bit_length() + 1
    return base, [min(config.width * 2**step, config.max_width) for step in range(steps + 1)]


class Grid(NamedTuple):
    """The shape of a code as a grid: channels, and places a side."""

    channels: int
    side: int

    @property
    def numbers(self) -> int:
        """How many numbers it holds; the code may be a little shorter."""
        return self.channels * self.side**2


def code_grid(config: ModelConfig) -> Grid:
    """The finest grid that leaves each place MIN_GRID_CHANNELS channels, 8 x 8 x 16 for 1,024.

    Its side is that of the coarsest feature map, or a half or a quarter of it.
    """
    base, _ = base_and_doublings(config.image_size)
    sides = [-(-base // part) for part in (1, 2, 4)]
    fitting = [side for side in sides if config.latent_dim >= MIN_GRID_CHANNELS * side**2]
    side = fitting[0] if fitting else sides[-1]
    return Grid(max(MIN_GRID_CHANNELS, -(-config.latent_dim // side**2)), side)


class PatchTransformer(nn.Module):
    """Patches (B, C P P, base, base) -> (B, outward, base, base).

    There are as many patches as the coarsest feature map has places. Source: Dosovitskiy et al.
    2020 (arXiv:2010.11929).
    """

    def __init__(self, inward: int, places: int, outward: int, config: ModelConfig) -> None:
        """inward: numbers of a patch; places: patches of a picture; outward: numbers of a place."""
        super().__init__()
        width = config.vit_width
        self.inward = nn.Linear(inward, width)
        self.positions = nn.Parameter(torch.zeros(places, width))
        self.blocks = nn.ModuleList(
            Block(width, width // VIT_HEAD_WIDTH) for _ in range(config.vit_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.neck = nn.Linear(width, outward)

    def forward(self, patches: torch.Tensor, *, recompute: bool = False) -> torch.Tensor:
        """recompute: the backward pass computes each block once more; see checkpointed."""
        x = self.inward(patches.flatten(2).transpose(1, 2)) + self.positions  # (B, base base, W)
        for block in self.blocks:
            x = checkpointed(block, x) if recompute and torch.is_grad_enabled() else block(x)
        return self.neck(self.norm(x)).transpose(1, 2).unflatten(2, patches.shape[2:])


class ImageEncoder(nn.Module):
    """Pictures (B, C, S, S) in [-1, 1] -> code (B, D) of root mean square 1."""

    # whether training keeps less and computes more; see checkpointed
    recompute = False
    # what gives the features of a model whose encoder is frozen
    tower: FrozenTower | None = None

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        base, widths = feature_widths(config)
        self.base = base
        self.grid = code_grid(config)
        self.patch = config.patch
        self.is_frozen = config.encoder == FROZEN
        if self.is_frozen:
            width = config.encoder_width
            self.layers: nn.Module = PatchTransformer(width, base**2, self.grid.channels, config)
        elif config.encoder == "vit":
            self.patch = config.image_size // base
            inward = config.channels * self.patch**2
            self.layers = PatchTransformer(inward, base**2, self.grid.channels, config)
        else:
            first = nn.Conv2d(config.channels * config.patch**2, widths[0], 3, padding=1)
            layers: list[nn.Module] = [first, ChannelNorm(widths[0]), nn.SiLU()]
            for narrow, wide in itertools.pairwise(widths):
                halving = nn.Conv2d(narrow, wide, 3, stride=2, padding=1)
                layers += [halving, ChannelNorm(wide), nn.SiLU()]
            self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], self.grid.channels, 1))
        self.to_code = nn.Linear(self.grid.numbers, config.latent_dim)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures (B, C, S, S) -> code (B, D)."""
        if self.is_frozen:
            x = self.frozen_features(images)  # (B, W, base, base)
        else:
            x = F.pixel_unshuffle(images, self.patch)  # (B, C P P, S / P, S / P)
            x = x.contiguous(memory_format=torch.channels_last)
        if isinstance(self.layers, PatchTransformer):
            x = self.layers(x, recompute=self.recompute)  # (B, channels, base, base)
        elif self.recompute and torch.is_grad_enabled():
            assert isinstance(self.layers, nn.Sequential), f"a {type(self.layers).__name__}"
            for stage in range(0, len(self.layers), STAGE_LENGTH):
                x = checkpointed(self.layers[stage : stage + STAGE_LENGTH], x)
        else:
            x = self.layers(x)  # (B, channels, base, base)
        x = F.adaptive_avg_pool2d(x, self.grid.side)  # (B, channels, side, side)
        return F.rms_norm(self.to_code(x.flatten(1)).float(), self.to_code.bias.shape)

    def frozen_features(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures (B, C, S, S) -> what the frozen encoder says of each place, (B, W, base, base).

        Of one scale: some encoders have numbers that are a hundred times as large as others.
        """
        if self.tower is None:
            raise UserError("this model's picture encoder is not loaded; name it: --encoder PATH")
        x = F.adaptive_avg_pool2d(self.tower.features(images), self.base)
        return F.layer_norm(x.movedim(1, -1), x.shape[1:2]).movedim(-1, 1)


class ResidualBlock(nn.Module):
    """x (B, C, H, W) plus two convolutions of it, which are told the time by scale and shift."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.modulation = nn.Linear(TIME_WIDTH, 2 * channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """told: the time, (B, TIME_WIDTH)."""
        scale, shift = self.modulation(told)[:, :, None, None].chunk(2, 1)
        h = self.norm(x) * (1 + scale) + shift
        return x + self.second(F.silu(self.first(F.silu(h))))


class ImageDecoder(nn.Module):
    """Code, noised pictures and their times -> the pictures, as a U-Net predicts them.

        noised = (1 - time) noise + time picture, for a time from 0 to 1

    At time 0 it sees noise alone and predicts the mean picture of the code, the draft. `draw` goes
    from there to a picture in passes. Predicting the picture, not the noise, lets narrow networks
    work on large patches: Li and He 2025 (arXiv:2511.13720). Training: flow matching, Lipman et al.
    2023 (arXiv:2210.02747).
    """

    # as in ImageEncoder
    recompute = False
    frequencies: torch.Tensor  # (WAVES / 2,)

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        base, widths = feature_widths(config)
        self.grid = code_grid(config)
        self.patch = config.patch
        self.base = base
        self.shape = (config.channels, config.image_size, config.image_size)
        self.register_buffer("frequencies", wave_frequencies(), persistent=False)
        self.time = nn.Sequential(
            nn.Linear(WAVES, TIME_WIDTH), nn.SiLU(), nn.Linear(TIME_WIDTH, TIME_WIDTH), nn.SiLU()
        )
        self.from_code = nn.Linear(config.latent_dim, self.grid.numbers)
        self.read_grid = nn.Conv2d(self.grid.channels, widths[-1], 3, padding=1)
        self.inward = nn.Conv2d(config.channels * config.patch**2, widths[0], 3, padding=1)
        pairs = list(itertools.pairwise(widths))
        self.downward = nn.ModuleList(blocks(width, config.blocks) for width in widths)
        self.halvings = nn.ModuleList(
            nn.Conv2d(narrow, wide, 3, stride=2, padding=1) for narrow, wide in pairs
        )
        self.doublings = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1) for narrow, wide in pairs
        )
        self.upward = nn.ModuleList(blocks(width, config.blocks) for width in widths[:-1])
        self.norm = ChannelNorm(widths[0])
        self.outward = nn.Conv2d(widths[0], config.channels * config.patch**2, 3, padding=1)

    def forward(
        self, code: torch.Tensor, noised: torch.Tensor, times: torch.Tensor
    ) -> torch.Tensor:
        """code (B, D), noised (B, C, S, S), times (B,) -> pictures (B, C, S, S), about [-1, 1]."""
        told = self.time(time_waves(times, self.frequencies))  # (B, TIME_WIDTH)
        x = F.pixel_unshuffle(noised, self.patch).contiguous(memory_format=torch.channels_last)
        x = self.inward(x)  # (B, W, S / P, S / P)
        skipped = []
        for level, halve in zip(self.downward, self.halvings):
            x = self.through(level, x, told)
            skipped.append(x)
            x = halve(x)
        x = self.through(self.downward[-1], x + self.read(code), told)  # (B, W, base, base)
        for level, double in zip(reversed(self.upward), reversed(self.doublings)):
            x = self.through(level, double(x) + skipped.pop(), told)
        return F.pixel_shuffle(self.outward(F.silu(self.norm(x))), self.patch).float()

    def read(self, code: torch.Tensor) -> torch.Tensor:
        """Code (B, D) -> what it adds to the coarsest feature map, (B, W, base, base)."""
        shape = (self.grid.channels, self.grid.side, self.grid.side)
        grid = (
            self.from_code(code).unflatten(1, shape).contiguous(memory_format=torch.channels_last)
        )
        return self.read_grid(F.interpolate(grid, self.base) if shape[1] != self.base else grid)

    def through(self, level: nn.Module, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """x through the blocks of a level."""
        for block in level.children():
            is_recomputed = self.recompute and torch.is_grad_enabled()
            x = checkpointed(block, x, told) if is_recomputed else block(x, told)
        return x

    def draw(self, code: torch.Tensor, noise: torch.Tensor, passes: int) -> torch.Tensor:
        """Code (B, D) -> pictures (B, C, S, S) in [-1, 1], drawn in so many passes.

        noise: (B, C, S, S), standard normal. One pass gives the draft. Each further one predicts
        the picture again, from what the passes before made of noise and predictions (Euler's
        method), and draws more of its lines. UserError where what is drawn is no number.
        """
        x = DRAWN_NOISE * noise
        for step in range(passes):
            times = torch.full((len(code),), step / passes, device=code.device)
            predicted = self(code, x, times)
            require_numbers(predicted, "pictures")
            x = torch.lerp(x, predicted.clamp(-1, 1), 1 / (passes - step))
        return x


def blocks(width: int, count: int) -> nn.ModuleList:
    """The blocks of one level."""
    return nn.ModuleList(ResidualBlock(width) for _ in range(count))
