"""Prompts, captions, retrieval, styles, walks and variations, judged exactly."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from oneseed.evaluation.exact import FIRST_RENDER, Exam
from oneseed.evaluation.metrics import combination, distinct, hit_items, hits
from oneseed.evaluation.samples import ImageCaption, as_images, generated_pairs
from oneseed.evaluation.section import Number, Section, joined, mean_number
from oneseed.synthetic.drawn import Facts

# a partial prompt tells what this level tells, such as subject, count, size and place
PARTIAL_LEVEL = 3
RETRIEVAL_PLACES = (1, 5, 10)
# walks between two seeds
WALKS = 30
# pictures of a walk, both ends included
WALK_STEPS = 8
# pictures that are varied
VARIED_PICTURES = 60
# 0: the same picture; 1: another one
VARIATION_STRENGTHS = (0.3, 0.6)


def measure_conditions(exam: Exam, count: int) -> Section:
    """Prompts, pictures to captions, and retrieval, `count` of each kind.

    For attribute combinations that training has seen (drawn and told afresh) and, at the last
    level, for those held out.
    """
    seen_facts = exam.some_trained(count, "conditions")
    parts = [measure_condition(exam, "seen", seen_facts)]
    if exam.is_complete:
        unseen_facts = exam.drawn.held_out_facts(count, FIRST_RENDER)
        parts.append(measure_condition(exam, "unseen", unseen_facts))
    return joined(parts)


def measure_condition(exam: Exam, kind: str, facts: list[Facts]) -> Section:
    """The same for N facts. kind: "seen" or "unseen" combinations."""
    renders = as_images(exam.draw(facts, f"renders of {kind} combinations"))
    captions = exam.tell(facts)
    real_seen = exam.see(renders)
    pairs = list(generated_pairs(exam.generator, range(len(facts)), prompts=captions))
    read = exam.read(pairs)
    written = exam.parse(exam.generator.caption(renders))
    where = f"strict, {kind} combinations"
    numbers = {
        f"caption_to_picture_{kind}": exam.agreement_number(
            f"caption to picture: the picture drawn for a prompt shows it, {where}",
            facts,
            read.seen,
            ceiling=exam.strict_agreement(facts, real_seen),
        ),
        f"prompt_to_pair_{kind}": exam.agreement_number(
            f"the same, and the caption drawn with it says it, {where}",
            facts,
            claimed_by_both(read.seen, read.said, exam.names),
            ceiling=exam.strict_agreement(facts, real_seen),
        ),
        f"picture_to_caption_{kind}": exam.agreement_number(
            f"picture to caption: what is written for a new picture is true, {where}",
            facts,
            written,
            ceiling=1.0,
        ),
    }
    may_be_partial = PARTIAL_LEVEL in exam.drawn.levels and not exam.kind
    if exam.is_complete and may_be_partial and kind == "seen":
        numbers |= partial_prompt_numbers(exam, facts)
    scores = exam.generator.similarity(renders, captions).numpy()
    return Section(numbers | retrieval_numbers(exam, kind, facts, scores))


def claimed_by_both(seen: list[Facts], said: list[Facts], names: Sequence[str]) -> list[Facts]:
    """What picture and caption show both; nothing of a pair that disagrees in one of the names.

    names: the attributes that captions tell; a judge sees others, too.
    """
    return [
        one if combination(one, names) == combination(other, names) else dict.fromkeys(one)
        for one, other in zip(seen, said)
    ]


def partial_prompt_numbers(exam: Exam, facts: list[Facts]) -> dict[str, Number]:
    """Prompts as people write them, which leave some attributes open."""
    names = exam.drawn.levels[PARTIAL_LEVEL]
    prompts = exam.tell(facts, PARTIAL_LEVEL)
    pairs = list(generated_pairs(exam.generator, range(len(facts)), prompts=prompts))
    read = exam.read(pairs)
    open_names = [name for name in exam.names if name not in names]
    combinations = math.prod(len(exam.drawn.attributes[name]) for name in open_names)
    told = f"{', '.join(names[:-1])} and {names[-1]}"
    return {
        "partial_prompt": exam.agreement_number(
            f"a prompt of {told} alone: picture and caption say it, strict",
            facts,
            claimed_by_both(read.seen, read.said, exam.names),
            names=names,
        ),
        "partial_prompt_spread": Number(
            f"… and how many of the {combinations} combinations of what it leaves open occur",
            distinct(read.seen, open_names) / combinations,
            1 / combinations,
            1.0,
        ),
    }


def retrieval_numbers(
    exam: Exam, kind: str, facts: list[Facts], scores: np.ndarray
) -> dict[str, Number]:
    """How often the right caption is among the first for its picture, and the other way round.

    scores: (N, N), pictures by captions.
    """
    numbers = {}
    ways = (("picture", "caption", scores.T), ("caption", "picture", scores))
    for wanted, query, by_query in ways:
        for best in RETRIEVAL_PLACES:
            numbers[f"retrieval_{wanted}_{best}_{kind}"] = mean_number(
                f"retrieval: a {wanted} of the right facts among the first {best} "
                f"of {len(facts)} for its {query}, {kind} combinations",
                hit_items(by_query, facts, exam.names, best),
                hits(np.roll(by_query, 1, 1), facts, exam.names, best),
                1.0,
            )
    return numbers


def measure_styles(exam: Exam, count: int) -> Section:
    """The requested style in `count` seeds, and in pictures moved to another style.

    Styles are the values of one attribute. Empty where the generator has fewer than two.
    """
    if len(exam.generator.styles) < 2 or not exam.drawn.style_attribute:
        return Section()
    return joined([measure_requested_styles(exam, count), measure_style_transfer(exam, count)])


def measure_requested_styles(exam: Exam, count: int) -> Section:
    """Do pairs that are asked for a style show and name it?"""
    styles = exam.generator.styles
    name = exam.drawn.style_attribute
    wanted = [styles[i % len(styles)] for i in range(count)]
    pairs: dict[int, ImageCaption] = {}
    for style in styles:
        numbers = numbers_of(style, wanted)
        pairs.update(zip(numbers, generated_pairs(exam.generator, numbers, style=style)))
    read = exam.read([pairs[i] for i in range(count)])
    drawn = are_of_styles(read.seen, wanted, name)
    named = are_of_styles(read.said, wanted, name)
    chance = 1 / len(styles)
    return Section(
        {
            "style_drawn": mean_number(f"style: the {name} asked for is drawn", drawn, chance, 1.0),
            "style_named": mean_number(f"style: the {name} asked for is named", named, chance, 1.0),
        }
    )


def measure_style_transfer(exam: Exam, count: int) -> Section:
    """Do pictures that are moved to another style show it, and keep all else?"""
    generator = exam.generator
    styles = generator.styles
    name = exam.drawn.style_attribute
    facts = exam.some_trained(count, "styles")
    renders = as_images(exam.draw(facts, "renders to restyle", offset=2_000_000))
    wanted = []
    for i, one in enumerate(facts):
        shift = 1 + i % (len(styles) - 1)
        wanted.append(styles[(styles.index(one[name]) + shift) % len(styles)])
    pairs: dict[int, ImageCaption] = {}
    for style in styles:
        numbers = numbers_of(style, wanted)
        if numbers:
            pairs.update(zip(numbers, generator.restyle([renders[i] for i in numbers], style)))
    read = exam.read([pairs[i] for i in range(count)])
    others = [other for other in exam.names if other != name]
    rebuilt = exam.see(generator.reconstruct(renders))
    return Section(
        {
            "transfer_drawn": mean_number(
                f"style transfer: a picture moved to another {name} shows it",
                are_of_styles(read.seen, wanted, name),
                0.0,
                1.0,
            ),
            "transfer_named": mean_number(
                "style transfer: its caption names it",
                are_of_styles(read.said, wanted, name),
                0.0,
                1.0,
            ),
            "transfer_kept": exam.agreement_number(
                "style transfer: all other attributes of the picture kept",
                facts,
                read.seen,
                names=others,
                ceiling=exam.strict_agreement(facts, rebuilt, names=others),
            ),
        }
    )


def numbers_of(style: str, wanted: Sequence[str]) -> list[int]:
    """The numbers of the pairs that shall have the style."""
    return [i for i, other in enumerate(wanted) if other == style]


def are_of_styles(facts: list[Facts], wanted: Sequence[str], name: str) -> list[bool]:
    """Have the facts the wanted styles? name: of the attribute that is the style."""
    return [one[name] == style for one, style in zip(facts, wanted)]


def measure_walks(exam: Exam) -> Section:
    """Interpolations: do picture and caption agree on the way? Variations: what is kept?"""
    return joined([measure_interpolation(exam), measure_variations(exam)])


def measure_interpolation(exam: Exam) -> Section:
    """Do picture and caption agree between two seeds?"""
    pairs: list[ImageCaption] = []
    for first in range(FIRST_RENDER, FIRST_RENDER + WALKS):
        pairs += exam.generator.interpolate(first, first + 1, WALK_STEPS)[1:-1]
    read = exam.read(pairs)
    numbers = {}
    for kind, words in (("strict", "strict"), ("mean", "mean of attributes")):
        numbers[f"interpolation_{kind}"] = exam.agreement_number(
            f"interpolation: picture and caption agree between two seeds, {words}",
            read.seen,
            read.said,
            kind=kind,
            together=WALK_STEPS - 2,
        )
    return Section(numbers)


def measure_variations(exam: Exam) -> Section:
    """How much of a picture is left in its variations, and do their captions follow?"""
    facts = exam.some_trained(VARIED_PICTURES, "variations")
    renders = as_images(exam.draw(facts, "renders to vary", offset=3_000_000))
    numbers = {}
    for strength in VARIATION_STRENGTHS:
        read = exam.read(varied_pairs(exam, renders, strength))
        where = f"variation at strength {strength:g}"
        numbers[f"variation_kept_{strength:g}"] = exam.agreement_number(
            f"{where}: attributes of the picture kept, mean", facts, read.seen, kind="mean"
        )
        numbers[f"variation_agrees_{strength:g}"] = exam.agreement_number(
            f"{where}: picture and caption agree, strict", read.seen, read.said
        )
    return Section(numbers)


def varied_pairs(exam: Exam, renders: Sequence[Image.Image], strength: float) -> list[ImageCaption]:
    """One variation of each picture; picture i is varied with seed i."""
    return [exam.generator.vary(render, [i], strength)[0] for i, render in enumerate(renders)]
