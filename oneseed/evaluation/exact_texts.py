"""Texts that are code, checked exactly: do they parse, and do they make what the picture shows?

Texts are parsed, not executed; the one exception is a guarded statement of SQL in memory, see
oneseed/synthetic/screens/reading.py.
"""

from collections.abc import Sequence

import numpy as np

from oneseed.evaluation.exact import FIRST_RENDER, Exam
from oneseed.evaluation.samples import ImageCaption, as_images
from oneseed.evaluation.section import Number, Section, mean_number
from oneseed.synthetic.drawn import DrawnCollection, Facts


def measure_texts(exam: Exam, pairs: Sequence[ImageCaption], count: int) -> Section:
    """Are texts valid, and is the text of a new picture the one that makes it, letter by letter?

    pairs: of seeds; count: pictures that are read. Empty where a collection's texts are no code.
    """
    drawn = exam.drawn
    if drawn.check is None:
        return Section()
    found = [drawn.check(caption) for _, caption in pairs]
    numbers = {
        "texts_valid": mean_number(
            "texts of seeds that a parser of their language reads",
            [one.is_valid for one in found],
            None,
            1.0,
        ),
        "texts_known": mean_number(
            "texts of seeds that are such as the collection has",
            [not one.reason for one in found],
            None,
            1.0,
        ),
    }
    kinds = ["seen", "unseen"] if exam.is_complete else ["seen"]
    for kind in kinds:
        if kind == "seen":
            facts = exam.some_trained(count, "texts")
        else:
            facts = drawn.held_out_facts(count, FIRST_RENDER)
        numbers |= read_numbers(exam, kind, facts)
    reasons = sorted({one.reason for one in found if one.reason})[:3]
    notes = [f"Texts that are none of the collection: {' '.join(reasons)}"] if reasons else []
    return Section(numbers, notes=notes)


def read_numbers(exam: Exam, kind: str, facts: list[Facts]) -> dict[str, Number]:
    """How well the texts are that are written for N new pictures. kind: of combinations."""
    drawn = exam.drawn
    assert drawn.check
    renders = as_images(exam.draw(facts, f"pictures of {kind} combinations to read"))
    written = exam.generator.caption(renders)
    true = exam.tell(facts)
    checked = [drawn.check(text) for text in written]
    seeds = range(FIRST_RENDER, FIRST_RENDER + len(facts))
    others = [true[(i + 1) % len(true)] for i in range(len(true))]
    where = f"of a new picture, {kind} combinations"
    same_letters = [text == one for text, one in zip(written, true)]
    same_pixels = [
        draws_the_same(drawn, one.facts, truth, seed)
        for one, truth, seed in zip(checked, facts, seeds)
    ]
    floor = float(np.mean([other == one for other, one in zip(others, true)]))
    numbers = {
        f"read_valid_{kind}": mean_number(
            f"the text {where}: a parser reads it", [one.is_valid for one in checked], None, 1.0
        ),
        f"read_letters_{kind}": mean_number(
            f"the text {where}: letter by letter the true one", same_letters, floor, 1.0
        ),
        f"read_pixels_{kind}": mean_number(
            f"the text {where}: drawn again it makes the same pixels", same_pixels, floor, 1.0
        ),
    }
    told = [str(truth[drawn.main_attribute]) for truth in facts]
    for value in sorted(set(told)):
        items = [same for same, one in zip(same_letters, told) if one == value]
        numbers[f"read_letters_{value}_{kind}"] = mean_number(
            f"the same, letter by letter, {value}", items, None, 1.0
        )
    return numbers


def draws_the_same(drawn: DrawnCollection, facts: Facts, truth: Facts, seed: int) -> bool:
    """Whether facts that a text tells make the very picture of a seed that shows the truth."""
    if facts[drawn.main_attribute] is None:
        return False
    try:
        again = drawn.draw(facts, seed, drawn.size)
    except (KeyError, TypeError, ValueError, AttributeError):
        # parts that every picture has are not told
        return False
    return again.tobytes() == drawn.draw(truth, seed, drawn.size).tobytes()
