"""How the judges are taught: the plan, the optimizer, degraded pictures, repeatable randomness."""

import math
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


def amounts(
    images: torch.Tensor, low: float, high: float, generator: torch.Generator
) -> torch.Tensor:
    """One random amount from low to high for each of B pictures, (B, 1, 1, 1)."""
    return low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=generator)


def degrade(
    images: torch.Tensor, generator: torch.Generator, most_blur: float = 1.0
) -> torch.Tensor:
    """Pictures (B, C, S, S) in [-1, 1] -> the same, worse, each by amounts of its own.

    Blurred by 0.3 to `most_blur` pixels, of other contrast (0.5 to 1.2) and brightness (up to 0.3
    of 2), and noisy (standard deviation up to 0.2).
    """
    sigma = amounts(images, 0.3, most_blur, generator)
    contrast = amounts(images, 0.5, 1.2, generator)
    brightness = amounts(images, -0.3, 0.3, generator)
    noise = amounts(images, 0, 0.2, generator)
    noisy = noise * torch.randn(images.shape, generator=generator)
    return (blurred(images, sigma) * contrast + brightness + noisy).clamp(-1, 1)


def blurred(images: torch.Tensor, sigma: torch.Tensor | float) -> torch.Tensor:
    """Pictures (B, C, S, S) -> the same under a Gaussian; beyond their edges they go on as there.

    sigma: in pixels, of all pictures or (B, 1, 1, 1) of each.
    """
    sigma = torch.as_tensor(sigma).expand(len(images), 1, 1, 1)
    # three standard deviations, and three pixels at least
    reach = max(3, math.ceil(3 * float(sigma.max())))
    kernel = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.sum(-1, keepdim=True)  # (B, 1, 1, 2 reach + 1)
    around = (reach, reach, reach, reach)
    # pictures become channels, so that each has its own kernel
    channels = F.pad(images, around, mode="replicate").transpose(0, 1)  # (C, B, ...)
    channels = F.conv2d(channels, kernel, groups=len(images))
    channels = F.conv2d(channels, kernel.transpose(2, 3), groups=len(images))
    return channels.transpose(0, 1)
