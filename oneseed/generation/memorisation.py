"""How near pictures come to those of training: small thumbnails, and the distance that is too near.

A picture counts as copied where it is nearer to a training picture than the nearest hundredth of
the reconstructions of held-out pictures are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from oneseed.model.pixels import Pictures, portions

# Pixels a side.
FEATURE_SIDE = 16
# Of the held-out reconstructions, the share that lies below the threshold.
THRESHOLD_QUANTILE = 0.01


@dataclass(frozen=True)
class NearPicture:
    """A sample, and the training picture that is nearest to it."""

    sample: int  # its number among the samples
    training_id: str
    distance: float


@dataclass(frozen=True)
class Memorisation:
    """How many of some samples are too near to a training picture."""

    share: float  # of the samples, 0 to 1
    threshold: float  # the distance below which a sample is too near
    nearest: list[NearPicture]  # one per sample, the smallest distance first


def thumbnail_features(pixels: Pictures) -> np.ndarray:
    """uint8 (N, S, S) or (N, S, S, 3) -> float32 (N, 256), rows of length 1.

    16 x 16 pixels, blind to lines, brightness and contrast. Of 150 training engravings, averaged
    over 4 x 4 pixels, memorised() found all by these and 9 % by the image encoder's features.
    """
    batches = [F.adaptive_avg_pool2d(batch, FEATURE_SIDE).flatten(1) for batch in portions(pixels)]
    small = torch.cat(batches)  # (N, 256)
    return F.normalize(small - small.mean(1, keepdim=True)).numpy()


def euclidean_distances(
    features: np.ndarray | torch.Tensor, training_features: np.ndarray | torch.Tensor
) -> torch.Tensor:
    """(N, D), (M, D) -> Euclidean distances (N, M), exact for near-equal rows too."""
    return torch.cdist(
        torch.as_tensor(features),
        torch.as_tensor(training_features),
        compute_mode="donot_use_mm_for_euclid_dist",
    )


def copy_threshold(distances: np.ndarray) -> float:
    """Distances of held-out reconstructions to their nearest training picture -> the threshold."""
    return float(np.quantile(distances, THRESHOLD_QUANTILE))


def gap_ratios(
    features_of: Callable[[np.ndarray], np.ndarray | torch.Tensor],
    pictures: np.ndarray,
    training: np.ndarray,
) -> np.ndarray:
    """Distance to the nearest training picture over that to the second nearest, (N,), 0 to 1.

    Near 1 for what lies between many pictures, small for a copy of one. pictures, training: uint8;
    at least two training pictures. Source: Yoon et al. 2023 (Diffusion Probabilistic Models
    Generalize when They Fail to Memorize).
    """
    distances = euclidean_distances(features_of(pictures), features_of(training))  # (N, M)
    nearest, second = distances.topk(2, dim=1, largest=False).values.T
    return (nearest / second.clamp(min=1e-9)).numpy()


def memorised(
    features_of: Callable[[Any], np.ndarray | torch.Tensor],
    samples: np.ndarray,
    reconstructions: np.ndarray,
    training: Pictures,
    ids: Sequence[str],
) -> Memorisation:
    """Which samples are too near to a training picture?

    features_of: pictures (N, ...) -> features (N, D).
    samples, reconstructions, training: uint8 pictures; the reconstructions are of held-out ones.
    ids: one per training picture.
    """
    training_features = features_of(training)

    def nearest_of(pictures: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        distances = euclidean_distances(features_of(pictures), training_features)  # (N, M)
        smallest = distances.min(1)
        return smallest.values, smallest.indices

    reconstruction_distances, _ = nearest_of(reconstructions)
    threshold = copy_threshold(reconstruction_distances.numpy())
    distances, rows = nearest_of(samples)
    nearest = [
        NearPicture(sample, ids[row], distance)
        for sample, (row, distance) in enumerate(zip(rows.tolist(), distances.tolist()))
    ]
    nearest.sort(key=lambda near: near.distance)
    too_near = sum(near.distance < threshold for near in nearest)
    return Memorisation(too_near / len(nearest), threshold, nearest)
