"""What a run knows: results of a step and of an epoch, and the state that last.pt holds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from oneseed.dataset.jsonl import Row
from oneseed.model.multimodal import MultimodalModel
from oneseed.training.schedule import Schedule


@dataclass(frozen=True)
class StepResult:
    """What one optimiser step gives."""

    # "total" and the unweighted parts of the loss
    losses: dict[str, float]
    # of all gradients, before clipping
    grad_norm: float
    # (B, D) of the whole batch, on the device
    codes: Tensor

    @classmethod
    def read(
        cls, losses: Tensor, grad_norm: Tensor, codes: Tensor, *, weights: dict[str, float]
    ) -> "StepResult":
        """Wait for the device, the only time in a step, and read all numbers at once.

        losses (P,): unweighted, in the order of weights, {part: weight}; grad_norm: a scalar.
        """
        *parts, norm = torch.cat([losses, grad_norm[None]]).tolist()
        total = sum(weight * loss for weight, loss in zip(weights.values(), parts))
        return cls({"total": total, **dict(zip(weights, parts))}, norm, codes)


@dataclass(frozen=True)
class EpochResult:
    """What one epoch gives, over all of its pairs."""

    # "total" and the unweighted parts of the loss, means over pairs
    losses: dict[str, float]
    # mean over pairs
    grad_norm: float
    images_per_second: float
    # (M, D) on the CPU: of the pictures whose codes are kept, as they were met
    codes: Tensor
    # bool (M,): which of them were met
    met: Tensor


@dataclass
class EpochState:
    """What an epoch has summed up so far; saved in last.pt, so that a run resumes within it."""

    # (M + 1, D) on the device: codes of the pictures that are kept; the last row takes all others
    codes: Tensor
    # bool (M + 1,): which rows of `codes` are filled
    met: Tensor
    # of each part of the loss and the total, over pairs
    loss_sums: dict[str, float]
    # pairs seen
    pairs: int = 0
    # time of the steps
    seconds: float = 0.0
    # gradient norms summed over pairs
    norm_sum: float = 0.0

    @classmethod
    def begin(
        cls, kept: int, latent_dim: int, parts: Iterable[str], device: torch.device
    ) -> "EpochState":
        """Nothing seen. kept: pictures whose codes are kept; parts: of the loss."""
        return cls(
            codes=torch.zeros(kept + 1, latent_dim, device=device),
            met=torch.zeros(kept + 1, dtype=torch.bool),
            loss_sums=dict.fromkeys(("total", *parts), 0.0),
        )

    def add(self, slots: Tensor, result: StepResult) -> None:
        """Add one step. slots: int (B,), the row of `codes` for each pair of the batch."""
        count = len(slots)
        self.codes[slots.to(self.codes.device)] = result.codes.float()
        self.met[slots] = True
        for part in self.loss_sums:
            self.loss_sums[part] += result.losses[part] * count
        self.norm_sum += result.grad_norm * count
        self.pairs += count

    def result(self) -> EpochResult:
        """Means over the pairs seen."""
        return EpochResult(
            losses={part: total / self.pairs for part, total in self.loss_sums.items()},
            grad_norm=self.norm_sum / self.pairs,
            images_per_second=self.pairs / self.seconds,
            codes=self.codes[:-1].cpu(),
            met=self.met[:-1],
        )

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, under the names that files have."""
        return {
            "seen": self.pairs,
            "seconds": self.seconds,
            "norms": self.norm_sum,
            "sums": self.loss_sums,
            "codes": self.codes,
            "met": self.met,
        }

    @classmethod
    def from_state_dict(cls, saved: dict[str, Any], device: torch.device) -> "EpochState":
        """The state that was saved, its codes on the device."""
        return cls(
            codes=saved["codes"].to(device),
            met=saved["met"],
            loss_sums=saved["sums"],
            pairs=saved["seen"],
            seconds=saved["seconds"],
            norm_sum=saved["norms"],
        )


@dataclass
class PriorFit:
    """How far a fit of the prior has come; saved, so that it resumes after any of its steps."""

    # of the prior as the fit began, also those that no state dict holds
    buffers: dict[str, Tensor]
    # of the fit's own random numbers
    generator_state: Tensor
    # of torch's global generator, which the dropout uses
    global_state: Tensor
    # steps done
    step: int = 0
    # the smallest loss of held-out codes
    best_loss: float = float("inf")
    # the prior's weights at that loss; None: not measured yet
    best_weights: dict[str, Tensor] | None = None

    @classmethod
    def begin(cls, prior: nn.Module, generator: torch.Generator) -> "PriorFit":
        """Before the first step of a fit of `prior`."""
        return cls(dict(prior.named_buffers()), generator.get_state(), torch.get_rng_state())

    def restore(self, prior: nn.Module, generator: torch.Generator) -> None:
        """Put buffers and random numbers back to where this fit stands."""
        for name, buffer in self.buffers.items():
            prior.get_buffer(name).copy_(buffer)
        generator.set_state(self.generator_state)
        torch.set_rng_state(self.global_state)

    def advance(self, generator: torch.Generator) -> None:
        """One more step is done."""
        self.step += 1
        self.generator_state = generator.get_state()
        self.global_state = torch.get_rng_state()

    def keep_if_better(self, loss: float, prior: nn.Module) -> None:
        """Keep the prior's weights where they describe held-out codes best so far."""
        if loss < self.best_loss:
            self.best_loss = loss
            self.best_weights = {
                name: weight.detach().clone() for name, weight in prior.named_parameters()
            }

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, under the names that files have."""
        return {
            "step": self.step,
            "best": self.best_loss,
            "kept": self.best_weights,
            "buffers": self.buffers,
            "generator": self.generator_state,
            "random": self.global_state,
        }

    @classmethod
    def from_state_dict(cls, saved: dict[str, Any]) -> "PriorFit":
        """The fit that was saved."""
        return cls(
            buffers=saved["buffers"],
            generator_state=saved["generator"],
            global_state=saved["random"],
            step=saved["step"],
            best_loss=saved["best"],
            best_weights=saved["kept"],
        )


def load_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Take over what an optimiser kept, and its learning rate.

    All other settings are those of the run: a file that names others would choose how torch
    computes.
    """
    groups = []
    own_groups = optimizer.state_dict()["param_groups"]
    for own, group in zip(own_groups, saved["param_groups"], strict=True):
        groups.append({**own, "lr": group["lr"]})
    optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})


@dataclass
class TrainState:
    """Everything of a run that changes, so that a run resumes bit for bit."""

    model: MultimodalModel
    # of the autoencoder
    optimizers: list[torch.optim.Optimizer]
    # of the prior's networks
    prior_optimizer: torch.optim.Optimizer
    # of the collection
    style: str
    # training pictures
    samples: int
    # epochs and learning rate
    schedule: Schedule
    # pictures whose codes an epoch keeps
    kept: int
    # names of the parts of the loss
    parts: Sequence[str]
    # (N, k + m): of the codes that the prior was last fitted to
    coordinates: Tensor | None = None
    # a row for each finished epoch, as in metrics.json
    metrics: list[Row] = field(default_factory=list)
    # of the epoch that has begun
    epoch: EpochState | None = None
    # of the fit that has begun
    prior_fit: PriorFit | None = None
    # names the fit at the end of the run, once that has begun
    fit_id: list[Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """What last.pt holds."""
        return {
            "model": dict(self.model.state_dict()),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "flow_optimizer": self.prior_optimizer.state_dict(),
            "coordinates": self.coordinates,
            "metrics": self.metrics,
            "cooldown": self.schedule.state_dict(),
            "within": None if self.epoch is None else self.epoch.state_dict(),
            "fitting": None if self.prior_fit is None else self.prior_fit.state_dict(),
            "random": torch.get_rng_state(),
            "style": self.style,
            "samples": self.samples,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take over what last.pt holds, of which training/saved_state.py has checked the kinds.

        UserError where it is of another model.
        """
        self.model.load_state_dict(saved["model"])
        for optimizer, saved_optimizer in zip(self.optimizers, saved["optimizers"]):
            load_optimizer(optimizer, saved_optimizer)
        load_optimizer(self.prior_optimizer, saved["flow_optimizer"])
        self.coordinates = saved.get("coordinates")
        self.metrics = saved["metrics"]
        self.schedule.load_state_dict(saved.get("cooldown"))
        within = saved.get("within")
        self.epoch = within and EpochState.from_state_dict(within, self.model.device)
        fitting = saved.get("fitting")
        self.prior_fit = fitting and PriorFit.from_state_dict(fitting)
        if "random" in saved:
            torch.set_rng_state(saved["random"])

    def last_fit_state_dict(self) -> dict[str, Any]:
        """What last_fit.pt holds, while the prior of the best model is fitted."""
        assert self.prior_fit is not None, "no fit of the prior has begun"
        return {
            "of": self.fit_id,
            "sampler": dict(self.model.sampler.state_dict()),
            "flow_optimizer": self.prior_optimizer.state_dict(),
            "coordinates": self.coordinates,
            "fitting": self.prior_fit.state_dict(),
        }

    def load_last_fit(self, saved: dict[str, Any]) -> None:
        """Take over what last_fit.pt holds, if it is of the fit at the end of this very run.

        training/saved_state.py has checked the kinds.
        """
        if saved["of"] != self.fit_id:
            return
        self.model.sampler.load_state_dict(saved["sampler"])
        load_optimizer(self.prior_optimizer, saved["flow_optimizer"])
        self.coordinates = saved["coordinates"]
        self.prior_fit = PriorFit.from_state_dict(saved["fitting"])
