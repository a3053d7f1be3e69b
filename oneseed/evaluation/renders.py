"""Pictures of a drawn collection, drawn for the judges by several processes at once."""

import os
from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from oneseed.console.output import progress
from oneseed.evaluation.teaching import judge_generator
from oneseed.synthetic.drawn import DrawnCollection, Facts
from oneseed.workers import signals_withheld

MAX_DRAWING_PROCESSES = 16
# renders; to draw fewer takes less time than to start processes
MIN_SHARED_RENDERS = 200
# renders that a process hands over at once
RENDERS_AT_ONCE = 32


class Renders(Dataset):
    """The drawn pictures of some facts, uint8 (size, size) or (size, size, 3), drawn when asked."""

    def __init__(
        self, drawn: DrawnCollection, facts: Sequence[Facts], seeds: Sequence[int], size: int
    ) -> None:
        """Picture i shows facts[i] and is drawn with seeds[i]. size: pixels a side."""
        assert len(facts) == len(seeds), f"{len(facts)} facts, {len(seeds)} seeds"
        self.drawn = drawn
        self.facts = facts
        self.seeds = seeds
        self.size = size

    def __len__(self) -> int:
        return len(self.facts)

    def __getitem__(self, index: int) -> np.ndarray:
        return np.array(self.drawn.draw(self.facts[index], self.seeds[index], self.size))


def draw_all(
    drawn: DrawnCollection,
    facts: Sequence[Facts],
    seeds: Sequence[int],
    label: str,
    size: int = 0,
) -> torch.Tensor:
    """N facts -> their drawings, uint8 (N, size, size), in colour (N, size, size, 3).

    seeds: one for each; label: of the progress bar; size: 0 for the collection's own.
    """
    processes = 0
    if len(facts) > MIN_SHARED_RENDERS:
        processes = min(MAX_DRAWING_PROCESSES, os.cpu_count() or 1)
    batches = DataLoader(
        Renders(drawn, facts, seeds, size or drawn.size),
        batch_size=RENDERS_AT_ONCE,
        num_workers=processes,
        generator=judge_generator("workers"),
    )
    with signals_withheld():
        # starts the processes
        each_batch = iter(batches)
    pictures = []
    with progress(label=label, total=len(facts)) as bar:
        for batch in each_batch:
            pictures.append(batch)
            bar.update(len(batch))
    return torch.cat(pictures)
