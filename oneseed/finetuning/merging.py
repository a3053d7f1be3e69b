"""The end of a run: the adapter is worked into the weights, and both are asked the same.

Merging is where adapters are lost without a word. So the merged checkpoint is read from the disk as
any program reads it, and compared with the adapter as peft reads it: its answers about held-out
pictures, letter by letter, and what it expects at each place of true answers.
"""

import gc
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from oneseed.captioning.adapters import ADAPTER_WEIGHTS, with_adapter
from oneseed.captioning.asking import LoadedCaptioner
from oneseed.captioning.huggingface import load_captioner
from oneseed.captioning.taught import TaughtNotes, notes_of_weights, write_notes
from oneseed.config.finetuning import FinetuningConfig
from oneseed.dataset.jsonl import Row
from oneseed.files import sweep_partials, whole_folder
from oneseed.finetuning.adapter import FILE_MODE
from oneseed.finetuning.examples import AnswerBatch, TaughtExample, answer_logits, make_batch
from oneseed.finetuning.loading import load_unquantised
from oneseed.finetuning.looks import LOOK_FIGURES, HeldOutAnswer, ask, autocast_of, on_device

# what a checkpoint is found by; moved last, so that a folder has it only when all is there
CONFIG_NAME = "config.json"
# difference of logits in float32, as a share of their size, both as root mean squares: rounding in
# a deep network; a part of an adapter that is lost makes a hundred times as much
MAX_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class Merged:
    """What was found of a merged checkpoint."""

    # as it was read from its folder
    captioner: LoadedCaptioner
    # its answers about the held-out pictures
    answers: list[HeldOutAnswer]
    # how many of them are the adapter's, letter by letter
    equal_texts: int
    # of the logits of one batch: the largest one, and that of all of them as a share of their size
    largest_difference: float
    difference: float

    @property
    def is_equal(self) -> bool:
        """Whether texts and logits are the same; in bfloat16, where weights are rounded, texts."""
        is_single = self.captioner.model.dtype == torch.float32
        are_near = self.difference <= MAX_DIFFERENCE or not is_single
        return self.equal_texts == len(self.answers) and are_near


def merge_adapter(
    adapter: Path,
    config: FinetuningConfig,
    notes: TaughtNotes,
    held_out: Sequence[TaughtExample],
    end: int,
    device: torch.device,
) -> Merged:
    """Merges the best adapter into the folder of the run, and compares both.

    held_out: pictures that both are asked about. end: the token behind each answer.
    """
    folder = Path(config.checkpoints)
    base = load_unquantised(config.model, device)
    adapted = with_adapter(base.model, adapter)
    before = LoadedCaptioner(base.processor, adapted, notes)
    dtype = base.model.dtype
    batch = make_batch(held_out[: config.batch_size], before, end)
    answers_before = ask(held_out, before, batch_size=config.batch_size)
    logits_before = logits_of(before, batch, dtype)
    save_checkpoint_folder(adapted.merge_and_unload(safe_merge=True), base.processor, folder)
    write_notes(folder, notes_of_weights(notes, adapter / ADAPTER_WEIGHTS))
    # there is no room for two of them where the device is small
    del base, adapted, before
    release_memory(device)

    merged = load_captioner(str(folder), device)
    answers = ask(held_out, merged, batch_size=config.batch_size)
    logits = logits_of(merged, batch, dtype)
    same = [one.text == other.text for one, other in zip(answers_before, answers)]
    return Merged(
        merged,
        answers,
        equal_texts=sum(same),
        largest_difference=float((logits - logits_before).abs().max()),
        difference=float((logits - logits_before).norm() / logits_before.norm()),
    )


def release_memory(device: torch.device) -> None:
    """Gives back what tensors that are gone have taken."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


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


def after_lines_of(merged: Merged, after: Row) -> list[str]:
    """What has become of the captioner, for a terminal."""
    shown = [("merged checkpoint", after["figures"]), ("floor, another's text", after["floor"])]
    lines = []
    for name, figures in shown:
        told = ", ".join(f"{figure} {figures[figure]:.3f}" for figure in LOOK_FIGURES)
        lines.append(f"  {name:<22} {told}")
    for kind, found in after["figures"].get("kinds", {}).items():
        told = f"exact {found['exact']:.3f}, valid {found['valid']:.3f} of {found['asked']}"
        lines.append(f"    {kind:<20} {told}")
    lines.append(
        f"merged against adapter: the same texts {merged.equal_texts} of {len(merged.answers)}, "
        f"logits differ by {merged.largest_difference:.1e} at most, {merged.difference:.1e} of "
        "their size"
    )
    if not merged.is_equal:
        lines.append("✗ the merged checkpoint is not what was taught; use the adapter")
    return lines
