"""The pair judges are taught on the collection's own pictures, and examined."""

import hashlib
import json
import math
import time
from collections import Counter

import torch
import torch.nn.functional as F

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.jsonl import read_json
from oneseed.dataset.pixels import PixelCache
from oneseed.evaluation.attribute_judge import JUDGE_SIZE, degrade, judge_generator, resized_views
from oneseed.evaluation.pair_judge import (
    GROUP_SIZE,
    PAIR_JUDGE_FORMAT,
    PairJudge,
    read_pair_judge,
    save_pair_judge,
    words_of,
)

# in either half, of a style that is told apart
MIN_PICTURES = 10
PAIR_EPOCHS = 90
MAX_PAIR_STEPS = 1200
PAIR_BATCH = 64
PAIR_LEARNING_RATE = 2e-3
PAIR_WEIGHT_DECAY = 0.1
# words that the pair judge reads, at most
VOCABULARY = 4000


def judge_pairs(collection):
    """-> (rows of all captioned pictures in the order of id, each with its group of look-alikes; path of their pixels). UserError where a
    stage is missing."""
    rows = [row for part in collection.read_captions() for row in part]
    group_of = {row["id"]: row.get("group") for row in collection.read_metadata()}
    path = min(collection.processed.glob("pixels_*.npy"), default=None)
    if path is None:
        raise UserError(
            f"{collection.pixels(JUDGE_SIZE)} is missing: prepare the pictures again: python dataset_preparation.py --style {collection.style} --source PATH"
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
    cache = PixelCache(path)
    places = cache.rows(row["id"] for row in rows)
    grey = [
        resized_views(cache.array[places[start : start + 64]])[:, 0]
        for start in range(0, len(places), 64)
    ]
    return torch.cat([((images + 1) * 127.5).round().to(torch.uint8) for images in grey])


def collection_digest(rows):
    """Of all that the judges learn from: another picture, caption, style or split, and they are taught anew."""
    told = sorted(
        [row["id"], row["group"], row["split"], row["style"], row["caption"]] for row in rows
    )
    return hashlib.sha256(json.dumps([PAIR_JUDGE_FORMAT, told]).encode()).hexdigest()[:16]


def is_shown(row):
    """Half of all rows, look-alikes together: those that the pair judge is taught."""
    return hashlib.sha256(f"half {row['group']}".encode()).digest()[0] < 128


def frequent_words(captions):
    """Words of two captions or more, the most frequent first."""
    count = Counter(word for caption in captions for word in set(words_of(caption)))
    return [
        word for word in sorted(count, key=lambda word: (-count[word], word)) if count[word] > 1
    ][:VOCABULARY]


def augment(images, dice):
    """Pictures (B, 1, S, S) in [-1, 1] -> the same moved, zoomed and half of them mirrored, on white; every second degraded, as generated ones are."""

    def random(*shape):
        return torch.rand(*shape, generator=dice)

    place = torch.zeros(len(images), 2, 3)
    place[:, 1, 1] = 0.75 + 0.3 * random(len(images))
    place[:, 0, 0] = place[:, 1, 1] * (random(len(images)) < 0.5).float().mul(2).sub(1)
    place[:, :, 2] = 0.24 * random(len(images), 2) - 0.12
    images = 1 - F.grid_sample(
        1 - images, F.affine_grid(place, images.shape, align_corners=False), align_corners=False
    )
    return torch.cat([images[: len(images) // 2], degrade(images[len(images) // 2 :], dice)])


def teach_pair_judge(judges, pixels, captions, styles, epochs=PAIR_EPOCHS):
    """Fit the judges to N pictures (N, SIZE, SIZE) uint8, captions and styles. Repeatable."""
    dice = judge_generator("realism")
    bags = judges.bags(captions)
    steps = min(MAX_PAIR_STEPS, math.ceil(epochs * len(pixels) / PAIR_BATCH))
    truth = torch.tensor(
        [judges.styles.index(style) if style in judges.styles else -100 for style in styles]
    )
    log_shares = torch.tensor(
        [styles.count(style) / len(styles) for style in judges.styles] or [1.0]
    ).log()
    optimizer = torch.optim.AdamW(
        judges.parameters(), PAIR_LEARNING_RATE, weight_decay=PAIR_WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PAIR_LEARNING_RATE, total_steps=steps, pct_start=0.2
    )
    judges.train()
    for _ in progress(range(steps), label="teaching the judges of realism", unit="step"):
        rows = torch.randperm(len(pixels), generator=dice)[:PAIR_BATCH]
        optimizer.zero_grad()
        judges.loss(
            augment(resized_views(pixels[rows]), dice), bags[rows], truth[rows], log_shares
        ).backward()
        optimizer.step()
        schedule.step()
    return judges.eval()


def examine_pair_judge(judges, pixels, captions, styles):
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


def train_pair_judge(path, collection, epochs=PAIR_EPOCHS, width=16):
    """Teach one half, examine on the other, write to `path` -> Realism. UserError where the collection is too small to be halved."""
    start = time.time()
    rows, stored = judge_pairs(collection)
    halves = [row for row in rows if is_shown(row)], [row for row in rows if not is_shown(row)]
    if min(map(len, halves)) < GROUP_SIZE:
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
    styles = [style for style in sorted(least) if least[style] >= MIN_PICTURES]
    # initial values and dropout repeat, and leave no trace
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        judges = PairJudge(
            styles if len(styles) > 1 else [],
            frequent_words(captions),
            [row["id"] for row in halves[1]],
            width,
        )
        teach_pair_judge(judges, shown, captions, shown_styles, epochs)
    pairs, styles = examine_pair_judge(judges, *held_out)
    judges.about = {
        "format": PAIR_JUDGE_FORMAT,
        "style": collection.style,
        "digest": collection_digest(rows),
        "width": width,
        "shown": len(halves[0]),
        "held_out": len(halves[1]),
        "pairs": pairs,
        "styles": styles,
        "seconds": round(time.time() - start),
    }
    save_pair_judge(judges, path)
    return judges


def describe_judges(about):
    """The examination, for the reader."""
    pairs = about["pairs"]
    styles = about["styles"]
    yield (
        f"pairs: taught {about['shown']:,}; of {about['held_out']:,} others the own one is the nearest of {GROUP_SIZE} in {pairs['recall']:.3f} (caption of a picture "
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


def load_pair_judge(path, collection):
    """The judges in `path`, taught first where there are none for this collection as it is now."""
    judges = read_pair_judge(path, collection_digest(judge_pairs(collection)[0]))
    if judges is None:
        print(
            f"no judges of realism for {collection.style} as it is now in {path}: teaching them, once",
            flush=True,
        )
        judges = train_pair_judge(path, collection)
    return judges
