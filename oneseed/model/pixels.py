"""Pictures as tensors in [-1, 1], and back."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

# pixels a side: what judges and thumbnails look at, whatever the model's size
VIEW_SIZE = 128


class Pictures(Protocol):
    """Many pictures, uint8 (N, S, S) or (N, S, S, 3): an array, a tensor, or a cache on disk."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice, /) -> Any: ...


def to_tensor(
    pixels: np.ndarray | torch.Tensor, device: str | torch.device = "cpu"
) -> torch.Tensor:
    """uint8 (B, H, W) or (B, H, W, C) -> float32 (B, C, H, W) in [-1, 1] on `device`.

    A value v becomes v / 127.5 - 1. The pixels are moved to the device as bytes.
    """
    if not isinstance(pixels, torch.Tensor):
        pixels = torch.from_numpy(np.ascontiguousarray(pixels))
    tensor = pixels.to(device)
    tensor = tensor[:, None] if tensor.dim() == 3 else tensor.permute(0, 3, 1, 2)
    return tensor.to(torch.float32, copy=True).div_(127.5).sub_(1)


def to_pixels(images: torch.Tensor) -> np.ndarray:
    """The inverse: (B, C, H, W) in [-1, 1] -> uint8 (B, H, W, C), values outside clipped."""
    values = images.detach().float().cpu() + 1
    values = values.mul_(127.5).round_().clamp_(0, 255)
    return values.to(torch.uint8).permute(0, 2, 3, 1).numpy()


def to_pil(images: torch.Tensor) -> list[Image.Image]:
    """(B, 1 or 3, H, W) in [-1, 1] -> B RGB images."""
    # a view of one channel as three, as MultimodalModel.to_rgb makes of grey pictures
    is_repeated = images.shape[1] == 3 and images.stride(1) == 0
    pictures = []
    for pixels in to_pixels(images[:, :1] if is_repeated else images):
        rgb = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
        pictures.append(Image.fromarray(np.ascontiguousarray(rgb)))
    return pictures


def resized_views(pixels: np.ndarray | torch.Tensor) -> torch.Tensor:
    """uint8 (N, S, S) or (N, S, S, 3) -> (N, 1, VIEW_SIZE, VIEW_SIZE) in [-1, 1], grey."""
    if not isinstance(pixels, torch.Tensor):
        pixels = torch.from_numpy(np.ascontiguousarray(pixels))
    grey = pixels.float()
    if grey.dim() == 4:
        grey = grey.mean(-1)
    images = grey[:, None] / 127.5 - 1
    if images.shape[-1] != VIEW_SIZE:
        images = F.interpolate(images, (VIEW_SIZE, VIEW_SIZE), mode="bilinear", antialias=True)
    return images


def portions(pixels: Pictures, length: int = 64) -> Iterator[torch.Tensor]:
    """resized_views of `length` pictures after another: as floats all might be too large."""
    for start in range(0, len(pixels), length):
        yield resized_views(pixels[start : start + length])
