"""The picture judge is taught on drawings, and examined on others.

It learns from renders of all combinations, as they are, mildly degraded, and spoilt until nobody
reads them (`spoiling`). Where it does not learn to read so, another learns to read first, and then
where reading ends: small shapes in any turn need that. It is examined on fresh renders of
combinations that the model never sees. It must read all attributes at once of MIN_CLEAN of them,
and of MIN_DEGRADED of the same slightly blurred, noisy and of changed contrast; and of the same
strongly blurred it may name the subject of MAX_BLURRED at most.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from oneseed import seeds
from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.evaluation.attribute_judge import (
    JUDGE_FORMAT,
    AttributeJudge,
    lost_by_blur,
    read_judge,
    require_pass,
    save_judge,
    what_is_lost,
)
from oneseed.evaluation.renders import draw_all
from oneseed.evaluation.spoiling import DIRECTIONS_FROM, IGNORED, Drawings, Spoiler
from oneseed.evaluation.teaching import (
    Teacher,
    TeachingPlan,
    blurred,
    degrade,
    judge_generator,
)
from oneseed.model.pixels import to_pixels
from oneseed.synthetic.drawn import DrawnCollection, Facts, even_sample

# of the renders that the judge learns from; no collection has so many pictures
FIRST_JUDGE_SEED = 1_000_000
# of the renders that it is examined on
EXAM_SEED = 2_000_000
# pictures that share a generator in the examination
EXAM_BATCH = 100
# blur in pixels: of degraded renders at most, and of blurred ones
DEGRADED_SIGMA = 0.7
BLURRED_SIGMA = 3.0
# … and where the share of subjects that are read is told
CURVE_SIGMAS = (1.0, 1.5, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Lessons:
    """A part of a course: many renders, several times."""

    renders: int
    plan: TeachingPlan
    # some beyond reading, or all as people read them
    spoils: bool = True


JUDGE_PLAN = TeachingPlan(epochs=5, batch_size=64, learning_rate=4e-3, weight_decay=0.05)
# the next is taken where a judge fails after the one before
COURSES = (
    (Lessons(8000, JUDGE_PLAN),),
    (
        Lessons(24_000, replace(JUDGE_PLAN, epochs=4, learning_rate=1.5e-3), spoils=False),
        Lessons(16_000, replace(JUDGE_PLAN, epochs=6, learning_rate=1e-3)),
    ),
)


def taught_facts(drawn: DrawnCollection, count: int, seed: int = 0) -> list[Facts]:
    """`count` facts, near uniform over all combinations, held out or not.

    The second half are rivals of the first: the same facts but for the subject.
    """
    subject = drawn.main_attribute
    values = drawn.attributes[subject]
    first = even_sample(drawn.every_combination(), count // 2, seed)
    steps = seeds.numpy_generator(seed, "rivals").integers(1, len(values), len(first))
    rivals = []
    for facts, step in zip(first, steps.tolist()):
        other = values[(values.index(facts[subject]) + step) % len(values)]
        rivals.append({**facts, subject: other})
    return first + rivals


def labels(drawn: DrawnCollection, facts: Sequence[Facts]) -> torch.Tensor:
    """N facts -> (N, attributes) int64: the number of each value.

    IGNORED where the value is none of the attribute's, as at levels that do not tell it.
    """
    return torch.tensor([value_numbers(drawn, one) for one in facts])


def value_numbers(drawn: DrawnCollection, facts: Facts) -> list[int]:
    """The number of each attribute's value; the inverse of AttributeJudge.named_values()."""
    return [
        values.index(facts[name]) if facts[name] in values else IGNORED
        for name, values in drawn.attributes.items()
    ]


def teach_attribute_judge(
    judge: AttributeJudge,
    pixels: torch.Tensor,
    truth: torch.Tensor,
    plan: TeachingPlan = JUDGE_PLAN,
    spoils: bool = True,
) -> AttributeJudge:
    """Fits the judge to renders, most of each batch degraded or spoilt. Repeatable.

    pixels: uint8 renders of taught_facts(), in their order; truth: as labels() gives it.
    spoils: False where all are to stay readable.
    """
    generator = judge_generator("order")
    half = len(pixels) // 2
    steps = 2 * half // plan.batch_size
    spoiler = Spoiler(judge.drawn, judge.views(pixels[:half][:DIRECTIONS_FROM]))
    lesson = spoiler.lesson if spoils else spoiler.reading_lesson
    total = plan.epochs * steps
    teacher = Teacher(judge.parameters(), plan, total)
    judge.train()
    with progress(label="teaching the picture judge", total=total, unit="step") as bar:
        for _ in range(plan.epochs):
            order = torch.randperm(2 * half, generator=generator)
            for rows in order[: steps * plan.batch_size].view(steps, plan.batch_size):
                rivals = (rows + half) % (2 * half)
                batch = Drawings(
                    judge.views(pixels[rows]), judge.views(pixels[rivals]), truth[rows]
                )
                teacher.step(judge.loss(*lesson(batch, generator)))
                bar.update()
    return judge.eval()


class Examinee(Protocol):
    """A judge that can be examined."""

    drawn: DrawnCollection

    def views(self, pictures: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Uint8 pictures -> (N, C, S, S) in [-1, 1]."""
        ...

    def see(self, pictures: np.ndarray | torch.Tensor) -> list[Facts]:
        """What each picture shows."""
        ...


def examine_attribute_judge(
    judge: Examinee, pixels: torch.Tensor, facts: Sequence[Facts]
) -> dict[str, dict[str, float]]:
    """The shares that the judge reads right.

    pixels: uint8 renders of the N facts.
    Returns, as share_right() gives them, {"clean": of the renders, "degraded": of the same,
    degraded, "blurred": of the same, blurred by BLURRED_SIGMA}, and "subject_by_blur": {sigma:
    share of what blur takes that is read}.
    """
    views = judge.views(pixels)
    degraded = []
    for i, batch in enumerate(views.split(EXAM_BATCH)):
        degraded.append(degrade(batch, judge_generator(f"exam {i}"), DEGRADED_SIGMA))
    by_blur = {
        sigma: share_right(judge.see(to_pixels(blurred(views, sigma))), facts)
        for sigma in CURVE_SIGMAS
    }
    lost = lost_by_blur(judge.drawn)
    return {
        "clean": share_right(judge.see(pixels), facts),
        "degraded": share_right(judge.see(to_pixels(torch.cat(degraded))), facts),
        "blurred": by_blur[BLURRED_SIGMA],
        "subject_by_blur": {f"{sigma:g}": right[lost] for sigma, right in by_blur.items()},
    }


def share_right(answers: Sequence[Facts], facts: Sequence[Facts]) -> dict[str, float]:
    """N answers, N truths -> {"all": share with all right at once, attribute: share right, ...}."""
    right = {"all": sum(answer == truth for answer, truth in zip(answers, facts)) / len(facts)}
    for name in facts[0]:
        equal = [answer[name] == truth[name] for answer, truth in zip(answers, facts)]
        right[name] = sum(equal) / len(facts)
    return right


def taught_judge(drawn: DrawnCollection, course: Sequence[Lessons], width: int) -> AttributeJudge:
    """A judge that has taken a course. Repeatable, and the global generator is as before."""
    # initial values and dropout repeat
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        judge = AttributeJudge(drawn, width)
        begin = FIRST_JUDGE_SEED
        for number, lessons in enumerate(course):
            facts = taught_facts(drawn, lessons.renders, seed=number)
            # rivals share the seed of their first
            first = range(begin, begin + len(facts) // 2)
            begin = first.stop
            pixels = draw_all(drawn, facts, [*first, *first], "drawing for the picture judge")
            truth = labels(drawn, facts)
            teach_attribute_judge(judge, pixels, truth, lessons.plan, lessons.spoils)
    return judge


def train_judge(
    path: str | Path,
    drawn: DrawnCollection,
    *,
    exam: int = 500,
    courses: Sequence[Sequence[Lessons]] = COURSES,
    width: int = 32,
) -> AttributeJudge:
    """Draws, teaches, examines; a judge that passes is written to `path` and returned.

    exam: drawings to be examined on. courses: taken one after the other, each by a new judge, until
    one passes. width: channels of the judge. UserError (code 1) where none passes.
    """
    start = time.time()
    held_out = drawn.held_out_facts(exam, seed=EXAM_SEED)
    exam_seeds = range(EXAM_SEED, EXAM_SEED + exam)
    exam_pixels = draw_all(drawn, held_out, exam_seeds, "drawing for its examination")
    for course in courses:
        judge = taught_judge(drawn, course, width)
        judge.about = {
            "format": JUDGE_FORMAT,
            "collection": drawn.version,
            "width": width,
            "renders": sum(lessons.renders for lessons in course),
            **examine_attribute_judge(judge, exam_pixels, held_out),
            "seconds": round(time.time() - start),
        }
        try:
            require_pass(judge)
            break
        except UserError as error:
            if course is courses[-1]:
                raise
            print(f"{error}; another learns longer, and to read first", flush=True)
    save_judge(judge, path)
    print(examination_result(judge.about, lost_by_blur(drawn)), flush=True)
    return judge


def examination_result(about: dict[str, Any], subject: str) -> str:
    """How a judge did, in one sentence. subject: as of lost_by_blur()."""
    curve = [f"{share:.2f} at {sigma}" for sigma, share in about["subject_by_blur"].items()]
    return (
        f"The picture judge reads every attribute of {about['clean']['all']:.3f} of clean renders "
        f"and of {about['degraded']['all']:.3f} of degraded ones; {what_is_lost(subject)} of "
        f"renders that are blurred, by pixels: {', '.join(curve)}."
    )


def load_judge(path: str | Path, drawn: DrawnCollection) -> AttributeJudge:
    """The judge in the file, taught first where there is none for this collection.

    UserError (code 1) for a judge that failed its examination.
    """
    judge = read_judge(path, drawn)
    if judge is None:
        print(f"no picture judge for {drawn.version} in {path}: teaching one, once", flush=True)
        return train_judge(path, drawn)
    require_pass(judge)
    return judge
