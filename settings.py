"""Every setting of every script: frozen dataclasses whose fields become flags. Light, so that --help answers at once.

The defaults are the full preset; PRESETS says what the others change, a file of --config wins over both and a flag over all.
"""

import math
import re
from dataclasses import dataclass

from cli import option

STYLES = ("engraving", "drawings", "iconography", "painting", "sculpture", "builtin")
# in training, where --num-epochs is 0: four epochs of the built-in collection
PICTURES_SHOWN = 21_600
# of a preset whose vocabulary the collection sizes
LARGEST_OWN_VOCABULARY = 2000
NAMED_SIZES = {"imagenet": 224, "clip": 224, "sd": 512, "sd_xl": 1024}
PRESET_NAMES = ("small", "medium", "full")


def image_size(text):
    """ "128" or a name such as "sd" -> pixels."""
    return NAMED_SIZES.get(text) or int(text)


def preset_option():
    return option(
        "full",
        "small: 128 px grey, minutes on two CPU cores; medium: 256 px RGB, for a GPU of 8 GB; full: 512 px RGB, for a larger one",
        choices=PRESET_NAMES,
    )


def parameter_count(text):
    """ "50M", "1.5M", "800k" or "50000000" -> a number of parameters."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kmb]?)", text.strip(), re.IGNORECASE)
    count = (
        round(float(found[1]) * {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}[found[2].lower()])
        if found
        else math.inf
    )
    if count > 10**11:
        raise ValueError(f"a number of parameters is written 50M, 800k or 50000000, not {text!r}")
    return count


def parameters_option():
    return option(
        0,
        "such as 50M: scale the widths until the built model has so many parameters, or up to 5 % fewer; 0: leave them",
        kind=parameter_count,
    )


def style_option():
    return option("engraving", "collection, as named by dataset_preparation.py")


def data_option():
    return option("data", "folder of raw/, processed/, metadata/ and captions/")


def shard_of(text):
    """ "2/4" -> (2, 4); "" -> (1, 1). ValueError for anything else."""
    i, _, n = (text or "1/1").partition("/")
    if not (
        i.isascii() and i.isdecimal() and n.isascii() and n.isdecimal() and 1 <= int(i) <= int(n)
    ):
        raise ValueError(f"--shard is i/n, for four of them 1/4, 2/4, 3/4 and 4/4, got {text!r}")
    return int(i), int(n)


def base_and_doublings(size):
    """Side of the smallest feature map (4 to 8) and how often it doubles to reach `size` pixels. ValueError for a size
    that is no such multiple."""
    base = size
    doublings = 0
    while base > 8 and base % 2 == 0:
        base = base // 2
        doublings = doublings + 1
    if not 4 <= base <= 8 or doublings < 2:
        raise ValueError(
            f"--image-size must be 4 to 8 times a power of two (128, 224, 512 …) or one of {', '.join(NAMED_SIZES)}, got {size}"
        )
    return base, doublings


@dataclass(frozen=True)
class PrepareConfig:
    FORMATS = (
        "imagefolder",
        "jsonl",
        "clip",
        "llava",
        "qwen",
        "instruct",
        "parquet",
        "sidecar",
        "webdataset",
    )
    source: str = option(
        "kaggle",
        "kaggle, builtin, a folder of pictures, an archive, a file of captions, or hf:owner/name; several with commas between",
    )
    format: str = option(
        "auto",
        "format of the source's captions, where it is not to be guessed",
        choices=("auto", *FORMATS),
    )
    style: str = option(
        "engraving",
        "name of the collection; where a folder's rows carry a style, only those of this style are taken; all: every style together",
    )
    preset: str = preset_option()
    image_size: int = option(
        512,
        "side of the prepared pictures in pixels, or imagenet, clip, sd, sd_xl",
        kind=image_size,
    )
    max_samples: int = option(
        0, "take only so many pictures; 0: all, and 6,000 of the built-in collection"
    )
    level: int = option(
        5,
        "built-in collection: 1 (the subject alone) to 5 (all seven attributes)",
        choices=(1, 2, 3, 4, 5),
    )
    smallest: int = option(64, "reject pictures whose short side is below this many pixels")
    workers: int = option(0, "processes; 0: one per core")
    check: bool = option(
        False,
        "only look at the source: write data/metadata/<style>_check.json and .html, and prepare nothing",
    )
    template: str = option("", "print an example of this format, and nothing else", choices=FORMATS)
    export: str = option(
        "",
        "write the prepared collection in this format to --out, and nothing else",
        choices=FORMATS,
    )
    out: str = option("", "file of --export: a .zip, of webdataset a .tar")
    data: str = data_option()

    def __post_init__(self):
        for name in (self.format, self.template, self.export):
            if name not in ("", "auto", *self.FORMATS):
                raise ValueError(f"the formats are {', '.join(self.FORMATS)}, not {name!r}")
        if self.format != "auto" and self.source in ("kaggle", "builtin"):
            raise ValueError(
                f"--format is for annotated pictures of your own: --format {self.format} --source PATH"
            )
        if bool(self.export) != bool(self.out):
            raise ValueError(
                f"--export and --out go together, such as --export {self.export or 'llava'} --out {self.out or 'set.zip'}"
            )
        if self.check and (self.export or self.template):
            raise ValueError("--check goes without --export and --template")
        # never into another style's files
        if self.source == "builtin":
            if self.style not in ("engraving", "builtin"):
                raise ValueError(f"--source builtin writes style builtin, not {self.style}")
            object.__setattr__(self, "style", "builtin")
        elif self.style == "builtin" and not self.export:
            raise ValueError("--style builtin belongs to --source builtin")
        if not self.style.replace("-", "_").isidentifier():
            raise ValueError(f"--style is a name of letters, digits, - and _, got {self.style!r}")
        base_and_doublings(self.image_size)
        if self.max_samples < 0 or self.workers < 0:
            raise ValueError("--max-samples and --workers are 0 or more")


@dataclass(frozen=True)
class CaptionConfig:
    style: str = style_option()
    captioner: str = option(
        "",
        "existing: keep the collection's own; a transformers image-text-to-text checkpoint, name or folder; or a server, http://host:port/v1 "
        "(default: existing where every picture has one, else Salesforce/blip2-opt-2.7b)",
    )
    captioner_model: str = option(
        "", "which model the server at --captioner should use (default: the first that it lists)"
    )
    recaption: bool = option(
        False, "let --captioner write all captions anew, also where there is one"
    )
    shard: str = option(
        "",
        "i/n, from 1/n to n/n: caption only this share, for several machines or processes side by side; the same command without it gathers",
    )
    batch_size: int = option(8, "pictures captioned at once; of a server, requests at once")
    max_new_tokens: int = option(40, "length limit of a new caption, in the captioner's tokens")
    device: str = option("auto", "where the captioner runs", choices=("auto", "cuda", "mps", "cpu"))
    max_samples: int = option(0, "caption only so many pictures; 0: all")
    review: str = option(
        "",
        "also write a page with pictures beside their captions to this file, such as outputs/captions.html",
    )
    data: str = data_option()

    @property
    def address(self):
        """Of the server that captions, "" where the captioner is none."""
        return self.captioner if self.captioner.startswith(("http://", "https://")) else ""

    def __post_init__(self):
        if self.batch_size < 1 or self.max_new_tokens < 1:
            raise ValueError("--batch-size and --max-new-tokens are at least 1")
        if re.match(r"[\w.-]+:[0-9]+(/|$)", self.captioner):
            raise ValueError(
                f"the address of a server begins with http:// or https://: --captioner http://{self.captioner}"
            )
        if self.captioner_model and not self.address:
            raise ValueError(
                "--captioner-model goes with a server: --captioner http://host:port/v1"
            )
        shard_of(self.shard)


@dataclass(frozen=True)
class ModelConfig:
    preset: str = preset_option()
    image_size: int = option(
        512, "side of the pictures in pixels, or imagenet, clip, sd, sd_xl", kind=image_size
    )
    channels: int = option(3, "3: RGB; 1: grey inside, shown as RGB", choices=(1, 3))
    latent_dim: int = option(1024, "length of the shared latent z, and of a seed's normal draw")
    encoder: str = option(
        "cnn",
        "what looks at pictures; cnn: convolutions; vit: a transformer over patches",
        choices=("cnn", "vit"),
    )
    vit_width: int = option(384, "width of --encoder vit, a multiple of 32; its heads are 32 wide")
    vit_layers: int = option(6, "layers of --encoder vit")
    patch: int = option(
        4, "pixels a side that the first and the last convolution handle at once; a power of two"
    )
    width: int = option(48, "channels of the finest feature map; doubles with every halving")
    max_width: int = option(384, "most channels of any feature map")
    neck: int = option(64, "channels of the coarsest map where it meets the latent")
    code_noise: float = option(
        0.25, "standard deviation of the noise on the latent code in training; the code's own is 1"
    )
    vocab_size: int = option(
        8000, "rows of the vocabulary; 0: as many as the collection fills, 2,000 at most"
    )
    max_caption_length: int = option(100, "tokens of a caption, both end marks counted")
    text_width: int = option(512, "width of the caption transformers")
    text_layers: int = option(3, "layers of the caption decoder")
    text_heads: int = option(8, "attention heads of the caption transformers")
    linear_dims: int = option(
        1024,
        "leading directions of thumbnails that the code begins with; 0: none; -1: all for pictures, none for the built-in drawings, of which fewer facts say everything",
    )
    flow_dims: int = option(128, "leading directions of the code, which the flow models")
    follow_dims: int = option(256, "directions after those, which a regression predicts from them")
    flow_width: int = option(1024, "hidden width of the flow and of the regression")
    flow_clusters: int = option(
        1024, "most clusters of codes that the sampler tells apart; a small collection fills fewer"
    )
    styles: int = option(16, "most styles that the sampler tells apart")

    def __post_init__(self):
        base_and_doublings(self.image_size)
        if self.patch < 1 or self.patch & (self.patch - 1) or self.image_size // self.patch < 16:
            raise ValueError(
                f"--patch must be a power of two that leaves at least 16 x 16 patches, got {self.patch}"
            )
        if self.encoder not in ("cnn", "vit"):
            raise ValueError(f"--encoder is cnn or vit, not {self.encoder!r}")
        if self.vit_width % 32:
            raise ValueError(f"--vit-width must be a multiple of 32, got {self.vit_width}")
        for name in (
            "vit_width",
            "vit_layers",
            "width",
            "max_width",
            "neck",
            "text_width",
            "text_layers",
            "text_heads",
            "flow_dims",
            "follow_dims",
            "flow_width",
            "flow_clusters",
            "styles",
        ):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"--{name.replace('_', '-')} must be at least 1, got {getattr(self, name)}"
                )
        if not self.code_noise >= 0:
            raise ValueError(f"--code-noise must be 0 or more, got {self.code_noise}")
        if self.linear_dims < -1:
            raise ValueError(f"--linear-dims must be -1 or more, got {self.linear_dims}")
        if self.latent_dim < 8:
            raise ValueError(f"--latent-dim must be at least 8, got {self.latent_dim}")
        if self.vocab_size and self.vocab_size < 260:
            raise ValueError(
                f"--vocab-size must be 0 or at least 260 (four marks and 256 bytes), got {self.vocab_size}"
            )
        if self.max_caption_length < 4:
            raise ValueError(
                f"--max-caption-length must be at least 4, got {self.max_caption_length}"
            )
        if self.text_width % (2 * self.text_heads):
            raise ValueError(
                f"--text-width must be an even multiple of --text-heads, got {self.text_width} and {self.text_heads}"
            )


@dataclass(frozen=True)
class SpecsConfig:
    write_specs: bool = option(False, "write MODEL_SPECS.md")
    parameters: int = parameters_option()


@dataclass(frozen=True)
class TrainConfig:
    style: str = style_option()
    preset: str = preset_option()
    device: str = option("auto", "where to train", choices=("auto", "cuda", "mps", "cpu"))
    precision: str = option(
        "auto", "auto: bf16 on a GPU that has it, else fp32", choices=("auto", "bf16", "fp32")
    )
    num_epochs: int = option(
        50,
        "epochs in all; a larger number trains a finished run on; 0: as many as show 21,600 pictures (small preset)",
    )
    batch_size: int = option(64, "pairs per step, and candidates per pair in the contrast loss")
    micro_batch: int = option(
        0,
        "pairs of a batch at a time, where memory is short; the contrast stays over the whole batch; 0: all; a GPU that runs out of memory halves it",
    )
    compile: str = option(
        "auto",
        "torch.compile of the networks; auto: on a GPU, where a quarter of an hour or more is left, not on a processor, where it takes longer than it saves",
        choices=("auto", "on", "off"),
    )
    recompute: bool = option(
        False,
        "keep fewer activations of the picture networks and compute them again on the way back: less memory, more time",
    )
    learning_rate: float = option(
        1e-3, "peak, reached after the warm-up; falls to zero over the last half"
    )
    weight_decay: float = option(
        0.02, "decay of AdamW and Muon, per step and unit of learning rate"
    )
    max_grad_norm: float = option(1.0, "gradients longer than this are shortened to it")
    reconstruction_weight: float = option(
        1.0, "weight of L1 + MSE between picture and reconstruction"
    )
    shape_weight: float = option(
        2.0, "weight of the same on pictures averaged over 4 x 4 pixels: forms rather than lines"
    )
    focus_weight: float = option(
        3.0,
        "weight of the same once more, where each place counts as much as it is still wrong: the subject rather than the background",
    )
    caption_weight: float = option(2.0, "weight of the caption's cross-entropy, nats per token")
    contrastive_weight: float = option(0.5, "weight of InfoNCE between picture and caption")
    temperature: float = option(0.07, "of InfoNCE")
    patience: int = option(10, "stop after so many epochs without a better validation loss")
    checkpoint_every: int = option(5, "epochs between checkpoint_epoch_NNN.pt files")
    checkpoints: str = option("checkpoints", "folder of the run")
    fresh: bool = option(False, "begin anew; the old run moves to CHECKPOINTS/previous/")
    max_samples: int = option(0, "train on so many pictures; 0: all")
    sampler_steps: int = option(
        0,
        "steps of the final fit of the sampler; 0: as many as show it every training picture 190 times",
    )
    seed: int = option(0, "of initial values, order and noise")
    parameters: int = parameters_option()
    init: str = option(
        "",
        "begin a run with the weights and the tokenizer of this checkpoint, of the same model configuration",
    )
    check: bool = option(
        False, "look at one batch, losses and gradients, then exit 0 (all well) or 1"
    )
    estimate: bool = option(False, "print how much memory training would take, and nothing else")
    data: str = data_option()

    def __post_init__(self):
        if self.batch_size < 2:
            raise ValueError(
                f"--batch-size must be at least 2 (contrast needs a wrong answer), got {self.batch_size}"
            )
        for name in (
            "learning_rate",
            "max_grad_norm",
            "temperature",
            "patience",
            "checkpoint_every",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"--{name.replace('_', '-')} must be above 0, got {getattr(self, name)}"
                )
        for name in (
            "weight_decay",
            "reconstruction_weight",
            "shape_weight",
            "focus_weight",
            "caption_weight",
            "contrastive_weight",
            "num_epochs",
            "max_samples",
            "seed",
            "micro_batch",
            "sampler_steps",
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"--{name.replace('_', '-')} must be 0 or more, got {getattr(self, name)}"
                )


# Fields of TrainConfig that a checkpoint does not keep: where a run lies, how it was asked for, what the model's configuration holds.
NOT_KEPT = (
    "preset",
    "device",
    "checkpoints",
    "fresh",
    "parameters",
    "init",
    "check",
    "estimate",
    "data",
)


LAST_SEED = 2**32 - 1
# of prompts; more is more literal, until pictures break
GUIDANCE = 2.5
# characters
LONGEST_PROMPT = 500
# steps from one seed to another
LONGEST_WALK = 1000
# of --best-of
MOST_CANDIDATES = 1000


def seed_list(text):
    """ "7", "0-9", "1,5" or a mixture -> list of integers 0 … 2**32 - 1. ValueError names what is no seed."""
    seeds = []
    for part in str(text).split(","):
        first, dash, last = part.strip().partition("-")
        if not (
            first.isascii()
            and first.isdecimal()
            and (not dash or last.isascii() and last.isdecimal())
        ):
            raise ValueError(
                f"a seed is an integer from 0 to {LAST_SEED}; write --seeds 7, 0-9 or 1,5, not {text!r}"
            )
        first, last = int(first), int(last if dash else first)
        if not first <= last <= LAST_SEED:
            raise ValueError(
                f"seeds go from 0 to {LAST_SEED}, the smaller first, got {part.strip()!r}"
            )
        if last - first >= 1_000_000:
            raise ValueError(
                f"{part.strip()!r} are more than a million seeds; ask for fewer at once"
            )
        seeds += range(first, last + 1)
    return seeds


@dataclass(frozen=True)
class InferenceConfig:
    seeds: str = option("0-9", "which seeds: 7, 0-9 or 1,5")
    checkpoint: str = option("checkpoints/best_model.pt", "the model")
    out: str = option("outputs", "folder of the pairs")
    prompt: str | None = option(
        None, "what the pairs should show, in words; each seed gives another answer"
    )
    style: str | None = option(
        None, "one of the model's styles, for seeds, a prompt or --image; a wrong name lists them"
    )
    guidance: float = option(GUIDANCE, "how literally a prompt is taken, 0 (not at all) to 5")
    image: str | None = option(
        None,
        "a picture file: alone, to caption and redraw it; with --strength, to vary it; with --style, to restyle it",
    )
    strength: float | None = option(
        None, "of variations and of another style, 0 (nothing changes) to 1"
    )
    interpolate: int = option(0, "so many pairs from each of --seeds to the next", kind=int)
    find: str | None = option(
        None,
        "with --prompt: a folder whose best-fitting pictures to list; with --image: a .jsonl file whose best captions to list; "
        "seeds, with either: the best of the seeds that --index knows; training, with --image: the nearest training pictures",
    )
    best_of: int = option(
        1,
        "of so many candidates that follow from each seed, keep the one whose picture and caption match best",
    )
    interactive: bool = option(False, "ask for seeds and prompts, one after another")
    verify: str | None = option(
        None,
        "a pair card, a PNG that this script wrote: make it again and compare; exit code 0 (true), 1 (it differs), 2 (no card of this model)",
    )
    index: int = option(
        0,
        "write an index of so many seeds beside the checkpoint, and of the training pictures, where --data has them; --find searches them",
        kind=int,
    )
    count: int = option(
        0,
        "write so many pairs, from the first of --seeds on, into large files in --out; run again to go on",
        kind=int,
    )
    format: str = option(
        "webdataset", "of --count: webdataset (.tar) or parquet", choices=("webdataset", "parquet")
    )
    pairs_per_file: int = option(1000, "of --count")
    shard: str = option(
        "",
        "of --count: i/n, from 1/n to n/n: write only this share of the files, for several machines or processes side by side",
    )
    temperature: float = option(0.0, "0: each seed's likeliest caption; above: drawn, more varied")
    batch_size: int = option(32, "pairs made at once; changes speed only")
    data: str = data_option()
    device: str = option("auto", "where to run", choices=("auto", "cuda", "mps", "cpu"))

    def __post_init__(self):
        seeds = seed_list(self.seeds)
        if self.prompt is not None and not self.prompt.strip():
            raise ValueError(
                '--prompt is empty; write what the picture should show, such as --prompt "a ship under a stormy sky"'
            )
        if self.prompt is not None and len(self.prompt) > LONGEST_PROMPT:
            raise ValueError(
                f"--prompt has {len(self.prompt):,} characters, at most {LONGEST_PROMPT} are read; shorten it"
            )
        if not 0 <= self.guidance <= 5:
            raise ValueError(f"--guidance goes from 0 to 5, got {self.guidance}")
        if self.strength is not None and not 0 <= self.strength <= 1:
            raise ValueError(f"--strength goes from 0 to 1, got {self.strength}")
        if self.strength is not None and not self.image:
            raise ValueError("--strength needs a picture: --image FILE")
        if self.interpolate and (not 2 <= self.interpolate <= LONGEST_WALK or len(seeds) < 2):
            raise ValueError(
                f"--interpolate needs 2 to {LONGEST_WALK} steps and at least 2 seeds, such as --interpolate 8 --seeds 3,9"
            )
        if (
            sum(
                map(
                    bool,
                    (
                        self.image and not self.verify,
                        self.interpolate,
                        self.prompt is not None and not self.find,
                    ),
                )
            )
            > 1
        ):
            raise ValueError(
                "--image, --interpolate and --prompt are three different things; use one of them"
            )
        if self.find and bool(self.image) == (self.prompt is not None):
            raise ValueError(
                "--find needs either --prompt (then FIND is a folder of pictures) or --image (then FIND is a .jsonl file of captions)"
            )
        if self.find == "training" and not self.image:
            raise ValueError(
                "--find training looks for the pictures nearest to yours: --find training --image FILE"
            )
        tasks = [
            flag
            for flag, on in (
                ("--verify", self.verify),
                ("--find", self.find),
                ("--index", self.index),
                ("--count", self.count),
                ("--interactive", self.interactive),
                ("--interpolate", self.interpolate),
                ("--image", self.image and not self.verify and not self.find),
            )
            if on
        ]
        if len(tasks) > 1:
            raise ValueError(f"{tasks[0]} and {tasks[1]} are different things; use one of them")
        if (self.verify or self.index) and (self.prompt is not None or self.style):
            raise ValueError(f"{tasks[0]} goes without --prompt and --style")
        if self.best_of > 1 and tasks and tasks[0] not in ("--count", "--interactive"):
            raise ValueError(f"--best-of chooses among pairs of seeds; leave it or {tasks[0]} out")
        if not 1 <= self.best_of <= MOST_CANDIDATES:
            raise ValueError(f"--best-of goes from 1 to {MOST_CANDIDATES}, got {self.best_of}")
        if min(self.index, self.count) < 0 or self.pairs_per_file < 1:
            raise ValueError(
                "--index, --count and --pairs-per-file are numbers of seeds and pairs, 1 or more"
            )
        if self.index > LAST_SEED or seeds[0] + self.count > LAST_SEED + 1:
            raise ValueError(
                f"seeds end at {LAST_SEED}; ask for fewer, or begin earlier: --seeds 0"
            )
        if self.count and self.seeds != "0-9" and len(seeds) > 1:
            raise ValueError(
                f"with --count, --seeds names the first seed alone: --seeds {seeds[0]} --count {self.count}"
            )
        if self.shard and not self.count:
            raise ValueError(
                "--shard shares out the files of --count, such as --count 100000 --shard 1/4 --out pairs"
            )
        shard_of(self.shard)
        if not 0 <= self.temperature <= 5:
            raise ValueError(f"--temperature goes from 0 to 5, got {self.temperature}")
        if self.batch_size < 1:
            raise ValueError(f"--batch-size must be at least 1, got {self.batch_size}")


@dataclass(frozen=True)
class DemoConfig:
    checkpoint: str = option("checkpoints/best_model.pt", "the model")
    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0 opens the page to the network")
    port: int = option(7860, "port of the page")
    share: bool = option(False, "also open a public link through Gradio's servers")
    auth: str = option(
        "",
        "user:password that visitors must give; without it a page that others can reach changes no files",
    )
    device: str = option("auto", "where to run", choices=("auto", "cuda", "mps", "cpu"))
    data: str = data_option()

    @property
    def private(self):
        """Is everybody who reaches the page allowed to change files?"""
        return bool(self.auth) or self.host in ("127.0.0.1", "localhost", "::1") and not self.share

    def __post_init__(self):
        if not 0 < self.port < 65536:
            raise ValueError(f"--port goes from 1 to 65535, got {self.port}")
        if self.auth and not all(self.auth.partition(":")):
            raise ValueError("--auth is user:password, such as --auth anna:secret")


PRESETS = {
    "full": {},
    "medium": dict(
        image_size=256,
        patch=2,
        width=40,
        max_width=256,
        neck=48,
        vocab_size=4000,
        text_width=256,
        flow_dims=96,
        follow_dims=160,
        flow_width=768,
    ),
    "small": dict(
        image_size=128,
        channels=1,
        encoder="vit",
        vit_width=96,
        vit_layers=1,
        width=32,
        max_width=128,
        neck=32,
        vocab_size=0,
        text_width=96,
        text_layers=2,
        text_heads=4,
        linear_dims=-1,
        flow_dims=48,
        follow_dims=64,
        flow_width=384,
        num_epochs=0,
        batch_size=32,
        learning_rate=2.5e-3,
    ),
}


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


@dataclass(frozen=True)
class RealismConfig:
    style: str = style_option()
    realism: str = option(
        "checkpoints/realism.pt",
        "the judges of realism; taught and written where they are missing or the collection has changed",
    )
    data: str = data_option()


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
