"""How much memory a training step holds, in bytes, as tensors tell it."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from oneseed.model.tokenizer import UNK
from oneseed.training.data import Batch, PairLoader
from oneseed.training.objective import Objective

# pictures of the two steps that are measured
FEW_PICTURES = 2
MORE_PICTURES = 4


def total_bytes(tensors: Iterable[Tensor]) -> int:
    """What the tensors take together."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def format_bytes(count: float) -> str:
    """Bytes -> "512.0 MiB" or "1.72 GiB"."""
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def optimizer_tensors(optimizers: Iterable[torch.optim.Optimizer]) -> list[Tensor]:
    """Tensors that the optimisers keep between steps."""
    found = []
    for optimizer in optimizers:
        for state in optimizer.state.values():
            found += [value for value in state.values() if isinstance(value, Tensor)]
    return found


def storages(value: Any) -> dict[int, torch.UntypedStorage]:
    """{address: storage} of all tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        storage = value.untyped_storage()
        return {storage.data_ptr(): storage}
    found = {}
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        for item in value:
            found |= storages(item)
    return found


class PeakMemoryMode(TorchDispatchMode):
    """Counts what is made inside `with PeakMemoryMode() as mode:`; mode.peak is the most at once.

    What an operation needs within itself is not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        # bytes
        self.held = 0
        self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = storages((args, kwargs or {}))
        for address, storage in storages(result).items():
            # else a view, or changed in place
            if address not in inputs:
                self.change(storage.nbytes())
                weakref.finalize(storage, self.change, -storage.nbytes())
        return result

    def change(self, size: int) -> None:
        """So many bytes more are held; negative: less."""
        self.held += size
        self.peak = max(self.peak, self.held)


def measured_peak(work: Callable[[], object], device: torch.device) -> int:
    """Bytes that work() holds at most, beyond what was there before."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with PeakMemoryMode() as mode:
        work()
    return mode.peak


class StepMemory(NamedTuple):
    """What a training step holds."""

    # {part: bytes}
    parts: dict[str, float]
    # bytes of activations
    per_picture: float
    # pictures of the step, and tokens of its longest caption
    pictures: int
    caption_length: int

    @property
    def total(self) -> float:
        """Bytes of all parts."""
        return sum(self.parts.values())


def measure_memory(
    objective: Objective,
    train: PairLoader,
    optimizers: Iterable[torch.optim.Optimizer],
    pictures: int,
) -> StepMemory:
    """Take two small steps -> what a step of the run would hold. The model is spoilt by it.

    optimizers: all of the run's, also the prior's. pictures: that are worked at together. Weights,
    gradients and optimisers do not depend on their number. All else, at its peak, grows with it in
    a straight line, which is drawn through 2 and 4 pictures.
    """
    model = objective.model
    model.train()
    # Before the steps, so that they are not counted twice; the prior's stay in memory as well.
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizers = list(optimizers)
    for optimizer in optimizers:
        optimizer.step()
    caption_length = max(map(len, train.tokens))
    few = measured_peak(
        lambda: blank_step(objective, FEW_PICTURES, caption_length), objective.device
    )
    more = measured_peak(
        lambda: blank_step(objective, MORE_PICTURES, caption_length), objective.device
    )
    per_picture = (more - few) / (MORE_PICTURES - FEW_PICTURES)
    tower = getattr(model.image_encoder, "tower", None)
    frozen = tower.network.parameters() if tower else ()
    parts = {
        "weights": total_bytes([*model.parameters(), *model.buffers(), *frozen]),
        "gradients": total_bytes(w.grad for w in model.parameters() if w.grad is not None),
        "optimisers": total_bytes(optimizer_tensors(optimizers)),
        "activations": few + per_picture * (pictures - FEW_PICTURES),
    }
    return StepMemory(parts, per_picture, pictures, caption_length)


def estimate_memory(
    objective: Objective,
    train: PairLoader,
    optimizers: Iterable[torch.optim.Optimizer],
    pictures: int,
) -> dict[str, float]:
    """Print what a step of the run would hold -> {part: bytes}. Arguments as of measure_memory."""
    step = measure_memory(objective, train, optimizers, pictures)
    million_weights = sum(weight.numel() for weight in objective.model.parameters()) / 1e6
    print(
        f"One training step of {million_weights:.1f} M parameters, {step.pictures} pictures of "
        f"{objective.model.config.image_size} px, captions of {step.caption_length} tokens, "
        f"{objective.device}, {objective.precision}:"
    )
    print_parts(step.parts, step.per_picture)
    return step.parts


def blank_step(objective: Objective, pictures: int, caption_length: int) -> None:
    """A step without its update, on so many blank pictures with captions of so many tokens."""
    config = objective.model.config
    size = config.image_size
    images = torch.zeros(pictures, config.channels, size, size, device=objective.device)
    tokens = torch.full((pictures, caption_length), UNK, device=objective.device)
    batch = Batch(images, tokens, torch.arange(pictures))
    losses, _ = objective.losses(batch, objective.noise(pictures, 0))
    losses["total"].backward()


def print_parts(parts: dict[str, float], per_picture: float) -> None:
    """A line for each part and for their sum. per_picture: bytes of activations."""
    for name, size in parts.items():
        line = f"  {name:<12} {format_bytes(size):>10}"
        if name == "activations":
            line += f"   {format_bytes(per_picture)} a picture, as measured for 2 and 4"
        print(line)
    print(
        f"  {'sum':<12} {format_bytes(sum(parts.values())):>10}"
        "   beside the program itself and what the device's libraries take"
    )
