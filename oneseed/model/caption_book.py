"""The captions of the training pictures, for models that have not learnt to write.

Where titles cannot be told from pictures, or pictures are few, a caption decoder learns its
captions by heart and writes word salad between them. Such a model carries a book: the place of each
training picture in the space of codes, and its caption. A pair then has the caption of the picture
that is nearest to its own code.
"""

from collections.abc import Sequence

import torch
from torch import nn


class CaptionBook(nn.Module):
    """Captions of training pictures, looked up by code.

    book = CaptionBook(coordinates, captions)  # float (N, k), N strings
    book.nearest(coordinates_of_others)  # (B, k) -> B strings
    """

    coordinates: torch.Tensor  # (N, k) float16, the leading coordinates of the prior

    def __init__(self, coordinates: torch.Tensor, captions: Sequence[str]) -> None:
        super().__init__()
        assert len(coordinates) == len(captions), f"{len(coordinates)} against {len(captions)}"
        self.register_buffer("coordinates", coordinates.half())
        self.captions = list(captions)

    @classmethod
    def to_be_loaded(cls, coordinates: torch.Tensor) -> "CaptionBook":
        """A book of this size, which a state dict is about to fill."""
        return cls(torch.zeros_like(coordinates), [""] * len(coordinates))

    def nearest(self, coordinates: torch.Tensor) -> list[str]:
        """Leading coordinates (B, k) -> the caption of the picture nearest to each, the first of
        equally near ones.

        In double precision and without matrix products, so that a pair's caption does not depend
        on the pairs beside it.
        """
        own = self.coordinates.double().cpu()
        rows = coordinates.double().cpu()
        numbers = [int((own - row).square().sum(1).argmin()) for row in rows]
        return [self.captions[number] for number in numbers]
