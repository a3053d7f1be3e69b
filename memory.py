"""What a training step holds in memory, in bytes, as tensors tell it."""
import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode


def total(tensors):
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def told(count):
    """Bytes -> "512.0 MiB" or "1.72 GiB"."""
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def states(optimizers):
    """Tensors that the optimisers keep between steps."""
    return [value for optimizer in optimizers for state in optimizer.state.values() for value in state.values() if isinstance(value, torch.Tensor)]


def storages(value):
    """{address: storage} of all tensors in nested tuples, lists and dicts."""
    if isinstance(value, torch.Tensor):
        return {value.untyped_storage().data_ptr(): value.untyped_storage()}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return {address: storage for part in parts for address, storage in storages(part).items()}


class Watch(TorchDispatchMode):
    """most: the largest number of bytes that what was made inside `with Watch() as watch:` held at once. What an operation needs within itself is not seen."""

    def __init__(self):
        super().__init__()
        self.now = self.most = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        given = storages((args, kwargs or {}))
        for address, storage in storages(result).items():
            if address not in given:                                    # else a view, or changed in place
                self.change(storage.nbytes())
                weakref.finalize(storage, self.change, -storage.nbytes())
        return result

    def change(self, size):
        self.now += size
        self.most = max(self.most, self.now)


def peak(work, device):
    """-> bytes that work() held at most beyond what was there before."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with Watch() as watch:
        work()
    return watch.most
