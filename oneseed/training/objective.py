"""The loss of a model on pairs of pictures and captions, as one run computes it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from oneseed.model.multimodal import MultimodalModel
from oneseed.seeds import torch_generator
from oneseed.training.losses import MultimodalLoss


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
        is_bf16 = self.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=is_bf16)

    def losses(
        self, images: Tensor, tokens: Tensor, noise: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Forward pass of a whole batch -> ({part: scalar}, codes (B, D)).

        images (B, C, S, S) in [-1, 1], tokens (B, T), noise (B, D), all on the device.
        """
        logits = captions = None
        with self.autocast():
            if self.loss.wordless:
                codes, drawn = self.model.redraw(images, noise)
            else:
                codes, drawn, logits = self.model.autoencode(images, tokens, noise)
                captions = self.model.text_encoder(tokens)
        return self.loss(drawn, images, logits, tokens, codes, captions), codes

    def noise(self, rows: int, purpose: object) -> Tensor:
        """Standard normal (rows, D) on the device, the same for equal purposes of a run.

        purpose: the number of a step, or a text.
        """
        generator = torch_generator(f"{self.seed} {purpose}", "noise")
        shape = (rows, self.model.config.latent_dim)
        return torch.randn(shape, generator=generator).to(self.device)
