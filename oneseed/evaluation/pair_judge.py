"""Judges of a collection that nobody drew by rule: of its pairs, and of its styles.

    judges = load_pair_judge("checkpoints/realism.pt", Collection("all"))   # of pair_judge_training
    judges.style_shares(pixels)             # uint8 (N, S, S) -> {"engraving": 0.9, "painting": 0.1}
    judges.retrieval(pixels, captions)      # how often is the own caption the nearest of 16?
    judges.features(pixels)                 # for distances between collections

They know nothing of the model. They are taught one half of the collection's real pairs. The other
half, `unseen`, is their examination and the ceiling of what they say of new pairs; its features are
what those of new pictures are compared with, for the taught half is known by heart.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from oneseed.console.command import UserError
from oneseed.dataset.segmentation import units
from oneseed.evaluation.judge_network import (
    WrongJudgeError,
    convolutions,
    load_judge_weights,
    read_judge_file,
)
from oneseed.files import whole_file
from oneseed.model.checkpoint_facts import are_plain_texts, is_number, is_plain_text
from oneseed.model.pixels import portions

# candidates among which a pair is looked for
GROUP_SIZE = 16
# of realism.pt
PAIR_JUDGE_FORMAT = 1
# number of a style that the judges do not tell apart: cross-entropy leaves it out
NO_STYLE = -100
# of the cosines, at most
MAX_SCALE = 50


class PairJudge(nn.Module):
    """A pair judge and a style judge.

    The pair judge has a picture tower and a caption tower that meet in one space. The style judge
    is a linear layer that reads the picture tower.

    styles: their names, [] where the collection has one alone; words: the captions' vocabulary;
    unseen: ids of the pictures that were not taught;
    about: plain JSON, the collection's digest and the examination.
    """

    FEATURES = 64

    def __init__(
        self, styles: Sequence[str], words: Sequence[str], unseen: Sequence[str], width: int = 16
    ) -> None:
        """width: channels of the picture tower's first convolution."""
        super().__init__()
        self.pictures = nn.Sequential(
            *convolutions(width), nn.Dropout(0.5), nn.Linear(64 * width, self.FEATURES)
        )
        word_layer = nn.Linear(len(words), self.FEATURES, bias=False)
        self.captions = nn.Sequential(
            nn.Dropout(0.2), word_layer, nn.Dropout(0.3), nn.Linear(self.FEATURES, self.FEATURES)
        )
        nn.init.normal_(word_layer.weight, std=0.3)
        self.style = nn.Linear(self.FEATURES, max(1, len(styles)))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.styles = list(styles)
        self.words = list(words)
        self.unseen = set(unseen)
        self.width = width
        self.about: dict[str, Any] = {}
        self.word_ids = {word: i for i, word in enumerate(words)}

    @property
    def network(self) -> str:
        """What features() are, for the reader."""
        return f"the picture tower of the pair judge taught on {self.about['style']}"

    def bags(self, captions: Sequence[str]) -> torch.Tensor:
        """N captions -> (N, words): the known words of each, weights that sum to 1."""
        bags = torch.zeros(len(captions), len(self.words))
        for row, caption in zip(bags, captions):
            row[[self.word_ids[word] for word in words_of(caption) if word in self.word_ids]] = 1
        return bags / bags.sum(1, keepdim=True).clamp(min=1)

    def loss(
        self,
        images: torch.Tensor,
        bags: torch.Tensor,
        styles: torch.Tensor,
        log_shares: torch.Tensor,
    ) -> torch.Tensor:
        """InfoNCE of the pairs plus cross-entropy of the styles, in nats.

        images: (B, 1, 128, 128) in [-1, 1]; bags: (B, words); styles: (B,) int64, NO_STYLE allowed.
        log_shares: (styles,), how frequent each style is. They are added to the logits here, so
        that the logits alone take all styles for equally likely (Menon et al. 2021,
        arXiv:2007.07314).
        """
        seen = self.pictures(images)  # (B, FEATURES)
        scale = self.log_scale.clamp(max=math.log(MAX_SCALE)).exp()
        scores = scale * F.normalize(seen) @ F.normalize(self.captions(bags)).T  # (B, B)
        own = torch.arange(len(images))
        pairs = (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2
        logits = self.style(seen) + log_shares  # (B, styles)
        # over all pictures, those without a style too
        style = F.cross_entropy(logits, styles, ignore_index=NO_STYLE, reduction="sum")
        return pairs + style / len(images)

    @torch.no_grad()
    def read(self, pixels: np.ndarray | torch.Tensor) -> torch.Tensor:
        """What the picture tower says, (N, FEATURES). pixels: uint8 (N, S, S) or (N, S, S, 3)."""
        self.eval()
        return torch.cat([self.pictures(batch) for batch in portions(pixels)])

    def features(self, pixels: np.ndarray | torch.Tensor) -> np.ndarray:
        """Features for distances, float32 (N, FEATURES) of length 1. pixels: as in read()."""
        return F.normalize(self.read(pixels)).numpy()

    @torch.no_grad()
    def style_of(self, pixels: np.ndarray | torch.Tensor) -> list[str]:
        """The likeliest style of each picture. pixels: as in read()."""
        return [self.styles[i] for i in self.style(self.read(pixels)).argmax(1)]

    def style_shares(self, pixels: np.ndarray | torch.Tensor) -> dict[str, float]:
        """Share of the pictures judged to be of each style; {} where the collection has one."""
        seen = self.style_of(pixels) if self.styles else []
        return {style: seen.count(style) / len(seen) for style in self.styles}

    @torch.no_grad()
    def cosines(self, pixels: np.ndarray | torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """N pictures and N captions -> how alike they are, (N, N), pictures by captions."""
        seen = F.normalize(self.read(pixels))
        said = F.normalize(self.captions(self.bags(captions)))
        return seen @ said.T

    def recall(
        self, pixels: np.ndarray | torch.Tensor, captions: Sequence[str], seed: int = 0
    ) -> dict[str, float]:
        """N pictures and their captions -> recall() of their cosines."""
        return recall(self.cosines(pixels, captions), seed)

    def retrieval(
        self, pixels: np.ndarray | torch.Tensor, captions: Sequence[str], seed: int = 0
    ) -> dict[str, Any]:
        """How often is the own caption or picture the nearest of GROUP_SIZE? Needs two pairs.

        Returns recall(), and "items": what its "recall" is the mean of, a number for each pair.
        """
        scores = self.cosines(pixels, captions)
        return {**recall(scores, seed), "items": hits_in_groups(scores, seed).mean(0).tolist()}


def words_of(caption: str) -> list[str]:
    """The caption's words in order."""
    return list(units(caption))


def recall(scores: torch.Tensor, seed: int = 0) -> dict[str, float]:
    """How often does the own one score best in a random group?

    scores: (N, N) of pictures with captions, own ones on the diagonal.
    Returns {"recall": mean of the next two, "caption_of_picture", "picture_of_caption", "chance"}.
    """
    caption_of_picture, picture_of_caption = hits_in_groups(scores, seed).mean(1).tolist()
    return {
        "recall": (caption_of_picture + picture_of_caption) / 2,
        "caption_of_picture": caption_of_picture,
        "picture_of_caption": picture_of_caption,
        "chance": 1 / min(GROUP_SIZE, len(scores)),
    }


def hits_in_groups(scores: torch.Tensor, seed: int = 0, rounds: int = 200) -> torch.Tensor:
    """How often each own one scores best in its group, (2, N): captions of pictures, pictures of
    captions.

    Groups have GROUP_SIZE pairs (N, where N is less); in each round all pairs are dealt anew.
    Equal scores share the hit: one caption for all is chance.
    """
    group = min(GROUP_SIZE, len(scores))
    dealt = len(scores) // group * group
    generator = torch.Generator().manual_seed(seed)
    hits = torch.zeros(2, len(scores))
    times = torch.zeros(len(scores))
    for _ in range(rounds):
        order = torch.randperm(len(scores), generator=generator)
        rows = order[:dealt].view(-1, group)  # (G, group)
        times[rows] += 1
        among = scores[rows[:, :, None], rows[:, None, :]]  # (G, group, group)
        for direction, dim in enumerate((2, 1)):
            best = among >= among.amax(dim, keepdim=True) - 1e-6
            hits[direction, rows] += best.diagonal(dim1=1, dim2=2) / best.sum(dim)
    # 200 rounds leave nobody out
    return hits / times.clamp_min(1)


def save_pair_judge(judges: PairJudge, path: str | Path) -> None:
    """Tensors, lists of strings and one JSON string: torch.load reads it under its safe default."""
    with whole_file(path) as partial:
        torch.save(
            {
                "about": json.dumps(judges.about),
                "styles": judges.styles,
                "words": judges.words,
                "unseen": sorted(judges.unseen),
                "weights": judges.state_dict(),
            },
            partial,
        )


def read_pair_judge(path: str | Path, digest: str | None = None) -> PairJudge | None:
    """The judges in the file; None where it is missing, of another format or another collection.

    digest: the collection's; None accepts any. UserError where the file holds no such judges.
    """
    if not Path(path).exists():
        return None
    try:
        about, state = read_judge_file(path)
        if about["format"] != PAIR_JUDGE_FORMAT or digest not in (None, about.get("digest")):
            return None
        require_taught(about, state)
        judges = load_judge_weights(
            lambda: PairJudge(state["styles"], state["words"], state["unseen"], about["width"]),
            about,
            state.get("weights"),
        )
    except WrongJudgeError as error:
        raise UserError(
            f"{path} is damaged or holds no judges of realism ({error}); "
            "remove it and run the same command again"
        ) from error
    assert isinstance(judges, PairJudge), f"a {type(judges).__name__}"
    judges.about = about
    return judges.eval()


def require_taught(about: dict[str, Any], state: dict[str, Any]) -> None:
    """WrongJudgeError where judges do not say what they were taught, and how they did."""
    if not all(are_plain_texts(state.get(name)) for name in ("styles", "words", "unseen")):
        raise WrongJudgeError("it does not say what it was taught")
    pairs = about.get("pairs")
    names = ("recall", "caption_of_picture", "picture_of_caption", "chance")
    is_examined = isinstance(pairs, dict) and all(is_number(pairs.get(name)) for name in names)
    if not is_examined or type(pairs.get("measurable")) is not bool:
        raise WrongJudgeError("it does not say how its examination went")
    if not is_plain_text(about.get("style")):
        raise WrongJudgeError("it does not say which collection it is of")
