"""The pictures that a packed model carries, as PNG files one after another."""

import io
import itertools

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from oneseed.config.model import MAX_IMAGE_SIZE
from oneseed.tensor_files import UnusableFileError

# numbers of all pictures that a model carries
MOST_NUMBERS = 2**31


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
    if content.dtype != torch.uint8 or ends.dtype != torch.int64 or ends.dim() != 1:
        raise UnusableFileError("the pictures that it carries are none")
    files = content.numpy().tobytes()
    pictures: list[Tensor] = []
    try:
        for start, end in itertools.pairwise([0, *ends.tolist()]):
            pictures.append(pixels_of(files[start:end]))
            # before the next one is unpacked: a small file may hold a huge picture
            is_alike = pictures[-1].shape == pictures[0].shape
            if not is_alike or len(pictures) * pictures[0].numel() > MOST_NUMBERS:
                raise ValueError("pictures of several sizes, or too many")
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
