"""How fast this machine multiplies, what a step computes, and which share of the speed it uses."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from oneseed.training.data import PairLoader
from oneseed.training.objective import Objective
from oneseed.training.optimizers import orthogonalise

# rows and columns of the matrices whose product is timed
MATMUL_SIZE = 1_024


def peak_matmul_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the best of five products of 1,024 x 1,024 matrices."""
    generator = torch.Generator().manual_seed(0)
    pair = torch.randn(2, MATMUL_SIZE, MATMUL_SIZE, generator=generator)
    a, b = pair.to(device, dtype)
    seconds = min(seconds_of(lambda: a @ b, 3, device) for _ in range(5))
    return 2 * MATMUL_SIZE**3 / seconds


def seconds_of(work: Callable[[], object], times: int, device: torch.device) -> float:
    """Seconds of one work(), the mean of so many after two that are not timed."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(2):
        work()
    wait()
    begin = time.perf_counter()
    for _ in range(times):
        work()
    wait()
    return (time.perf_counter() - begin) / times


def count_flops(work: Callable[[], object]) -> int:
    """Multiplications and additions of matrices and convolutions in work(), as PyTorch counts."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def flops_per_picture(
    objective: Objective, train: PairLoader, muon: torch.optim.Optimizer
) -> float:
    """Operations of a training step for each of its pictures; the contrast's are left out.

    muon: the optimiser whose updates multiply matrices. Gradients stay as they are.
    """
    batch = train.batch(np.arange(2)).to(objective.device)
    weights = list(objective.model.parameters())
    gradients = [weight.grad for weight in weights]
    # else the gradients of this batch would be added to them
    objective.model.zero_grad(set_to_none=True)

    def forward_backward() -> None:
        losses, _ = objective.losses(batch, objective.noise(2, 0))
        losses["total"].backward()

    def update() -> None:
        orthogonalise(muon.param_groups[0]["params"])

    forward_backward_flops = count_flops(forward_backward) / 2
    for weight, gradient in zip(weights, gradients):
        weight.grad = gradient
    return forward_backward_flops + count_flops(update) / train.batch_size


def model_flops_utilisation(
    objective: Objective, train: PairLoader, muon: torch.optim.Optimizer
) -> float:
    """Share of the machine's matrix speed (MFU) that one picture per second would use."""
    dtype = torch.bfloat16 if objective.precision == "bf16" else torch.float32
    flops = flops_per_picture(objective, train, muon)
    return flops / peak_matmul_flops(objective.device, dtype)
