"""What a run says of itself: progress, an epoch's figures, and what they mean in sentences.

A figure in a log is read by those who know what it should be. The sentences name the ways in which
training goes wrong unnoticed: a loss that drowns the others, a network that learns by heart,
weights that nothing moves, codes that are all the same, captions written without looking.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.dataset.jsonl import Row
from oneseed.model.caption_source import NONE, source_of
from oneseed.model.multimodal import MultimodalModel
from oneseed.training import distributed
from oneseed.training.data import PairLoader, sample_rows
from oneseed.training.encoding import caption_reading, encode_codes, encode_latents
from oneseed.training.objective import Objective
from oneseed.training.pair_quality import (
    MAX_BOOK_ROWS,
    CaptionQuality,
    choose_source,
    describe_captions,
    make_book,
    measure_quality,
    pair_score,
)
from oneseed.training.pixel_source import training_collection
from oneseed.training.run_folder import MIN_EPOCH_SAVE_INTERVAL
from oneseed.training.speed import model_flops_utilisation
from oneseed.training.state import EpochResult, EpochState, StepResult, TrainState

# share of the weighted loss above which one part drowns the others
DOMINANT_SHARE = 0.7
# epochs without better pairs, the training loss falling, that are over-fitting
OVERFITTING_EPOCHS = 2
# share of the codes' power that differs between pictures, below which they are one code
COLLAPSED_SHARE = 0.05
# nats per token that another picture's code costs, below which captions do not read it
UNREAD_NATS = 0.02
# seconds of steps, before which it is not worth while to measure the machine
MEASURE_AFTER = 10
# validation pictures whose latents an epoch's figures describe
MAX_WATCHED_LATENTS = 200
# rows of a batch that a message names
MAX_LINES_NAMED = 8


# ---- a step --------------------------------------------------------------------------------------


class Monitor:
    """Watches one run: its steps, the machine's speed, the figures of its epochs."""

    def __init__(
        self,
        objective: Objective,
        train: PairLoader,
        val: PairLoader,
        config: TrainConfig,
        state: TrainState,
    ) -> None:
        self.objective = objective
        self.train = train
        self.val = val
        self.config = config
        self.state = state
        # share of the machine's matrix speed at one picture per second; None: not measured yet
        self.share_per_picture: float | None = None

    def require_finite(self, result: StepResult, step: int, learning_rate: float) -> None:
        """UserError where loss or gradient is not a number: which part, where, and a way on."""
        if math.isfinite(result.losses["total"]) and math.isfinite(result.grad_norm):
            return
        raise UserError(self.describe_divergence(result, step, learning_rate), code=1)

    def describe_divergence(self, result: StepResult, step: int, learning_rate: float) -> str:
        """A loss or gradient that is not a number, in a sentence."""
        epoch, index = divmod(step, len(self.train))
        reasons = non_finite_parts(result, self.objective.model)
        figures = ", ".join(f"{part} {value:.4g}" for part, value in result.losses.items())
        lines = [str(row + 1) for row in self.train.batch_rows()[index].tolist()]
        named = ", ".join(lines[:MAX_LINES_NAMED])
        if len(lines) > MAX_LINES_NAMED:
            named += " …"
        captions = training_collection(self.config).train
        precision = self.objective.precision
        other_precision = "" if precision == "fp32" else " or --precision fp32"
        last = Path(self.config.checkpoints) / "last.pt"
        onward = "from the beginning"
        if last.exists():
            onward = (
                f"it goes on from {last}, saved some steps before; "
                "should it end there again, also with --fresh"
            )
        return (
            f"the loss or its gradient is no longer a number at step {step}, "
            f"batch {index + 1} of epoch {epoch + 1}: {', '.join(reasons) or 'they are too large'} "
            f"({figures}, gradient norm {result.grad_norm:.4g}, "
            f"learning rate {learning_rate:.2g}, {precision}; "
            f"lines {named} of {captions}); no weight was changed by it; "
            f"run again with --learning-rate {self.config.learning_rate / 3:.1g}"
            f"{other_precision}, {onward}"
        )

    def describe_step(self, step: int, result: StepResult, epoch: EpochState) -> str:
        """A step of the run, for the line that shows progress."""
        losses = result.losses
        return (
            f"step {step + 1}/{self.state.schedule.total_steps} "
            f"loss {losses['total']:.2f} recon {losses['reconstruction']:.3f} "
            f"caption {losses['caption']:.2f} contrast {losses['contrastive']:.2f}"
            f"{self.describe_utilisation(epoch)}"
        )

    def describe_utilisation(self, epoch: EpochState) -> str:
        """ ", 39% of matrix speed" of the steps of an epoch, or "" where they are too few."""
        if epoch.seconds < MEASURE_AFTER or distributed.world_size() > 1:
            return ""
        if self.share_per_picture is None:
            self.share_per_picture = model_flops_utilisation(
                self.objective, self.train, self.state.optimizers[-1]
            )
        share = self.share_per_picture * epoch.pairs / epoch.seconds
        return f", {share:.0%} of matrix speed"

    def measure_epoch(
        self,
        result: EpochResult,
        val_losses: dict[str, float],
        *,
        codes: Tensor,
        rows: Tensor,
        silent: Sequence[str],
    ) -> Row:
        """A finished epoch as a row of metrics.json, which the state does not have yet.

        codes (M, D): of the training rows (M,), to which the prior
        was fitted; silent: names of the parameters without a gradient.
        """
        watched = sample_rows(self.val, MAX_WATCHED_LATENTS, self.config.seed)
        z = encode_latents(self.objective, self.val, watched)
        weights = self.objective.loss.weights
        quality = self.choose_captions(codes, rows)
        score = pair_score(val_losses, weights, self.val, quality)
        metrics = self.state.metrics
        row = {
            "epoch": len(metrics) + 1,
            "train_loss": result.losses["total"],
            "val_loss": val_losses["total"],
            **{f"train_{part}": result.losses[part] for part in weights},
            **{f"val_{part}": val_losses[part] for part in weights},
            "learning_rate": self.state.optimizers[0].param_groups[0]["lr"],
            "grad_norm": result.grad_norm,
            "code_spread": code_variation(codes),
            "caption_reading": caption_reading(self.objective.model, self.val),
            "latent_mean": float(z.mean()),
            "latent_std": float(z.std()),
            "latent_norm": float(z.norm(dim=1).mean()),
            "images_per_second": result.images_per_second,
            "pair_score": score,
            "captions_written": quality and quality.written,
            "captions_nearest": quality and quality.nearest,
            "best": score < best_score(metrics),
        }
        row["notes"] = findings([*metrics, row], weights, silent)
        return row

    def choose_captions(self, codes: Tensor, rows: Tensor) -> CaptionQuality | None:
        """Measure captions and let the model write or look them up -> None where there are none.

        codes (M, D): of the training rows (M,), to which the prior was fitted.
        """
        model = self.objective.model
        if source_of(model.meta) == NONE:
            return None
        book = make_book(model, self.train, codes, rows)
        quality = measure_quality(model, book, self.val, self.config.seed)
        choose_source(model, book, quality)
        return quality

    def settle_captions(self, rows: Tensor) -> str:
        """Who writes the captions of the finished model, and why, in a sentence.

        rows (M,): training pairs of which the captions may be looked up.
        """
        kept = rows[:MAX_BOOK_ROWS]
        quality = self.choose_captions(encode_codes(self.objective.model, self.train, kept), kept)
        return describe_captions(quality) if quality else "captions: none, by pictures alone"


def non_finite_parts(result: StepResult, model: MultimodalModel) -> list[str]:
    """The losses and gradients that are not numbers, in words."""
    reasons = []
    for part, value in result.losses.items():
        if part != "total" and not math.isfinite(value):
            reasons.append(f"the {part} loss is {value}")
    broken = []
    for name, weight in model.named_parameters():
        if weight.grad is not None and not weight.grad.isfinite().all():
            broken.append(name)
    if broken:
        reasons.append(f"the gradient of {len(broken)} parameters is none, first in {broken[0]}")
    return reasons


# ---- an epoch ------------------------------------------------------------------------------------


def describe_epoch(row: Row, parts: Sequence[str], epochs: int) -> list[str]:
    """An epoch's row of metrics.json as lines of the log. epochs: of the whole run."""
    best = " ✅ BEST MODEL" if row["best"] else ""
    return [
        f"Epoch {row['epoch']}/{epochs}{best}",
        f"  Train Loss: {row['train_loss']:.4f}",
        *(f"    - {part.capitalize()}: {row[f'train_{part}']:.4f}" for part in parts),
        f"  Val Loss: {row['val_loss']:.4f}",
        f"  Pairs: {describe_pairs(row)}",
        *(f"  ! {note}" for note in row["notes"]),
    ]


def describe_pairs(row: Row) -> str:
    """What the pairs of an epoch are like: the score that decides which is best, and captions."""
    score = f"{row['pair_score']:.4f} from real ones"
    if row["captions_written"] is None:
        return score
    return (
        f"{score}; right words in captions: {row['captions_written']:.0%} written, "
        f"{row['captions_nearest']:.0%} of the nearest picture's"
    )


def describe_saving(folder: Path, *, is_saved: bool) -> str:
    """Where the best model is, or will be."""
    path = (folder / "best_model.pt").as_posix()
    if is_saved:
        return f"  → Saved to: {path}"
    return f"  → To be saved to: {path}, in {MIN_EPOCH_SAVE_INTERVAL} s at most, or at the end"


def code_variation(codes: Tensor) -> float:
    """Codes (N, D) -> the share of their power that differs from one to another.

    0 where all are the same, near 1 where nothing is common to all.
    """
    power = codes.double().square().sum(1).mean()
    if not power:
        return 0.0
    return float(1 - codes.double().mean(0).square().sum() / power)


def dominant_part(losses: Mapping[str, float], weights: Mapping[str, float]) -> tuple[str, float]:
    """{part: mean loss}, {part: weight} -> the part with most of the weighted sum, its share."""
    weighted = {part: weight * losses[part] for part, weight in weights.items()}
    largest = max(weighted, key=lambda part: weighted[part])
    return largest, weighted[largest] / max(sum(weighted.values()), 1e-12)


def findings(
    metrics: Sequence[Mapping[str, Any]], weights: Mapping[str, float], silent: Sequence[str] = ()
) -> list[str]:
    """Sentences about the last epoch, none where nothing is wrong.

    metrics: a row for each epoch, as in metrics.json; weights: {part: weight} of the loss;
    silent: names of the parameters without a gradient.
    """
    row = metrics[-1]
    found = []
    part, share = dominant_part({part: row[f"train_{part}"] for part in weights}, weights)
    if len(weights) > 1 and share > DOMINANT_SHARE:
        found.append(
            f"{part} is {share:.0%} of the loss: should the other parts stop falling, "
            f"lower --{part}-weight {weights[part]:g}"
        )
    if is_overfitting(metrics):
        best = best_epoch(metrics)
        found.append(
            f"over-fitting: since epoch {best['epoch']} the training loss fell "
            f"from {best['train_loss']:.3f} to {row['train_loss']:.3f} and the pairs moved "
            f"from {best['pair_score']:.3f} to {row['pair_score']:.3f} from real ones; "
            f"best_model.pt stays that of epoch {best['epoch']}, more pictures would help"
        )
    if silent:
        found.append(
            f"{len(silent)} parameters receive no gradient, first {silent[0]}: "
            "nothing that they do reaches the loss"
        )
    if row["code_spread"] < COLLAPSED_SHARE:
        found.append(
            f"the latent has collapsed: only {row['code_spread']:.1%} of the codes differs from "
            "picture to picture; lower --learning-rate, or raise --contrastive-weight"
        )
    if row["caption_reading"] is not None and row["caption_reading"] < UNREAD_NATS:
        lost = max(0.0, row["caption_reading"])
        found.append(
            "captions ignore the picture so far: told another picture's code they lose "
            f"{lost:.3f} nats per token; if that stays so, raise --caption-weight or look whether "
            "captions and pictures belong together"
        )
    return found


def best_epoch(metrics: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The row of the epoch whose pairs are nearest to real ones."""
    return min(metrics, key=score_of)


def best_score(metrics: Sequence[Mapping[str, Any]]) -> float:
    """The smallest distance from real pairs so far; infinite before the first epoch."""
    return min(map(score_of, metrics), default=math.inf)


def score_of(row: Mapping[str, Any]) -> float:
    """An epoch's distance from real pairs; rows of older versions do not say it: infinite."""
    return row.get("pair_score", math.inf)


def is_overfitting(metrics: Sequence[Mapping[str, Any]]) -> bool:
    """Has the training loss fallen for some epochs while the pairs did not become better?"""
    row = metrics[-1]
    best = best_epoch(metrics)
    is_past_best = row["epoch"] - best["epoch"] >= OVERFITTING_EPOCHS
    return is_past_best and row["train_loss"] < best["train_loss"]


# ---- a run ---------------------------------------------------------------------------------------


def describe_run(
    objective: Objective, train: PairLoader, val: PairLoader, config: TrainConfig
) -> str:
    """What is trained on what, in a line."""
    model_config = objective.model.config
    million_weights = sum(weight.numel() for weight in objective.model.parameters()) / 1e6
    return (
        f"{config.style}: {len(train.rows):,} training and {len(val.rows):,} validation pairs, "
        f"{model_config.preset} preset, {model_config.image_size} px, "
        f"{million_weights:.1f} M parameters, {objective.device}, {objective.precision}, "
        f"batch {config.batch_size}, learning rate {config.learning_rate:g}, "
        f"{config.num_epochs} epochs"
    )
