"""The model: one latent z that draws a picture and writes its caption.

    picture -> image_encoder -> code -> image_decoder -> picture
                                     -> text_decoder  -> caption
    seed -> z ~ N(0, I) -> sampler (the prior) -> code, and back

Decoders read a code (B, D); users hold a z (B, D), which is standard normal. Training runs
`autoencode`; the prior is fitted to the codes afterwards.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import nn

from oneseed.config.model import MIN_VOCABULARY, ModelConfig
from oneseed.console.command import UserError
from oneseed.model import checkpoint
from oneseed.model.image_networks import ImageDecoder, ImageEncoder
from oneseed.model.initialization import init_last_layer, init_positions, init_weights
from oneseed.model.pixels import to_pixels, to_tensor
from oneseed.model.prior import Prior
from oneseed.model.text_networks import TextDecoder, TextEncoder, write_captions
from oneseed.model.tokenizer import PAD, START, Tokenizer
from oneseed.seeds import torch_generator

# of the extra state in best_model.pt
CHECKPOINT_FORMAT = 2


class MultimodalModel(nn.Module):
    """One z, two outputs: decode_image and decode_text each need z alone; encode gives it back.

    model = MultimodalModel()                               # the full preset, untrained
    model = MultimodalModel.from_checkpoint("checkpoints/best_model.pt")
    """

    def __init__(
        self, config: ModelConfig | None = None, tokenizer: Tokenizer | None = None
    ) -> None:
        """tokenizer: None is one of bytes, for models that are not trained."""
        super().__init__()
        self.config = config or ModelConfig()
        assert self.config.vocab_size >= MIN_VOCABULARY, (
            f"vocab_size {self.config.vocab_size}: build the tokenizer first"
        )
        self.image_encoder = ImageEncoder(self.config)
        self.image_decoder = ImageDecoder(self.config)
        self.text_encoder = TextEncoder(self.config)
        self.text_decoder = TextDecoder(self.config)
        self.sampler = Prior(self.config)
        # plain JSON: style, epoch, health, ...; whoever saves decides
        self.meta: dict[str, Any] = {}
        self.set_tokenizer(tokenizer)
        init_weights(self)
        init_positions(self)
        init_last_layer(self.image_decoder.layers)

    def set_tokenizer(self, tokenizer: Tokenizer | None) -> None:
        """Use this vocabulary, or that of the bytes; entries beyond it are never written."""
        used = len(tokenizer) if tokenizer else MIN_VOCABULARY
        assert used <= self.config.vocab_size, (
            f"{used} entries, vocab_size {self.config.vocab_size}"
        )
        self.tokenizer = tokenizer or Tokenizer.train([], MIN_VOCABULARY)
        unused = self.text_decoder.unused
        unused[:] = torch.arange(len(unused), device=unused.device) >= used
        unused[[PAD, START]] = True

    def new_sampler(self) -> Prior:
        """A prior for this model that has not been fitted."""
        prior = Prior(self.config).to(self.device)
        init_weights(prior)
        return prior

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return self.sampler.mean.device

    # -- training and shapes

    def autoencode(
        self, images: torch.Tensor, tokens: torch.Tensor, noise: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What training runs -> code (B, D), images (B, C, S, S), logits (B, T, V).

        images: (B, C, S, S), C as configured. tokens: (B, T); logits[:, t] are of tokens[:, t + 1].
        noise: (B, D) standard normal, which the decoders read with the code; None: none.
        """
        code = self.image_encoder(images)  # (B, D)
        read = code if noise is None else code + self.config.code_noise * noise
        return code, self.image_decoder(read), self.text_decoder(read, tokens)

    def forward(
        self, images: torch.Tensor, tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """images (B, 3, S, S) in [-1, 1], tokens (B, T) -> z (B, D), images, logits (B, T, V)."""
        code, drawn, logits = self.autoencode(self.to_model_channels(images), tokens)
        return self.sampler.to_latent(code), self.to_rgb(drawn), logits

    def to_model_channels(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3 or 1, S, S) -> (B, C, S, S) as configured: grey by the mean, RGB by repetition."""
        if images.shape[1] == self.config.channels:
            return images
        if self.config.channels == 1:
            return images.mean(1, keepdim=True)
        return images.expand(-1, 3, -1, -1)

    def to_rgb(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, S, S) -> (B, 3, S, S), clipped to [-1, 1]."""
        return images.clamp(-1, 1).expand(-1, 3, -1, -1)

    # -- pictures, captions and seeds

    @torch.no_grad()
    def encode_code(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 3 or 1, S, S) in [-1, 1] -> codes (B, D), the same for equal pixels.

        They have the noise that belongs to the distribution of a seed's codes; it comes from a hash
        of each picture's pixels.
        """
        pixels = to_pixels(self.to_model_channels(images))  # (B, S, S, C)
        noise = []
        for picture in pixels:
            pixel_digest = hashlib.sha256(picture.tobytes()).hexdigest()
            generator = torch_generator(pixel_digest, "code")
            noise.append(torch.randn(self.config.latent_dim, generator=generator))
        code = self.image_encoder(to_tensor(pixels).to(self.device))
        return code + self.config.code_noise * torch.stack(noise).to(self.device)

    @torch.no_grad()
    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 3 or 1, S, S) in [-1, 1] -> z (B, D), the same for equal pixels."""
        return self.sampler.to_latent(self.encode_code(images))

    def caption_features(self, tokens: torch.Tensor) -> torch.Tensor:
        """Captions (B, T) -> what the prior knows them by, (B, D) of root mean square 1."""
        return F.rms_norm(self.text_encoder(tokens).float(), (self.config.latent_dim,))

    def features_of(self, captions: Sequence[str]) -> torch.Tensor:
        """B strings -> caption_features (B, D); equal strings are read once."""
        row_of = {caption: row for row, caption in enumerate(dict.fromkeys(captions))}
        max_length = self.config.max_caption_length
        ids = [torch.tensor(self.tokenizer.encode(caption, max_length)) for caption in row_of]
        tokens = nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=PAD)
        features = self.caption_features(tokens.to(self.device))
        return features[[row_of[caption] for caption in captions]]

    def style_numbers(self, names: Sequence[str]) -> torch.Tensor:
        """B names of self.meta["styles"] -> int (B,); UserError for another name."""
        known = self.meta.get("styles", [])
        if wrong := [name for name in names if name not in known]:
            raise UserError(
                f"{wrong[0]!r} is no style of this model; it knows {', '.join(known) or 'none'}"
            )
        return torch.tensor([known.index(name) for name in names])

    def code(self, z: torch.Tensor) -> torch.Tensor:
        """z (B, D), any device -> code (B, D) on the model's; UserError for a wrong shape."""
        if z.dim() != 2 or z.shape[1] != self.config.latent_dim:
            raise UserError(
                f"z must have shape (B, {self.config.latent_dim}), got {tuple(z.shape)}"
            )
        return self.sampler.to_code(z.float().to(self.device))

    @torch.no_grad()
    def decode_image(self, z: torch.Tensor) -> torch.Tensor:
        """z (B, D) -> pictures (B, 3, S, S) in [-1, 1], on the model's device."""
        return self.to_rgb(self.image_decoder.render(self.code(z)))

    @torch.no_grad()
    def decode_text(
        self,
        z: torch.Tensor,
        temperature: float = 0.0,
        generators: Sequence[torch.Generator] | None = None,
    ) -> list[str]:
        """z (B, D) -> B captions; temperature, generators: see decode_tokens."""
        ids = self.decode_tokens(self.code(z), temperature=temperature, generators=generators)
        return [self.tokenizer.decode(row) for row in ids]

    @torch.no_grad()
    def decode(
        self,
        z: torch.Tensor,
        temperature: float = 0.0,
        generators: Sequence[torch.Generator] | None = None,
    ) -> tuple[torch.Tensor, list[str]]:
        """What decode_image and decode_text give, both from one solve of the flow."""
        return self.decode_code(self.code(z), temperature=temperature, generators=generators)

    @torch.no_grad()
    def decode_code(
        self,
        code: torch.Tensor,
        *,
        temperature: float = 0.0,
        generators: Sequence[torch.Generator] | None = None,
    ) -> tuple[torch.Tensor, list[str]]:
        """Codes (B, D) -> pictures (B, 3, S, S) in [-1, 1] and B captions; see decode_tokens."""
        images = self.to_rgb(self.image_decoder.render(code))
        ids = self.decode_tokens(code, temperature=temperature, generators=generators)
        return images, [self.tokenizer.decode(row) for row in ids]

    def decode_tokens(
        self,
        code: torch.Tensor,
        *,
        temperature: float = 0.0,
        generators: Sequence[torch.Generator] | None = None,
        use_cache: bool = True,
    ) -> list[list[int]]:
        """Codes (B, D) -> B lists of ids; see write_captions for the arguments."""
        return write_captions(
            self.text_decoder,
            code,
            self.config.max_caption_length,
            temperature=temperature,
            generators=generators,
            use_cache=use_cache,
        )

    # -- files: a plain state dict; configuration and vocabulary travel as a uint8 tensor of JSON

    def get_extra_state(self) -> torch.Tensor:
        """Configuration, vocabulary and meta, uint8 (N,); torch puts it into the state dict."""
        state = {
            "format": CHECKPOINT_FORMAT,
            "config": asdict(self.config),
            "tokenizer": self.tokenizer.json,
            "meta": self.meta,
        }
        return torch.frombuffer(bytearray(json.dumps(state).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Take vocabulary and meta from what get_extra_state gave."""
        found = read_extra_state(state)
        self.meta = found["meta"]
        self.set_tokenizer(Tokenizer(found["tokenizer"]))

    def fingerprint(self) -> str:
        """SHA-256, in hex, of all that decides what a seed, a prompt or a picture gives.

        That is the weights, the configuration, the vocabulary and the names of the styles. What is
        only said about the model, such as its health, does not count.
        """
        facts = [asdict(self.config), self.tokenizer.json, self.meta.get("styles")]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            if name != "_extra_state":
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **options: Any) -> Any:
        """As nn.Module's; UserError for damaged weights or those of another configuration."""
        require_own_weights(self.config, state_dict)
        return super().load_state_dict(state_dict, *args, **options)

    @classmethod
    def from_checkpoint(
        cls, path: str | Path = "checkpoints/best_model.pt", device: str | torch.device = "cpu"
    ) -> Self:
        """Checkpoint file of any preset -> model in eval mode on `device`.

        UserError where the file is missing or not ours.
        """
        weights = checkpoint.load(path)
        try:
            state = read_extra_state(weights.get("_extra_state"))
            model = cls(ModelConfig(**state["config"]), Tokenizer(state["tokenizer"]))
            model.load_state_dict(weights)
        except (UserError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise UserError(
                f"{path} is not a checkpoint of this version ({str(error).splitlines()[0]}); "
                "train anew: python training_loop.py --fresh"
            ) from error
        return model.eval().to(device)


def read_extra_state(extra_state: torch.Tensor | None) -> dict[str, Any]:
    """What get_extra_state gave -> {"format", "config", "tokenizer", "meta"}.

    UserError where it is missing or of another format.
    """
    if extra_state is None:
        raise UserError(
            "the state dict carries no configuration; it was not written by training_loop.py"
        )
    state = json.loads(bytes(extra_state.tolist()))
    if state.get("format") != CHECKPOINT_FORMAT:
        raise UserError(
            f"checkpoint format {state.get('format')}, this program reads {CHECKPOINT_FORMAT}"
        )
    return state


def require_own_weights(config: ModelConfig, state_dict: Mapping[str, Any]) -> None:
    """UserError where weights are damaged, or of another configuration than `config`."""
    if checkpoint.damaged(state_dict):
        raise UserError(
            "these weights are not those that were saved: the file is damaged, or they were "
            "changed since it was loaded (then pass dict(weights))"
        )
    own = asdict(config)
    # a setting may be younger than the checkpoint
    saved = asdict(ModelConfig()) | read_extra_state(state_dict.get("_extra_state"))["config"]
    if saved == own:
        return
    different = [
        f"{name} {saved.get(name)!r} against {value!r}"
        for name, value in own.items()
        if saved.get(name) != value
    ]
    raise UserError(
        f"this checkpoint belongs to another configuration ({', '.join(different)}); "
        "load it with MultimodalModel.from_checkpoint(path)"
    )
