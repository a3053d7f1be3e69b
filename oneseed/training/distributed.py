"""The processes of one training run: each has a slice of every batch, and their sums are shared.

torchrun starts several processes that train one model together. Alone, which is the usual case,
every function returns what it is given.
"""

import contextlib
import os
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from oneseed.console.command import UserError

# the other processes wait while the first fits the prior
GROUP_TIMEOUT = timedelta(hours=6)


class LostProcessError(UserError):
    """Another process of the run has ended, or cannot be reached any more."""


@contextlib.contextmanager
def told_when_lost() -> Generator[None]:
    """LostProcessError where a message between processes fails: alone none can go on."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    # of Gloo; NCCL's is one, too
    except RuntimeError as error:
        raise LostProcessError(
            f"process {rank()} of {world_size()} has lost another one of this run, which has ended "
            "or cannot be reached; what is saved is kept: start all of them again with the same "
            "command",
            code=1,
        ) from error


def start_processes(device: torch.device) -> torch.device:
    """Join the processes that torchrun started, if it did -> the device of this process.

    GPUs talk through NCCL, everything else through Gloo.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=GROUP_TIMEOUT)
    return device


def stop_processes() -> None:
    """Leave the group of processes, where there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


@contextlib.contextmanager
def joined_processes(device: torch.device) -> Generator[torch.device]:
    """Inside, this process works with those that torchrun started -> its device.

    One process speaks for all: the others print nothing and draw no bars.
    """
    device = start_processes(device)
    with contextlib.ExitStack() as stack:
        stack.callback(stop_processes)
        if not is_first():
            os.environ["TQDM_DISABLE"] = "1"
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        yield device


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Is this the process that prints, fits the prior and writes files for all?"""
    return rank() == 0


def local_slice(length: int) -> slice:
    """The rows of a batch of `length` that are this process's. Slices differ by one row at most."""
    share, more = divmod(length, world_size())
    first = rank() * share + min(rank(), more)
    size = share + 1 if rank() < more else share
    return slice(first, first + size)


def all_reduce(tensor: torch.Tensor) -> torch.Tensor:
    """The sum over all processes, in place."""
    if world_size() > 1:
        with told_when_lost():
            dist.all_reduce(tensor)
    return tensor


def gather_rows(rows: torch.Tensor, length: int) -> torch.Tensor:
    """This process's rows (b, …) of a batch of `length` -> the rows of all processes (length, …).

    Only this process's own rows have a gradient.
    """
    if world_size() == 1:
        return rows
    others = rows.new_zeros(length, *rows.shape[1:])
    others[local_slice(length)] = rows.detach()
    all_reduce(others)
    is_own = torch.zeros(length, dtype=torch.bool, device=rows.device)
    is_own[local_slice(length)] = True
    own = torch.zeros_like(others).index_copy(0, is_own.nonzero()[:, 0], rows)
    return torch.where(is_own.view(-1, *[1] * (rows.dim() - 1)), own, others)


def broadcast_object(value: Any) -> Any:
    """Plain data of the first process, for all."""
    if world_size() == 1:
        return value
    box = [value]
    with told_when_lost():
        dist.broadcast_object_list(box)
    return box[0]


def broadcast_module(module: nn.Module) -> None:
    """Parameters and buffers of a module become those of the first process."""
    if world_size() > 1:
        with told_when_lost():
            for tensor in (*module.parameters(), *module.buffers()):
                dist.broadcast(tensor.data, 0)
