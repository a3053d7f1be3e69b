"""Fits of the prior, which carries seeds into codes: short after each epoch, full at the end.

The short fit goes on from the last one, so that every saved model can be sampled. The full fit
begins anew: what the short fits found in few codes it would never leave. Of its states the one is
kept that describes held-out codes best, since a flow that learns a few hundred codes by heart
leaves no room between them. Both resume after any step.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from oneseed.console.command import UserError, defer_signals
from oneseed.console.output import progress
from oneseed.model import latent_check
from oneseed.model.prior import Prior
from oneseed.model.prior_fitting import (
    ROWS_PER_CLUSTER,
    begin_fitting,
    fit_clusters,
    fit_frame,
    fit_spread,
    fit_styles,
    prior_loss,
)
from oneseed.seeds import torch_generator
from oneseed.training.augmentation import view_count
from oneseed.training.data import PairLoader, sample_rows
from oneseed.training.encoding import (
    caption_texts,
    encode_captions,
    encode_codes,
    encode_latents,
)
from oneseed.training.fragments import teach_fragments
from oneseed.training.objective import Objective, autocast
from oneseed.training.optimizers import gradients_of, set_learning_rate
from oneseed.training.run_folder import RunFolder
from oneseed.training.state import PriorFit, TrainState

# steps of the fit at the end of an epoch, at most
MAX_BRIEF_STEPS = 25
# codes per step
PRIOR_BATCH = 512
# steps in which the learning rate rises to its peak
PRIOR_WARMUP_STEPS = 20
# what a run says of its model once it has ended
MEASURED_AT_THE_END = ("health", "match")
# peak of the learning rate
BRIEF_LEARNING_RATE = 1e-3
FULL_LEARNING_RATE = 3e-3
# what the user can do where a loss is not finite
TRAIN_ANEW = "train anew with another --seed and --fresh"
# versions of each caption that the full fit learns to answer, fragments but the first, at most
PROMPT_VERSIONS = 6
# features of captions that it keeps, in all versions
MAX_FIT_FEATURES = 60_000
# a whole caption comes so many times more often than each of its fragments
WHOLE_MORE_OFTEN = 2
# training pictures whose codes the full fit learns from
MAX_FIT_CODES = 40_000
# validation pictures whose codes say when it is at its best
MAX_HELD_OUT_CODES = 2_000
# those among them that the latent check reads: its forest takes seconds
MAX_CHECKED_CODES = 1_000
# captions that the latent check reads
CHECKED_CAPTIONS = 8
# times that the full fit may show every training picture and do without dropout
PASSES_WITHOUT_DROPOUT = 150
# times that the full fit measures the loss of held-out codes
MEASUREMENTS = 20
# held-out coordinates that it is measured on, at least: fewer codes are repeated with other noise
MIN_MEASURED = 2_000


@dataclass(frozen=True)
class PriorFitter:
    """What the fits of one run have in common."""

    state: TrainState
    # the training pairs, whose captions the prior learns to answer
    train: PairLoader
    # int (N,): the style of each training pair
    styles: Tensor
    # int (N,): the training pairs in the order in which their codes are taken
    order: Tensor
    seed: int
    # saves an interrupted fit
    folder: RunFolder
    # of the forward passes, "bf16" or "fp32"
    precision: str = "fp32"

    @property
    def prior(self) -> Prior:
        """The prior of the model."""
        return self.state.model.sampler


@dataclass(frozen=True)
class FitBatches:
    """Where the steps of one fit draw their batches from."""

    # (N, k + m), on the model's device
    coordinates: Tensor
    # (V, M, D), on the model's device: M divides N, code i belongs to caption i % M
    captions: Tensor
    # of batches and noise
    generator: torch.Generator
    # of the whole fit
    steps: int
    # what the user can do where the loss is not finite
    advice: str


def fit_prior_briefly(
    fitter: PriorFitter, codes: Tensor, rows: Tensor, *, steps: int, epoch: int
) -> None:
    """Fit the prior a little further to the codes (M, D) of some training rows (M,).

    The frame is turned to agree with the last one, which the same rows began, so that the flow
    starts warm. An interrupted fit goes on.
    """
    state = fitter.state
    prior = fitter.prior
    # the last word keeps the draws of this fit apart from those of the other
    generator = torch_generator(f"{fitter.seed} {epoch} False", "flow")
    if state.prior_fit is None:
        # the random numbers of the dropout
        torch.manual_seed(generator.initial_seed())
        # a copy: an interruption here leaves the prior as it was
        fresh = copy.deepcopy(prior)
        coordinates = fit_to_codes(fitter, fresh, codes, rows, generator=generator, is_warm=True)
        with defer_signals():
            state.coordinates = coordinates
            state.prior_fit = PriorFit.begin(fresh, generator)
    fit = state.prior_fit
    fit.restore(prior, generator)
    batches = FitBatches(
        coordinates=fitted_coordinates(state),
        captions=encode_captions(state.model, fitter.train, rows, seed=fitter.seed),
        generator=generator,
        steps=steps,
        advice=TRAIN_ANEW,
    )
    begin_fitting(prior, dropout=True)
    for step in range(fit.step, steps):
        with defer_signals():
            warmup = min(1, (step + 1) / PRIOR_WARMUP_STEPS)
            set_learning_rate([state.prior_optimizer], BRIEF_LEARNING_RATE * warmup)
            prior_step(fitter, batches, step)
            fit.advance(generator)
        fitter.folder.save_if_due(state)
    prior.eval()
    fit_spread(prior, batches.coordinates, generator)
    # of a run that goes on after its end: all of these were of the last fit
    state.model.drop_pictures()
    for name in MEASURED_AT_THE_END:
        state.model.meta.pop(name, None)


def fit_prior_fully(
    fitter: PriorFitter,
    codes: Tensor,
    rows: Tensor,
    *,
    held_out: Tensor,
    steps: int,
    learning_rate: float = FULL_LEARNING_RATE,
) -> None:
    """Fit the prior anew and to the end, to the codes (V M, D) of V views of training rows (M,).

    held_out: codes (M, D) that the prior is not fitted to. The weights that describe them best are
    kept. An interrupted fit goes on.
    """
    state = fitter.state
    prior = fitter.prior
    # the last word keeps the draws of this fit apart from those of the other
    generator = torch_generator(f"{fitter.seed} 0 True", "flow")
    if state.prior_fit is None:
        # the random numbers of initial values and dropout
        torch.manual_seed(generator.initial_seed())
        fresh = state.model.new_sampler()
        coordinates = fit_to_codes(fitter, fresh, codes, rows, generator=generator, is_warm=False)
        with defer_signals():
            prior.load_state_dict(dict(fresh.named_parameters()), strict=False)
            state.prior_optimizer.state.clear()
            state.coordinates = coordinates
            state.prior_fit = PriorFit.begin(fresh, generator)
    fit = state.prior_fit
    fit.restore(prior, generator)
    versions = version_count(len(rows))
    captions = encode_captions(state.model, fitter.train, rows, versions=versions, seed=fitter.seed)
    best_model = fitter.folder.path / "best_model.pt"
    advice = f"use {best_model} as it is, its sampler fitted briefly, or {TRAIN_ANEW}"
    batches = FitBatches(fitted_coordinates(state), captions, generator, steps, advice)
    measured = held_out_coordinates(prior, held_out.to(batches.coordinates))
    dropout = needs_dropout(len(rows), steps)
    begin_fitting(prior, dropout=dropout)
    remaining = range(fit.step, steps)
    for step in progress(
        remaining, label="fitting the sampler", unit="step", total=steps, initial=fit.step
    ):
        with defer_signals():
            warmup = (step + 1) / PRIOR_WARMUP_STEPS
            decay = 2 * (1 - step / steps)
            set_learning_rate([state.prior_optimizer], learning_rate * min(1, warmup, decay))
            prior_step(fitter, batches, step)
            if (step + 1) % max(1, steps // MEASUREMENTS) == 0:
                fit.keep_if_better(held_out_loss(prior, measured, fitter.seed), prior)
                begin_fitting(prior, dropout=dropout)
            fit.advance(generator)
        fitter.folder.save_if_due(state)
    prior.eval()
    if fit.best_weights is None:
        raise UserError(f"the fit of the sampler was never measured; {batches.advice}", code=1)
    prior.load_state_dict(fit.best_weights, strict=False)
    fit_spread(prior, measured, generator)


def needs_dropout(rows: int, steps: int) -> bool:
    """False where a fit shows its pictures so seldom that it cannot learn them by heart."""
    return steps * PRIOR_BATCH > rows * PASSES_WITHOUT_DROPOUT


def version_count(rows: int) -> int:
    """Versions of each of so many captions that the full fit keeps the features of, 2 to 6."""
    return min(PROMPT_VERSIONS, max(2, MAX_FIT_FEATURES // rows))


def fit_to_codes(
    fitter: PriorFitter,
    prior: Prior,
    codes: Tensor,
    rows: Tensor,
    *,
    generator: torch.Generator,
    is_warm: bool,
) -> Tensor:
    """Fit frame, clusters and styles of a prior to codes (V M, D) -> coordinates (V M, k + m).

    is_warm: the frame is turned to agree with the last one.
    """
    previous = fitter.state.coordinates if is_warm else None
    coordinates = fit_frame(prior, codes, previous)
    fit_clusters(prior, coordinates, len(rows) // ROWS_PER_CLUSTER, seed=fitter.seed)
    styles = fitter.styles[rows].repeat(len(codes) // len(rows))
    fit_styles(prior, coordinates, styles, generator)
    return coordinates


def fitted_coordinates(state: TrainState) -> Tensor:
    """The coordinates (N, k + m) that the fit that has begun learns from, on the model's device."""
    assert state.coordinates is not None, "the fit of the prior has not begun"
    return state.coordinates.to(state.model.device)


def prior_step(fitter: PriorFitter, batches: FitBatches, step: int) -> None:
    """One optimiser step of the prior on a random batch. UserError where the loss is not finite."""
    prior = fitter.prior
    optimizer = fitter.state.prior_optimizer
    coordinates = batches.coordinates
    captions = batches.captions
    generator = batches.generator
    device = coordinates.device
    rows = torch.randint(len(coordinates), (PRIOR_BATCH,), generator=generator).to(device)
    versions = torch.randint(-WHOLE_MORE_OFTEN, len(captions), (PRIOR_BATCH,), generator=generator)
    versions = versions.clamp(min=0).to(device)
    chosen_captions = captions[versions, rows % captions.shape[1]]  # (B, D)
    with autocast(device, fitter.precision):
        loss = prior_loss(prior, coordinates[rows], generator, chosen_captions)
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.get_total_norm(gradients_of(prior.parameters()))
    if not (loss + norm).isfinite():
        raise UserError(
            "the sampler's loss or its gradient is no longer a number "
            f"at step {step} of {batches.steps} of its fit "
            f"(loss {float(loss.detach()):.4g}, gradient norm {float(norm):.4g}, "
            f"learning rate {optimizer.param_groups[0]['lr']:.2g}); "
            f"no weight was changed by it; {batches.advice}",
            code=1,
        )
    optimizer.step()


def held_out_coordinates(prior: Prior, codes: Tensor) -> Tensor:
    """Held-out codes (M, D) -> their leading and following coordinates (>= M, k + m), repeated."""
    coordinates = prior.to_frame(codes)[:, : prior.dims + prior.following]
    return coordinates.repeat(max(1, MIN_MEASURED // len(codes)), 1)


@torch.no_grad()
def held_out_loss(prior: Prior, coordinates: Tensor, seed: int) -> float:
    """The loss of held-out coordinates (N, k + m), with the same noise every time.

    It leaves the prior in eval mode.
    """
    prior.eval()
    return float(prior_loss(prior, coordinates, torch_generator(seed, "unseen codes")))


# ---- the end of a run ----------------------------------------------------------------------------


def finish_prior(
    fitter: PriorFitter, objective: Objective, val: PairLoader, steps: int
) -> dict[str, Any]:
    """Fit the prior of the best model to the end and check the latent -> that check.

    val: the pairs that the prior is not fitted to.
    """
    model = objective.model
    rows = fitter.order[:MAX_FIT_CODES]
    views = view_count(len(fitter.train.rows), fitter.train.medium)
    codes = encode_codes(model, fitter.train, rows, views=views)
    if not fitter.train.wordless:
        teach_fragments(
            model,
            caption_texts(model, fitter.train, rows),
            codes,
            temperature=objective.loss.temperature,
            seed=fitter.seed,
        )
    held_out = sample_rows(val, MAX_HELD_OUT_CODES, fitter.seed)
    held_out_codes = encode_codes(model, val, held_out)
    checked = held_out[:MAX_CHECKED_CODES]
    fit_prior_fully(fitter, codes, rows, held_out=held_out_codes, steps=steps)
    checked_views = max(1, latent_check.POWER_ROWS // len(val.rows))
    z = encode_latents(objective, val, checked, views=checked_views)
    tokens = val.first_rows(CHECKED_CAPTIONS).tokens
    pictures = np.tile(np.arange(len(checked)), checked_views)
    return latent_check.check_latent(model, z, tokens, groups=pictures, seed=fitter.seed)
