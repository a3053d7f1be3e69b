"""Pictures changed at random on their way into training."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from oneseed.media.kinds import PICTURE, SOUND
from oneseed.seeds import torch_generator
from oneseed.training import distributed
from oneseed.training.data import Batch, PairLoader

# training pictures; smaller collections are zoomed at random and encoded in several views
AUGMENT_BELOW = 5_000
# encoded views of each picture at most
MAX_VIEWS = 16


def should_augment(rows: int) -> bool:
    """Is a collection of so many training pictures small enough to be zoomed at random?"""
    return rows < AUGMENT_BELOW


def view_count(rows: int, medium: str = PICTURE) -> int:
    """Views of each picture that make up for a small number of training pictures, 1 to 16."""
    return min(MAX_VIEWS, math.ceil(AUGMENT_BELOW / rows)) if medium in VARIED_BY else 1


def random_zoom(
    images: Tensor,
    generator: torch.Generator,
    zoom: float = 0.15,
    *,
    length: int = 0,
    local: slice = slice(None),
) -> Tensor:
    """Each picture zoomed in by up to `zoom` and moved within its old frame, (B, C, S, S).

    What a caption says stays true: nothing is mirrored, since captions say left and right.
    length, local: where the pictures are only the rows `local` of a batch of `length`.
    """
    scale = 1 - zoom * torch.rand(length or len(images), generator=generator)  # (B,)
    shift = (torch.rand(len(scale), 2, generator=generator) * 2 - 1) * (1 - scale)[:, None]
    theta = torch.zeros(len(images), 2, 3)
    theta[:, 0, 0] = scale[local]
    theta[:, 1, 1] = scale[local]
    theta[:, :, 2] = shift[local]
    grid = F.affine_grid(theta, list(images.shape), align_corners=False).to(images)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def random_delay(
    images: Tensor,
    generator: torch.Generator,
    share: float = 0.1,
    *,
    length: int = 0,
    local: slice = slice(None),
) -> Tensor:
    """Each sound up to a `share` of its square earlier or later, (B, C, S, S); silence is white.

    Zooming would change its pitch and its pace, which captions tell. Arguments as of random_zoom.
    """
    side = images.shape[-1]
    most = round(share * side)
    delays = torch.randint(-most, most + 1, (length or len(images),), generator=generator)
    columns = torch.arange(side) - delays[local, None]  # (B, S)
    is_heard = (columns >= 0) & (columns < side)
    places = columns.clamp(0, side - 1)[:, None, None].expand(images.shape).to(images.device)
    moved = images.gather(3, places)
    return moved.where(is_heard[:, None, None].to(images.device), 1.0)


# medium -> what changes its squares at random, and leaves true what captions say. Of clips none
# does: frames would cross the borders of their sheet, and mirrored ones go left for right.
VARIED_BY = {PICTURE: random_zoom, SOUND: random_delay}


def vary_batch(batch: Batch, purpose: str, medium: str = PICTURE) -> Batch:
    """A batch with its pictures changed at random, the same for equal purposes.

    Of a batch that several processes share, each changes its slice as one process would. Further
    pictures of a pair stay as they are.
    """
    if len(batch.images) == 0 or medium not in VARIED_BY:
        return batch
    length = len(batch.rows)
    images = VARIED_BY[medium](
        batch.images,
        torch_generator(purpose, "jiggle"),
        length=length,
        local=distributed.local_slice(length),
    )
    return batch._replace(images=images)


def view_batch(loader: PairLoader, rows: Tensor, view: int) -> Batch:
    """The pairs of a loader's rows (M,), in one of several views.

    View 0 shows their pictures as they are, the others change them at random.
    """
    batch = loader.batch(rows.numpy())
    if view == 0 or loader.medium not in VARIED_BY:
        return batch
    generator = torch_generator(f"{view} {int(rows[0])}", "view")
    return batch._replace(images=VARIED_BY[loader.medium](batch.images, generator))
