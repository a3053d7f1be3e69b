"""The convolutions that both judges have, and their files, which may be another program's."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from oneseed.console.command import UserError
from oneseed.model.checkpoint_facts import is_plain_text
from oneseed.model.pixels import VIEW_SIZE
from oneseed.model.weights import OnlyShapes, require_weights, weights_of
from oneseed.tensor_files import UnusableFileError, parse_strict_json, read_tensor_file

# channels of a judge's first convolution
MAX_WIDTH = 512
# cells a side into which a judge cuts a picture first
GRID_SIDE = 32
# pictures of at most so many pixels a side are small
SMALL_SIDE = 64


class WrongJudgeError(UserError):
    """Why a file holds no judge, in a few words; who reads it makes the sentence."""


def read_judge_file(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A judge's file -> (what it says of itself, all that it holds). WrongJudgeError for others."""
    try:
        state = read_tensor_file(path)
        text = state.get("about") if isinstance(state, dict) else None
        if not is_plain_text(text):
            raise UnusableFileError("it says nothing of itself")
        about = parse_strict_json(text)
    except UnusableFileError as error:
        raise WrongJudgeError(str(error)) from error
    if not isinstance(about, dict) or type(about.get("format")) is not int:
        raise WrongJudgeError("it says nothing of itself")
    return about, state


def load_judge_weights(
    make: Callable[[], nn.Module], about: Mapping[str, Any], weights: Any
) -> nn.Module:
    """A judge with its weights, which are compared before memory is asked for.

    make: the judge without them. about: what its file says. WrongJudgeError where they are not its.
    """
    width = about.get("width")
    if type(width) is not int or not 1 <= width <= MAX_WIDTH:
        raise WrongJudgeError("its width is no number of channels")
    try:
        with torch.device("meta"), OnlyShapes():
            expected = weights_of(make())
        require_weights(expected, weights)
    except UserError as error:
        raise WrongJudgeError(str(error)) from error
    judge = make()
    judge.load_state_dict(weights)
    return judge


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3 x 3 pixels, channels `inputs` -> `outputs`.

    Batch norm: its statistics are frozen when a judge judges.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def convolutions(width: int, channels: int = 1, size: int = VIEW_SIZE) -> list[nn.Module]:
    """Layers from pictures (B, channels, size, size) in [-1, 1] to rows of 64 W numbers, W = width.

    size: a multiple of 32. Small pictures are read pixel by pixel, for a few make a subject.
    """
    assert size % GRID_SIDE == 0, size
    patch = size // GRID_SIDE
    if size <= SMALL_SIDE:
        first = [convolution(channels, width // 2), convolution(width // 2, width, patch)]
    else:
        # (B, channels * patch^2, 32, 32)
        first = [nn.PixelUnshuffle(patch), convolution(channels * patch**2, width)]
    return [
        *first,  # (B, W, 32, 32)
        convolution(width, 2 * width, 2),
        convolution(2 * width, 2 * width),  # (B, 2W, 16, 16)
        convolution(2 * width, 3 * width, 2),
        convolution(3 * width, 3 * width),  # (B, 3W, 8, 8)
        convolution(3 * width, 4 * width, 2),  # (B, 4W, 4, 4)
        nn.Flatten(),  # (B, 64W)
    ]
