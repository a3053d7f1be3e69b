"""A run that teaches two towers: retrieval before, steps, retrieval after, a merged checkpoint.

Writes the files of any run of caption_finetuning.py (run.py), and resumes exactly as any.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from oneseed.captioning.adapters import require_peft, with_adapter
from oneseed.config.finetuning import FinetuningConfig
from oneseed.console.command import UserError, defer_signals
from oneseed.dataset.collection import Collection
from oneseed.finetuning.adapter import save_adapter, trained_weights_of
from oneseed.finetuning.contrastive import (
    Retrieval,
    SearchPair,
    TwoTowers,
    contrastive_loss,
    load_towers,
    measure_retrieval,
    read_search_pairs,
    tower_modules,
)
from oneseed.finetuning.loading import require_model
from oneseed.finetuning.merging import save_checkpoint_folder
from oneseed.finetuning.run import FinetuningFolder, FinetuningState, rate_of_step, take_steps
from oneseed.seeds import torch_generator
from oneseed.training import distributed

# features of the merged checkpoint may differ by so much from the adapter's; their length is 1
MAX_FEATURE_DIFFERENCE = 1e-5


def add_tower_adapter(model: nn.Module, config: FinetuningConfig) -> Any:
    """A checkpoint of two towers -> the same with something to learn in the parts of --train.

    UserError where --train names no tower.
    """
    peft = require_peft("caption_finetuning.py")
    targets = tower_modules(model, config.parts)
    if not targets:
        raise UserError(
            f"{config.model} has two towers, and --train {config.train} names neither: --train "
            "language,vision"
        )
    settings = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.scale,
        use_dora=config.dora,
        use_rslora=config.rslora,
        target_modules=targets,
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # peft asks transformers by a name of before
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(config.seed)
        taught = peft.get_peft_model(model, settings)
    taught.peft_config["default"].base_model_name_or_path = config.model
    return taught


class ContrastiveTrainer:
    """Teaches two towers, and keeps the folder of the run up to date."""

    def __init__(
        self,
        towers: TwoTowers,
        train: Sequence[SearchPair],
        val: Sequence[SearchPair],
        config: FinetuningConfig,
    ) -> None:
        """towers: with their adapter. train, val: two pairs or more each."""
        self.towers = towers
        self.train = train
        self.val = val
        self.config = config
        self.weights = list(trained_weights_of(towers.model).values())
        self.optimizer = torch.optim.AdamW(self.weights, lr=config.learning_rate, weight_decay=0.0)
        self.batch = min(config.batch_size, len(train))
        # the rest of an epoch waits for the next one: a batch of one pair has no false pair
        self.steps_per_epoch = len(train) // self.batch
        self.total_steps = self.steps_per_epoch * config.num_epochs
        self.look_every = config.checkpoint_every or self.steps_per_epoch
        self.state = FinetuningState()
        self.folder = FinetuningFolder(config, train, val)

    def resume(self) -> bool:
        """Go on where last.pt stands -> False where there is none."""
        found = self.folder.load(self.towers.model, self.optimizer)
        self.state = found or self.state
        return found is not None

    def save(self) -> None:
        """last.pt: everything that an exact resume needs."""
        self.folder.save(self.state, self.towers.model, self.optimizer)

    def fit(self) -> None:
        """All steps that are left, with searches of the held-out pairs between them."""
        take_steps(self)

    def pairs_of_step(self, step: int) -> list[SearchPair]:
        """The pairs of a step, in an order that depends on seed and epoch alone."""
        epoch, within = divmod(step, self.steps_per_epoch)
        generator = torch_generator(f"{self.config.seed} {epoch}", "order")
        order = torch.randperm(len(self.train), generator=generator).tolist()
        return [self.train[row] for row in order[within * self.batch : (within + 1) * self.batch]]

    def train_step(self) -> float:
        """One step -> its loss, in nats. UserError where it is no number; nothing changes then."""
        step = self.state.step
        self.towers.model.train()
        self.optimizer.zero_grad()
        with torch.random.fork_rng():
            torch.manual_seed(torch_generator(f"{self.config.seed} {step}", "step").initial_seed())
            loss = contrastive_loss(self.towers, self.pairs_of_step(step))
        if not torch.isfinite(loss):
            raise UserError(
                f"the loss of step {step + 1} is not a number: begin anew with a smaller "
                "--learning-rate and --fresh",
                code=1,
            )
        loss.backward()
        for group in self.optimizer.param_groups:
            group["lr"] = rate_of_step(step, self.total_steps, self.config.learning_rate)
        # The update and what is noted of it are one act: a signal waits.
        with defer_signals():
            self.optimizer.step()
            self.state.step += 1
            self.state.loss_sum += loss.item()
            self.state.loss_tokens += 1
        return loss.item()

    def look(self) -> None:
        """Search the held-out pairs, note the figures, keep the best adapter, save the run."""
        found = measure_retrieval(self.towers, self.val, batch_size=self.config.batch_size)
        steps = self.state.loss_tokens
        best = self.state.best
        look = {
            "step": self.state.step,
            "train_loss": self.state.loss_sum / steps if steps else None,
            "retrieval": found.shares,
            "chance": found.chance,
            "mean": found.mean,
            # what has learnt nothing yet is never the best
            "is_best": self.state.step > 0 and (best is None or found.mean >= best["mean"]),
        }
        if look["is_best"]:
            save_adapter(self.towers.model, self.folder.adapter)
        with defer_signals():
            self.state.looks = [*self.state.looks, look]
            self.state.loss_sum = 0.0
            self.state.loss_tokens = 0
            self.save()
        self.folder.log(f"step {self.state.step:,}/{self.total_steps:,} | {found.line()}")
        self.folder.write_metrics(self.state)

    def finish(self) -> int:
        """Merge the best adapter, compare both, write the figures -> 1 where they differ."""
        base = load_towers(self.config, self.towers.within.device)
        adapted = TwoTowers(base.processor, with_adapter(base.model, self.folder.adapter))
        some = self.val[: self.config.batch_size]
        before = features_of(adapted, some)
        model = adapted.model.merge_and_unload(safe_merge=True)
        save_checkpoint_folder(model, base.processor, self.folder.path)
        merged = load_merged(self.folder.path, self.towers.within.device)
        difference = float((features_of(merged, some) - before).abs().max())
        found = measure_retrieval(merged, self.val, batch_size=self.config.batch_size)
        self.folder.write_metrics(
            self.state,
            {"retrieval": found.shares, "chance": found.chance, "largest_difference": difference},
        )
        with self.folder.open_log():
            for line in retrieval_lines(self.state.looks[0], found):
                self.folder.log(line)
            self.folder.log(
                f"merged against adapter: features differ by {difference:.1e} at most, of length 1"
            )
        return int(difference > MAX_FEATURE_DIFFERENCE)


@torch.no_grad()
def features_of(towers: TwoTowers, pairs: Sequence[SearchPair]) -> torch.Tensor:
    """(2 B, D) on the CPU: what both towers make of pairs."""
    towers.model.eval()
    return torch.cat([towers.image_features(pairs), towers.text_features(pairs)]).cpu()


def load_merged(folder: Path, device: torch.device) -> TwoTowers:
    """The merged checkpoint, as any program reads it."""
    from transformers import AutoModel, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return TwoTowers(processor, model.to(device).eval())


def retrieval_lines(before: dict[str, Any], after: Retrieval) -> list[str]:
    """Retrieval before and after, beside a blind guess, for a terminal."""
    lines = [f"  {'searched: ' + format(after.searched, ','):<20} {'guess':>7} before   after"]
    for name, share in after.shares.items():
        lines.append(
            f"  {name:<20} {after.chance[name]:7.3f} {before['retrieval'][name]:6.3f} {share:7.3f}"
        )
    return lines


def teach_towers(config: FinetuningConfig, device: torch.device) -> int:
    """One run of --objective contrastive, in a folder where no other works -> exit status."""
    if distributed.world_size() > 1:
        raise UserError(
            "--objective contrastive runs in one process: the false pairs of a batch would stay "
            "unseen by the others; start it without torchrun"
        )
    require_peft("caption_finetuning.py")
    require_model(config)
    train, val = read_search_pairs(Collection(config.style, config.data), config.max_samples)
    towers = load_towers(config, device)
    if cut := towers.count_cut([*train, *val]):
        print(
            f"  captions longer than the checkpoint's {towers.max_tokens} tokens: {cut:,} of "
            f"{len(train) + len(val):,}; what is behind is not read"
        )
    model = add_tower_adapter(towers.model, config)
    taught = sum(weight.numel() for weight in trained_weights_of(model).values())
    whole = sum(weight.numel() for weight in model.parameters())
    print(f"  {taught:,} of {whole:,} numbers are taught ({taught / whole:.2%})", flush=True)
    trainer = ContrastiveTrainer(TwoTowers(towers.processor, model), train, val, config)
    if config.fresh:
        trainer.folder.archive()
    if trainer.resume():
        print(f"resuming after step {trainer.state.step:,} of {trainer.total_steps:,}")
    trainer.fit()
    code = trainer.finish()
    print(f"Done: {trainer.folder.path.as_posix()}, a checkpoint of the {towers.family} family")
    return code
