"""What training minimises: a right picture, a right caption, and codes of the two that match."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oneseed.config.training import TrainConfig
from oneseed.model.tokenizer import PAD

# pixels a side of what the losses "shape" and "focus" look at
LOSS_CELL = 4
# of the further parts of the loss, where nothing is said
NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})
# share of noise below which the flow loss divides no further
MIN_NOISE_LEFT = 0.1
# of the mean error of a picture, below which it divides no more
MIN_MEAN_ERROR = 1e-6


@dataclass(frozen=True)
class BatchShare:
    """What rows that are a part of a larger batch know of it.

    With it, the losses of all parts add up to the loss of the batch.
    """

    # rows of the whole batch
    rows: int
    # tokens that are to be predicted in the whole batch, or the sum of their weights
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


def caption_loss(
    logits: Tensor, tokens: Tensor, weights: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Cross-entropy of captions, in nats per token, or with reduction "sum" in nats.

    logits (B, T, V), where [:, t] predict tokens[:, t + 1]; tokens (B, T), padding is left out;
    weights (B, T): how much each token counts, 0 for padding; None: all count the same.
    """
    if weights is not None:
        errors = caption_loss(logits, tokens, reduction="none")  # (B (T - 1),)
        counted = weights[:, 1:].flatten()  # (B (T - 1),)
        total = (counted * errors).sum()
        return total if reduction == "sum" else total / counted.sum()
    return F.cross_entropy(
        logits[:, :-1].float().flatten(0, 1),
        tokens[:, 1:].flatten(),
        ignore_index=PAD,
        reduction=reduction,
    )


def caption_weight_sum(tokens: Tensor, weights: Tensor | None) -> Tensor:
    """What `caption_loss` divides by, a float scalar: all tokens to predict, as they count.

    tokens, weights: see caption_loss.
    """
    return (tokens[:, 1:] != PAD).sum().float() if weights is None else weights[:, 1:].sum()


def l1_plus_mse(difference: Tensor) -> Tensor:
    """The distance of each pixel: |d| + d², same shape."""
    return difference.abs() + difference.square()


def focus_errors(errors: Tensor) -> Tensor:
    """Errors (B, C, S, S) -> of places, which count as much as they and their neighbours err.

    Places are cells of 4 x 4 pixels. Their weight is the mean error of a cell and its eight
    neighbours, relative to the mean of the picture, so that the subject counts more than the
    background. After the focal loss: Lin et al. 2017 (arXiv:1708.02002).
    """
    cells = F.avg_pool2d(errors, LOSS_CELL)  # (B, C, S/4, S/4)
    around = F.avg_pool2d(cells.detach(), 3, 1, 1, count_include_pad=False)
    picture_mean = around.mean((1, 2, 3), keepdim=True).clamp(min=MIN_MEAN_ERROR)
    return cells * around / picture_mean  # (B, C, S/4, S/4)


class MultimodalLoss(nn.Module):
    """The weighted sum of what is wrong with pictures, captions and codes.

    reconstruction: L1 + MSE of the draft. caption: cross-entropy in nats per token, where tokens
    may have weights. contrastive: InfoNCE between the picture's code and the caption's embedding.

    picture_weights has the weights of three more terms. flow: MSE of what later passes predict,
    over the share of noise that is left. Of the draft again, since without them a small network
    learns the lines of the background first and leaves the subject a blur: shape, L1 + MSE of the
    picture averaged over 4 x 4 pixels; focus, see `focus_errors`.

    wordless: pictures are all there is to learn from, so caption and contrastive are 0.
    """

    def __init__(
        self,
        reconstruction_weight: float = 1.0,
        caption_weight: float = 2.0,
        contrastive_weight: float = 0.5,
        *,
        temperature: float = 0.07,
        picture_weights: Mapping[str, float] = NO_WEIGHTS,
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
        self.weights |= {part: weight for part, weight in picture_weights.items() if weight}

    def forward(  # noqa: PLR0913 - what the parts of the loss look at
        self,
        images: Tensor,
        target: Tensor,
        logits: Tensor | None,
        tokens: Tensor,
        code: Tensor,
        caption_features: Tensor | None,
        *,
        word_weights: Tensor | None = None,
        times: Tensor | None = None,
        share: BatchShare | None = None,
    ) -> dict[str, Tensor]:
        """Scalars: "total" and those of `weights`.

        images, target (B, C, S, S) in [-1, 1]; logits (B, T, V), where [:, t] predict
        tokens[:, t + 1]; tokens (B, T); code, caption_features (B, D). logits and caption_features
        may be None where the loss is wordless.
        word_weights: (B, T), how much each token counts, 0 for padding; None: all the same.
        times: (B,), how much of the picture each row was told, 0 for drafts; None: all are drafts.
        share: of rows that are a part of a larger batch; None: they are all.
        """
        losses = self.picture_losses(images.float() - target, times, share)
        if self.wordless:
            losses["caption"] = losses["contrastive"] = losses["reconstruction"].new_zeros(())
        elif logits is None or caption_features is None:
            raise AssertionError("only a wordless loss does without captions")
        elif share is None:
            losses["caption"] = caption_loss(logits, tokens, word_weights)
            losses["contrastive"] = info_nce(
                code.float(), caption_features.float(), self.temperature
            )
        else:
            nats = caption_loss(logits, tokens, word_weights, reduction="sum")
            losses["caption"] = nats / share.caption_tokens
            losses["contrastive"] = share.contrastive
        total = reduce(torch.add, [weight * losses[part] for part, weight in self.weights.items()])
        return {"total": total, **losses}

    def picture_losses(
        self, difference: Tensor, times: Tensor | None, share: BatchShare | None
    ) -> dict[str, Tensor]:
        """The parts of the loss of pictures (B, C, S, S), predicted less true ones."""
        if times is None:
            times = difference.new_zeros(len(difference))
        is_draft = (times == 0).float()  # (B,)
        is_later = 1 - is_draft
        drafts = is_draft.sum().clamp(min=1)
        laters = is_later.sum().clamp(min=1)
        if share is not None:
            # of the whole batch, where every other row is a draft's, from the first
            drafts = torch.tensor(max(1, -(-share.rows // 2)))
            laters = torch.tensor(max(1, share.rows // 2))

        def draft_mean(errors: Tensor) -> Tensor:
            return (is_draft * errors.flatten(1).mean(1)).sum() / drafts

        errors = l1_plus_mse(difference)  # (B, C, S, S)
        losses = {"reconstruction": draft_mean(errors)}
        if "flow" in self.weights:
            squares = difference.square().flatten(1).mean(1) / (1 - times).clamp(min=MIN_NOISE_LEFT)
            losses["flow"] = (is_later * squares).sum() / laters
        if "shape" in self.weights:
            losses["shape"] = draft_mean(l1_plus_mse(F.avg_pool2d(difference, LOSS_CELL)))
        if "focus" in self.weights:
            losses["focus"] = draft_mean(focus_errors(errors))
        return losses


def make_loss(config: TrainConfig, *, wordless: bool = False) -> MultimodalLoss:
    """The loss of a run, as its settings weight it. wordless: of a run on pictures alone."""
    return MultimodalLoss(
        config.reconstruction_weight,
        config.caption_weight,
        config.contrastive_weight,
        temperature=config.temperature,
        picture_weights={
            "flow": config.flow_weight,
            "shape": config.shape_weight,
            "focus": config.focus_weight,
        },
        wordless=wordless,
    )
