"""The flow of the prior: its velocity network, the regression beside it, and the solver.

A flow carries standard normal points to the leading coordinates of codes: y(0) is noise, y(1) a
code, and dy/dt = v(y, t | condition). It is fitted by flow matching (Lipman et al. 2023,
arXiv:2210.02747) in `prior_fitting`.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from oneseed.model.time_waves import WAVES, time_waves, wave_frequencies

# stands for "no cluster given"
NO_CLUSTER = -1
# Runge-Kutta steps from noise to code, four evaluations of the network each
SOLVER_STEPS = 12
# time up to which guidance acts: what is drawn is settled early, later guidance only distorts
GUIDED_UNTIL = 0.5


class ByteDropout(nn.Module):
    """nn.Dropout with probability 26 / 256 whose random numbers are bytes, eight to a draw.

    On a CPU the random numbers of nn.Dropout take a sixth of a whole fitting step.
    """

    # of 256
    DROPPED = 26

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape -> the same shape; unchanged in eval mode."""
        if not self.training:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        random_bytes = words.view(torch.uint8)[: x.numel()]
        kept = (random_bytes >= self.DROPPED).view(x.shape).to(x)
        return x * kept.mul_(256 / (256 - self.DROPPED))


class VelocityField(nn.Module):
    """v(y, t | condition), a residual MLP: (B, k), (B,), (B, W) -> (B, k).

    Its last layer starts at zero, so an unfitted flow is the identity. The dropout lets a flow that
    sees some thousand codes leave room between them.
    """

    frequencies: torch.Tensor  # (WAVES / 2,)

    def __init__(
        self, dims: int, width: int, clusters: int, latent_dim: int, *, depth: int = 3
    ) -> None:
        super().__init__()
        self.register_buffer("frequencies", wave_frequencies(), persistent=False)
        self.inward = nn.Linear(dims, width)
        self.time = nn.Linear(WAVES, width)
        self.cluster = nn.Embedding(clusters, width)
        self.caption = nn.Linear(latent_dim, width, bias=False)
        self.blocks = nn.ModuleList(velocity_block(width) for _ in range(depth))
        self.outward = nn.Linear(width, dims)

    def condition(
        self, clusters: torch.Tensor, captions: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What the flow is given -> (B, W).

        clusters: int (B,), NO_CLUSTER where none is given. captions: features (B, D), zeros where
        none is given.
        """
        is_given = clusters != NO_CLUSTER
        given = self.cluster(clusters.clamp(min=0)) * is_given[:, None]
        return given if captions is None else given + self.caption(captions)

    def forward(self, y: torch.Tensor, t: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Points (B, k), times (B,) in [0, 1], conditions (B, W) -> velocities (B, k)."""
        shift = self.time(time_waves(t, self.frequencies)) + condition  # (B, W)
        x = self.inward(y)  # (B, W)
        for block in self.blocks:
            x = x + block(x + shift)
        return self.outward(F.silu(x))  # (B, k)


def velocity_block(width: int) -> nn.Sequential:
    """One residual block of a VelocityField, (B, W) -> (B, W)."""
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, width),
        nn.SiLU(),
        nn.Linear(width, width),
        ByteDropout(),
    )


class Regression(nn.Sequential):
    """(B, k) -> (B, m): the mean of the m following coordinates, given the k leading ones.

    An unfitted one says zero, their mean.
    """

    def __init__(self, dims: int, width: int, following: int) -> None:
        with warnings.catch_warnings():
            # no coordinate may be left to follow
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")
            super().__init__(
                nn.Linear(dims, width),
                nn.SiLU(),
                nn.Linear(width, width),
                nn.SiLU(),
                ByteDropout(),
                nn.Linear(width, following),
            )


def frozen(weight: torch.Tensor) -> torch.Tensor:
    """A weight in float32 on the CPU, without gradient; no copy where it is that already."""
    return weight.detach().float().cpu()


def predict_frozen(regression: Regression, y: torch.Tensor) -> torch.Tensor:
    """A regression without dropout or gradients of its own: (B, k) -> (B, m) float32 on the CPU."""
    first, *others = [layer for layer in regression if isinstance(layer, nn.Linear)]
    x = F.linear(y.float().cpu(), frozen(first.weight), frozen(first.bias))
    for layer in others:
        x = F.linear(F.silu(x), frozen(layer.weight), frozen(layer.bias))
    return x


class BlockWeights(NamedTuple):
    """The weights of one residual block, in the order of its parameters."""

    norm_scale: torch.Tensor  # (W,)
    norm_shift: torch.Tensor  # (W,)
    first: torch.Tensor  # (W, W)
    first_bias: torch.Tensor  # (W,)
    second: torch.Tensor  # (W, W)
    second_bias: torch.Tensor  # (W,)


class FrozenField:
    """A VelocityField for one solve: float32 on the CPU, without dropout or gradients of its own.

    A small batch costs what its calls cost, not what they compute. So this is VelocityField.forward
    written out with as few calls as possible, and the times are embedded beforehand.
    """

    def __init__(self, field: VelocityField) -> None:
        self.field = field
        self.width = field.inward.bias.shape
        self.inward = frozen(field.inward.weight).T
        self.inward_bias = frozen(field.inward.bias)
        self.outward = frozen(field.outward.weight).T
        self.outward_bias = frozen(field.outward.bias)
        self.blocks = []
        for block in field.blocks:
            weights = BlockWeights(*(frozen(weight) for weight in block.parameters()))
            self.blocks.append(weights._replace(first=weights.first.T, second=weights.second.T))

    @torch.no_grad()
    def condition(
        self, clusters: torch.Tensor, captions: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As VelocityField.condition, of and on the CPU."""
        device = self.field.cluster.weight.device
        features = None if captions is None else captions.to(device)
        return self.field.condition(clusters.to(device), features).float().cpu()

    def embed(self, times: Sequence[float]) -> tuple[torch.Tensor, ...]:
        """T times -> T of (W,)."""
        frequencies = self.field.frequencies.cpu().double()
        waves = time_waves(torch.tensor(times, dtype=torch.float64), frequencies).float()
        layer = self.field.time
        return F.linear(waves, frozen(layer.weight), frozen(layer.bias)).unbind()

    def velocity(self, y: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        """Points (B, k), their embedded time plus condition (B, W) -> velocities (B, k)."""
        x = torch.addmm(self.inward_bias, y, self.inward)  # (B, W)
        for block in self.blocks:
            h = F.layer_norm(x + shift, self.width, block.norm_scale, block.norm_shift)
            h = F.silu(torch.addmm(block.first_bias, h, block.first))
            x = torch.addmm(x + block.second_bias, h, block.second)
        return torch.addmm(self.outward_bias, F.silu(x), self.outward)  # (B, k)


def solve_flow(
    field: VelocityField,
    y: torch.Tensor,
    begin: float,
    end: float,
    *,
    clusters: torch.Tensor | None = None,
    captions: torch.Tensor | None = None,
    guidance: float = 1.0,
) -> torch.Tensor:
    """Follow the flow from t = begin to end: (B, k) -> (B, k), device and dtype of y.

    The method is the classical Runge-Kutta, in float32 on the CPU, whatever the model's device.
    clusters, captions: as in VelocityField.condition; None: none is given. guidance: 1 follows the
    condition as learnt, above exaggerates what it changes (classifier-free guidance: Ho and
    Salimans 2022, arXiv:2207.12598).
    """
    frozen_field = FrozenField(field)
    nothing = torch.full((len(y),), NO_CLUSTER)
    condition = frozen_field.condition(nothing if clusters is None else clusters, captions)
    both_conditions = condition
    if guidance != 1:
        both_conditions = torch.cat([condition, frozen_field.condition(nothing)])  # (2 B, W)
    step_count = max(1, round(SOLVER_STEPS * abs(end - begin)))
    h = (end - begin) / step_count
    # where steps begin and end, and their middles
    times = [begin + i * h / 2 for i in range(2 * step_count + 1)]
    embedded = frozen_field.embed(times)

    def velocity(x: torch.Tensor, i: int) -> torch.Tensor:
        """Of the points x at the time times[i]."""
        if guidance == 1 or times[i] > GUIDED_UNTIL:
            return frozen_field.velocity(x, embedded[i] + condition)
        # all rows with their condition, then all without, in one evaluation
        both = frozen_field.velocity(torch.cat([x, x]), embedded[i] + both_conditions)
        given, free = both.chunk(2)
        return torch.lerp(free, given, guidance)

    x = y.float().cpu()
    for i in range(0, 2 * step_count, 2):
        k1 = velocity(x, i)
        k2 = velocity(x + h / 2 * k1, i + 1)
        k3 = velocity(x + h / 2 * k2, i + 1)
        k4 = velocity(x + h * k3, i + 2)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x.to(y)
