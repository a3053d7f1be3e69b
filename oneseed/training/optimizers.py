"""Muon for matrices, AdamW for the rest.

Who learns how: Muon for convolutions and the transformers' matrices, AdamW for the rest.
"""

import torch


def orthogonalise(matrix, steps=5):
    """Nearest semi-orthogonal matrix, roughly: singular values pushed into about [.7, 1.2] by a quintic Newton-Schulz
    iteration. Any shape (n, …); the rest is flattened. Source: Jordan et al. 2024, Muon (kellerjordan.github.io/posts/muon).

    Every factor of the iteration is a polynomial of x xᵀ, so they are multiplied up among themselves, n x n, and meet x but once at the end:
    for a convolution, nine or sixteen times as wide as high, a third of the time, and the same numbers but for rounding."""
    x = matrix.flatten(1)
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    gram = x @ x.T
    product = torch.eye(len(x), dtype=x.dtype, device=x.device)
    for _ in range(steps):
        factor = torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        factor.diagonal().add_(3.4445)
        product = factor @ product
        gram = factor @ gram @ factor
    x = product @ x
    return (x.T if tall else x).reshape(matrix.shape)


class Muon(torch.optim.Optimizer):
    """Momentum whose step is orthogonalised, for convolutions and the transformers' matrices: every direction of a weight
    learns at the same pace, which takes about half the steps of AdamW here. lr: relative size of a step."""

    def __init__(self, params, lr, weight_decay=0.0, momentum=0.95):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                momentum = state.setdefault("momentum", torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 1 - group["momentum"])
                step = orthogonalise(weight.grad.lerp(momentum, group["momentum"]))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(
                    step,
                    alpha=-10 * group["lr"] * max(1, weight.shape[0] / weight[0].numel()) ** 0.5,
                )


def trained_weights(model):
    """The parameters of the autoencoder; the sampler's flow is fitted apart."""
    return [weight for name, weight in model.named_parameters() if not name.startswith("sampler.")]


def make_optimizers(model, config):
    """Muon for the convolutions and the transformers' matrices, AdamW for the rest: embeddings, norms, biases, and the linear maps
    from and to the latent, whose orthogonalisation would cost more than it saves."""
    muon = []
    adam = []
    for name, weight in model.named_parameters():
        if not name.startswith("sampler."):
            matrix = weight.ndim == 4 or (weight.ndim == 2 and ".block" in name)
            (muon if matrix else adam).append(weight)
    return [
        torch.optim.AdamW(
            adam,
            lr=config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=True,
        ),
        Muon(muon, lr=config.learning_rate, weight_decay=config.weight_decay),
    ]
