"""Arithmetic of the report: shares, distances, retrieval."""

import time
import warnings
from collections import Counter

import numpy as np
import torch
from PIL import Image
from torch import nn

from oneseed.console.output import progress

# shuffled floors are means over so many ways to pair wrongly
SHIFTS = 10
# pairs on the page
EXAMPLES = 12


def agreement(truths, claims, names):
    """Two lists of N facts -> {"strict": share equal in all `names`, "mean": mean share over names, name: share, ...}.
    None, an attribute that could not be read, equals nothing."""
    # (N, names)
    equal = np.array(
        [
            [a[name] is not None and a[name] == b[name] for name in names]
            for a, b in zip(truths, claims)
        ]
    )
    return {
        "strict": float(equal.all(1).mean()),
        "mean": float(equal.mean()),
        **{name: float(share) for name, share in zip(names, equal.mean(0))},
    }


def shuffled(truths, claims, names):
    """agreement when every claim goes to another pair: the mean over some cyclic shifts. N >= 2."""
    shifts = range(1, min(SHIFTS + 1, len(claims)))
    floors = [agreement(truths, claims[shift:] + claims[:shift], names) for shift in shifts]
    return {name: float(np.mean([floor[name] for floor in floors])) for name in floors[0]}


def total_variation(found, expected):
    """Two lists of values -> total-variation distance of their frequencies: 0 alike, 1 nothing in common."""
    p = Counter(found)
    q = Counter(expected)
    return sum(abs(p[value] / len(found) - q[value] / len(expected)) for value in p | q) / 2


def distinct(facts, names):
    """How many combinations of `names` occur; facts with an unread attribute do not count."""
    return len(
        {
            combination
            for one in facts
            if None not in (combination := tuple(one[name] for name in names))
        }
    )


def is_fallback(caption, ends=True):
    """Empty, under two words, or cut off at the length limit. ends: captions of this collection end in a full stop."""
    return len(caption.split()) < 2 or (ends and not caption.rstrip().endswith("."))


def number(title, value, floor=None, ceiling=None, wanted=""):
    return {"title": title, "value": value, "floor": floor, "ceiling": ceiling, "wanted": wanted}


def hits(cosine, facts, names, best):
    """Retrieval: cosine (N, N) between queries and candidates, candidate i described by facts[i] -> share of queries among whose
    `best` nearest is one with the very facts of their own partner."""
    order = np.argsort(-np.asarray(cosine), axis=1, kind="stable")[:, :best]
    key = [tuple(one[name] for name in names) for one in facts]
    return float(np.mean([key[i] in {key[j] for j in row} for i, row in enumerate(order)]))


def grey_pixels(images):
    """List of PIL images of one size -> uint8 array (N, S, S)."""
    return np.stack([np.asarray(image.convert("L")) for image in images])


def timed_pairs(generator, seeds, batch=32):
    """-> (list of pairs, seconds per pair)."""
    pairs = []
    start = time.perf_counter()
    with progress(label="pairs", total=len(seeds), unit="pair") as bar:
        for i in range(0, len(seeds), batch):
            pairs += generator.generate_batch(seeds[i : i + batch])
            bar.update(len(seeds[i : i + batch]))
    return pairs, (time.perf_counter() - start) / len(seeds)


def training_rows(collection):
    """Rows of the training captions, [] where they are not on this machine."""
    return (
        collection.read_captions()[0]
        if collection.train.exists() and collection.val.exists()
        else []
    )


def grey_array(pixels):
    """uint8 (N, S, S) or (N, S, S, 3) -> (N, S, S), grey as Pillow makes it."""
    return (
        np.asarray(pixels)
        if pixels.ndim == 3
        else grey_pixels([Image.fromarray(one) for one in pixels])
    )


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
        def width(values):
            return np.ptp(np.quantile(values, (0.1, 0.9))) + 1e-6

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
def feature_distances(features_of, samples, reconstructions, real_a, real_b, network):
    """How far samples, reconstructions and real_b lie from real_a, as many of each. features_of: function or module, uint8 pictures (N, S, S) ->
    (N, F); network: its name.

    -> {"network", "pictures": how many of each, "frechet": {"samples", "reconstructions", "real"}, "kernel": the same}. The Fréchet distance grows as
    pictures become fewer, and differs from network to network: compare within one answer. The kernel distance (unbiased, of degree 3) may fall below 0.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    count = min(map(len, (samples, reconstructions, real_a, real_b)))

    def features(pictures):
        return (
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
