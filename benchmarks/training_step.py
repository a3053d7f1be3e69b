"""What a training step costs here.

Pictures per second, floating-point operations, which share of the machine's matrix speed that is,
memory, and the share of each part.

    python -m benchmarks.training_step --preset small --style builtin   # the step of make demo

    # beside the same networks and loss in plain eager fp32, NCHW, AdamW, to the same loss
    python -m benchmarks.training_step --preset small --style builtin --against eager \\
        --pictures 4800

    # beside a plain autoencoder of 64 to 512 channels, both trained on --pictures
    python -m benchmarks.training_step --preset full --batch-size 8 --against plain

Operations are counted by PyTorch (multiplications and additions of matrices and convolutions).
Matrix speed is that of the best of five products of 1,024 x 1,024 matrices in the same dtype, in
this run. The pictures are drawn by the built-in generator and read from a memory-mapped cache, as
in training.
"""

# --help answers before torch loads
if __name__ == "__main__":
    from dataclasses import dataclass

    from oneseed.config.model import PRESETS, ModelConfig
    from oneseed.config.training import TrainConfig
    from oneseed.console.flags import option, parse_configs

    @dataclass(frozen=True)
    class StepConfig:
        steps: int = option(8, "steps that are timed, after two that are not")
        against: str = option(
            "",
            "eager: the same networks in plain eager fp32, NCHW, with AdamW, until they reach the "
            "same loss; plain: an autoencoder of five strided and five transposed convolutions, "
            "w = 64, BatchNorm, Adam",
            choices=("", "eager", "plain"),
        )
        pictures: int = option(
            160,
            "that both sides of --against plain are trained on before their reconstructions are "
            "compared, and ours of --against eager",
        )

    CONFIGS = parse_configs(
        ModelConfig, TrainConfig, StepConfig, description=__doc__, presets=PRESETS
    )

import contextlib
import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.plain_autoencoder import HELD_OUT, compare_with_plain, held_bytes
from oneseed.config.model import MAX_OWN_VOCABULARY, ModelConfig
from oneseed.config.training import TrainConfig
from oneseed.console.command import run
from oneseed.console.output import progress
from oneseed.device import pick_device
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import Encoded, Tokenizer
from oneseed.synthetic.engravings import attributes, drawing
from oneseed.training.data import Batch, PairLoader
from oneseed.training.memory import format_bytes
from oneseed.training.optimizers import trained_weights
from oneseed.training.setup import resolve_model_config, resolve_precision
from oneseed.training.speed import count_flops, peak_matmul_flops, seconds_of
from training_loop import MultimodalTrainer

# pictures that are drawn to train on
MAX_DRAWN = 1_200
# entries of the tokenizer, where a collection has none yet
VOCABULARY = 600
# steps between two looks at the held-out loss
LOOK_EVERY = 5
# epochs of a run whose end never comes near, so that the learning rate stays at its peak
ENDLESS = 10**9


# ---- what is trained -----------------------------------------------------------------------------


def draw_pictures(path: Path, model_config: ModelConfig, count: int) -> list[str]:
    """Draw so many built-in pictures into a memory-mapped cache -> their captions."""
    size = model_config.image_size
    is_colour = model_config.channels == 3
    facts = attributes.collection(count)
    shape = (count, size, size, 3) if is_colour else (count, size, size)
    pixels = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    for seed, one in enumerate(progress(facts, label="drawing", unit="picture")):
        picture = drawing.draw(one, seed, size).convert("RGB" if is_colour else "L")
        pixels[seed] = np.asarray(picture)
    pixels.flush()
    return [attributes.tell(one, seed) for seed, one in enumerate(facts)]


def drawn_loaders(
    folder: str, model_config: ModelConfig, config: TrainConfig, count: int
) -> tuple[PairLoader, PairLoader]:
    """Loaders of `count` built-in drawings to train on, and of HELD_OUT more."""
    path = Path(folder) / "pixels.npy"
    captions = draw_pictures(path, model_config, count + HELD_OUT)
    tokenizer = Tokenizer.train(captions, model_config.vocab_size or MAX_OWN_VOCABULARY)
    pixels = np.load(path, mmap_mode="r")

    def loader_of(rows: np.ndarray, batch_size: int, *, shuffle: bool) -> PairLoader:
        texts = [captions[row] for row in rows]
        return PairLoader(
            pixels,
            rows,
            Encoded(texts, tokenizer, model_config.max_caption_length),
            batch_size=batch_size,
            channels=model_config.channels,
            shuffle=shuffle,
            tokenizer=tokenizer,
        )

    train = loader_of(np.arange(count), config.batch_size, shuffle=True)
    held_out = loader_of(np.arange(count, count + HELD_OUT), HELD_OUT, shuffle=False)
    return train, held_out


def new_trainer(
    model_config: ModelConfig,
    config: TrainConfig,
    loaders: tuple[PairLoader, PairLoader],
    *,
    device: torch.device,
    precision: str,
) -> MultimodalTrainer:
    """A trainer of a new model, the same every time."""
    train, val = loaders
    torch.manual_seed(config.seed)
    model = MultimodalModel(model_config, train.tokenizer)
    return MultimodalTrainer(model, train, val, config, device=device, precision=precision)


# ---- measuring -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timing:
    """What some work took, and what share of the machine's matrix speed it used."""

    name: str
    seconds: float
    flops: int
    # FLOP/s of the machine
    speed: float

    def line(self, amount: str) -> str:
        """For the terminal. amount: pictures per second, or the share of the step."""
        text = f"  {self.name:<15} {self.seconds * 1e3:9.1f} ms   {amount}   "
        if self.flops:
            share = self.flops / self.seconds / self.speed
            text += f"{self.flops / 1e9:8.1f} GFLOP   {share:6.0%} of matrix speed"
        return text


def print_step(trainer: MultimodalTrainer, batch: Batch, steps: int) -> None:
    """The whole step: time, operations, memory."""
    device = trainer.device
    precision = trainer.objective.precision
    speed = peak_matmul_flops(device, torch.bfloat16 if precision == "bf16" else torch.float32)
    work = functools.partial(trainer.train_step, batch, 0)
    begin = time.perf_counter()
    work()
    first = time.perf_counter() - begin
    rows = len(batch.rows)
    seconds = seconds_of(work, steps, device)
    reading = seconds_of(lambda: trainer.train.batch(np.arange(rows)), 5, device)
    step = Timing("whole step", seconds, count_flops(work), speed)
    config = trainer.model.config
    million_weights = sum(weight.numel() for weight in trained_weights(trainer.model)) / 1e6
    print(
        f"{config.preset} preset, {config.image_size} px, batch {rows}, "
        f"{million_weights:.1f} M trained parameters, {device}, {precision}; "
        f"matrices {speed / 1e9:,.0f} GFLOP/s"
    )
    print(step.line(f"{rows / seconds:8.1f} pictures/s"))
    held = held_bytes(work, trained_weights(trainer.model), trainer.state.optimizers, device)
    print(
        f"  first step {first:.1f} s; waiting for data {reading / (seconds + reading):.1%}; "
        f"a step holds {format_bytes(held)}"
    )
    for name, part in parts_of_a_step(trainer, batch).items():
        with trainer.objective.autocast():
            spent = seconds_of(part, steps, device)
            timing = Timing(name, spent, count_flops(part), speed)
        print(timing.line(f"{spent / seconds:6.0%} of the step"))


def parts_of_a_step(trainer: MultimodalTrainer, batch: Batch) -> dict[str, Callable[[], object]]:
    """{name: work} of the networks, each with its backward pass, and of the optimisers."""
    model = trainer.model
    images = batch.images
    tokens = batch.tokens
    code = torch.randn(len(images), model.config.latent_dim, device=trainer.device)
    noise = trainer.objective.noise(len(images), "parts")

    def encode_images() -> None:
        model.image_encoder(images).sum().backward()

    def decode_images() -> None:
        drawn = model.image_decoder(code, noise.noised(images), noise.times)
        (drawn - images).abs().mean().backward()

    def decode_text() -> None:
        model.text_decoder(code, tokens)[..., 4:260].logsumexp(-1).mean().backward()

    def encode_text() -> None:
        model.text_encoder(tokens).sum().backward()

    def update() -> None:
        for optimizer in trainer.state.optimizers:
            optimizer.step()

    return {
        "image encoder": encode_images,
        "image decoder": decode_images,
        "text decoder": decode_text,
        "text encoder": encode_text,
        "optimisers": update,
    }


# ---- against plain eager -------------------------------------------------------------------------


@contextlib.contextmanager
def contiguous_pictures() -> Iterator[None]:
    """Inside, pictures stay NCHW."""
    with patch.object(torch, "channels_last", torch.contiguous_format):
        yield


@dataclass(frozen=True)
class Course:
    """How a training went."""

    # of each step
    seconds: list[float]
    # of the held-out pictures, when last looked at
    loss: float

    @property
    def median(self) -> float:
        """Seconds of a step."""
        return float(np.median(self.seconds))


def train_until(trainer: MultimodalTrainer, steps: int, wanted: float = -float("inf")) -> Course:
    """At most so many steps, until the loss of the held-out pictures is no more than `wanted`."""
    seconds: list[float] = []
    loss = float("inf")
    held_out = trainer.val.batch(np.arange(HELD_OUT)).to(trainer.device)
    noise = trainer.objective.noise(HELD_OUT, "held out")
    while True:
        for batch in trainer.train:
            begin = time.perf_counter()
            trainer.train_step(batch, len(seconds))
            seconds.append(time.perf_counter() - begin)
            if len(seconds) % LOOK_EVERY == 0:
                with torch.no_grad():
                    losses, _ = trainer.objective.losses(held_out, noise)
                loss = float(losses["total"])
            if len(seconds) == steps or loss <= wanted:
                return Course(seconds, loss)
        trainer.train.epoch += 1


def compare_with_eager(ours: MultimodalTrainer, plain: MultimodalTrainer, steps: int) -> None:
    """Ours beside plain eager fp32, NCHW, AdamW, to the same loss.

    plain: a trainer of the same model in fp32; steps: of ours, at most.
    """
    course = train_until(ours, steps)
    plain.state.optimizers = [
        torch.optim.AdamW(
            trained_weights(plain.model),
            lr=1e-3,
            betas=(0.9, 0.98),
            weight_decay=plain.config.weight_decay,
            foreach=False,
        )
    ]
    plain.config = replace(plain.config, learning_rate=1e-3)
    with contiguous_pictures():
        plain_course = train_until(plain, 4 * steps, course.loss)
    for name, one in (("ours", course), ("plain eager", plain_course)):
        print(
            f"  {name:<11} {len(one.seconds):4} steps of {one.median * 1e3:6.1f} ms, "
            f"{sum(one.seconds):6.1f} s; loss of {HELD_OUT} held-out pictures {one.loss:.3f}",
            flush=True,
        )
    times = sum(plain_course.seconds) / sum(course.seconds)
    at_least = "" if plain_course.loss <= course.loss else "more than "
    print(
        f"  plain eager fp32, NCHW, AdamW takes {plain_course.median / course.median:.2f} times "
        f"as long for a step and {at_least}{times:.2f} times as long to the same loss "
        "(wanted: 1.5)"
    )


def main(model_config: ModelConfig, config: TrainConfig, options: Any) -> None:
    device = pick_device(config.device)
    precision = resolve_precision(config.precision, device)
    model_config = resolve_model_config(
        model_config, vocab_size=VOCABULARY, channels=1, budget=config.parameters
    )
    batch_size = config.batch_size
    count = min(options.pictures, MAX_DRAWN) if options.against else 2 * batch_size
    with tempfile.TemporaryDirectory() as folder:
        loaders = drawn_loaders(folder, model_config, config, max(batch_size, count))
        # an epoch shows each picture once, however few they are
        settings = replace(config, checkpoints=folder, epoch_pictures=1)

        def make(epochs: int, precision: str = precision) -> MultimodalTrainer:
            one = replace(settings, num_epochs=epochs)
            return new_trainer(model_config, one, loaders, device=device, precision=precision)

        trainer = make(ENDLESS)
        batch = loaders[0].batch(np.arange(batch_size)).to(device)
        print_step(trainer, batch, options.steps)
        del trainer
        if options.against == "eager":
            plain = make(ENDLESS, "fp32")
            compare_with_eager(make(ENDLESS), plain, options.pictures // batch_size)
        elif options.against == "plain":
            compare_with_plain(make(1), options.pictures)


if __name__ == "__main__":
    run(main, *CONFIGS)
