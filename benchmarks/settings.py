"""Flags of those benchmarks whose modules load numpy or torch; nothing heavy is imported here."""

from dataclasses import dataclass

from oneseed.config.options import data_option, device_option, finish_option
from oneseed.console.flags import BaseConfig, option

COHERENCE_PLANS = ("demo", "levels", "half-hour", "two-hours")
PREPARATION_PARTS = ("speed", "rows", "memory")
# names of the library multivae, in lower case as flags take them
VAE_NAMES = ("mvtcae", "mopoe", "cmvae")


def checkpoint_option(note):
    """The field `checkpoint`."""
    return option("checkpoints/best_model.pt", note)


def judge_option():
    """The field `judge`."""
    return option(
        "checkpoints/judge.pt", "the picture judge; taught and written where it is missing"
    )


@dataclass(frozen=True)
class CoherenceConfig:
    only: str = option(",".join(COHERENCE_PLANS), "which rows, with commas between")
    judge: str = judge_option()

    def __post_init__(self):
        for plan in self.only.split(","):
            if plan not in COHERENCE_PLANS:
                raise ValueError(f"--only knows {', '.join(COHERENCE_PLANS)}, not {plan!r}")


@dataclass(frozen=True)
class SpritesConfig(BaseConfig):
    levels: str = option("1,2,3,4,5", "which levels, with commas between")
    trainings: int = option(3, "trainings of each level, with the seeds from 0 on", at_least=1)
    judge: str = option(
        "outputs/sprites/judge.pt", "the picture judge; taught and written where it is missing"
    )

    def __post_init__(self):
        super().__post_init__()
        for level in self.levels.split(","):
            if level not in ("1", "2", "3", "4", "5"):
                raise ValueError(f"--levels knows 1 to 5, with commas between, not {level!r}")


@dataclass(frozen=True)
class SamplersConfig:
    checkpoints: str = option(
        "checkpoints/best_model.pt",
        "models on whose codes the samplers are fitted, with commas between",
    )
    judge: str = judge_option()
    seeds: int = option(500, "how many pairs to judge")
    steps: int = option(2000, "of 256 rows each, for every sampler with a network")
    out: str = option("outputs/samplers.json", "the results")
    data: str = data_option()


@dataclass(frozen=True)
class JointConfig(BaseConfig):
    model: str = option("mvtcae", "the multimodal VAE to train", choices=VAE_NAMES)
    minutes: float = option(
        6.0, "how long it trains; give it what our model took on this machine", above=0
    )
    seeds: int = option(500, "how many pairs of each to judge")
    latent_dim: int = option(256, "length of its latent", above=0)
    beta: float = option(0.5, "weight of its divergence terms", above=0)
    components: int = option(
        100, "Gaussians of the fitted mixture, and clusters in the prior of cmvae", above=0
    )
    checkpoint: str = checkpoint_option("our model; its sizes and its tokenizer serve both")
    judge: str = judge_option()
    out: str = option("outputs/joint_coherence.json", "file of all numbers")
    device: str = device_option("where to train")
    data: str = data_option()

    def __post_init__(self):
        super().__post_init__()
        if not 2 <= self.seeds <= 1_000_000:
            raise ValueError(
                f"--seeds must be 2 (the floor needs a wrong pair) to a million, got {self.seeds}"
            )


@dataclass(frozen=True)
class PreparationConfig:
    only: str = option(",".join(PREPARATION_PARTS), "which parts, with commas between")
    pictures: str = option(
        "",
        "folder of pictures that the files are made from "
        "(default: that of the environment variable ENGRAVINGS, else built-in drawings)",
    )
    files: int = option(
        24,
        "files of 0.5 and of 3 million pixels, in RGB and in grey; of 18 million a third as many",
    )
    rows: int = option(10_000, "pictures of the parts rows and memory")
    size: int = option(512, "side of the prepared pictures in the parts speed and rows")
    img2dataset: str = option("", "python of an environment in which img2dataset is installed")
    folder: str = option(
        "", "where files are made and removed again (default: the system's folder for that)"
    )

    def __post_init__(self):
        for part in self.only.split(","):
            if part not in PREPARATION_PARTS:
                raise ValueError(f"--only knows speed, rows and memory, not {part!r}")


@dataclass(frozen=True)
class ShardsConfig(BaseConfig):
    source: str = option("builtin", "as of dataset_preparation.py", several=True)
    max_samples: int = option(2000, "pictures", at_least=1)
    size: int = option(64, "side of the prepared pictures")
    shards: str = option("2,4", "numbers of shards, with commas between")
    ray: bool = option(False, "also with --engine ray, and once with a worker that is killed")
    folder: str = option(
        "", "where collections are made and removed again (default: the system's folder for that)"
    )


@dataclass(frozen=True)
class ScaleConfig:
    counts: str = option("1000,10000,100000", "of pictures and pairs, with commas between")
    size: int = option(64, "side of the pictures in pixels")

    def __post_init__(self):
        if not all(count.isdecimal() and int(count) > 0 for count in self.counts.split(",")):
            raise ValueError(f"--counts are whole numbers with commas between, not {self.counts!r}")


@dataclass(frozen=True)
class PageConfig:
    checkpoint: str = checkpoint_option("the model")
    clicks: int = option(40, "pairs that are asked for one after another")
    minutes: float = option(0.0, "of mixed load from 16 clients")
    clients: int = option(16, "how many of them")
    collection: int = option(
        0,
        "rows of a made-up collection that are looked through, searched and mended, "
        "and nothing else",
    )


@dataclass(frozen=True)
class ServerConfig(BaseConfig):
    checkpoint: str = checkpoint_option("the model")
    finish: str | None = finish_option()
    seconds: float = option(20.0, "that each number of clients is measured", above=0)
    crowd: int = option(300, "requests that are sent at once", at_least=1)
    minutes: float = option(3.0, "that 8 clients ask on, while memory is watched", above=0)


@dataclass(frozen=True)
class BaseModelConfig(BaseConfig):
    checkpoint: str = checkpoint_option("the trained model that becomes the base model")
    out: str = option("samples/base", "folder of model.safetensors and README.md")
    pictures: str = option("", "for the card: from which pictures the model has learnt")
    licence: str = option("", "for the card: the licence of the weights, and of the pictures")
    commands: str = option(
        "",
        "for the card: the commands that prepared the pictures and wrote the captions, with ; "
        "between",
    )
    carried: int = option(
        1000, "of the training pictures that the model carries, how many it keeps", at_least=0
    )
    seeds: int = option(8, "pairs by which both files are compared", at_least=1)
