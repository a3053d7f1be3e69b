"""A plain autoencoder with a caption transformer, and our model beside it."""

import functools
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oneseed.console.output import progress
from oneseed.model.tokenizer import PAD
from oneseed.training.data import Batch, PairLoader
from oneseed.training.losses import l1_plus_mse
from oneseed.training.memory import format_bytes, measured_peak, optimizer_tensors, total_bytes
from training_loop import MultimodalTrainer

# pictures that nothing is trained on
HELD_OUT = 16


class Plain(nn.Module):
    """The plain way: five strided 4 x 4 convolutions with BatchNorm and ReLU, and back.

    A linear latent of 1,024, five transposed convolutions, and a caption transformer.
    """

    def __init__(self, size: int, width: int = 64, vocabulary: int = 8000) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 8 * width, 8 * width]
        base = size // 64
        down = []
        for a, b in itertools.pairwise(widths):
            down += [nn.Conv2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]
        up = []
        for a, b in itertools.pairwise(widths[:0:-1]):
            up += [nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]
        self.encoder = nn.Sequential(
            *down, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8 * width * base**2, 1024)
        )
        self.decoder = nn.Sequential(
            nn.Linear(1024, 8 * width * base**2),
            nn.Unflatten(1, (8 * width, base, base)),
            nn.Upsample(scale_factor=2),
            *up,
            nn.ConvTranspose2d(width, 3, 4, 2, 1),
            nn.Tanh(),
        )
        self.tokens = nn.Embedding(vocabulary, 512)
        self.positions = nn.Parameter(torch.zeros(100, 512))
        self.condition = nn.Linear(1024, 512)
        self.out = nn.Linear(512, vocabulary)
        layer = nn.TransformerEncoderLayer(512, 8, 2048, 0.0, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, 4)

    def forward(self, images: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """images (B, 3, S, S), tokens (B, T) -> pictures (B, 3, S, S), logits (B, T, V)."""
        code = self.encoder(images)
        length = tokens.shape[1]
        x = self.tokens(tokens) + self.positions[:length] + self.condition(code)[:, None]
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=x.device)
        return self.decoder(code), self.out(self.transformer(x, mask, is_causal=True))


class PlainTrainer:
    """Trains a plain autoencoder with Adam."""

    def __init__(self, size: int, device: torch.device) -> None:
        torch.manual_seed(0)
        self.model = Plain(size).to(device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=2e-4)

    def train_step(self, batch: Batch, step: int) -> None:
        """One optimiser step."""
        pictures, logits = self.model(batch.images, batch.tokens)
        picture_loss = distance(pictures, batch.images)
        caption_loss = F.cross_entropy(
            logits[:, :-1].flatten(0, 1), batch.tokens[:, 1:].flatten(), ignore_index=PAD
        )
        self.optimizer.zero_grad()
        (picture_loss + caption_loss).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()


def distance(drawn: Tensor, images: Tensor) -> Tensor:
    """L1 + MSE of pictures, a scalar."""
    return l1_plus_mse(drawn.float() - images).mean()


def held_bytes(
    work: Callable[[], object],
    weights: Iterable[Tensor],
    optimizers: list[torch.optim.Optimizer],
    device: torch.device,
) -> int:
    """Bytes that a step holds: weights, gradients, optimisers, and the most beyond these.

    work: the step; weights, optimizers: what it trains, and with what.
    """
    peak = measured_peak(work, device)
    return peak + 2 * total_bytes(weights) + total_bytes(optimizer_tensors(optimizers))


# ---- against a plain autoencoder -----------------------------------------------------------------


@dataclass(frozen=True)
class Contender:
    """One side of the comparison with a plain autoencoder."""

    name: str
    trainer: MultimodalTrainer | PlainTrainer
    optimizers: list[torch.optim.Optimizer]
    # images, tokens -> the pictures drawn again; ours as drafts, which are means as the plain ones
    redraw: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Score:
    """What one side reaches."""

    pictures_per_second: float
    held_bytes: int


def score_contender(
    side: Contender, loader: PairLoader, held_out: Batch, device: torch.device, pictures: int
) -> Score:
    """Train one side for an epoch and print what it reaches. pictures: that it is trained on."""
    steps = len(loader)
    seconds = 0.0
    bar = progress(loader, label=f"training {side.name}", total=steps, unit="step")
    for number, cpu_batch in enumerate(bar):
        batch = cpu_batch.to(device)
        begin = time.perf_counter()
        side.trainer.train_step(batch, number)
        # the first is warm-up
        if number > 0:
            seconds += time.perf_counter() - begin
    work = functools.partial(side.trainer.train_step, batch, 0)
    model = side.trainer.model
    score = Score(
        (steps - 1) * loader.batch_size / seconds,
        held_bytes(work, model.parameters(), side.optimizers, device),
    )
    model.eval()
    with torch.no_grad():
        error = distance(side.redraw(held_out.images, held_out.tokens), held_out.images)
    million_weights = sum(weight.numel() for weight in model.parameters()) / 1e6
    print(
        f"  {side.name:<6} {score.pictures_per_second:7.2f} pictures/s   "
        f"{format_bytes(score.held_bytes)}   L1 + MSE of {HELD_OUT} held-out pictures after "
        f"{pictures} pictures {float(error):.3f}   {million_weights:.0f} M parameters",
        flush=True,
    )
    return score


def compare_with_plain(ours: MultimodalTrainer, pictures: int) -> None:
    """Ours beside a plain autoencoder, both trained on the same pictures."""
    model = ours.model
    plain = PlainTrainer(model.config.image_size, ours.device)
    sides = (
        Contender(
            "ours",
            ours,
            ours.state.optimizers,
            lambda images, tokens: model.draw(model.image_encoder(images), passes=1),
        ),
        Contender(
            "plain",
            plain,
            [plain.optimizer],
            lambda images, tokens: plain.model(images, tokens)[0],
        ),
    )
    held_out = ours.val.batch(np.arange(HELD_OUT)).to(ours.device)
    our_score, plain_score = (
        score_contender(side, ours.train, held_out, ours.device, pictures) for side in sides
    )
    times = our_score.pictures_per_second / plain_score.pictures_per_second
    share = our_score.held_bytes / plain_score.held_bytes
    print(
        f"  ours over plain: {times:.2f} times the pictures (wanted: 3), "
        f"{share:.2f} of the memory (wanted: .5)"
    )
