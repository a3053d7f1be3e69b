"""The losses.

What training minimises: a picture that is right, a caption that is right, and codes of the two that find each other.
"""

import torch
import torch.nn.functional as F
from torch import nn

from oneseed.model.tokenizer import PAD


def info_nce(image_features, caption_features, temperature=0.07):
    """Symmetric InfoNCE of a batch of true pairs, in nats.

    image_features, caption_features: (B, D) float, any length; row i of both belongs together. temperature: above 0, no unit.
    Returns a scalar: ln B when every candidate looks alike, towards 0 when each row finds its partner.
    Source: van den Oord et al. 2018 (arXiv:1807.03748), eq. 4; both directions, Radford et al. 2021 (arXiv:2103.00020), fig. 3.
    """
    assert image_features.shape == caption_features.shape, (
        f"{image_features.shape} against {caption_features.shape}"
    )
    images = F.normalize(image_features, dim=-1)  # (B, D), length 1
    captions = F.normalize(caption_features, dim=-1)  # (B, D), length 1
    similarity = images @ captions.T / temperature  # (B, B), true pairs on the diagonal
    partner = torch.arange(len(similarity), device=similarity.device)  # (B,)
    return (F.cross_entropy(similarity, partner) + F.cross_entropy(similarity.T, partner)) / 2


def caption_loss(logits, tokens, reduction="mean"):
    """logits (B, T, V), where [:, t] predict tokens[:, t + 1]; tokens (B, T) -> cross-entropy in nats per token, or summed over them."""
    return F.cross_entropy(
        logits[:, :-1].float().flatten(0, 1),
        tokens[:, 1:].flatten(),
        ignore_index=PAD,
        reduction=reduction,
    )


class MultimodalLoss(nn.Module):
    """The weighted sum of L1 + MSE of the picture, cross-entropy of the caption in nats per token, InfoNCE between the picture's
    code and the caption's embedding; and, where their weights are not 0, two terms without which a small network learns the
    background's lines first and leaves the subject a blur: shape, L1 + MSE of the picture averaged over 4 x 4 pixels, and focus,
    L1 + MSE in which each 4 x 4 pixels count as much as they and their eight neighbours are still wrong, relative to the whole
    picture (after the focal loss: Lin et al. 2017, arXiv:1708.02002)."""

    def __init__(
        self,
        reconstruction_weight=1.0,
        caption_weight=2.0,
        contrastive_weight=0.5,
        temperature=0.07,
        shape_weight=0.0,
        focus_weight=0.0,
    ):
        super().__init__()
        self.weights = {
            "reconstruction": reconstruction_weight,
            "caption": caption_weight,
            "contrastive": contrastive_weight,
        }
        self.weights |= {
            part: weight
            for part, weight in (("shape", shape_weight), ("focus", focus_weight))
            if weight
        }
        self.temperature = temperature

    def forward(self, images, target, logits, tokens, code, caption_features, whole=None):
        """images, target (B, C, S, S); logits (B, T, V), where [:, t] predict tokens[:, t + 1]; tokens (B, T); code,
        caption_features (B, D) -> {"total", "reconstruction", "caption", "contrastive", perhaps "shape" and "focus"}, scalars.

        whole: of rows that are a part of a larger batch, {"share": of its rows, "words": to be told in all of it, "contrastive": what stands for the
        contrastive loss of all of it}; the losses of all parts then add up to that of the whole."""
        difference = images.float() - target

        def distance(difference):
            return difference.abs() + difference.square()

        errors = distance(difference)  # (B, C, S, S)
        losses = {
            "reconstruction": errors.mean(),
            "caption": caption_loss(logits, tokens, "sum" if whole else "mean"),
            "contrastive": whole["contrastive"]
            if whole
            else info_nce(code.float(), caption_features.float(), self.temperature),
        }
        if "shape" in self.weights:
            losses["shape"] = distance(F.avg_pool2d(difference, 4)).mean()
        if "focus" in self.weights:
            errors = F.avg_pool2d(errors, 4)  # (B, C, S/4, S/4)
            around = F.avg_pool2d(errors.detach(), 3, 1, 1, count_include_pad=False)
            losses["focus"] = (
                errors * around / around.mean((1, 2, 3), keepdim=True).clamp(min=1e-6)
            ).mean()
        if whole:
            losses |= {
                part: whole["share"] * loss
                for part, loss in losses.items()
                if part not in ("caption", "contrastive")
            } | {"caption": losses["caption"] / whole["words"]}
        return {
            "total": sum(weight * losses[part] for part, weight in self.weights.items()),
            **losses,
        }
