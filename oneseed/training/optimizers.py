"""Muon for convolutions and the transformers' matrices, AdamW for the rest, and their schedule."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from oneseed.config.training import TrainConfig
from oneseed.model.multimodal import MultimodalModel

# coefficients of the quintic Newton-Schulz iteration: of x, of x³, of x⁵
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Sequence[Tensor], steps: int = 5) -> list[Tensor]:
    """The nearest semi-orthogonal matrices, roughly: singular values come to about [0.7, 1.2].

    Any shapes (n, …); all but the first dimension is flattened. Quintic Newton-Schulz iteration.
    Source: Jordan et al. 2024, Muon (kellerjordan.github.io/posts/muon).

    Every factor of the iteration is a polynomial of x xᵀ. So the factors, n x n, are multiplied
    among themselves and meet x once, at the end. For a convolution, nine or sixteen times as wide
    as high, that takes a third of the time and gives the same numbers but for rounding. Matrices of
    the same n go through it together.
    """
    wide = [as_wide(matrix) for matrix in matrices]
    alike: dict[tuple[int, torch.device], list[int]] = {}
    for number, x in enumerate(wide):
        alike.setdefault((len(x), x.device), []).append(number)
    found = [*wide]
    for numbers in alike.values():
        products = newton_schulz([wide[number] for number in numbers], steps)
        for number, product in zip(numbers, products):
            found[number] = product @ wide[number]
    return [
        (x.T if is_tall(matrix) else x).reshape(matrix.shape) for x, matrix in zip(found, matrices)
    ]


def is_tall(matrix: Tensor) -> bool:
    """Whether a matrix of any shape (n, …) has more rows than columns."""
    return len(matrix) > matrix[0].numel()


def as_wide(matrix: Tensor) -> Tensor:
    """Any shape (n, …) -> the matrix of n rows, or its transpose where it is tall."""
    x = matrix.flatten(1)
    return x.T if is_tall(matrix) else x


def newton_schulz(matrices: Sequence[Tensor], steps: int) -> Tensor:
    """B matrices x, (n, any) -> the products p, (B, n, n), for which p x is semi-orthogonal."""
    linear, cubic, quintic = NEWTON_SCHULZ
    norms = torch.stack([x.norm() for x in matrices])[:, None, None] + 1e-7
    gram = torch.stack([x @ x.T for x in matrices]) / norms.square()
    products = 1 / norms
    for step in range(steps):
        factor = torch.baddbmm(gram, gram, gram, beta=cubic, alpha=quintic)
        factor.diagonal(dim1=1, dim2=2).add_(linear)
        products = factor @ products if step else factor * products
        if step < steps - 1:
            gram = factor @ gram @ factor
    return products


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
            self.update([weight for weight in group["params"] if weight.grad is not None], group)

    def update(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        """One update of the weights of a group, with its settings."""
        if not weights:
            return
        gradients = gradients_of(weights)
        for weight in weights:
            self.state[weight].setdefault("momentum", torch.zeros_like(weight))
        momenta = [self.state[weight]["momentum"] for weight in weights]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        steps = orthogonalise(torch._foreach_lerp(gradients, momenta, group["momentum"]))
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        for weight, step in zip(weights, steps):
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
