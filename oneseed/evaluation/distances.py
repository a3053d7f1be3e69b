"""How near generated pictures come to real ones: numbers and notes for any collection."""

from collections.abc import Callable
from typing import Any

import numpy as np

from oneseed.evaluation.metrics import feature_distances
from oneseed.evaluation.section import Number
from oneseed.generation.memorisation import Memorisation

KINDS_OF_DISTANCE = {"frechet": "Fréchet distance", "kernel": "kernel distance"}


def distance_numbers(
    features_of: Callable[[np.ndarray], Any],
    samples: np.ndarray,
    reconstructions: np.ndarray,
    *,
    known: np.ndarray,
    others: np.ndarray,
    network: str,
) -> dict[str, Number]:
    """Fréchet and kernel distance of the samples to known real pictures.

    The arguments are those of feature_distances(): the ceilings are the distances of
    reconstructions and of other real pictures.
    """
    found = feature_distances(
        features_of, samples, reconstructions, known=known, others=others, network=network
    )
    numbers = {}
    for kind, distances in (("frechet", found.frechet), ("kernel", found.kernel)):
        numbers[kind] = Number(
            f"{KINDS_OF_DISTANCE[kind]} of {found.pictures} pictures to as many real ones, "
            f"in the features of {found.network}",
            distances["samples"],
            None,
            {
                "reconstructions": distances["reconstructions"],
                "real pictures": distances["real"],
            },
        )
    return numbers


def memorisation_notes(found: Memorisation) -> list[str]:
    """A sentence for each picture that is too near to a training picture."""
    copies = round(found.share * len(found.nearest))
    return [
        f"Nearer to training picture {near.training_id} than that: "
        f"pair {near.sample} (distance {near.distance:.2f})."
        for near in found.nearest[:copies]
    ]
