"""A multimodal VAE of the library multivae around our networks, its training and its pairs.

    pip install -r benchmarks/requirements.txt

A VAE's likelihood is that of one mean picture a latent. So its picture networks are the plain ones
of oneseed/model/regression_networks.py, of the same widths, and not those that draw in passes.

The library is imported inside the functions, since nothing else needs it.
"""

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.pixels import to_pixels
from oneseed.model.text_networks import CachedDecoder
from oneseed.model.tokenizer import PAD, START
from oneseed.training.optimizers import make_optimizers

# flag -> the library's name
MODELS = {"mvtcae": "MVTCAE", "mopoe": "MoPoE", "cmvae": "CMVAE"}
# of the pictures' Laplace likelihood, as the library's documentation has it
LAPLACE_SCALE = 0.75
# log-variances of codes lie between minus and plus this
MAX_LOG_VARIANCE = 10
# pixels a side, over which the pictures' second scale is averaged
POOLED = 4
# steps until the learning rate is at its peak
WARMUP_STEPS = 100
# pairs that are decoded together
DRAWN_AT_ONCE = 50


def library():
    """The package multivae. UserError where it is not installed."""
    try:
        import multivae.data
        import multivae.models
        import multivae.samplers
    except ImportError as error:
        raise UserError(
            "the library multivae is missing, which this comparison alone needs: "
            "pip install -r benchmarks/requirements.txt"
        ) from error
    return multivae


# Its data


class Pairs(torch.utils.data.Dataset):
    """A PairLoader's pairs as the library wants them.

    {"picture": (C S S 17/16,), "caption": {"tokens": (T,)}}. A picture is its pixels and then their
    averages over 4 x 4, multiplied so that both weigh in its likelihood what they weigh in our
    loss; a caption is padded to the longest of all.
    """

    def __init__(self, loader, config, settings, longest):
        """config: ModelConfig; settings: TrainConfig; longest: tokens of the longest caption."""
        self.loader = loader
        self.shape = (config.channels, config.image_size, config.image_size)
        self.longest = longest
        self.emphasis = POOLED**2 * settings.shape_weight / settings.reconstruction_weight
        self.kind = library().data.datasets.base.DatasetOutput

    def __len__(self):
        return len(self.loader.rows)

    def __getitem__(self, index):
        images, tokens, *_ = self.loader.batch(np.array([index]))
        batch = self.pack(images, tokens).data
        tokens = batch["caption"]["tokens"][0]
        return self.kind(data={"picture": batch["picture"][0], "caption": {"tokens": tokens}})

    def pack(self, images, tokens):
        """(B, C, S, S), (B, t) -> a batch as the library reads it."""
        padded = F.pad(tokens, (0, self.longest - tokens.shape[1]), value=PAD)  # (B, T)
        return self.kind(data={"picture": self.two_scales(images), "caption": {"tokens": padded}})

    def two_scales(self, images):
        """(B, C, S, S) -> (B, C S S 17/16)."""
        pooled = self.emphasis * F.avg_pool2d(images, POOLED)
        return torch.cat([images.flatten(1), pooled.flatten(1)], 1)

    def one_scale(self, picture):
        """The inverse of two_scales."""
        return picture[:, : math.prod(self.shape)].unflatten(1, self.shape)


# Its model, with our networks


def make_encoder(body, unpack, features, sizes):
    """One modality -> mean and log-variance of its guess at the shared latent, and of its own.

    body: our network, of `features` outputs; unpack: what the body reads of a modality;
    sizes: D of the shared latent, P of the modality's own.
    """
    base = library().models.base
    shared, own = sizes

    class Encoder(base.BaseEncoder):
        def __init__(self):
            super().__init__()
            self.body = body
            self.head = nn.Linear(features, 2 * shared + 2 * own)

        def forward(self, modality):
            outputs = self.head(self.body(unpack(modality)))
            mean, variance, own_mean, own_variance = outputs.split((shared, shared, own, own), 1)
            return base.ModelOutput(
                embedding=mean,
                log_covariance=variance.clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE),
                style_embedding=own_mean,
                style_log_covariance=own_variance.clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE),
            )

    return Encoder()


def make_image_decoder(body, pairs):
    """Latent (B, D + P) -> pictures on two scales."""
    base = library().models.base

    class ImageDecoder(base.BaseDecoder):
        def __init__(self):
            super().__init__()
            self.body = body

        def forward(self, z):
            return base.ModelOutput(reconstruction=pairs.two_scales(self.body(z)))

    return ImageDecoder()


def make_text_decoder(body, longest):
    """Latent (B, D + P) -> logits (B, T, V), T = longest.

    Before each word it reads those in `given_tokens` (B, T) while training, else its own likeliest.
    """
    base = library().models.base

    class TextDecoder(base.BaseDecoder):
        def __init__(self):
            super().__init__()
            self.body = body
            self.given_tokens = None

        def forward(self, z):
            if self.training:
                inputs = F.pad(self.given_tokens, (1, -1), value=START)
                return base.ModelOutput(reconstruction=self.body(z, inputs))
            decoder = CachedDecoder(self.body, z, longest)
            tokens = torch.full((len(z),), START)
            logits = []
            for _ in range(longest):
                logits.append(decoder.next(tokens))  # (B, V)
                tokens = logits[-1].argmax(-1)
            return base.ModelOutput(reconstruction=torch.stack(logits, 1))

    return TextDecoder()


def build(options, config, settings, pairs):
    """The library's model around fresh networks of ours.

    options: JointConfig; config: ModelConfig; settings: TrainConfig; pairs: Pairs to train on.
    """
    models = library().models
    # cmvae alone has latents of one modality
    own = options.latent_dim // 4 if options.model == "cmvae" else 0
    sizes = (options.latent_dim, own)
    plain = replace(config, image_networks="regression")
    encoding = MultimodalModel(plain)
    decoding = MultimodalModel(replace(plain, latent_dim=options.latent_dim + own))
    # padding is a word like any other here
    decoding.text_decoder.unused.zero_()
    more = {}
    if own:
        more = {
            "K": 1,
            "modalities_specific_dim": own,
            "prior_and_posterior_dist": "normal",
            "number_of_clusters": options.components,
        }
    kind = MODELS[options.model]
    vae_config = getattr(models, f"{kind}Config")(
        n_modalities=2,
        latent_dim=options.latent_dim,
        beta=options.beta,
        decoders_dist={"picture": "laplace", "caption": "categorical"},
        decoder_dist_params={"picture": {"scale": LAPLACE_SCALE}},
        uses_likelihood_rescaling=True,
        rescale_factors={"picture": 1.0, "caption": caption_factor(settings, pairs)},
        **more,
    )
    features = config.latent_dim
    return getattr(models, kind)(
        vae_config,
        encoders={
            "picture": make_encoder(encoding.image_encoder, pairs.one_scale, features, sizes),
            "caption": make_encoder(encoding.text_encoder, tokens_of, features, sizes),
        },
        decoders={
            "picture": make_image_decoder(decoding.image_decoder, pairs),
            "caption": make_text_decoder(decoding.text_decoder, pairs.longest),
        },
    )


def tokens_of(caption):
    """A caption as Pairs has it -> its tokens (B, T)."""
    return caption["tokens"]


def caption_factor(settings, pairs):
    """The weight of a caption's likelihood that gives it the share it has in our loss.

    Ours is nats per token, and mean absolute difference per pixel.
    """
    length = np.mean([len(tokens) for tokens in pairs.loader.tokens])
    ratio = settings.caption_weight / settings.reconstruction_weight
    return ratio * math.prod(pairs.shape) / length / LAPLACE_SCALE


# Its training


@dataclass(frozen=True)
class Training:
    """What a training was."""

    steps: int
    # how many were shown, repeated ones included
    pictures: int
    # of the last step
    loss: float


def train(vae, pairs, settings, minutes, device):
    """Fits the library's model for so many minutes, by our optimiser and schedule -> Training."""
    vae.to(device).train()
    optimizers = make_optimizers(vae, settings)
    begin = time.perf_counter()
    # of the time, 0 to 1
    done = 0.0
    steps = 0
    pictures = 0
    loss = math.nan
    total = math.ceil(60 * minutes)
    with progress(label=f"training {vae.model_name}", total=total, unit="second") as bar:
        for images, tokens, *_ in endless_batches(pairs.loader):
            schedule = min(1, (steps + 1) / WARMUP_STEPS, 2 * (1 - done))
            rate = settings.learning_rate * schedule
            inputs = pairs.pack(images.to(device), tokens.to(device))
            loss = train_step(vae, inputs, images.numel(), optimizers, rate, settings)
            steps += 1
            pictures += len(images)
            seconds = time.perf_counter() - begin
            if not math.isfinite(loss):
                raise UserError(
                    f"the loss of {vae.model_name} is no longer a number at step {steps}; "
                    "try a smaller --beta",
                    code=1,
                )
            speed = f"loss {loss:.3f}, {pictures / seconds:.0f} pictures/s"
            bar.set_postfix_str(speed, refresh=False)
            bar.update(min(int(seconds), bar.total) - bar.n)
            done = seconds / (60 * minutes)
            if done >= 1:
                break
    return Training(steps, pictures, loss)


def endless_batches(loader):
    """The batches of one epoch after another, each in an order of its own."""
    while True:
        yield from loader
        loader.epoch += 1


def train_step(vae, inputs, pixels, optimizers, learning_rate, settings):
    """One update of the weights -> the loss before it. pixels: of the batch; loss is per pixel."""
    vae.decoders["caption"].given_tokens = inputs.data["caption"]["tokens"]
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
    loss = vae(inputs).loss_sum / pixels
    loss.backward()
    nn.utils.clip_grad_norm_(vae.parameters(), settings.max_grad_norm)
    for optimizer in optimizers:
        optimizer.step()
    return float(loss.detach())


# Its pairs


def latent_sources(vae, pairs, held_out, components):
    """{where latents come from: function n -> n of them}. Moves the model to the CPU.

    held_out: PairLoader; components: of the mixture, which is fitted here.
    """
    samplers = library().samplers
    mixture = samplers.GaussianMixtureSampler(
        vae, samplers.GaussianMixtureSamplerConfig(n_components=components)
    )
    # it would take a GPU unasked
    mixture.device = "cpu"
    vae.device = "cpu"
    vae.cpu().eval()
    mixture.fit(pairs)

    def encode(n):
        count = len(held_out.rows)
        images, tokens, *_ = held_out.batch(np.random.choice(count, n, replace=n > count))
        return vae.encode(pairs.pack(images, tokens))

    return {"prior": vae.generate_from_prior, "mixture": mixture.sample, "encoded": encode}


@torch.no_grad()
def draw(vae, source, count, pairs, tokenizer):
    """`count` pairs, each from one latent -> (uint8 pictures (N, S, S), captions).

    source: one of latent_sources(); count: at least 2.
    """
    pictures = []
    captions = []
    for part in np.array_split(np.arange(count), -(-count // DRAWN_AT_ONCE)):
        both = vae.decode(source(len(part)))
        pixels = to_pixels(pairs.one_scale(both["picture"]))  # (n, S, S, C)
        pictures.append(pixels.mean(-1).round().astype(np.uint8))
        token_ids = both["caption"].argmax(-1).tolist()
        captions += [tokenizer.decode(ids) for ids in token_ids]
    return np.concatenate(pictures), captions
