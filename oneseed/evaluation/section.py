"""A number beside its floor and its ceiling, and the sections that a report is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from oneseed.evaluation.metrics import bootstrap_interval

# one figure, several with names, or none
Value = float | Mapping[str, float | None] | None


@dataclass(frozen=True)
class Number:
    """One line of the report."""

    # what was measured, for the reader
    title: str
    value: Value
    # what chance or shuffled captions give
    floor: Value = None
    # what real pairs give
    ceiling: Value = None
    # the goal in words, "" where there is none
    wanted: str = ""
    # where the value lies in 95 % of resamples; None where it is no mean over items
    interval: tuple[float, float] | None = None


def mean_number(
    title: str,
    items: Sequence[float] | np.ndarray,
    floor: Value = None,
    ceiling: Value = None,
    wanted: str = "",
) -> Number:
    """The mean over items, such as pairs or prompts, with its bootstrap interval.

    items: (N,), one or more; the rest as in Number.
    """
    value = float(np.mean(items))
    return Number(title, value, floor, ceiling, wanted, bootstrap_interval(items))


@dataclass(frozen=True)
class Section:
    """What one measurement found; a report is several of them joined."""

    # by their keys in report.json
    numbers: dict[str, Number] = field(default_factory=dict)
    # sentences for the reader
    notes: list[str] = field(default_factory=list)
    # sentences that begin with WARNING, or with Warning where there is no verdict
    warnings: list[str] = field(default_factory=list)
    # the first pairs: {"caption": text, "verdict": [(attribute, seen, said), ...]}
    examples: list[dict[str, Any]] = field(default_factory=list)
    # further pictures by their heading
    gallery: dict[str, list[Image.Image]] = field(default_factory=dict)

    def value_of(self, name: str) -> float:
        """The value of a number that is one plain figure. name: its key."""
        value = self.numbers[name].value
        assert isinstance(value, int | float), f"{name} is {value}"
        return value

    def rows(self) -> dict[str, dict[str, Any]]:
        """The numbers as report.json holds them."""
        return {name: asdict(number) for name, number in self.numbers.items()}


def joined(parts: Iterable[Section]) -> Section:
    """Several sections as one, in their order."""
    full = Section()
    for part in parts:
        repeated = full.numbers.keys() & part.numbers.keys()
        assert not repeated, f"measured twice: {sorted(repeated)}"
        full.numbers.update(part.numbers)
        full.notes.extend(part.notes)
        full.warnings.extend(part.warnings)
        full.examples.extend(part.examples)
        full.gallery.update(part.gallery)
    return full
