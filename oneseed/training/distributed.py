"""The processes of one training run.

Several processes that train one model together, started by torchrun. Each has a slice of every batch; what the slices say is added up.

Alone, which is the usual case, every function returns what it is given.
"""

import os
from datetime import timedelta

import torch
from torch import distributed

# the others wait while the first fits the sampler
GROUP_TIMEOUT = timedelta(hours=6)


def start(device):
    """Joins the processes that torchrun started, if it did: NCCL between GPUs, else Gloo. -> the device of this process."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo", timeout=GROUP_TIMEOUT
    )
    return device


def stop():
    if distributed.is_initialized():
        distributed.destroy_process_group()


def world_size():
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank():
    return distributed.get_rank() if distributed.is_initialized() else 0


def local_slice(length):
    """Which rows of a batch of `length` are this process's: a slice. The slices are equal, but for one row."""
    share, more = divmod(length, world_size())
    first = rank() * share + min(rank(), more)
    return slice(first, first + share + (rank() < more))


def all_reduce(tensor):
    """The sum over all processes, in place."""
    if world_size() > 1:
        distributed.all_reduce(tensor)
    return tensor


def gather_rows(rows, length):
    """This process's rows (b, …) of a batch of `length` -> those of all, (length, …), of which only its own have a gradient."""
    if world_size() == 1:
        return rows
    others = rows.new_zeros(length, *rows.shape[1:])
    others[local_slice(length)] = rows.detach()
    all_reduce(others)
    own = torch.zeros(length, dtype=torch.bool, device=rows.device)
    own[local_slice(length)] = True
    return torch.where(
        own.view(-1, *[1] * (rows.dim() - 1)),
        torch.zeros_like(others).index_copy(0, own.nonzero()[:, 0], rows),
        others,
    )


def broadcast_object(value):
    """Plain data of the first process, for all."""
    if world_size() > 1:
        box = [value]
        distributed.broadcast_object_list(box)
        value = box[0]
    return value


def broadcast_module(module):
    """Parameters and buffers of a module become those of the first process."""
    if world_size() > 1:
        for tensor in (*module.parameters(), *module.buffers()):
            distributed.broadcast(tensor.data, 0)
