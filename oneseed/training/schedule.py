"""How long a run trains, and how fast: its epochs, its learning rate, and its end.

An epoch shows so many pictures at least: a small folder is gone through several times in one. So
everything that is counted in epochs, such as patience and saving, means about the same time for 25
pictures as for 800.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from oneseed.config.training import TrainConfig
from oneseed.dataset.jsonl import Row

# steps in which the learning rate rises to its peak
WARMUP_STEPS = 100
# part of the planned steps at whose end the learning rate falls
FALLING_PART = 0.5
# epochs of a cool-down for each epoch of patience
COOLDOWN_PART = 0.5


@dataclass(frozen=True)
class Cooldown:
    """The last epochs of a run that stopped improving: the learning rate falls to zero in them."""

    # epochs that were finished before it
    after: int
    # how many it has
    epochs: int
    # epochs of the plan that it ends
    planned: int


@dataclass
class Schedule:
    """Epochs and learning rate of one run, a function of the step alone.

    Warm-up, then constant, then linear to zero over the last half. A run that has not improved for
    `patience` epochs is not cut off at full speed: it goes back to its best epoch, and the learning
    rate falls to zero over some epochs from there. Source of constant and falling parts: Hägele et
    al. 2024 (arXiv:2405.18392).
    """

    # of the learning rate
    peak: float
    steps_per_epoch: int
    num_epochs: int
    # epochs without a better one
    patience: int
    cooldown: Cooldown | None = None

    @classmethod
    def of(cls, config: TrainConfig, steps_per_epoch: int) -> "Schedule":
        """What the settings plan. config: with its number of epochs resolved."""
        return cls(config.learning_rate, steps_per_epoch, config.num_epochs, config.patience)

    @property
    def last_epoch(self) -> int:
        """How many epochs the run has in all."""
        return self.cooldown.after + self.cooldown.epochs if self.cooldown else self.num_epochs

    @property
    def total_steps(self) -> int:
        """Steps of all epochs."""
        return self.last_epoch * self.steps_per_epoch

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step, which counts from 0 over the whole run."""
        if self.cooldown is None:
            return self.planned_rate(step)
        first = self.cooldown.after * self.steps_per_epoch
        done = (step - first) / (self.cooldown.epochs * self.steps_per_epoch)
        return self.planned_rate(first) * (1 - done)

    def planned_rate(self, step: int) -> float:
        """The learning rate of a step in a run that improves until its end."""
        warmup = (step + 1) / WARMUP_STEPS
        decay = (1 - step / (self.num_epochs * self.steps_per_epoch)) / FALLING_PART
        return self.peak * min(1, warmup, decay)

    def should_cool_down(self, metrics: Sequence[Row]) -> bool:
        """Has no epoch been the best for so long that the learning rate should fall?

        metrics: a row for each finished epoch.
        """
        best = max((row["epoch"] for row in metrics if row["best"]), default=0)
        is_stalled = len(metrics) - best >= self.patience
        return is_stalled and self.cooldown is None and len(metrics) < self.num_epochs

    def begin_cooldown(self, epoch: int) -> Cooldown:
        """The learning rate falls from now on. epoch: how many are finished."""
        epochs = math.ceil(COOLDOWN_PART * self.patience)
        self.cooldown = Cooldown(epoch, min(epochs, self.num_epochs - epoch), self.num_epochs)
        return self.cooldown

    def state_dict(self) -> dict[str, Any] | None:
        """What last.pt keeps of it."""
        return asdict(self.cooldown) if self.cooldown else None

    def load_state_dict(self, saved: dict[str, Any] | None) -> None:
        """Take over what last.pt keeps. A plan of more epochs than that run had begins again."""
        cooldown = Cooldown(**saved) if saved else None
        self.cooldown = cooldown if cooldown and self.num_epochs <= cooldown.planned else None


def passes_per_epoch(rows: int, epoch_pictures: int) -> int:
    """How often an epoch shows each of `rows` training pictures, at least once.

    epoch_pictures: about so many pictures an epoch shows at least.
    """
    return max(1, round(epoch_pictures / rows))
