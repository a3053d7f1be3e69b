"""The networks of the model, as training runs them: picture -> code -> picture and caption."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from oneseed.config.model import MIN_VOCABULARY, ModelConfig
from oneseed.model.caption_book import CaptionBook
from oneseed.model.image_networks import ImageDecoder, ImageEncoder
from oneseed.model.initialization import init_last_layer, init_positions, init_weights
from oneseed.model.prior import Prior
from oneseed.model.text_networks import TextDecoder, TextEncoder
from oneseed.model.tokenizer import PAD, START, Tokenizer


class Autoencoder(nn.Module):
    """Encoders and decoders of pictures and captions, with the prior over their codes.

    `MultimodalModel` is this with what people ask of it: seeds, prompts, files.
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
        # of models that have not learnt to write captions
        self.caption_book: CaptionBook | None = None
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

    def redraw(
        self, images: torch.Tensor, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As autoencode, of pictures alone -> code (B, D), images (B, C, S, S)."""
        code = self.image_encoder(images)
        return code, self.image_decoder(code + self.config.code_noise * noise)

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

    def caption_features(self, tokens: torch.Tensor) -> torch.Tensor:
        """Captions (B, T) -> what the prior knows them by, (B, D) of root mean square 1."""
        return F.rms_norm(self.text_encoder(tokens).float(), (self.config.latent_dim,))
