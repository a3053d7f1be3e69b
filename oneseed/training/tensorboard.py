"""A run in TensorBoard: losses, figures, and eight seeds after each epoch."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from oneseed.dataset.jsonl import Row
from oneseed.model.caption_source import SOURCE_WORDS, source_of
from oneseed.model.multimodal import MultimodalModel
from oneseed.seeds import latents
from oneseed.training.data import PairLoader

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

# pairs that are shown, in two lines
BOARD_PAIRS = 8
BOARD_PAIRS_PER_LINE = 4
# of metrics.json
SCALARS = (
    "learning_rate",
    "grad_norm",
    "latent_mean",
    "latent_std",
    "latent_norm",
    "code_spread",
    "images_per_second",
)


class TensorBoard:
    """Writes the folder tensorboard/ of a run, from the first epoch of this process on.

    settings: of model and run, {name: value}.
    """

    def __init__(
        self, folder: Path, model: MultimodalModel, val: PairLoader, settings: dict[str, Any]
    ) -> None:
        self.folder = folder
        self.model = model
        self.val = val
        self.settings = settings
        self.writer: SummaryWriter | None = None

    @torch.no_grad()
    def show(self, row: Row, parts: Iterable[str]) -> None:
        """Scalars of an epoch, and a grid of eight fixed seeds with their captions.

        row: the epoch's, of metrics.json; parts: of the loss.
        """
        epoch = row["epoch"]
        if self.writer is None:
            self.writer = self.open_writer(epoch)
        writer = self.writer
        for part in parts:
            losses = {"train": row[f"train_{part}"], "val": row[f"val_{part}"]}
            writer.add_scalars(f"losses/{part}", losses, epoch)
        totals = {"train": row["train_loss"], "val": row["val_loss"]}
        writer.add_scalars("losses/total", totals, epoch)
        for name in SCALARS:
            writer.add_scalar(f"training/{name}", row[name], epoch)
        self.model.eval()
        z = latents(range(BOARD_PAIRS), self.model.config.latent_dim)
        writer.add_image("pictures/seeds 0-7", picture_grid(self.model.decode_image(z)), epoch)
        captions = [f"{seed}: {text}" for seed, text in enumerate(self.model.decode_text(z))]
        writer.add_text("captions/seeds 0-7", "  \n".join(captions), epoch)
        source = source_of(self.model.meta)
        writer.add_text("captions/source", f"{source}  \n{SOURCE_WORDS[source].model}", epoch)
        writer.flush()

    def open_writer(self, epoch: int) -> "SummaryWriter":
        """Open the folder and show what does not change: real pairs and the settings."""
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(self.folder), purge_step=epoch)
        batch = self.val.first_rows(BOARD_PAIRS)
        writer.add_image("pictures/real", picture_grid(self.model.to_rgb(batch.images)), epoch)
        lines = [f"    {name}: {value}\n" for name, value in self.settings.items()]
        writer.add_text("settings", "".join(lines), epoch)
        captions = [self.model.tokenizer.decode(self.val.tokens[row]) for row in batch.rows]
        writer.add_text("captions/real", "  \n".join(captions), epoch)
        return writer


def picture_grid(images: Tensor) -> Tensor:
    """(8, 3, S, S) in [-1, 1] -> (3, 2 S, 4 S) in [0, 1]."""
    from torchvision.utils import make_grid

    return make_grid((images.cpu() + 1) / 2, nrow=BOARD_PAIRS_PER_LINE)
