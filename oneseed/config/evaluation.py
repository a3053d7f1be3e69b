"""Settings of evaluation.py."""

from dataclasses import dataclass

from oneseed.config.options import data_option
from oneseed.console.flags import option
from oneseed.seeds import LAST_SEED


@dataclass(frozen=True)
class EvaluateConfig:
    checkpoint: str = option("checkpoints/best_model.pt", "the model")
    judge: str = option(
        "checkpoints/judge.pt",
        "the picture judge of the built-in collection; taught and written where it is missing",
    )
    seeds: int = option(500, "how many pairs to judge")
    first_seed: int = option(
        1_000_000_000, "the first seed; far from those that other scripts show"
    )
    realism: str = option("checkpoints/realism.pt", "the judges of any other collection; the same")
    compare: str | None = option(None, "report.json of another run: also print what moved since")
    out: str = option("outputs/report", "folder of report.json and index.html")
    device: str = option("auto", "where the model runs", choices=("auto", "cuda", "mps", "cpu"))
    data: str = data_option()

    def __post_init__(self):
        if self.seeds < 2:
            raise ValueError(
                f"--seeds must be at least 2 (the floor needs a wrong pair), got {self.seeds}"
            )
        if not 0 <= self.first_seed <= LAST_SEED + 1 - self.seeds:
            raise ValueError(
                f"--first-seed and the {self.seeds} seeds from it on must lie in 0 to {LAST_SEED}, got {self.first_seed}"
            )
