"""The pair judges are taught one half of a collection's pictures, and examined on the other."""

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.pixels import PixelCache
from oneseed.evaluation.pair_judge import (
    GROUP_SIZE,
    NO_STYLE,
    PAIR_JUDGE_FORMAT,
    PairJudge,
    read_pair_judge,
    save_pair_judge,
    words_of,
)
from oneseed.evaluation.teaching import Teacher, TeachingPlan, degrade, judge_generator
from oneseed.model.pixels import VIEW_SIZE, resized_views, to_pixels
from oneseed.workers import chunks

PAIR_PLAN = TeachingPlan(epochs=90, batch_size=64, learning_rate=2e-3, weight_decay=0.1)
# steps, however large the collection
MAX_PAIR_STEPS = 1200
# pictures in either half, of a style that is told apart
MIN_PICTURES = 10
# words that the pair judge reads, at most
MAX_WORDS = 4000
# pictures that are resized together
RESIZED_AT_ONCE = 64


class TooFewPicturesError(UserError):
    """The collection is too small to teach judges one half and examine them on the other."""


@dataclass(frozen=True)
class Half:
    """One half of a collection: pairs to teach, or to examine with."""

    # in the order of id
    rows: list[Row]
    # uint8 (N, 128, 128)
    pixels: torch.Tensor

    @property
    def captions(self) -> list[str]:
        """The caption of each picture."""
        return [row["caption"] for row in self.rows]

    @property
    def styles(self) -> list[str]:
        """The style of each picture."""
        return [row["style"] for row in self.rows]


def judge_pairs(collection: Collection) -> tuple[list[Row], PixelCache]:
    """Rows of all captioned pictures in the order of id, and the cache of their pixels.

    Each row has its "group" of look-alikes. UserError where a stage is missing.
    """
    train, val = collection.read_captions()
    group_of = {row["id"]: row.get("group") for row in collection.read_metadata()}
    cache = PixelCache.require(collection, collection.prepared_size() or VIEW_SIZE)
    rows = [
        {**row, "group": group_of.get(row["id"]) or row["id"]}
        for row in [*train, *val]
        if row["id"] in cache
    ]
    return sorted(rows, key=lambda row: row["id"]), cache


def pictures_of(rows: Sequence[Row], cache: PixelCache) -> torch.Tensor:
    """The rows' pictures, uint8 (N, 128, 128), grey."""
    batches = []
    for places in chunks(cache.rows(row["id"] for row in rows), RESIZED_AT_ONCE):
        views = resized_views(cache.array[places])
        batches.append(torch.as_tensor(to_pixels(views)[..., 0]))
    return torch.cat(batches)


def collection_digest(rows: Sequence[Row]) -> str:
    """A digest of all that the judges learn from.

    With another picture, caption, style or split, judges are taught anew.
    """
    learned = sorted(map(learned_values, rows))
    return hashlib.sha256(json.dumps([PAIR_JUDGE_FORMAT, learned]).encode()).hexdigest()[:16]


def learned_values(row: Row) -> list[str]:
    """What the judges learn from a row; its picture follows from its id."""
    return [row[key] for key in ("id", "group", "split", "style", "caption")]


def is_shown(row: Row) -> bool:
    """Is the row in the half that the judges are taught? Look-alikes share a half."""
    return hashlib.sha256(f"half {row['group']}".encode()).digest()[0] < 128


def frequent_words(captions: Sequence[str]) -> list[str]:
    """Words of two captions or more, the most frequent first, at most MAX_WORDS."""
    count = Counter()
    for caption in captions:
        count.update(set(words_of(caption)))
    by_frequency = sorted(count, key=lambda word: (-count[word], word))
    return [word for word in by_frequency if count[word] > 1][:MAX_WORDS]


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Pictures (B, 1, S, S) in [-1, 1] -> the same moved, zoomed and mirrored, on white.

    Each is mirrored or not at random. The second half of the batch is also degraded, as generated
    pictures are.
    """

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    affine = torch.zeros(len(images), 2, 3)
    affine[:, 1, 1] = 0.75 + 0.3 * random(len(images))
    mirror = (random(len(images)) < 0.5).float().mul(2).sub(1)
    affine[:, 0, 0] = affine[:, 1, 1] * mirror
    affine[:, :, 2] = 0.24 * random(len(images), 2) - 0.12
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    # grid_sample fills with 0, which stands for white here
    moved = 1 - F.grid_sample(1 - images, grid, align_corners=False)
    half = len(images) // 2
    return torch.cat([moved[:half], degrade(moved[half:], generator)])


def teach_pair_judge(judges: PairJudge, taught: Half, plan: TeachingPlan = PAIR_PLAN) -> PairJudge:
    """Fits the judges to one half of a collection, and returns them. Repeatable."""
    generator = judge_generator("realism")
    count = len(taught.rows)
    steps = min(MAX_PAIR_STEPS, math.ceil(plan.epochs * count / plan.batch_size))
    bags = judges.bags(taught.captions)  # (N, words)
    styles = taught.styles
    number_of = {style: i for i, style in enumerate(judges.styles)}
    truth = torch.tensor([number_of.get(style, NO_STYLE) for style in styles])  # (N,)
    shares = [styles.count(style) / count for style in judges.styles] or [1.0]
    log_shares = torch.tensor(shares).log()  # (styles,)
    teacher = Teacher(judges.parameters(), plan, steps)
    judges.train()
    for _ in progress(range(steps), label="teaching the judges of realism", unit="step"):
        rows = torch.randperm(count, generator=generator)[: plan.batch_size]
        images = augment(resized_views(taught.pixels[rows]), generator)
        teacher.step(judges.loss(images, bags[rows], truth[rows], log_shares))
    return judges.eval()


def examine_pair_judge(
    judges: PairJudge, held_out: Half
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What the judges can tell about the half that they were not taught: pairs, and styles.

    pairs: recall(), and "measurable": does it reach twice chance.
    styles: None where there is one style, else {"balanced": mean over the styles, "right": {style:
    share judged right}, "pictures": {style: how many}}.
    """
    pairs: dict[str, Any] = judges.recall(held_out.pixels, held_out.captions)
    pairs["measurable"] = pairs["recall"] >= 2 * pairs["chance"]
    if not judges.styles:
        return pairs, None
    count = {style: held_out.styles.count(style) for style in judges.styles}
    judged = judges.style_of(held_out.pixels)
    right = Counter(truth for truth, seen in zip(held_out.styles, judged) if truth == seen)
    shares = {style: right[style] / count[style] for style in judges.styles}
    balanced = sum(shares.values()) / len(shares)
    return pairs, {"balanced": balanced, "right": shares, "pictures": count}


def train_pair_judge(
    path: str | Path, collection: Collection, *, plan: TeachingPlan = PAIR_PLAN, width: int = 16
) -> PairJudge:
    """Teaches the judges one half, examines them on the other, and writes them to `path`.

    Prints the examination.

    TooFewPicturesError where the collection is too small to be halved.
    """
    start = time.time()
    rows, stored = judge_pairs(collection)
    shown_rows = [row for row in rows if is_shown(row)]
    held_out_rows = [row for row in rows if not is_shown(row)]
    if min(len(shown_rows), len(held_out_rows)) < GROUP_SIZE:
        raise TooFewPicturesError(
            f"{collection.style} has {len(rows)} captioned pictures, too few to teach judges one "
            "half and examine them on the other; prepare 100 or more: "
            f"{collection.prepare_again(more=True)}"
        )
    print(
        f"no judges of realism for {collection.style} as it is now in {path}: teaching them, once",
        flush=True,
    )
    shown = Half(shown_rows, pictures_of(shown_rows, stored))
    held_out = Half(held_out_rows, pictures_of(held_out_rows, stored))
    # initial values and dropout repeat, and the global generator is as before
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        judges = PairJudge(
            styles_told_apart(shown, held_out),
            frequent_words(shown.captions),
            [row["id"] for row in held_out_rows],
            width,
        )
        teach_pair_judge(judges, shown, plan)
    pairs, styles = examine_pair_judge(judges, held_out)
    judges.about = {
        "format": PAIR_JUDGE_FORMAT,
        "style": collection.style,
        "digest": collection_digest(rows),
        "width": width,
        "shown": len(shown_rows),
        "held_out": len(held_out_rows),
        "pairs": pairs,
        "styles": styles,
        "seconds": round(time.time() - start),
    }
    save_pair_judge(judges, path)
    print(*describe_judges(judges.about), sep="\n", flush=True)
    return judges


def styles_told_apart(shown: Half, held_out: Half) -> list[str]:
    """Styles with MIN_PICTURES or more in both halves; [] where that is one alone."""
    fewest = Counter(shown.styles) & Counter(held_out.styles)
    styles = [style for style in sorted(fewest) if fewest[style] >= MIN_PICTURES]
    return styles if len(styles) > 1 else []


def describe_judges(about: dict[str, Any]) -> Iterator[str]:
    """The examination in sentences, for the reader. about: of the judges."""
    pairs = about["pairs"]
    yield (
        f"pairs: taught {about['shown']:,}; of {about['held_out']:,} others the own one is the "
        f"nearest of {GROUP_SIZE} in {pairs['recall']:.3f} (caption of a picture "
        f"{pairs['caption_of_picture']:.3f}, picture of a caption "
        f"{pairs['picture_of_caption']:.3f}; chance {pairs['chance']:.3f})"
    )
    if not pairs["measurable"]:
        yield (
            "  that is under twice chance: whether picture and caption agree is not measurable here"
        )
    styles = about["styles"]
    if styles:
        shares = [
            f"{style} {share:.2f} of {styles['pictures'][style]}"
            for style, share in styles["right"].items()
        ]
        yield (
            f"styles: {styles['balanced']:.3f} of held-out pictures judged right, "
            f"each style counting equally: {', '.join(shares)}"
        )


def load_pair_judge(path: str | Path, collection: Collection) -> PairJudge:
    """The judges in the file, taught first where they do not fit the collection as it is now.

    TooFewPicturesError where it is too small for judges.
    """
    rows, _ = judge_pairs(collection)
    judges = read_pair_judge(path, collection_digest(rows))
    return train_pair_judge(path, collection) if judges is None else judges
