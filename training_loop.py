"""Train the shared latent on a captioned collection.

Reads   data/captions/<style>_{train,val}.jsonl, data/processed/<style>/pixels_<size>*.npy
Writes  checkpoints/   best_model.pt, last.pt, checkpoint_epoch_NNN.pt, metrics.json, training.log,
                       tensorboard/, checksums.json; last_but_one.pt, where last.pt should be
                       damaged, and last_fit.pt, while the last fit goes on

    python training_loop.py                                   # full preset, engravings, for a GPU
    python training_loop.py --style builtin --preset small    # two CPU cores: 4 to 7 minutes
    python training_loop.py --style builtin --preset small --check
    python training_loop.py --preset medium --estimate        # the memory that it would take
    python training_loop.py --config model.yaml --plan        # what it would make, on a page
    python training_loop.py --config model.yaml               # from a file; --schema describes it
    python training_loop.py --style engraving --init checkpoints_all/best_model.pt
    torchrun --nproc-per-node 8 training_loop.py              # one process a GPU

At the first step expect caption near ln(vocabulary) and contrastive near ln(batch). Run the same
command again to resume, with a larger --num-epochs to train on; --fresh begins anew.
"""

if __name__ == "__main__":
    from oneseed.console.command import begin

    begin()
    from oneseed.config import spec
    from oneseed.config.model import PRESETS, ModelConfig
    from oneseed.config.training import TrainConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(
        ModelConfig,
        TrainConfig,
        description=__doc__,
        presets=PRESETS,
        file=(ModelConfig, TrainConfig),
        sections=spec,
    )

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from oneseed.config.model import ModelConfig
from oneseed.config.training import TrainConfig
from oneseed.console.command import defer_signals, hold_reader, run
from oneseed.console.output import progress
from oneseed.dataset.commands import draw_command
from oneseed.dataset.jsonl import Row
from oneseed.device import pick_device
from oneseed.model import checkpoint
from oneseed.model.caption_source import NONE
from oneseed.model.latent_check import describe_latent, is_failed
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.specs import MODEL_PARTS
from oneseed.training import distributed, monitor, setup
from oneseed.training.augmentation import should_augment, vary_batch
from oneseed.training.compilation import Compilation
from oneseed.training.data import Batch, PairLoader, sample_rows, use_device
from oneseed.training.encoding import encode_codes, match_percentiles
from oneseed.training.gradient_cache import GradientCache
from oneseed.training.loaders import create_data_loaders
from oneseed.training.losses import MultimodalLoss, make_loss
from oneseed.training.objective import Objective
from oneseed.training.optimizers import (
    gradients_of,
    make_optimizers,
    make_prior_optimizer,
    set_learning_rate,
    trained_weights,
)
from oneseed.training.picture_books import carry_pictures
from oneseed.training.pixel_source import local_data
from oneseed.training.plan import look_ahead, require_budget
from oneseed.training.preflight import silent_parameters
from oneseed.training.prior_fit import (
    MAX_BRIEF_STEPS,
    PriorFitter,
    finish_prior,
    fit_prior_briefly,
)
from oneseed.training.prospects import describe_prospects
from oneseed.training.run_folder import RunFolder, locked_run, resume_run
from oneseed.training.schedule import Schedule, passes_per_epoch
from oneseed.training.state import EpochResult, EpochState, StepResult, TrainState
from oneseed.training.tensorboard import TensorBoard

__all__ = ["MultimodalLoss", "MultimodalTrainer", "create_data_loaders", "main", "run_training"]

# training pictures whose codes an epoch keeps
MAX_EPOCH_CODES = 6_000


class MultimodalTrainer:
    """Trains one MultimodalModel on two PairLoaders and keeps the run folder up to date.

    trainer = MultimodalTrainer(model, train, val, config)
    trainer.load_checkpoint()  # -> True where a run was resumed
    trainer.fit()
    """

    def __init__(
        self,
        model: MultimodalModel,
        train: PairLoader,
        val: PairLoader,
        config: TrainConfig,
        *,
        device: str | torch.device = "cpu",
        precision: str = "fp32",
    ) -> None:
        train.passes = passes_per_epoch(len(train.rows), config.epoch_pictures)
        config = self.config = setup.resolve_schedule(config, len(train.rows))
        self.device = torch.device(device)
        self.model = model.to(self.device)
        self.train = train
        self.val = val
        use_device(train, val, self.device)
        model.set_recompute(is_on=config.recompute)
        loss = make_loss(config, wordless=train.wordless)
        self.objective = Objective(model, loss, self.device, precision, config.seed)
        self.parts = list(self.objective.loss.weights)
        self.gradient_cache = GradientCache(self.objective, setup.micro_batch(config))
        self.weights = trained_weights(model)
        self.schedule = Schedule.of(config, len(train))
        self.augment = should_augment(len(train.rows))
        self.state = TrainState(
            model=model,
            optimizers=make_optimizers(model, config),
            prior_optimizer=make_prior_optimizer(model),
            style=config.style,
            samples=len(train.rows),
            schedule=self.schedule,
            kept=min(len(train.rows), MAX_EPOCH_CODES),
            parts=self.parts,
        )
        styles = setup.style_names(train, model.config, config.style)
        model.meta.update(setup.known_from_settings(config, styles))
        if train.wordless:
            model.meta["caption_source"] = NONE
        order = sample_rows(train, len(train.rows), config.seed)  # (N,)
        self.kept = order[:MAX_EPOCH_CODES]  # (M,): whose codes an epoch keeps
        self.row_to_slot = setup.slots_of(self.kept, len(train.rows))  # (N,)
        self.folder = RunFolder(Path(config.checkpoints))
        numbers = setup.style_numbers(train, styles)
        self.prior_fitter = PriorFitter(
            self.state, train, numbers, order, config.seed, self.folder, precision
        )
        self.monitor = monitor.Monitor(self.objective, train, val, config, self.state)
        settings = asdict(model.config) | asdict(config)
        self.tensorboard = TensorBoard(self.folder.path / "tensorboard", model, val, settings)
        self.compilation = Compilation(model, config.compile, self.device)

    @property
    def epoch(self) -> int:
        """The number of the epoch that comes or has begun, from 0."""
        return len(self.state.metrics)

    def fit(self) -> dict[str, Any]:
        """Train to the last epoch, then finish -> the latent check."""
        with self.folder.open_log():
            # A kill may have come before they were written.
            if self.state.metrics:
                self.folder.write_metrics(self.state.metrics)
            with self.folder.saved_on_interrupt(self.state):
                while self.epoch < self.schedule.last_epoch:
                    if self.schedule.should_cool_down(self.state.metrics):
                        self.cool_down()
                    self.run_epoch()
                health = self.finish() if distributed.is_first() else None
                return distributed.broadcast_object(health)

    def cool_down(self) -> None:
        """Back to the best epoch; from there the learning rate falls to zero, and the run ends."""
        if distributed.is_first():
            self.folder.save_best()
            self.model.load_state_dict(self.folder.best_weights(self.state))
        for part in MODEL_PARTS:
            distributed.broadcast_module(getattr(self.model, part))
        cooldown = self.schedule.begin_cooldown(self.epoch)
        self.folder.log(
            f"No better pairs for {self.config.patience} epochs: back to the best, and the "
            f"learning rate falls to zero over {cooldown.epochs} more"
        )

    def run_epoch(self) -> None:
        """Train and validate once over the collection, then do what an epoch's end asks for."""
        epoch_result = self.train_epoch()
        val_losses = self.validate()
        if distributed.is_first():
            self.end_epoch(epoch_result, val_losses)
        self.state.epoch = None
        self.state.metrics = distributed.broadcast_object(self.state.metrics)
        # The first process has fitted the prior.
        distributed.broadcast_module(self.model.sampler)

    def train_epoch(self) -> EpochResult:
        """All steps of an epoch, or those that an interruption left."""
        self.model.train()
        self.train.epoch = self.epoch
        if self.state.epoch is None:
            self.state.epoch = EpochState.begin(
                len(self.kept), self.model.config.latent_dim, self.parts, self.device
            )
        state, medium = self.state.epoch, self.train.medium
        first = self.train.batches_within(state.pairs)
        label = f"epoch {self.epoch + 1}/{self.schedule.last_epoch}"
        start = time.perf_counter()
        with progress(label=label, total=self.train.epoch_pairs, initial=state.pairs) as bar:
            for index, batch in enumerate(self.train.batches(first), first):
                step = self.epoch * len(self.train) + index
                if self.augment:
                    batch = vary_batch(batch, f"{self.config.seed} {self.epoch} {index}", medium)
                # The update and what is noted of it are one act: a signal waits.
                with defer_signals():
                    result = self.train_step(batch, step)
                    state.add(self.row_to_slot[batch.rows], result)
                    state.seconds += time.perf_counter() - start
                text = self.monitor.describe_step(step, result, state)
                bar.set_postfix_str(text, refresh=False)
                bar.update(len(batch.rows))
                self.folder.save_if_due(self.state)
                pairs_left = (self.schedule.total_steps - step - 1) * self.train.batch_size
                self.compilation.after_step(state, pairs_left)
                start = time.perf_counter()
        return state.result()

    def train_step(self, batch: Batch, step: int) -> StepResult:
        """One optimiser step. batch: this process's pairs; step: its number in the whole run.

        UserError where a loss or a gradient is not a number; no weight is changed then.
        """
        batch = batch.to(self.device)
        learning_rate = self.schedule.learning_rate(step)
        set_learning_rate(self.state.optimizers, learning_rate)
        noise = self.objective.noise(len(batch.rows), step)
        local_noise = noise.rows(distributed.local_slice(len(batch.rows)))
        losses, codes = self.gradient_cache.forward_backward(batch, local_noise)
        grad_norm = nn.utils.get_total_norm(gradients_of(self.weights))
        result = StepResult.read(losses, grad_norm, codes, weights=self.objective.loss.weights)
        self.monitor.require_finite(result, step, learning_rate)
        nn.utils.clip_grads_with_norm_(self.weights, self.config.max_grad_norm, grad_norm)
        for optimizer in self.state.optimizers:
            optimizer.step()
        return result

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean losses over the validation split, with the same noise every time."""
        self.model.eval()
        sums = dict.fromkeys(("total", *self.parts), 0.0)
        batch_rows = self.val.batch_rows()
        # Several processes take whole batches, in turn.
        for index in range(distributed.rank(), len(batch_rows), distributed.world_size()):
            self.val.expect(batch_rows, index)
            batch = self.val.batch(batch_rows[index].numpy()).to(self.device)
            noise = self.objective.noise(len(batch.images), f"val {index}")
            losses, _ = self.objective.losses(batch, noise)
            for part in sums:
                sums[part] += float(losses[part]) * len(batch.rows)
        local = torch.tensor(list(sums.values()), dtype=torch.float64, device=self.device)
        means = distributed.all_reduce(local) / sum(map(len, batch_rows))
        return dict(zip(sums, means.tolist()))

    def end_epoch(self, result: EpochResult, val_losses: dict[str, float]) -> None:
        """What one process does for all: a short fit of the prior, the figures, the files."""
        # A run that was resumed after the last step of an epoch has no gradients.
        silent = silent_parameters(self.model) if gradients_of(self.weights) else []
        codes = result.codes
        if not result.met.all():
            codes = encode_codes(self.model, self.train, self.kept)
        steps = min(MAX_BRIEF_STEPS, self.config.sampler_steps)
        fit_prior_briefly(self.prior_fitter, codes, self.kept, steps=steps, epoch=self.epoch)
        row = self.monitor.measure_epoch(
            result, val_losses, codes=codes, rows=self.kept, silent=silent
        )
        with defer_signals():
            self.state.epoch = None
            self.state.prior_fit = None
            self.state.metrics = [*self.state.metrics, row]
            self.save_epoch(row)

    def finish(self) -> dict[str, Any]:
        """The best model again, its prior fitted to the end, its latent checked -> that check.

        Written over best_model.pt.
        """
        if self.folder.has_unsaved_epoch:
            self.folder.save_progress(self.state)
        best = self.folder.best_weights(self.state)
        settings = [self.epoch, self.config.sampler_steps, self.config.seed]
        self.state.prior_fit = None
        self.state.fit_id = [checkpoint.digest(best), *settings]
        self.model.load_state_dict(best)
        meta = self.model.meta
        # A finished run that is run again has it.
        if not meta.get("health"):
            self.folder.load_last_fit(self.state)
            meta["health"] = finish_prior(
                self.prior_fitter, self.objective, self.val, self.config.sampler_steps
            )
            self.folder.log(self.monitor.settle_captions(self.kept))
            self.folder.log(carry_pictures(self.model, self.train, self.kept))
        # A run that ended before pairs were scored lacks it.
        if meta.get("match") is None:
            meta["match"] = match_percentiles(self.model, self.val, self.config.seed)
            self.update_meta(meta["epoch"])
            self.folder.save_model(self.model, "best_model.pt")
        self.state.prior_fit = None
        self.folder.forget_last_fit()
        self.folder.log(describe_latent(meta["health"]))
        return meta["health"]

    def save_epoch(self, row: Row) -> None:
        """Log an epoch and write its files. row: the epoch's, of metrics.json."""
        for line in monitor.describe_epoch(row, self.parts, self.schedule.last_epoch):
            self.folder.log(line)
        self.update_meta(row["epoch"])
        if row["best"]:
            self.folder.keep_best(self.model)
        if row["epoch"] % self.config.checkpoint_every == 0:
            self.folder.save_epoch_model(self.model, row["epoch"])
        self.tensorboard.show(row, self.parts)
        is_saved = self.folder.save_epoch_if_due(self.state)
        if row["best"]:
            self.folder.log(monitor.describe_saving(self.folder.path, is_saved=is_saved))
        self.folder.write_metrics(self.state.metrics)

    def update_meta(self, epoch: int) -> None:
        """What the model's files say of it. epoch: that it has learnt until."""
        meta = self.model.meta
        # This takes some seconds where captions are many: not before the first step.
        if not meta.get("words"):
            meta.update(setup.known_from_captions(self.train, self.model.tokenizer))
        meta.update(style=self.config.style, epoch=epoch)

    def save_checkpoint(self) -> None:
        """last.pt: everything that an exact resume needs, at the next epoch or within one."""
        self.folder.save_checkpoint(self.state)

    def load_checkpoint(self) -> bool:
        """Go on where last.pt stands -> False where there is none."""
        return self.folder.load_checkpoint(self.state)


def main(model_config: ModelConfig, config: TrainConfig) -> int:
    """One run, in this process or, started by torchrun, in several."""
    # behind | head it ends where there is something to save
    hold_reader()
    with distributed.joined_processes(pick_device(config.device)) as device:
        return run_training(model_config, config, device)


def run_training(model_config: ModelConfig, config: TrainConfig, device: torch.device) -> int:
    """Train, or only look ahead -> exit status: 1 where a check failed, else 0."""
    if config.only_looks:
        return train_locked(model_config, config, device)
    with locked_run(Path(config.checkpoints)):
        return train_locked(model_config, config, device)


def train_locked(model_config: ModelConfig, config: TrainConfig, device: torch.device) -> int:
    """`run_training` in a folder where no other run works."""
    model, train, val, begun_precision = setup.build_run(model_config, config)
    precision = distributed.broadcast_object(
        setup.resolve_precision(config.precision, device, begun_precision)
    )
    trainer = MultimodalTrainer(model, train, val, config, device=device, precision=precision)
    optimizers = [*trainer.state.optimizers, trainer.state.prior_optimizer]
    if config.only_looks:
        return look_ahead(trainer.objective, train, val, trainer.config, optimizers)
    require_budget(trainer.objective, optimizers, train, config)
    is_resumed = resume_run(trainer.folder, trainer.state, trainer.config)
    if config.truncation:
        model.meta["truncation"] = config.truncation
    settings = setup.saved_settings(trainer.config, precision, train.shuffle_files)
    model.meta["training"] = settings
    print(monitor.describe_run(trainer.objective, train, val, trainer.config))
    if is_resumed:
        print(f"resuming after epoch {trainer.epoch} of {trainer.config.num_epochs}")
    elif distributed.is_first():
        print(describe_prospects(trainer.objective, train, val, trainer.config, trainer.schedule))
    health = trainer.fit()
    best = f"{Path(config.checkpoints).as_posix()}/best_model.pt"
    print(f"Done: {best}; next: {draw_command(best, data=local_data(config))}")
    return 1 if is_failed(health) else 0


if __name__ == "__main__":
    run(main, *CONFIGS)
