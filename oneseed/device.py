"""Which processor runs the networks."""

import os

import torch

from oneseed.console.command import UserError


def pick_device(name: str = "auto") -> torch.device:
    """The device of a name: cuda or cpu; "auto": the first of them that is there.

    UserError for a device that this machine lacks, and for Apple's, which has no float64.
    """
    is_there = {"cuda": torch.cuda.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in is_there.items() if there))
    if name == "mps":
        raise UserError(
            "--device mps cannot be used: Apple's GPUs do not count in float64, as the map between "
            "seeds and codes does; use --device cpu"
        )
    if not is_there.get(torch.device(name).type, False):
        raise UserError(f"--device {name} is not on this machine; use --device auto")
    return torch.device(name)


def pick_device_of_rank(name: str = "auto") -> torch.device:
    """Like pick_device; of several GPUs the one of this process, where torchrun started it.

    Processes may outnumber the GPUs.
    """
    device = pick_device(name)
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    return device
