"""The model: one latent z that draws a picture and writes its caption."""

import hashlib
import json
import math
from dataclasses import asdict

import torch
import torch.nn.functional as F
from torch import nn

from oneseed.config.inference import GUIDANCE
from oneseed.config.model import ModelConfig
from oneseed.console.command import UserError
from oneseed.model import checkpoint
from oneseed.model.image_networks import ImageDecoder, ImageEncoder, PatchTransformer, linear_code
from oneseed.model.pixels import to_pixels, to_tensor
from oneseed.model.prior import PROMPT_LEEWAY, Prior
from oneseed.model.text_networks import CachedDecoder, TextDecoder, TextEncoder
from oneseed.model.tokenizer import END, PAD, START, Tokenizer
from oneseed.seeds import torch_generator

# of the extra state in best_model.pt
CHECKPOINT_FORMAT = 2
# logits this near the best count as equal; the lower id wins
TIE = 1e-3


def init_weights(part):
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
        if isinstance(module, Prior):
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
        self.sampler = Prior(self.config)
        # plain JSON: style, epoch, health … whoever saves says what
        self.meta = {}
        self.tokenizer = None
        self.set_tokenizer(tokenizer)
        init_weights(self)
        for module in self.modules():
            if isinstance(module, (TextDecoder, TextEncoder, PatchTransformer)):
                nn.init.normal_(module.positions, std=0.02)
        nn.init.normal_(self.image_decoder.layers[-1].weight, std=0.01)

    def new_sampler(self):
        """-> a Sampler for this model that has not been fitted."""
        sampler = Prior(self.config).to(self.device)
        init_weights(sampler)
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
                    generator=torch_generator(hashlib.sha256(one.tobytes()).hexdigest(), "code"),
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
        writing = CachedDecoder(self.text_decoder, code, most) if use_cache else None
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
            "format": CHECKPOINT_FORMAT,
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
    if state.get("format") != CHECKPOINT_FORMAT:
        raise UserError(
            f"checkpoint format {state.get('format')}, this program reads {CHECKPOINT_FORMAT}"
        )
    return state
