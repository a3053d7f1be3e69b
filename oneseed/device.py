"""Which processor runs the networks."""

import torch

from oneseed.console.command import UserError


def pick_device(name="auto"):
    """ "auto" -> cuda, mps or cpu, whichever is there first. UserError for a device that this machine lacks."""
    found = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(device for device, there in found.items() if there))
    if not found.get(torch.device(name).type, False):
        raise UserError(f"--device {name} is not on this machine; use --device auto")
    return torch.device(name)
