"""A captioner's run in TensorBoard: losses, figures, and held-out pictures with their answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oneseed.dataset.jsonl import Row
from oneseed.finetuning.examples import example_pictures
from oneseed.finetuning.looks import LOOK_FIGURES, HeldOutAnswer

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

# answers that are shown
BOARD_ANSWERS = 8


class CaptionerBoard:
    """Writes the folder tensorboard/ of a run, from the first look of this process on."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        """settings: of the run, {name: value}."""
        self.folder = folder
        self.settings = settings
        self.writer: SummaryWriter | None = None

    def show(self, look: Row, answers: Sequence[HeldOutAnswer]) -> None:
        """A look's losses and figures, and some of its answers."""
        step = look["step"]
        if self.writer is None:
            self.writer = self.open_board(step)
        writer = self.writer
        losses = {"val": look["val_loss"]}
        if look["train_loss"] is not None:
            losses["train"] = look["train_loss"]
        writer.add_scalars("losses/answer", losses, step)
        for name in LOOK_FIGURES:
            writer.add_scalar(f"held out/{name}", look[name], step)
        shown = answers[:BOARD_ANSWERS]
        pictures = example_pictures([answer.example for answer in shown])
        for number, (answer, (picture, *_)) in enumerate(zip(shown, pictures)):
            writer.add_image(f"pictures/{number}", np.asarray(picture), step, dataformats="HWC")
            true = indented(answer.example.answer)
            said = indented(answer.text)
            writer.add_text(f"answers/{number}", f"true:\n\n{true}\n\nsaid:\n\n{said}", step)
        writer.flush()

    def open_board(self, step: int) -> "SummaryWriter":
        """Open the folder and show the settings."""
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(self.folder), purge_step=step)
        lines = [f"    {name}: {value}\n" for name, value in self.settings.items()]
        writer.add_text("settings", "".join(lines), step)
        return writer


def indented(text: str) -> str:
    """A text as Markdown shows it letter by letter."""
    return "\n".join(f"    {line}" for line in text.split("\n"))
