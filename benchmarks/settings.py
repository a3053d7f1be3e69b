"""Settings of the benchmarks."""

from dataclasses import dataclass

from oneseed.config.options import data_option
from oneseed.console.flags import option

COHERENCE_PLANS = ("demo", "levels", "half-hour", "two-hours")


@dataclass(frozen=True)
class CoherenceConfig:
    only: str = option(",".join(COHERENCE_PLANS), "which rows, with commas between")
    judge: str = option(
        "checkpoints/judge.pt", "the picture judge; taught and written where it is missing"
    )

    def __post_init__(self):
        if wrong := [plan for plan in self.only.split(",") if plan not in COHERENCE_PLANS]:
            raise ValueError(f"--only knows {', '.join(COHERENCE_PLANS)}, not {wrong[0]!r}")


@dataclass(frozen=True)
class SamplersConfig:
    checkpoints: str = option(
        "checkpoints/best_model.pt",
        "models on whose codes the samplers are fitted, with commas between",
    )
    judge: str = option(
        "checkpoints/judge.pt", "the picture judge; taught and written where it is missing"
    )
    seeds: int = option(500, "how many pairs to judge")
    steps: int = option(2000, "of 256 rows each, for every sampler with a network")
    out: str = option("outputs/samplers.json", "the results")
    data: str = data_option()
