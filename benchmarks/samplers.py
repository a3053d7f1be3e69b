"""Which sampler of the shared latent? Several, fitted to the codes of the same trained models, judged alike.

    python training_loop.py --style builtin --preset small --contrastive-weight 0 --checkpoints outputs/no_infonce
    python -m benchmarks.samplers --checkpoints checkpoints/best_model.pt,outputs/no_infonce/best_model.pt

Writes outputs/samplers.json, which evaluation.py shows in its report. Every sampler gets the same codes and, where it has a network, the
same network, batch and number of steps as the checkpoint's own configuration.
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
from oneseed.evaluation.attribute_judge import load_judge
from oneseed.evaluation.exact import level_of
from oneseed.evaluation.metrics import agreement, distinct, grey_pixels, training_rows
from oneseed.files import write_text
from oneseed.model.latent_check import two_sample_auc
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.pixels import to_pil, to_tensor
from oneseed.model.prior import ROWS_PER_CLUSTER, Prior
from oneseed.seeds import latents, torch_generator
from oneseed.synthetic.engravings.attributes import LEVELS, parse

BATCH = 256
LEARNING_RATE = 2e-3
FIRST_SEED = 1_000_000_000


def codes_of(model, collection, rows):
    """Rows of a collection -> codes (N, D) without noise."""
    size = model.config.image_size
    pixels = PixelCache(collection.pixels(size)).pictures(row["id"] for row in rows)
    with torch.no_grad():
        return torch.cat(
            [
                model.image_encoder(to_tensor(pixels[i : i + 128]))
                for i in range(0, len(pixels), 128)
            ]
        )


def optimise(parameters, loss_of, steps, label):
    """AdamW with the schedule that training_loop.py gives the sampler; loss_of(generator) -> scalar."""
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=(0.9, 0.99))
    generator = torch_generator(0, "samplers")
    torch.manual_seed(0)
    for step in progress(range(steps), label=label, unit="step"):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / 20, 2 * (1 - step / steps))
        loss = loss_of(generator)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()


class Gaussian:
    """One Gaussian with the mean and covariance of the noisy codes."""

    clusters = 1
    steps = 0

    def __init__(self, config, codes, steps):
        self.frame = Prior(config)
        for last in (self.frame.flow.outward, self.frame.regression[-1]):
            torch.nn.init.zeros_(last.weight)
            torch.nn.init.zeros_(last.bias)
        self.y = self.frame.set_frame(codes)  # (N, k + m)
        self.frame.set_clusters(self.y, min(self.clusters, len(codes) // ROWS_PER_CLUSTER) or 1)
        self.fit(steps)
        self.frame.eval()

    def fit(self, steps):
        pass

    def codes(self, z):
        return self.frame.to_code(z)

    def latents(self, code):
        return self.frame.to_latent(code)


class Mixture(Gaussian):
    """A mixture of Gaussians in the leading directions, full covariances; seeds choose the component as in Sampler."""

    def fit(self, steps):
        from sklearn.mixture import GaussianMixture

        noisy = self.frame.noisy(self.y[:, : self.frame.dims], torch_generator(0, "mixture"))
        self.mixture = GaussianMixture(
            max(1, min(72, len(noisy) // 60)), reg_covar=1e-3, random_state=0
        ).fit(noisy.double().numpy())
        self.edges = torch.as_tensor(np.concatenate([[0.0], self.mixture.weights_.cumsum()]))

    def codes(self, z):
        component = (
            torch.searchsorted(self.edges, torch.special.ndtr(z[:, -1].double()))
            .sub(1)
            .clamp(0, len(self.edges) - 2)
        )
        roots = torch.linalg.cholesky(torch.as_tensor(self.mixture.covariances_))  # (K, k, k)
        leading = (
            torch.as_tensor(self.mixture.means_)[component]
            + (roots[component] @ z[:, : self.frame.dims, None].double())[..., 0]
        )
        return self.frame.from_frame(torch.cat([leading.float(), z[:, self.frame.dims :]], -1))

    # a code belongs to every component a little
    latents = None


class Flow(Gaussian):
    """Flow matching, one continuous flow, and a regression for the directions that follow from those it models."""

    def fit(self, steps):
        last = self.frame.flow.outward, self.frame.regression[-1]
        for module in self.frame.modules():
            if isinstance(module, torch.nn.Linear) and module not in last:
                torch.nn.init.normal_(module.weight, std=module.in_features**-0.5)
        self.frame.train()
        optimise(list(self.frame.parameters()), self.loss, steps, type(self).__name__)
        self.frame.set_spread(self.y, torch_generator(0, "spread"))

    def rows(self, generator):
        return self.y[torch.randint(len(self.y), (BATCH,), generator=generator)]

    def loss(self, generator):
        return self.frame.loss(self.rows(generator), generator)


class ClustersAndFlow(Flow):
    """The program's own: clusters chosen by one coordinate of the seed, and within each a flow."""

    clusters = 1024


class Diffusion(Flow):
    """Noise prediction on a cosine schedule (Nichol and Dhariwal 2021, arXiv:2102.09672), sampled by DDIM (Song et al. 2021, arXiv:2010.02502)."""

    STEPS = 100

    def loss(self, generator):
        data = self.frame.noisy(self.rows(generator)[:, : self.frame.dims], generator)
        t = torch.rand(BATCH, generator=generator)
        noise = torch.randn(data.shape, generator=generator)
        angle = (t * math.pi / 2)[:, None]
        return F.mse_loss(self.predict(angle.cos() * data + angle.sin() * noise, t), noise)

    def predict(self, y, t, flow=None):
        flow = flow or self.frame.flow
        return flow(y, t, flow.condition(torch.full((len(y),), -1)))

    @torch.no_grad()
    def codes(self, z):
        flow = copy.deepcopy(self.frame.flow).double()
        y = z[:, : self.frame.dims].double()
        angles = torch.linspace(math.pi / 2 * 0.995, 0, self.STEPS + 1, dtype=torch.float64)
        for now, after in itertools.pairwise(angles):
            noise = self.predict(
                y, torch.full((len(y),), float(now) * 2 / math.pi, dtype=torch.float64), flow
            )
            y = after.cos() * (y - now.sin() * noise) / now.cos() + after.sin() * noise
        return self.frame.from_frame(torch.cat([y.float(), z[:, self.frame.dims :]], -1))

    # DDIM's inverse is only approximate
    latents = None


def judge_codes(model, codes, judge, names):
    pictures = []
    captions = []
    code = model.code
    # the decoders read codes here
    model.code = lambda codes: codes
    try:
        for part in codes.split(64):
            pictures += to_pil(model.decode_image(part))
            captions += model.decode_text(part)
    finally:
        model.code = code
    seen = judge.see(grey_pixels(pictures))
    told = [parse(caption) for caption in captions]
    return agreement(seen, told, names), distinct(seen, names)


def main(config):
    judge = load_judge(config.judge)
    rows = []
    for path in config.checkpoints.split(","):
        model = MultimodalModel.from_checkpoint(path)
        collection = Collection(model.meta.get("style", ""), config.data)
        if collection.style != "builtin" or not training_rows(collection):
            raise UserError(
                f"{path} was not trained on the built-in collection in {config.data}, which alone has exact judges"
            )
        train, val = collection.read_captions()
        names = LEVELS[level_of([row["caption"] for row in train])]
        codes = codes_of(model, collection, train)
        held_out = codes_of(model, collection, val)
        held_out = held_out + model.config.code_noise * torch.randn(
            held_out.shape, generator=torch_generator(0, "held out")
        )
        z = latents(range(FIRST_SEED, FIRST_SEED + config.seeds), model.config.latent_dim)
        for kind in (Gaussian, Mixture, Diffusion, Flow, ClustersAndFlow):
            begin = time.perf_counter()
            sampler = kind(model.config, codes, config.steps)
            seconds = time.perf_counter() - begin
            found, combinations = judge_codes(model, sampler.codes(z), judge, names)
            auc = None
            if sampler.latents:
                back = sampler.latents(held_out)
                auc = two_sample_auc(
                    torch.cat([back[:, : sampler.frame.dims], back[:, -1:]], 1).numpy()
                )
            rows.append(
                {
                    "checkpoint": path,
                    "sampler": kind.__name__,
                    "strict": found["strict"],
                    "mean": found["mean"],
                    "distinct": combinations,
                    "auc": auc and float(auc),
                    "seconds": round(seconds, 1),
                }
            )
            print(
                f"{path}  {kind.__name__:<16} strict {found['strict']:.3f}  mean {found['mean']:.3f}  distinct {combinations}  AUC {'-' if auc is None else f'{auc:.3f}'}  {seconds:.0f} s",
                flush=True,
            )
    write_text(
        config.out,
        json.dumps({"seeds": config.seeds, "steps": config.steps, "rows": rows}, indent=1) + "\n",
    )
    print(f"{config.out}; python evaluation.py shows it in its report")


if __name__ == "__main__":
    run(main, *CONFIGS)
