"""Weights from a file: those that a network has, of its shapes and kinds, and all of them numbers.

    require_weights(expected, found)      # UserError names the first tensor that is not as expected

Two of their kinds cannot be told by looking at the weights, huge ones and those that do not go
together: what they make is looked at too, by `require_numbers`.
"""

import math
import os
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from oneseed.console.command import UserError

# where a network keeps what is no tensor
EXTRA_STATE = "_extra_state"
# of what a network makes: pictures lie within 2, codes and features within some tens, and the
# logits of captions within some hundreds
MAX_RESULT = 1e5
# of the names of tensors that a sentence shows
MAX_TENSOR_NAME = 80


class OnlyShapes(TorchFunctionMode):
    """Within `with torch.device("meta"), OnlyShapes():` a network is built without any numbers.

    There are none on that device. To find out the shape of some results torch would load a second's
    worth of modules; those that networks ask for as they are built are told here.
    """

    SAME_SHAPE = ("normal_", "uniform_", "kaiming_uniform_", "mul", "rpow", "__rpow__", "pow", "ge")

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """What func gives, or a tensor of its shape."""
        given = kwargs or {}
        if getattr(func, "__name__", "") in self.SAME_SHAPE:
            return args[0] if args else given["tensor"]
        if func is torch.eye:
            return torch.zeros(args[0], args[0])
        if func is torch.arange:
            return torch.zeros(len(np.arange(*args)) if len(args) > 1 else args[0])
        if func is torch.linspace:
            return torch.zeros(args[2])
        return func(*args, **given)


class Weight(NamedTuple):
    """What a tensor of a network is like."""

    shape: tuple[int, ...]
    dtype: torch.dtype


def weights_of(network: nn.Module) -> dict[str, Weight]:
    """What the tensors of a network are like, by name; it may be on the device "meta"."""
    found = {}
    for name, tensor in network.state_dict().items():
        if name != EXTRA_STATE:
            found[name] = Weight(tuple(tensor.shape), tensor.dtype)
    return found


def require_memory(expected: Mapping[str, Weight]) -> None:
    """UserError where weights are larger than the memory of this machine."""
    if not hasattr(os, "sysconf"):
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    needed = sum(math.prod(weight.shape) * weight.dtype.itemsize for weight in expected.values())
    if needed > memory:
        raise UserError(
            f"a model of these settings takes {needed / 2**30:,.0f} GiB, and this machine has "
            f"{memory / 2**30:,.0f}; take a smaller preset, or give a budget: --parameters 20M"
        )


def require_weights(
    expected: Mapping[str, Weight], found: Any, minus_infinite: Collection[str] = ()
) -> None:
    """UserError where `found` has other tensors than expected, or numbers that are none.

    found: {name: tensor}, its extra state left aside. minus_infinite: names of tensors in which
    -inf has a meaning.
    """
    if not isinstance(found, Mapping):
        raise UserError("it has no weights")
    for name in found:
        if name not in expected and name != EXTRA_STATE:
            raise UserError(f"it has a tensor {str(name)[:MAX_TENSOR_NAME]!r} too many")
    for name, weight in expected.items():
        tensor = found.get(name)
        if not isinstance(tensor, torch.Tensor):
            raise UserError(f"it lacks the tensor {name}")
        if tensor.dtype != weight.dtype:
            raise UserError(f"its {name} is of {tensor.dtype}, not of {weight.dtype}")
        if tuple(tensor.shape) != weight.shape:
            raise UserError(f"its {name} has the shape {tuple(tensor.shape)}, not {weight.shape}")
        require_finite_tensor(tensor, f"its {name}", is_minus_infinite=name in minus_infinite)


def require_finite_tensor(
    tensor: torch.Tensor, place: str, *, is_minus_infinite: bool = False
) -> None:
    """UserError for NaN and infinities in a tensor of any kind. place: what it is, in words.

    is_minus_infinite: -inf has a meaning there, beside other numbers.
    """
    if not (tensor.is_floating_point() and tensor.numel()):
        return
    # One pass, in which NaN wins: half the time of isfinite().all().
    low, high = tensor.detach().aminmax()
    if not high.isfinite() or not (low.isfinite() or is_minus_infinite):
        raise UserError(f"{place} holds NaN or infinity")


def require_numbers(result: torch.Tensor, what: str) -> None:
    """UserError where what a model makes is no number: its weights are finite and useless.

    Nor is it one that lies far beyond all that a trained network makes.
    """
    low, high = result.detach().aminmax()
    # False of NaN, too
    if not (low > -MAX_RESULT and high < MAX_RESULT):
        raise UserError(
            f"this model makes {what} that are no numbers: its weights are too large, or do not go "
            "together; use another checkpoint"
        )
