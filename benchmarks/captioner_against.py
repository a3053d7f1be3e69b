"""Teaching a captioner, by this program and by TRL's trainer: steps a second, memory, loss.

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.captioner_against
    python -m benchmarks.captioner_against --style screens --kinds table,query --side 128

Both begin with the same untrained captioner (see benchmarks.captioner) and the same low-rank
matrices, learn from the same pairs in batches of one size at one learning rate, and never show a
pair twice within an epoch. Each runs in a process of its own, by turns. The loss is that of the
same held-out answers, asked in one way of both.
"""

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from oneseed.console.flags import BaseConfig, option, parse_configs

OURS = "ours"
TRL = "trl"
# steps that are not timed: the first ones prepare memory
WARM_UP = 5
# ru_maxrss counts KiB on Linux
MIB_OF_MAXRSS = 1024


@dataclass(frozen=True)
class AgainstConfig(BaseConfig):
    """What is taught, and how often."""

    style: str = option("sprites", "a drawn collection")
    kinds: str = option("", "kinds of screens; default: all")
    side: int = option(64, "pixels of a picture's side", at_least=32)
    pictures: int = option(1200, "pictures in all", at_least=40)
    steps: int = option(100, "optimiser steps of each", at_least=2 * WARM_UP)
    batch_size: int = option(8, "pairs of a step", at_least=1)
    rounds: int = option(2, "times that each runs", at_least=1)
    only: str = option("", "one of them, in this process", choices=("", OURS, TRL))
    folder: str = option("outputs/captioner_against", "where everything is written")


# --help answers before torch loads.
if __name__ == "__main__":
    CONFIGS = parse_configs(AgainstConfig, description=__doc__)

import itertools

import torch

from benchmarks.captioner import CaptionerConfig, made_captioner, prepared_examples
from caption_finetuning import CaptionerTrainer
from oneseed.config.finetuning import FinetuningConfig
from oneseed.console.command import UserError, run
from oneseed.finetuning import looks
from oneseed.finetuning.examples import taught_picture
from oneseed.finetuning.setup import prepare_captioner


def made_base(config: AgainstConfig) -> Path:
    """The folder of the untrained captioner, made with the pairs where it is not there yet."""
    folder = Path(config.folder) / f"{config.style}_{config.pictures}_{config.side}"
    drawn = CaptionerConfig(
        style=config.style, kinds=config.kinds, side=config.side, pictures=config.pictures
    )
    examples = prepared_examples(drawn, folder / "data")
    base = folder / "base"
    if not (base / "config.json").exists():
        captioner = made_captioner([example.answer for example in examples.train], config.side)
        captioner.model.save_pretrained(base)
        captioner.processor.save_pretrained(base)
    return base


def made_trainer(config: AgainstConfig, base: Path) -> CaptionerTrainer:
    """Ours, which also knows the pairs, and how their loss is asked."""
    taught = FinetuningConfig(
        model=str(base),
        style=config.style,
        data=str(base.parent / "data"),
        checkpoints=str(base.parent / "run"),
        batch_size=config.batch_size,
        learning_rate=2e-3,
        num_epochs=1 + config.steps * config.batch_size // (config.pictures // 2),
    )
    captioner, fitted, end = prepare_captioner(taught, torch.device("cpu"))
    trainer = CaptionerTrainer(captioner, fitted, taught, end)
    trainer.total_steps = config.steps
    return trainer


def teach_with_ours(trainer: CaptionerTrainer, config: AgainstConfig) -> list[float]:
    """Seconds of each step."""
    seconds = []
    for _ in range(config.steps):
        begin = time.perf_counter()
        trainer.train_step()
        seconds.append(time.perf_counter() - begin)
    return seconds


def teach_with_trl(trainer: CaptionerTrainer, config: AgainstConfig) -> list[float]:
    """Seconds of each step. trainer: ours, whose captioner and pairs TRL is given."""
    try:
        from datasets import Dataset
        from transformers import TrainerCallback
        from trl import SFTConfig, SFTTrainer
    except ImportError as error:
        raise UserError(f"{error}: python -m pip install -r benchmarks/requirements.txt") from error

    marks = []

    class Clock(TrainerCallback):
        """Notes when each step ends."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            marks.append(time.perf_counter())

        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            marks.append(time.perf_counter())

    rows = [
        {
            "images": [taught_picture(example.picture)],
            "prompt": [{"role": "user", "content": example.question}],
            "completion": [{"role": "assistant", "content": example.answer}],
        }
        for example in trainer.train
    ]
    settings = SFTConfig(
        output_dir=str(Path(config.folder) / "trl"),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch_size,
        learning_rate=trainer.config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=1,
        weight_decay=0.0,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        max_length=None,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=0,
    )
    other = SFTTrainer(
        model=trainer.model,
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=trainer.captioner.processor,
        callbacks=[Clock()],
    )
    other.train()
    return [end - begin for begin, end in itertools.pairwise(marks)]


def measure(config: AgainstConfig) -> dict[str, Any]:
    """One of them, in this process -> steps a second, its largest memory, the loss afterwards."""
    base = made_base(config)
    trainer = made_trainer(config, base)
    teach = teach_with_ours if config.only == OURS else teach_with_trl
    seconds = teach(trainer, config)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB_OF_MAXRSS
    trainer.model.eval()
    with torch.no_grad():
        loss = looks.loss_of_answers(
            trainer.val,
            trainer.captioner,
            trainer.end,
            batch_size=config.batch_size,
            dtype=trainer.dtype,
        )
    timed = seconds[WARM_UP:]
    return {
        "steps_per_second": len(timed) / sum(timed),
        "median_step_ms": 1000 * median(timed),
        "peak_mib": round(peak),
        "held_out_loss": loss,
    }


def main(config: AgainstConfig) -> int:
    """By turns, each in a process of its own."""
    if config.only:
        found = measure(config)
        print(json.dumps(found))
        return 0
    made_base(config)
    results: dict[str, list[dict[str, Any]]] = {OURS: [], TRL: []}
    words = [f"--{name}={getattr(config, name)}" for name in ("style", "kinds", "side", "pictures")]
    words += [f"--{name}={getattr(config, name)}" for name in ("steps", "folder")]
    words.append(f"--batch-size={config.batch_size}")
    for _ in range(config.rounds):
        for name, found in results.items():
            command = [sys.executable, "-m", "benchmarks.captioner_against", *words]
            done = subprocess.run(
                [*command, f"--only={name}"], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise UserError(f"{name} failed: {done.stderr[-2000:]}", code=1)
            found.append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(f"{name:<5} {json.dumps(found[-1])}", flush=True)
    best = {name: max(row["steps_per_second"] for row in found) for name, found in results.items()}
    print(f"ours / TRL: {best[OURS] / best[TRL]:.2f} times the steps a second")
    return 0


if __name__ == "__main__":
    run(main, *CONFIGS)
