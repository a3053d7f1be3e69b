"""Pairs of seeds, judged exactly: agreement, variety, nearness to training."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oneseed import seeds
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.pixels import training_pixels
from oneseed.evaluation.attribute_judge import MIN_CLEAN
from oneseed.evaluation.distances import distance_numbers, memorisation_notes
from oneseed.evaluation.exact import DRAWN_ANEW, Exam, fresh_facts, said_in
from oneseed.evaluation.metrics import agreement, distinct, shuffled, total_variation
from oneseed.evaluation.samples import PAIRS_SHOWN, ImageCaption, as_images, grey_array, grey_pixels
from oneseed.evaluation.section import Number, Section, joined
from oneseed.generation.memorisation import memorised, thumbnail_features
from oneseed.synthetic.engravings import attributes
from oneseed.synthetic.engravings.attributes import Facts

# share of the distinct combinations of real pairs
MIN_SPREAD = 0.85
# total-variation distance to the training distribution
MAX_DISTANCE = 0.10
# a distance is no finding unless it is so many times that of as many real pairs
MAX_TYPICAL_RATIO = 1.5
# the judge reads a few renders less at other sizes than its own
CLEAN_TOLERANCE = 0.02


def measure_pairs(
    exam: Exam, pairs: Sequence[ImageCaption], rows: list[Row], collection: Collection
) -> Section:
    """All that picture judge and parser can tell about pairs of the built-in collection.

    rows: of the training captions, [] where they are not on this machine.
    """
    seen, said = exam.read(pairs)
    names = exam.names
    examples = []
    for (_, caption), shown, claimed in zip(pairs[:PAIRS_SHOWN], seen, said):
        verdict = [(name, shown[name], claimed[name]) for name in names]
        examples.append({"caption": caption, "verdict": verdict})
    level_note = (
        f"Level {exam.level}: {', '.join(names)}. "
        "A pair agrees strictly when each is told, seen and equal."
    )
    return joined(
        [
            Section(notes=[level_note], examples=examples),
            measure_agreement(exam, seen, said),
            measure_spread(exam, seen, said),
            measure_memorisation(exam, pairs, rows, collection),
        ]
    )


def measure_agreement(exam: Exam, seen: list[Facts], said: list[Facts]) -> Section:
    """Do picture and caption agree, strictly, in the mean, and attribute by attribute?

    seen, said: what the pictures of N pairs show, and what their captions say.
    """
    names = exam.names
    facts = fresh_facts(len(seen), exam.level)
    renders = exam.draw(facts, "held-out renders")
    rebuilt = grey_pixels(exam.generator.reconstruct(as_images(renders)))
    real = agreement(exam.judge.see(renders), said_in(exam.tell(facts)), names)
    reconstructed = agreement(exam.judge.see(rebuilt), facts, names)
    joint = agreement(seen, said, names)
    floor = shuffled(seen, said, names)
    titles = {
        "strict": "picture and caption agree, strict",
        "mean": "the same, mean of single attributes",
        **{name: f"the same, {name}" for name in names},
    }
    numbers = {}
    for kind, title in titles.items():
        ceiling = {"reconstructions": reconstructed[kind], "real pairs": real[kind]}
        numbers[f"joint_{kind}"] = Number(title, joint[kind], floor[kind], ceiling)
    warnings = []
    if real["strict"] < MIN_CLEAN - CLEAN_TOLERANCE:
        warnings.append(
            f"WARNING: the judge reads only {real['strict']:.3f} of real renders at {exam.size} "
            "px; the figures below are too low. It was taught at 128 px; if the drawings have "
            "changed, remove its file and run again."
        )
    return Section(numbers, warnings=warnings)


def measure_spread(exam: Exam, seen: list[Facts], said: list[Facts]) -> Section:
    """Are the pairs as varied as real ones, and as often of each kind?

    seen, said: what the pictures of N pairs show, and what their captions say.
    """
    real = as_many_real_facts(exam, len(seen))
    return joined(
        [
            measure_spread_of("pictures", seen, real, exam),
            measure_spread_of("captions", said, real, exam),
        ]
    )


def as_many_real_facts(exam: Exam, count: int) -> list[Facts]:
    """`count` facts as training has them, each at most once where there are enough."""
    pool = exam.trained
    # a small training set would repeat itself
    if len(pool) < count:
        pool = attributes.collection(DRAWN_ANEW, exam.level)
    generator = seeds.numpy_generator(0, "evaluation")
    chosen = generator.choice(len(pool), count, replace=count > len(pool))
    return [pool[i] for i in chosen]


def measure_spread_of(kind: str, found: list[Facts], real: list[Facts], exam: Exam) -> Section:
    """The variety of N pictures or captions beside that of as many real pairs.

    kind: "pictures" or "captions"; found: what they show or say.
    """
    count = len(found)
    combinations = distinct(found, exam.names)
    most = distinct(real, exam.names)
    ratio = combinations / most
    title = f"distinct combinations in {kind}, over those of as many real pairs ({most})"
    numbers = {
        f"distinct_{kind}": Number(title, ratio, 1 / most, 1.0, f"at least {MIN_SPREAD}"),
    }
    warnings = []
    if ratio < MIN_SPREAD:
        warnings.append(
            f"WARNING: SMALL SPREAD: the {kind} of {count} seeds show {combinations} distinct "
            f"combinations, as many real pairs {most}; the agreement above says little."
        )
    uneven = []
    for name in exam.names:
        frequency = frequencies(name, found, real, exam.trained)
        numbers[f"distance_{kind}_{name}"] = Number(
            f"distance of {kind} to the training distribution, {name}",
            frequency.distance,
            frequency.of_one_value,
            frequency.of_real,
            f"at most {MAX_DISTANCE:.2f}",
        )
        # few seeds are uneven by chance
        if frequency.distance > max(MAX_DISTANCE, MAX_TYPICAL_RATIO * frequency.of_real):
            uneven.append(
                f"{name} {frequency.distance:.2f}, most often {frequency.commonest} "
                f"({frequency.times} of {count})"
            )
    if uneven:
        warnings.append(
            f"WARNING: UNEVEN: {kind} are far from the training distribution "
            f"in {'; '.join(uneven)}."
        )
    return Section(numbers, warnings=warnings)


@dataclass(frozen=True)
class Frequencies:
    """How far the frequencies of one attribute's values lie from those of training, 0 to 1."""

    distance: float
    # the same of as many real pairs
    of_real: float
    # the same of a generator that repeats the commonest value of training
    of_one_value: float
    # what was found most often, "unread" for None, and how many times
    commonest: Any
    times: int


def frequencies(
    name: str, found: list[Facts], real: list[Facts], trained: list[Facts]
) -> Frequencies:
    """One attribute's values in generated pairs, beside as many real pairs and training."""
    values = [facts[name] for facts in found]
    real_values = [facts[name] for facts in real]
    trained_values = [facts[name] for facts in trained]
    [(commonest, times)] = Counter(values).most_common(1)
    return Frequencies(
        distance=total_variation(values, trained_values),
        of_real=total_variation(real_values, trained_values),
        of_one_value=1 - max(Counter(trained_values).values()) / len(trained_values),
        commonest="unread" if commonest is None else commonest,
        times=times,
    )


def measure_memorisation(
    exam: Exam, pairs: Sequence[ImageCaption], rows: list[Row], collection: Collection
) -> Section:
    """Are the pictures copies of training pictures, and how far do they lie from real ones?"""
    pixels = training_pixels(collection, exam.size, rows)
    if pixels is None:
        missing = collection.pixels(exam.size).as_posix()
        return Section(notes=[f"Memorisation was not measured: {missing} is not here."])
    # trained combinations, drawn afresh: held-out ones lie farther from training, and every honest
    # picture would look copied
    known = exam.some_trained(len(pairs), "memorisation")
    fresh = exam.draw(known, "fresh renders", offset=1_000_000)
    rebuilt = grey_pixels(exam.generator.reconstruct(as_images(fresh)))
    samples = grey_pixels([image for image, _ in pairs])
    ids = [row["id"] for row in rows]
    copied = memorised(thumbnail_features, samples, rebuilt, pixels, ids)
    honest = memorised(thumbnail_features, fresh, rebuilt, pixels, ids)
    number = Number(
        "pictures nearer to a training picture than the nearest hundredth of fresh renders, "
        "reconstructed, as thumbnails of 16 x 16",
        copied.share,
        None,
        {"reconstructions": 0.01, "real pairs": honest.share},
        "at most 0.02",
    )
    distances = distance_numbers(
        exam.judge.features,
        samples,
        rebuilt,
        known=grey_array(pixels),
        others=fresh,
        network="the picture judge",
    )
    return Section({"memorised": number, **distances}, notes=memorisation_notes(copied))
