"""The model: one latent z that draws a picture and writes its caption.

    picture -> image_encoder -> code -> image_decoder -> picture
                                     -> text_decoder  -> caption
    seed -> z ~ N(0, I) -> sampler (the prior) -> code, and back

Decoders read a code (B, D); users hold a z (B, D), which is standard normal. Training runs
`autoencode`; the prior is fitted to the codes afterwards.
"""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from oneseed.config.inference import PASSES
from oneseed.config.model import FROZEN, ModelConfig
from oneseed.config.options import PLAIN
from oneseed.console.command import UserError
from oneseed.model import checkpoint
from oneseed.model.autoencoder import Autoencoder
from oneseed.model.base import read_weights, refused_model, require_promised_model
from oneseed.model.caption_book import CaptionBook
from oneseed.model.caption_constraint import CaptionConstraint
from oneseed.model.caption_writing import CaptionedAutoencoder
from oneseed.model.checkpoint_facts import CHECKPOINT_FORMAT, CheckpointFacts, read_facts
from oneseed.model.fingerprint import fingerprint_of
from oneseed.model.frozen_encoder import FrozenTower, settled_encoder
from oneseed.model.frozen_language import FrozenLanguage, settled_language
from oneseed.model.further_pictures import FurtherPictures
from oneseed.model.picture_book import LOOKS, TONE_SIDE, PictureBook
from oneseed.model.pixels import to_pixels, to_tensor
from oneseed.model.prior import Prior
from oneseed.model.tokenizer import PAD, Tokenizer
from oneseed.model.weights import (
    OnlyShapes,
    Weight,
    require_memory,
    require_numbers,
    require_weights,
    weights_of,
)
from oneseed.seeds import torch_generator

# tensors in which -inf has a meaning
MINUS_INFINITE = frozenset(f"sampler.{name}" for name in Prior.MINUS_INFINITE)


def seed_share_of(finish: str | None) -> float:
    """See Autoencoder.truncated. finish: that somebody asks for by name; None: nobody does."""
    return 0.0 if finish == PLAIN else 1.0


class MultimodalModel(CaptionedAutoencoder):
    """One z, two outputs: decode_image and decode_text each need z alone; encode gives it back.

    model = MultimodalModel()                               # the full preset, untrained
    model = MultimodalModel.from_checkpoint("checkpoints/best_model.pt")
    """

    def __init__(
        self, config: ModelConfig | None = None, tokenizer: Tokenizer | None = None
    ) -> None:
        """As Autoencoder's. UserError where this machine's memory does not hold the model."""
        config, tower = settled_encoder(config or ModelConfig())
        config, language = settled_language(config)
        require_memory(expected_weights(config))
        super().__init__(config, tokenizer)
        if tower:
            self.set_tower(tower)
        if language:
            self.set_language(language)

    def forward(
        self, images: torch.Tensor, tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """images (B, 3, S, S) in [-1, 1], tokens (B, T) -> z (B, D), drafts, logits (B, T, V)."""
        code = self.image_encoder(self.to_model_channels(images))
        logits = self.text_decoder(code, tokens)
        return self.sampler.to_latent(code), self.to_rgb(self.draw(code, 1)), logits

    # -- pictures, captions and seeds

    @torch.no_grad()
    def encode_code(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 3 or 1, S, S) in [-1, 1] -> codes (B, D), the same for equal pixels.

        They have the noise that belongs to the distribution of a seed's codes; it comes from a hash
        of each picture's pixels.
        """
        pixels = to_pixels(self.to_model_channels(images))  # (B, S, S, C)
        digests = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pixels]
        return self.noised_code(self.image_encoder(to_tensor(pixels).to(self.device)), digests)

    @torch.no_grad()
    def encode_together(self, images: torch.Tensor) -> torch.Tensor:
        """The K pictures of one pair, as encode_code takes them -> its code (1, D)."""
        pixels = to_pixels(self.to_model_channels(images))  # (K, S, S, C)
        inputs = to_tensor(pixels).to(self.device)
        owners = torch.zeros(len(inputs) - 1, dtype=torch.long, device=self.device)
        code = self.encode_pictures(inputs[:1], FurtherPictures(inputs[1:], owners))
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        return self.noised_code(code, [digest])

    def noised_code(self, code: torch.Tensor, digests: Sequence[str]) -> torch.Tensor:
        """Codes (B, D) with the noise that a seed's have. digests: from which it comes."""
        require_numbers(code, "codes")
        generators = [torch_generator(digest, "code") for digest in digests]
        dims = self.config.latent_dim
        noise = torch.stack([torch.randn(dims, generator=one) for one in generators])
        return code + self.config.code_noise * noise.to(self.device)

    @torch.no_grad()
    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 3 or 1, S, S) in [-1, 1] -> z (B, D), the same for equal pixels."""
        return self.sampler.to_latent(self.encode_code(images))

    def features_of(self, captions: Sequence[str]) -> torch.Tensor:
        """B strings -> caption_features (B, D); equal strings are read once."""
        row_of = {caption: row for row, caption in enumerate(dict.fromkeys(captions))}
        max_length = self.config.max_caption_length
        ids = [torch.tensor(self.tokenizer.encode(caption, max_length)) for caption in row_of]
        tokens = nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=PAD)
        features = self.caption_features(tokens.to(self.device))
        require_numbers(features, "features of captions")
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
    def decode_image(
        self, z: torch.Tensor, passes: int = PASSES, finish: str | None = None
    ) -> torch.Tensor:
        """z (B, D) -> pictures (B, 3, S, S) in [-1, 1], on the model's device.

        passes: 1 gives a soft draft; more draw more of the lines, and take as much longer.
        finish: see draw_finished; "plain" for a z that encode gave, which is not truncated either.
        """
        code = self.truncated(self.code(z), seed_share_of(finish))
        images, _ = self.draw_finished(code, passes, finish)
        return self.to_rgb(images)

    @torch.no_grad()
    def decode_text(
        self,
        z: torch.Tensor,
        temperature: float = 0.0,
        generators: Sequence[torch.Generator] | None = None,
        finish: str | None = None,
        constraint: CaptionConstraint | None = None,
    ) -> list[str]:
        """z (B, D) -> B captions; see captions_of, and decode_image for finish."""
        code = self.truncated(self.code(z), seed_share_of(finish))
        if (finish or self.finish) != PLAIN:
            _, code = self.draw_finished(code, 1, finish)
        return self.captions_of(
            code, temperature=temperature, generators=generators, constraint=constraint
        )

    @torch.no_grad()
    def decode(
        self,
        z: torch.Tensor,
        temperature: float = 0.0,
        generators: Sequence[torch.Generator] | None = None,
        passes: int = PASSES,
        finish: str | None = None,
    ) -> tuple[torch.Tensor, list[str]]:
        """What decode_image and decode_text give, both from one solve of the flow."""
        words: dict[str, Any] = {"temperature": temperature, "generators": generators}
        words |= {"finish": finish or self.finish, "seed_share": seed_share_of(finish)}
        return self.decode_code(self.code(z), passes=passes, **words)

    @torch.no_grad()
    def decode_code(
        self,
        code: torch.Tensor,
        *,
        passes: int = PASSES,
        finish: str = PLAIN,
        seed_share: float = 0.0,
        temperature: float = 0.0,
        generators: Sequence[torch.Generator] | None = None,
        constraint: CaptionConstraint | None = None,
    ) -> tuple[torch.Tensor, list[str]]:
        """Codes (B, D) -> pictures (B, 3, S, S) in [-1, 1] and B captions.

        passes, finish: see decode_image; seed_share: see truncated; the others: see captions_of.
        """
        images, told = self.draw_finished(self.truncated(code, seed_share), passes, finish)
        words: dict[str, Any] = {"temperature": temperature, "generators": generators}
        return self.to_rgb(images), self.captions_of(told, constraint=constraint, **words)

    # -- files: a plain state dict; configuration and vocabulary travel as a uint8 tensor of JSON

    def get_extra_state(self) -> torch.Tensor:
        """Configuration, vocabulary and meta, uint8 (N,); torch puts it into the state dict."""
        state = {
            "format": CHECKPOINT_FORMAT,
            "config": self.config.settings(),
            "tokenizer": self.tokenizer.json,
            "meta": self.meta,
        }
        if self.caption_book is not None:
            state["captions"] = self.caption_book.captions
        if self.picture_book is not None:
            state["pictures"] = self.picture_book.ids
        return torch.frombuffer(bytearray(json.dumps(state).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Take vocabulary and meta from what get_extra_state gave."""
        facts = read_facts(state)
        self.meta = facts.meta
        self.set_tokenizer(Tokenizer(facts.tokenizer))
        self.note_frozen()
        if self.caption_book is not None:
            self.caption_book.captions = facts.captions or []
        if self.picture_book is not None:
            self.picture_book.ids = facts.pictures or []

    def fingerprint(self) -> str:
        """SHA-256, in hex, of all that decides what a seed, a prompt or a picture gives."""
        return fingerprint_of(self)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **options: Any) -> Any:
        """As nn.Module's; UserError for damaged weights or those of another configuration."""
        if checkpoint.damaged(state_dict):
            raise UserError(
                "these weights are not those that were saved: the file is damaged, or they were "
                "changed since it was loaded (then pass dict(weights))"
            )
        facts = read_facts(state_dict.get("_extra_state"))
        require_same_settings(self.config, facts.config)
        require_own_weights(facts, state_dict)
        return self.take_weights(facts, state_dict, *args, **options)

    def take_weights(
        self, facts: CheckpointFacts, state_dict: Mapping[str, Any], *args: Any, **options: Any
    ) -> Any:
        """The part of load_state_dict behind all checks."""
        self.caption_book = None
        if facts.captions is not None:
            coordinates = state_dict["caption_book.coordinates"]
            self.caption_book = CaptionBook.to_be_loaded(coordinates).to(self.device)
        self.picture_book = None
        if facts.pictures is not None:
            saved = [state_dict[f"picture_book.{name}"] for name in ("pictures", "drafts")]
            self.picture_book = PictureBook.to_be_loaded(*saved).to(self.device)
        return super().load_state_dict(state_dict, *args, **options)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path = "checkpoints/best_model.pt",
        device: str | torch.device = "cpu",
        *,
        encoder: str | Path | None = None,
        text_decoder: str | Path | None = None,
        sees: bool = True,
        writes: bool = True,
    ) -> Self:
        """Checkpoint of any preset, however it is named -> model in eval mode on `device`.

        path: a file, a folder of save_pretrained, "hub:owner/name", or "base".
        encoder, text_decoder: folders of its frozen parts; None: where the checkpoint says.
        sees, writes: False for those who show it no pictures, or want no captions, and may lack
        that part.
        UserError where it is missing, not ours, or not the model that it promises.
        """
        weights = read_weights(path)
        try:
            facts = read_facts(weights.get("_extra_state"))
            # before memory is asked for
            require_own_weights(facts, weights)
            model = cls(facts.config)
            model.take_weights(facts, weights)
            require_promised_model(path, model)
        except UserError as error:
            raise refused_model(path, error) from error
        if encoder or (sees and facts.config.encoder == FROZEN):
            folder = encoder or facts.meta.get("encoder_path", "")
            model.set_tower(FrozenTower(folder, facts.config.encoder_sha256))
        if text_decoder or (writes and facts.config.text_decoder == FROZEN):
            folder = text_decoder or facts.meta.get("text_decoder_path", "")
            model.set_language(FrozenLanguage(folder, facts.config.text_decoder_sha256))
        return model.eval().to(device)


@functools.lru_cache(4)
def expected_weights(config: ModelConfig) -> dict[str, Weight]:
    """What the tensors of a model are like; no memory is asked for. UserError where none can be."""
    try:
        with torch.device("meta"), OnlyShapes():
            model = Autoencoder(config)
    except (RuntimeError, TypeError, OverflowError, AssertionError, ValueError) as error:
        raise UserError("no model has the sizes of its configuration") from error
    return weights_of(model)


def require_own_weights(facts: CheckpointFacts, state_dict: Mapping[str, Any]) -> None:
    """UserError where weights are not those of a model with these facts, or are no numbers."""
    config = facts.config
    expected = dict(expected_weights(config))
    dims = min(config.flow_dims, config.latent_dim - 1)
    if facts.captions is not None:
        shape = (len(facts.captions), dims)
        expected["caption_book.coordinates"] = Weight(shape, torch.float16)
    if facts.pictures is not None:
        count = len(facts.pictures)
        shape = (count, config.channels, config.image_size, config.image_size)
        expected["picture_book.pictures"] = Weight(shape, torch.uint8)
        expected["picture_book.drafts"] = Weight((count, TONE_SIDE, TONE_SIDE), torch.float16)
        expected["picture_book.looks"] = Weight((count, LOOKS), torch.float32)
    require_weights(expected, state_dict, MINUS_INFINITE)


def require_same_settings(own: ModelConfig, other: ModelConfig) -> None:
    """UserError where a checkpoint is of another configuration than the model that it is for."""
    if difference := differing_settings(own, other):
        raise UserError(
            f"this checkpoint belongs to another configuration ({difference}); "
            "load it with MultimodalModel.from_checkpoint(path)"
        )


def differing_settings(own: ModelConfig, other: ModelConfig) -> str:
    """The settings of a checkpoint that are not those of a model, in words; "" for none."""
    saved = asdict(other)
    if own.image_networks == other.image_networks == "flow":
        # without effect since version 0.4
        saved["neck"] = own.neck
    different = [
        f"{name} {saved[name]!r} against {value!r}"
        for name, value in asdict(own).items()
        if saved[name] != value
    ]
    return ", ".join(different)
