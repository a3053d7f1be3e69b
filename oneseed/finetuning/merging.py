"""The end of a run: the adapter is worked into the weights, and both are asked the same.

Merging is where adapters are lost without a word. So the merged checkpoint is read from the disk as
any program reads it, and compared with the adapter as peft reads it: its answers about held-out
pictures, letter by letter, and what it expects at each place of true answers.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from oneseed.captioning.adapters import require_peft
from oneseed.captioning.huggingface import LoadedCaptioner, load_captioner
from oneseed.captioning.taught import TaughtNotes, write_notes
from oneseed.config.finetuning import FinetuningConfig
from oneseed.files import sweep_partials, whole_folder
from oneseed.finetuning.adapter import FILE_MODE
from oneseed.finetuning.examples import AnswerBatch, Example, answer_logits, make_batch
from oneseed.finetuning.loading import load_unquantised
from oneseed.finetuning.looks import Answer, ask, autocast_of, on_device

# what a checkpoint is found by; moved last, so that a folder has it only when all is there
CONFIG_NAME = "config.json"
# largest difference of logits in float32, as a share of the largest logit
MAX_DIFFERENCE = 1e-5


@dataclass(frozen=True)
class Merged:
    """What was found of a merged checkpoint."""

    # as it was read from its folder
    captioner: LoadedCaptioner
    # its answers about the held-out pictures
    answers: list[Answer]
    # how many of them are the adapter's, letter by letter
    equal_texts: int
    # of the logits of one batch, absolute, and their largest size
    largest_difference: float
    largest_logit: float

    @property
    def is_equal(self) -> bool:
        """Whether texts and logits are the same; in bfloat16, where weights are rounded, texts."""
        is_single = self.captioner.model.dtype == torch.float32
        are_near = self.largest_difference <= MAX_DIFFERENCE * max(1.0, self.largest_logit)
        return self.equal_texts == len(self.answers) and (are_near or not is_single)


def merge_adapter(
    adapter: Path,
    config: FinetuningConfig,
    notes: TaughtNotes,
    held_out: Sequence[Example],
    end: int,
    device: torch.device,
) -> Merged:
    """Merges the best adapter into the folder of the run, and compares both.

    held_out: pictures that both are asked about. end: the token behind each answer.
    """
    folder = Path(config.checkpoints)
    base = load_unquantised(config.model, device)
    peft = require_peft("merging")
    with_adapter = peft.PeftModel.from_pretrained(base.model, str(adapter)).eval()
    before = LoadedCaptioner(base.processor, with_adapter, notes)
    dtype = base.model.dtype
    batch = make_batch(held_out[: config.batch_size], before, end)
    answers_before = ask_all(before, held_out, config)
    logits_before = logits_of(before, batch, dtype)
    save_checkpoint_folder(with_adapter.merge_and_unload(safe_merge=True), base.processor, folder)
    write_notes(folder, notes)

    merged = load_captioner(str(folder), device)
    answers = ask_all(merged, held_out, config)
    logits = logits_of(merged, batch, dtype)
    same = [one.text == other.text for one, other in zip(answers_before, answers)]
    return Merged(
        merged,
        answers,
        equal_texts=sum(same),
        largest_difference=float((logits - logits_before).abs().max()),
        largest_logit=float(logits_before.abs().max()),
    )


def ask_all(
    captioner: LoadedCaptioner, held_out: Sequence[Example], config: FinetuningConfig
) -> list[Answer]:
    """The answers of a captioner that has its notes."""
    assert captioner.notes, "a captioner that was taught says what it is asked"
    return ask(
        held_out,
        captioner,
        max_new_tokens=captioner.notes.max_new_tokens,
        batch_size=config.batch_size,
        is_code=captioner.notes.is_code,
    )


@torch.no_grad()
def logits_of(captioner: LoadedCaptioner, batch: AnswerBatch, dtype: torch.dtype) -> torch.Tensor:
    """(N, V) on the CPU: what a captioner expects at the places of the answers that count."""
    device = captioner.model.device
    moved = on_device(batch, device, dtype)
    with autocast_of(device):
        logits = answer_logits(captioner.model, moved)
    return logits[moved.labels >= 0].float().cpu()


def save_checkpoint_folder(model: Any, processor: Any, folder: Path) -> None:
    """Writes a checkpoint into a folder that holds other files, too.

    Its config.json goes first and comes last: a killed run leaves no checkpoint that is half new.
    """
    sweep_partials(folder)
    with whole_folder(folder / "merged") as partial:
        model.save_pretrained(str(partial))
        processor.save_pretrained(str(partial))
        (folder / CONFIG_NAME).unlink(missing_ok=True)
        for old in folder.glob("model*.safetensors*"):
            old.unlink()
        files = sorted(partial.iterdir(), key=lambda path: path.name == CONFIG_NAME)
        for path in files:
            if path.is_file():
                path.chmod(FILE_MODE)
            path.replace(folder / path.name)
    shutil.rmtree(folder / "merged")
