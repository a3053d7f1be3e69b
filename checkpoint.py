"""Checkpoint files: written whole or not at all, read without executing anything. Knows files, not models."""
from pickle import UnpicklingError
from pathlib import Path

import torch

from cli import UserError, whole_file


def save(path, state):
    """state: tensors and plain Python values. A killed save leaves the old file whole."""
    with whole_file(path) as partial:
        torch.save(state, partial)


def load(path):
    """-> the saved state, tensors on the CPU. UserError where the file is missing, cut, or not plain data."""
    if not Path(path).is_file():
        raise UserError(f"{path} is missing; make it with: python training_loop.py")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, OSError, KeyError, UnicodeDecodeError, UnpicklingError) as error:
        raise UserError(f"{path} is damaged or no checkpoint ({type(error).__name__}); remove it, or train anew: python training_loop.py --fresh") from error
