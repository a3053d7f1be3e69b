"""How near pictures come to those of training."""

import numpy as np
import torch
import torch.nn.functional as F

from oneseed.model.pixels import portions


def thumbnail_features(pixels):
    """uint8 (N, S, S) or (N, S, S, 3) -> float32 array (N, 256) of length 1: 16 x 16 pixels, blind to lines, brightness and contrast.

    Of 150 training engravings, averaged over 4 x 4 pixels, memorised() found all by these and 9 % by the picture tower's features."""
    small = torch.cat([F.adaptive_avg_pool2d(batch, 16).flatten(1) for batch in portions(pixels)])
    return F.normalize(small - small.mean(1, keepdim=True)).numpy()


def memorised(features_of, samples, reconstructions, training, ids):
    """Are samples nearer to a training picture than the nearest hundredth of reconstructions of held-out pictures? training: M pictures with ids.

    -> {"share": of the samples, "threshold": that distance, "nearest": [(number of the sample, id, distance), …] the nearest first}.
    """
    known = torch.as_tensor(features_of(training))

    def near(pictures):
        return torch.cdist(
            torch.as_tensor(features_of(pictures)),
            known,
            compute_mode="donot_use_mm_for_euclid_dist",
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
