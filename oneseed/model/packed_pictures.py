"""The pictures that a packed model carries, as PNG files one after another."""

import io
import itertools

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from oneseed.config.model import MAX_IMAGE_SIZE
from oneseed.tensor_files import UnusableFileError


def pack_pictures(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 (N, C, S, S) -> the bytes of N PNG files, uint8, and where each ends, int64 (N,)."""
    files = [png_of(picture) for picture in pictures.permute(0, 2, 3, 1).numpy()]
    content = torch.frombuffer(bytearray(b"".join(files)), dtype=torch.uint8)
    return content, torch.tensor([len(file) for file in files]).cumsum(0)


def png_of(picture: np.ndarray) -> bytes:
    """uint8 (S, S, 1) or (S, S, 3) -> a PNG file, as small as it becomes."""
    written = io.BytesIO()
    pixels = picture[..., 0] if picture.shape[2] == 1 else picture
    Image.fromarray(np.ascontiguousarray(pixels)).save(written, "PNG", optimize=True)
    return written.getvalue()


def unpack_pictures(content: Tensor, ends: Tensor) -> Tensor:
    """The inverse of pack_pictures. UnusableFileError where they are no pictures of one size."""
    files = content.numpy().tobytes()
    try:
        pictures = [
            pixels_of(files[start:end]) for start, end in itertools.pairwise([0, *ends.tolist()])
        ]
        return torch.stack(pictures)
    except (OSError, ValueError, RuntimeError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnusableFileError("the pictures that it carries are none") from error


def pixels_of(file: bytes) -> Tensor:
    """A PNG file -> uint8 (C, S, S). ValueError for a picture of another kind."""
    with Image.open(io.BytesIO(file), formats=("PNG",)) as image:
        if image.mode not in ("L", "RGB") or max(image.size) > MAX_IMAGE_SIZE:
            raise ValueError(f"{image.mode}, {image.size}")
        pixels = np.array(image)
    return torch.from_numpy(pixels).view(*pixels.shape[:2], -1).permute(2, 0, 1).contiguous()
