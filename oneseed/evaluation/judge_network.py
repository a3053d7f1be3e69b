"""The convolutions that both judges have, and how a file that should hold a judge can fail."""

from pickle import UnpicklingError

from torch import nn

# what torch.load and load_state_dict raise for damaged files and for files of others
UNREADABLE = (
    RuntimeError,
    ValueError,
    EOFError,
    OSError,
    KeyError,
    TypeError,
    UnicodeDecodeError,
    UnpicklingError,
)


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3 x 3 pixels, channels `inputs` -> `outputs`.

    Batch norm: its statistics are frozen when a judge judges.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def convolutions(width: int) -> list[nn.Module]:
    """Layers from grey pictures (B, 1, 128, 128) in [-1, 1] to rows of 64 W numbers, W = width."""
    return [
        nn.PixelUnshuffle(4),  # (B, 16, 32, 32)
        convolution(16, width),
        convolution(width, 2 * width, 2),
        convolution(2 * width, 2 * width),  # (B, 2W, 16, 16)
        convolution(2 * width, 3 * width, 2),
        convolution(3 * width, 3 * width),  # (B, 3W, 8, 8)
        convolution(3 * width, 4 * width, 2),  # (B, 4W, 4, 4)
        nn.Flatten(),  # (B, 64W)
    ]
