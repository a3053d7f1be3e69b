"""What the API counts, as Prometheus reads it.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from oneseed.generation.batcher import Batcher

# upper bounds of the histograms: seconds of an answer, items of a batch
SECONDS_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH_BOUNDS = (1, 2, 4, 8, 16, 32)


@dataclass
class Histogram:
    """How many values are at most each bound; the last count is of those above all bounds."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float, times: int = 1) -> None:
        """Counts a value."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def lines(self, name: str, **labels: str) -> Iterator[str]:
        """Its samples; each bucket counts those before it too."""
        below = 0
        for bound, count in zip([*self.bounds, "+Inf"], self.counts):
            below += count
            yield sample(f"{name}_bucket", below, {**labels, "le": str(bound)})
        yield sample(f"{name}_sum", round(self.total, 6), labels)
        yield sample(f"{name}_count", below, labels)


def sample(name: str, value: float, labels: Mapping[str, str]) -> str:
    """One line: a name, its labels and a value. Labels are the program's own words."""
    told = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{told}}} {value}" if told else f"{name} {value}"


class Metrics:
    """Counts of the requests that were answered, by route and status."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.seconds: dict[str, Histogram] = {}

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts an answer. route: as the API's description has it, such as /v1/pairs/{seed}.png"""
        self.requests[method, route, status] += 1
        self.seconds.setdefault(route, Histogram(SECONDS_BOUNDS)).add(seconds)

    def text(self, batcher: Batcher, in_hand: int) -> str:
        """All counts. in_hand: requests that are being answered."""
        batches = Histogram(BATCH_BOUNDS)
        for size, times in list(batcher.sizes.items()):
            batches.add(size, times)
        lines = ["# TYPE oneseed_requests_total counter"]
        for (method, route, status), count in self.requests.items():
            labels = {"method": method, "route": route, "status": str(status)}
            lines.append(sample("oneseed_requests_total", count, labels))
        lines.append("# TYPE oneseed_request_seconds histogram")
        for route, histogram in self.seconds.items():
            lines += histogram.lines("oneseed_request_seconds", route=route)
        lines.append("# TYPE oneseed_batch_size histogram")
        lines += batches.lines("oneseed_batch_size")
        lines.append("# TYPE oneseed_queue_length gauge")
        lines.append(sample("oneseed_queue_length", len(batcher.waiting), {}))
        lines.append("# TYPE oneseed_requests_in_hand gauge")
        lines.append(sample("oneseed_requests_in_hand", in_hand, {}))
        return "\n".join(lines) + "\n"
