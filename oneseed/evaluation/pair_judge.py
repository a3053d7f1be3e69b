"""Judges of a collection that nobody drew by rule.

How real are pictures and pairs of a collection that nobody drew by rule? Judges taught on the collection itself; they know nothing of the model.

Reads   data/captions/, data/metadata/, data/processed/<style>/    the prepared and captioned collection
Writes  checkpoints/realism.pt                                     the judges and their examination, kept for this collection

    python realism.py --style engraving                            # teach and examine; under three minutes on two CPU cores, once
    python realism.py --style all                                  # several styles: they are told apart too

    judges = load_realism("checkpoints/realism.pt", Collection("all"))      # taught where missing, or where the collection has changed
    judges.style_shares(pixels)                                             # uint8 (N, S, S) -> {"engraving": .9, "painting": .1, ...}
    judges.retrieval(pixels, captions)                                      # how often is the own caption the nearest of 16?
    distances(judges.features, samples, rebuilt, real, more_real, judges.network)
    memorised(thumbnails, samples, rebuilt, training, ids)
    tones(samples, real)                                                    # the last two need no judge

The judges are taught one half of the real pairs; the other, `unseen`, is their examination, the ceiling of what they say of new pairs, and
what features are to be compared with: the taught half they know by heart.
"""

import json
import math
import re
from pathlib import Path
from pickle import UnpicklingError

import torch
import torch.nn.functional as F
from torch import nn

from oneseed.console.command import UserError
from oneseed.files import whole_file
from oneseed.model.pixels import portions

# candidates among which a pair is looked for
GROUP_SIZE = 16


# of realism.pt
PAIR_JUDGE_FORMAT = 1


def tower(width, features):
    """Grey pictures (B, 1, SIZE, SIZE) in [-1, 1] -> (B, features)."""

    # batch norm: its statistics are frozen when the judges judge
    def stage(narrow, wide, stride=1):
        return nn.Sequential(
            nn.Conv2d(narrow, wide, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(inplace=True),
        )

    return nn.Sequential(
        nn.PixelUnshuffle(4),  # (B, 16, 32, 32)
        stage(16, width),
        stage(width, 2 * width, 2),
        stage(2 * width, 2 * width),  # (B, 2W, 16, 16)
        stage(2 * width, 3 * width, 2),
        stage(3 * width, 3 * width),  # (B, 3W, 8, 8)
        stage(3 * width, 4 * width, 2),  # (B, 4W, 4, 4)
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(64 * width, features),
    )


class PairJudge(nn.Module):
    """A pair judge: a picture tower and a caption tower that meet in one space. A style judge: a linear layer that reads the picture tower.

    styles: their names, [] where there is one alone; words: the captions' vocabulary; unseen: ids of the pictures that were not taught;
    about: plain JSON, the collection's digest and the examination.
    """

    FEATURES = 64

    def __init__(self, styles, words, unseen, width=16):
        super().__init__()
        self.pictures = tower(width, self.FEATURES)
        self.captions = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(len(words), self.FEATURES, bias=False),
            nn.Dropout(0.3),
            nn.Linear(self.FEATURES, self.FEATURES),
        )
        nn.init.normal_(self.captions[1].weight, std=0.3)
        self.style = nn.Linear(self.FEATURES, max(1, len(styles)))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.styles = list(styles)
        self.words = list(words)
        self.unseen = set(unseen)
        self.width = width
        self.about = {}
        self.number = {word: i for i, word in enumerate(words)}

    @property
    def network(self):
        """What features() are, for the reader."""
        return f"the picture tower of the pair judge taught on {self.about['style']}"

    def bags(self, captions):
        """N captions -> (N, words), rows that sum to 1 over the words that are known."""
        bags = torch.zeros(len(captions), len(self.words))
        for row, caption in zip(bags, captions):
            row[[self.number[word] for word in words_of(caption) if word in self.number]] = 1
        return bags / bags.sum(1, keepdim=True).clamp(min=1)

    def loss(self, images, bags, styles, log_shares):
        """images (B, 1, SIZE, SIZE), bags (B, words), styles (B,) int64, -100 for none of ours -> InfoNCE plus cross-entropy, nats. log_shares: of the
        styles; what is frequent is expected here, so that style() itself takes all styles for equally likely (Menon et al. 2021)."""
        seen = self.pictures(images)  # (B, FEATURES)
        scores = (
            self.log_scale.clamp(max=math.log(50)).exp()
            * F.normalize(seen)
            @ F.normalize(self.captions(bags)).T
        )
        own = torch.arange(len(images))
        pairs = (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2
        return pairs + F.cross_entropy(
            self.style(seen) + log_shares, styles, reduction="sum"
        ) / len(images)

    @torch.no_grad()
    def read(self, pixels):
        """uint8 (N, S, S) grey or (N, S, S, 3), array or tensor -> what the picture tower says, (N, FEATURES)."""
        self.eval()
        return torch.cat([self.pictures(batch) for batch in portions(pixels)])

    def features(self, pixels):
        """uint8 (N, S, S) grey or (N, S, S, 3) -> float32 array (N, FEATURES) of length 1, for distances between pictures and collections."""
        return F.normalize(self.read(pixels)).numpy()

    @torch.no_grad()
    def style_of(self, pixels):
        """uint8 (N, S, S) or (N, S, S, 3) -> N names of styles, each the likeliest."""
        return [self.styles[i] for i in self.style(self.read(pixels)).argmax(1)]

    def style_shares(self, pixels):
        """uint8 (N, S, S) or (N, S, S, 3) -> {style: share of the pictures judged so}; {} where the collection has one style."""
        seen = self.style_of(pixels) if self.styles else []
        return {style: seen.count(style) / len(seen) for style in self.styles}

    @torch.no_grad()
    def recall(self, pixels, captions, seed=0):
        """N pictures and captions -> recall() of their cosines."""
        seen = self.read(pixels)
        return recall(F.normalize(seen) @ F.normalize(self.captions(self.bags(captions))).T, seed)

    def retrieval(self, pixels, captions, seed=0):
        """N >= 2 pictures and their captions -> {"recall", "caption_of_picture", "picture_of_caption", "chance", "held_out": recall of held-out
        real pairs, "measurable": is that at least twice chance}: how often the own one is the nearest among GROUP."""
        return {
            **self.recall(pixels, captions, seed),
            "held_out": self.about["pairs"]["recall"],
            "measurable": self.about["pairs"]["measurable"],
        }


def words_of(caption):
    return re.findall(r"\w+", caption.lower())


def recall(scores, seed=0, rounds=200):
    """(N, N) scores of pictures with captions, own ones on the diagonal -> {"recall", "caption_of_picture", "picture_of_caption", "chance"}: how often the
    own one scores best, in the mean over many random groups of GROUP (of N, where N is less). Equals share the hit: one caption for all is chance."""
    group = min(GROUP_SIZE, len(scores))
    dice = torch.Generator().manual_seed(seed)
    hits = torch.zeros(2)
    for _ in range(rounds):
        # (G, 16)
        rows = torch.randperm(len(scores), generator=dice)[: len(scores) // group * group].view(
            -1, group
        )
        among = scores[rows[:, :, None], rows[:, None, :]]  # (G, 16, 16)
        for direction, dim in enumerate((2, 1)):
            best = among >= among.amax(dim, keepdim=True) - 1e-6
            hits[direction] += (best.diagonal(dim1=1, dim2=2) / best.sum(dim)).mean() / rounds
    return {
        "recall": hits.mean().item(),
        "caption_of_picture": hits[0].item(),
        "picture_of_caption": hits[1].item(),
        "chance": 1 / group,
    }


def save_pair_judge(judges, path):
    """Tensors, lists of strings and one JSON string, so that torch.load reads it under its safe default."""
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


def read_pair_judge(path, key=None):
    """-> Realism, or None where the file is missing, of another format or not of the collection with this digest (None: of any).
    UserError where it holds no such judges."""
    if not Path(path).exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        about = json.loads(state["about"])
        if about["format"] != PAIR_JUDGE_FORMAT or key not in (None, about["digest"]):
            return None
        judges = PairJudge(state["styles"], state["words"], state["unseen"], about["width"])
        judges.load_state_dict(state["weights"])
    except (
        RuntimeError,
        ValueError,
        EOFError,
        OSError,
        KeyError,
        TypeError,
        UnicodeDecodeError,
        UnpicklingError,
    ) as error:
        raise UserError(
            f"{path} is damaged or holds no judges of realism ({type(error).__name__}); remove it and run the same command again"
        ) from error
    judges.about = about
    return judges.eval()
