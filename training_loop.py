"""Train the shared latent on a captioned collection.

Reads   data/captions/<style>_{train,val}.jsonl, data/processed/<style>/pixels_<size>.npy
Writes  checkpoints/   best_model.pt, last.pt, checkpoint_epoch_NNN.pt, metrics.json, training.log, tensorboard/

    python training_loop.py                                     # full preset on engravings, for a GPU
    python training_loop.py --style builtin --preset small      # two CPU cores: about 6 minutes
    python training_loop.py --style builtin --preset small --check
    python training_loop.py --preset medium --estimate          # the memory that it would take, and nothing else
    python training_loop.py --config model.yaml                 # settings from a file; --schema describes it
    python training_loop.py --style engraving --init checkpoints_all/best_model.pt
    tail -f checkpoints/training.log

At the first step expect caption near ln(vocabulary) and contrastive near ln(batch). Run the same command again to resume,
with a larger --num-epochs to train on; --fresh begins anew.
"""
if __name__ == "__main__":                                              # --help answers before torch loads
    from cli import parse
    from settings import PRESETS, ModelConfig, TrainConfig
    CONFIGS = parse(ModelConfig, TrainConfig, description=__doc__, presets=PRESETS, file=(ModelConfig, TrainConfig))

import hashlib
import json
import math
import shutil
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import checkpoint
import health
import memory
import scenes
from cli import UserError, progress, run, write_text
from model_architecture import PARTS, MultimodalModel, latents, pick_device, read_extra_state, stream, to_tensor, told_widths, within_budget, words
from records import Collection, read_json
from sampler import ROWS_PER_CLUSTER
from settings import LARGEST_OWN_VOCABULARY, NOT_KEPT, PICTURES_SHOWN, PRESETS, ModelConfig
from tokenizer import END, PAD, START, UNK, Tokenizer


PROMPTS = 4                                                             # versions of each caption that the sampler learns to answer
STEPS_AN_EPOCH = 50                                                     # of the sampler, so that every saved model can be sampled; the last fit does it properly
LATENTS_WATCHED = 200                                                   # validation pictures whose latents each epoch's figures describe
SMALL = 5000                                                            # training pictures below which views make up for number


# ---------------------------------------------------------------- data

class PairLoader:
    """Batches of one split: images float (B, C, S, S) in [-1, 1], tokens int64 (B, T) padded with 0, row numbers (B,).

    pixels: uint8 (N, S, S) or (N, S, S, 3), memory-mapped; rows: which of them; tokens: one id list per row. The order is a
    function of seed and epoch alone, so a resumed run sees the batches that the uninterrupted one would have seen.
    """

    def __init__(self, pixels, rows, tokens, batch_size, channels, seed=0, shuffle=False, styles=None):
        self.pixels, self.rows, self.tokens = pixels, np.asarray(rows), tokens
        self.styles = styles or [""] * len(rows)                        # the name of each row's style
        self.batch_size, self.channels, self.seed, self.shuffle, self.epoch = batch_size, channels, seed, shuffle, 0

    def __len__(self):
        return max(1, math.ceil(len(self.rows) / self.batch_size) - (len(self.rows) % self.batch_size == 1))    # no batch of one

    def __iter__(self):
        order = torch.randperm(len(self.rows), generator=stream(f"{self.seed} {self.epoch}", "order")) if self.shuffle else torch.arange(len(self.rows))
        for part in order.split(self.batch_size)[:len(self)]:
            yield self.batch(part.numpy())

    def batch(self, part):
        """part: positions in `rows` -> images, tokens, part."""
        images = to_tensor(self.pixels[self.rows[part]])                # (B, 1 or 3, S, S)
        if images.shape[1] != self.channels:
            images = images.mean(1, keepdim=True) if self.channels == 1 else images.expand(-1, 3, -1, -1)
        longest = max(len(self.tokens[i]) for i in part)
        tokens = torch.full((len(part), longest), PAD)
        for row, i in zip(tokens, part):
            row[:len(self.tokens[i])] = torch.tensor(self.tokens[i])
        return images, tokens, torch.from_numpy(part)


def create_data_loaders(model_config, config, tokenizer=None):
    """-> (train, val) PairLoaders of config.style. tokenizer None: one is trained on the training captions. UserError where an
    earlier stage is missing or made pictures of another size."""
    collection = Collection(config.style, config.data)
    train, val = collection.read_captions()
    size = model_config.image_size
    source = " --source builtin" if config.style == "builtin" else f" --style {config.style} --source PATH"
    again = f"python dataset_preparation.py{source} --preset {model_config.preset}" + (f" --image-size {size}" if size != PRESETS[model_config.preset].get("image_size", 512) else "")
    if not (collection.pixels(size).exists() and collection.pixels_ids(size).exists()):
        raise UserError(f"the pictures of {config.style} were not prepared at {size} px; make them with: {again}")
    ids = {id: row for row, id in enumerate(read_json(collection.pixels_ids(size))["ids"])}
    pixels = np.load(collection.pixels(size), mmap_mode="r")
    if missing := [row["filename"] for row in train + val if row["id"] not in ids]:
        raise UserError(f"{len(missing)} captioned pictures are not among the prepared ones ({missing[0]} …); write the captions again: "
                        f"python caption_generation.py --style {config.style}")
    if config.max_samples:
        train, val = train[:config.max_samples], val[:max(2, config.max_samples // 10)]
    if len(train) < 2 or len(val) < 1:
        raise UserError(f"{len(train)} training and {len(val)} validation pairs are too few to train on; prepare more pictures: {again}")
    tokenizer = tokenizer or Tokenizer.train([row["caption"] for row in train], model_config.vocab_size or LARGEST_OWN_VOCABULARY)
    return tuple(PairLoader(pixels, [ids[row["id"]] for row in rows], [tokenizer.encode(row["caption"], model_config.max_caption_length) for row in rows],
                            config.batch_size, model_config.channels, config.seed, rows is train, [style_of(row) for row in rows]) for rows in (train, val)), tokenizer


def style_of(row):
    """What --style asks for afterwards: the row's own style; in the built-in collection, all engravings, the technique."""
    return scenes.parse(row["caption"])["technique"] or row["style"] if row["style"] == "builtin" else row["style"]


def partial(caption, generator):
    """A caption with some runs of words left out, as people write prompts."""
    told = caption.split()
    switch = torch.rand(len(told), generator=generator) < .25           # runs of four words on average, kept and left out in turn
    kept = [word for word, gone in zip(told, switch.cumsum(0) % 2 == int(torch.randint(2, (1,), generator=generator))) if not gone]
    return " ".join(kept or told)


def jiggle(images, generator, zoom=0.15):
    """Each picture zoomed in by up to `zoom` and moved within its old frame: (B, C, S, S) -> the same shape. What a caption says
    stays true; nothing is mirrored, since captions say left and right."""
    scale = 1 - zoom * torch.rand(len(images), generator=generator)     # (B,)
    shift = (torch.rand(len(images), 2, generator=generator) * 2 - 1) * (1 - scale)[:, None]
    theta = torch.zeros(len(images), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = scale, scale, shift
    return F.grid_sample(images, F.affine_grid(theta, images.shape, align_corners=False).to(images), padding_mode="border", align_corners=False)


# ---------------------------------------------------------------- losses

def info_nce(image_features, caption_features, temperature=0.07):
    """Symmetric InfoNCE of a batch of true pairs, in nats.

    image_features, caption_features: (B, D) float, any length; row i of both belongs together. temperature: above 0, no unit.
    Returns a scalar: ln B when every candidate looks alike, towards 0 when each row finds its partner.
    Source: van den Oord et al. 2018 (arXiv:1807.03748), eq. 4; both directions, Radford et al. 2021 (arXiv:2103.00020), fig. 3.
    """
    assert image_features.shape == caption_features.shape, f"{image_features.shape} against {caption_features.shape}"
    images = F.normalize(image_features, dim=-1)                        # (B, D), length 1
    captions = F.normalize(caption_features, dim=-1)                    # (B, D), length 1
    similarity = images @ captions.T / temperature                      # (B, B), true pairs on the diagonal
    partner = torch.arange(len(similarity), device=similarity.device)   # (B,)
    return (F.cross_entropy(similarity, partner) + F.cross_entropy(similarity.T, partner)) / 2


class MultimodalLoss(nn.Module):
    """The weighted sum of L1 + MSE of the picture, cross-entropy of the caption in nats per token, InfoNCE between the picture's
    code and the caption's embedding; and, where their weights are not 0, two terms without which a small network learns the
    background's lines first and leaves the subject a blur: shape, L1 + MSE of the picture averaged over 4 x 4 pixels, and focus,
    L1 + MSE in which each 4 x 4 pixels count as much as they and their eight neighbours are still wrong, relative to the whole
    picture (after the focal loss: Lin et al. 2017, arXiv:1708.02002)."""

    def __init__(self, reconstruction_weight=1.0, caption_weight=2.0, contrastive_weight=0.5, temperature=0.07, shape_weight=0.0, focus_weight=0.0):
        super().__init__()
        self.weights = {"reconstruction": reconstruction_weight, "caption": caption_weight, "contrastive": contrastive_weight}
        self.weights |= {part: weight for part, weight in (("shape", shape_weight), ("focus", focus_weight)) if weight}
        self.temperature = temperature

    def forward(self, images, target, logits, tokens, code, caption_features):
        """images, target (B, C, S, S); logits (B, T, V), where [:, t] predict tokens[:, t + 1]; tokens (B, T); code,
        caption_features (B, D) -> {"total", "reconstruction", "caption", "contrastive", perhaps "shape" and "focus"}, scalars."""
        difference = images.float() - target
        distance = lambda difference: difference.abs() + difference.square()
        errors = distance(difference)                                   # (B, C, S, S)
        losses = {
            "reconstruction": errors.mean(),
            "caption": F.cross_entropy(logits[:, :-1].float().flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=PAD),
            "contrastive": info_nce(code.float(), caption_features.float(), self.temperature),
        }
        if "shape" in self.weights:
            losses["shape"] = distance(F.avg_pool2d(difference, 4)).mean()
        if "focus" in self.weights:
            errors = F.avg_pool2d(errors, 4)                            # (B, C, S/4, S/4)
            around = F.avg_pool2d(errors.detach(), 3, 1, 1, count_include_pad=False)
            losses["focus"] = (errors * around / around.mean((1, 2, 3), keepdim=True).clamp(min=1e-6)).mean()
        return {"total": sum(weight * losses[part] for part, weight in self.weights.items()), **losses}


# ---------------------------------------------------------------- the optimiser

def orthogonalise(matrix, steps=5):
    """Nearest semi-orthogonal matrix, roughly: singular values pushed into about [.7, 1.2] by a quintic Newton-Schulz
    iteration. Any shape (n, …); the rest is flattened. Source: Jordan et al. 2024, Muon (kellerjordan.github.io/posts/muon)."""
    x = matrix.flatten(1)
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x.T if tall else x).reshape(matrix.shape)


class Muon(torch.optim.Optimizer):
    """Momentum whose step is orthogonalised, for convolutions and the transformers' matrices: every direction of a weight
    learns at the same pace, which takes about half the steps of AdamW here. lr: relative size of a step."""

    def __init__(self, params, lr, weight_decay=0.0, momentum=0.95):
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                momentum = state.setdefault("momentum", torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 1 - group["momentum"])
                step = orthogonalise(weight.grad.lerp(momentum, group["momentum"]))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(step, alpha=-10 * group["lr"] * max(1, weight.shape[0] / weight[0].numel()) ** 0.5)


# ---------------------------------------------------------------- the loop

class MultimodalTrainer:
    """Trains one MultimodalModel on two PairLoaders and keeps every file of the run folder up to date.

        trainer = MultimodalTrainer(model, train, val, config)
        trainer.load_checkpoint()                                       # -> True where a run was resumed
        trainer.fit()
    """

    def __init__(self, model, train, val, config, device="cpu", precision="fp32"):
        self.model, self.train, self.val, self.config = model.to(device), train, val, config
        self.device, self.precision = torch.device(device), precision
        self.folder = Path(config.checkpoints)
        self.loss = MultimodalLoss(config.reconstruction_weight, config.caption_weight, config.contrastive_weight,
                                   config.temperature, config.shape_weight, config.focus_weight)
        self.optimizers = make_optimizers(model, config)
        self.flow_optimizer = torch.optim.AdamW(model.sampler.parameters(), lr=1e-3, betas=(0.9, 0.99), fused=True)
        self.small = len(train.rows) < SMALL                            # then pictures are jiggled, and encoded in several views
        self.coordinates = None                                         # (N, k + m) of the training rows, as the sampler has them
        names = sorted(set(train.styles))
        if len(names) > model.config.styles:
            raise UserError(f"{config.style} has {len(names)} styles, the model tells {model.config.styles} apart; use --styles {len(names)}")
        self.styles = torch.tensor([names.index(style) for style in train.styles])          # (N,)
        model.meta.update(style=config.style, styles=names, words=sorted(set().union(*(words(model.tokenizer.decode(ids)) for ids in train.tokens))))
        self.metrics = []
        self.writer = None

    # -- one step

    def learning_rate(self, step, steps):
        """Warm-up over 100 steps, then constant, then linear to zero over the last half."""
        return self.config.learning_rate * min(1, (step + 1) / 100, 2 * (1 - step / steps))

    def losses(self, images, tokens, noise):
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            code, drawn, logits = self.model.autoencode(images, tokens, noise)
            captions = self.model.text_encoder(tokens)
        return self.loss(drawn, images, logits, tokens, code, captions), code

    def noise(self, rows, purpose):
        return torch.randn(rows, self.model.config.latent_dim, generator=stream(f"{self.config.seed} {purpose}", "noise")).to(self.device)

    def step(self, images, tokens, step, steps):
        """One optimiser step -> ({part: float}, gradient norm, code (B, D))."""
        losses, code = self.losses(images, tokens, self.noise(len(images), step))
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate(step, steps)
        losses["total"].backward()
        norm = nn.utils.clip_grad_norm_(trained(self.model), self.config.max_grad_norm)
        values = {part: float(value.detach()) for part, value in losses.items()}
        if not (math.isfinite(values["total"]) and math.isfinite(norm)):
            raise UserError(f"the loss is no longer a number at step {step} ({', '.join(f'{part} {value:.4g}' for part, value in values.items())}, "
                            f"gradient norm {float(norm):.4g}); the weights before this step are kept in {self.folder / 'last.pt'}: "
                            f"run again with --learning-rate {self.config.learning_rate / 3:.1g}", code=1)
        for optimizer in self.optimizers:
            optimizer.step()
        return values, float(norm), code.detach()

    # -- epochs

    def train_epoch(self, epoch):
        """-> (mean losses, mean gradient norm, images per second, codes (N, D) as met during the epoch)."""
        self.model.train()
        self.train.epoch = epoch
        sums, norms, seen, begin = dict.fromkeys(("total", *self.loss.weights), 0.0), 0.0, 0, time.perf_counter()
        codes = torch.zeros(len(self.train.rows), self.model.config.latent_dim)
        met = torch.zeros(len(self.train.rows), dtype=torch.bool)
        with progress(label=f"epoch {epoch + 1}/{self.config.num_epochs}", total=len(self.train.rows)) as bar:
            for index, (images, tokens, rows) in enumerate(self.train):
                if self.small:
                    images = jiggle(images, stream(f"{self.config.seed} {epoch} {index}", "jiggle"))
                values, norm, code = self.step(images.to(self.device), tokens.to(self.device), epoch * len(self.train) + index,
                                               self.config.num_epochs * len(self.train))
                codes[rows], met[rows] = code.float().cpu(), True
                for part in sums:
                    sums[part] += values[part] * len(rows)
                norms, seen = norms + norm * len(rows), seen + len(rows)
                bar.set_postfix_str(f"recon {values['reconstruction']:.3f} caption {values['caption']:.2f} contrast {values['contrastive']:.2f}", refresh=False)
                bar.update(len(rows))
        return {part: value / seen for part, value in sums.items()}, norms / seen, seen / (time.perf_counter() - begin), codes, met

    @torch.no_grad()
    def validate(self):
        """Mean losses over the validation split, with the same noise every time."""
        self.model.eval()
        sums, seen = dict.fromkeys(("total", *self.loss.weights), 0.0), 0
        for index, (images, tokens, rows) in enumerate(self.val):
            losses, _ = self.losses(images.to(self.device), tokens.to(self.device), self.noise(len(images), f"val {index}"))
            for part in sums:
                sums[part] += float(losses[part]) * len(rows)
            seen += len(rows)
        return {part: value / seen for part, value in sums.items()}

    def fit_sampler(self, codes, steps, epoch, learning_rate=1e-3, held_out=None):
        """Fit the map between seeds and codes (views N, D). The frame is turned to agree with the last one, so the flow starts warm.
        held_out: codes (M, D) that the flow is not fitted to; it is then fitted to the end, and of all its states the one kept
        is that which describes them best, since a flow that learns a few hundred codes by heart leaves no room between them."""
        sampler, final = self.model.sampler, held_out is not None
        generator = stream(f"{self.config.seed} {epoch} {final}", "flow")
        torch.manual_seed(generator.initial_seed())                     # the dropout's random numbers, the same after a resume
        self.coordinates = sampler.set_frame(codes, self.coordinates)
        sampler.set_clusters(self.coordinates, len(self.train.rows) // ROWS_PER_CLUSTER, self.config.seed)
        sampler.set_styles(self.coordinates, self.styles.repeat(len(codes) // len(self.styles)), generator)
        y, captions = self.coordinates.to(self.device), self.encode_captions(self.train, PROMPTS if final else 1)
        best, kept = math.inf, None
        sampler.train()
        for step in progress(range(steps), label="fitting the sampler", unit="step") if final else range(steps):
            for group in self.flow_optimizer.param_groups:
                group["lr"] = learning_rate * min(1, (step + 1) / 20, 2 * (1 - step / steps) if final else 1)
            rows = torch.randint(len(y), (256,), generator=generator).to(self.device)
            version = torch.randint(len(captions), (len(rows),), generator=generator).to(self.device)
            loss = sampler.loss(y[rows], generator, captions[version, rows % captions.shape[1]])
            self.flow_optimizer.zero_grad()
            loss.backward()
            self.flow_optimizer.step()
            if final and (step + 1) % max(1, steps // 20) == 0:
                unseen = sampler.to_frame(held_out.to(self.device))[:, :y.shape[1]].repeat(max(1, 2000 // len(held_out)), 1)
                sampler.eval()
                with torch.no_grad():
                    loss = float(sampler.loss(unseen, stream(self.config.seed, "unseen codes")))
                sampler.train()
                if loss < best:
                    best, kept = loss, {name: weight.detach().clone() for name, weight in sampler.named_parameters()}
        sampler.eval()
        if final:
            sampler.load_state_dict(kept, strict=False)
        sampler.set_spread(unseen if final else y, generator)

    @torch.no_grad()
    def encode_captions(self, loader, versions=1):
        """Features (versions, N, D) of a loader's captions in the order of its rows: as they are, then with words left out."""
        self.model.eval()
        captions, generator = [self.model.tokenizer.decode(ids) for ids in loader.tokens], stream(self.config.seed, "prompts")
        written = [captions, *([partial(caption, generator) for caption in captions] for _ in range(versions - 1))]
        return torch.stack([torch.cat([self.model.features_of(texts[i:i + 128]) for i in range(0, len(texts), 128)]) for texts in written])

    def fit(self):
        """Train until num_epochs or until validation stalls, then fit the sampler of the best model to the end and check its
        latent. -> the health dict."""
        with Log(self.folder / "training.log") as log:
            while len(self.metrics) < self.config.num_epochs and not self.stalled():
                self.one_epoch(log)
            if self.stalled() and len(self.metrics) < self.config.num_epochs:
                log(f"Stopped early: no better validation loss for {self.config.patience} epochs")
            return self.finish(log)

    def stalled(self):
        best = max((row["epoch"] for row in self.metrics if row["best"]), default=0)
        return len(self.metrics) - best >= self.config.patience

    def one_epoch(self, log):
        epoch = len(self.metrics)
        train, norm, speed, codes, met = self.train_epoch(epoch)
        val = self.validate()
        best = val["total"] < min((row["val_loss"] for row in self.metrics), default=math.inf)
        if not met.all():
            codes = self.encode(self.train)
        self.fit_sampler(codes, min(STEPS_AN_EPOCH, self.config.sampler_steps), epoch)
        z = self.model.sampler.to_latent(self.encode(self.val, noisy=True)[:LATENTS_WATCHED].to(self.device)).cpu()
        self.metrics.append({
            "epoch": epoch + 1, "train_loss": train["total"], "val_loss": val["total"],
            **{f"train_{part}": train[part] for part in self.loss.weights}, **{f"val_{part}": val[part] for part in self.loss.weights},
            "learning_rate": self.optimizers[0].param_groups[0]["lr"], "grad_norm": norm,
            "latent_mean": float(z.mean()), "latent_std": float(z.std()), "latent_norm": float(z.norm(dim=1).mean()),
            "images_per_second": speed, "best": best})
        log(f"Epoch {epoch + 1}/{self.config.num_epochs}" + " ✅ BEST MODEL" * best)
        log(f"  Train Loss: {train['total']:.4f}")
        for part in self.loss.weights:
            log(f"    - {part.capitalize()}: {train[part]:.4f}")
        log(f"  Val Loss: {val['total']:.4f}")
        if best:
            self.save_model("best_model.pt", epoch + 1)
            log(f"  → Saved to: {(self.folder / 'best_model.pt').as_posix()}")
        if (epoch + 1) % self.config.checkpoint_every == 0:
            self.save_model(f"checkpoint_epoch_{epoch + 1:03d}.pt", epoch + 1)
        self.show(epoch + 1)
        self.save_checkpoint()
        write_text(self.folder / "metrics.json", json.dumps(self.metrics, indent=1) + "\n")

    @torch.no_grad()
    def encode(self, loader, noisy=False, views=1):
        """Codes (views N, D) of a loader's pictures in the order of its rows, with the training noise or without; the views
        after the first are jiggled."""
        self.model.eval()
        codes = []
        for view in range(views):
            for part in torch.arange(len(loader.rows)).split(128):
                images = loader.batch(part.numpy())[0]
                images = jiggle(images, stream(f"{view} {int(part[0])}", "view")) if view else images
                codes.append(self.model.image_encoder(images.to(self.device)).float().cpu())
        codes = torch.cat(codes)
        return codes + self.model.config.code_noise * self.noise(len(codes), "encode").cpu() if noisy else codes

    def finish(self, log):
        """The best model again, its sampler fitted to the end, its latent checked; written over best_model.pt."""
        best = checkpoint.load(self.folder / "best_model.pt")
        self.model.load_state_dict(best)
        if self.model.meta.get("health"):                               # a finished run, run again
            log(health.sentence(self.model.meta["health"]))
            return self.model.meta["health"]
        self.fit_sampler(self.encode(self.train, views=math.ceil(SMALL / len(self.train.rows))), self.config.sampler_steps, 0, 2e-3, held_out=self.encode(self.val))
        tokens = self.val.batch(np.arange(min(len(self.val.rows), 8)))[1]
        views = max(1, health.POWER_ROWS // len(self.val.rows))
        z = self.model.sampler.to_latent(self.encode(self.val, noisy=True, views=views).to(self.device)).cpu()
        self.model.meta["health"] = health.check(self.model, z, tokens, np.tile(np.arange(len(self.val.rows)), views), self.config.seed)
        self.save_model("best_model.pt", self.model.meta["epoch"])
        log(health.sentence(self.model.meta["health"]))
        return self.model.meta["health"]

    # -- what people look at

    @torch.no_grad()
    def show(self, epoch):
        """Scalars of this epoch and a grid of eight fixed seeds with their captions, in TensorBoard."""
        if self.writer is None:
            from torch.utils.tensorboard import SummaryWriter
            self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=epoch)
            images, _, part = self.val.batch(np.arange(min(8, len(self.val.rows))))
            self.writer.add_image("pictures/real", grid(self.model.outward(images)), epoch)
            self.writer.add_text("captions/real", "  \n".join(self.model.tokenizer.decode(self.val.tokens[i]) for i in part), epoch)
        row = self.metrics[-1]
        for part in self.loss.weights:
            self.writer.add_scalars(f"losses/{part}", {"train": row[f"train_{part}"], "val": row[f"val_{part}"]}, epoch)
        self.writer.add_scalars("losses/total", {"train": row["train_loss"], "val": row["val_loss"]}, epoch)
        for name in ("learning_rate", "grad_norm", "latent_mean", "latent_std", "latent_norm", "images_per_second"):
            self.writer.add_scalar(f"training/{name}", row[name], epoch)
        self.model.eval()
        z = latents(range(8), self.model.config.latent_dim)
        self.writer.add_image("pictures/seeds 0-7", grid(self.model.decode_image(z)), epoch)
        self.writer.add_text("captions/seeds 0-7", "  \n".join(f"{seed}: {caption}" for seed, caption in enumerate(self.model.decode_text(z))), epoch)
        self.writer.flush()

    # -- files

    def save_model(self, name, epoch):
        self.model.meta.update(style=self.config.style, epoch=epoch)
        checkpoint.save(self.folder / name, {key: tensor.cpu() for key, tensor in self.model.state_dict().items()})

    def save_checkpoint(self):
        """last.pt: everything that an exact resume at the next epoch needs."""
        checkpoint.save(self.folder / "last.pt", {
            "model": self.model.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "flow_optimizer": self.flow_optimizer.state_dict(), "coordinates": self.coordinates, "metrics": self.metrics,
            "style": self.config.style, "samples": len(self.train.rows)})

    def load_checkpoint(self):
        """Go on where last.pt stands. -> False where there is none. UserError where it belongs to another run."""
        path = self.folder / "last.pt"
        if not path.exists():
            return False
        state = checkpoint.load(path)
        instead = f"use --checkpoints DIR for a second run, or --fresh to begin anew (this one then moves to {self.folder.as_posix()}/previous/)"
        if state["style"] != self.config.style:
            raise UserError(f"{path} is a run on {state['style']}, not {self.config.style}: {instead}")
        if state["samples"] != len(self.train.rows):
            raise UserError(f"{path} is a run on {state['samples']} pictures, now there are {len(self.train.rows)}: {instead}")
        try:
            self.model.load_state_dict(state["model"])
        except UserError as error:
            raise UserError(f"{path} is a run of another model ({str(error).partition('(')[2].partition(')')[0]}): {instead}") from error
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        self.flow_optimizer.load_state_dict(state["flow_optimizer"])
        self.coordinates, self.metrics = state["coordinates"], state["metrics"]
        return True


def trained(model):
    """The parameters of the autoencoder; the sampler's flow is fitted apart."""
    return [weight for name, weight in model.named_parameters() if not name.startswith("sampler.")]


def make_optimizers(model, config):
    """Muon for the convolutions and the transformers' matrices, AdamW for the rest: embeddings, norms, biases, and the linear maps
    from and to the latent, whose orthogonalisation would cost more than it saves."""
    muon, adam = [], []
    for name, weight in model.named_parameters():
        if not name.startswith("sampler."):
            matrix = weight.ndim == 4 or weight.ndim == 2 and ".block" in name
            (muon if matrix else adam).append(weight)
    return [torch.optim.AdamW(adam, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True),
            Muon(muon, lr=config.learning_rate, weight_decay=config.weight_decay)]


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


# ---------------------------------------------------------------- the command

def check_batch(trainer):
    """One batch under the lamp: prints what training would see -> exit status 0, or 1 where something is wrong."""
    model, loader = trainer.model, trainer.train
    images, tokens, _ = next(iter(loader))
    problems = []
    print(f"device {trainer.device}, precision {trainer.precision}, {sum(weight.numel() for weight in trained(model)):,} parameters")
    print(f"pictures {tuple(images.shape)}, from {images.min():.2f} to {images.max():.2f}, mean {images.mean():.2f}, standard deviation {images.std():.2f}")
    if images.min() < -1 or images.max() > 1 or images.std() < 0.05:
        problems.append("the pictures leave [-1, 1] or are blank")
    for row in tokens[:3].tolist():
        print(f"caption {[id for id in row if id != PAD]}\n     -> {model.tokenizer.decode(row)!r}")
    losses, _ = trainer.losses(images.to(trainer.device), tokens.to(trainer.device), trainer.noise(len(images), 0))
    losses["total"].backward()
    losses = {part: float(value.detach()) for part, value in losses.items()}
    expected = {"caption": math.log(len(model.tokenizer)), "contrastive": math.log(len(images))}
    for part, value in losses.items():
        print(f"{part} {value:.4f}" + (f" (knowing nothing: {expected[part]:.2f})" if part in expected else ""))
        if not math.isfinite(value):
            problems.append(f"{part} is not finite")
    silent = [name for name, weight in model.named_parameters() if not name.startswith("sampler.") and (weight.grad is None or not weight.grad.any())]
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
    hours = (time.perf_counter() - begin) / 2 * len(trainer.train.rows) * trainer.config.num_epochs / 3600
    print(f"No GPU found: the {trainer.model.config.preset} preset would take about {hours:,.0f} hours on this processor. The smaller command: "
          f"python training_loop.py --style {trainer.config.style} --preset small")


def estimate_memory(trainer):
    """Take two small steps and say what one of the run's own would hold -> {part: bytes}. Weights, gradients and optimisers do not depend on
    the batch; all else, at its peak, grows with it in a straight line, which is drawn through 2 and 4 pictures."""
    model, config = trainer.model, trainer.model.config
    batch, length = min(trainer.config.batch_size, len(trainer.train.rows)), max(map(len, trainer.train.tokens))

    def step(pictures):
        """All but the update, with captions as long as the collection's longest."""
        images = torch.zeros(pictures, config.channels, config.image_size, config.image_size, device=trainer.device)
        tokens = torch.full((pictures, length), UNK, device=trainer.device)
        trainer.losses(images, tokens, trainer.noise(pictures, 0))[0]["total"].backward()

    model.train()
    for weight in model.parameters():                                   # before the steps, so that they are not counted twice; the sampler's stay in memory as well
        weight.grad = torch.zeros_like(weight)
    optimizers = [*trainer.optimizers, trainer.flow_optimizer]
    for optimizer in optimizers:
        optimizer.step()
    two, four = (memory.peak(lambda: step(pictures), trainer.device) for pictures in (2, 4))
    each = (four - two) / 2
    parts = {"weights": memory.total([*model.parameters(), *model.buffers()]), "gradients": memory.total(weight.grad for weight in model.parameters()),
             "optimisers": memory.total(memory.states(optimizers)), "activations": two + each * (batch - 2)}
    print(f"One training step of {sum(weight.numel() for weight in model.parameters()) / 1e6:.1f} M parameters, {batch} pictures of {config.image_size} px, captions of {length} tokens, "
          f"{trainer.device}, {trainer.precision}:")
    for name, size in parts.items():
        print(f"  {name:<12} {memory.told(size):>10}" + (f"   {memory.told(each)} a picture, as measured for 2 and 4" if name == "activations" else ""))
    print(f"  {'sum':<12} {memory.told(sum(parts.values())):>10}   beside the program itself and what the device's libraries take")
    return parts


def make_way(folder):
    """--fresh: the files of an earlier run move to FOLDER/previous/ (replacing what was there)."""
    previous = folder / "previous"
    mine = [path for name in ("*.pt", "metrics.json", "training.log", "tensorboard") for path in folder.glob(name) if path.name != "judge.pt"]
    if mine:
        shutil.rmtree(previous, ignore_errors=True)
        previous.mkdir(parents=True)
        for path in mine:
            path.rename(previous / path.name)
        print(f"the earlier run moved to {previous.as_posix()}/")


def no_pictures(model_config, config):
    """What --estimate takes for a collection that is not prepared yet: a batch whose captions are as long as they may be."""
    tokens = [START, *[UNK] * (model_config.max_caption_length - 2), END]
    return PairLoader(None, range(config.batch_size), [tokens] * config.batch_size, config.batch_size, model_config.channels)


def resolved(model_config, vocab_size, budget):
    """The configuration that is built: with this vocabulary where the preset leaves it open, and scaled to --parameters."""
    model_config = model_config if model_config.vocab_size else replace(model_config, vocab_size=vocab_size)
    if not budget:
        return model_config
    inside = within_budget(model_config, budget)
    print(f"--parameters {budget:,}: {told_widths(model_config, inside)}")
    return inside


def tokenizer_of(path, vocab_size):
    """The tokenizer of the run with this last.pt, by which its captions are encoded again. None where there is none, or none for a
    vocabulary of this size (0: any): load_checkpoint says what is wrong."""
    try:
        tokenizer = Tokenizer(read_extra_state(checkpoint.load(path)["model"]["_extra_state"])["tokenizer"])
    except (UserError, KeyError):
        return None
    return tokenizer if len(tokenizer) <= (vocab_size or len(tokenizer)) else None


def must_equal(model_config, other, path):
    """UserError with the flags that are needed where --init's model is another than this run's."""
    if replace(model_config, preset=other.preset) != other:
        usual = {field.name: field.default for field in fields(ModelConfig)} | PRESETS.get(other.preset, {})
        flags = [f" --{name.replace('_', '-')} {value}" for name, value in asdict(other).items() if value != usual[name] and name != "preset" and (name != "vocab_size" or usual[name])]
        raise UserError(f"--init {path} has another model configuration than this run; give it the same: --preset {other.preset}{''.join(flags)}")


def begin_with(model, other, path):
    """The weights of another run's model. The sampler, which is fitted to a collection's codes, stays new."""
    for part in PARTS:
        if part != "sampler":
            getattr(model, part).load_state_dict(getattr(other, part).state_dict())
    with open(path, "rb") as file:
        model.meta["init"] = {"checkpoint": Path(path).name, "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
                              "style": other.meta.get("style"), "epoch": other.meta.get("epoch")}


def main(model_config, config):
    device = pick_device(config.device)
    precision = config.precision if config.precision != "auto" else "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    folder = Path(config.checkpoints)
    begun = (folder / "last.pt").exists() and not config.fresh
    other = MultimodalModel.from_checkpoint(config.init) if config.init and not begun else None
    if other:
        model_config = resolved(model_config, other.config.vocab_size, config.parameters)
        must_equal(model_config, other.config, config.init)
    tokenizer = other.tokenizer if other else tokenizer_of(folder / "last.pt", model_config.vocab_size) if begun else None
    try:
        (train, val), tokenizer = create_data_loaders(model_config, config, tokenizer)
    except UserError as error:
        if not config.estimate:
            raise
        print(f"without a collection captions are taken to be as long as they may be ({error})")
        train = val = no_pictures(model_config, config)
    if not other:
        model_config = resolved(model_config, len(tokenizer) if tokenizer else LARGEST_OWN_VOCABULARY, config.parameters)
    if not config.num_epochs:
        config = replace(config, num_epochs=max(1, round(PICTURES_SHOWN / len(train.rows))))
    torch.manual_seed(config.seed)                                      # initial values
    model = MultimodalModel(model_config, tokenizer)
    if other:
        begin_with(model, other, config.init)
        print(f"begins with the weights of {config.init} (style {other.meta.get('style')}, epoch {other.meta.get('epoch')}) and its tokenizer; the sampler is fitted anew")
        del other                                                       # not to be held through all of training
    trainer = MultimodalTrainer(model, train, val, config, device, precision)
    if config.estimate:
        estimate_memory(trainer)
        return 0
    if config.check:
        return check_batch(trainer)
    if config.fresh:
        make_way(folder)
    resumed = trainer.load_checkpoint()
    if resumed and config.init and model.meta.get("init", {}).get("checkpoint") != Path(config.init).name:
        raise UserError(f"{folder / 'last.pt'} is a run that did not begin with {config.init}: use --checkpoints DIR for a second run, or --fresh to begin anew")
    model.meta["training"] = {name: value for name, value in asdict(replace(config, precision=precision)).items() if name not in NOT_KEPT}
    print(f"{config.style}: {len(train.rows):,} training and {len(val.rows):,} validation pairs, {model_config.preset} preset, {model_config.image_size} px, "
          f"{sum(weight.numel() for weight in trainer.model.parameters()) / 1e6:.1f} M parameters, {device}, {precision}, "
          f"batch {config.batch_size}, learning rate {config.learning_rate:g}, {config.num_epochs} epochs")
    if resumed:
        print(f"resuming after epoch {len(trainer.metrics)} of {config.num_epochs}")
    if model_config.preset != "small" and device.type == "cpu":
        estimate_on_cpu(trainer)
    result = trainer.fit()
    print(f"Done: {folder.as_posix()}/best_model.pt; next: python inference.py --checkpoint {folder.as_posix()}/best_model.pt --seeds 0-9")
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    run(main, *CONFIGS)
