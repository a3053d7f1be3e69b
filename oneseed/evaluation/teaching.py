"""How the judges are taught: the plan, the optimizer, degraded pictures, repeatable randomness."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from oneseed.seeds import torch_generator


@dataclass(frozen=True)
class TeachingPlan:
    """How long and how fast a judge learns."""

    epochs: int
    # pictures in a step
    batch_size: int
    # peak of the one-cycle schedule
    learning_rate: float
    weight_decay: float


class Teacher:
    """AdamW under a one-cycle schedule: the learning rate rises for a fifth of the steps."""

    def __init__(self, weights: Iterable[nn.Parameter], plan: TeachingPlan, steps: int) -> None:
        """weights: what is taught; steps: how many there will be in all."""
        self.optimizer = torch.optim.AdamW(
            weights, lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, plan.learning_rate, total_steps=steps, pct_start=0.2
        )

    def step(self, loss: torch.Tensor) -> None:
        """One step against the gradients of the loss, a scalar."""
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()


def judge_generator(purpose: str) -> torch.Generator:
    """Random numbers for one purpose of the judges, the same each time."""
    return torch_generator(purpose, "judge")


def degrade(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Pictures (B, 1, S, S) in [-1, 1] -> the same, worse, each by amounts of its own.

    Blurred by 0.3 to 1 pixel, of other contrast (0.5 to 1.2) and brightness (up to 0.3 of 2), and
    noisy (standard deviation up to 0.2).
    """

    def amount(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=generator)

    sigma = amount(0.3, 1)
    contrast = amount(0.5, 1.2)
    brightness = amount(-0.3, 0.3)
    noise = amount(0, 0.2)
    noisy = noise * torch.randn(images.shape, generator=generator)
    return (blurred(images, sigma) * contrast + brightness + noisy).clamp(-1, 1)


def blurred(images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Pictures (B, 1, S, S) -> the same under a Gaussian. sigma: (B, 1, 1, 1), in pixels."""
    kernel = torch.exp(-(torch.arange(-3, 4) ** 2) / (2 * sigma**2))  # (B, 1, 1, 7)
    kernel = kernel / kernel.sum(-1, keepdim=True)
    # pictures become channels, so that each has its own kernel
    channels = F.pad(images, (3, 3, 3, 3), mode="replicate").transpose(0, 1)  # (1, B, S+6, S+6)
    channels = F.conv2d(channels, kernel, groups=len(images))
    channels = F.conv2d(channels, kernel.transpose(2, 3), groups=len(images))
    return channels.transpose(0, 1)
