"""What a run would make, of what, and what it would cost: a page, or its memory alone."""

import copy
from collections.abc import Sequence

import torch

from oneseed.config.training import TrainConfig
from oneseed.console.amounts import describe_duration
from oneseed.console.command import UserError
from oneseed.media.clip import FRAMES, FRAMES_A_ROW
from oneseed.media.kinds import CLIP, SOUND
from oneseed.media.mel import sound_seconds
from oneseed.model.caption_source import NONE, source_of
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.specs import MODEL_PARTS, parameter_counts
from oneseed.training.data import PairLoader
from oneseed.training.memory import StepMemory, estimate_memory, format_bytes, measure_memory
from oneseed.training.objective import Objective
from oneseed.training.preflight import check_batch
from oneseed.training.prospects import Cost, estimate_cost
from oneseed.training.schedule import Schedule
from oneseed.training.setup import pairs_together

# width of the names at the left of the page
NAME_WIDTH = 15


def look_ahead(
    objective: Objective,
    train: PairLoader,
    val: PairLoader,
    config: TrainConfig,
    optimizers: Sequence[torch.optim.Optimizer],
) -> int:
    """--check, --estimate or --plan, and nothing else -> exit status: 1 where a check failed.

    optimizers: all of the run's, also the prior's.
    """
    if config.check:
        return check_batch(objective, train)
    if config.estimate:
        estimate_memory(objective, train, optimizers, pairs_together(config, train))
        return 0
    schedule = Schedule.of(config, len(train))
    is_prepared = train.pixels is not None
    cost = estimate_cost(objective, train, config, schedule) if is_prepared else None
    memory = measure_memory(objective, train, optimizers, pairs_together(config, train))
    page = describe_plan(
        objective.model, train, val, config, schedule=schedule, memory=memory, cost=cost
    )
    print(page)
    return 1 if config.memory_budget and memory.total > config.memory_budget else 0


def require_budget(
    objective: Objective,
    optimizers: Sequence[torch.optim.Optimizer],
    train: PairLoader,
    config: TrainConfig,
) -> None:
    """UserError where a step of the run would hold more than --memory-budget; 0: any.

    A copy of the model is measured, and no random number is taken.
    """
    if config.memory_budget:
        with torch.random.fork_rng(devices=[]):
            copied, copied_optimizers = copy.deepcopy((objective, optimizers))
            together = pairs_together(config, train)
            memory = measure_memory(copied, train, copied_optimizers, together)
        refuse_memory(memory, config.memory_budget)


def describe_plan(
    model: MultimodalModel,
    train: PairLoader,
    val: PairLoader,
    config: TrainConfig,
    *,
    schedule: Schedule,
    memory: StepMemory,
    cost: Cost | None,
) -> str:
    """The page. memory: of a step; cost: of the run, None where its collection is not prepared."""
    collection = f"{len(train.rows):,} to train, {len(val.rows):,} to check"
    lines = [
        ("makes", what_is_made(model, train)),
        ("collection", f"{config.style}: {collection if cost else 'not prepared yet'}"),
        *part_lines(model, config.parameters),
        ("memory", memory_line(memory, config.memory_budget)),
    ]
    if cost:
        lines += [
            (
                "time",
                f"{schedule.num_epochs} epochs of {train.epoch_pairs:,}, about "
                f"{describe_duration(cost.seconds)} on this machine",
            ),
            (
                "disk",
                f"{format_bytes(cost.kept)} stay in {config.checkpoints}, "
                f"{format_bytes(cost.written)} are written in all",
            ),
        ]
    return "\n".join(f"{name:<{NAME_WIDTH}} {text}" for name, text in lines)


def what_is_made(model: MultimodalModel, train: PairLoader) -> str:
    """What a seed gives."""
    side = model.config.image_size
    colours = "grey" if model.config.channels == 1 else "RGB"
    if train.medium == SOUND:
        made = f"a sound of {sound_seconds(side):.1f} s, as its spectrum of {side} px"
    elif train.medium == CLIP:
        made = f"a clip of {FRAMES} frames of {side // FRAMES_A_ROW} px, {colours}"
    else:
        made = f"a picture of {side} px, {colours}"
    words = "alone" if source_of(model.meta) == NONE else "and its caption"
    return f"{made}, {words}, from a latent of {model.config.latent_dim:,}"


def part_lines(model: MultimodalModel, budget: int) -> list[tuple[str, str]]:
    """A line for each part, and their sum against the budget."""
    counts = parameter_counts(model)
    lines = [(name, f"{count:>12,}   {MODEL_PARTS[name]}") for name, count in counts.items()]
    total = sum(counts.values())
    of_budget = f"   {total / budget:.0%} of the budget of {budget:,}" if budget else ""
    return [*lines, ("parameters", f"{total:>12,}{of_budget}")]


def memory_line(memory: StepMemory, budget: int) -> str:
    """What a step holds, against the budget."""
    parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in memory.parts.items())
    line = f"{format_bytes(memory.total)} a step ({parts})"
    if not budget:
        return line
    fits = "within" if memory.total <= budget else "ABOVE"
    return f"{line}; {fits} the budget of {format_bytes(budget)}"


def refuse_memory(memory: StepMemory, budget: int) -> None:
    """UserError where a step would hold more than the budget; names what would fit."""
    if memory.total <= budget:
        return
    fixed = memory.total - memory.per_picture * memory.pictures
    pictures = int((budget - fixed) / memory.per_picture) if memory.per_picture else 0
    if pictures >= 2:
        remedy = f"--micro-batch {pictures} would fit, or allow more"
    else:
        remedy = "a narrower model would fit, such as with --parameters, or allow more"
    raise UserError(
        f"--memory-budget {format_bytes(budget)} cannot be kept: a step holds "
        f"{format_bytes(memory.total)}, {format_bytes(fixed)} of it whatever the batch; {remedy}"
    )
