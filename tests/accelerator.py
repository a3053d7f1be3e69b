"""A processor with a memory of its own that every machine has, to find what a GPU would refuse.

    with accelerator(monkeypatch):
        model.to(DEVICE)                # its tensors lie "there" now
        model.weight + torch.ones(3)    # ElsewhereError, as on a GPU

Numbers are kept and reckoned here, and only the rules are another device's: an operation takes
tensors of one device, single numbers and indices excepted; a generator draws on its own device;
nothing becomes a NumPy array before it is brought back. The device is called "lazy", a name that
PyTorch knows and that nothing on this machine answers to.
"""

import contextlib
import sys
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map_only

DEVICE = torch.device("lazy")
# operations that take tensors of two devices: copies, and places by their numbers
BETWEEN_DEVICES = ("_to_copy", "copy_", "_copy_from")
BY_PLACES = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index")
# of the generators that were made there: an operation gets a copy, known by nothing else
SEEDS: set[int] = set()


class ElsewhereError(RuntimeError):
    """An operation was given tensors of two devices."""


class Elsewhere(torch.Tensor):
    """A tensor of the other device; `here` holds its numbers."""

    here: torch.Tensor

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> "Elsewhere":
        made = torch.Tensor._make_wrapper_subclass(
            cls, here.shape, strides=here.stride(), dtype=here.dtype, device=DEVICE
        )
        made.here = here
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return reckoned(func, args, kwargs or {})

    def tolist(self) -> Any:
        """As of any tensor; a subclass of torch.Tensor has none."""
        return self.here.tolist()

    def __getitem__(self, places: Any) -> torch.Tensor:
        """As of any tensor; a list of places would be sent there without asking whoever reckons."""
        return super().__getitem__(placed(places))

    def __setitem__(self, places: Any, value: Any) -> None:
        super().__setitem__(placed(places), value)

    def __reduce_ex__(self, protocol):
        """What is saved is a plain tensor."""
        return self.here.__reduce_ex__(protocol)

    def __deepcopy__(self, memo):
        copied = Elsewhere(self.here.clone())
        copied.requires_grad_(self.requires_grad)
        return copied


def placed(places: Any) -> Any:
    """What stands in brackets, lists and NumPy's arrays as tensors."""
    if isinstance(places, tuple):
        return tuple(map(placed, places))
    return torch.as_tensor(places) if isinstance(places, list | np.ndarray) else places


def require_one_device(name: str, args: Any, kwargs: dict[str, Any]) -> None:
    """ElsewhereError where a GPU would refuse what an operation of this name is given."""
    tensors = [one for one in tree_iter((args, kwargs)) if isinstance(one, torch.Tensor)]
    near = [one for one in tensors if not isinstance(one, Elsewhere) and one.dim()]
    if name in BY_PLACES and isinstance(args[0], Elsewhere):
        near = [one for one in near if one.dtype not in (torch.int64, torch.bool)]
    is_mixed = near and any(isinstance(one, Elsewhere) for one in tensors)
    if is_mixed and name not in BETWEEN_DEVICES:
        raise ElsewhereError(f"{name}: tensors of two devices")


def is_made_there(name: str, args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether the outcome of an operation lies on the other device."""
    if kwargs.get("device") is not None:
        return torch.device(kwargs["device"]) == DEVICE
    if name in BETWEEN_DEVICES and isinstance(args[0], torch.Tensor):
        return isinstance(args[0], Elsewhere)
    return any(isinstance(one, Elsewhere) for one in tree_iter((args, kwargs)))


def reckoned(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The outcome of an operation, on the device that it belongs to."""
    name = func.overloadpacket.__name__
    require_one_device(name, args, kwargs)
    is_far = is_made_there(name, args, kwargs)
    generator = kwargs.get("generator")
    if is_far and generator is not None and generator.initial_seed() not in SEEDS:
        raise ElsewhereError(f"{name}: a generator of another device")
    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    here_args, here_kwargs = tree_map_only(Elsewhere, lambda one: one.here, (args, kwargs))
    outcome = func(*here_args, **here_kwargs)
    if not is_far or name == "_local_scalar_dense":
        return outcome
    far = [one for one in tree_iter((args, kwargs)) if isinstance(one, Elsewhere)]
    given = {id(one.here): one for one in far}

    def there(one: torch.Tensor) -> torch.Tensor:
        # what was changed in place stays the tensor that it is
        return given[id(one)] if id(one) in given else Elsewhere(one)

    return tree_map_only(torch.Tensor, there, outcome)


class EitherGenerator(torch.Generator):
    """A generator of this device or of the other one."""

    is_far: bool

    def __new__(cls, device: Any = "cpu") -> "EitherGenerator":
        is_far = torch.device(device) == DEVICE
        made = super().__new__(cls, "cpu" if is_far else device)
        made.is_far = is_far
        return made

    def manual_seed(self, seed: int) -> "EitherGenerator":
        """As of any generator."""
        if self.is_far:
            SEEDS.add(seed)
        super().manual_seed(seed)
        return self


class Accelerator(TorchDispatchMode):
    """Within it tensors can be made on DEVICE."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return reckoned(func, args, kwargs or {})


@contextlib.contextmanager
def accelerator(monkeypatch):
    """Within the block DEVICE is there, and whoever asks for a device gets it."""
    real, real_tensor = torch.autocast, torch.tensor

    def autocast(device_type, *given, **more):
        return (
            contextlib.nullcontext()
            if device_type == DEVICE.type
            else real(device_type, *given, **more)
        )

    def tensor(data: Any, *, device: Any = None, **more: Any) -> torch.Tensor:
        made = data if isinstance(data, torch.Tensor) else real_tensor(data, **more)
        return made if device is None else made.to(device)

    with monkeypatch.context() as patched, Accelerator():
        patched.setattr(torch, "autocast", autocast)
        patched.setattr(torch, "Generator", EitherGenerator)
        # what PyTorch makes elsewhere without asking whoever reckons
        patched.setattr(torch, "tensor", tensor)
        patched.setattr(torch, "as_tensor", tensor)
        # a tensor around another has no place in it
        patched.setattr(torch._C, "_InferenceMode", lambda mode: torch.no_grad())
        # which knows the devices that have a fused step by their names
        adam = sys.modules["torch.optim.adam"]
        patched.setattr(adam, "_device_dtype_check_for_fused", lambda *given: None)
        yield DEVICE
