"""Before training: one batch looked at closely."""

import math

from torch import Tensor

from oneseed.model.caption_source import NONE, source_of
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import PAD
from oneseed.training.data import Batch, PairLoader
from oneseed.training.objective import Objective
from oneseed.training.optimizers import trained_weights

# standard deviation of pixels in [-1, 1], below which pictures are blank
MIN_PIXEL_STD = 0.05
# captions that are printed
CAPTIONS_SHOWN = 3


def check_batch(objective: Objective, train: PairLoader) -> int:
    """Print what training would see of one batch -> exit status: 1 where something is wrong."""
    model = objective.model
    batch = next(iter(train))
    weight_count = sum(weight.numel() for weight in trained_weights(model))
    print(
        f"device {objective.device}, precision {objective.precision}, {weight_count:,} parameters"
    )
    problems = check_pictures(batch.images)
    for tokens in batch.tokens[:CAPTIONS_SHOWN].tolist():
        shown = [token for token in tokens if token != PAD]
        print(f"caption {shown}\n     -> {model.tokenizer.decode(tokens)!r}")
    problems += check_losses(objective, batch)
    problems += check_gradients(objective)
    print("✗ " + "; ".join(problems) if problems else "✓ ready to train")
    return 1 if problems else 0


def check_pictures(images: Tensor) -> list[str]:
    """Print the range of pictures (B, C, S, S) -> what is wrong with them."""
    print(
        f"pictures {tuple(images.shape)}, from {images.min():.2f} to {images.max():.2f}, "
        f"mean {images.mean():.2f}, standard deviation {images.std():.2f}"
    )
    is_outside = images.min() < -1 or images.max() > 1
    if is_outside or images.std() < MIN_PIXEL_STD:
        return ["the pictures leave [-1, 1] or are blank"]
    return []


def check_losses(objective: Objective, batch: Batch) -> list[str]:
    """Print the losses of a batch and set its gradients -> what is wrong with the losses."""
    batch = batch.to(objective.device)
    noise = objective.noise(len(batch.images), 0)
    losses, _ = objective.losses(batch, noise)
    losses["total"].backward()
    # of a model that knows nothing
    expected = {
        "caption": math.log(len(objective.model.tokenizer)),
        "contrastive": math.log(len(batch.images)),
    }
    problems = []
    for part, loss in losses.items():
        value = float(loss.detach())
        line = f"{part} {value:.4f}"
        if part in expected:
            line += f" (knowing nothing: {expected[part]:.2f})"
        print(line)
        if not math.isfinite(value):
            problems.append(f"{part} is not finite")
    return problems


def check_gradients(objective: Objective) -> list[str]:
    """Print which parameters received no gradient -> what is wrong with them."""
    silent = silent_parameters(objective.model)
    if not silent:
        print("every parameter has a gradient")
        return []
    print(f"no gradient: {', '.join(silent)}")
    return [f"{len(silent)} parameters receive no gradient"]


def silent_parameters(model: MultimodalModel) -> list[str]:
    """Names of the parameters whose gradient is missing or zero.

    The prior's do not count, nor those of the caption networks where pictures are all there is.
    """
    untrained = ["sampler."]
    if source_of(model.meta) == NONE:
        untrained += ["text_encoder.", "text_decoder."]
    silent = []
    for name, weight in model.named_parameters():
        is_trained = not name.startswith(tuple(untrained))
        if is_trained and (weight.grad is None or not weight.grad.any()):
            silent.append(name)
    return silent
