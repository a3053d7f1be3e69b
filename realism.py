"""How real are pictures and pairs of a collection that nobody drew by rule? Judges taught on the collection itself; they know nothing of the model.

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

# --help answers before torch loads
if __name__ == "__main__":
    from cli import parse
    from settings import RealismConfig

    CONFIGS = parse(RealismConfig, description=__doc__)

import hashlib
import json
import math
import re
import time
import warnings
from collections import Counter
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from cli import UserError, progress, run, whole_file
from judge import SIZE, degrade, stream, views
from records import Collection, read_json

# of realism.pt
FORMAT = 1
# candidates among which a pair is looked for
GROUP = 16
# in either half, of a style that is told apart
LEAST_PICTURES = 10
EPOCHS = 90
MOST_STEPS = 1200
BATCH = 64
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.1
# words that the pair judge reads, at most
VOCABULARY = 4000


# ---------------------------------------------------------------- the judges


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


class Realism(nn.Module):
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


def portions(pixels, length=64):
    """uint8 (N, S, S) or (N, S, S, 3) -> views of so many at once, (length, 1, SIZE, SIZE): as floats all might be too large."""
    return (views(pixels[start : start + length]) for start in range(0, len(pixels), length))


def words_of(caption):
    return re.findall(r"\w+", caption.lower())


def recall(scores, seed=0, rounds=200):
    """(N, N) scores of pictures with captions, own ones on the diagonal -> {"recall", "caption_of_picture", "picture_of_caption", "chance"}: how often the
    own one scores best, in the mean over many random groups of GROUP (of N, where N is less). Equals share the hit: one caption for all is chance."""
    group = min(GROUP, len(scores))
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


# ---------------------------------------------------------------- what they learn from


def pairs_of(collection):
    """-> (rows of all captioned pictures in the order of id, each with its group of look-alikes; path of their pixels). UserError where a
    stage is missing."""
    rows = [row for part in collection.read_captions() for row in part]
    group_of = {row["id"]: row.get("group") for row in collection.read_metadata()}
    path = min(collection.processed.glob("pixels_*.npy"), default=None)
    if path is None:
        raise UserError(
            f"{collection.pixels(SIZE)} is missing: prepare the pictures again: python dataset_preparation.py --style {collection.style} --source PATH"
        )
    there = set(read_json(path.with_suffix(".json"))["ids"])
    return sorted(
        (
            {**row, "group": group_of.get(row["id"]) or row["id"]}
            for row in rows
            if row["id"] in there
        ),
        key=lambda row: row["id"],
    ), path


def pictures_of(rows, path):
    """Rows and the path of the pixels -> uint8 tensor (N, SIZE, SIZE), grey."""
    place = {id: i for i, id in enumerate(read_json(path.with_suffix(".json"))["ids"])}
    pixels = np.load(path, mmap_mode="r")
    places = [place[row["id"]] for row in rows]
    grey = [views(pixels[places[start : start + 64]])[:, 0] for start in range(0, len(places), 64)]
    return torch.cat([((images + 1) * 127.5).round().to(torch.uint8) for images in grey])


def digest(rows):
    """Of all that the judges learn from: another picture, caption, style or split, and they are taught anew."""
    told = sorted(
        [row["id"], row["group"], row["split"], row["style"], row["caption"]] for row in rows
    )
    return hashlib.sha256(json.dumps([FORMAT, told]).encode()).hexdigest()[:16]


def is_shown(row):
    """Half of all rows, look-alikes together: those that the pair judge is taught."""
    return hashlib.sha256(f"half {row['group']}".encode()).digest()[0] < 128


def frequent_words(captions):
    """Words of two captions or more, the most frequent first."""
    count = Counter(word for caption in captions for word in set(words_of(caption)))
    return [
        word for word in sorted(count, key=lambda word: (-count[word], word)) if count[word] > 1
    ][:VOCABULARY]


def vary(images, dice):
    """Pictures (B, 1, S, S) in [-1, 1] -> the same moved, zoomed and half of them mirrored, on white; every second degraded, as generated ones are."""
    random = lambda *shape: torch.rand(*shape, generator=dice)
    place = torch.zeros(len(images), 2, 3)
    place[:, 1, 1] = 0.75 + 0.3 * random(len(images))
    place[:, 0, 0] = place[:, 1, 1] * (random(len(images)) < 0.5).float().mul(2).sub(1)
    place[:, :, 2] = 0.24 * random(len(images), 2) - 0.12
    images = 1 - F.grid_sample(
        1 - images, F.affine_grid(place, images.shape, align_corners=False), align_corners=False
    )
    return torch.cat([images[: len(images) // 2], degrade(images[len(images) // 2 :], dice)])


# ---------------------------------------------------------------- teaching and examination


def teach(judges, pixels, captions, styles, epochs=EPOCHS):
    """Fit the judges to N pictures (N, SIZE, SIZE) uint8, captions and styles. Repeatable."""
    dice = stream("realism")
    bags = judges.bags(captions)
    steps = min(MOST_STEPS, math.ceil(epochs * len(pixels) / BATCH))
    truth = torch.tensor(
        [judges.styles.index(style) if style in judges.styles else -100 for style in styles]
    )
    log_shares = torch.tensor(
        [styles.count(style) / len(styles) for style in judges.styles] or [1.0]
    ).log()
    optimizer = torch.optim.AdamW(
        judges.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.2
    )
    judges.train()
    for _ in progress(range(steps), label="teaching the judges of realism", unit="step"):
        rows = torch.randperm(len(pixels), generator=dice)[:BATCH]
        optimizer.zero_grad()
        judges.loss(vary(views(pixels[rows]), dice), bags[rows], truth[rows], log_shares).backward()
        optimizer.step()
        schedule.step()
    return judges.eval()


def examine(judges, pixels, captions, styles):
    """Held-out pictures, captions and styles -> ({recall() of the pairs, "measurable"}, {"balanced": mean over the styles, "right": {style: share
    judged right}, "pictures": {style: how many}} or None where there is one style)."""
    pairs = judges.recall(pixels, captions)
    pairs["measurable"] = pairs["recall"] >= 2 * pairs["chance"]
    if not judges.styles:
        return pairs, None
    count = {style: styles.count(style) for style in judges.styles}
    right = Counter(truth for truth, seen in zip(styles, judges.style_of(pixels)) if truth == seen)
    shares = {style: right[style] / count[style] for style in judges.styles}
    return pairs, {
        "balanced": sum(shares.values()) / len(shares),
        "right": shares,
        "pictures": count,
    }


def train_realism(path, collection, epochs=EPOCHS, width=16):
    """Teach one half, examine on the other, write to `path` -> Realism. UserError where the collection is too small to be halved."""
    start = time.time()
    rows, stored = pairs_of(collection)
    halves = [row for row in rows if is_shown(row)], [row for row in rows if not is_shown(row)]
    if min(map(len, halves)) < GROUP:
        raise UserError(
            f"{collection.style} has {len(rows)} captioned pictures, too few to teach judges one half and examine them on the other; prepare 100 or "
            f"more: python dataset_preparation.py --style {collection.style} --source PATH"
        )
    (shown, captions, shown_styles), held_out = (
        (
            pictures_of(half, stored),
            [row["caption"] for row in half],
            [row["style"] for row in half],
        )
        for half in halves
    )
    # of each style, in the half that has fewer
    least = Counter(shown_styles) & Counter(held_out[2])
    styles = [style for style in sorted(least) if least[style] >= LEAST_PICTURES]
    # initial values and dropout repeat, and leave no trace
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        judges = Realism(
            styles if len(styles) > 1 else [],
            frequent_words(captions),
            [row["id"] for row in halves[1]],
            width,
        )
        teach(judges, shown, captions, shown_styles, epochs)
    pairs, styles = examine(judges, *held_out)
    judges.about = {
        "format": FORMAT,
        "style": collection.style,
        "digest": digest(rows),
        "width": width,
        "shown": len(halves[0]),
        "held_out": len(halves[1]),
        "pairs": pairs,
        "styles": styles,
        "seconds": round(time.time() - start),
    }
    save_realism(judges, path)
    return judges


def sentences(about):
    """The examination, for the reader."""
    pairs = about["pairs"]
    styles = about["styles"]
    yield (
        f"pairs: taught {about['shown']:,}; of {about['held_out']:,} others the own one is the nearest of {GROUP} in {pairs['recall']:.3f} (caption of a picture "
        f"{pairs['caption_of_picture']:.3f}, picture of a caption {pairs['picture_of_caption']:.3f}; chance {pairs['chance']:.3f})"
    )
    if not pairs["measurable"]:
        yield "  that is under twice chance: whether picture and caption agree is not measurable here"
    if styles:
        yield (
            f"styles: {styles['balanced']:.3f} of held-out pictures judged right, each style counting equally: "
            + ", ".join(
                f"{style} {share:.2f} of {styles['pictures'][style]}"
                for style, share in styles["right"].items()
            )
        )


# ---------------------------------------------------------------- their file


def save_realism(judges, path):
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


def read_realism(path, key=None):
    """-> Realism, or None where the file is missing, of another format or not of the collection with this digest (None: of any).
    UserError where it holds no such judges."""
    if not Path(path).exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        about = json.loads(state["about"])
        if about["format"] != FORMAT or key not in (None, about["digest"]):
            return None
        judges = Realism(state["styles"], state["words"], state["unseen"], about["width"])
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


def load_realism(path, collection):
    """The judges in `path`, taught first where there are none for this collection as it is now."""
    judges = read_realism(path, digest(pairs_of(collection)[0]))
    if judges is None:
        print(
            f"no judges of realism for {collection.style} as it is now in {path}: teaching them, once",
            flush=True,
        )
        judges = train_realism(path, collection)
    return judges


# ---------------------------------------------------------------- arithmetic that asks any network, or none

TONES = {
    "luminance": lambda pictures: pictures.mean((1, 2)),
    "deviation": lambda pictures: pictures.std((1, 2)),
    "near_white": lambda pictures: (pictures >= 240).mean((1, 2)),
    "near_black": lambda pictures: (pictures < 40).mean((1, 2)),
}
# share of the real spread that samples should have
WIDE = 0.6


def tones(samples, real):
    """uint8 (N, S, S) and (M, S, S) -> for each of TONES, luminance and deviation from 0 to 255: {"median": of the samples, "quartiles": of
    real pictures, "within": is the median between them, "spread": ratio of the 10-90 ranges, samples to real, "wide": is it at least WIDE}.
    Fine lines average out: compare at one size."""
    if samples.shape[1:] != real.shape[1:]:
        raise ValueError(f"tones change with size: {samples.shape[1:]} against {real.shape[1:]}")
    found = {}
    for name, tone in TONES.items():
        ours = tone(samples)
        theirs = tone(real)
        lower, upper = np.quantile(theirs, (0.25, 0.75))
        # two ranges of nothing are equal
        width = lambda values: np.ptp(np.quantile(values, (0.1, 0.9))) + 1e-6
        spread = width(ours) / width(theirs)
        found[name] = {
            "median": float(np.median(ours)),
            "quartiles": [float(lower), float(upper)],
            "within": bool(lower <= np.median(ours) <= upper),
            "spread": float(spread),
            "wide": bool(spread >= WIDE),
        }
    return found


@torch.no_grad()
def distances(features_of, samples, reconstructions, real_a, real_b, network):
    """How far samples, reconstructions and real_b lie from real_a, as many of each. features_of: function or module, uint8 pictures (N, S, S) ->
    (N, F); network: its name.

    -> {"network", "pictures": how many of each, "frechet": {"samples", "reconstructions", "real"}, "kernel": the same}. The Fréchet distance grows as
    pictures become fewer, and differs from network to network: compare within one answer. The kernel distance (unbiased, of degree 3) may fall below 0.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    count = min(map(len, (samples, reconstructions, real_a, real_b)))
    features = lambda pictures: (
        torch.as_tensor(
            features_of(pictures[np.linspace(0, len(pictures) - 1, count).round().astype(int)])
        )
        .detach()
        .double()
    )
    # the metrics get features: each picture is seen once
    known = features(real_a)
    given = nn.Identity()
    given.num_features = known.shape[1]
    found = {"network": network, "pictures": count, "frechet": {}, "kernel": {}}
    with warnings.catch_warnings(), torch.random.fork_rng(devices=()):
        # that the kernel distance keeps all features
        warnings.simplefilter("ignore")
        for name, pictures in (
            ("samples", samples),
            ("reconstructions", reconstructions),
            ("real", real_b),
        ):
            frechet = FrechetInceptionDistance(given)
            kernel = KernelInceptionDistance(given, subsets=1, subset_size=count)
            other = features(pictures)
            for metric in (frechet, kernel):
                metric.update(known, real=True)
                metric.update(other, real=False)
            found["frechet"][name] = float(frechet.compute())
            found["kernel"][name] = float(kernel.compute()[0])
    return found


def thumbnails(pixels):
    """uint8 (N, S, S) or (N, S, S, 3) -> float32 array (N, 256) of length 1: 16 x 16 pixels, blind to lines, brightness and contrast.

    Of 150 training engravings, averaged over 4 x 4 pixels, memorised() found all by these and 9 % by the picture tower's features."""
    small = torch.cat([F.adaptive_avg_pool2d(batch, 16).flatten(1) for batch in portions(pixels)])
    return F.normalize(small - small.mean(1, keepdim=True)).numpy()


def memorised(features_of, samples, reconstructions, training, ids):
    """Are samples nearer to a training picture than the nearest hundredth of reconstructions of held-out pictures? training: M pictures with ids.

    -> {"share": of the samples, "threshold": that distance, "nearest": [(number of the sample, id, distance), …] the nearest first}.
    """
    known = torch.as_tensor(features_of(training))
    near = lambda pictures: torch.cdist(
        torch.as_tensor(features_of(pictures)), known, compute_mode="donot_use_mm_for_euclid_dist"
    ).min(1)
    threshold = float(np.quantile(near(reconstructions).values.numpy(), 0.01))
    distance, place = near(samples)
    nearest = sorted(
        ((i, ids[j], d) for i, (j, d) in enumerate(zip(place.tolist(), distance.tolist()))),
        key=lambda row: row[2],
    )
    return {
        "share": sum(d < threshold for _, _, d in nearest) / len(nearest),
        "threshold": threshold,
        "nearest": nearest,
    }


def main(config):
    judges = load_realism(config.realism, Collection(config.style, config.data))
    print(
        f"{config.style}, judges of realism taught in {judges.about['seconds']} s, in {config.realism}"
    )
    print("\n".join(f"  {sentence}" for sentence in sentences(judges.about)))


if __name__ == "__main__":
    run(main, *CONFIGS)
