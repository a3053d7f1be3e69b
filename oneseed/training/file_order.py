"""An order of pictures that goes through the cache file by file, and what it needs next.

Pictures of a few files are mixed at a time, so that a disk holds those files alone. The files come
in an order of seed and epoch, and so do the pictures in each group of files. Where one group holds
all files, the order is the one that a run without a limit has.
"""

import numpy as np
import torch
from torch import Tensor


def by_groups_of_files(
    order: Tensor, files: np.ndarray, at_a_time: int, generator: torch.Generator
) -> Tensor:
    """An order of rows, int64 (N,), sorted into groups of files that are drawn at random.

    files: int (N,), the file of each row. at_a_time: files of a group.
    """
    numbers, file_of_row = np.unique(files, return_inverse=True)
    drawn = torch.randperm(len(numbers), generator=generator)
    group_of_file = torch.empty_like(drawn)
    group_of_file[drawn] = torch.arange(len(drawn)) // at_a_time
    groups = group_of_file[torch.from_numpy(file_of_row)[order]]
    return order[groups.argsort(stable=True)]


def by_first_use(files: np.ndarray) -> list[int]:
    """The files of some rows, int (M,) -> each once, in the order in which they come first."""
    numbers, places = np.unique(files, return_index=True)
    return numbers[places.argsort()].tolist()
