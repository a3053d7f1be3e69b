"""Settings of training_loop.py."""

from dataclasses import dataclass

from oneseed.config.options import (
    device_option,
    medium_option,
    parameters_option,
    preset_option,
    style_option,
)
from oneseed.console.amounts import parse_amount
from oneseed.console.flags import BaseConfig, option
from oneseed.storage import checked_url, is_url

# in training, where --num-epochs is 0: two epochs of the built-in collection
PICTURES_SHOWN = 27_000

# Fields of TrainConfig that a checkpoint does not keep: where a run lies, how it was asked for,
# and what the model's configuration holds.
UNSAVED_FIELDS = (
    "preset",
    "device",
    "checkpoints",
    "fresh",
    "parameters",
    "init",
    "check",
    "estimate",
    "plan",
    "memory_budget",
    "medium",
    "data",
    "cache_limit",
    "cache_folder",
)


@dataclass(frozen=True)
class TrainConfig(BaseConfig):
    """How a model is trained, on what and where."""

    style: str = style_option()
    preset: str = preset_option()
    device: str = device_option("where to train")
    precision: str = option(
        "auto",
        "auto: bf16 on a GPU that has it and on a processor that multiplies it 1.5 times as fast, "
        "else fp32",
        choices=("auto", "bf16", "fp32"),
    )
    num_epochs: int = option(
        50,
        "epochs in all; a larger number trains a finished run on; 0: as many as show 27,000 "
        "pictures (small preset)",
        at_least=0,
    )
    epoch_pictures: int = option(
        800,
        "pictures that an epoch shows, about, at least: it goes through a smaller folder several "
        "times; 1: once",
        at_least=1,
    )
    batch_size: int = option(
        64,
        "pairs per step, and candidates per pair in the contrast loss",
        at_least=2,
        because="contrast needs a wrong answer",
    )
    micro_batch: int = option(
        0,
        "pairs of a batch at a time, where memory is short; the contrast stays over the whole "
        "batch; 0: all; a GPU that runs out of memory halves it",
        at_least=0,
    )
    compile: str = option(
        "auto",
        "torch.compile of the networks; auto: on a GPU, where a quarter of an hour or more is "
        "left, not on a processor, where it takes longer than it saves",
        choices=("auto", "on", "off"),
    )
    recompute: bool = option(
        False,
        "keep fewer activations of the picture networks and compute them again on the way back: "
        "less memory, more time",
    )
    learning_rate: float = option(
        1e-3, "peak, reached after the warm-up; falls to zero over the last half", above=0
    )
    weight_decay: float = option(
        0.02, "decay of AdamW and Muon, per step and unit of learning rate", at_least=0
    )
    max_grad_norm: float = option(1.0, "gradients longer than this are shortened to it", above=0)
    reconstruction_weight: float = option(
        1.0, "weight of L1 + MSE between a picture and its draft", at_least=0
    )
    flow_weight: float = option(
        3.0, "weight of what later passes of the picture decoder do wrong, MSE", at_least=0
    )
    shape_weight: float = option(
        2.0,
        "weight of the draft's L1 + MSE on pictures averaged over 4 x 4 pixels: forms rather than "
        "lines",
        at_least=0,
    )
    focus_weight: float = option(
        3.0,
        "weight of the same once more, where each place counts as much as it is still wrong: the "
        "subject rather than the background",
        at_least=0,
    )
    caption_weight: float = option(
        2.0, "weight of the caption's cross-entropy, nats per token", at_least=0
    )
    untold_weight: float = option(
        0.1,
        "weight in the caption's cross-entropy of words that no picture tells: those in fewer than "
        "5 training captions and those with digits, as in names and dates; all other words weigh "
        "1, and so do all words of drawn collections",
        at_least=0,
        at_most=1,
    )
    contrastive_weight: float = option(
        0.5, "weight of InfoNCE between picture and caption", at_least=0
    )
    temperature: float = option(0.07, "of InfoNCE", above=0)
    patience: int = option(
        10,
        "after so many epochs without better pairs go back to the best, let the learning rate fall "
        "to zero over half as many, and stop",
        above=0,
    )
    checkpoint_every: int = option(5, "epochs between checkpoint_epoch_NNN.pt files", above=0)
    checkpoints: str = option("checkpoints", "folder of the run")
    fresh: bool = option(False, "begin anew; the old run moves to CHECKPOINTS/previous/")
    max_samples: int = option(0, "train on so many pictures; 0: all", at_least=0)
    sampler_steps: int = option(
        0,
        "steps of the final fit of the sampler; 0: as many as show it each of 40,000 training "
        "pictures 285 times, and 3,000 at most where the epochs are left open",
        at_least=0,
    )
    truncation: float = option(
        0.0,
        "share of its way from a typical code that a code keeps when it is drawn, 1 for all; less "
        "makes pictures easier to name and more alike; 0: a drawn collection's own, else 1",
        at_least=0,
    )
    seed: int = option(0, "of initial values, order and noise", at_least=0)
    parameters: int = parameters_option()
    init: str = option(
        "",
        "begin a run with the weights and the tokenizer of this checkpoint, of the same model "
        "configuration; base: the model that comes with the program; none: of no other; default: "
        "base where the collection is not a drawn one and preset, size and widths are the base's, "
        "else none",
    )
    check: bool = option(
        False, "look at one batch, losses and gradients, then exit 0 (all well) or 1"
    )
    estimate: bool = option(False, "print how much memory training would take, and nothing else")
    plan: bool = option(
        False,
        "print on a page what would be made, of how many parameters, in how much memory and time, "
        "and nothing else",
    )
    memory_budget: int = option(
        0,
        "such as 4GB: refuse a run whose step would hold more, and say what would fit; 0: any",
        kind=parse_amount,
    )
    medium: str = medium_option("refuse a collection of another medium; auto: as it is")
    accumulate: int = option(
        1,
        "batches whose gradients make one step, as of one batch so many times as large: "
        "--batch-size 64 --accumulate 4 has 256 pairs a step, 64 of them in memory at a time",
        at_least=1,
    )
    data: str = option(
        "data",
        "folder of raw/, processed/, metadata/ and captions/, or the URL of its copy in a store "
        "(s3://, gs://)",
    )
    cache_limit: int = option(
        0,
        "such as 200GB: copy files of the picture cache into --cache-folder as they are needed, "
        "and never more than this; pictures come file by file then; 0: read them where they lie, "
        "of a URL copy all",
        kind=parse_amount,
    )
    cache_folder: str = option(
        "", "folder of --cache-limit, on a disk of this machine; default: CHECKPOINTS/cache"
    )
    shuffle_files: int = option(
        0,
        "files of the picture cache whose pictures are mixed at a time; 0: half of those that "
        "--cache-limit holds, all without a limit",
        at_least=0,
    )

    @property
    def only_looks(self) -> bool:
        """Whether nothing is trained."""
        return self.check or self.estimate or self.plan

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.truncation > 1:
            raise ValueError(f"--truncation is a share, 1 at most, got {self.truncation:g}")
        if is_url(self.data):
            object.__setattr__(self, "data", checked_url(self.data, "--data"))
        if is_url(self.cache_folder):
            raise ValueError("--cache-folder is a folder of this machine, and no URL")
