"""Before training: what so many pictures can give, and what the run will cost."""

import contextlib
import copy
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from oneseed.config.model import PRESETS
from oneseed.config.training import TrainConfig
from oneseed.console.amounts import describe_duration, describe_size
from oneseed.dataset.commands import train_command
from oneseed.model.caption_source import NONE, source_of
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.prior_fitting import prior_loss
from oneseed.seeds import torch_generator
from oneseed.training.augmentation import view_count
from oneseed.training.data import PairLoader
from oneseed.training.memory import total_bytes
from oneseed.training.objective import Objective
from oneseed.training.optimizers import trained_weights
from oneseed.training.pixel_source import training_collection
from oneseed.training.prior_fit import MAX_BRIEF_STEPS, PRIOR_BATCH
from oneseed.training.run_folder import KEPT_EPOCHS, MIN_EPOCH_SAVE_INTERVAL
from oneseed.training.schedule import Schedule
from oneseed.training.setup import pairs_together
from oneseed.training.word_weights import RARE_CAPTIONS

# share of the words of captions that no picture tells, above which it is said
MANY_UNTOLD = 0.2
# pictures of the first step that is timed; a whole batch is timed where it takes few seconds
TIMED_PICTURES = 2
FEW_SECONDS = 2
# steps of the prior that are timed; the quickest counts
TIMED_PRIOR_STEPS = 4
# time of the optimisers, relative to a step without them
OPTIMIZER_SHARE = 0.15
# time of encoding a picture, relative to a step's time for it: there is no way back
ENCODING_SHARE = 1 / 3
# numbers that AdamW and Muon keep for each weight, on average: two and one
OPTIMIZER_NUMBERS = 1.5
# seconds of the latent check
CHECK_SECONDS = 15
# training pictures up to which a collection gives no more than this
PROSPECTS = (
    (
        100,
        "so few are learnt by heart: a picture that is drawn again will be near to yours, and a "
        "seed mixes the tones and shapes of several",
    ),
    (
        1_000,
        "they teach their touch, tones and layout; what a seed draws will seldom have a name",
    ),
    (
        5_000,
        "they teach their kind of picture; where they show many different things, what a seed "
        "draws will not often have a name",
    ),
)


class Cost(NamedTuple):
    """What a run will take."""

    seconds: float
    # bytes to disk in all
    written: float
    # bytes that stay there
    kept: float


def describe_prospects(
    objective: Objective,
    train: PairLoader,
    val: PairLoader,
    config: TrainConfig,
    schedule: Schedule,
) -> str:
    """What so many pictures can give and what the run will cost, as a paragraph."""
    sentences = [
        describe_pictures(len(train.rows)),
        describe_captions_of(objective.model, train),
        describe_untold(train),
    ]
    cost = estimate_cost(objective, train, config, schedule)
    often = f", each picture {train.passes} times" if train.passes > 1 else ""
    sentences.append(
        f"The run: {schedule.num_epochs} epochs of {train.epoch_pairs:,} pictures{often}, "
        f"about {describe_duration(cost.seconds)} on this machine; it writes about "
        f"{describe_size(cost.written)} and keeps {describe_size(cost.kept)} in "
        f"{Path(config.checkpoints).as_posix()}/."
    )
    if objective.model.config.preset != "small" and objective.device.type == "cpu":
        collection = training_collection(config)
        first = collection.prepare_again(PRESETS["small"]["image_size"], "small")
        smaller = train_command(config.style, "--preset small", config.data)
        sentences.append(f"No GPU found; smaller: {first}, then {smaller}")
    return "\n".join(sentence for sentence in sentences if sentence)


def describe_pictures(count: int) -> str:
    """What so many training pictures can give; "" where they may be enough for anything."""
    for most, prospect in PROSPECTS:
        if count < most:
            return f"{count:,} pictures to train on: {prospect}."
    return ""


def describe_captions_of(model: MultimodalModel, train: PairLoader) -> str:
    """What becomes of the captions, in a sentence; "" where a collection is large."""
    if source_of(model.meta) == NONE:
        return "No captions: the pictures alone are learnt, and pairs will have none."
    if len(train.rows) >= PROSPECTS[-1][0]:
        return ""
    return (
        "Captions are written by the model where it learns to tell them from pictures; titles "
        "mostly cannot be told, and then each pair carries the caption of the nearest picture."
    )


def describe_untold(train: PairLoader) -> str:
    """How many words of the captions weigh less, in a sentence; "" where they are few or none."""
    weights = train.word_weights
    if weights is None or weights.told.untold_share <= MANY_UNTOLD:
        return ""
    return (
        f"Many captions are titles: {weights.told.untold_share:.0%} of their words are numbers or "
        f"stand in fewer than {RARE_CAPTIONS} captions; no picture tells those, and each weighs "
        f"{weights.untold_weight:g} in training instead of 1 (--untold-weight)."
    )


def estimate_cost(
    objective: Objective, train: PairLoader, config: TrainConfig, schedule: Schedule
) -> Cost:
    """Time a step of the networks and one of the prior, and count the files that a run writes."""
    model = objective.model
    with torch.random.fork_rng(devices=[]):
        together = pairs_together(config, train)
        per_picture = time_picture(objective, train, together) * (1 + OPTIMIZER_SHARE)
        prior_step = time_prior_step(objective)
    brief_steps = min(MAX_BRIEF_STEPS, config.sampler_steps) * schedule.num_epochs
    views = view_count(len(train.rows), train.medium)
    encoded = ENCODING_SHARE * len(train.rows) * views
    seconds = per_picture * (schedule.num_epochs * train.epoch_pairs + encoded)
    seconds += prior_step * (brief_steps + config.sampler_steps)
    seconds += CHECK_SECONDS

    size = total_bytes(model.state_dict().values())
    weights = total_bytes(trained_weights(model))
    whole_state = size + OPTIMIZER_NUMBERS * weights + 2 * total_bytes(model.sampler.parameters())
    epoch_files = schedule.num_epochs // config.checkpoint_every
    saves = 2 + min(schedule.num_epochs, int(seconds / MIN_EPOCH_SAVE_INTERVAL))
    return Cost(
        seconds=seconds,
        written=saves * (size + whole_state) + epoch_files * size,
        kept=size * (1 + min(epoch_files, KEPT_EPOCHS)) + 2 * whole_state,
    )


def time_picture(objective: Objective, train: PairLoader, together: int) -> float:
    """Seconds that a training step takes for each of its pictures, without the optimisers.

    together: pairs that are worked at together.
    """
    count = min(TIMED_PICTURES, together)
    # the first step of a process also prepares its memory
    time_step(objective, train, count)
    seconds = time_step(objective, train, count) / count
    if seconds * together < FEW_SECONDS:
        # so does the first one of each size; what is too much for a GPU is halved by the run
        with contextlib.suppress(torch.OutOfMemoryError):
            seconds = min(time_step(objective, train, together) for _ in range(2)) / together
    objective.model.zero_grad()
    return seconds


def time_step(objective: Objective, train: PairLoader, pictures: int) -> float:
    """Seconds of one step on so many pictures, forward and backward."""
    batch = train.batch(np.arange(pictures)).to(objective.device)
    begin = time.perf_counter()
    losses, _ = objective.losses(batch, objective.noise(pictures, 0))
    losses["total"].backward()
    # waits for a GPU
    losses["total"].item()
    return time.perf_counter() - begin


def time_prior_step(objective: Objective) -> float:
    """Seconds of a step of the prior's fit."""
    model = objective.model
    prior = copy.deepcopy(model.sampler).train()
    generator = torch_generator(0, "time")
    shape = (PRIOR_BATCH, prior.dims + prior.following)
    coordinates = torch.randn(shape, generator=generator).to(model.device)
    captions = torch.zeros(PRIOR_BATCH, model.config.latent_dim, device=model.device)
    times = []
    for _ in range(TIMED_PRIOR_STEPS):
        begin = time.perf_counter()
        with objective.autocast():
            loss = prior_loss(prior, coordinates, generator, captions)
        loss.backward()
        times.append(time.perf_counter() - begin)
    return min(times)
