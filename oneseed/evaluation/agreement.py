"""Do pictures and captions agree, and are they varied? Asked of any judge, for any collection."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.pixels import PixelCache
from oneseed.evaluation.judges import Judge, said_by, seen_by
from oneseed.evaluation.metrics import (
    agreement,
    agreement_items,
    distinct,
    shuffled,
    total_variation,
    unread_items,
)
from oneseed.evaluation.samples import PAIRS_SHOWN, ImageCaption, as_images, as_many
from oneseed.evaluation.section import Number, Section, joined, mean_number
from oneseed.generation.generator import MultimodalGenerator
from oneseed.synthetic.drawn import ABSENT, Facts

# share of the distinct combinations of real pairs
MIN_SPREAD = 0.85
# total-variation distance to the training distribution
MAX_DISTANCE = 0.10
# a distance is no finding unless it is so many times that of as many real pairs
MAX_TYPICAL_RATIO = 1.5


@dataclass(frozen=True)
class Reading:
    """What a judge reads in some pairs."""

    # in the pictures
    seen: list[Facts]
    # in their captions
    said: list[Facts]


def verdicts(
    pairs: Sequence[ImageCaption], read: Reading, names: Sequence[str]
) -> list[dict[str, Any]]:
    """The first pairs as the page shows them: caption, and what is seen and said of each name."""
    examples = []
    for (_, caption), shown, claimed in zip(pairs[:PAIRS_SHOWN], read.seen, read.said):
        told = [name for name in names if not shown[name] == claimed[name] == ABSENT]
        verdict = [(name, shown[name], claimed[name]) for name in told]
        examples.append({"caption": caption, "verdict": verdict})
    return examples


def agreement_numbers(
    read: Reading, names: Sequence[str], ceilings: Mapping[str, Reading], kind: str = ""
) -> dict[str, Number]:
    """Do picture and caption agree, strictly, in the mean, and attribute by attribute?

    ceilings: the same of pairs that do, by what they are called; perhaps none. kind: the attribute
    by whose values pairs are told apart, each of which has attributes of its own; "" for none.
    """
    items = agreement_items(read.seen, read.said, names)
    floor = shuffled(read.seen, read.said, names)
    highest = {what: agreement(one.seen, one.said, names) for what, one in ceilings.items()}
    titles = {
        "strict": "picture and caption agree, strict",
        "mean": "the same, mean of single attributes",
    }
    if not kind:
        titles |= {name: f"the same, {name}" for name in names}
    numbers = {}
    for way, title in titles.items():
        ceiling = {what: shares[way] for what, shares in highest.items()}
        numbers[f"joint_{way}"] = mean_number(title, items[way], floor[way], ceiling or None)
    if kind:
        numbers |= numbers_by_kind(read, names, ceilings, kind)
    unread = {what: unread_items(one.seen, names).mean() for what, one in ceilings.items()}
    numbers["joint_unread"] = mean_number(
        "pictures that cannot be read: the judge names no value of some attribute",
        unread_items(read.seen, names),
        None,
        {what: float(share) for what, share in unread.items()} or None,
    )
    return numbers


def numbers_by_kind(
    read: Reading, names: Sequence[str], ceilings: Mapping[str, Reading], kind: str
) -> dict[str, Number]:
    """The strict agreement of the pairs whose captions are of each kind. kind: the attribute."""
    by_kind = {what: shares_by_kind(one, names, kind) for what, one in ceilings.items()}
    numbers = {}
    for value, items in sorted(shares_by_kind(read, names, kind).items()):
        ceiling = {
            what: float(shares[value].mean()) for what, shares in by_kind.items() if value in shares
        }
        numbers[f"joint_strict_{value}"] = mean_number(
            f"the same, strict, where the caption is of the {kind} {value}",
            items,
            None,
            ceiling or None,
        )
    return numbers


def shares_by_kind(read: Reading, names: Sequence[str], kind: str) -> dict[str, np.ndarray]:
    """{value of an attribute in captions: does each of their pairs agree strictly, (N,)}."""
    strict = agreement_items(read.seen, read.said, names)["strict"]
    said = np.array([str(claim[kind]) for claim in read.said])
    return {str(value): strict[said == value] for value in np.unique(said) if value != "None"}


def measure_spread(
    read: Reading,
    real: list[Facts],
    trained: list[Facts],
    names: Sequence[str],
    kind: str = "",
) -> Section:
    """Are N pairs as varied as real ones, and as often of each kind?

    real: the facts of as many real pairs; trained: of all that training has; kind: as of
    agreement_numbers(): then the frequencies of its values alone are compared.
    """
    even = (kind,) if kind else names
    sections = []
    for what, found in (("pictures", read.seen), ("captions", read.said)):
        sections.append(measure_variety(what, found, real, names))
        sections.append(measure_frequencies(what, found, real, trained, even))
    return joined(sections)


def measure_variety(
    kind: str, found: list[Facts], real: list[Facts], names: Sequence[str]
) -> Section:
    """How many combinations N pictures or captions show, beside as many real pairs.

    kind: "pictures" or "captions"; found: what they show or say. What cannot be read counts as no
    combination.
    """
    combinations = distinct(found, names)
    most = max(1, distinct(real, names))
    ratio = combinations / most
    title = f"distinct combinations in {kind}, over those of as many real pairs ({most})"
    numbers = {
        f"distinct_{kind}": Number(title, ratio, 1 / most, 1.0, f"at least {MIN_SPREAD}"),
    }
    if ratio >= MIN_SPREAD:
        return Section(numbers)
    warning = (
        f"WARNING: SMALL SPREAD: the {kind} of {len(found)} seeds show {combinations} distinct "
        f"combinations, as many real pairs {most}; the agreement above says little."
    )
    return Section(numbers, warnings=[warning])


def measure_frequencies(
    kind: str, found: list[Facts], real: list[Facts], trained: list[Facts], names: Sequence[str]
) -> Section:
    """How often N pictures or captions show each value, beside training.

    What cannot be read counts as a value of its own.
    """
    numbers = {}
    uneven = []
    for name in names:
        frequency = frequencies(name, found, real, trained)
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
                f"({frequency.times} of {len(found)})"
            )
    if not uneven:
        return Section(numbers)
    warning = (
        f"WARNING: UNEVEN: {kind} are far from the training distribution in {'; '.join(uneven)}."
    )
    return Section(numbers, warnings=[warning])


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


def measure_openly(
    judge: Judge,
    generator: MultimodalGenerator,
    pairs: Sequence[ImageCaption],
    collection: Collection,
) -> Section:
    """All that a judge of anybody's own can tell about pairs of any collection.

    Ceilings and variety are measured where the collection is on this machine.
    """
    names = tuple(judge.attributes)
    read = Reading(
        seen_by(judge, [image for image, _ in pairs]), said_by(judge, pair_captions(pairs))
    )
    note = (
        f"Attributes: {', '.join(names)}. A pair agrees strictly when each is told, seen and equal."
    )
    examples = verdicts(pairs, read, names)
    parts = [Section(notes=[note], examples=examples)]
    if not (collection.train.exists() and collection.val.exists()):
        missing = collection.train.as_posix()
        parts.append(Section(agreement_numbers(read, names, {})))
        parts.append(Section(notes=[f"Variety was not measured: {missing} is not here."]))
        return joined(parts)
    train, val = collection.read_captions()
    ceilings = read_real_pairs(judge, generator, pairs[0][0].width, val, collection)
    parts.append(Section(agreement_numbers(read, names, ceilings)))
    trained = said_by(judge, [row["caption"] for row in train])
    real = as_many(trained, len(pairs), "evaluation")
    parts.append(measure_spread(read, real, trained, names))
    return joined(parts)


def pair_captions(pairs: Sequence[ImageCaption]) -> list[str]:
    """The captions of some pairs."""
    return [caption for _, caption in pairs]


def read_real_pairs(
    judge: Judge,
    generator: MultimodalGenerator,
    size: int,
    rows: list[Row],
    collection: Collection,
) -> dict[str, Reading]:
    """What a judge reads in held-out pairs, and in the same with pictures sent through the model.

    size: pixels a side. {} where their pictures are not on this machine.
    """
    if not collection.has_pixels(size):
        return {}
    cache = PixelCache.require(collection, size)
    there = [row for row in rows if row["id"] in cache]
    if not there:
        return {}
    images = as_images(cache.pictures(row["id"] for row in there))
    said = said_by(judge, [row["caption"] for row in there])
    return {
        "reconstructions": Reading(seen_by(judge, generator.reconstruct(images)), said),
        "real pairs": Reading(seen_by(judge, images), said),
    }
