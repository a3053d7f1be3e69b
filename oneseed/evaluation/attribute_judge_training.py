"""The picture judge is taught on drawings, and examined on others.

It learns from renders of all combinations, half of them degraded. It is examined on fresh renders
of combinations that the model never sees: it must read all seven attributes at once of MIN_CLEAN of
them, and of MIN_DEGRADED of the same blurred, noisy and of changed contrast.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from oneseed.console.output import progress
from oneseed.evaluation.attribute_judge import (
    JUDGE_FORMAT,
    AttributeJudge,
    read_judge,
    require_pass,
    save_judge,
)
from oneseed.evaluation.renders import draw_all
from oneseed.evaluation.teaching import Teacher, TeachingPlan, degrade, judge_generator
from oneseed.model.pixels import resized_views, to_pixels
from oneseed.synthetic.engravings import attributes
from oneseed.synthetic.engravings.attributes import ATTRIBUTES, Facts

# of the renders that the judge learns from; no collection has so many pictures
FIRST_JUDGE_SEED = 1_000_000
# of the renders that it is examined on
EXAM_SEED = 2_000_000
# pictures that share a generator in the examination
EXAM_BATCH = 100
JUDGE_PLAN = TeachingPlan(epochs=7, batch_size=64, learning_rate=4e-3, weight_decay=0.05)


def uniform_facts(count: int, seed: int = 0) -> list[Facts]:
    """`count` facts, near uniform over all combinations, held out or not."""
    return attributes.even_sample(attributes.combinations(5), count, seed)


def labels(facts: Sequence[Facts]) -> torch.Tensor:
    """N facts -> (N, 7) int64: the number of each attribute's value."""
    return torch.tensor([value_numbers(one) for one in facts])


def value_numbers(facts: Facts) -> list[int]:
    """The number of each attribute's value; the inverse of named_values()."""
    return [values.index(facts[name]) for name, values in ATTRIBUTES.items()]


def teach_attribute_judge(
    judge: AttributeJudge,
    pixels: torch.Tensor,
    truth: torch.Tensor,
    plan: TeachingPlan = JUDGE_PLAN,
) -> AttributeJudge:
    """Fits the judge to renders, half of each batch degraded, and returns it. Repeatable.

    pixels: uint8 (N, S, S); truth: (N, 7) int64, as labels() gives it.
    """
    generator = judge_generator("order")
    steps = len(pixels) // plan.batch_size
    teacher = Teacher(judge.parameters(), plan, plan.epochs * steps)
    half = plan.batch_size // 2
    judge.train()
    total = plan.epochs * steps
    with progress(label="teaching the picture judge", total=total, unit="step") as bar:
        for _ in range(plan.epochs):
            order = torch.randperm(len(pixels), generator=generator)
            for rows in order[: steps * plan.batch_size].view(steps, plan.batch_size):
                images = resized_views(pixels[rows])
                images = torch.cat([images[:half], degrade(images[half:], generator)])
                teacher.step(judge.loss(images, truth[rows]))
                bar.update()
    return judge.eval()


def examine_attribute_judge(
    judge: AttributeJudge, pixels: torch.Tensor, facts: Sequence[Facts]
) -> dict[str, dict[str, float]]:
    """The shares that the judge reads right, as share_right() gives them.

    pixels: uint8 (N, S, S) renders of the N facts.
    Returns {"clean": of the renders, "degraded": of the same, degraded}.
    """
    batches = []
    for i, batch in enumerate(resized_views(pixels).split(EXAM_BATCH)):
        batches.append(degrade(batch, judge_generator(f"exam {i}")))
    degraded = to_pixels(torch.cat(batches))[..., 0]  # (N, 128, 128)
    return {
        "clean": share_right(judge.see(pixels), facts),
        "degraded": share_right(judge.see(degraded), facts),
    }


def share_right(answers: Sequence[Facts], facts: Sequence[Facts]) -> dict[str, float]:
    """N answers, N truths -> {"all": share with all seven right, attribute: share right, ...}."""
    right = {"all": sum(answer == truth for answer, truth in zip(answers, facts)) / len(facts)}
    for name in ATTRIBUTES:
        equal = [answer[name] == truth[name] for answer, truth in zip(answers, facts)]
        right[name] = sum(equal) / len(facts)
    return right


def train_judge(
    path: str | Path,
    *,
    renders: int = 8000,
    exam: int = 500,
    plan: TeachingPlan = JUDGE_PLAN,
    width: int = 32,
) -> AttributeJudge:
    """Draws, teaches, examines; a judge that passes is written to `path` and returned.

    renders, exam: drawings to learn from and to be examined on; width: channels of the judge.
    UserError (code 1) for a judge that fails.
    """
    start = time.time()
    # initial values and dropout repeat, and the global generator is as before
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        facts = uniform_facts(renders)
        judge = AttributeJudge(width)
        pixels = draw_all(facts, FIRST_JUDGE_SEED, "drawing for the picture judge")
        teach_attribute_judge(judge, pixels, labels(facts), plan)
    held_out = attributes.held_out_facts(exam, seed=EXAM_SEED)
    exam_pixels = draw_all(held_out, EXAM_SEED, "examining the picture judge")
    judge.about = {
        "format": JUDGE_FORMAT,
        "collection": attributes.COLLECTION,
        "width": width,
        "renders": renders,
        **examine_attribute_judge(judge, exam_pixels, held_out),
        "seconds": round(time.time() - start),
    }
    require_pass(judge)
    save_judge(judge, path)
    return judge


def load_judge(path: str | Path) -> AttributeJudge:
    """The judge in the file, taught first where there is none for this collection.

    UserError (code 1) for a judge that failed its examination.
    """
    judge = read_judge(path)
    if judge is None:
        print(
            f"no picture judge for {attributes.COLLECTION} in {path}: teaching one, once",
            flush=True,
        )
        return train_judge(path)
    require_pass(judge)
    return judge
