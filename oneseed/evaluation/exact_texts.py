"""Texts that are code, checked exactly: do they parse, and do they make what the picture shows?

Texts are parsed, not executed; the one exception is a guarded statement of SQL in memory, see
oneseed/synthetic/screens/reading.py.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from oneseed.console.command import UserError
from oneseed.evaluation.exact import FIRST_RENDER, Exam
from oneseed.evaluation.samples import GENERATED_AT_ONCE, ImageCaption, as_images
from oneseed.evaluation.section import Number, Section, mean_number
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.reading import has_grammar
from oneseed.seeds import latents
from oneseed.synthetic.drawn import Checked, DrawnCollection, Facts
from oneseed.workers import chunks

# of numbers whose captions were held to the collection's grammar: in their keys, and in titles
CONSTRAINED = "_constrained"
HELD = ", held to the grammar"


def measure_texts(
    exam: Exam,
    pairs: Sequence[ImageCaption],
    seen: Sequence[Facts],
    seeds: Sequence[int],
    count: int,
) -> Section:
    """Are texts valid, and is the text of a new picture the one that makes it, letter by letter?

    pairs: of the seeds; seen: what a judge sees in their pictures; count: pictures that are read.
    Where the collection has a grammar, all is measured a second time, with captions that are held
    to it. Empty where a collection's texts are no code.
    """
    drawn = exam.drawn
    if drawn.check is None:
        return Section()
    texts = [caption for _, caption in pairs]
    found = [drawn.check(text) for text in texts]
    numbers = validity_numbers(found, "")
    kinds = ["seen", "unseen"] if exam.is_complete else ["seen"]
    facts_of = {
        kind: exam.some_trained(count, "texts")
        if kind == "seen"
        else drawn.held_out_facts(count, FIRST_RENDER)
        for kind in kinds
    }
    for kind, facts in facts_of.items():
        numbers |= read_numbers(exam, kind, facts)
    held_generator, fault = generator_in_grammar(exam)
    if held_generator:
        held = replace(exam, generator=held_generator)
        held_texts = texts_of_seeds(held.generator, seeds)
        numbers |= validity_numbers([drawn.check(text) for text in held_texts], HELD)
        numbers[f"joint_strict{CONSTRAINED}"] = exam.agreement_number(
            f"picture and text of a seed agree, all at once{HELD}",
            list(seen),
            exam.parse(held_texts),
        )
        for kind, facts in facts_of.items():
            numbers |= read_numbers(held, kind, facts)
    reasons = sorted({one.reason for one in found if one.reason})[:3]
    notes = [f"Texts that are none of the collection: {' '.join(reasons)}"] if reasons else []
    notes += [f"Without figures held to the grammar: {fault}."] if fault else []
    return Section(numbers, notes=notes)


def generator_in_grammar(exam: Exam) -> tuple[MultimodalGenerator | None, str]:
    """The generator held to the grammar of the collection, or why it cannot be; "" without one."""
    if not has_grammar(exam.generator.model):
        return None, ""
    try:
        return exam.generator.in_grammar(), ""
    except UserError as error:
        return None, str(error)


def validity_numbers(found: Sequence[Checked], way: str) -> dict[str, Number]:
    """How many texts of seeds are valid. way: how they were written, "" or HELD."""
    end = CONSTRAINED if way else ""
    return {
        f"texts_valid{end}": mean_number(
            f"texts of seeds that a parser of their language reads{way}",
            [one.is_valid for one in found],
            None,
            1.0,
        ),
        f"texts_known{end}": mean_number(
            f"texts of seeds that are such as the collection has{way}",
            [not one.reason for one in found],
            None,
            1.0,
        ),
    }


def texts_of_seeds(generator: MultimodalGenerator, seeds: Sequence[int]) -> list[str]:
    """The captions of seeds; their pictures are not drawn."""
    texts = []
    for some in chunks(seeds, GENERATED_AT_ONCE):
        z = latents(some, generator.dimensions)
        # as the model finishes seeds itself: named, a finish means a picture's own code
        finish = None if generator.finish == generator.model.finish else generator.finish
        texts += generator.model.decode_text(z, finish=finish, constraint=generator.constraint)
    return texts


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
    end = kind
    if exam.generator.is_constrained:
        where += HELD
        end += CONSTRAINED
    same_letters = [text == one for text, one in zip(written, true)]
    same_pixels = [
        draws_the_same(drawn, one.facts, truth, seed)
        for one, truth, seed in zip(checked, facts, seeds)
    ]
    floor = float(np.mean([other == one for other, one in zip(others, true)]))
    numbers = {
        f"read_valid_{end}": mean_number(
            f"the text {where}: a parser reads it", [one.is_valid for one in checked], None, 1.0
        ),
        f"read_letters_{end}": mean_number(
            f"the text {where}: letter by letter the true one", same_letters, floor, 1.0
        ),
        f"read_pixels_{end}": mean_number(
            f"the text {where}: drawn again it makes the same pixels", same_pixels, floor, 1.0
        ),
    }
    told = [str(truth[drawn.main_attribute]) for truth in facts]
    for value in sorted(set(told)):
        items = [same for same, one in zip(same_letters, told) if one == value]
        numbers[f"read_letters_{value}_{end}"] = mean_number(
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
