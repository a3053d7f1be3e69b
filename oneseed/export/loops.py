"""What of a model repeats itself, as loops that become one node of an ONNX file each.

torch unrolls Python's loops: 48 evaluations of the flow would be 1,400 nodes. What a loop carries
from turn to turn lies contiguously in memory, as torch's while_loop demands.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from torch._higher_order_ops import while_loop

from oneseed.model.flow import GUIDED_UNTIL, SOLVER_STEPS, FrozenField, VelocityField
from oneseed.model.image_networks import DRAWN_NOISE, ImageDecoder
from oneseed.model.text_networks import TIE, Block, TextDecoder
from oneseed.model.tokenizer import END, PAD, START

# where the steps of the solver begin and end, and their middles
FLOW_TIMES = [i / (2 * SOLVER_STEPS) for i in range(2 * SOLVER_STEPS + 1)]
# steps of which a part is guided
GUIDED_STEPS = sum(time <= GUIDED_UNTIL for time in FLOW_TIMES[::2])


def contiguous(x: torch.Tensor) -> torch.Tensor:
    """The same numbers in a memory of their own, row after row."""
    return x.clone(memory_format=torch.contiguous_format)


def picked_row(table: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
    """A table (N, ...) and an int64 scalar -> that row, (1, ...)."""
    return table.index_select(0, number.reshape(1))


class FlowSolver(nn.Module):
    """solve_flow of flow.py: the classical Runge-Kutta from noise to code, and back."""

    forth: torch.Tensor  # (T, W), the embedded FLOW_TIMES
    back: torch.Tensor  # (T, W), the same from the end
    is_guided: torch.Tensor  # (T,) float, 1 up to GUIDED_UNTIL and 0 after it

    def __init__(self, flow: VelocityField) -> None:
        super().__init__()
        self.field = FrozenField(flow)
        embedded = torch.stack(self.field.embed(FLOW_TIMES))
        self.register_buffer("forth", embedded)
        self.register_buffer("back", embedded.flip(0).contiguous())
        is_guided = torch.tensor([float(time <= GUIDED_UNTIL) for time in FLOW_TIMES])
        self.register_buffer("is_guided", is_guided)

    def solve(
        self,
        y: torch.Tensor,
        condition: torch.Tensor,
        *,
        first: int = 0,
        count: torch.Tensor | int = SOLVER_STEPS,
        backward: bool = False,
    ) -> torch.Tensor:
        """Points (B, k), conditions (B, W) -> points (B, k).

        first: step at which to begin; count: the one before which to end. backward: from code to
        noise.
        """
        times = self.back if backward else self.forth
        h = -1 / SOLVER_STEPS if backward else 1 / SOLVER_STEPS
        field = self.field

        def velocity(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
            return field.velocity(x, picked_row(times, i) + condition)

        return runge_kutta(velocity, y, h, first, count)

    def solve_guided(
        self, y: torch.Tensor, given: torch.Tensor, free: torch.Tensor, guidance: torch.Tensor
    ) -> torch.Tensor:
        """As solve, guided from the condition free (B, W) to given (B, W) and beyond.

        guidance: a float scalar, as in solve_flow.
        """
        both = torch.cat([given, free])  # (2 B, W)
        times = self.forth
        field = self.field
        strengths = 1 + (guidance - 1) * self.is_guided  # (T,)

        def velocity(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
            found = field.velocity(torch.cat([x, x]), picked_row(times, i) + both)
            told, untold = found.view(2, *x.shape).unbind()
            return untold + picked_row(strengths, i) * (told - untold)

        x = runge_kutta(velocity, y, 1 / SOLVER_STEPS, 0, GUIDED_STEPS)
        return self.solve(x, given, first=GUIDED_STEPS)


def runge_kutta(
    velocity: Any, y: torch.Tensor, h: float, first: int, count: torch.Tensor | int
) -> torch.Tensor:
    """Steps of length h from y (B, k), from number `first` to before `count`.

    velocity: of points (B, k) at the time of a number, int64, that counts half steps.
    """

    def goes_on(step: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return step < count

    def advance(step: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        i = 2 * step
        k1 = velocity(x, i)
        k2 = velocity(x + h / 2 * k1, i + 1)
        k3 = velocity(x + h / 2 * k2, i + 1)
        k4 = velocity(x + h * k3, i + 2)
        return step + 1, contiguous(x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))

    _, x = while_loop(goes_on, advance, (torch.tensor(first), contiguous(y)))
    return x


def draw_in_passes(
    decoder: ImageDecoder, code: torch.Tensor, noise: torch.Tensor, passes: torch.Tensor
) -> torch.Tensor:
    """ImageDecoder.draw: noise (B, C, S, S) -> pictures (B, C, S, S) in [-1, 1].

    code: (B, D), what the decoder reads. passes: int64 scalar, 1 or more.
    """

    def goes_on(step: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return step < passes

    def advance(step: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        times = (step.float() / passes.float()).expand(code.shape[0])
        predicted = decoder(code, x, times).clamp(-1, 1)
        return step + 1, contiguous(x + (predicted - x) / (passes - step).float())

    _, x = while_loop(goes_on, advance, (torch.tensor(0), contiguous(DRAWN_NOISE * noise)))
    return x


class CaptionWriter(nn.Module):
    """write_captions of text_networks.py at temperature 0, with its KV cache."""

    bias: torch.Tensor  # (V,), -inf for entries that are not used
    places: torch.Tensor  # (T,), the numbers of the tokens

    def __init__(self, decoder: TextDecoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.blocks = [cast(Block, block) for block in decoder.blocks]
        # behind START
        self.length = len(decoder.positions) - 1
        bias = decoder.bias.detach().masked_fill(decoder.unused, -torch.inf)
        self.register_buffer("bias", bias)
        self.register_buffer("places", torch.arange(self.length))

    def forward(self, code: torch.Tensor, leading: torch.Tensor) -> torch.Tensor:
        """What the decoder reads, (B, D) -> tokens behind START, int64 (B, T), PAD behind END.

        leading: not used.
        """
        rows = code.shape[0]
        heads = self.decoder.heads
        width = self.decoder.positions.shape[1] // heads
        layers = len(self.blocks)
        conditions = self.decoder.condition(code)  # (B, L W), of all layers
        tokens = torch.full((rows, self.length), PAD)
        last = torch.full((rows,), START)
        is_open = torch.ones(rows, dtype=torch.bool)
        caches = [code.new_zeros(rows, heads, self.length, width) for _ in range(2 * layers)]

        def goes_on(step: torch.Tensor, *carried: torch.Tensor) -> torch.Tensor:
            return (step < self.length) & carried[2].any()

        def advance(step: torch.Tensor, *carried: torch.Tensor) -> tuple[torch.Tensor, ...]:
            last, tokens, is_open, *caches = carried
            logits, caches = self.next(step, last, conditions, caches)
            best = logits.amax(-1, keepdim=True)  # (B, 1)
            chosen = (logits >= best - TIE).int().argmax(-1)  # (B,)
            chosen = torch.where(is_open, chosen, PAD)
            tokens = torch.where(self.places == step, chosen[:, None], tokens)
            return step + 1, chosen, tokens, is_open & (chosen != END), *caches

        found = while_loop(goes_on, advance, (torch.tensor(0), last, tokens, is_open, *caches))
        return found[2]

    def next(
        self,
        step: torch.Tensor,
        last: torch.Tensor,
        conditions: torch.Tensor,
        caches: Sequence[torch.Tensor],
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The tokens at position `step`, (B,) -> logits (B, V) of the next, and the new caches."""
        decoder = self.decoder
        is_here = (self.places == step)[:, None]  # (T, 1)
        is_read = self.places <= step  # (T,)
        x = decoder.tokens(last) + picked_row(decoder.positions, step)  # (B, W)
        kept = []
        per_layer = conditions.chunk(len(self.blocks), -1)  # L of (B, W)
        for number, (block, condition) in enumerate(zip(self.blocks, per_layer)):
            x = x + condition
            qkv = block.attention.qkv(block.norm1(x)).unflatten(-1, (3, decoder.heads, -1))
            q, key, value = qkv[:, :, :, None].unbind(1)  # each (B, H, 1, W / H)
            keys = torch.where(is_here, key, caches[2 * number])  # (B, H, T, W / H)
            values = torch.where(is_here, value, caches[2 * number + 1])
            scores = q @ keys.transpose(-1, -2) * q.shape[-1] ** -0.5  # (B, H, 1, T)
            weights = scores.masked_fill(~is_read, -torch.inf).softmax(-1)
            x = x + block.attention.out((weights @ values).flatten(1))
            x = x + block.mlp(block.norm2(x))
            kept += [keys, values]
        return nn.functional.linear(decoder.norm(x), decoder.tokens.weight, self.bias), kept
