"""What N pictures and N pairs cost, stage by stage on M machines, and what breaks first.

    python -m benchmarks.plan                                         # a billion, rates as stored
    python -m benchmarks.plan --pictures 20000000 --pairs 1000000000 --machines 64
    python -m benchmarks.plan --measure --out rates.json              # a minute: this machine's own
    python -m benchmarks.plan --rates rates.json --set caption=40     # one of them by hand

A plan multiplies: rates times machines, bytes times rows. What it cannot know is told as such: the
rate of a captioner is that of the model and the GPU that serve it. The stored rates are of two CPU
cores and the small preset, see docs/performance.md; a * stands where one is assumed.
"""

# --help answers before torch loads
if __name__ == "__main__":
    from dataclasses import dataclass

    from oneseed.console.flags import BaseConfig, option, parse_configs

    @dataclass(frozen=True)
    class PlanConfig(BaseConfig):
        pictures: int = option(1_000_000_000, "that are prepared and trained on", at_least=1)
        pairs: int = option(1_000_000_000, "that are generated and indexed", at_least=1)
        machines: int = option(64, "that share the work", at_least=1)
        epochs: int = option(1, "that training shows each picture", at_least=1)
        size: int = option(128, "pixels a side", at_least=1)
        channels: int = option(1, "1: grey; 3: RGB", choices=(1, 3))
        memory: float = option(64, "GB of a machine", above=0)
        disk: float = option(2000, "GB of a machine", above=0)
        price: float = option(0, "of a machine and hour, in any money", at_least=0)
        rates: str = option("", "JSON file of rates, as --out writes it")
        set: str = option("", "name=value: rates by hand", several=True)
        measure: bool = option(False, "measure rates on this machine first")
        out: str = option("", "write the rates that were used to this JSON file")

    CONFIGS = parse_configs(PlanConfig, description=__doc__)

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from oneseed.console.command import UserError, run
from oneseed.files import write_text

# What a machine does a second, bytes that a row takes, and where they were measured.
RATES = {
    # pictures a second and machine: 5,000 of half a megapixel in 43.1 s by two processes
    "prepare": 116.0,
    # captions a second and machine: it is the captioner's own
    "caption": 20.0,
    # pictures a second and machine: the small preset on two cores
    "train": 140.0,
    # pairs a second and machine, to Parquet: the small preset on two cores
    "generate": 106.0,
    # pairs a second and machine, which are drawn once more to be indexed
    "index": 106.0,
    # bytes of an original, and of what is kept of a picture beside the cache
    "original_bytes": 60_000.0,
    "png_bytes": 11_000.0,
    "row_bytes": 600.0,
    # bytes of a pair in a file, and in an index of seeds
    "pair_bytes": 14_000.0,
    "index_bytes": 1_300.0,
    # bytes of a machine's memory that a row takes, while a stage lasts: growth from 1,000 to
    # 100,000 rows, divided by them
    "prepare_memory": 1_600.0,
    "caption_memory": 1_250.0,
    "train_memory": 1_740.0,
    # files of one folder that file systems still list in minutes
    "files_of_a_folder": 10_000_000.0,
    # bytes of the small preset's gradients, which go round all machines in each step
    "gradient_bytes": 38_000_000.0,
    # bytes a second between machines, and pairs that a machine has of a step
    "network": 1.25e9,
    "pairs_of_a_step": 32.0,
}
# rates that nobody has measured here
ASSUMED = ("caption", "index", "files_of_a_folder", "network")
# of --measure: pictures that are prepared, and those among them that are trained on
FEW = 64
MANY = 320
TRAINED = 160
SECONDS_PER_HOUR = 3600
GB = 1e9


class Stage(NamedTuple):
    """What one stage costs."""

    name: str
    # machine-seconds, and seconds on all machines
    work: float
    wall: float
    # bytes that it writes, on all machines together
    disk: float


class Limit(NamedTuple):
    """Something that ends, and how many rows it lasts for."""

    name: str
    rows: float
    remedy: str


def stages(config: Any, rates: dict[str, float]) -> list[Stage]:
    """The stages in their order."""
    n = config.pictures
    cache = n * config.size**2 * config.channels
    steps = n * config.epochs / (rates["pairs_of_a_step"] * config.machines)
    # a ring sends each gradient about twice
    exchange = 2 * rates["gradient_bytes"] / rates["network"] if config.machines > 1 else 0
    work = {
        "prepare": n / rates["prepare"],
        "caption": n / rates["caption"],
        "train": n * config.epochs / rates["train"] + steps * exchange * config.machines,
        "generate": config.pairs / rates["generate"],
        "index": config.pairs / rates["index"],
    }
    disk = {
        "prepare": n * (rates["png_bytes"] + rates["row_bytes"]) + cache,
        "caption": n * rates["row_bytes"],
        "train": 0.0,
        "generate": config.pairs * rates["pair_bytes"],
        "index": config.pairs * rates["index_bytes"],
    }
    return [Stage(name, work[name], work[name] / config.machines, disk[name]) for name in work]


def limits(config: Any, rates: dict[str, float]) -> list[Limit]:
    """What ends first stands first."""
    memory = config.memory * GB
    disk = config.disk * GB
    picture = config.size**2 * config.channels
    found = [
        Limit(
            "memory of the process that gathers a prepared collection",
            memory / rates["prepare_memory"],
            "prepare several collections, such as one a million pictures",
        ),
        Limit(
            "memory of the process that deals the captions",
            memory / rates["caption_memory"],
            "the same",
        ),
        Limit(
            "memory of each training process: captions and ids of all rows",
            memory / rates["train_memory"],
            "fewer processes a machine, or a collection after another with --init",
        ),
        Limit(
            "one folder of prepared pictures",
            rates["files_of_a_folder"],
            "a file system that holds more in a folder, or several collections",
        ),
        Limit(
            "disk of a machine for the whole pixel cache",
            disk / picture,
            "--data URL with --cache-limit",
        ),
        Limit(
            "disk of a machine that prepares alone: originals, PNGs, cache",
            disk / (rates["original_bytes"] + rates["png_bytes"] + picture),
            "--shard, or sources one after another",
        ),
        Limit(
            "seeds: 0 to 2**32 - 1",
            2.0**32,
            "prompts give each seed further pairs",
        ),
    ]
    return sorted(found, key=lambda limit: limit.rows)


def hours(seconds: float) -> str:
    """Seconds as hours, or days from 100 hours on."""
    count = seconds / SECONDS_PER_HOUR
    return f"{count / 24:,.0f} days" if count >= 100 else f"{count:,.2f} h"


def size(count: float) -> str:
    """Bytes in GB, or TB from 1,000 GB on."""
    return f"{count / GB / 1000:,.1f} TB" if count >= 1000 * GB else f"{count / GB:,.1f} GB"


def table(config: Any, rates: dict[str, float]) -> list[str]:
    """The plan, line by line."""
    lines = [
        f"{config.pictures:,} pictures of {config.size} px, {config.pairs:,} pairs, "
        f"{config.machines} machines, {config.epochs} epochs",
        f"{'stage':<10}{'one machine':>14}{'all':>12}{'disk':>12}"
        + (f"{'price':>14}" if config.price else ""),
    ]
    found = stages(config, rates)
    for stage in found:
        price = stage.work / SECONDS_PER_HOUR * config.price
        # set by hand or by a file, it is known
        mark = "*" if stage.name in ASSUMED and rates[stage.name] == RATES[stage.name] else ""
        cells = f"{hours(stage.work):>14}{hours(stage.wall):>12}{size(stage.disk):>12}"
        cost = f"{price:>14,.0f}" if config.price else ""
        lines.append(f"{stage.name + mark:<10}{cells}{cost}")
    longest = max(found, key=lambda stage: stage.work)
    lines.append(
        f"longest: {longest.name}; * by an assumed rate, --set {ASSUMED[0]}=40 gives yours"
    )
    lines.append("what breaks first, in rows:")
    for limit in limits(config, rates):
        wanted = config.pairs if limit.name.startswith("seeds") else config.pictures
        mark = "!" if limit.rows < wanted else " "
        lines.append(f"{mark} {limit.rows:>16,.0f}  {limit.name}; {limit.remedy}")
    return lines


def measured() -> dict[str, float]:
    """Rates of this machine: two sizes of a drawn collection, a short run, a few pairs."""
    import caption_generation
    import dataset_preparation
    import training_loop
    from oneseed.config.captioning import CaptionConfig
    from oneseed.config.model import PRESETS, ModelConfig
    from oneseed.config.preparation import PrepareConfig
    from oneseed.config.training import TrainConfig
    from oneseed.generation.generator import MultimodalGenerator

    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/data"
        seconds = {}
        # the first starts the worker processes' imports, and warms the disk
        for rows in (FEW, FEW + 1, MANY):
            prepare = PrepareConfig(
                source="builtin", preset="small", max_samples=rows, data=f"{data}_{rows}"
            )
            seconds[rows] = timed(lambda given=prepare: dataset_preparation.main(given))
        data = f"{data}_{MANY}"
        caption_generation.main(CaptionConfig(style="builtin", data=data))
        known = dict(PRESETS["small"])
        model_fields = ModelConfig.__dataclass_fields__.keys()
        model_config = ModelConfig(
            preset="small", **{k: v for k, v in known.items() if k in model_fields}
        )
        training = {k: v for k, v in known.items() if k not in model_fields}
        train = TrainConfig(
            style="builtin",
            preset="small",
            data=data,
            checkpoints=f"{folder}/run",
            **{**training, "num_epochs": 1, "epoch_pictures": 1, "sampler_steps": 20},
            max_samples=TRAINED,
        )
        training_loop.main(model_config, train)
        metrics = json.loads(Path(f"{folder}/run/metrics.json").read_text("utf-8"))
        generator = MultimodalGenerator(f"{folder}/run/best_model.pt")
        generator.generate_batch(range(32))
        drawn = timed(lambda: generator.generate_batch(range(32, 96)))
        png = list(Path(data).glob("processed/*/resized/*.png"))
        png_bytes = sum(path.stat().st_size for path in png) / len(png)
    return {
        "prepare": (MANY - FEW) / max(1e-3, seconds[MANY] - seconds[FEW + 1]),
        "train": metrics[-1]["images_per_second"],
        "generate": 64 / drawn,
        "png_bytes": png_bytes,
    }


def timed(work: Any) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def settled_rates(config: Any) -> dict[str, float]:
    """The stored rates, those of the file, those of this machine, and those by hand."""
    rates = dict(RATES)
    if config.rates:
        rates |= known_rates(json.loads(Path(config.rates).read_text("utf-8")))
    if config.measure:
        rates |= measured()
    by_hand = {}
    for part in filter(None, config.set.split(",")):
        name, _, value = part.partition("=")
        by_hand[name.strip()] = float(value)
    return rates | known_rates(by_hand)


def known_rates(rates: dict[str, Any]) -> dict[str, float]:
    """The rates as numbers above 0. UserError for a name that is none, or no such number."""
    for name, value in rates.items():
        if name not in RATES or not isinstance(value, (int, float)) or not value > 0:
            raise UserError(f"{name}={value} is no rate above 0; the rates are {', '.join(RATES)}")
    return rates


def main(config: Any) -> None:
    """Prints the plan."""
    rates = settled_rates(config)
    if config.out:
        write_text(config.out, json.dumps(rates, indent=1) + "\n")
    print_all(table(config, rates))


def print_all(lines: Sequence[str]) -> None:
    """Prints line after line."""
    for line in lines:
        print(line)


if __name__ == "__main__":
    run(main, *CONFIGS)
