"""The loss of a model on pairs of pictures and captions, as one run computes it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from oneseed.model.multimodal import MultimodalModel
from oneseed.model.noising import TrainingNoise
from oneseed.seeds import torch_generator
from oneseed.training.data import Batch
from oneseed.training.losses import MultimodalLoss


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The precision of forward passes, "bf16" or "fp32", as a context manager."""
    is_bf16 = precision == "bf16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_bf16)


@dataclass
class Objective:
    """Model, loss and how they are computed: on which device, in which precision, with which noise.

    Everything that computes a loss uses it: training, validation, checks, the estimate of memory.
    """

    # the model, on `device`
    model: MultimodalModel
    # the weighted parts of the loss
    loss: MultimodalLoss
    # where model and batches are
    device: torch.device
    # "bf16": autocast to bfloat16, or "fp32": plain
    precision: str
    # of the noise
    seed: int

    def autocast(self) -> torch.autocast:
        """The precision of forward passes, as a context manager."""
        return autocast(self.device, self.precision)

    def losses(self, batch: Batch, noise: TrainingNoise) -> tuple[dict[str, Tensor], Tensor]:
        """Forward pass of a whole batch -> ({part: scalar}, codes (B, D)).

        batch, and noise of its B rows: on the device.
        """
        images = batch.images
        tokens = batch.tokens
        logits = captions = None
        with self.autocast():
            if self.loss.wordless:
                codes, _, drawn = self.model.redraw(images, noise, batch.further)
            else:
                codes, drawn, logits = self.model.autoencode(images, tokens, noise, batch.further)
                captions = self.model.text_encoder(tokens)
        losses = self.loss(
            drawn,
            images,
            logits,
            tokens,
            codes,
            captions,
            word_weights=batch.word_weights,
            times=noise.times,
        )
        return losses, codes

    def noise(self, rows: int, purpose: object) -> TrainingNoise:
        """Noise of so many rows on the device, the same for equal purposes of a run.

        purpose: the number of a step, or a text.
        """
        config = self.model.config
        shape = (config.channels, config.image_size, config.image_size)
        text = f"{self.seed} {purpose}"
        return TrainingNoise.drawn(text, rows, config.latent_dim, shape, self.device)

    def code_noise(self, rows: int, purpose: object) -> Tensor:
        """Standard normal (rows, D) on the device, of codes alone; see noise."""
        generator = torch_generator(f"{self.seed} {purpose}", "noise")
        shape = (rows, self.model.config.latent_dim)
        return torch.randn(shape, generator=generator).to(self.device)
