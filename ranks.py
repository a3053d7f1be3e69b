"""Several processes that train one model together, started by torchrun. Each has a slice of every batch; what the slices say is added up.

Alone, which is the usual case, every function returns what it is given.
"""

import os
from datetime import timedelta

import torch
from torch import distributed

# the others wait while the first fits the sampler
PATIENCE = timedelta(hours=6)


def start(device):
    """Joins the processes that torchrun started, if it did: NCCL between GPUs, else Gloo. -> the device of this process."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    return device


def stop():
    if distributed.is_initialized():
        distributed.destroy_process_group()


def count():
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank():
    return distributed.get_rank() if distributed.is_initialized() else 0


def mine(length):
    """Which rows of a batch of `length` are this process's: a slice. The slices are equal, but for one row."""
    share, more = divmod(length, count())
    first = rank() * share + min(rank(), more)
    return slice(first, first + share + (rank() < more))


def added(tensor):
    """The sum over all processes, in place."""
    if count() > 1:
        distributed.all_reduce(tensor)
    return tensor


def whole(rows, length):
    """This process's rows (b, …) of a batch of `length` -> those of all, (length, …), of which only its own have a gradient."""
    if count() == 1:
        return rows
    others = rows.new_zeros(length, *rows.shape[1:])
    others[mine(length)] = rows.detach()
    added(others)
    own = torch.zeros(length, dtype=torch.bool, device=rows.device)
    own[mine(length)] = True
    return torch.where(
        own.view(-1, *[1] * (rows.dim() - 1)),
        torch.zeros_like(others).index_copy(0, own.nonzero()[:, 0], rows),
        others,
    )


def of_first(value):
    """Plain data of the first process, for all."""
    if count() > 1:
        box = [value]
        distributed.broadcast_object_list(box)
        value = box[0]
    return value


def like_first(module):
    """Parameters and buffers of a module become those of the first process."""
    if count() > 1:
        for tensor in (*module.parameters(), *module.buffers()):
            distributed.broadcast(tensor.data, 0)
