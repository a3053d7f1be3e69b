"""The picture judge of a drawn collection: a small classifier that says what a picture shows.

    judge = load_judge("checkpoints/judge.pt", drawn)   # of attribute_judge_training: taught if
    judge.see(pictures)                                 # missing -> [{"subject": "ship", ...}]

It knows nothing of the model: it is taught on drawings alone, and examined on drawings of
combinations that the model does not see in training. It shall fail where people fail, so it may
answer that an attribute cannot be read (None). A judge that reads blurs, or misses what people
read, refuses to score. The examination travels in its file.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

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
from oneseed.evaluation.spoiling import IGNORED
from oneseed.files import whole_file
from oneseed.model.checkpoint_facts import is_number
from oneseed.synthetic.drawn import DrawnCollection, Facts

# of judge.pt
JUDGE_FORMAT = 2
# share of renders, all attributes right at once, that the examination asks for
MIN_CLEAN = 0.99
MIN_DEGRADED = 0.97
# share of strongly blurred renders whose subject may be read at most
MAX_BLURRED = 0.5
EXAM_KINDS = ("clean", "degraded", "blurred")
# pictures that the judge looks at together
SEEN_AT_ONCE = 128


class AttributeJudge(nn.Module):
    """Pictures (B, C, S, S) in [-1, 1], as of the collection -> features (B, FEATURES).

    One linear head per attribute reads the features; its last output says "cannot be read".
    about: plain JSON, the collection's version and the examination:
    {"clean": {"all": 0.99, "subject": 1.0, ...}, "degraded": the same, "blurred": the same, ...}.
    """

    FEATURES = 256
    network = "the picture judge"

    def __init__(self, drawn: DrawnCollection, width: int = 32) -> None:
        """drawn: whose pictures it reads; width: channels of the first convolution."""
        super().__init__()
        self.layers = nn.Sequential(
            *convolutions(width, drawn.channels, drawn.size),
            nn.Linear(64 * width, self.FEATURES),
            nn.ReLU(),
            nn.Dropout(0.2),
        )
        self.outputs = [len(values) + 1 for values in drawn.attributes.values()]
        self.heads = nn.Linear(self.FEATURES, sum(self.outputs))
        self.drawn = drawn
        self.width = width
        self.about: dict[str, Any] = {}
        # a tenth faster on CPUs
        self.to(memory_format=torch.channels_last)

    @property
    def attributes(self) -> Mapping[str, Sequence[Any]]:
        """The values of each attribute."""
        return self.drawn.attributes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures (B, C, S, S) in [-1, 1] -> features (B, FEATURES)."""
        return self.layers(images.contiguous(memory_format=torch.channels_last))

    def logits(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features (B, FEATURES) -> logits (B, values + 1) of each attribute."""
        return self.heads(features).split(self.outputs, 1)

    def loss(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Sum over the attributes of the cross-entropy, in nats, mean over the pictures.

        images: (B, C, S, S) in [-1, 1]; targets: (B, attributes) int64, the number of each value,
        that after the last for "cannot be read", or IGNORED.
        """
        losses = [
            F.cross_entropy(logits, target, ignore_index=IGNORED, reduction="sum")
            for logits, target in zip(self.logits(self(images)), targets.T)
        ]
        return torch.stack(losses).sum() / len(images)

    def views(self, pictures: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Pictures as see() takes them -> (N, C, S, S) in [-1, 1], of the collection's own form."""
        return judge_views(pictures, self.drawn.channels, self.drawn.size)

    @torch.no_grad()
    def features(self, pictures: np.ndarray | torch.Tensor) -> np.ndarray:
        """Features for distances between collections, float32 (N, FEATURES).

        pictures: as see() takes them.
        """
        self.eval()
        starts = range(0, len(pictures), SEEN_AT_ONCE)
        batches = [self(self.views(pictures[start : start + SEEN_AT_ONCE])) for start in starts]
        return torch.cat(batches).numpy()

    @torch.no_grad()
    def see(self, pictures: np.ndarray | torch.Tensor) -> list[Facts]:
        """The likeliest value of every attribute in each picture, None where it cannot be read.

        pictures: uint8 (N, S, S) grey or (N, S, S, 3).
        """
        features = torch.as_tensor(self.features(pictures))
        chosen = [logits.argmax(1).tolist() for logits in self.logits(features)]
        return [self.named_values(numbers) for numbers in zip(*chosen)]

    def named_values(self, numbers: Sequence[int]) -> Facts:
        """The number of each attribute's value -> {attribute: value}; the last is None."""
        answers = {}
        for (name, values), number in zip(self.attributes.items(), numbers):
            answers[name] = values[number] if number < len(values) else None
        return answers

    def parse(self, captions: Sequence[str]) -> list[Facts]:
        """What each caption says, exactly; None for what it leaves out."""
        return [self.drawn.parse(caption) for caption in captions]


def judge_views(pictures: np.ndarray | torch.Tensor, channels: int, size: int) -> torch.Tensor:
    """uint8 (N, S, S) or (N, S, S, 3) -> (N, channels, size, size) in [-1, 1].

    channels: 1, colours become their mean; or 3, grey becomes three equal ones.
    """
    if not isinstance(pictures, torch.Tensor):
        pictures = torch.from_numpy(np.ascontiguousarray(pictures))
    values = pictures.float()
    values = values[:, None] if values.dim() == 3 else values.permute(0, 3, 1, 2)
    if channels == 1:
        # before they are scaled: grey in three channels becomes the very same
        values = values.mean(1, keepdim=True)
    elif values.shape[1] == 1:
        values = values.expand(-1, channels, -1, -1)
    images = values / 127.5 - 1
    if images.shape[-1] != size:
        images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
    return images


class Examined(Protocol):
    """A judge of a drawn collection that has sat its examination."""

    drawn: DrawnCollection
    about: dict[str, Any]


def lost_by_blur(drawn: DrawnCollection) -> str:
    """What nobody reads of a strongly blurred picture: an attribute, or "all" of them at once.

    Of several kinds people may still tell the kind, but no word of it.
    """
    return "all" if drawn.kinds else drawn.main_attribute


def what_is_lost(lost: str) -> str:
    """What lost_by_blur() gives, for a sentence."""
    return "everything" if lost == "all" else f"the {lost}"


def require_pass(judge: Examined) -> None:
    """UserError (code 1) where the judge failed its examination."""
    for kind, limit in (("clean", MIN_CLEAN), ("degraded", MIN_DEGRADED)):
        right = judge.about[kind]
        if right["all"] < limit:
            worst = min(judge.drawn.attributes, key=right.get)
            raise UserError(
                f"the picture judge reads all attributes of only {right['all']:.3f} of {kind} "
                f"renders, {limit} are needed; the weakest is {worst} with {right[worst]:.3f}; "
                "it refuses to score",
                code=1,
            )
    lost = lost_by_blur(judge.drawn)
    read = judge.about["blurred"][lost]
    if read > MAX_BLURRED:
        raise UserError(
            f"the picture judge reads {what_is_lost(lost)} of {read:.3f} of blurred renders, "
            f"which people read of at most {MAX_BLURRED}; it refuses to score",
            code=1,
        )


def save_judge(judge: AttributeJudge, path: str | Path) -> None:
    """Tensors and one JSON string, so that torch.load reads the file under its safe default."""
    with whole_file(path) as partial:
        torch.save({"about": json.dumps(judge.about), "weights": judge.state_dict()}, partial)


def read_judge(path: str | Path, drawn: DrawnCollection) -> AttributeJudge | None:
    """The judge in the file; None where it is missing or of another collection or format.

    UserError where the file holds no judge.
    """
    if not Path(path).exists():
        return None
    try:
        about, state = read_judge_file(path)
        if (about["format"], about.get("collection")) != (JUDGE_FORMAT, drawn.version):
            return None
        require_examination(about, drawn)
        judge = load_judge_weights(
            lambda: AttributeJudge(drawn, about["width"]), about, state.get("weights")
        )
    except WrongJudgeError as error:
        raise UserError(
            f"{path} is damaged or no picture judge ({error}); "
            "remove it and run the same command again"
        ) from error
    assert isinstance(judge, AttributeJudge), f"a {type(judge).__name__}"
    judge.about = about
    return judge.eval()


def require_examination(about: dict[str, Any], drawn: DrawnCollection) -> None:
    """WrongJudgeError where a judge does not say how it did in its examination."""
    for kind in EXAM_KINDS:
        right = about.get(kind)
        if not isinstance(right, dict) or not all(
            is_number(right.get(name)) for name in ("all", *drawn.attributes)
        ):
            raise WrongJudgeError("it does not say how its examination went")
