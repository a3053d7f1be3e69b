"""Do picture and caption of a seed agree more often than those of a multimodal VAE that trained for the same minutes?

Reads   checkpoints/best_model.pt, checkpoints/judge.pt, data/    as evaluation.py does
Writes  outputs/joint_coherence.json

    pip install -r benchmarks/requirements.txt                    # the library multivae, which nothing else needs
    python -m benchmarks.joint_coherence                          # trains the VAE for six minutes, then judges 500 pairs of each
    python -m benchmarks.joint_coherence --model cmvae --minutes 12

Pictures, captions, tokenizer, networks, weights of the reconstruction terms, optimiser and judges are the same on both sides. What
differs is the method: how a pair becomes a latent, what the loss asks of it, and where a new one is drawn from. The VAE draws from
its prior and from a Gaussian mixture fitted to its codes; "encoded" are held-out pairs sent through its codes, what it draws at best.
"""

from dataclasses import dataclass

from oneseed.config.evaluation import EvaluateConfig
from oneseed.config.model import PRESETS
from oneseed.config.options import data_option
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError, run
from oneseed.console.flags import option
from oneseed.console.output import progress
from oneseed.device import pick_device
from oneseed.evaluation.attribute_judge import load_judge
from oneseed.evaluation.exact import level_of
from oneseed.evaluation.metrics import agreement, distinct, grey_pixels, shuffled, timed_pairs
from oneseed.files import write_text
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.pixels import to_pixels
from oneseed.model.text_networks import CachedDecoder
from oneseed.model.tokenizer import PAD, START
from oneseed.synthetic.engravings import attributes
from oneseed.training.data import create_data_loaders
from oneseed.training.optimizers import make_optimizers

# flag -> the library's name
MODELS = {"mvtcae": "MVTCAE", "mopoe": "MoPoE", "cmvae": "CMVAE"}


@dataclass(frozen=True)
class JointConfig:
    model: str = option("mvtcae", "the multimodal VAE to train", choices=tuple(MODELS))
    minutes: float = option(6.0, "how long it trains; give it what our model took on this machine")
    seeds: int = option(500, "how many pairs of each to judge")
    latent_dim: int = option(256, "length of its latent")
    beta: float = option(0.5, "weight of its divergence terms")
    components: int = option(
        100, "Gaussians of the fitted mixture, and clusters in the prior of cmvae"
    )
    checkpoint: str = option(
        "checkpoints/best_model.pt", "our model; its sizes and its tokenizer serve both"
    )
    judge: str = option(
        "checkpoints/judge.pt", "the picture judge; taught and written where it is missing"
    )
    out: str = option("outputs/joint_coherence.json", "file of all numbers")
    device: str = option("auto", "where to train", choices=("auto", "cuda", "mps", "cpu"))
    data: str = data_option()

    def __post_init__(self):
        for name in ("minutes", "latent_dim", "beta", "components"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"--{name.replace('_', '-')} must be above 0, got {getattr(self, name)}"
                )
        if not 2 <= self.seeds <= 1_000_000:
            raise ValueError(
                f"--seeds must be 2 (the floor needs a wrong pair) to a million, got {self.seeds}"
            )


# --help answers before torch loads
if __name__ == "__main__":
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(JointConfig, description=__doc__)

import json
import math
import time
from dataclasses import asdict, replace
from importlib import metadata

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# of the pictures' Laplace likelihood, as the library's documentation has it
SCALE = 0.75


def library():
    try:
        import multivae.data
        import multivae.models
        import multivae.samplers
    except ImportError as error:
        raise UserError(
            "the library multivae is missing, which this comparison alone needs: pip install -r benchmarks/requirements.txt"
        ) from error
    return multivae


# ---------------------------------------------------------------- its data


class Pairs(torch.utils.data.Dataset):
    """A PairLoader's pairs as the library wants them: {"picture": (C S S 17/16,), "caption": {"tokens": (T,)}}.

    A picture is its pixels and then their averages over 4 x 4, multiplied so that both weigh in its likelihood what they weigh in
    our loss; a caption is padded to the longest of all."""

    def __init__(self, loader, config, settings, longest):
        self.loader = loader
        self.shape = (config.channels, config.image_size, config.image_size)
        self.longest = longest
        self.emphasis = 16 * settings.shape_weight / settings.reconstruction_weight
        self.kind = library().data.datasets.base.DatasetOutput

    def __len__(self):
        return len(self.loader.rows)

    def __getitem__(self, i):
        batch = self.pack(*self.loader.batch(np.array([i]))[:2]).data
        return self.kind(
            data={
                "picture": batch["picture"][0],
                "caption": {"tokens": batch["caption"]["tokens"][0]},
            }
        )

    def pack(self, images, tokens):
        """(B, C, S, S), (B, t) -> a batch as the library reads it."""
        return self.kind(
            data={
                "picture": self.two_scales(images),
                "caption": {
                    "tokens": F.pad(tokens, (0, self.longest - tokens.shape[1]), value=PAD)
                },
            }
        )

    def two_scales(self, images):
        return torch.cat([images.flatten(1), self.emphasis * F.avg_pool2d(images, 4).flatten(1)], 1)

    def one_scale(self, picture):
        """The inverse of two_scales."""
        return picture[:, : math.prod(self.shape)].unflatten(1, self.shape)


# ---------------------------------------------------------------- its model, with our networks


def build(options, config, settings, pairs):
    """The library's model around fresh networks of ours. config: ModelConfig; settings: TrainConfig; pairs: Pairs to train on."""
    models = library().models
    # this one has latents of one modality
    private = options.latent_dim // 4 if options.model == "cmvae" else 0

    class Encoder(models.base.BaseEncoder):
        """One modality -> mean and log-variance (B, D) of its guess at the shared latent, and (B, P) of its own."""

        def __init__(self, body, unpack):
            super().__init__()
            self.body = body
            self.unpack = unpack
            self.sizes = (options.latent_dim, options.latent_dim, private, private)
            self.head = nn.Linear(config.latent_dim, sum(self.sizes))

        def forward(self, modality):
            mean, variance, own_mean, own_variance = self.head(
                self.body(self.unpack(modality))
            ).split(self.sizes, 1)
            return models.base.ModelOutput(
                embedding=mean,
                log_covariance=variance.clamp(-10, 10),
                style_embedding=own_mean,
                style_log_covariance=own_variance.clamp(-10, 10),
            )

    class Painter(models.base.BaseDecoder):
        """Latent (B, D + P) -> pictures on two scales."""

        def __init__(self, body):
            super().__init__()
            self.body = body

        def forward(self, z):
            return models.base.ModelOutput(reconstruction=pairs.two_scales(self.body(z)))

    class Writer(models.base.BaseDecoder):
        """Latent (B, D + P) -> logits (B, T, V). Before each word it reads those in `told` (B, T) while training, else its own likeliest."""

        def __init__(self, body):
            super().__init__()
            self.body = body
            self.told = None

        def forward(self, z):
            if self.training:
                return models.base.ModelOutput(
                    reconstruction=self.body(z, F.pad(self.told, (1, -1), value=START))
                )
            writing = CachedDecoder(self.body, z, pairs.longest)
            logits = []
            for _ in range(pairs.longest):
                # (B, V)
                logits.append(
                    writing.next(logits[-1].argmax(-1).tolist() if logits else [START] * len(z))
                )
            return models.base.ModelOutput(reconstruction=torch.stack(logits, 1))

    wide = MultimodalModel(config)
    narrow = MultimodalModel(replace(config, latent_dim=options.latent_dim + private))
    # padding is a word like any other here
    narrow.text_decoder.unused.zero_()
    length = np.mean([len(tokens) for tokens in pairs.loader.tokens])
    # ours is nats per token
    weight = (
        settings.caption_weight
        / settings.reconstruction_weight
        * math.prod(pairs.shape)
        / length
        / SCALE
    )
    more = (
        dict(
            K=1,
            modalities_specific_dim=private,
            prior_and_posterior_dist="normal",
            number_of_clusters=options.components,
        )
        if private
        else {}
    )
    kind = MODELS[options.model]
    return getattr(models, kind)(
        getattr(models, f"{kind}Config")(
            n_modalities=2,
            latent_dim=options.latent_dim,
            beta=options.beta,
            decoders_dist={"picture": "laplace", "caption": "categorical"},
            decoder_dist_params={"picture": {"scale": SCALE}},
            uses_likelihood_rescaling=True,
            rescale_factors={"picture": 1.0, "caption": weight},
            **more,
        ),
        encoders={
            "picture": Encoder(wide.image_encoder, pairs.one_scale),
            "caption": Encoder(wide.text_encoder, lambda caption: caption["tokens"]),
        },
        decoders={"picture": Painter(narrow.image_decoder), "caption": Writer(narrow.text_decoder)},
    )


def train(rival, pairs, settings, minutes, device):
    """Fit the library's model for so many minutes, by our optimiser and schedule -> {"steps", "pictures", "loss"}."""
    rival.to(device).train()
    optimizers = make_optimizers(rival, settings)
    begin = time.perf_counter()
    done = 0.0
    steps = 0
    seen = 0
    loss = math.nan
    with progress(
        label=f"training {rival.model_name}", total=math.ceil(60 * minutes), unit="second"
    ) as bar:
        while done < 1:
            for images, tokens, _ in pairs.loader:
                inputs = pairs.pack(images.to(device), tokens.to(device))
                rival.decoders["caption"].told = inputs.data["caption"]["tokens"]
                loss = rival(inputs).loss_sum / images.numel()
                for optimizer in optimizers:
                    optimizer.zero_grad(set_to_none=True)
                    for group in optimizer.param_groups:
                        group["lr"] = settings.learning_rate * min(
                            1, (steps + 1) / 100, 2 * (1 - done)
                        )
                loss.backward()
                nn.utils.clip_grad_norm_(rival.parameters(), settings.max_grad_norm)
                for optimizer in optimizers:
                    optimizer.step()
                loss = float(loss.detach())
                steps = steps + 1
                seen = seen + len(images)
                seconds = time.perf_counter() - begin
                if not math.isfinite(loss):
                    raise UserError(
                        f"the loss of {rival.model_name} is no longer a number at step {steps}; try a smaller --beta",
                        code=1,
                    )
                bar.set_postfix_str(
                    f"loss {loss:.3f}, {seen / seconds:.0f} pictures/s", refresh=False
                )
                bar.update(min(int(seconds), bar.total) - bar.n)
                done = seconds / (60 * minutes)
                if done >= 1:
                    break
            pairs.loader.epoch += 1
    return {"steps": steps, "pictures": seen, "loss": loss}


# ---------------------------------------------------------------- pairs and their scores


def sources(rival, pairs, held_out, components):
    """-> {where latents come from: function n -> n of them}. Runs on the CPU, where the mixture is fitted."""
    samplers = library().samplers
    mixture = samplers.GaussianMixtureSampler(
        rival, samplers.GaussianMixtureSamplerConfig(n_components=components)
    )
    # it would take a GPU unasked
    mixture.device = rival.device = "cpu"
    rival.cpu().eval()
    mixture.fit(pairs)

    def encode(n):
        return rival.encode(
            pairs.pack(
                *held_out.batch(
                    np.random.choice(len(held_out.rows), n, replace=n > len(held_out.rows))
                )[:2]
            )
        )

    return {"prior": rival.generate_from_prior, "mixture": mixture.sample, "encoded": encode}


@torch.no_grad()
def draw(rival, source, count, pairs, tokenizer):
    """-> (uint8 pictures (N, S, S), captions), each pair from one latent. count: at least 2."""
    pictures = []
    captions = []
    for part in np.array_split(np.arange(count), -(-count // 50)):
        both = rival.decode(source(len(part)))
        pictures.append(
            to_pixels(pairs.one_scale(both["picture"])).mean(-1).round().astype(np.uint8)
        )
        captions += [tokenizer.decode(ids) for ids in both["caption"].argmax(-1).tolist()]
    return np.concatenate(pictures), captions


def score(pictures, captions, judge, names):
    """uint8 (N, S, S) and their N captions -> {title: number}."""
    seen = judge.see(pictures)
    told = [attributes.parse(caption) for caption in captions]
    joint = agreement(seen, told, names)
    floor = shuffled(seen, told, names)
    return {
        "strict: all attributes agree": joint["strict"],
        "single attributes": joint["mean"],
        **{name: joint[name] for name in names},
        "strict, captions shuffled": floor["strict"],
        "single attributes, captions shuffled": floor["mean"],
        "captions that tell every attribute": float(
            np.mean([all(one[name] is not None for name in names) for one in told])
        ),
        "distinct combinations in pictures": distinct(seen, names),
        "distinct combinations in captions": distinct(told, names),
    }


def table(columns):
    """{heading: {title: number}} -> lines of text."""
    titles = list(next(iter(columns.values())))
    wide = max(map(len, titles))

    def shown(value):
        return f"{value:>17,}" if isinstance(value, int) else f"{value:>17.3f}"

    return "\n".join(
        [
            " " * wide + "".join(f"{heading:>17}" for heading in columns),
            *(
                f"{title:<{wide}}" + "".join(shown(column[title]) for column in columns.values())
                for title in titles
            ),
        ]
    )


def main(options):
    generator = MultimodalGenerator(options.checkpoint, options.device)
    if generator.style != "builtin":
        raise UserError(
            f"{options.checkpoint} was trained on {generator.style}, and the judges know the built-in collection alone: "
            "python training_loop.py --style builtin --preset small"
        )
    library()
    config = generator.model.config
    tokenizer = generator.model.tokenizer
    device = pick_device(options.device)
    settings = TrainConfig(
        style="builtin",
        data=options.data,
        batch_size=PRESETS["small"]["batch_size"],
        learning_rate=PRESETS["small"]["learning_rate"],
    )
    (loader, held_out), _ = create_data_loaders(config, settings, tokenizer)
    judge = load_judge(options.judge)
    names = attributes.LEVELS[level_of([tokenizer.decode(tokens) for tokens in loader.tokens])]

    torch.manual_seed(settings.seed)
    # the mixture knows no other random numbers
    np.random.seed(settings.seed)
    pairs = Pairs(
        loader,
        config,
        settings,
        max(len(ids) for split in (loader, held_out) for ids in split.tokens),
    )
    rival = build(options, config, settings, pairs)
    training = train(rival, pairs, settings, options.minutes, device)
    seeds = list(range(EvaluateConfig.first_seed, EvaluateConfig.first_seed + options.seeds))
    ours, _ = timed_pairs(generator, seeds)
    columns = {
        "ours": score(
            grey_pixels([image for image, _ in ours]),
            [caption for _, caption in ours],
            judge,
            names,
        )
    }
    for name, source in sources(rival, pairs, held_out, options.components).items():
        columns[f"{rival.model_name} {name}"] = score(
            *draw(rival, source, options.seeds, pairs, tokenizer), judge, names
        )

    version = metadata.version("multivae")
    write_text(
        options.out,
        json.dumps(
            {
                "settings": asdict(options),
                "multivae": version,
                "training": training,
                "columns": columns,
            },
            indent=1,
        )
        + "\n",
    )
    print(
        f"{options.seeds} pairs each. {rival.model_name} of multivae {version}: {options.minutes:g} minutes, {training['pictures']:,} pictures shown, "
        f"{sum(weight.numel() for weight in rival.parameters()) / 1e6:.1f} M parameters"
    )
    print(table(columns))
    print(f"A constant pair would agree always and be 1 distinct combination. {options.out}")


if __name__ == "__main__":
    run(main, *CONFIGS)
