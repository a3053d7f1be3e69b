"""Muon for convolutions and the transformers' matrices, AdamW for the rest, and their schedule."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from oneseed.config.training import TrainConfig
from oneseed.model.multimodal import MultimodalModel

# coefficients of the quintic Newton-Schulz iteration: of x, of x³, of x⁵
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly: singular values come into about [0.7, 1.2].

    Any shape (n, …); all but the first dimension is flattened. Quintic Newton-Schulz iteration.
    Source: Jordan et al. 2024, Muon (kellerjordan.github.io/posts/muon).

    Every factor of the iteration is a polynomial of x xᵀ. So the factors, n x n, are multiplied
    among themselves and meet x once, at the end. For a convolution, nine or sixteen times as wide
    as high, that takes a third of the time and gives the same numbers but for rounding.
    """
    linear, cubic, quintic = NEWTON_SCHULZ
    x = matrix.flatten(1)
    x = x / (x.norm() + 1e-7)
    is_tall = x.shape[0] > x.shape[1]
    x = x.T if is_tall else x
    gram = x @ x.T
    product = torch.eye(len(x), dtype=x.dtype, device=x.device)
    for _ in range(steps):
        factor = torch.addmm(gram, gram, gram, beta=cubic, alpha=quintic)
        factor.diagonal().add_(linear)
        product = factor @ product
        gram = factor @ gram @ factor
    x = product @ x
    x = x.T if is_tall else x
    return x.reshape(matrix.shape)


class Muon(torch.optim.Optimizer):
    """Momentum whose step is orthogonalised, for convolutions and the transformers' matrices.

    Every direction of a weight learns at the same pace, which takes about half the steps of AdamW
    here. lr: relative size of a step; weight_decay: per step and unit of lr.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    # A closure would give a loss back, and none is taken.
    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # ty: ignore[incompatible-method-override]
        """One update of every weight that has a gradient."""
        assert closure is None, "Muon takes no closure"
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self.update(weight, weight.grad, group)

    def update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """One update of one weight, with the settings of its group."""
        state = self.state[weight]
        momentum = state.setdefault("momentum", torch.zeros_like(weight))
        momentum.lerp_(gradient, 1 - group["momentum"])
        step = orthogonalise(gradient.lerp(momentum, group["momentum"]))
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        shape_scale = max(1, weight.shape[0] / weight[0].numel()) ** 0.5
        weight.add_(step, alpha=-10 * group["lr"] * shape_scale)


def trained_weights(model: MultimodalModel) -> list[Tensor]:
    """The parameters of the autoencoder; the prior's networks are fitted apart."""
    return [weight for name, weight in model.named_parameters() if not name.startswith("sampler.")]


def gradients_of(weights: Iterable[Tensor]) -> list[Tensor]:
    """The gradients of the weights that have one."""
    return [weight.grad for weight in weights if weight.grad is not None]


def make_optimizers(model: MultimodalModel, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """AdamW and Muon, in this order, over all weights but the prior's.

    Muon takes the convolutions and the transformers' matrices. AdamW takes the rest: embeddings,
    norms, biases, and the linear maps from and to the latent, whose orthogonalisation would cost
    more than it saves.
    """
    muon_weights = []
    adam_weights = []
    for name, weight in model.named_parameters():
        if name.startswith("sampler."):
            continue
        is_matrix = weight.ndim == 4 or (weight.ndim == 2 and ".block" in name)
        if is_matrix:
            muon_weights.append(weight)
        else:
            adam_weights.append(weight)
    adam = torch.optim.AdamW(
        adam_weights,
        lr=config.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=config.weight_decay,
        fused=True,
    )
    muon = Muon(muon_weights, lr=config.learning_rate, weight_decay=config.weight_decay)
    return [adam, muon]


def make_prior_optimizer(model: MultimodalModel) -> torch.optim.Optimizer:
    """AdamW for the prior's networks."""
    return torch.optim.AdamW(model.sampler.parameters(), lr=1e-3, betas=(0.9, 0.99), fused=True)


def set_learning_rate(optimizers: Iterable[torch.optim.Optimizer], learning_rate: float) -> None:
    """The same learning rate for every group of every optimiser."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
