"""Arithmetic of the report: shares with their intervals, distances, retrieval."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from oneseed import seeds
from oneseed.synthetic.drawn import ABSENT, Facts

# shuffled floors are means over at most so many ways to pair wrongly
SHIFTS = 10
# share of the real spread that samples should have
WIDE = 0.6
# of a bootstrap
RESAMPLES = 1000
# … and the quantiles of their means between which the interval lies: 95 % of them
INTERVAL = (0.025, 0.975)


def agreement(
    truths: Sequence[Facts], claims: Sequence[Facts], names: Sequence[str]
) -> dict[str, float]:
    """N facts against N others, attribute by attribute.

    Returns {"strict": share equal in all `names`, "mean": mean share over names, name: share, ...}.
    None, an attribute that could not be read, equals nothing.
    """
    items = agreement_items(truths, claims, names)
    return {kind: float(each.mean()) for kind, each in items.items()}


def agreement_items(
    truths: Sequence[Facts], claims: Sequence[Facts], names: Sequence[str]
) -> dict[str, np.ndarray]:
    """What agreement() takes the means of: an array from 0 to 1 of each kind.

    Of "strict" and "mean" (N,); of a name as many as have the attribute.
    """
    rows = [equal_values(truth, claim, names) for truth, claim in zip(truths, claims)]
    equal = np.array(rows, float)  # (N, names)
    # what neither has is no achievement
    counts = np.array([either_has(*pair, names) for pair in zip(truths, claims)], float)
    mean = (equal * counts).sum(1) / counts.sum(1)
    items = {"strict": equal.min(1), "mean": mean}
    for name, column, counting in zip(names, equal.T, counts.T):
        items[name] = column[counting > 0] if counting.any() else column
    return items


def either_has(truth: Facts, claim: Facts, names: Sequence[str]) -> list[bool]:
    """For each name: does one of the two have such an attribute at all?"""
    return [not truth[name] == claim[name] == ABSENT for name in names]


def bootstrap_interval(items: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Where the mean of N items lies in 95 % of RESAMPLES samples of N of them. Repeatable.

    Source: Efron 1979, Bootstrap methods, Annals of Statistics 7; the percentile interval.
    """
    values = np.asarray(items, float)
    generator = seeds.numpy_generator(0, "bootstrap")
    drawn = generator.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(1), INTERVAL)
    return float(low), float(high)


def unread_items(facts: Sequence[Facts], names: Sequence[str]) -> np.ndarray:
    """For each of N facts: 1 where some attribute of `names` could not be read, else 0."""
    return np.array([None in combination(one, names) for one in facts], float)


def equal_values(truth: Facts, claim: Facts, names: Sequence[str]) -> list[bool]:
    """For each name: are both values known and equal?"""
    return [truth[name] is not None and truth[name] == claim[name] for name in names]


def shuffled(
    truths: list[Facts], claims: list[Facts], names: Sequence[str], together: int = 1
) -> dict[str, float]:
    """agreement() when every claim goes to another pair: the mean over some cyclic shifts.

    together: how many that follow one another are of one draw, as the steps of a walk; a claim
    goes to another draw. Needs two draws or more.
    """
    shifts = range(together, min((SHIFTS + 1) * together, len(claims)), together)
    floors = [agreement(truths, claims[shift:] + claims[:shift], names) for shift in shifts]
    means = {}
    for name in floors[0]:
        means[name] = float(np.mean([floor[name] for floor in floors]))
    return means


def total_variation(found: Sequence[Any], expected: Sequence[Any]) -> float:
    """Total-variation distance of the frequencies of two lists of values.

    0: the same frequencies; 1: no value in common.
    """
    p = Counter(found)
    q = Counter(expected)
    gaps = [abs(p[value] / len(found) - q[value] / len(expected)) for value in p | q]
    return sum(gaps) / 2


def distinct(facts: Sequence[Facts], names: Sequence[str]) -> int:
    """How many combinations of `names` occur; facts with an unread attribute do not count."""
    combinations = {combination(one, names) for one in facts}
    return sum(None not in values for values in combinations)


def combination(facts: Facts, names: Sequence[str]) -> tuple[Any, ...]:
    """The values of these attributes."""
    return tuple(facts[name] for name in names)


def is_fallback(caption: str, *, ends: bool = True) -> bool:
    """Is the caption empty, under two words, or cut off at the length limit?

    ends: captions of this collection end in a full stop.
    """
    return len(caption.split()) < 2 or (ends and not caption.rstrip().endswith("."))


def hits(scores: np.ndarray, facts: Sequence[Facts], names: Sequence[str], best: int) -> float:
    """Retrieval: how often is a candidate with the right facts among the `best` highest scores?

    scores: (N, N), queries by candidates; facts[i] describes query i and its partner, candidate i.
    Any candidate with the facts of the query's own partner counts.
    """
    return float(hit_items(scores, facts, names, best).mean())


def hit_items(
    scores: np.ndarray, facts: Sequence[Facts], names: Sequence[str], best: int
) -> np.ndarray:
    """What hits() takes the mean of: 1 or 0 for each query, (N,)."""
    order = np.argsort(-np.asarray(scores), axis=1, kind="stable")[:, :best]  # (N, best)
    keys = [combination(one, names) for one in facts]
    found = []
    for i, row in enumerate(order):
        candidates = {keys[j] for j in row}
        found.append(keys[i] in candidates)
    return np.array(found, float)


def luminance(pictures: np.ndarray) -> np.ndarray:
    """uint8 (N, S, S) -> mean of each picture, 0 to 255."""
    return pictures.mean((1, 2))


def deviation(pictures: np.ndarray) -> np.ndarray:
    """uint8 (N, S, S) -> standard deviation of each picture, 0 to 127.5."""
    return pictures.std((1, 2))


def near_white(pictures: np.ndarray) -> np.ndarray:
    """uint8 (N, S, S) -> share of each picture's pixels from 240 on."""
    return (pictures >= 240).mean((1, 2))


def near_black(pictures: np.ndarray) -> np.ndarray:
    """uint8 (N, S, S) -> share of each picture's pixels under 40."""
    return (pictures < 40).mean((1, 2))


TONE_MEASURES = (luminance, deviation, near_white, near_black)


@dataclass(frozen=True)
class Tone:
    """One tone of generated pictures beside that of real ones."""

    # of the samples
    median: float
    # lower and upper quartile of the real pictures
    quartiles: tuple[float, float]
    # ratio of the ranges from the 10th to the 90th percentile, samples to real
    spread: float

    @property
    def is_within(self) -> bool:
        """Does the samples' median lie between the real quartiles?"""
        lower, upper = self.quartiles
        return lower <= self.median <= upper

    @property
    def is_wide(self) -> bool:
        """Do the samples have WIDE of the real spread or more?"""
        return self.spread >= WIDE


def tones(samples: np.ndarray, real: np.ndarray) -> dict[str, Tone]:
    """uint8 (N, S, S) and (M, S, S) -> each of TONE_MEASURES by its name.

    Fine lines average out, so both must have one size: else ValueError.
    """
    if samples.shape[1:] != real.shape[1:]:
        raise ValueError(f"tones change with size: {samples.shape[1:]} against {real.shape[1:]}")
    found = {}
    for tone in TONE_MEASURES:
        ours = tone(samples)  # (N,)
        theirs = tone(real)  # (M,)
        lower, upper = np.quantile(theirs, (0.25, 0.75))
        found[tone.__name__] = Tone(
            median=float(np.median(ours)),
            quartiles=(float(lower), float(upper)),
            spread=float(percentile_range(ours) / percentile_range(theirs)),
        )
    return found


def percentile_range(values: np.ndarray) -> float:
    """From the 10th to the 90th percentile; never 0, so that two ranges of nothing are equal."""
    return np.ptp(np.quantile(values, (0.1, 0.9))) + 1e-6


@dataclass(frozen=True)
class FeatureDistances:
    """How far pictures lie from real ones, in the features of one network.

    Compare within one answer: the figures differ from network to network, and the Fréchet distance
    grows as pictures become fewer. The kernel distance (unbiased, of degree 3) may fall below 0.
    Each dict has a figure for "samples", "reconstructions" and "real".
    """

    network: str
    # how many of each kind
    pictures: int
    frechet: dict[str, float]
    kernel: dict[str, float]


class GivenFeatures(nn.Identity):
    """Stands for a network in the metrics of torchmetrics, which are given features instead."""

    def __init__(self, num_features: int) -> None:
        """num_features: of each picture; torchmetrics reads it."""
        super().__init__()
        self.num_features = num_features


@torch.no_grad()
def feature_distances(
    features_of: Callable[[np.ndarray], Any],
    samples: np.ndarray,
    reconstructions: np.ndarray,
    *,
    known: np.ndarray,
    others: np.ndarray,
    network: str,
) -> FeatureDistances:
    """How far samples, reconstructions and other real pictures lie from known real ones.

    features_of: uint8 pictures (N, S, S) -> features (N, F), array or tensor; network: its name.
    All four sets are thinned to as many pictures as the smallest has.
    Sources: Heusel et al. 2017 (arXiv:1706.08500); Bińkowski et al. 2018 (arXiv:1801.01401).
    """
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    count = min(map(len, (samples, reconstructions, known, others)))

    def features(pictures: np.ndarray) -> torch.Tensor:
        chosen = np.linspace(0, len(pictures) - 1, count).round().astype(int)
        return torch.as_tensor(features_of(pictures[chosen])).detach().double()  # (count, F)

    known_features = features(known)
    # so that each picture passes through the network once
    network_of_features = GivenFeatures(known_features.shape[1])
    frechet_of = {}
    kernel_of = {}
    kinds = {"samples": samples, "reconstructions": reconstructions, "real": others}
    with warnings.catch_warnings(), torch.random.fork_rng(devices=()):
        # torchmetrics warns that the kernel distance keeps all features …
        warnings.simplefilter("ignore")
        # … and shuffles them: without a seed the last digits would differ from run to run
        torch.manual_seed(0)
        for kind, pictures in kinds.items():
            frechet = FrechetInceptionDistance(network_of_features)
            kernel = KernelInceptionDistance(network_of_features, subsets=1, subset_size=count)
            other_features = features(pictures)
            for metric in (frechet, kernel):
                metric.update(known_features, real=True)
                metric.update(other_features, real=False)
            frechet_of[kind] = float(frechet.compute())
            kernel_of[kind] = float(kernel.compute()[0])
    return FeatureDistances(network, count, frechet_of, kernel_of)
