"""How much memory a training step holds.

What a training step holds in memory, in bytes, as tensors tell it.
"""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from oneseed.model.tokenizer import UNK


def total_bytes(tensors):
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def format_bytes(count):
    """Bytes -> "512.0 MiB" or "1.72 GiB"."""
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def optimizer_bytes(optimizers):
    """Tensors that the optimisers keep between steps."""
    return [
        value
        for optimizer in optimizers
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    ]


def storages(value):
    """{address: storage} of all tensors in nested tuples, lists and dicts."""
    if isinstance(value, torch.Tensor):
        return {value.untyped_storage().data_ptr(): value.untyped_storage()}
    parts = (
        value.values()
        if isinstance(value, dict)
        else value
        if isinstance(value, (tuple, list))
        else ()
    )
    return {address: storage for part in parts for address, storage in storages(part).items()}


class PeakMemoryMode(TorchDispatchMode):
    """most: the largest number of bytes that what was made inside `with Watch() as watch:` held at once. What an operation needs within itself is not seen."""

    def __init__(self):
        super().__init__()
        self.now = self.most = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        given = storages((args, kwargs or {}))
        for address, storage in storages(result).items():
            # else a view, or changed in place
            if address not in given:
                self.change(storage.nbytes())
                weakref.finalize(storage, self.change, -storage.nbytes())
        return result

    def change(self, size):
        self.now += size
        self.most = max(self.most, self.now)


def measured_peak(work, device):
    """-> bytes that work() held at most beyond what was there before."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with PeakMemoryMode() as watch:
        work()
    return watch.most


def estimate_memory(trainer):
    """Take two small steps and say what one of the run's own would hold -> {part: bytes}. Weights, gradients and optimisers do not depend on
    the batch; all else, at its peak, grows with it in a straight line, which is drawn through 2 and 4 pictures."""
    model = trainer.model
    config = trainer.model.config
    batch = min(trainer.config.batch_size, len(trainer.train.rows))
    length = max(map(len, trainer.train.tokens))

    def step(pictures):
        """All but the update, with captions as long as the collection's longest."""
        images = torch.zeros(
            pictures, config.channels, config.image_size, config.image_size, device=trainer.device
        )
        tokens = torch.full((pictures, length), UNK, device=trainer.device)
        trainer.losses(images, tokens, trainer.noise(pictures, 0))[0]["total"].backward()

    model.train()
    # before the steps, so that they are not counted twice; the sampler's stay in memory as well
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizers = [*trainer.optimizers, trainer.flow_optimizer]
    for optimizer in optimizers:
        optimizer.step()
    two, four = (measured_peak(lambda: step(pictures), trainer.device) for pictures in (2, 4))
    each = (four - two) / 2
    parts = {
        "weights": total_bytes([*model.parameters(), *model.buffers()]),
        "gradients": total_bytes(weight.grad for weight in model.parameters()),
        "optimisers": total_bytes(optimizer_bytes(optimizers)),
        "activations": two + each * (batch - 2),
    }
    print(
        f"One training step of {sum(weight.numel() for weight in model.parameters()) / 1e6:.1f} M parameters, {batch} pictures of {config.image_size} px, captions of {length} tokens, "
        f"{trainer.device}, {trainer.precision}:"
    )
    for name, size in parts.items():
        print(
            f"  {name:<12} {format_bytes(size):>10}"
            + (
                f"   {format_bytes(each)} a picture, as measured for 2 and 4"
                if name == "activations"
                else ""
            )
        )
    print(
        f"  {'sum':<12} {format_bytes(sum(parts.values())):>10}   beside the program itself and what the device's libraries take"
    )
    return parts
