"""What training minimises: a right picture, a right caption, and codes of the two that match."""

from dataclasses import dataclass
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oneseed.config.training import TrainConfig
from oneseed.model.tokenizer import PAD

# pixels a side of what the losses "shape" and "focus" look at
LOSS_CELL = 4
# of the mean error of a picture, below which it divides no more
MIN_MEAN_ERROR = 1e-6


@dataclass(frozen=True)
class BatchShare:
    """What rows that are a part of a larger batch know of it.

    With it, the losses of all parts add up to the loss of the batch.
    """

    # share of the batch's rows, 0 to 1
    rows: float
    # tokens that are to be predicted in the whole batch
    caption_tokens: float
    # scalar that stands for the contrastive loss of the whole batch
    contrastive: Tensor


def info_nce(image_features: Tensor, caption_features: Tensor, temperature: float = 0.07) -> Tensor:
    """Symmetric InfoNCE of a batch of true pairs, in nats.

    image_features, caption_features: (B, D) float, any length; row i of both belongs together.
    temperature: above 0, no unit.
    Returns a scalar: ln B when all candidates look alike, towards 0 when rows find their partners.
    Source: van den Oord et al. 2018 (arXiv:1807.03748), eq. 4; both directions, Radford et al. 2021
    (arXiv:2103.00020), fig. 3.
    """
    assert image_features.shape == caption_features.shape, (
        f"{image_features.shape} against {caption_features.shape}"
    )
    images = F.normalize(image_features, dim=-1)  # (B, D), length 1
    captions = F.normalize(caption_features, dim=-1)  # (B, D), length 1
    similarity = images @ captions.T / temperature  # (B, B), true pairs on the diagonal
    partner = torch.arange(len(similarity), device=similarity.device)  # (B,)
    image_to_caption = F.cross_entropy(similarity, partner)
    caption_to_image = F.cross_entropy(similarity.T, partner)
    return (image_to_caption + caption_to_image) / 2


def caption_loss(logits: Tensor, tokens: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy of captions, in nats per token, or with reduction "sum" in nats.

    logits (B, T, V), where [:, t] predict tokens[:, t + 1]; tokens (B, T), padding is left out.
    """
    return F.cross_entropy(
        logits[:, :-1].float().flatten(0, 1),
        tokens[:, 1:].flatten(),
        ignore_index=PAD,
        reduction=reduction,
    )


def l1_plus_mse(difference: Tensor) -> Tensor:
    """The distance of each pixel: |d| + d², same shape."""
    return difference.abs() + difference.square()


def focus_loss(errors: Tensor) -> Tensor:
    """The mean of errors (B, C, S, S), where a place counts as much as it and its neighbours err.

    Places are cells of 4 x 4 pixels. Their weight is the mean error of a cell and its eight
    neighbours, relative to the mean of the picture, so that the subject counts more than the
    background. After the focal loss: Lin et al. 2017 (arXiv:1708.02002).
    """
    cells = F.avg_pool2d(errors, LOSS_CELL)  # (B, C, S/4, S/4)
    around = F.avg_pool2d(cells.detach(), 3, 1, 1, count_include_pad=False)
    picture_mean = around.mean((1, 2, 3), keepdim=True).clamp(min=MIN_MEAN_ERROR)
    return (cells * around / picture_mean).mean()


class MultimodalLoss(nn.Module):
    """The weighted sum of what is wrong with pictures, captions and codes.

    reconstruction: L1 + MSE of the picture. caption: cross-entropy in nats per token. contrastive:
    InfoNCE between the picture's code and the caption's embedding.

    Two more terms count where their weights are not 0. Without them a small network learns the
    lines of the background first and leaves the subject a blur. shape: L1 + MSE of the picture
    averaged over 4 x 4 pixels. focus: see `focus_loss`.

    wordless: pictures are all there is to learn from, so caption and contrastive are 0.
    """

    def __init__(
        self,
        reconstruction_weight: float = 1.0,
        caption_weight: float = 2.0,
        contrastive_weight: float = 0.5,
        *,
        temperature: float = 0.07,
        shape_weight: float = 0.0,
        focus_weight: float = 0.0,
        wordless: bool = False,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.wordless = wordless
        self.weights = {
            "reconstruction": reconstruction_weight,
            "caption": 0.0 if wordless else caption_weight,
            "contrastive": 0.0 if wordless else contrastive_weight,
        }
        if shape_weight:
            self.weights["shape"] = shape_weight
        if focus_weight:
            self.weights["focus"] = focus_weight

    def forward(
        self,
        images: Tensor,
        target: Tensor,
        logits: Tensor | None,
        tokens: Tensor,
        code: Tensor,
        caption_features: Tensor | None,
        *,
        share: BatchShare | None = None,
    ) -> dict[str, Tensor]:
        """Scalars: "total", "reconstruction", "caption", "contrastive", perhaps "shape", "focus".

        images, target (B, C, S, S) in [-1, 1]; logits (B, T, V), where [:, t] predict
        tokens[:, t + 1]; tokens (B, T); code, caption_features (B, D). logits and caption_features
        may be None where the loss is wordless.
        share: of rows that are a part of a larger batch; None: they are all.
        """
        difference = images.float() - target
        errors = l1_plus_mse(difference)  # (B, C, S, S)
        losses = {"reconstruction": errors.mean()}
        if self.wordless:
            losses["caption"] = losses["contrastive"] = errors.new_zeros(())
        elif logits is None or caption_features is None:
            raise AssertionError("only a wordless loss does without captions")
        elif share is None:
            losses["caption"] = caption_loss(logits, tokens)
            losses["contrastive"] = info_nce(
                code.float(), caption_features.float(), self.temperature
            )
        else:
            losses["caption"] = caption_loss(logits, tokens, "sum") / share.caption_tokens
            losses["contrastive"] = share.contrastive
        if "shape" in self.weights:
            losses["shape"] = l1_plus_mse(F.avg_pool2d(difference, LOSS_CELL)).mean()
        if "focus" in self.weights:
            losses["focus"] = focus_loss(errors)
        if share is not None:
            for part in losses.keys() - {"caption", "contrastive"}:
                losses[part] = share.rows * losses[part]
        total = reduce(torch.add, [weight * losses[part] for part, weight in self.weights.items()])
        return {"total": total, **losses}


def make_loss(config: TrainConfig, *, wordless: bool = False) -> MultimodalLoss:
    """The loss of a run, as its settings weight it. wordless: of a run on pictures alone."""
    return MultimodalLoss(
        config.reconstruction_weight,
        config.caption_weight,
        config.contrastive_weight,
        temperature=config.temperature,
        shape_weight=config.shape_weight,
        focus_weight=config.focus_weight,
        wordless=wordless,
    )
