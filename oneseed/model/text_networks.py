"""Caption transformers: one reads, one writes.

The networks that read and write captions: a causal transformer told the code before every layer, and the one that InfoNCE compares pictures with.
"""

import torch
import torch.nn.functional as F
from torch import nn

from oneseed.model.tokenizer import PAD


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x, mask=None, causal=False):
        """x (B, T, W) -> (B, T, W)."""
        # each (B, H, T, W/H)
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        # (B, H, T, W/H)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.out(x.transpose(1, 2).flatten(2))  # (B, T, W)


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x, **attention):
        x = x + self.attention(self.norm1(x), **attention)
        return x + self.mlp(self.norm2(x))


class TextDecoder(nn.Module):
    """Code (B, D) and the tokens so far (B, T) -> logits of the next (B, T, V). The code is added before every layer and at
    every position, so no position can overlook it. Entries that the tokenizer does not use have logit -inf."""

    def __init__(self, config):
        super().__init__()
        width = config.text_width
        self.tokens = nn.Embedding(config.vocab_size, width)
        self.positions = nn.Parameter(torch.zeros(config.max_caption_length, width))
        self.condition = nn.Linear(config.latent_dim, width * config.text_layers)
        self.blocks = nn.ModuleList(
            Block(width, config.text_heads) for _ in range(config.text_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.register_buffer(
            "unused", torch.zeros(config.vocab_size, dtype=torch.bool), persistent=False
        )

    def forward(self, code, tokens):
        # L of (B, 1, W)
        conditions = self.condition(code)[:, None].chunk(len(self.blocks), -1)
        x = self.tokens(tokens) + self.positions[: tokens.shape[1]]  # (B, T, W)
        for block, own in zip(self.blocks, conditions):
            x = block(x + own, causal=True)
        logits = F.linear(self.norm(x), self.tokens.weight, self.bias)  # (B, T, V)
        return logits.masked_fill(self.unused, -torch.inf)


class CachedDecoder:
    """B captions, a token at a time: what TextDecoder.forward says of the last position, with the keys and values of those before kept (KV cache).

        writing = Writing(decoder, code, length)                        # code (B, D)
        logits = writing.next([START] * B)                              # (B, V); then with the tokens that were chosen, at most `length` times

    A step of a small model costs what its calls cost, not what they compute, so this is forward written out with as few as can be: what is the same
    for all positions is computed once, and a constant that two additions could add is added by the later one. For use under
    torch.inference_mode.
    """

    def __init__(self, decoder, code, length):
        rows = len(code)
        width = decoder.positions.shape[1]
        heads = decoder.blocks[0].attention.heads
        # L of (B, W)
        conditions = decoder.condition(code).chunk(len(decoder.blocks), -1)
        self.tokens = decoder.tokens.weight
        self.device = code.device
        # T of (B, W)
        self.places = (decoder.positions[:length, None] + conditions[0]).unbind()
        self.projected = (rows, 3, heads, width // heads)
        self.flat = (rows, width)
        self.width = (width,)
        self.step = 0
        self.layers = []
        for block, following in zip(decoder.blocks, (*conditions[1:], 0)):
            cache = code.new_zeros(length, 2, rows, heads, width // heads)
            attention = block.attention
            inward = block.mlp[0]
            outward = block.mlp[2]
            self.layers.append(
                (
                    cache.unbind(),
                    *cache.permute(1, 2, 3, 0, 4),
                    block.norm1.weight,
                    block.norm1.bias,
                    attention.qkv.weight,
                    attention.qkv.bias,
                    attention.out.weight.T,
                    attention.out.bias,
                    block.norm2.weight,
                    block.norm2.bias,
                    inward.weight,
                    inward.bias,
                    outward.weight.T,
                    outward.bias + following,
                )
            )
        self.norm = decoder.norm.weight, decoder.norm.bias
        self.bias = decoder.bias.masked_fill(decoder.unused, -torch.inf)

    def next(self, tokens):
        step = self.step
        self.step = self.step + 1
        # (B, W)
        x = F.embedding(torch.tensor(tokens, device=self.device), self.tokens) + self.places[step]
        for (
            places,
            keys,
            values,
            scale1,
            shift1,
            qkv,
            qkv_bias,
            out,
            out_bias,
            scale2,
            shift2,
            inward,
            inward_bias,
            outward,
            outward_bias,
        ) in self.layers:
            # each (B, H, W/H)
            q, *both = (
                F.linear(F.layer_norm(x, self.width, scale1, shift1), qkv, qkv_bias)
                .view(self.projected)
                .unbind(1)
            )
            for place, value in zip(places[step], both):
                place.copy_(value)
            heard = F.scaled_dot_product_attention(
                q.unsqueeze(2), keys.narrow(2, 0, step + 1), values.narrow(2, 0, step + 1)
            ).reshape(self.flat)
            x = torch.addmm(x + out_bias, heard, out)
            x = torch.addmm(
                x + outward_bias,
                F.gelu(F.linear(F.layer_norm(x, self.width, scale2, shift2), inward, inward_bias)),
                outward,
            )
        return F.linear(F.layer_norm(x, self.width, *self.norm), self.tokens, self.bias)


class TextEncoder(nn.Module):
    """Tokens (B, T) -> one vector of the code's length (B, D), which InfoNCE compares with the picture's code."""

    def __init__(self, config):
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.text_width)
        self.positions = nn.Parameter(torch.zeros(config.max_caption_length, config.text_width))
        self.block = Block(config.text_width, config.text_heads)
        self.norm = nn.LayerNorm(config.text_width)
        self.out = nn.Linear(config.text_width, config.latent_dim)

    def forward(self, tokens):
        real = tokens != PAD  # (B, T)
        x = self.tokens(tokens) + self.positions[: tokens.shape[1]]  # (B, T, W)
        x = self.norm(self.block(x, mask=real[:, None, None]))  # (B, T, W)
        return self.out((x * real[..., None]).sum(1) / real.sum(1, keepdim=True))  # (B, D)
