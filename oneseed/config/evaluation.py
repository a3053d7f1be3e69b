"""Settings of evaluation.py."""

from dataclasses import dataclass

from oneseed.config.options import (
    checkpoint_option,
    data_option,
    device_option,
    encoder_option,
    finish_option,
    text_decoder_option,
)
from oneseed.config.shards import settle_shard, shard_option
from oneseed.console.flags import BaseConfig, option
from oneseed.seeds import LAST_SEED


@dataclass(frozen=True)
class EvaluateConfig(BaseConfig):
    """Which pairs are judged, and by whom."""

    checkpoint: str = checkpoint_option()
    judge: str = option(
        "checkpoints/judge.pt",
        "the file of a drawn collection's picture judge, taught and written where it is missing; "
        "or module:Class, a judge of your own for any collection, whose code then runs",
    )
    seeds: int = option(
        500, "how many pairs to judge", at_least=2, because="the floor needs a wrong pair"
    )
    first_seed: int = option(
        1_000_000_000, "the first seed; far from those that other scripts show"
    )
    realism: str = option("checkpoints/realism.pt", "the judges of any other collection; the same")
    compare: str | None = option(None, "report.json of another run: also print what moved since")
    out: str = option("outputs/report", "folder of report.json and index.html")
    shard: str = shard_option("draw and judge only this share of the pairs")
    finish: str | None = finish_option()
    encoder: str | None = encoder_option()
    text_decoder: str | None = text_decoder_option()
    device: str = device_option("where the model runs")
    data: str = data_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        settle_shard(self)
        if not 0 <= self.first_seed <= LAST_SEED + 1 - self.seeds:
            raise ValueError(
                f"--first-seed and the {self.seeds} seeds from it on must lie in "
                f"0 to {LAST_SEED}, got {self.first_seed}"
            )
