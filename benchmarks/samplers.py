"""Which sampler of the shared latent? Several, fitted to the same codes and judged alike.

    python training_loop.py --style builtin --preset small --contrastive-weight 0 \\
        --checkpoints outputs/no_infonce
    python -m benchmarks.samplers \\
        --checkpoints checkpoints/best_model.pt,outputs/no_infonce/best_model.pt

Writes outputs/samplers.json, which evaluation.py shows in its report. Every sampler gets the same
codes and, where it has a network, the same network, batch and number of steps as the checkpoint's
own configuration.
"""

# --help answers at once
if __name__ == "__main__":
    from benchmarks.settings import SamplersConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(SamplersConfig, description=__doc__)

import copy
import itertools
import json
import math
import time

import numpy as np
import torch
import torch.nn.functional as F

from oneseed.console.command import UserError, run
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.pixels import PixelCache
from oneseed.evaluation.attribute_judge_training import load_judge
from oneseed.evaluation.exact import level_of
from oneseed.evaluation.metrics import agreement, distinct
from oneseed.evaluation.samples import grey_pixels, training_rows
from oneseed.files import write_text
from oneseed.model.flow import NO_CLUSTER
from oneseed.model.latent_check import two_sample_auc
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.pixels import to_pil, to_tensor
from oneseed.model.prior import Prior
from oneseed.model.prior_fitting import (
    ROWS_PER_CLUSTER,
    add_code_noise,
    fit_clusters,
    fit_frame,
    fit_spread,
    prior_loss,
)
from oneseed.seeds import latents, torch_generator
from oneseed.synthetic.engravings.collection import ENGRAVINGS

# rows of a fitting step
BATCH = 256
LEARNING_RATE = 2e-3
# steps over which the learning rate rises
WARMUP_STEPS = 20
# seeds that no other script shows
FIRST_SEED = 1_000_000_000
# pictures that go through the encoder, and codes through the decoders, together
ENCODE_CHUNK = 128
DECODE_CHUNK = 64
# of the mixture: components at most, and rows for each at least
MAX_COMPONENTS = 72
ROWS_PER_COMPONENT = 60


def codes_of(model, collection, rows):
    """Rows of a collection -> codes (N, D) without noise."""
    size = model.config.image_size
    pixels = PixelCache.require(collection, size).pictures(row["id"] for row in rows)
    codes = []
    with torch.no_grad():
        for start in range(0, len(pixels), ENCODE_CHUNK):
            images = to_tensor(pixels[start : start + ENCODE_CHUNK])
            codes.append(model.image_encoder(images))
    return torch.cat(codes)


def optimise(parameters, loss_of, steps, label):
    """AdamW with the schedule that training gives the prior; loss_of(generator) -> scalar."""
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=(0.9, 0.99))
    generator = torch_generator(0, "samplers")
    torch.manual_seed(0)
    for step in progress(range(steps), label=label, unit="step"):
        rise = (step + 1) / WARMUP_STEPS
        fall = 2 * (1 - step / steps)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, rise, fall)
        loss = loss_of(generator)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()


class Gaussian:
    """One Gaussian with the mean and covariance of the noisy codes; the base of the others."""

    clusters = 1

    def __init__(self, config, codes, steps):
        self.prior = Prior(config)
        for last in (self.prior.flow.outward, self.prior.regression[-1]):
            torch.nn.init.zeros_(last.weight)
            torch.nn.init.zeros_(last.bias)
        self.coordinates = fit_frame(self.prior, codes)  # (N, k + m)
        count = max(1, min(self.clusters, len(codes) // ROWS_PER_CLUSTER))
        fit_clusters(self.prior, self.coordinates, count)
        self.fit(steps)
        self.prior.eval()

    def fit(self, steps):
        """A Gaussian is its frame."""

    def to_code(self, z):
        """Seeds (B, D) -> codes (B, D)."""
        return self.prior.to_code(z)

    def to_latent(self, code):
        """The inverse of to_code."""
        return self.prior.to_latent(code)


class Mixture(Gaussian):
    """A mixture of Gaussians in the leading directions, with full covariances.

    Seeds choose the component as in the program's prior.
    """

    def fit(self, steps):
        from sklearn.mixture import GaussianMixture

        leading = self.coordinates[:, : self.prior.dims]
        noised = add_code_noise(self.prior, leading, torch_generator(0, "mixture"))
        components = max(1, min(MAX_COMPONENTS, len(noised) // ROWS_PER_COMPONENT))
        mixture = GaussianMixture(components, reg_covar=1e-3, random_state=0)
        self.mixture = mixture.fit(noised.double().numpy())
        self.edges = torch.as_tensor(np.concatenate([[0.0], mixture.weights_.cumsum()]))

    def to_code(self, z):
        u = torch.special.ndtr(z[:, -1].double())
        component = torch.searchsorted(self.edges, u).sub(1).clamp(0, len(self.edges) - 2)
        means = torch.as_tensor(self.mixture.means_)  # (K, k)
        roots = torch.linalg.cholesky(torch.as_tensor(self.mixture.covariances_))  # (K, k, k)
        start = z[:, : self.prior.dims, None].double()
        leading = means[component] + (roots[component] @ start)[..., 0]
        return self.prior.from_frame(torch.cat([leading.float(), z[:, self.prior.dims :]], -1))

    # a code belongs to every component a little
    to_latent = None


class Flow(Gaussian):
    """Flow matching: one continuous flow, and a regression for the following directions."""

    def fit(self, steps):
        last = self.prior.flow.outward, self.prior.regression[-1]
        for module in self.prior.modules():
            if isinstance(module, torch.nn.Linear) and module not in last:
                torch.nn.init.normal_(module.weight, std=module.in_features**-0.5)
        self.prior.train()
        optimise(list(self.prior.parameters()), self.loss, steps, type(self).__name__)
        fit_spread(self.prior, self.coordinates, torch_generator(0, "spread"))

    def rows(self, generator):
        """Coordinates of a fitting step, (BATCH, k + m)."""
        return self.coordinates[torch.randint(len(self.coordinates), (BATCH,), generator=generator)]

    def loss(self, generator):
        """Of one fitting step."""
        return prior_loss(self.prior, self.rows(generator), generator)


class ClustersAndFlow(Flow):
    """The program's own: clusters chosen by one coordinate of the seed, within each a flow."""

    clusters = 1024


class Diffusion(Flow):
    """Noise prediction on a cosine schedule, sampled by DDIM.

    Nichol and Dhariwal 2021 (arXiv:2102.09672), Song et al. 2021 (arXiv:2010.02502).
    """

    STEPS = 100
    # of pi / 2: where the schedule begins, short of pure noise
    FIRST_ANGLE = 0.995

    def loss(self, generator):
        leading = self.rows(generator)[:, : self.prior.dims]
        data = add_code_noise(self.prior, leading, generator)
        t = torch.rand(BATCH, generator=generator)
        noise = torch.randn(data.shape, generator=generator)
        angle = (t * math.pi / 2)[:, None]
        noised = angle.cos() * data + angle.sin() * noise
        return F.mse_loss(predict_noise(self.prior.flow, noised, t), noise)

    @torch.no_grad()
    def to_code(self, z):
        network = copy.deepcopy(self.prior.flow).double()
        y = z[:, : self.prior.dims].double()
        first = math.pi / 2 * self.FIRST_ANGLE
        angles = torch.linspace(first, 0, self.STEPS + 1, dtype=torch.float64)
        for now, after in itertools.pairwise(angles):
            t = torch.full((len(y),), float(now) * 2 / math.pi, dtype=torch.float64)
            noise = predict_noise(network, y, t)
            data = (y - now.sin() * noise) / now.cos()
            y = after.cos() * data + after.sin() * noise
        return self.prior.from_frame(torch.cat([y.float(), z[:, self.prior.dims :]], -1))

    # DDIM's inverse is only approximate
    to_latent = None


def predict_noise(network, y, t):
    """Noised coordinates (B, k), times (B,) in [0, 1] -> their noise (B, k)."""
    return network(y, t, network.condition(torch.full((len(y),), NO_CLUSTER)))


KINDS = (Gaussian, Mixture, Diffusion, Flow, ClustersAndFlow)


def judge_codes(model, codes, judge, names):
    """Codes -> (how picture and caption agree, how many combinations of attributes there are)."""
    pictures = []
    captions = []
    for part in codes.split(DECODE_CHUNK):
        images, some_captions = model.decode_code(part)
        pictures += to_pil(images)
        captions += some_captions
    seen = judge.see(grey_pixels(pictures))
    said = [ENGRAVINGS.parse(caption) for caption in captions]
    return agreement(seen, said, names), distinct(seen, names)


def measure_checkpoint(path, judge, config):
    """A checkpoint -> the report's row of each sampler; prints a line for each."""
    model = MultimodalModel.from_checkpoint(path)
    collection = Collection(model.meta.get("style", ""), config.data)
    if collection.style != ENGRAVINGS.style or not training_rows(collection):
        raise UserError(
            f"{path} was not trained on the built-in collection in {config.data}, "
            "which alone has exact judges"
        )
    train, val = collection.read_captions()
    names = ENGRAVINGS.levels[level_of(ENGRAVINGS, [row["caption"] for row in train])]
    codes = codes_of(model, collection, train)
    held_out = codes_of(model, collection, val)
    noise = torch.randn(held_out.shape, generator=torch_generator(0, "held out"))
    held_out = held_out + model.config.code_noise * noise
    z = latents(range(FIRST_SEED, FIRST_SEED + config.seeds), model.config.latent_dim)
    rows = []
    for kind in KINDS:
        begin = time.perf_counter()
        sampler = kind(model.config, codes, config.steps)
        seconds = time.perf_counter() - begin
        found, combinations = judge_codes(model, sampler.to_code(z), judge, names)
        auc = read_auc(sampler, held_out)
        row = {
            "checkpoint": path,
            "sampler": kind.__name__,
            "strict": found["strict"],
            "mean": found["mean"],
            "distinct": combinations,
            "auc": auc,
            "seconds": round(seconds, 1),
        }
        rows.append(row)
        shown_auc = "-" if auc is None else f"{auc:.3f}"
        print(
            f"{path}  {kind.__name__:<16} strict {found['strict']:.3f}  mean {found['mean']:.3f}  "
            f"distinct {combinations}  AUC {shown_auc}  {seconds:.0f} s",
            flush=True,
        )
    return rows


def read_auc(sampler, codes):
    """The two-sample AUC of held-out codes in the coordinates that decide; None without inverse."""
    if sampler.to_latent is None:
        return None
    z = sampler.to_latent(codes)
    return two_sample_auc(torch.cat([z[:, : sampler.prior.dims], z[:, -1:]], 1).numpy())


def main(config):
    judge = load_judge(config.judge, ENGRAVINGS)
    rows = []
    for path in config.checkpoints.split(","):
        rows += measure_checkpoint(path, judge, config)
    report = {"seeds": config.seeds, "steps": config.steps, "rows": rows}
    write_text(config.out, json.dumps(report, indent=1) + "\n")
    print(f"{config.out}; python evaluation.py shows it in its report")


if __name__ == "__main__":
    run(main, *CONFIGS)
