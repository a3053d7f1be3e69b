"""What a training step costs here: pictures per second, floating-point operations, which share of the machine's matrix speed that is, memory, and the share of
each part.

    python -m benchmarks.training_step --preset small --style builtin                                # the step of make demo
    python -m benchmarks.training_step --preset small --style builtin --against eager --pictures 4800      # beside the same networks and loss in plain eager fp32, NCHW, AdamW, to the same loss
    python -m benchmarks.training_step --preset full --batch-size 8 --against plain      # beside a plain autoencoder of 64 to 512 channels, both trained on --pictures

Operations are counted by PyTorch (multiplications and additions of matrices and convolutions); matrix speed is that of the best of five products of 1,024 x
1,024 matrices in the same dtype, in this run. The pictures are drawn by the built-in generator and read from a memory-mapped cache, as in training.
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
            "eager: the same networks in plain eager fp32, NCHW, with AdamW, until they reach the same loss; plain: an autoencoder of five strided and five transposed convolutions, w = 64, "
            "BatchNorm, Adam",
            choices=("", "eager", "plain"),
        )
        pictures: int = option(
            160,
            "that both sides of --against plain are trained on before their reconstructions are compared, and ours of --against eager",
        )

    CONFIGS = parse_configs(
        ModelConfig, TrainConfig, StepConfig, description=__doc__, presets=PRESETS
    )

import contextlib
import itertools
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from oneseed.config.model import MAX_OWN_VOCABULARY
from oneseed.console.command import run
from oneseed.console.output import progress
from oneseed.device import pick_device
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import PAD, Encoded, Tokenizer
from oneseed.synthetic.engravings import attributes, drawing
from oneseed.training.data import PairLoader
from oneseed.training.memory import format_bytes, measured_peak, optimizer_bytes, total_bytes
from oneseed.training.optimizers import trained_weights
from oneseed.training.speed import count_flops, peak_matmul_flops, seconds_of
from training_loop import MultimodalTrainer, resolved

HELD_OUT = 16
MOST_DRAWN = 1200


def drawn(folder, model_config, config, count):
    """Built-in drawings in a memory-mapped cache -> (loader of all but the last HELD_OUT, loader of these, tokenizer)."""
    size = model_config.image_size
    facts = attributes.collection(count + HELD_OUT)
    pixels = np.lib.format.open_memmap(
        Path(folder) / "pixels.npy",
        "w+",
        np.uint8,
        (len(facts), size, size) + (3,) * (model_config.channels == 3),
    )
    captions = [attributes.tell(one, seed) for seed, one in enumerate(facts)]
    for seed, one in enumerate(progress(facts, label="drawing", unit="picture")):
        pixels[seed] = np.asarray(
            drawing.draw(one, seed, size).convert("RGB" if model_config.channels == 3 else "L")
        )
    pixels.flush()
    tokenizer = Tokenizer.train(captions, model_config.vocab_size or MAX_OWN_VOCABULARY)
    pixels = np.load(Path(folder) / "pixels.npy", mmap_mode="r")
    return (
        PairLoader(
            pixels,
            range(count),
            Encoded(captions[:count], tokenizer, model_config.max_caption_length),
            config.batch_size,
            model_config.channels,
            shuffle=True,
        ),
        PairLoader(
            pixels,
            range(count, len(facts)),
            Encoded(captions[count:], tokenizer, model_config.max_caption_length),
            HELD_OUT,
            model_config.channels,
        ),
        tokenizer,
    )


@contextlib.contextmanager
def eager():
    """Inside, pictures stay NCHW."""
    with patch.object(torch, "channels_last", torch.contiguous_format):
        yield


class Plain(nn.Module):
    """The plain way: five strided 4 x 4 convolutions, BatchNorm and ReLU, a linear latent of 1,024, five transposed ones, and a caption transformer."""

    def __init__(self, size, width=64, vocabulary=8000):
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 8 * width, 8 * width]
        base = size // 64
        inward = [
            part
            for a, b in itertools.pairwise(widths)
            for part in (nn.Conv2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
        ]
        outward = [
            part
            for a, b in zip(widths[:0:-1], widths[-2:0:-1])
            for part in (nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
        ]
        self.encoder = nn.Sequential(
            *inward, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8 * width * base**2, 1024)
        )
        self.decoder = nn.Sequential(
            nn.Linear(1024, 8 * width * base**2),
            nn.Unflatten(1, (8 * width, base, base)),
            nn.Upsample(scale_factor=2),
            *outward,
            nn.ConvTranspose2d(width, 3, 4, 2, 1),
            nn.Tanh(),
        )
        self.tokens = nn.Embedding(vocabulary, 512)
        self.positions = nn.Parameter(torch.zeros(100, 512))
        self.condition = nn.Linear(1024, 512)
        self.out = nn.Linear(512, vocabulary)
        self.transformer = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(512, 8, 2048, 0.0, batch_first=True), 4
        )

    def forward(self, images, tokens):
        """-> pictures, logits."""
        code = self.encoder(images)
        x = self.tokens(tokens) + self.positions[: tokens.shape[1]] + self.condition(code)[:, None]
        return self.decoder(code), self.out(
            self.transformer(
                x,
                nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], device=x.device),
                is_causal=True,
            )
        )


def taught_until(trainer, steps, held_out, wanted=-float("inf")):
    """At most so many steps, until the loss of the held-out pictures, looked at after every fifth, is no more than `wanted` -> for each step (seconds, its
    number, that loss when it was last looked at)."""
    course = []
    loss = float("inf")
    images, tokens, _ = held_out.batch(np.arange(HELD_OUT))
    while len(course) < steps and loss > wanted:
        for seen, words, _ in trainer.train:
            begin = time.perf_counter()
            # warmed up, and no end in sight
            trainer.step(seen, words, len(course), 10**9)
            spent = time.perf_counter() - begin
            if len(course) % 5 == 4:
                with torch.no_grad():
                    loss = float(
                        trainer.losses(images, tokens, trainer.noise(HELD_OUT, "held out"))[0][
                            "total"
                        ]
                    )
            course.append((spent, len(course), loss))
            if len(course) == steps or loss <= wanted:
                break
        trainer.train.epoch += 1
    return course


def distance(drawn, images):
    difference = drawn.float() - images
    return difference.abs().mean() + difference.square().mean()


class PlainTrainer:
    def __init__(self, size, device):
        torch.manual_seed(0)
        self.model = Plain(size).to(device)
        self.device = device
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=2e-4)

    def step(self, images, tokens, *_):
        pictures, logits = self.model(images, tokens)
        loss = distance(pictures, images) + F.cross_entropy(
            logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=PAD
        )
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

    def drawn(self, images, tokens):
        self.model.eval()
        return self.model(images, tokens)[0]


def line(name, time_, count, flops, speed, batch=None):
    share = f"{flops / time_ / speed:6.0%} of matrix speed" if flops else ""
    return (
        f"  {name:<15} {time_ * 1e3:9.1f} ms   "
        + (f"{batch / time_:8.1f} pictures/s   " if batch else f"{count:6.0%} of the step   ")
        + (f"{flops / 1e9:8.1f} GFLOP   {share}" if flops else "")
    )


def remembered(work, weights, optimizers, device):
    """Bytes that a step holds: weights, gradients, optimisers, and the most beyond these."""
    return (
        measured_peak(work, device)
        + 2 * total_bytes(weights)
        + total_bytes(optimizer_bytes(optimizers))
    )


def main(model_config, config, options):
    device = pick_device(config.device)
    precision = {"auto": "bf16" if device.type == "cuda" else "fp32"}.get(
        config.precision, config.precision
    )
    speed = peak_matmul_flops(device, torch.bfloat16 if precision == "bf16" else torch.float32)
    model_config = resolved(model_config, config.style, 600, config.parameters)
    batch = config.batch_size
    with tempfile.TemporaryDirectory() as folder:
        loader, held_out, tokenizer = drawn(
            folder,
            model_config,
            config,
            max(batch, min(options.pictures, MOST_DRAWN) if options.against else 2 * batch),
        )

        def fresh():
            torch.manual_seed(config.seed)
            return MultimodalTrainer(
                MultimodalModel(replace(model_config), tokenizer),
                loader,
                held_out,
                replace(config, checkpoints=folder),
                device,
                precision,
            )

        trainer = fresh()
        order = np.arange(batch)
        images, tokens, _ = loader.batch(order)
        images = images.to(device)
        tokens = tokens.to(device)

        def step():
            return trainer.step(images, tokens, 0, 1000)

        begin = time.perf_counter()
        step()
        first = time.perf_counter() - begin
        whole = seconds_of(step, options.steps, device)
        reading = seconds_of(lambda: loader.batch(order), 5, device)
        flops = count_flops(step)
        code = torch.randn(batch, model_config.latent_dim, device=device)
        model = trainer.model
        parts = {
            "image encoder": lambda: model.image_encoder(images).sum().backward(),
            "image decoder": lambda: (model.image_decoder(code) - images).abs().mean().backward(),
            "text decoder": lambda: (
                model.text_decoder(code, tokens)[..., 4:260].logsumexp(-1).mean().backward()
            ),
            "text encoder": lambda: model.text_encoder(tokens).sum().backward(),
            "optimisers": lambda: [optimizer.step() for optimizer in trainer.optimizers],
        }
        print(
            f"{model_config.preset} preset, {model_config.image_size} px, batch {batch}, {sum(weight.numel() for weight in trained_weights(model)) / 1e6:.1f} M trained parameters, {device}, {precision}; "
            f"matrices {speed / 1e9:,.0f} GFLOP/s"
        )
        print(line("whole step", whole, 1, flops, speed, batch))
        print(
            f"  first step {first:.1f} s; waiting for data {reading / (whole + reading):.1%}; a step holds {format_bytes(remembered(step, trained_weights(model), trainer.optimizers, device))}"
        )
        for name, work in parts.items():
            with trainer.autocast():
                spent = seconds_of(work, options.steps, device)
                print(line(name, spent, spent / whole, count_flops(work), speed))

        if options.against == "eager":
            ours = fresh()
            plain = fresh()
            plain.precision = "fp32"
            plain.optimizers = [
                torch.optim.AdamW(
                    trained_weights(plain.model),
                    lr=1e-3,
                    betas=(0.9, 0.98),
                    weight_decay=config.weight_decay,
                    foreach=False,
                )
            ]
            plain.config = replace(plain.config, learning_rate=1e-3)
            steps = options.pictures // batch
            taught = {"ours": taught_until(ours, steps, held_out)}
            with eager():
                taught["plain eager"] = taught_until(
                    plain, 4 * steps, held_out, taught["ours"][-1][2]
                )
            for name, course in taught.items():
                print(
                    f"  {name:<11} {len(course):4} steps of {np.median([spent for spent, _, _ in course]) * 1e3:6.1f} ms, {sum(spent for spent, _, _ in course):6.1f} s; "
                    f"loss of {HELD_OUT} held-out pictures {course[-1][2]:.3f}",
                    flush=True,
                )
            a_step, in_all = [
                measure(taught["plain eager"]) / measure(taught["ours"])
                for measure in (
                    lambda course: np.median([spent for spent, _, _ in course]),
                    lambda course: sum(spent for spent, _, _ in course),
                )
            ]
            reached = taught["plain eager"][-1][2] <= taught["ours"][-1][2]
            print(
                f"  plain eager fp32, NCHW, AdamW takes {a_step:.2f} times as long for a step and {'' if reached else 'more than '}{in_all:.2f} times as long to the same loss (wanted: 1.5)"
            )
        if options.against == "plain":
            del trainer, model, parts
            ours = fresh()
            plain = PlainTrainer(model_config.image_size, device)
            found = {}
            if model_config.linear_dims:
                ours.set_linear_code()
            for name, one in (("ours", ours), ("plain", plain)):
                spent = 0.0
                steps = len(loader)
                for number, (images, tokens, _) in enumerate(
                    progress(loader, label=f"training {name}", total=steps, unit="step")
                ):
                    images = images.to(device)
                    tokens = tokens.to(device)
                    begin = time.perf_counter()
                    one.step(images, tokens, number, steps)
                    spent += (time.perf_counter() - begin) * (number > 0)
                weights = list(one.model.parameters())
                optimizers = getattr(one, "optimizers", None) or [one.optimizer]
                holds = remembered(
                    lambda: one.step(images, tokens, 0, steps), weights, optimizers, device
                )
                seen, words, _ = held_out.batch(np.arange(HELD_OUT))
                with torch.no_grad():
                    drawn_ = (
                        one.model.eval().image_decoder(one.model.image_encoder(seen.to(device)))
                        if name == "ours"
                        else one.drawn(seen.to(device), words.to(device))
                    )
                found[name] = (
                    (steps - 1) * batch / spent,
                    holds,
                    float(distance(drawn_, seen.to(device))),
                )
                print(
                    f"  {name:<6} {found[name][0]:7.2f} pictures/s   {format_bytes(holds)}   L1 + MSE of {HELD_OUT} held-out pictures after {options.pictures} pictures {found[name][2]:.3f}   "
                    f"{sum(weight.numel() for weight in weights) / 1e6:.0f} M parameters",
                    flush=True,
                )
            print(
                f"  ours over plain: {found['ours'][0] / found['plain'][0]:.2f} times the pictures (wanted: 3), {found['ours'][1] / found['plain'][1]:.2f} of the memory (wanted: .5)"
            )


if __name__ == "__main__":
    run(main, *CONFIGS)
