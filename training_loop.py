"""Train the shared latent on a captioned collection.

Reads   data/captions/<style>_{train,val}.jsonl, data/processed/<style>/pixels_<size>.npy
Writes  checkpoints/   best_model.pt, last.pt, checkpoint_epoch_NNN.pt, metrics.json, training.log, tensorboard/, checksums.json;
                       last_but_one.pt, where last.pt should be damaged, and last_fit.pt, while the last fit goes on

    python training_loop.py                                     # full preset on engravings, for a GPU
    python training_loop.py --style builtin --preset small      # two CPU cores: about 5 minutes
    python training_loop.py --style builtin --preset small --check
    python training_loop.py --preset medium --estimate          # the memory that it would take, and nothing else
    python training_loop.py --config model.yaml                 # settings from a file; --schema describes it
    python training_loop.py --style engraving --init checkpoints_all/best_model.pt
    torchrun --nproc-per-node 8 training_loop.py                # one process a GPU, on one machine or several that share the folder
    tail -f checkpoints/training.log

At the first step expect caption near ln(vocabulary) and contrastive near ln(batch). Run the same command again to resume,
with a larger --num-epochs to train on; --fresh begins anew.
"""

if __name__ == "__main__":
    from oneseed.config.model import PRESETS, ModelConfig
    from oneseed.config.training import TrainConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(
        ModelConfig,
        TrainConfig,
        description=__doc__,
        presets=PRESETS,
        file=(ModelConfig, TrainConfig),
    )

import contextlib
import copy
import hashlib
import json
import math
import os
import shutil
import sys
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from oneseed.config.model import MAX_OWN_VOCABULARY, PRESETS, ModelConfig
from oneseed.config.training import PICTURES_SHOWN, UNSAVED_FIELDS
from oneseed.console.command import Terminated, UserError, defer_signals, run
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.wording import words
from oneseed.device import pick_device
from oneseed.files import write_text
from oneseed.model import checkpoint, latent_check
from oneseed.model.image_networks import pooled_pixels
from oneseed.model.multimodal import MultimodalModel, read_extra_state
from oneseed.model.prior import ROWS_PER_CLUSTER
from oneseed.model.specs import MODEL_PARTS, describe_widths, within_budget
from oneseed.model.tokenizer import PAD, Tokenizer
from oneseed.seeds import latents, torch_generator
from oneseed.training import distributed, monitor
from oneseed.training.data import (
    create_data_loaders,
    drop_words,
    no_pictures,
    on_device_if_it_fits,
    random_zoom,
)
from oneseed.training.losses import MultimodalLoss, caption_loss, info_nce
from oneseed.training.memory import estimate_memory
from oneseed.training.optimizers import make_optimizers, orthogonalise, trained_weights
from oneseed.training.speed import count_flops, peak_matmul_flops

__all__ = ["MultimodalLoss", "MultimodalTrainer", "create_data_loaders", "main", "run_training"]

# versions of each caption that the sampler learns to answer
PROMPTS = 4
# of the last fit, over the training pictures: 2,000 steps for the 5,400 drawings
SAMPLER_PASSES = 190
SAMPLER_BATCH = 512
# of the sampler, so that every saved model can be sampled; the last fit does it properly
STEPS_AN_EPOCH = 25
# validation pictures whose latents each epoch's figures describe
LATENTS_WATCHED = 200
# training pictures whose codes an epoch keeps; that the last fit learns from; validation pictures
# that check it
LARGE = 6000
MOST_CODES = 40_000
MOST_CHECKED = 2000
# training pictures below which views of each make up for number; how many at most
SMALL = 5000
MOST_VIEWS = 16
# that the linear code is taken from; that the tone curve is
MOST_THUMBNAILS = 6000
TONED = 500
# seconds of training left, from which on a GPU's time for compiling is well spent
WORTH_COMPILING = 900
# seconds of steps, before which it is not worth while to measure the machine
TOLD_AFTER = 10
# within an epoch: seconds between two saves, at least, and the share of time that they take, at
# most
SAVE_EVERY = 180
SAVE_SHARE = 0.01


def settled(config, rows):
    """TrainConfig with the numbers that it leaves to the collection's size."""
    return replace(
        config,
        num_epochs=config.num_epochs or max(1, round(PICTURES_SHOWN / rows)),
        sampler_steps=config.sampler_steps
        or max(200, 100 * round(SAMPLER_PASSES * rows / SAMPLER_BATCH / 100)),
    )


def some(loader, count, seed):
    """At most so many rows of a loader, the same ones every time: the first, of a large collection by lot. Fewer are the beginning of more."""
    rows = len(loader.rows)
    return (
        torch.arange(rows)
        if rows <= LARGE
        else torch.randperm(rows, generator=torch_generator(seed, "some"))
    )[:count]


class MultimodalTrainer:
    """Trains one MultimodalModel on two PairLoaders and keeps every file of the run folder up to date.

    trainer = MultimodalTrainer(model, train, val, config)
    trainer.load_checkpoint()                                       # -> True where a run was resumed
    trainer.fit()
    """

    def __init__(self, model, train, val, config, device="cpu", precision="fp32"):
        config = self.config = settled(config, len(train.rows))
        self.model = model.to(device)
        self.train = train
        self.val = val
        self.device = torch.device(device)
        self.precision = precision
        train.device = val.device = self.device
        # none where only memory is estimated
        if train.pixels is not None:
            train.pixels = val.pixels = on_device_if_it_fits(train.pixels, self.device)
        model.image_encoder.recompute = model.image_decoder.recompute = config.recompute
        self.folder = Path(config.checkpoints)
        self.loss = MultimodalLoss(
            config.reconstruction_weight,
            config.caption_weight,
            config.contrastive_weight,
            config.temperature,
            config.shape_weight,
            config.focus_weight,
        )
        self.optimizers = make_optimizers(model, config)
        self.flow_optimizer = torch.optim.AdamW(
            model.sampler.parameters(), lr=1e-3, betas=(0.9, 0.99), fused=True
        )
        # then pictures are jiggled, and encoded in several views
        self.small = len(train.rows) < SMALL
        self.coordinates = None  # (N, k + m) of the training rows, as the sampler has them
        names = sorted(set(train.styles))
        if len(names) > model.config.styles:
            raise UserError(
                f"{config.style} has {len(names)} styles, the model tells {model.config.styles} apart; use --styles {len(names)}"
            )
        self.styles = torch.tensor([names.index(style) for style in train.styles])  # (N,)
        # (N,): whose codes are kept, the first of these
        self.order = some(train, len(train.rows), config.seed)
        model.meta.update(style=config.style, styles=names)
        self.metrics = []
        self.micro = config.micro_batch
        # how far the epoch and the fit of the sampler have come; which last fit this is
        self.within = self.fitting = self.finishing = None
        self.next_save = time.monotonic() + SAVE_EVERY
        self.writer = self.utilisation = None
        self.compiled = False
        if config.compile == "on":
            self.compile()

    # -- one step

    def worth_compiling(self, seconds_left):
        return (
            not self.compiled
            and self.config.compile == "auto"
            and self.device.type == "cuda"
            and seconds_left > WORTH_COMPILING
        )

    def compile(self):
        """From now on the networks run as torch.compile makes them; files and names of weights stay the same."""
        model = self.model
        self.compiled = True
        for part in (
            model.image_encoder.layers,
            model.image_decoder.layers,
            *model.text_decoder.blocks,
            model.text_encoder.block,
        ):
            part.compile()

    def learning_rate(self, step, steps):
        """Warm-up over 100 steps, then constant, then linear to zero over the last half."""
        return self.config.learning_rate * min(1, (step + 1) / 100, 2 * (1 - step / steps))

    def autocast(self):
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        )

    def losses(self, images, tokens, noise):
        with self.autocast():
            code, drawn, logits = self.model.autoencode(images, tokens, noise)
            captions = self.model.text_encoder(tokens)
        return self.loss(drawn, images, logits, tokens, code, captions), code

    def gradients(self, images, tokens, noise, length):
        """Gradients of the loss of a batch of `length` rows, these being this process's -> (the parts of the loss of all of it, on the device in the order of
        loss.weights, its codes (length, D)).

        Where a batch is worked at in parts, by several processes or micro-batch after micro-batch, contrast needs the embeddings of all: they come first,
        without a graph, and the gradient of the contrastive loss by each of them is handed on to its part (Gao et al. 2021, arXiv:2101.06983)."""
        micro = self.micro or max(1, len(images))
        if distributed.world_size() == 1 and micro >= len(images):
            losses, code = self.losses(images, tokens, noise)
            losses["total"].backward()
            return torch.stack([losses[part].detach() for part in self.loss.weights]), code.detach()
        cuts = [slice(start, start + micro) for start in range(0, len(images), micro)]
        with torch.no_grad(), self.autocast():
            empty = [torch.zeros(0, self.model.config.latent_dim, device=self.device)]
            own = [
                torch.cat(empty + [part.float() for part in parts])
                for parts in (
                    [self.model.image_encoder(images[cut]) for cut in cuts],
                    [self.model.text_encoder(tokens[cut]) for cut in cuts],
                )
            ]
        # (length, D) each
        codes, captions = (distributed.gather_rows(part, length).requires_grad_() for part in own)
        contrast = info_nce(codes, captions, self.loss.temperature)
        pulls = [
            pull[distributed.local_slice(length)]
            for pull in torch.autograd.grad(contrast, (codes, captions))
        ]
        heard = float(distributed.all_reduce((tokens[:, 1:] != PAD).sum().float()))
        sums = torch.zeros(len(self.loss.weights), device=self.device)
        for cut in cuts:
            with self.autocast():
                code, drawn, logits = self.model.autoencode(images[cut], tokens[cut], noise[cut])
                caption = self.model.text_encoder(tokens[cut])
            pull = (code.float() * pulls[0][cut]).sum() + (caption.float() * pulls[1][cut]).sum()
            losses = self.loss(
                drawn,
                images[cut],
                logits,
                tokens[cut],
                code,
                caption,
                {"share": len(code) / length, "words": heard, "contrastive": pull},
            )
            losses["total"].backward()
            sums += torch.stack([losses[part].detach() for part in self.loss.weights])
        if distributed.world_size() > 1:
            weights = trained_weights(self.model)
            flat = distributed.all_reduce(
                torch.cat(
                    [
                        (torch.zeros_like(weight) if weight.grad is None else weight.grad).flatten()
                        for weight in weights
                    ]
                    + [sums]
                )
            )
            *grads, sums = flat.split([weight.numel() for weight in weights] + [len(sums)])
            for weight, grad in zip(weights, grads):
                weight.grad = grad.view_as(weight)
        # instead of the sum of its pulls
        sums[list(self.loss.weights).index("contrastive")] = contrast.detach()
        return sums, codes.detach()

    def noise(self, rows, purpose):
        return torch.randn(
            rows,
            self.model.config.latent_dim,
            generator=torch_generator(f"{self.config.seed} {purpose}", "noise"),
        ).to(self.device)

    def step(self, images, tokens, step, steps, length=0):
        """One optimiser step on a batch of `length` rows, these being this process's (0: these are all) -> ({part: float}, gradient norm, codes
        (length, D))."""
        length = length or len(images)
        noise = self.noise(length, step)[distributed.local_slice(length)]
        parts = None
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate(step, steps)
        while parts is None:
            for optimizer in self.optimizers:
                optimizer.zero_grad(set_to_none=True)
            try:
                parts, code = self.gradients(images, tokens, noise, length)
            except torch.OutOfMemoryError as error:
                self.smaller(len(images), error)
        weights = trained_weights(self.model)
        norm = nn.utils.get_total_norm(
            [weight.grad for weight in weights if weight.grad is not None]
        )
        # the only wait for the device in a step: what is no number must not be learnt
        *parts, size = torch.cat([parts, norm[None]]).tolist()
        values = {
            "total": sum(weight * part for weight, part in zip(self.loss.weights.values(), parts)),
            **dict(zip(self.loss.weights, parts)),
        }
        if not (math.isfinite(values["total"]) and math.isfinite(size)):
            raise UserError(self.diagnosis(values, size, step), code=1)
        nn.utils.clip_grads_with_norm_(weights, self.config.max_grad_norm, norm)
        for optimizer in self.optimizers:
            optimizer.step()
        return values, size, code

    def smaller(self, rows, error):
        """Half the micro-batch from now on. UserError where that cannot help."""
        now = min(self.micro or rows, rows)
        # several processes would have to agree
        if now < 2 or distributed.world_size() > 1:
            raise UserError(
                f"a step of {now} pairs does not fit into the memory of {self.device}; run again with --micro-batch {max(1, now // 2)}"
                + (", a smaller --image-size or --preset" if now < 2 else ""),
                code=1,
            ) from error
        self.micro = -(-now // 2)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        print(
            f"out of memory: going on with {self.micro} pairs at a time, the contrast still over the whole batch (--micro-batch {self.micro})",
            flush=True,
        )

    def diagnosis(self, values, norm, step):
        """A loss or gradient that is no number, in a sentence: where, which part, and a way on. values: {part: float}; norm: of the gradient."""
        epoch, index = divmod(step, len(self.train))
        wrong = [
            f"the {part} loss is {value}"
            for part, value in values.items()
            if part != "total" and not math.isfinite(value)
        ]
        if broken := [
            name
            for name, weight in self.model.named_parameters()
            if weight.grad is not None and not weight.grad.isfinite().all()
        ]:
            wrong.append(f"the gradient of {len(broken)} parameters is none, first in {broken[0]}")
        lines = [str(row + 1) for row in self.train.parts()[index].tolist()]
        captions = f"lines {', '.join(lines[:8])}{' …' * (len(lines) > 8)} of {Collection(self.config.style, self.config.data).train}"
        last = self.folder / "last.pt"
        onward = (
            f"it goes on from {last}, saved some steps before; should it end there again, also with --fresh"
            if last.exists()
            else "from the beginning"
        )
        return (
            f"the loss or its gradient is no longer a number at step {step}, batch {index + 1} of epoch {epoch + 1}: {', '.join(wrong) or 'they are too large'} "
            f"({', '.join(f'{part} {value:.4g}' for part, value in values.items())}, gradient norm {norm:.4g}, learning rate "
            f"{self.optimizers[0].param_groups[0]['lr']:.2g}, {self.precision}; {captions}); no weight was changed by it; run again with --learning-rate "
            f"{self.config.learning_rate / 3:.1g}{' or --precision fp32' * (self.precision != 'fp32')}, {onward}"
        )

    # -- epochs

    def train_epoch(self, epoch):
        """-> (mean losses, mean gradient norm, images per second, codes (M, D) of the first pictures of self.order as met during the epoch, which of them
        were met)."""
        self.model.train()
        self.train.epoch, rows, kept = epoch, len(self.train.rows), min(LARGE, len(self.order))
        # of each row's code; of one that is not kept the last
        place = torch.full((rows,), kept).index_copy(0, self.order[:kept], torch.arange(kept))
        parts = self.train.parts()
        self.within = now = self.within or {
            "seen": 0,
            "seconds": 0.0,
            "norms": 0.0,
            "sums": dict.fromkeys(("total", *self.loss.weights), 0.0),
            "codes": torch.zeros(kept + 1, self.model.config.latent_dim, device=self.device),
            "met": torch.zeros(kept + 1, dtype=torch.bool),
        }
        # those of a resumed run come from a file
        now["codes"] = now["codes"].to(self.device)
        first = math.ceil(now["seen"] / self.train.batch_size)
        all_steps = self.config.num_epochs * len(self.train)
        begin = time.perf_counter()
        with progress(
            label=f"epoch {epoch + 1}/{self.config.num_epochs}", total=rows, initial=now["seen"]
        ) as bar:
            for index, (images, tokens, _) in enumerate(self.train.batches(first), first):
                # rows of the whole batch
                rows = parts[index]
                step = epoch * len(self.train) + index
                if self.small and len(images):
                    images = random_zoom(
                        images,
                        torch_generator(f"{self.config.seed} {epoch} {index}", "jiggle"),
                        length=len(rows),
                        mine=distributed.local_slice(len(rows)),
                    )
                with defer_signals():
                    values, norm, code = self.step(
                        images.to(self.device), tokens.to(self.device), step, all_steps, len(rows)
                    )
                    now["codes"][place[rows].to(self.device)] = code.float()
                    now["met"][place[rows]] = True
                    for part in now["sums"]:
                        now["sums"][part] += values[part] * len(rows)
                    now["norms"] += norm * len(rows)
                    now["seen"] += len(rows)
                    now["seconds"] += time.perf_counter() - begin
                bar.set_postfix_str(
                    f"step {step + 1}/{all_steps} loss {values['total']:.2f} recon {values['reconstruction']:.3f} caption {values['caption']:.2f} "
                    f"contrast {values['contrastive']:.2f}{self.told_utilisation(now)}",
                    refresh=False,
                )
                bar.update(len(rows))
                self.save_in_time()
                if now["seconds"] > TOLD_AFTER and self.worth_compiling(
                    (all_steps - step - 1) * self.train.batch_size * now["seconds"] / now["seen"]
                ):
                    self.compile()
                begin = time.perf_counter()
        seen = now["seen"]
        return (
            {part: value / seen for part, value in now["sums"].items()},
            now["norms"] / seen,
            seen / now["seconds"],
            now["codes"][:kept].cpu(),
            now["met"][:kept],
        )

    def told_utilisation(self, now):
        """ ", 39 % of matrix speed", once that is worth while: operations of this epoch's steps, those of contrast left out, over the time that they took."""
        if now["seconds"] < TOLD_AFTER or distributed.world_size() > 1:
            return ""
        if self.utilisation is None:
            images, tokens, _ = self.train.batch(np.arange(2))
            images = images.to(self.device)
            tokens = tokens.to(self.device)
            grads = [weight.grad for weight in self.model.parameters()]
            # else what is added would be added to them
            self.model.zero_grad(set_to_none=True)
            each = (
                count_flops(
                    lambda: self.losses(images, tokens, self.noise(2, 0))[0]["total"].backward()
                )
                / 2
            )
            for weight, grad in zip(self.model.parameters(), grads):
                weight.grad = grad
            update = count_flops(
                lambda: [
                    orthogonalise(weight) for weight in self.optimizers[1].param_groups[0]["params"]
                ]
            )
            self.utilisation = (each + update / self.train.batch_size) / peak_matmul_flops(
                self.device, torch.bfloat16 if self.precision == "bf16" else torch.float32
            )
        return f", {self.utilisation * now['seen'] / now['seconds']:.0%} of matrix speed"

    @torch.no_grad()
    def validate(self):
        """Mean losses over the validation split, with the same noise every time."""
        self.model.eval()
        sums = dict.fromkeys(("total", *self.loss.weights), 0.0)
        parts = self.val.parts()
        # whole batches, in turn
        for index in range(distributed.rank(), len(parts), distributed.world_size()):
            images, tokens, rows = self.val.batch(parts[index].numpy())
            losses, _ = self.losses(
                images.to(self.device),
                tokens.to(self.device),
                self.noise(len(images), f"val {index}"),
            )
            for part in sums:
                sums[part] += float(losses[part]) * len(rows)
        told = distributed.all_reduce(
            torch.tensor(list(sums.values()), dtype=torch.float64, device=self.device)
        ) / sum(map(len, parts))
        return dict(zip(sums, told.tolist()))

    def fit_sampler(self, codes, rows, steps, epoch, learning_rate=1e-3, held_out=None):
        """Fit the map between seeds and codes (views M, D) of some rows (M,), or go on with that where self.fitting says that it was interrupted. The frame is turned to agree with the
        last one, which the same rows began, so the flow starts warm.
        held_out: codes (M, D) that the flow is not fitted to; it is then fitted anew and to the end, and of all its states the one kept
        is that which describes them best, since a flow that learns a few hundred codes by heart leaves no room between them."""
        sampler = self.model.sampler
        final = held_out is not None
        generator = torch_generator(f"{self.config.seed} {epoch} {final}", "flow")
        if self.fitting is None:
            # the dropout's random numbers
            torch.manual_seed(generator.initial_seed())
            # an interruption here leaves the sampler as it was
            fresh = self.model.new_sampler() if final else copy.deepcopy(sampler)
            coordinates = fresh.set_frame(codes, None if final else self.coordinates)
            fresh.set_clusters(coordinates, len(rows) // ROWS_PER_CLUSTER, self.config.seed)
            fresh.set_styles(
                coordinates, self.styles[rows].repeat(len(codes) // len(rows)), generator
            )
            with defer_signals():
                # what the epochs' short fits found in few codes it would never leave
                if final:
                    sampler.load_state_dict(dict(fresh.named_parameters()), strict=False)
                    self.flow_optimizer.state.clear()
                self.coordinates = coordinates
                self.fitting = {
                    "step": 0,
                    "best": math.inf,
                    "kept": None,
                    "buffers": dict(fresh.named_buffers()),
                    "generator": generator.get_state(),
                    "random": torch.get_rng_state(),
                }
        now = self.fitting
        # also those that no state dict holds
        for name, buffer in now["buffers"].items():
            sampler.get_buffer(name).copy_(buffer)
        generator.set_state(now["generator"])
        torch.set_rng_state(now["random"])
        y = self.coordinates.to(self.device)
        captions = self.encode_captions(self.train, rows, PROMPTS if final else 1)
        if final:
            unseen = sampler.to_frame(held_out.to(self.device))[:, : y.shape[1]].repeat(
                max(1, 2000 // len(held_out)), 1
            )
        sampler.train()
        left = range(now["step"], steps)
        for step in (
            progress(
                left, label="fitting the sampler", unit="step", total=steps, initial=left.start
            )
            if final
            else left
        ):
            with defer_signals():
                for group in self.flow_optimizer.param_groups:
                    group["lr"] = learning_rate * min(
                        1, (step + 1) / 20, 2 * (1 - step / steps) if final else 1
                    )
                chosen = torch.randint(len(y), (SAMPLER_BATCH,), generator=generator).to(
                    self.device
                )
                version = torch.randint(len(captions), (len(chosen),), generator=generator).to(
                    self.device
                )
                loss = sampler.loss(
                    y[chosen], generator, captions[version, chosen % captions.shape[1]]
                )
                self.flow_optimizer.zero_grad()
                loss.backward()
                norm = nn.utils.get_total_norm(
                    [weight.grad for weight in sampler.parameters() if weight.grad is not None]
                )
                if not (loss + norm).isfinite():
                    raise UserError(
                        f"the sampler's loss or its gradient is no longer a number at step {step} of {steps} of its fit (loss {float(loss.detach()):.4g}, gradient "
                        f"norm {float(norm):.4g}, learning rate {self.flow_optimizer.param_groups[0]['lr']:.2g}); no weight was changed by it; "
                        + f"use {self.folder / 'best_model.pt'} as it is, its sampler fitted briefly, or "
                        * final
                        + "train anew with another --seed and --fresh",
                        code=1,
                    )
                self.flow_optimizer.step()
                if final and (step + 1) % max(1, steps // 20) == 0:
                    sampler.eval()
                    with torch.no_grad():
                        loss = float(
                            sampler.loss(unseen, torch_generator(self.config.seed, "unseen codes"))
                        )
                    sampler.train()
                    if loss < now["best"]:
                        now.update(
                            best=loss,
                            kept={
                                name: weight.detach().clone()
                                for name, weight in sampler.named_parameters()
                            },
                        )
                now.update(
                    step=step + 1, generator=generator.get_state(), random=torch.get_rng_state()
                )
            self.save_in_time()
        sampler.eval()
        if final:
            sampler.load_state_dict(now["kept"], strict=False)
        sampler.set_spread(unseen if final else y, generator)

    @torch.no_grad()
    def encode_captions(self, loader, rows, versions=1):
        """Features (versions, M, D) of the captions of a loader's rows (M,): as they are, then with words left out."""
        self.model.eval()
        captions = [self.model.tokenizer.decode(loader.tokens[row]) for row in rows.tolist()]
        generator = torch_generator(self.config.seed, "prompts")
        features = torch.empty(
            versions, len(rows), self.model.config.latent_dim, device=self.device
        )
        for number, version in enumerate(features):
            told = (
                captions
                if number == 0
                else [drop_words(caption, generator) for caption in captions]
            )
            for i in range(0, len(told), 128):
                version[i : i + 128] = self.model.features_of(told[i : i + 128])
        return features

    def fit(self):
        """Train until num_epochs or until validation stalls, then fit the sampler of the best model to the end and check its
        latent. -> the health dict."""
        with (
            Log(self.folder / "training.log")
            if not distributed.rank()
            else contextlib.nullcontext(lambda line: None) as log
        ):
            # a kill may have come before they were written
            if self.metrics:
                self.write_metrics()
            try:
                while len(self.metrics) < self.config.num_epochs and not self.stalled():
                    self.one_epoch(log)
                if self.stalled() and len(self.metrics) < self.config.num_epochs:
                    log(
                        f"Stopped early: no better validation loss for {self.config.patience} epochs"
                    )
                return distributed.broadcast_object(
                    None if distributed.rank() else self.finish(log)
                )
            except (KeyboardInterrupt, Terminated):
                self.save_progress()
                raise

    @torch.no_grad()
    def set_linear_code(self):
        """From the training pictures, some thousand of them, a small collection's in several views."""
        rows = torch.randperm(
            len(self.train.rows), generator=torch_generator(self.config.seed, "thumbnails")
        )[:MOST_THUMBNAILS]
        side = self.model.image_encoder.side
        self.model.set_linear_code(
            torch.cat(
                [
                    pooled_pixels(self.view(self.train, part.numpy(), view), side)
                    for view in range(self.views)
                    for part in rows.split(128)
                ]
            )
        )

    @property
    def views(self):
        return min(MOST_VIEWS, math.ceil(SMALL / len(self.train.rows)))

    def view(self, loader, part, view):
        """A loader's pictures, (B, C, S, S), in one of several views: the first as they are, the others jiggled."""
        images = loader.batch(part)[0]
        return (
            random_zoom(images, torch_generator(f"{view} {int(part[0])}", "view"))
            if view
            else images
        )

    def stalled(self):
        best = max((row["epoch"] for row in self.metrics if row["best"]), default=0)
        return len(self.metrics) - best >= self.config.patience

    def one_epoch(self, log):
        epoch = len(self.metrics)
        # else resumed, or begun with another run's weights
        if self.model.config.linear_dims and not self.model.image_encoder.linear.any():
            self.set_linear_code()
        train, norm, speed, codes, met = self.train_epoch(epoch)
        val = self.validate()
        if not distributed.rank():
            self.end_epoch(log, epoch, train, val, norm, speed, codes, met)
        self.within = None
        self.metrics = distributed.broadcast_object(self.metrics)
        # which the first has fitted
        distributed.broadcast_module(self.model.sampler)

    @torch.no_grad()
    def caption_reading(self):
        """Nats per token that held-out captions lose when they are told another picture's code; None where all captions are the same."""
        images, tokens, _ = self.val.batch(np.arange(min(len(self.val.rows), self.val.batch_size)))
        if (tokens == tokens[:1]).all():
            return None
        self.model.eval()
        code = self.model.image_encoder(images.to(self.device))
        tokens = tokens.to(self.device)
        own, other = (
            float(caption_loss(self.model.text_decoder(read, tokens), tokens))
            for read in (code, code.roll(1, 0))
        )
        return other - own

    def end_epoch(self, log, epoch, train, val, norm, speed, codes, met):
        """What one process does for all: the sampler, the figures, the files."""
        best = val["total"] < min((row["val_loss"] for row in self.metrics), default=math.inf)
        grads = {
            name: weight.grad
            for name, weight in self.model.named_parameters()
            if not name.startswith("sampler.")
        }
        dead = (
            [name for name, grad in grads.items() if grad is None or not grad.any()]
            if any(grad is not None for grad in grads.values())
            else []
        )
        if not met.all():
            codes = self.encode(self.train, self.order[:LARGE])
        self.fit_sampler(
            codes, self.order[:LARGE], min(STEPS_AN_EPOCH, self.config.sampler_steps), epoch
        )
        z = self.model.sampler.to_latent(
            self.encode(self.val, some(self.val, LATENTS_WATCHED, self.config.seed), noisy=True).to(
                self.device
            )
        ).cpu()
        with defer_signals():
            self.within = self.fitting = None
            self.metrics.append(
                {
                    "epoch": epoch + 1,
                    "train_loss": train["total"],
                    "val_loss": val["total"],
                    **{f"train_{part}": train[part] for part in self.loss.weights},
                    **{f"val_{part}": val[part] for part in self.loss.weights},
                    "learning_rate": self.optimizers[0].param_groups[0]["lr"],
                    "grad_norm": norm,
                    "code_spread": monitor.code_variation(codes),
                    "caption_reading": self.caption_reading(),
                    "latent_mean": float(z.mean()),
                    "latent_std": float(z.std()),
                    "latent_norm": float(z.norm(dim=1).mean()),
                    "images_per_second": speed,
                    "best": best,
                }
            )
            log(f"Epoch {epoch + 1}/{self.config.num_epochs}" + " ✅ BEST MODEL" * best)
            log(f"  Train Loss: {train['total']:.4f}")
            for part in self.loss.weights:
                log(f"    - {part.capitalize()}: {train[part]:.4f}")
            log(f"  Val Loss: {val['total']:.4f}")
            self.metrics[-1]["notes"] = monitor.findings(self.metrics, self.loss.weights, dead)
            for note in self.metrics[-1]["notes"]:
                log(f"  ! {note}")
            if best:
                self.save_model("best_model.pt", epoch + 1)
                log(f"  → Saved to: {(self.folder / 'best_model.pt').as_posix()}")
            if (epoch + 1) % self.config.checkpoint_every == 0:
                self.save_model(f"checkpoint_epoch_{epoch + 1:03d}.pt", epoch + 1)
            self.show(epoch + 1)
            self.save_checkpoint()
            self.write_metrics()

    @torch.no_grad()
    def encode(self, loader, rows, noisy=False, views=1):
        """Codes (views M, D) of the pictures of a loader's rows (M,), with the training noise or without; the views after the first are jiggled."""
        self.model.eval()
        codes = torch.empty(views * len(rows), self.model.config.latent_dim)
        for view, whole in enumerate(codes.split(len(rows))):
            for place, part in zip(whole.split(128), rows.split(128)):
                place.copy_(
                    self.model.image_encoder(self.view(loader, part.numpy(), view).to(self.device))
                )
        return (
            codes.add_(self.noise(len(codes), "encode").cpu(), alpha=self.model.config.code_noise)
            if noisy
            else codes
        )

    def finish(self, log):
        """The best model again, its sampler fitted to the end, its latent checked; written over best_model.pt."""
        best = self.best_weights(log)
        part = self.folder / "last_fit.pt"
        self.fitting, self.finishing = (
            None,
            [
                checkpoint.digest(best),
                len(self.metrics),
                self.config.sampler_steps,
                self.config.seed,
            ],
        )
        self.model.load_state_dict(best)
        # else it is a finished run, run again
        if not self.model.meta.get("health"):
            if part.exists():
                self.load_fit(part, log)
            rows = self.order[:MOST_CODES]
            held_out = some(self.val, MOST_CHECKED, self.config.seed)
            views = max(1, latent_check.POWER_ROWS // len(self.val.rows))
            self.fit_sampler(
                self.encode(self.train, rows, views=self.views),
                rows,
                self.config.sampler_steps,
                0,
                3e-3,
                held_out=self.encode(self.val, held_out),
            )
            tokens = self.val.batch(np.arange(min(len(self.val.rows), 8)))[1]
            z = self.model.sampler.to_latent(
                self.encode(self.val, held_out, noisy=True, views=views).to(self.device)
            ).cpu()
            self.model.meta["health"] = latent_check.check_latent(
                self.model, z, tokens, np.tile(np.arange(len(held_out)), views), self.config.seed
            )
            self.set_tone()
        # also of a run that ended before pairs were scored
        if not self.model.meta.get("match"):
            self.model.meta["match"] = self.matches()
            self.save_model("best_model.pt", self.model.meta["epoch"])
        self.fitting = None
        part.unlink(missing_ok=True)
        # `part` is off the list, too
        checkpoint.record(self.folder / "best_model.pt")
        log(latent_check.describe_latent(self.model.meta["health"]))
        return self.model.meta["health"]

    def best_weights(self, log):
        """The state of best_model.pt; where that is damaged or gone, of its copy, and where there is none, of the last epoch, and says so."""
        path = self.folder / "best_model.pt"
        best = max(
            (row for row in self.metrics if row["best"]),
            key=lambda row: row["epoch"],
            default=self.metrics[-1],
        )
        try:
            state, found = checkpoint.load_first(
                path, self.folder / f"checkpoint_epoch_{best['epoch']:03d}.pt"
            )
        except UserError:
            self.model.meta["epoch"] = len(self.metrics)
            state = self.model.state_dict()
            found = self.folder / "last.pt"
        if found != path:
            same = found.name != "last.pt" or best is self.metrics[-1]
            log(
                f"{path} is damaged or missing: going on with "
                + (
                    f"the same model from {found}"
                    if same
                    else f"the last epoch's model, validation loss {self.metrics[-1]['val_loss']:.4f}; the lost one, of epoch {best['epoch']}, had {best['val_loss']:.4f}"
                )
            )
        return state

    @torch.no_grad()
    def set_tone(self):
        """The tone curve, from the training pictures as seeds would draw them."""
        if self.model.config.linear_dims:
            self.model.eval()
            real = self.train.batch(np.arange(min(len(self.train.rows), TONED)))[0].to(self.device)
            noise = self.model.config.code_noise * self.noise(len(real), "tone")
            drawn = [
                self.model.image_decoder(self.model.image_encoder(part) + grain)
                for part, grain in zip(real.split(64), noise.split(64))
            ]
            self.model.image_decoder.set_tone(torch.cat(drawn), real)

    def matches(self):
        """Percentiles 0 to 100 of the cosine between picture and caption of held-out real pairs: the scale of match scores."""
        rows = some(self.val, MOST_CHECKED, self.config.seed)
        cosines = F.cosine_similarity(
            self.encode(self.val, rows), self.encode_captions(self.val, rows)[0].cpu()
        )
        return np.quantile(cosines, np.linspace(0, 1, 101)).tolist()

    # -- what people look at

    @torch.no_grad()
    def show(self, epoch):
        """Scalars of this epoch and a grid of eight fixed seeds with their captions, in TensorBoard."""
        if self.writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=epoch)
            images, _, part = self.val.batch(np.arange(min(8, len(self.val.rows))))
            self.writer.add_image("pictures/real", grid(self.model.outward(images)), epoch)
            self.writer.add_text(
                "settings",
                "".join(
                    f"    {name}: {value}\n"
                    for name, value in {**asdict(self.model.config), **asdict(self.config)}.items()
                ),
                epoch,
            )
            self.writer.add_text(
                "captions/real",
                "  \n".join(self.model.tokenizer.decode(self.val.tokens[i]) for i in part),
                epoch,
            )
        row = self.metrics[-1]
        for part in self.loss.weights:
            self.writer.add_scalars(
                f"losses/{part}", {"train": row[f"train_{part}"], "val": row[f"val_{part}"]}, epoch
            )
        self.writer.add_scalars(
            "losses/total", {"train": row["train_loss"], "val": row["val_loss"]}, epoch
        )
        for name in (
            "learning_rate",
            "grad_norm",
            "latent_mean",
            "latent_std",
            "latent_norm",
            "code_spread",
            "images_per_second",
        ):
            self.writer.add_scalar(f"training/{name}", row[name], epoch)
        self.model.eval()
        z = latents(range(8), self.model.config.latent_dim)
        self.writer.add_image("pictures/seeds 0-7", grid(self.model.decode_image(z)), epoch)
        self.writer.add_text(
            "captions/seeds 0-7",
            "  \n".join(
                f"{seed}: {caption}" for seed, caption in enumerate(self.model.decode_text(z))
            ),
            epoch,
        )
        self.writer.flush()

    # -- files

    def save_model(self, name, epoch):
        # of all captions: some seconds where there are many, not to be spent before the first
        # step
        if not self.model.meta.get("words"):
            self.model.meta["words"] = sorted(
                {
                    word
                    for ids in self.train.tokens
                    for word in words(self.model.tokenizer.decode(ids))
                }
            )
        self.model.meta.update(style=self.config.style, epoch=epoch)
        checkpoint.save(
            self.folder / name,
            {key: tensor.cpu() for key, tensor in self.model.state_dict().items()},
        )

    def write_metrics(self):
        if distributed.rank():
            return
        write_text(self.folder / "metrics.json", json.dumps(self.metrics, indent=1) + "\n")
        checkpoint.record(self.folder / "metrics.json")

    def save_checkpoint(self):
        """last.pt: everything that an exact resume needs, at the next epoch or within one. The file that was there becomes last_but_one.pt."""
        checkpoint.save(
            self.folder / "last.pt",
            {
                "model": dict(self.model.state_dict()),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "flow_optimizer": self.flow_optimizer.state_dict(),
                "coordinates": self.coordinates,
                "metrics": self.metrics,
                "within": self.within,
                "fitting": self.fitting,
                "random": torch.get_rng_state(),
                "style": self.config.style,
                "samples": len(self.train.rows),
            },
            keep="last_but_one.pt",
        )

    def save_progress(self):
        """What an interruption at this moment would lose: last.pt, or last_fit.pt, while the sampler of the best model is fitted."""
        begin = time.monotonic()
        if distributed.rank():
            return
        if self.finishing is None:
            self.save_checkpoint()
        elif self.fitting:
            checkpoint.save(
                self.folder / "last_fit.pt",
                {
                    "of": self.finishing,
                    "sampler": dict(self.model.sampler.state_dict()),
                    "flow_optimizer": self.flow_optimizer.state_dict(),
                    "coordinates": self.coordinates,
                    "fitting": self.fitting,
                },
            )
        self.next_save = time.monotonic() + max(SAVE_EVERY, (time.monotonic() - begin) / SAVE_SHARE)

    def save_in_time(self):
        if time.monotonic() >= self.next_save:
            self.save_progress()

    def load_fit(self, path, log):
        """Go on with the last fit of the sampler where it was interrupted, if `path` is whole and belongs to this run."""
        try:
            state = checkpoint.load(path)
        except UserError:
            log(f"{path} is damaged: the last fit of the sampler begins anew")
            return
        if state["of"] == self.finishing:
            self.model.sampler.load_state_dict(state["sampler"])
            self.flow_optimizer.load_state_dict(state["flow_optimizer"])
            self.coordinates = state["coordinates"]
            self.fitting = state["fitting"]

    def load_checkpoint(self):
        """Go on where last.pt stands, or, where that is damaged, the one before it. -> False where there is none. UserError where it belongs
        to another run."""
        last = self.folder / "last.pt"
        before = self.folder / "last_but_one.pt"
        if not (last.exists() or before.exists()):
            return False
        state, path = checkpoint.load_first(last, before)
        instead = f"use --checkpoints DIR for a second run, or --fresh to begin anew (this one then moves to {self.folder.as_posix()}/previous/)"
        if state["style"] != self.config.style:
            raise UserError(
                f"{path} is a run on {state['style']}, not {self.config.style}: {instead}"
            )
        if state["samples"] != len(self.train.rows):
            raise UserError(
                f"{path} is a run on {state['samples']} pictures, now there are {len(self.train.rows)}: {instead}"
            )
        try:
            self.model.load_state_dict(state["model"])
        except UserError as error:
            raise UserError(
                f"{path} is a run of another model ({str(error).partition('(')[2].partition(')')[0]}): {instead}"
            ) from error
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        self.flow_optimizer.load_state_dict(state["flow_optimizer"])
        self.coordinates = state["coordinates"]
        self.metrics = state["metrics"]
        self.within = state.get("within")
        self.fitting = state.get("fitting")
        torch.set_rng_state(state.get("random", torch.get_rng_state()))
        if distributed.rank():
            return True
        if path == before:
            print(
                f"{last} is damaged or missing: going on from {before}, saved some minutes earlier",
                flush=True,
            )
            # the next save keeps the file that is there, which must be a good one
            before.replace(last)
        # a kill may have come between file and list
        checkpoint.record(last)
        return True


def grid(images):
    """(8, 3, S, S) in [-1, 1] -> (3, 2 S, 4 S) in [0, 1]."""
    from torchvision.utils import make_grid

    return make_grid((images.cpu() + 1) / 2, nrow=4)


class Log:
    """print that also appends to training.log."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(path, "a", encoding="utf-8")

    def __call__(self, line):
        print(line, flush=True)
        print(line, file=self.file, flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()


def check_batch(trainer):
    """One batch under the lamp: prints what training would see -> exit status 0, or 1 where something is wrong."""
    model = trainer.model
    loader = trainer.train
    images, tokens, _ = next(iter(loader))
    problems = []
    print(
        f"device {trainer.device}, precision {trainer.precision}, {sum(weight.numel() for weight in trained_weights(model)):,} parameters"
    )
    print(
        f"pictures {tuple(images.shape)}, from {images.min():.2f} to {images.max():.2f}, mean {images.mean():.2f}, standard deviation {images.std():.2f}"
    )
    if images.min() < -1 or images.max() > 1 or images.std() < 0.05:
        problems.append("the pictures leave [-1, 1] or are blank")
    for row in tokens[:3].tolist():
        print(f"caption {[id for id in row if id != PAD]}\n     -> {model.tokenizer.decode(row)!r}")
    losses, _ = trainer.losses(
        images.to(trainer.device), tokens.to(trainer.device), trainer.noise(len(images), 0)
    )
    losses["total"].backward()
    losses = {part: float(value.detach()) for part, value in losses.items()}
    expected = {"caption": math.log(len(model.tokenizer)), "contrastive": math.log(len(images))}
    for part, value in losses.items():
        print(
            f"{part} {value:.4f}"
            + (f" (knowing nothing: {expected[part]:.2f})" if part in expected else "")
        )
        if not math.isfinite(value):
            problems.append(f"{part} is not finite")
    silent = [
        name
        for name, weight in model.named_parameters()
        if not name.startswith("sampler.") and (weight.grad is None or not weight.grad.any())
    ]
    print("every parameter has a gradient" if not silent else f"no gradient: {', '.join(silent)}")
    if silent:
        problems.append(f"{len(silent)} parameters receive no gradient")
    print("✓ ready to train" if not problems else "✗ " + "; ".join(problems))
    return 1 if problems else 0


def estimate_on_cpu(trainer):
    """Time one small step and say how long the whole run would take here."""
    images, tokens, _ = trainer.train.batch(np.arange(2))
    begin = time.perf_counter()
    trainer.losses(images, tokens, trainer.noise(2, 0))[0]["total"].backward()
    hours = (
        (time.perf_counter() - begin)
        / 2
        * len(trainer.train.rows)
        * trainer.config.num_epochs
        / 3600
    )
    print(
        f"No GPU found: the {trainer.model.config.preset} preset would take about {hours:,.0f} hours on this processor. The smaller command: "
        f"python training_loop.py --style {trainer.config.style} --preset small"
    )


def make_way(folder):
    """--fresh: the files of an earlier run move to FOLDER/previous/ (replacing what was there)."""
    previous = folder / "previous"
    mine = [
        path
        for name in ("*.pt", "metrics.json", "checksums.json", "training.log", "tensorboard")
        for path in folder.glob(name)
        if path.name != "judge.pt"
    ]
    if mine:
        shutil.rmtree(previous, ignore_errors=True)
        previous.mkdir(parents=True)
        for path in mine:
            path.rename(previous / path.name)
        print(f"the earlier run moved to {previous.as_posix()}/")


def resolved(model_config, style, vocab_size, budget):
    """The configuration that is built: with this vocabulary and the style's linear code where the preset leaves them open, and scaled to --parameters."""
    if model_config.linear_dims < 0:
        model_config = replace(
            model_config, linear_dims=0 if style == "builtin" else model_config.latent_dim
        )
    model_config = (
        model_config if model_config.vocab_size else replace(model_config, vocab_size=vocab_size)
    )
    if not budget:
        return model_config
    inside = within_budget(model_config, budget)
    print(f"--parameters {budget:,}: {describe_widths(model_config, inside)}")
    return inside


def tokenizer_of(path, vocab_size):
    """The tokenizer of the run with this last.pt, by which its captions are encoded again. None where there is none, or none for a
    vocabulary of this size (0: any): load_checkpoint says what is wrong."""
    try:
        tokenizer = Tokenizer(
            read_extra_state(checkpoint.load(path)["model"]["_extra_state"])["tokenizer"]
        )
    except (UserError, KeyError):
        return None
    return tokenizer if len(tokenizer) <= (vocab_size or len(tokenizer)) else None


def must_equal(model_config, other, path):
    """UserError with the flags that are needed where --init's model is another than this run's."""
    if replace(model_config, preset=other.preset) != other:
        usual = {field.name: field.default for field in fields(ModelConfig)} | PRESETS.get(
            other.preset, {}
        )
        flags = [
            f" --{name.replace('_', '-')} {value}"
            for name, value in asdict(other).items()
            if value != usual[name] and name != "preset" and (name != "vocab_size" or usual[name])
        ]
        raise UserError(
            f"--init {path} has another model configuration than this run; give it the same: --preset {other.preset}{''.join(flags)}"
        )


def begin_with(model, other, path):
    """The weights of another run's model. The sampler, which is fitted to a collection's codes, stays new."""
    for part in MODEL_PARTS:
        if part != "sampler":
            getattr(model, part).load_state_dict(getattr(other, part).state_dict())
    with open(path, "rb") as file:
        model.meta["init"] = {
            "checkpoint": Path(path).name,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
            "style": other.meta.get("style"),
            "epoch": other.meta.get("epoch"),
        }


def main(model_config, config):
    device = distributed.start(pick_device(config.device))
    # one process speaks for all
    if distributed.rank():
        os.environ["TQDM_DISABLE"] = "1"
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    try:
        return run_training(model_config, config, device)
    finally:
        distributed.stop()


def run_training(model_config, config, device):
    precision = (
        config.precision
        if config.precision != "auto"
        else "bf16"
        if device.type == "cuda" and torch.cuda.is_bf16_supported()
        else "fp32"
    )
    folder = Path(config.checkpoints)
    begun = (folder / "last.pt").exists() and not config.fresh
    other = MultimodalModel.from_checkpoint(config.init) if config.init and not begun else None
    if other:
        model_config = resolved(
            model_config, config.style, other.config.vocab_size, config.parameters
        )
        must_equal(model_config, other.config, config.init)
    tokenizer = (
        other.tokenizer
        if other
        else tokenizer_of(folder / "last.pt", model_config.vocab_size)
        if begun
        else None
    )
    try:
        (taught, val), tokenizer = create_data_loaders(model_config, config, tokenizer)
    except UserError as error:
        if not config.estimate:
            raise
        print(f"without a collection captions are taken to be as long as they may be ({error})")
        taught = val = no_pictures(model_config, config)
    if not other:
        model_config = resolved(
            model_config,
            config.style,
            len(tokenizer) if tokenizer else MAX_OWN_VOCABULARY,
            config.parameters,
        )
    # initial values
    torch.manual_seed(config.seed)
    model = MultimodalModel(model_config, tokenizer)
    if other:
        begin_with(model, other, config.init)
        print(
            f"begins with the weights of {config.init} (style {other.meta.get('style')}, epoch {other.meta.get('epoch')}) and its tokenizer; the sampler is fitted anew"
        )
        # not to be held through all of training
        del other
    trainer = MultimodalTrainer(model, taught, val, config, device, precision)
    config = trainer.config
    if config.estimate:
        estimate_memory(trainer)
        return 0
    if config.check:
        return check_batch(trainer)
    if distributed.rank():
        # the first may have to mend files
        distributed.broadcast_object(None)
    elif config.fresh:
        make_way(folder)
    resumed = trainer.load_checkpoint()
    if not distributed.rank():
        distributed.broadcast_object(None)
    if (
        resumed
        and config.init
        and model.meta.get("init", {}).get("checkpoint") != Path(config.init).name
    ):
        raise UserError(
            f"{folder / 'last.pt'} is a run that did not begin with {config.init}: use --checkpoints DIR for a second run, or --fresh to begin anew"
        )
    model.meta["training"] = {
        name: value
        for name, value in asdict(replace(config, precision=precision)).items()
        if name not in UNSAVED_FIELDS
    }
    print(
        f"{config.style}: {len(taught.rows):,} training and {len(val.rows):,} validation pairs, {model_config.preset} preset, {model_config.image_size} px, "
        f"{sum(weight.numel() for weight in trainer.model.parameters()) / 1e6:.1f} M parameters, {device}, {precision}, "
        f"batch {config.batch_size}, learning rate {config.learning_rate:g}, {config.num_epochs} epochs"
    )
    if resumed:
        print(f"resuming after epoch {len(trainer.metrics)} of {config.num_epochs}")
    if model_config.preset != "small" and device.type == "cpu":
        estimate_on_cpu(trainer)
    result = trainer.fit()
    print(
        f"Done: {folder.as_posix()}/best_model.pt; next: python inference.py --checkpoint {folder.as_posix()}/best_model.pt --seeds 0-9"
    )
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    run(main, *CONFIGS)
