"""Pictures as tensors in [-1, 1], and back."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

# pixels a side: what judges and thumbnails look at, whatever the model's size
VIEW_SIZE = 128


def to_tensor(pixels, device="cpu"):
    """uint8 array or tensor (B, H, W) or (B, H, W, C) -> float32 tensor (B, C, H, W) in [-1, 1] on `device`, whither it goes as bytes; value v becomes
    v / 127.5 - 1."""
    tensor = torch.as_tensor(
        pixels if torch.is_tensor(pixels) else np.ascontiguousarray(pixels)
    ).to(device)
    tensor = tensor[:, None] if tensor.dim() == 3 else tensor.permute(0, 3, 1, 2)
    return tensor.to(torch.float32, copy=True).div_(127.5).sub_(1)


def to_pixels(images):
    """The inverse: (B, C, H, W) in [-1, 1] -> uint8 array (B, H, W, C), values outside clipped."""
    return (
        ((images.detach().float().cpu() + 1) * 127.5)
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
        .permute(0, 2, 3, 1)
        .numpy()
    )


def to_pil(images):
    """(B, C, H, W) in [-1, 1] -> list of PIL RGB images."""
    return [
        Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3))))
        for pixels in to_pixels(images)
    ]


def resized_views(pixels):
    """uint8 (N, S, S) or (N, S, S, 3), array or tensor -> (N, 1, SIZE, SIZE) in [-1, 1]: grey by the mean, resized where S is not SIZE."""
    images = torch.as_tensor(
        np.ascontiguousarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    )
    images = (images.float().mean(-1) if images.dim() == 4 else images.float())[:, None] / 127.5 - 1
    if images.shape[-1] != VIEW_SIZE:
        images = F.interpolate(images, (VIEW_SIZE, VIEW_SIZE), mode="bilinear", antialias=True)
    return images


def portions(pixels, length=64):
    """uint8 (N, S, S) or (N, S, S, 3) -> views of so many at once, (length, 1, SIZE, SIZE): as floats all might be too large."""
    return (
        resized_views(pixels[start : start + length]) for start in range(0, len(pixels), length)
    )
