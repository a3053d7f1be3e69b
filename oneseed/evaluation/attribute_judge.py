"""The picture judge of the built-in collection: a small classifier that says what a picture shows.

    judge = load_judge("checkpoints/judge.pt")      # of attribute_judge_training: taught if missing
    judge.see(pixels)                               # uint8 (N, S, S) -> [{"subject": "ship", ...}]

It knows nothing of the model: it is taught on drawings alone, and examined on drawings of
combinations that the model does not see in training. A judge that fails refuses to score. The
examination travels in its file.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from oneseed.console.command import UserError
from oneseed.evaluation.judge_network import (
    WrongJudgeError,
    convolutions,
    load_judge_weights,
    read_judge_file,
)
from oneseed.files import whole_file
from oneseed.model.checkpoint_facts import is_number
from oneseed.model.pixels import portions
from oneseed.synthetic.engravings import attributes
from oneseed.synthetic.engravings.attributes import ATTRIBUTES, Facts

# of judge.pt
JUDGE_FORMAT = 1
# share of renders, all attributes right at once, that the examination asks for
MIN_CLEAN = 0.99
MIN_DEGRADED = 0.97
# pictures that the judge looks at together
SEEN_AT_ONCE = 128


class AttributeJudge(nn.Module):
    """Grey pictures (B, 1, 128, 128) in [-1, 1] -> features (B, FEATURES).

    One linear head per attribute reads the features.
    about: plain JSON, the collection's version and the examination:
    {"clean": {"all": 0.99, "subject": 1.0, ...}, "degraded": the same, ...}.
    """

    FEATURES = 256

    def __init__(self, width: int = 32) -> None:
        """width: channels of the first convolution."""
        super().__init__()
        self.layers = nn.Sequential(
            *convolutions(width),
            nn.Linear(64 * width, self.FEATURES),
            nn.ReLU(),
            nn.Dropout(0.2),
        )
        self.heads = nn.Linear(self.FEATURES, sum(map(len, ATTRIBUTES.values())))
        self.width = width
        self.about: dict[str, Any] = {}
        # a tenth faster on CPUs
        self.to(memory_format=torch.channels_last)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 1, 128, 128) in [-1, 1] -> features (B, FEATURES)."""
        return self.layers(images.contiguous(memory_format=torch.channels_last))

    def logits(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features (B, FEATURES) -> logits (B, values) of each attribute."""
        return self.heads(features).split([len(values) for values in ATTRIBUTES.values()], 1)

    def loss(self, images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Sum over the attributes of the cross-entropy, in nats.

        images: (B, 1, 128, 128) in [-1, 1]; truth: (B, 7) int64, as labels() gives it.
        """
        losses = [
            F.cross_entropy(logits, values)
            for logits, values in zip(self.logits(self(images)), truth.T)
        ]
        return torch.stack(losses).sum()

    @torch.no_grad()
    def features(self, pixels: np.ndarray | torch.Tensor) -> np.ndarray:
        """Features for distances between collections, float32 (N, FEATURES).

        pixels: uint8 (N, S, S) grey or (N, S, S, 3).
        """
        self.eval()
        return torch.cat([self(batch) for batch in portions(pixels, SEEN_AT_ONCE)]).numpy()

    @torch.no_grad()
    def see(self, pixels: np.ndarray | torch.Tensor) -> list[Facts]:
        """The likeliest value of all seven attributes in each picture.

        pixels: uint8 (N, S, S) grey or (N, S, S, 3).
        """
        features = torch.as_tensor(self.features(pixels))
        chosen = [logits.argmax(1).tolist() for logits in self.logits(features)]
        return [named_values(numbers) for numbers in zip(*chosen)]


def named_values(numbers: tuple[int, ...]) -> Facts:
    """The number of each attribute's value -> {attribute: value}."""
    return {name: values[i] for (name, values), i in zip(ATTRIBUTES.items(), numbers)}


def require_pass(judge: AttributeJudge) -> None:
    """UserError (code 1) where the judge failed its examination."""
    for kind, limit in (("clean", MIN_CLEAN), ("degraded", MIN_DEGRADED)):
        right = judge.about[kind]
        if right["all"] < limit:
            worst = min(ATTRIBUTES, key=right.get)
            raise UserError(
                f"the picture judge reads all attributes of only {right['all']:.3f} of {kind} "
                f"renders, {limit} are needed; the weakest is {worst} with {right[worst]:.3f}; "
                "it refuses to score",
                code=1,
            )


def save_judge(judge: AttributeJudge, path: str | Path) -> None:
    """Tensors and one JSON string, so that torch.load reads the file under its safe default."""
    with whole_file(path) as partial:
        torch.save({"about": json.dumps(judge.about), "weights": judge.state_dict()}, partial)


def read_judge(path: str | Path) -> AttributeJudge | None:
    """The judge in the file; None where it is missing or of another collection or format.

    UserError where the file holds no judge.
    """
    if not Path(path).exists():
        return None
    try:
        about, state = read_judge_file(path)
        if (about["format"], about.get("collection")) != (JUDGE_FORMAT, attributes.COLLECTION):
            return None
        require_examination(about)
        judge = load_judge_weights(
            lambda: AttributeJudge(about["width"]), about, state.get("weights")
        )
    except WrongJudgeError as error:
        raise UserError(
            f"{path} is damaged or no picture judge ({error}); "
            "remove it and run the same command again"
        ) from error
    assert isinstance(judge, AttributeJudge), f"a {type(judge).__name__}"
    judge.about = about
    return judge.eval()


def require_examination(about: dict[str, Any]) -> None:
    """WrongJudgeError where a judge does not say how it did in its examination."""
    for kind in ("clean", "degraded"):
        right = about.get(kind)
        if not isinstance(right, dict) or not all(
            is_number(right.get(name)) for name in ("all", *ATTRIBUTES)
        ):
            raise WrongJudgeError("it does not say how its examination went")
