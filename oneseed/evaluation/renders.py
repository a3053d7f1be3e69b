"""Engravings drawn for the judges, by several processes at once."""

import os
from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from oneseed.console.output import progress
from oneseed.evaluation.teaching import judge_generator
from oneseed.model.pixels import VIEW_SIZE
from oneseed.synthetic.engravings import drawing
from oneseed.synthetic.engravings.attributes import Facts
from oneseed.workers import signals_withheld

MAX_DRAWING_PROCESSES = 16
# renders; to draw fewer takes less time than to start processes
MIN_SHARED_RENDERS = 200
# renders that a process hands over at once
RENDERS_AT_ONCE = 32


class Renders(Dataset):
    """The drawn pictures of some facts, uint8 (size, size), drawn when asked for."""

    def __init__(self, facts: Sequence[Facts], first_seed: int, size: int) -> None:
        """Picture i shows facts[i] and is drawn with seed first_seed + i. size: pixels a side."""
        self.facts = facts
        self.first_seed = first_seed
        self.size = size

    def __len__(self) -> int:
        return len(self.facts)

    def __getitem__(self, index: int) -> np.ndarray:
        return np.array(drawing.draw(self.facts[index], self.first_seed + index, self.size))


def draw_all(
    facts: Sequence[Facts], first_seed: int, label: str, size: int = VIEW_SIZE
) -> torch.Tensor:
    """N facts -> their drawings, uint8 (N, size, size), with the seeds from first_seed on.

    label: of the progress bar.
    """
    processes = 0
    if len(facts) > MIN_SHARED_RENDERS:
        processes = min(MAX_DRAWING_PROCESSES, os.cpu_count() or 1)
    batches = DataLoader(
        Renders(facts, first_seed, size),
        batch_size=RENDERS_AT_ONCE,
        num_workers=processes,
        generator=judge_generator("workers"),
    )
    with signals_withheld():
        # starts the processes
        each_batch = iter(batches)
    drawn = []
    with progress(label=label, total=len(facts)) as bar:
        for batch in each_batch:
            drawn.append(batch)
            bar.update(len(batch))
    return torch.cat(drawn)
