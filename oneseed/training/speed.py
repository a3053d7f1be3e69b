"""How fast this machine multiplies, and what a step computes.

How near work comes to what the machine can do: operations, and the speed of its matrix products.
"""

import time

import torch
from torch.utils.flop_counter import FlopCounterMode


def peak_matmul_flops(device, dtype):
    """FLOP/s of the best of five products of 1,024 x 1,024 matrices."""
    a, b = torch.randn(2, 1024, 1024, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    return 2 * 1024**3 / min(seconds_of(lambda: a @ b, 3, device) for _ in range(5))


def seconds_of(work, times, device):
    """Seconds of one work(), the mean of so many after two."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    for _ in range(2):
        work()
    wait()
    begin = time.perf_counter()
    for _ in range(times):
        work()
    wait()
    return (time.perf_counter() - begin) / times


def count_flops(work):
    """Multiplications and additions of matrices and convolutions in work(), as PyTorch counts them."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()
