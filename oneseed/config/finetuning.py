"""Settings of caption_finetuning.py."""

from dataclasses import dataclass

from oneseed.config.hub import (
    create_pr_option,
    license_option,
    private_option,
    push_option,
    require_place,
)
from oneseed.config.options import data_option, device_option, style_option
from oneseed.console.flags import BaseConfig, option

LANGUAGE = "language"
CONNECTOR = "connector"
VISION = "vision"
# parts of a captioner, in the order in which they are told
PARTS = (VISION, CONNECTOR, LANGUAGE)
# how a connector is taught: by low-rank matrices beside it, or all its weights
LOW_RANK = "lora"
WHOLE_PART = "whole"
# bits of a frozen weight of the language model
ALL_BITS = (16, 4)
# what is taught: a captioner to answer, or two towers to find each other
CAPTIONS = "captions"
CONTRASTIVE = "contrastive"
# a captioner that sentences name as an example; it takes several pictures, and goes to GGUF
EXAMPLE_CAPTIONER = "Qwen/Qwen2.5-VL-3B-Instruct"
# kinds of numbers in a file of --export
OUTTYPES = ("f32", "f16", "q8_0")


def parse_train_parts(text: str) -> tuple[str, ...]:
    """ "language,connector" -> its parts, in the order of PARTS. ValueError for any other word."""
    asked = {part.strip() for part in text.split(",") if part.strip()}
    if not asked or asked - set(PARTS):
        raise ValueError(
            f"--train names parts of the captioner, of {', '.join(PARTS)}, with commas between; "
            f"got {text!r}"
        )
    return tuple(part for part in PARTS if part in asked)


@dataclass(frozen=True)
class FinetuningConfig(BaseConfig):
    """Which captioner is taught, on what, how and where."""

    model: str = option(
        "", "the captioner to teach: an image-text-to-text checkpoint, its folder or its hub name"
    )
    objective: str = option(
        CAPTIONS,
        "captions: teach a captioner to answer; contrastive: bring the pictures and texts of a "
        "checkpoint of two towers (CLIP, SigLIP) together",
        choices=(CAPTIONS, CONTRASTIVE),
    )
    style: str = style_option()
    question: str = option(
        "",
        "what is asked where a row of the collection asks nothing of its own; default: to describe "
        "the picture, or to write the code that it shows",
    )
    ocr: bool = option(
        False,
        "put the words that a picture shows behind its question, in teaching and afterwards; needs "
        "requirements-ocr.txt",
    )
    rank: int = option(16, "rank of the matrices beside the frozen weights", at_least=1)
    alpha: int = option(
        0,
        "weight of what is taught: alpha / rank, with --rslora alpha / √rank; 0: twice the rank",
        at_least=0,
    )
    dora: bool = option(False, "also teach the length of each row of a weight (DoRA)")
    rslora: bool = option(False, "divide alpha by √rank instead of the rank (rsLoRA)")
    train: str = option(
        "language,connector",
        f"parts that are taught, of {', '.join(PARTS)}, with commas between; of two towers "
        "language,vision",
    )
    connector: str = option(
        LOW_RANK,
        "how the connector is taught: lora, as all else, or whole, which is all of its weights",
        choices=(LOW_RANK, WHOLE_PART),
    )
    bits: int = option(
        16,
        "16: frozen weights as they are, bfloat16 on a GPU; 4: those of the language model in four "
        "bits, which needs bitsandbytes",
        choices=ALL_BITS,
    )
    learning_rate: float = option(
        2e-4, "peak, reached after 3 % of the steps; falls to zero by a cosine", above=0
    )
    num_epochs: int = option(3, "times that each pair is shown", at_least=1)
    batch_size: int = option(8, "pairs that are in memory together", at_least=1)
    accumulate: int = option(1, "batches whose gradients make one step", at_least=1)
    recompute: bool = option(
        False, "keep fewer activations and compute them again on the way back: less memory, slower"
    )
    checkpoint_every: int = option(
        0, "steps between two looks at held-out pictures; 0: once an epoch", at_least=0
    )
    held_out: int = option(
        32, "held-out pictures that the captioner is asked at each look", at_least=1
    )
    max_new_tokens: int = option(
        0,
        "length limit of an answer, in tokens; 0: half as much again as the longest that is taught",
        at_least=0,
    )
    max_length: int = option(
        0,
        "tokens of picture, question and answer together; longer pairs are left out; 0: as many as "
        "the captioner can read",
        at_least=0,
    )
    max_samples: int = option(0, "learn from so many pairs; 0: all", at_least=0)
    device: str = device_option("where to train")
    checkpoints: str = option("checkpoints/captioner", "folder of the run", local=True)
    fresh: bool = option(False, "begin anew; the old run moves to CHECKPOINTS/previous/")
    seed: int = option(0, "of initial values and order", at_least=0)
    estimate: bool = option(
        False, "print parts, first batch, memory and time without loading the weights, and end"
    )
    check: str = option(
        "",
        "only validate these files of rows, with commas between: every fault with its line; teach "
        "nothing",
    )
    export: str = option(
        "",
        "only write the merged checkpoint (of --model, else of --checkpoints) in this form to "
        "CHECKPOINTS/gguf/, and prove it on held-out pictures",
        choices=("gguf",),
    )
    outtype: str = option("f16", "numbers of the exported language model", choices=OUTTYPES)
    least: float = option(
        0.9,
        "share of held-out pictures whose exported answers must be those of the checkpoint, else "
        "the exit code is 1",
        at_least=0,
    )
    push: str = push_option(
        "only send what the run in --checkpoints has made there, with a card of its figures"
    )
    adapter: bool = option(False, "of --push: the adapter alone instead of the merged checkpoint")
    license: str = license_option("of --push: what the base states, else none is")
    private: bool = private_option()
    create_pr: bool = create_pr_option()
    data: str = data_option()

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that are taught."""
        return parse_train_parts(self.train)

    @property
    def scale(self) -> int:
        """The alpha that holds."""
        return self.alpha or 2 * self.rank

    def __post_init__(self) -> None:
        super().__post_init__()
        if CONNECTOR not in parse_train_parts(self.train) and self.connector == WHOLE_PART:
            raise ValueError(
                f"--connector {WHOLE_PART} teaches the connector: name it in --train, too"
            )
        commands = {"--check": self.check, "--export": self.export, "--push": self.push}
        given = [name for name, value in commands.items() if value]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are two commands: give one of them")
        require_place(self.push, self.private, self.create_pr)
        if (self.adapter or self.license) and not self.push:
            flag = "--adapter" if self.adapter else "--license"
            raise ValueError(f"{flag} needs a place on the Hub: --push owner/name")
        if self.least > 1:
            raise ValueError(f"--least is a share, 1 at most, got {self.least}")
        if self.objective == CONTRASTIVE:
            self._check_contrastive()

    def _check_contrastive(self) -> None:
        """Two towers are taught by themselves, and both of them unless --train says otherwise."""
        is_usual = self.connector == LOW_RANK and self.bits == ALL_BITS[0]
        is_usual = is_usual and self.accumulate == 1 and not self.recompute
        if not is_usual or self.estimate or self.export or self.ocr:
            raise ValueError(
                f"--objective {CONTRASTIVE} goes without --connector, --bits, --accumulate, "
                "--recompute, --estimate, --export and --ocr"
            )
        if self.train == type(self).train:
            object.__setattr__(self, "train", f"{LANGUAGE},{VISION}")
