"""Pairs of a drawn collection, judged exactly: agreement, variety, nearness to training."""

from collections.abc import Sequence

import numpy as np

from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.pixels import training_pixels
from oneseed.evaluation.agreement import (
    Reading,
    agreement_numbers,
    measure_spread,
    pair_captions,
    verdicts,
)
from oneseed.evaluation.attribute_judge import MIN_CLEAN
from oneseed.evaluation.distances import distance_numbers, memorisation_notes
from oneseed.evaluation.exact import Exam, fresh_facts
from oneseed.evaluation.learned import cached_rows
from oneseed.evaluation.metrics import agreement
from oneseed.evaluation.samples import ImageCaption, as_images, as_many, picture_array
from oneseed.evaluation.section import Section, joined, mean_number
from oneseed.generation.memorisation import memorised, thumbnail_features
from oneseed.synthetic.drawn import Facts

# the judge reads a few renders less at other sizes than its own
CLEAN_TOLERANCE = 0.02


def measure_pairs(
    exam: Exam,
    pairs: Sequence[ImageCaption],
    seen: list[Facts],
    rows: list[Row],
    collection: Collection,
) -> Section:
    """All that picture judge and parser can tell about pairs of a drawn collection.

    seen: what the judge sees in their pictures.
    rows: of the training captions, [] where they are not on this machine.
    """
    read = Reading(seen, exam.parse(pair_captions(pairs)))
    level_note = (
        f"Level {exam.level}: {', '.join(exam.names)}. "
        "A pair agrees strictly when each is told, seen and equal."
    )
    real = as_many_real_facts(exam, len(pairs))
    return joined(
        [
            Section(notes=[level_note], examples=verdicts(pairs, read, exam.names)),
            measure_agreement(exam, read),
            measure_spread(read, real, exam.trained, exam.names, exam.kind),
            measure_memorisation(exam, pairs, rows, collection),
        ]
    )


def measure_agreement(exam: Exam, read: Reading) -> Section:
    """Do the pictures and captions of N pairs agree? Beside renders, real and sent through."""
    facts = fresh_facts(exam.drawn, len(read.seen), exam.level)
    renders = as_images(exam.draw(facts, "held-out renders"))
    rebuilt = exam.see(exam.generator.reconstruct(renders))
    real = Reading(exam.see(renders), exam.parse(exam.tell(facts)))
    ceilings = {"reconstructions": Reading(rebuilt, facts), "real pairs": real}
    warnings = []
    strict = agreement(real.seen, real.said, exam.names)["strict"]
    if strict < MIN_CLEAN - CLEAN_TOLERANCE:
        warnings.append(
            f"WARNING: the judge reads only {strict:.3f} of real renders at {exam.size} px; the "
            f"figures below are too low. It was made for {exam.drawn.size} px; if the drawings "
            "have changed, remove its file and run again."
        )
    return Section(agreement_numbers(read, exam.names, ceilings, exam.kind), warnings=warnings)


def as_many_real_facts(exam: Exam, count: int) -> list[Facts]:
    """`count` facts as training has them, each at most once where there are enough."""
    pool = exam.trained
    # a small training set would repeat itself
    if len(pool) < count:
        pool = exam.drawn.collection(level=exam.level)
    return as_many(pool, count, "evaluation")


def measure_memorisation(
    exam: Exam, pairs: Sequence[ImageCaption], rows: list[Row], collection: Collection
) -> Section:
    """Are the pictures copies of training pictures, and how far do they lie from real ones?"""
    rows = cached_rows(collection, exam.size, rows)
    pixels = training_pixels(collection, exam.size, rows)
    if pixels is None:
        missing = collection.pixels(exam.size).as_posix()
        return Section(notes=[f"Memorisation was not measured: {missing} is not here."])
    # trained combinations, drawn afresh: held-out ones lie farther from training, and every honest
    # picture would look copied
    known = exam.some_trained(len(pairs), "memorisation")
    fresh = exam.draw(known, "fresh renders", offset=1_000_000)
    channels = exam.drawn.channels
    rebuilt = picture_array(exam.generator.reconstruct(as_images(fresh)), channels)
    samples = picture_array([image for image, _ in pairs], channels)
    ids = [row["id"] for row in rows]
    copied = memorised(thumbnail_features, samples, rebuilt, pixels, ids)
    honest = memorised(thumbnail_features, fresh, rebuilt, pixels, ids)
    number = mean_number(
        "pictures nearer to a training picture than the nearest hundredth of fresh renders, "
        "reconstructed, as thumbnails of 16 x 16",
        [near.distance < copied.threshold for near in copied.nearest],
        None,
        {"reconstructions": 0.01, "real pairs": honest.share},
        "at most 0.02",
    )
    # as many as there are samples: all of a large collection would not fit into memory
    some = np.linspace(0, len(pixels) - 1, min(len(pixels), len(samples))).round().astype(int)
    distances = distance_numbers(
        exam.judge.features,
        samples,
        rebuilt,
        known=pixels[some],
        others=fresh,
        network=exam.judge.network,
    )
    return Section({"memorised": number, **distances}, notes=memorisation_notes(copied))
