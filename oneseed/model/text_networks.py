"""The networks that read and write captions, and how a caption is written token by token.

TextDecoder is a causal transformer that is given the code before every layer; TextEncoder gives the
vector that InfoNCE compares with the picture's code.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from oneseed.config.model import ModelConfig
from oneseed.model.caption_constraint import CaptionConstraint
from oneseed.model.tokenizer import END, PAD, START
from oneseed.model.weights import require_numbers

# logits this near the best count as equal; the lower id wins
TIE = 1e-3


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    causal: bool = False,
) -> torch.Tensor:
    """Scaled dot-product attention of q, k and v, each (B, H, T, W / H).

    Where a CPU trains in bfloat16 it is computed in float32: torch's backward pass takes seven
    times as long in bfloat16 there.
    """
    if not torch.is_autocast_enabled("cpu"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(
            q.float(), k.float(), v.float(), attn_mask=mask, is_causal=causal
        )


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, *, causal: bool = False
    ) -> torch.Tensor:
        """(B, T, W) -> (B, T, W). mask: bool, what may be attended to; it fits (B, H, T, T)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        # each of q, k, v and the result is (B, H, T, W / H)
        x = attend(q, k, v, mask, causal=causal)
        return self.out(x.transpose(1, 2).flatten(2))  # (B, T, W)


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: torch.Tensor, **attention: Any) -> torch.Tensor:
        """(B, T, W) -> (B, T, W). attention: arguments of Attention.forward."""
        x = x + self.attention(self.norm1(x), **attention)
        return x + self.mlp(self.norm2(x))


class TextDecoder(nn.Module):
    """Code (B, D) and the tokens so far (B, T) -> logits of the next (B, T, V).

    The code is added before every layer and at every position, so no position can overlook it.
    Entries that the tokenizer does not use have logit -inf.
    """

    unused: torch.Tensor  # (V,) bool

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.text_width
        self.heads = config.text_heads
        self.tokens = nn.Embedding(config.vocab_size, width)
        self.positions = nn.Parameter(torch.zeros(config.max_caption_length, width))
        self.condition = nn.Linear(config.latent_dim, width * config.text_layers)
        self.blocks = nn.ModuleList(
            Block(width, config.text_heads) for _ in range(config.text_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        unused = torch.zeros(config.vocab_size, dtype=torch.bool)
        self.register_buffer("unused", unused, persistent=False)

    def forward(self, code: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """code (B, D), tokens (B, T) -> logits (B, T, V)."""
        conditions = self.condition(code)[:, None].chunk(len(self.blocks), -1)  # L of (B, 1, W)
        x = self.tokens(tokens) + self.positions[: tokens.shape[1]]  # (B, T, W)
        for block, condition in zip(self.blocks, conditions, strict=True):
            x = block(x + condition, causal=True)
        logits = F.linear(self.norm(x), self.tokens.weight, self.bias)  # (B, T, V)
        return logits.masked_fill(self.unused, -torch.inf)

    def writer(self, code: torch.Tensor, length: int) -> "CachedDecoder":
        """Captions of codes (B, D), a token at a time. length: tokens at most."""
        return CachedDecoder(self, code, length)


class LayerWeights(NamedTuple):
    """One layer of a CachedDecoder: its caches and its weights in the order of their use.

    A caption has up to T tokens; W is the width, H the number of heads.
    """

    slots: tuple[torch.Tensor, ...]  # T of (2, B, H, W / H), a view of keys and values
    keys: torch.Tensor  # (B, H, T, W / H)
    values: torch.Tensor  # (B, H, T, W / H)
    scale1: torch.Tensor  # (W,)
    shift1: torch.Tensor  # (W,)
    qkv: torch.Tensor  # (3 W, W)
    qkv_bias: torch.Tensor  # (3 W,)
    out: torch.Tensor  # (W, W), transposed
    out_bias: torch.Tensor  # (W,)
    scale2: torch.Tensor  # (W,)
    shift2: torch.Tensor  # (W,)
    widen: torch.Tensor  # (4 W, W)
    widen_bias: torch.Tensor  # (4 W,)
    narrow: torch.Tensor  # (4 W, W), transposed
    narrow_bias: torch.Tensor  # (W,) or (B, W): the next layer's condition is in it


def cached_layer(
    block: Block, cache: torch.Tensor, next_condition: torch.Tensor | int
) -> LayerWeights:
    """A transformer block and its cache (T, 2, B, H, W / H); next_condition: see narrow_bias."""
    keys, values = cache.permute(1, 2, 3, 0, 4)
    widen = cast(nn.Linear, block.mlp[0])
    narrow = cast(nn.Linear, block.mlp[2])
    return LayerWeights(
        slots=cache.unbind(),
        keys=keys,
        values=values,
        scale1=block.norm1.weight,
        shift1=block.norm1.bias,
        qkv=block.attention.qkv.weight,
        qkv_bias=block.attention.qkv.bias,
        out=block.attention.out.weight.T,
        out_bias=block.attention.out.bias,
        scale2=block.norm2.weight,
        shift2=block.norm2.bias,
        widen=widen.weight,
        widen_bias=widen.bias,
        narrow=narrow.weight.T,
        narrow_bias=narrow.bias + next_condition,
    )


class CachedDecoder:
    """B captions, a token at a time: TextDecoder.forward of the last position, with a KV cache.

        writer = CachedDecoder(decoder, code, length)   # code (B, D)
        logits = writer.next(torch.full((B,), START))   # (B, V); then with the chosen tokens

    A step of a small model costs what its calls cost, not what they compute. So this is forward
    written out with as few calls as possible: what is the same for all positions is computed once,
    and a constant that two additions could add is added by the later one. For use under
    torch.inference_mode.
    """

    def __init__(self, decoder: TextDecoder, code: torch.Tensor, length: int) -> None:
        rows = len(code)
        width = decoder.positions.shape[1]
        heads = decoder.heads
        conditions = decoder.condition(code).chunk(len(decoder.blocks), -1)  # L of (B, W)
        self.tokens = decoder.tokens.weight
        self.device = code.device
        # of each position, with the first layer's condition: T of (B, W)
        self.positions = (decoder.positions[:length, None] + conditions[0]).unbind()
        self.projected = (rows, 3, heads, width // heads)
        self.flat = (rows, width)
        self.width = (width,)
        self.step = 0
        self.layers = []
        for block, next_condition in zip(decoder.blocks, (*conditions[1:], 0), strict=True):
            cache = code.new_zeros(length, 2, rows, heads, width // heads)
            self.layers.append(cached_layer(cast(Block, block), cache, next_condition))
        self.norm = decoder.norm.weight, decoder.norm.bias
        self.bias = decoder.bias.masked_fill(decoder.unused, -torch.inf)

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        """The tokens at the next position, int64 (B,) -> logits (B, V) of those that follow."""
        step = self.step
        self.step = self.step + 1
        # (B, W)
        x = F.embedding(tokens.to(self.device), self.tokens) + self.positions[step]
        for layer in self.layers:
            h = F.layer_norm(x, self.width, layer.scale1, layer.shift1)
            qkv = F.linear(h, layer.qkv, layer.qkv_bias).view(self.projected)
            q, key, value = qkv.unbind(1)  # each (B, H, W / H)
            key_slot, value_slot = layer.slots[step]
            key_slot.copy_(key)
            value_slot.copy_(value)
            keys = layer.keys.narrow(2, 0, step + 1)
            values = layer.values.narrow(2, 0, step + 1)
            attended = F.scaled_dot_product_attention(q.unsqueeze(2), keys, values)
            x = torch.addmm(x + layer.out_bias, attended.reshape(self.flat), layer.out)
            h = F.layer_norm(x, self.width, layer.scale2, layer.shift2)
            h = F.gelu(F.linear(h, layer.widen, layer.widen_bias))
            x = torch.addmm(x + layer.narrow_bias, h, layer.narrow)
        return F.linear(F.layer_norm(x, self.width, *self.norm), self.tokens, self.bias)


class CaptionDecoder(Protocol):
    """What writes captions: TextDecoder, or one of a frozen language model."""

    def __call__(self, code: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """As TextDecoder.forward."""
        ...

    def writer(self, code: torch.Tensor, length: int) -> Any:
        """Something with `next`, as CachedDecoder has it."""
        ...


@torch.inference_mode()
def write_captions(
    decoder: CaptionDecoder,
    code: torch.Tensor,
    max_length: int,
    *,
    temperature: float = 0.0,
    generators: Sequence[torch.Generator] | None = None,
    use_cache: bool = True,
    constraint: CaptionConstraint | None = None,
) -> list[list[int]]:
    """Codes (B, D) -> B lists of ids, from START to END, or max_length ids where no END came.

    temperature: 0 takes the likeliest token, the lower id among near-equals; above 0 it is drawn,
    row i with generators[i] (CPU). use_cache: False reads all tokens again for each one, with the
    same result. constraint: of what may be written.
    """
    tokens = np.full((len(code), max_length), PAD)
    tokens[:, 0] = START
    is_open = np.full(len(code), True)
    held = constraint.begin(len(code)) if constraint else None
    writer = decoder.writer(code, max_length - 1) if use_cache else None
    for step in range(max_length - 1):
        if writer:
            logits = writer.next(torch.from_numpy(tokens[:, step]))
        else:
            read = torch.from_numpy(tokens[:, : step + 1]).to(code.device)
            logits = decoder(code, read)[:, -1]
        logits = logits.float().cpu()  # (B, V)
        if held:
            logits = torch.from_numpy(held.masked(logits.numpy()))
        if temperature:
            assert generators is not None, "a temperature needs a generator for each row"
            chosen = draw_tokens(logits, temperature, generators)
        else:
            chosen = likeliest_tokens(logits.numpy())
        if held:
            held.take(chosen)
        tokens[is_open, step + 1] = chosen[is_open]
        is_open &= (chosen != END) & (chosen != PAD)
        if not is_open.any():
            break
    return [row[row != PAD].tolist() for row in tokens]


def likeliest_tokens(logits: np.ndarray) -> np.ndarray:
    """Logits (B, V) -> B tokens, of near-equals the first."""
    best = logits.max(-1, keepdims=True)  # (B, 1)
    require_numbers(torch.from_numpy(best), "captions")
    return (logits >= best - TIE).argmax(-1)


def draw_tokens(
    logits: torch.Tensor, temperature: float, generators: Sequence[torch.Generator]
) -> np.ndarray:
    """Logits (B, V) -> B tokens, row i drawn with generators[i]."""
    require_numbers(logits.amax(-1), "captions")
    scaled = logits.double() / temperature
    if not scaled.amax(-1).isfinite().all():
        # a temperature near 0 leaves no room above the best
        scaled = (logits - logits.amax(-1, keepdim=True)).double() / temperature
    chances = scaled.softmax(-1)
    drawn = [
        int(torch.multinomial(chance, 1, generator=generator))
        for chance, generator in zip(chances, generators, strict=True)
    ]
    return np.array(drawn)


class TextEncoder(nn.Module):
    """Tokens (B, T) -> (B, D), a vector that InfoNCE compares with the picture's code."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.text_width)
        self.positions = nn.Parameter(torch.zeros(config.max_caption_length, config.text_width))
        self.block = Block(config.text_width, config.text_heads)
        self.norm = nn.LayerNorm(config.text_width)
        self.out = nn.Linear(config.text_width, config.latent_dim)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """tokens (B, T), PAD after the end -> (B, D), the mean over the real positions."""
        is_real = tokens != PAD  # (B, T)
        x = self.tokens(tokens) + self.positions[: tokens.shape[1]]  # (B, T, W)
        x = self.norm(self.block(x, mask=is_real[:, None, None]))  # (B, T, W)
        mean = (x * is_real[..., None]).sum(1) / is_real.sum(1, keepdim=True)  # (B, W)
        return self.out(mean)
