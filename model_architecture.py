"""The model: one latent z that draws a picture and writes its caption. Run it to see every shape and the parameter counts.

    python model_architecture.py                       # a real forward pass of the full preset
    python model_architecture.py --preset small
    python model_architecture.py --config model.yaml --parameters 30M
    python model_architecture.py --write-specs         # writes MODEL_SPECS.md

Conventions: pictures are float (B, 3, S, S) in [-1, 1]; z is (B, D) standard normal; tokens are int64 (B, T) beginning with
START. Inside, the decoders read a `code` (B, D); the sampler is the map between z and code (sampler.py).
"""

# --help answers before torch loads
if __name__ == "__main__":
    from cli import parse
    from settings import PRESETS, ModelConfig, SpecsConfig, TrainConfig

    CONFIGS = parse(
        ModelConfig,
        SpecsConfig,
        description=__doc__,
        presets=PRESETS,
        file=(ModelConfig, TrainConfig),
    )

import functools
import hashlib
import json
import math
import re
from dataclasses import asdict, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from PIL import Image
from torch import nn

import checkpoint
from cli import UserError, run, write_text
from sampler import PROMPT_LEEWAY, Sampler
from settings import GUIDANCE, LARGEST_OWN_VOCABULARY, PRESETS, ModelConfig, base_and_doublings
from text_networks import Block, TextDecoder, TextEncoder, Writing
from tokenizer import END, PAD, START, Tokenizer

# of the extra state in best_model.pt
FORMAT = 2
# points of the tone curve
TONES = 65
# logits this near the best count as equal; the lower id wins
TIE = 1e-3


# ---------------------------------------------------------------- pixels, devices, seeds


def to_tensor(pixels, device="cpu"):
    """uint8 array or tensor (B, H, W) or (B, H, W, C) -> float32 tensor (B, C, H, W) in [-1, 1] on `device`, whither it goes as bytes; value v becomes
    v / 127.5 - 1."""
    tensor = torch.as_tensor(
        pixels if torch.is_tensor(pixels) else np.ascontiguousarray(pixels)
    ).to(device)
    tensor = tensor[:, None] if tensor.dim() == 3 else tensor.permute(0, 3, 1, 2)
    return tensor.to(torch.float32, copy=True).div_(127.5).sub_(1)


def to_pixels(images):
    """The inverse: (B, C, H, W) in [-1, 1] -> uint8 array (B, H, W, C), values outside clipped."""
    return (
        ((images.detach().float().cpu() + 1) * 127.5)
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
        .permute(0, 2, 3, 1)
        .numpy()
    )


def to_pil(images):
    """(B, C, H, W) in [-1, 1] -> list of PIL RGB images."""
    return [
        Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3))))
        for pixels in to_pixels(images)
    ]


def pick_device(name="auto"):
    """ "auto" -> cuda, mps or cpu, whichever is there first. UserError for a device that this machine lacks."""
    found = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(device for device, there in found.items() if there))
    if not found.get(torch.device(name).type, False):
        raise UserError(f"--device {name} is not on this machine; use --device auto")
    return torch.device(name)


def stream(seed, purpose):
    """Random numbers for one purpose ("latent", "words", …) of one seed, whatever the device, batch or order."""
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def latents(seeds, latent_dim):
    """B seeds, integers 0 … 2**32 - 1 -> z (B, D), float32 standard normal on the CPU. Row i depends on seeds[i] alone."""
    for seed in seeds:
        if (
            isinstance(seed, bool)
            or not isinstance(seed, (int, np.integer))
            or not 0 <= seed < 2**32
        ):
            raise UserError(f"a seed is an integer from 0 to {2**32 - 1}, got {seed!r}")
    return torch.stack(
        [torch.randn(latent_dim, generator=stream(int(seed), "latent")) for seed in seeds]
    )


def words(text):
    """The words of a caption or prompt, lower case, as a set."""
    return set(re.findall(r"[^\W_]+", text.lower()))


# ---------------------------------------------------------------- pictures


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel: no statistics shared with the batch or with the rest of the picture."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], self.weight, self.bias).permute(
            0, 3, 1, 2
        )


def through(layers, x, recompute=False):
    """x through convolution, norm and SiLU, again and again, and the last convolution. recompute: of each such three only the input is kept for the way
    back, the rest is computed once more there (Chen et al. 2016, arXiv:1604.06174)."""
    if not (recompute and torch.is_grad_enabled()):
        return layers(x)
    for first in range(0, len(layers), 3):
        x = torch.utils.checkpoint.checkpoint(
            layers[first : first + 3], x, use_reentrant=False, preserve_rng_state=False
        )
    return x


def feature_widths(config):
    """-> (side of the coarsest map, channels of each map from the finest to the coarsest)."""
    base, doublings = base_and_doublings(config.image_size)
    steps = doublings - config.patch.bit_length() + 1
    return base, [min(config.width * 2**step, config.max_width) for step in range(steps + 1)]


class PatchTransformer(nn.Module):
    """Pictures cut into as many patches as the coarsest feature map has places, (B, C P P, base, base) -> (B, neck, base, base).
    Source: Dosovitskiy et al. 2020 (arXiv:2010.11929)."""

    def __init__(self, inward, places, config):
        super().__init__()
        self.inward = nn.Linear(inward, config.vit_width)
        self.positions = nn.Parameter(torch.zeros(places, config.vit_width))
        self.blocks = nn.ModuleList(
            Block(config.vit_width, config.vit_width // 32) for _ in range(config.vit_layers)
        )
        self.norm = nn.LayerNorm(config.vit_width)
        self.neck = nn.Linear(config.vit_width, config.neck)

    def forward(self, patches, recompute=False):
        x = self.inward(patches.flatten(2).transpose(1, 2)) + self.positions  # (B, base base, W)
        for block in self.blocks:
            x = (
                torch.utils.checkpoint.checkpoint(
                    block, x, use_reentrant=False, preserve_rng_state=False
                )
                if recompute and torch.is_grad_enabled()
                else block(x)
            )
        return self.neck(self.norm(x)).transpose(1, 2).unflatten(2, patches.shape[2:])


class ImageEncoder(nn.Module):
    """Pictures (B, C, S, S) in [-1, 1] -> code (B, D) of root mean square 1: what convolutions or a transformer see and, where the
    configuration has linear directions, what a fixed linear map says of the picture as a thumbnail."""

    # see through()
    recompute = False

    def __init__(self, config):
        super().__init__()
        base, widths = feature_widths(config)
        self.patch = config.patch
        self.side = thumbnail_side(config)
        if config.encoder == "vit":
            self.patch = config.image_size // base
            self.layers = PatchTransformer(config.channels * self.patch**2, base**2, config)
        else:
            layers = [
                nn.Conv2d(config.channels * config.patch**2, widths[0], 3, padding=1),
                ChannelNorm(widths[0]),
                nn.SiLU(),
            ]
            for narrow, wide in zip(widths, widths[1:]):
                layers += [
                    nn.Conv2d(narrow, wide, 3, stride=2, padding=1),
                    ChannelNorm(wide),
                    nn.SiLU(),
                ]
            self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], config.neck, 1))
        self.to_code = nn.Linear(config.neck * base**2, config.latent_dim)
        if config.linear_dims:
            self.register_buffer("mean", torch.zeros(config.channels * self.side**2))
            self.register_buffer("linear", torch.zeros(config.latent_dim, len(self.mean)))

    def forward(self, images):
        # (B, C P P, S/P, S/P)
        x = F.pixel_unshuffle(images, self.patch).contiguous(memory_format=torch.channels_last)
        # (B, neck, base, base)
        x = (
            self.layers(x, self.recompute)
            if isinstance(self.layers, PatchTransformer)
            else through(self.layers, x, self.recompute)
        )
        code = self.to_code(x.flatten(1))  # (B, D)
        if hasattr(self, "linear"):
            code = code + (thumbnails(images, self.side) - self.mean) @ self.linear.T
        return F.rms_norm(code, self.to_code.bias.shape)


class ImageDecoder(nn.Module):
    """Code (B, D) -> pictures (B, C, S, S), about [-1, 1]; decode_image clips. What convolutions draw and, enlarged, the thumbnail
    that can be read back from the encoder's linear map."""

    recompute = False

    def __init__(self, config):
        super().__init__()
        base, widths = feature_widths(config)
        self.patch = config.patch
        self.shape = (config.neck, base, base)
        self.size = config.image_size
        self.thumbnail = (config.channels, thumbnail_side(config), thumbnail_side(config))
        self.from_code = nn.Linear(config.latent_dim, config.neck * base**2)
        layers = [
            nn.Conv2d(config.neck, widths[-1], 3, padding=1),
            ChannelNorm(widths[-1]),
            nn.SiLU(),
        ]
        for wide, narrow in zip(widths[::-1], widths[-2::-1]):
            layers += [
                nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1),
                ChannelNorm(narrow),
                nn.SiLU(),
            ]
        self.layers = nn.Sequential(
            *layers, nn.Conv2d(widths[0], config.channels * config.patch**2, 3, padding=1)
        )
        if config.linear_dims:
            self.register_buffer("mean", torch.zeros(math.prod(self.thumbnail)))
            self.register_buffer("linear", torch.zeros(len(self.mean), config.latent_dim))
            self.register_buffer("tone", torch.linspace(-1, 1, TONES))

    def printed(self, code):
        """The picture (B, C, S, S) in [-1, 1] for people: `forward` through the tone curve."""
        images = self(code).clamp(-1, 1)
        if not hasattr(self, "tone"):
            return images
        place = (images + 1) * ((TONES - 1) / 2)
        low = place.floor().clamp(max=TONES - 2).long()
        return torch.lerp(self.tone[low], self.tone[low + 1], place - low)

    @torch.no_grad()
    def set_tone(self, drawn, real):
        """Fit the tone curve: pictures as drawn get the greys, and the paper white, of real ones (histogram matching). (N, C, S, S) each; where lines
        are too fine for the code, what is drawn is their mean, paler than ink on paper."""
        drawn, real = (
            images.clamp(-1, 1)
            .flatten()[:: math.ceil(images.numel() / 4_000_000)]
            .double()
            .cpu()
            .sort()
            .values
            for images in (drawn, real)
        )
        greys = torch.linspace(-1, 1, TONES, dtype=torch.float64)
        rank = (
            (torch.searchsorted(drawn, greys) + torch.searchsorted(drawn, greys, right=True))
            / 2
            / len(drawn)
        )
        self.tone.copy_(real[(rank * len(real)).long().clamp(max=len(real) - 1)])

    def forward(self, code):
        x = self.from_code(code).unflatten(1, self.shape)  # (B, neck, base, base)
        # (B, C P P, S/P, S/P)
        x = through(self.layers, x.contiguous(memory_format=torch.channels_last), self.recompute)
        images = F.pixel_shuffle(x, self.patch)  # (B, C, S, S)
        if hasattr(self, "linear"):
            images = images + F.interpolate(
                (self.mean + code @ self.linear.T).unflatten(1, self.thumbnail),
                self.size,
                mode="bilinear",
            )
        return images


# What the two begin with: without it a small network spends its first hour on finding a real picture's masses


def thumbnail_side(config):
    """Pixels: as fine as the latent can say, one number a pixel."""
    return min(32, config.image_size // 2)


def thumbnails(images, side):
    """(B, C, S, S) -> (B, C side side)."""
    return F.adaptive_avg_pool2d(images, side).flatten(1)


def linear_code(samples, dimensions, noise, most=None):
    """The linear code from which rows (N, P) are best read back when every one of its D numbers, of mean square 1 on average, gets noise of
    this standard deviation -> mean (P,), encoder (D, P), decoder (P, D), which adds the mean. most: only of so many leading directions,
    the power of the others is left to spare.

    A principal direction of standard deviation s gets the share max(0, c s - noise²) of the power D, and the decoder is Wiener's: Lee
    and Petersen 1976, Optimal linear coding for vector channels (IEEE Transactions on Communications 24)."""
    samples = samples.double()
    noise = max(noise, 0.05)
    mean = samples.mean(0)
    variance, directions = torch.linalg.eigh((samples - mean).T @ (samples - mean) / len(samples))
    # (K,), (P, K)
    variance = variance.flip(0)[:dimensions].clamp(min=1e-12)
    directions = directions.flip(1)[:, :dimensions]
    low = 0.0
    high = (dimensions + dimensions * noise**2) / float(variance.sqrt().max()) + 1
    for _ in range(100):
        c = (low + high) / 2
        power = (c * variance.sqrt() - noise**2).clamp(min=0)  # (K,)
        low, high = (c, high) if power.sum() < dimensions else (low, c)
    power[dimensions if most is None else most :] = 0
    gain = (power / variance).sqrt()
    encoder = (directions * gain).T
    decoder = directions * torch.where(power > 0, power / (gain * (power + noise**2)), 0.0)
    more = dimensions - len(variance)
    return mean.float(), F.pad(encoder, (0, 0, 0, more)).float(), F.pad(decoder, (0, more)).float()


# ---------------------------------------------------------------- the whole


def draw_weights(part):
    """Initial values of all convolutions, linear maps and embeddings of a module; the sampler's last layers begin at zero."""
    for module in part.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            fan_in = (
                module.in_channels
                * math.prod(module.kernel_size)
                / (4 if isinstance(module, nn.ConvTranspose2d) else 1)
            )
            nn.init.normal_(module.weight, std=1 / math.sqrt(fan_in))
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=1 / math.sqrt(module.in_features))
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if (
            isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))
            and module.bias is not None
        ):
            nn.init.zeros_(module.bias)
    for module in part.modules():
        if isinstance(module, Sampler):
            for last in (module.flow.outward, module.regression[-1]):
                nn.init.zeros_(last.weight)


class MultimodalModel(nn.Module):
    """One z, two outputs. decode_image and decode_text each need z alone; encode gives z back for a picture.

    model = MultimodalModel()                                       # the full preset, untrained
    model = MultimodalModel.from_checkpoint("checkpoints/best_model.pt")
    """

    def __init__(self, config=None, tokenizer=None):
        super().__init__()
        self.config = config or ModelConfig()
        assert self.config.vocab_size >= 260, (
            f"vocab_size {self.config.vocab_size}: build the tokenizer first"
        )
        self.image_encoder = ImageEncoder(self.config)
        self.image_decoder = ImageDecoder(self.config)
        self.text_encoder = TextEncoder(self.config)
        self.text_decoder = TextDecoder(self.config)
        self.sampler = Sampler(self.config)
        # plain JSON: style, epoch, health … whoever saves says what
        self.meta = {}
        self.tokenizer = None
        self.set_tokenizer(tokenizer)
        draw_weights(self)
        for module in self.modules():
            if isinstance(module, (TextDecoder, TextEncoder, PatchTransformer)):
                nn.init.normal_(module.positions, std=0.02)
        nn.init.normal_(self.image_decoder.layers[-1].weight, std=0.01)

    def new_sampler(self):
        """-> a Sampler for this model that has not been fitted."""
        sampler = Sampler(self.config).to(self.device)
        draw_weights(sampler)
        return sampler

    def set_tokenizer(self, tokenizer):
        used = len(tokenizer) if tokenizer else 260
        assert used <= self.config.vocab_size, (
            f"{used} entries, vocab_size {self.config.vocab_size}"
        )
        self.tokenizer = tokenizer or Tokenizer.train([], 260)
        self.text_decoder.unused[:] = (
            torch.arange(self.config.vocab_size, device=self.text_decoder.unused.device) >= used
        )
        self.text_decoder.unused[[PAD, START]] = True

    @torch.no_grad()
    def set_linear_code(self, samples):
        """Where picture encoder and decoder begin: at the best linear code of thumbnails (N, C side side)."""
        encoder = self.image_encoder
        decoder = self.image_decoder
        mean, inward, outward = linear_code(
            samples, self.config.latent_dim, self.config.code_noise, self.config.linear_dims
        )
        # of the code's power; the convolutions get what is left
        share = ((samples - mean) @ inward.T).square().mean()
        encoder.to_code.weight.mul_((1 - share).clamp(min=0.01).sqrt())
        for buffer, value in (
            (encoder.mean, mean),
            (encoder.linear, inward),
            (decoder.mean, mean),
            (decoder.linear, outward),
        ):
            buffer.copy_(value)

    @property
    def device(self):
        return self.sampler.mean.device

    # -- training and shapes

    def autoencode(self, images, tokens, noise=None):
        """images (B, C, S, S), C as configured; tokens (B, T); noise (B, D) standard normal or None ->
        code (B, D), images (B, C, S, S), logits (B, T, V). What training runs; logits[:, t] predict tokens[:, t + 1]."""
        code = self.image_encoder(images)  # (B, D)
        read = code if noise is None else code + self.config.code_noise * noise
        return code, self.image_decoder(read), self.text_decoder(read, tokens)

    def forward(self, images, tokens):
        """images (B, 3, S, S) in [-1, 1], tokens (B, T) -> z (B, D), image (B, 3, S, S), logits (B, T, V)."""
        code, image, logits = self.autoencode(self.inward(images), tokens)
        return self.sampler.to_latent(code), self.outward(image), logits

    def inward(self, images):
        """(B, 3 or 1, S, S) -> (B, C, S, S) with the C of the configuration: grey by the mean, RGB by repetition."""
        if images.shape[1] == self.config.channels:
            return images
        return (
            images.mean(1, keepdim=True)
            if self.config.channels == 1
            else images.expand(-1, 3, -1, -1)
        )

    def outward(self, images):
        return images.clamp(-1, 1).expand(-1, 3, -1, -1)

    # -- using it

    @torch.no_grad()
    def encode(self, images):
        """Pictures (B, 3 or 1, S, S) in [-1, 1] -> z (B, D), the same for equal pixels. The code's noise, which belongs to the
        distribution that a seed draws from, comes from a hash of each picture's pixels."""
        pixels = to_pixels(self.inward(images))  # (B, S, S, C)
        noise = torch.stack(
            [
                torch.randn(
                    self.config.latent_dim,
                    generator=stream(hashlib.sha256(one.tobytes()).hexdigest(), "code"),
                )
                for one in pixels
            ]
        )
        code = self.image_encoder(
            to_tensor(pixels).to(self.device)
        ) + self.config.code_noise * noise.to(self.device)
        return self.sampler.to_latent(code)

    def caption_features(self, tokens):
        """Captions as tokens (B, T) -> what the sampler knows them by, (B, D) of root mean square 1."""
        return F.rms_norm(self.text_encoder(tokens).float(), (self.config.latent_dim,))

    def features_of(self, captions):
        """B strings -> caption_features (B, D)."""
        ids = [
            torch.tensor(self.tokenizer.encode(caption, self.config.max_caption_length))
            for caption in captions
        ]
        return self.caption_features(nn.utils.rnn.pad_sequence(ids, True, PAD).to(self.device))

    @torch.no_grad()
    def imagine(self, z, prompts=None, styles=None, guidance=GUIDANCE, strength=1.0):
        """z (B, D) -> the z (B, D) of what that seed gives when captions or styles are wanted. prompts: B strings or None; styles: B
        names of self.meta["styles"] or None; guidance: above 0, the larger the more literal and the less varied."""
        code = self.code(z)
        if prompts is not None:
            code = self.sampler.draw(z.float().to(self.device), self.features_of(prompts), guidance)
            code = self.code(
                self.sampler.typical(
                    self.sampler.to_latent(code), self.sampler.dims**0.5 + PROMPT_LEEWAY
                )
            )
        if styles is not None:
            code = self.sampler.restyle(code, self.style_numbers(styles), strength)
        return self.sampler.to_latent(code)

    @torch.no_grad()
    def restyle(self, z, styles, strength=1.0):
        """z (B, D) -> z of the same pair in another style: B names; strength 0 changes nothing, 1 goes all the way."""
        return self.imagine(z, styles=styles, strength=strength)

    @torch.no_grad()
    def vary(self, z, noise, strength):
        """z (B, D) -> z of neighbours: towards standard normal noise (B, D) by `strength`, 0 (the same) to 1 (another seed)."""
        angle = math.pi / 2 * strength
        w = self.sampler.to_smooth(self.code(z))
        near = self.sampler.to_latent(
            self.sampler.from_smooth(math.cos(angle) * w + math.sin(angle) * noise.to(w))
        )
        return self.sampler.typical(near, z[:, : self.sampler.dims].norm(dim=1, keepdim=True))

    @torch.no_grad()
    def walk(self, z, steps):
        """Two z (2, D) -> `steps` z (steps, D) on the great circle from one to the other; the first and the last are the two."""
        a, b = self.sampler.to_smooth(self.code(z)).double()
        angle = torch.acos((F.normalize(a, dim=0) @ F.normalize(b, dim=0)).clamp(-1, 1)).clamp(
            min=1e-6
        )
        t = torch.linspace(0, 1, steps, dtype=torch.float64, device=a.device)[:, None]
        between = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
        way = self.sampler.typical(
            self.sampler.to_latent(self.sampler.from_smooth(between[1:-1].float()))
        )
        return torch.cat([z[:1].to(way), way, z[1:].to(way)]).float()

    def style_numbers(self, names):
        known = self.meta.get("styles", [])
        if wrong := [name for name in names if name not in known]:
            raise UserError(
                f"{wrong[0]!r} is no style of this model; it knows {', '.join(known) or 'none'}"
            )
        return torch.tensor([known.index(name) for name in names])

    @torch.no_grad()
    def decode_image(self, z):
        """z (B, D) -> pictures (B, 3, S, S) in [-1, 1], on the model's device."""
        return self.outward(self.image_decoder.printed(self.code(z)))

    @torch.no_grad()
    def decode_text(self, z, temperature=0.0, generators=None):
        """z (B, D) -> list of B captions. temperature 0: the likeliest token, the lower id among near-equals, so that a caption
        does not depend on its batch. Above 0: drawn, row i with generators[i] (CPU)."""
        return [
            self.tokenizer.decode(ids) for ids in self.decode_tokens(z, temperature, generators)
        ]

    @torch.no_grad()
    def decode(self, z, temperature=0.0, generators=None):
        """z (B, D) -> what decode_image and decode_text give, both from one solution of the flow, which costs as much as either."""
        code = self.code(z)
        return self.outward(self.image_decoder.printed(code)), [
            self.tokenizer.decode(ids)
            for ids in self.decode_tokens(z, temperature, generators, True, code)
        ]

    @torch.inference_mode()
    def decode_tokens(self, z, temperature=0.0, generators=None, use_cache=True, code=None):
        """As decode_text -> list of id lists, from START to END, or to the length limit where no END came. code: that of z, where it is known."""
        code = self.code(z) if code is None else code
        rows = [[START] for _ in code]
        most = self.config.max_caption_length - 1
        writing = Writing(self.text_decoder, code, most) if use_cache else None
        for _ in range(most):
            logits = (
                writing.next([row[-1] for row in rows])
                if use_cache
                else self.text_decoder(code, torch.tensor(rows, device=self.device))[:, -1]
            )
            logits = logits.float().cpu()
            if temperature:
                chances = (logits.double() / temperature).softmax(-1)
                chosen = [
                    int(torch.multinomial(chance, 1, generator=generator))
                    for chance, generator in zip(chances, generators)
                ]
            else:
                logits = logits.numpy()
                # the first of the near-equals
                chosen = (logits >= logits.max(-1, keepdims=True) - TIE).argmax(-1).tolist()
            for row, id in zip(rows, chosen):
                row.append(id if row[-1] not in (END, PAD) else PAD)
            if all(row[-1] in (END, PAD) for row in rows):
                break
        return [[id for id in row if id != PAD] for row in rows]

    def code(self, z):
        """z (B, D), any device -> code (B, D) on the model's device."""
        if z.dim() != 2 or z.shape[1] != self.config.latent_dim:
            raise UserError(
                f"z must have shape (B, {self.config.latent_dim}), got {tuple(z.shape)}"
            )
        return self.sampler.to_code(z.float().to(self.device))

    # -- files: a plain state dict; configuration and vocabulary travel as a uint8 tensor of JSON

    def get_extra_state(self):
        state = {
            "format": FORMAT,
            "config": asdict(self.config),
            "tokenizer": self.tokenizer.json,
            "meta": self.meta,
        }
        return torch.frombuffer(bytearray(json.dumps(state).encode()), dtype=torch.uint8)

    def set_extra_state(self, tensor):
        state = read_extra_state(tensor)
        self.meta = state["meta"]
        self.set_tokenizer(Tokenizer(state["tokenizer"]))

    def fingerprint(self):
        """SHA-256, in hex, of all that decides what a seed, a prompt or a picture gives: weights, configuration, vocabulary and the names of the styles.
        What is only told about the model, such as its health, does not count."""
        digest = hashlib.sha256(
            json.dumps(
                [asdict(self.config), self.tokenizer.json, self.meta.get("styles")], sort_keys=True
            ).encode()
        )
        for name, tensor in sorted(self.state_dict().items()):
            if name != "_extra_state":
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def load_state_dict(self, state_dict, *args, **kwargs):
        if checkpoint.damaged(state_dict):
            raise UserError(
                "these weights are not those that were saved: the file is damaged, or they were changed since it was loaded (then pass dict(weights))"
            )
        # a setting may be younger than the checkpoint
        saved = asdict(ModelConfig()) | read_extra_state(state_dict.get("_extra_state"))["config"]
        if saved != asdict(self.config):
            different = ", ".join(
                f"{name} {saved.get(name)!r} against {value!r}"
                for name, value in asdict(self.config).items()
                if saved.get(name) != value
            )
            raise UserError(
                f"this checkpoint belongs to another configuration ({different}); load it with MultimodalModel.from_checkpoint(path)"
            )
        return super().load_state_dict(state_dict, *args, **kwargs)

    @classmethod
    def from_checkpoint(cls, path="checkpoints/best_model.pt", device="cpu"):
        """Checkpoint file of any preset -> model in eval mode on `device`. UserError where the file is missing or none of ours."""
        weights = checkpoint.load(path)
        try:
            state = read_extra_state(weights.get("_extra_state"))
            model = cls(ModelConfig(**state["config"]), Tokenizer(state["tokenizer"]))
            model.load_state_dict(weights)
        except (UserError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise UserError(
                f"{path} is not a checkpoint of this version ({str(error).splitlines()[0]}); train anew: python training_loop.py --fresh"
            ) from error
        return model.eval().to(device)


def read_extra_state(tensor):
    if tensor is None:
        raise UserError(
            "the state dict carries no configuration; it was not written by training_loop.py"
        )
    state = json.loads(bytes(tensor.tolist()))
    if state.get("format") != FORMAT:
        raise UserError(f"checkpoint format {state.get('format')}, this program reads {FORMAT}")
    return state


# ---------------------------------------------------------------- the command

PARTS = {
    "image_encoder": "picture -> code",
    "image_decoder": "code -> picture",
    "text_encoder": "caption -> vector of the code's length, for InfoNCE",
    "text_decoder": "code and words so far -> next word",
    "sampler": "seed space N(0, I) <-> code: a frame, clusters and style means (buffers), and a flow and a regression",
}


def parameter_counts(model):
    """-> {part: number of parameters}, in the order of the model's parts."""
    return {
        name: sum(weight.numel() for weight in getattr(model, name).parameters()) for name in PARTS
    }


# by --parameters; the one whose single step costs most first
SCALED = ("vit_width", "text_width", "neck", "width", "max_width", "flow_width")


@functools.cache
def built_size(config):
    """Of the model that `config` builds, which is not allocated."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in MultimodalModel(config).parameters())


def scaled(config, factor, names=SCALED):
    """`config` with those of these widths that it uses times `factor`, to the nearest multiple of 8 that is no nil; of text_width, for each head; of
    vit_width, of a head's 32."""
    steps = {
        name: {"text_width": 8 * config.text_heads, "vit_width": 32}.get(name, 8)
        for name in names
        if name != "vit_width" or config.encoder == "vit"
    }
    return replace(
        config,
        **{
            name: max(step, round(getattr(config, name) * factor / step) * step)
            for name, step in steps.items()
        },
    )


def within_budget(config, budget):
    """`config` with its widths scaled by one factor until the built model has at most `budget` parameters and at least .95 of them.
    Where the next step of one width would pass the budget from further below, that one stays and the others grow on."""
    if (least := built_size(scaled(config, 0))) > budget:
        raise UserError(
            f"--parameters {budget:,} cannot be reached: the narrowest model of these settings has {least:,}; allow more, or lower --latent-dim or --vocab-size"
        )
    for fixed in range(len(SCALED)):
        names = SCALED[fixed:]
        low = 0
        high = 1
        while built_size(scaled(config, high, names)) <= budget:
            low = high
            high = 2 * high
        for _ in range(14):
            middle = (low + high) / 2
            low, high = (
                (middle, high)
                if built_size(scaled(config, middle, names)) <= budget
                else (low, middle)
            )
        config = scaled(config, low, names)
        if built_size(config) >= 0.95 * budget:
            return config
    raise UserError(
        f"--parameters {budget:,} is not to be met within 5 %, only {built_size(config):,}; allow more, or fewer --text-heads"
    )


def told_widths(before, after):
    """What within_budget changed, in words."""
    return (
        ", ".join(
            f"{name} {getattr(before, name)} -> {getattr(after, name)}"
            for name in SCALED
            if getattr(before, name) != getattr(after, name)
        )
        or "no width changed"
    )


def specs():
    """The text of MODEL_SPECS.md, computed from models built on the spot."""
    lines = [
        "# Model specifications",
        "",
        "Written by `python model_architecture.py --write-specs`; a test fails when it is stale.",
        "",
    ]
    for preset in ("full", "medium", "small"):
        config = preset_config(preset)
        model = MultimodalModel(config)
        counts = parameter_counts(model)
        base, widths = feature_widths(config)
        reader = (
            f"A transformer (width {config.vit_width}, layers: {config.vit_layers}) over {base} x {base} patches"
            if config.encoder == "vit"
            else "Convolutions"
        )
        lines += [
            f"## Preset `{preset}`",
            "",
            f"Pictures {config.image_size} x {config.image_size}, {'RGB' if config.channels == 3 else 'grey'}; latent {config.latent_dim:,}; "
            f"captions up to {config.max_caption_length} tokens; vocabulary "
            + (
                f"{config.vocab_size:,}."
                if PRESETS[preset].get("vocab_size", 8000)
                else f"as large as the collection fills, {config.vocab_size:,} at most (counted here)."
            ),
            "",
            f"{reader} see{'s' * (config.encoder == 'vit')} the picture. Feature maps, from {config.image_size // config.patch} to {base} pixels a side: {', '.join(map(str, widths))} channels, then {config.neck} where they meet the latent. "
            f"Caption transformers: width {config.text_width}, {config.text_layers} layers, {config.text_heads} heads.",
            "",
            "| part | what | parameters |",
            "|---|---|---:|",
            *(f"| `{name}` | {PARTS[name]} | {count:,} |" for name, count in counts.items()),
            f"| **total** | | **{sum(counts.values()):,}** |",
            "",
        ]
    lines += [
        "## Every setting",
        "",
        "| flag | full | medium | small | what |",
        "|---|---|---|---|---|",
    ]
    for field in fields(ModelConfig):
        values = [
            name if field.name == "preset" else PRESETS[name].get(field.name, field.default)
            for name in ("full", "medium", "small")
        ]
        lines.append(
            f"| `--{field.name.replace('_', '-')}` | {' | '.join(map(str, values))} | {field.metadata['note']} |"
        )
    return "\n".join(lines) + "\n"


def preset_config(name):
    """Preset name -> ModelConfig; where the vocabulary is sized by the collection, with its largest size."""
    config = ModelConfig(
        preset=name,
        **{
            field.name: PRESETS[name][field.name]
            for field in fields(ModelConfig)
            if field.name in PRESETS[name]
        },
    )
    return config if config.vocab_size else replace(config, vocab_size=LARGEST_OWN_VOCABULARY)


def main(config, options):
    if options.write_specs:
        write_text("MODEL_SPECS.md", specs())
        print("wrote MODEL_SPECS.md")
        return
    if not config.vocab_size:
        config = replace(config, vocab_size=LARGEST_OWN_VOCABULARY)
    if options.parameters:
        wanted = config
        config = within_budget(config, options.parameters)
        print(f"--parameters {options.parameters:,}: {told_widths(wanted, config)}")
    model = MultimodalModel(config).eval()
    images = torch.rand(4, 3, config.image_size, config.image_size) * 2 - 1
    tokens = torch.randint(4, config.vocab_size, (4, config.max_caption_length))
    with torch.no_grad():
        z, image, logits = model(images, tokens)
    expected = {
        "Latent": (z, (4, config.latent_dim)),
        "Image recon": (image, tuple(images.shape)),
        "Caption logits": (logits, (4, config.max_caption_length, config.vocab_size)),
    }
    print(f"✓ Input: {tuple(images.shape)}")
    wrong = [name for name, (tensor, shape) in expected.items() if tuple(tensor.shape) != shape]
    for name, (tensor, _) in expected.items():
        print(f"{'✗' if name in wrong else '✓'} {name}: {tuple(tensor.shape)}")
    print("✓ All shapes correct ✅" if not wrong else f"✗ wrong: {', '.join(wrong)}")
    for name, count in (counts := parameter_counts(model)).items():
        print(f"  {name:<14} {count:>12,}   {PARTS[name]}")
    print(f"  {'total':<14} {sum(counts.values()):>12,}")
    return 1 if wrong else 0


if __name__ == "__main__":
    run(main, *CONFIGS)
