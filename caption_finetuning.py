"""Teach a captioner on a prepared collection, so that it writes as its captions do.

Reads   data/captions/<style>_{train,val}.jsonl   made by caption_generation.py
        data/processed/<style>/resized/           made by dataset_preparation.py
Writes  checkpoints/captioner/                    the merged checkpoint, which every program reads
                                                  that reads such a checkpoint; captioner.json says
                                                  what it is to be asked
        checkpoints/captioner/adapter/            the best adapter, as peft reads it
        checkpoints/captioner/{metrics.json, report.html, training.log, tensorboard/, last.pt}
        checkpoints/captioner/gguf/               with --export: model.gguf, mmproj.gguf, Modelfile

    # low-rank matrices in the language model and what leads to it
    python caption_finetuning.py --model Qwen/Qwen2.5-VL-3B-Instruct --style my_prints
    # what will be taught, the first batch, memory and time, without loading the weights
    python caption_finetuning.py --model PATH --style my_prints --estimate
    # DoRA and rsLoRA, the connector as a whole, the language model in four bits
    python caption_finetuning.py --model PATH --dora --rslora --connector whole --bits 4
    # what is asked of each picture; it is kept beside the checkpoint, and asked again later
    python caption_finetuning.py --model PATH --question "Which SQL makes this table?"
    # the words that a picture shows stand behind its question; pip install -r requirements-ocr.txt
    python caption_finetuning.py --model PATH --style my_forms --ocr
    # 32 pairs a step, 4 of them in memory at a time
    python caption_finetuning.py --model PATH --batch-size 4 --accumulate 8 --recompute
    # two GPUs
    torchrun --nproc-per-node 2 caption_finetuning.py --model PATH --style my_prints
    # two towers, such as CLIP's: each caption finds its picture, and the other way round
    python caption_finetuning.py --objective contrastive --model openai/clip-vit-base-patch32
    # files of conversations: every fault with its line, before anything is prepared
    python caption_finetuning.py --check train.jsonl,val.jsonl
    # for llama.cpp and Ollama, proved on held-out pictures; pip install -r requirements-gguf.txt
    python caption_finetuning.py --export gguf --outtype q8_0 --least .9
    # what the run has made, or its adapter alone, with a card of its figures; after hf auth login
    python caption_finetuning.py --push anna/prints-captioner
    python caption_finetuning.py --push anna/prints-adapter --adapter --license apache-2.0
    # afterwards
    python caption_generation.py --style my_prints --captioner checkpoints/captioner --recaption

Only the answer and its end count for the loss. Run the same command again to resume. It needs
pip install -r requirements-captioner.txt.
"""

if __name__ == "__main__":
    from oneseed.console.command import begin

    begin()
    from oneseed.config.finetuning import FinetuningConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(FinetuningConfig, description=__doc__)

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from oneseed.captioning.asking import LoadedCaptioner
from oneseed.config.finetuning import CONTRASTIVE, FinetuningConfig
from oneseed.console.command import UserError, defer_signals, hold_reader, run
from oneseed.dataset.commands import caption_command
from oneseed.dataset.jsonl import Row
from oneseed.device import pick_device
from oneseed.finetuning import looks
from oneseed.finetuning.adapter import save_adapter, trained_weights_of
from oneseed.finetuning.board import CaptionerBoard
from oneseed.finetuning.check import print_check
from oneseed.finetuning.contrastive_run import teach_towers
from oneseed.finetuning.examples import (
    TaughtExample,
    answer_logits,
    answer_loss,
    make_batch,
)
from oneseed.finetuning.exporting import export_captioner
from oneseed.finetuning.loading import FOUR_BITS
from oneseed.finetuning.merging import after_lines_of, merge_adapter, release_memory
from oneseed.finetuning.pages import write_run_page
from oneseed.finetuning.parts import part_sizes
from oneseed.finetuning.preflight import Fitted
from oneseed.finetuning.run import (
    FinetuningFolder,
    FinetuningState,
    is_better_look,
    rate_of_step,
    take_steps,
)
from oneseed.finetuning.setup import dtype_of_frozen, prepare_captioner
from oneseed.seeds import torch_generator
from oneseed.training import distributed
from oneseed.training.run_folder import locked_run

__all__ = ["CaptionerTrainer", "main"]

# gradients longer than this are shortened to it
MAX_GRADIENT = 1.0


class CaptionerTrainer:
    """Teaches one captioner, and keeps the folder of the run up to date.

    trainer = CaptionerTrainer(captioner, fitted, config, end)
    trainer.resume()
    trainer.fit()
    """

    def __init__(
        self, captioner: LoadedCaptioner, fitted: Fitted, config: FinetuningConfig, end: int
    ) -> None:
        """captioner: with its adapter and notes. end: the token behind each answer."""
        assert captioner.notes, "they say what it is asked"
        self.captioner = captioner
        self.notes = captioner.notes
        self.model: nn.Module = captioner.model
        self.sizes = part_sizes(captioner.model)
        self.device: torch.device = captioner.model.device
        self.fitted = fitted
        self.train = fitted.examples.train
        self.val = fitted.examples.val
        self.config = config
        self.end = end
        self.weights = list(trained_weights_of(self.model).values())
        self.optimizer = torch.optim.AdamW(self.weights, lr=config.learning_rate, weight_decay=0.0)
        self.dtype = dtype_of_frozen(self.model)
        self.step_pairs = config.batch_size * config.accumulate
        self.steps_per_epoch = math.ceil(len(self.train) / self.step_pairs)
        self.total_steps = self.steps_per_epoch * config.num_epochs
        self.look_every = config.checkpoint_every or self.steps_per_epoch
        self.state = FinetuningState()
        self.folder = FinetuningFolder(config, self.train, self.val)
        self.judge = looks.judge_of(fitted.examples, config.style)
        self.board = CaptionerBoard(self.folder.path / "tensorboard", asdict(config))
        self.answers: list[looks.HeldOutAnswer] = []

    def resume(self) -> bool:
        """Go on where last.pt stands -> False where there is none."""
        found = self.folder.load(self.model, self.optimizer)
        self.state = found or self.state
        return found is not None

    def fit(self) -> None:
        """All steps that are left, with looks at held-out pictures between them."""
        take_steps(self)

    def save(self) -> None:
        """last.pt: everything that an exact resume needs."""
        self.folder.save(self.state, self.model, self.optimizer)

    # ---- a step ----------------------------------------------------------------------------------

    def rows_of_step(self, step: int) -> list[int]:
        """The training pairs of a step, in an order that depends on seed and epoch alone."""
        epoch, within = divmod(step, self.steps_per_epoch)
        generator = torch_generator(f"{self.config.seed} {epoch}", "order")
        order = torch.randperm(len(self.train), generator=generator).tolist()
        return order[within * self.step_pairs : (within + 1) * self.step_pairs]

    def train_step(self) -> float:
        """One optimiser step over all processes -> its loss, nats for each token of an answer.

        UserError where the loss is not a number; no weight is changed then.
        """
        step = self.state.step
        rows = self.rows_of_step(step)
        tokens = sum(self.fitted.answer_lengths[row] for row in rows)
        self.model.train()
        self.optimizer.zero_grad()
        # dropout, where a captioner has any, depends on the step alone
        with torch.random.fork_rng(devices=cuda_devices(self.device)):
            torch.manual_seed(torch_generator(f"{self.config.seed} {step}", "step").initial_seed())
            total = self.backward(rows, tokens)
        loss = self.share_gradients(total) / tokens
        if not math.isfinite(loss):
            raise UserError(
                f"the loss of step {step + 1} is not a number: begin anew with a smaller "
                "--learning-rate and --fresh",
                code=1,
            )
        nn.utils.clip_grad_norm_(self.weights, MAX_GRADIENT)
        for group in self.optimizer.param_groups:
            group["lr"] = rate_of_step(step, self.total_steps, self.config.learning_rate)
        # The update and what is noted of it are one act: a signal waits.
        with defer_signals():
            self.optimizer.step()
            self.state.step += 1
            self.state.loss_sum += loss * tokens
            self.state.loss_tokens += tokens
        return loss

    def backward(self, rows: Sequence[int], tokens: int) -> float:
        """Adds this process's share of the gradients of a step -> its share of the loss, in nats.

        rows: of all processes. tokens: that count in all of them.
        """
        total = 0.0
        for first in range(0, len(rows), self.config.batch_size):
            several = rows[first : first + self.config.batch_size]
            own = several[distributed.local_slice(len(several))]
            if not own:
                continue
            examples = [self.train[row] for row in own]
            try:
                total += self.backward_batch(examples, tokens)
            except torch.OutOfMemoryError as error:
                raise self.too_little_memory(len(own)) from error
        return total

    def too_little_memory(self, pairs: int) -> UserError:
        """The sentence where so many pairs were too many."""
        ways = [] if self.config.recompute else ["run the same command with --recompute"]
        anew = [] if self.config.bits == FOUR_BITS else ["--bits 4"]
        if (size := self.config.batch_size) > 1:
            halves = 2 * self.config.accumulate
            anew.append(f"--batch-size {math.ceil(size / 2)} --accumulate {halves}")
        if anew:
            ways.append(f"begin anew with --fresh and {' or '.join(anew)}")
        if not ways:
            ways.append("take a smaller --model")
        return UserError(
            f"{pairs} pairs do not fit into the memory of {self.device}: {', or '.join(ways)}",
            code=1,
        )

    def backward_batch(self, examples: Sequence[TaughtExample], tokens: int) -> float:
        """Adds the gradients of a batch -> its loss, in nats. tokens: of the whole step."""
        batch = make_batch(examples, self.captioner, self.end)
        batch = looks.on_device(batch, self.device, self.dtype)
        with looks.autocast_of(self.device):
            logits = answer_logits(self.model, batch)
        loss = answer_loss(logits, batch.labels)
        (loss / tokens).backward()
        return float(loss.detach())

    def share_gradients(self, loss: float) -> float:
        """Sums the gradients of all processes -> the sum of their losses."""
        if distributed.world_size() == 1:
            return loss
        pieces = [
            torch.zeros_like(weight) if weight.grad is None else weight.grad
            for weight in self.weights
        ]
        flat = torch.cat([piece.flatten() for piece in pieces])
        distributed.all_reduce(flat)
        summed = flat.split([piece.numel() for piece in pieces])
        for weight, gradient in zip(self.weights, summed):
            weight.grad = gradient.view_as(weight)
        box = torch.tensor([loss], dtype=torch.float64, device=self.device)
        return float(distributed.all_reduce(box))

    # ---- a look ----------------------------------------------------------------------------------

    def look(self) -> None:
        """Ask about held-out pictures, note the figures, keep the best adapter, save the run."""
        look = self.measure_look() if distributed.is_first() else None
        look = distributed.broadcast_object(look)
        look["is_best"] = is_better_look(look, self.state.best, is_code=self.judge.is_code)
        if look["is_best"] and distributed.is_first():
            save_adapter(self.model, self.folder.adapter, self.notes)
        with defer_signals():
            self.state.looks = [*self.state.looks, look]
            self.state.loss_sum = 0.0
            self.state.loss_tokens = 0
            self.save()
        if distributed.is_first():
            self.folder.log(looks.look_line(look, self.total_steps))
            self.folder.write_metrics(self.state)
            self.board.show(look, self.answers)
            self.write_page()

    def measure_look(self) -> Row:
        """The figures of the captioner as it is now."""
        self.model.eval()
        config = self.config
        self.answers = looks.ask(
            self.val[: config.held_out], self.captioner, batch_size=config.batch_size
        )
        val_loss = looks.loss_of_answers(
            self.val, self.captioner, self.end, batch_size=config.batch_size, dtype=self.dtype
        )
        tokens = self.state.loss_tokens
        return {
            "step": self.state.step,
            "epoch": self.state.step / self.steps_per_epoch,
            "train_loss": self.state.loss_sum / tokens if tokens else None,
            "val_loss": val_loss,
            **looks.figures_of(self.answers, self.judge),
        }

    def write_page(self, after: Row | None = None) -> None:
        """report.html, as things stand. after: the figures of the merged checkpoint."""
        write_run_page(
            self.folder.path / "report.html",
            f"{Path(self.config.model).name}, taught on {self.config.style}",
            sizes=self.sizes,
            looks=self.state.looks,
            answers=self.answers,
            judge=self.judge,
            after=after,
        )

    # ---- the end ---------------------------------------------------------------------------------

    def finish(self) -> int:
        """Merge the best adapter, compare both, write the figures -> 1 where they differ."""
        held_out = self.val[: self.config.held_out]
        self.folder.log("merging the best adapter, and asking both about held-out pictures")
        # the checkpoint comes back as a whole, and needs their room
        del self.captioner, self.model, self.weights, self.optimizer
        release_memory(self.device)
        try:
            merged = merge_adapter(
                self.folder.adapter, self.config, self.notes, held_out, self.end, self.device
            )
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"all is taught, but the whole checkpoint does not fit into the memory of "
                f"{self.device} to be merged: the same command with --device cpu does that",
                code=1,
            ) from error
        self.answers = merged.answers
        after = {
            "figures": looks.figures_of(merged.answers, self.judge),
            "floor": looks.floor_of(held_out, self.judge),
            "equal_texts": merged.equal_texts,
            "largest_difference": merged.largest_difference,
            "difference": merged.difference,
        }
        with self.folder.open_log():
            for line in after_lines_of(merged, after):
                self.folder.log(line)
        self.folder.write_metrics(self.state, after)
        self.write_page(after)
        return 0 if merged.is_equal else 1


def cuda_devices(device: torch.device) -> list[torch.device]:
    """The devices whose random numbers a step may draw, beside the processor's."""
    return [device] if device.type == "cuda" else []


def main(config: FinetuningConfig) -> int:
    """One run, in this process or, started by torchrun, in several."""
    if config.check:
        return print_check([Path(name.strip()) for name in config.check.split(",")])
    if config.export:
        return export_captioner(config)
    if config.push:
        # what the Hub needs, which nothing else does
        from oneseed.export.captioner import push_captioner

        return push_captioner(config)
    # behind | head it ends where there is something to save
    hold_reader()
    with distributed.joined_processes(pick_device(config.device)) as device:
        if config.estimate:
            prepare_captioner(config, device)
            return 0
        with locked_run(Path(config.checkpoints)):
            if config.objective == CONTRASTIVE:
                return teach_towers(config, device)
            return finetune(config, device)


def finetune(config: FinetuningConfig, device: torch.device) -> int:
    """Teach in a folder where no other run works -> exit status."""
    captioner, fitted, end = prepare_captioner(config, device)
    trainer = CaptionerTrainer(captioner, fitted, config, end)
    if config.fresh and distributed.is_first():
        trainer.folder.archive()
    distributed.broadcast_object(None)
    if trainer.resume():
        print(f"resuming after step {trainer.state.step:,} of {trainer.total_steps:,}")
    trainer.fit()
    code = trainer.finish() if distributed.is_first() else 0
    folder = Path(config.checkpoints).as_posix()
    next_command = caption_command(config.style, config.data, f"--captioner {folder} --recaption")
    print(f"Done: {folder}; next: {next_command}")
    return distributed.broadcast_object(code)


if __name__ == "__main__":
    run(main, *CONFIGS)
