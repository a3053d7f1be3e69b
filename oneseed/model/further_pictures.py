"""Pairs of several pictures, such as a form and its table: what the further ones add to the code.

    code = joint_code(codes, further_codes, owners)

The code of a pair is the mean of its pictures' codes, scaled to the length of a code. A pair of one
picture keeps its own to the last bit.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F


class FurtherPictures(NamedTuple):
    """The second to last pictures of some pairs of a batch."""

    # float (E, C, S, S) in [-1, 1]
    images: torch.Tensor
    # int64 (E,): to which row of the batch each belongs
    owners: torch.Tensor

    def to(self, device: torch.device) -> "FurtherPictures":
        """The same on a device."""
        return FurtherPictures(self.images.to(device), self.owners.to(device))

    def part(self, rows: slice) -> "FurtherPictures":
        """Those of some rows, slice(start, stop), as of a batch of these rows alone."""
        start = rows.start or 0
        is_inside = (self.owners >= start) & (self.owners < rows.stop)
        return FurtherPictures(self.images[is_inside], self.owners[is_inside] - start)


def joint_code(codes: torch.Tensor, further: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
    """Codes of first pictures (B, D), of further ones (E, D), their owners (E,) -> codes (B, D)."""
    sums = codes.index_add(0, owners, further.to(codes.dtype))
    has_further = torch.zeros(len(codes), 1, dtype=torch.bool, device=codes.device)
    has_further[owners] = True
    return torch.where(has_further, F.rms_norm(sums, codes.shape[1:]), codes)
