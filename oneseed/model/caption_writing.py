"""The networks of the model with the captions of codes, whoever wrote them."""

from collections.abc import Sequence

import torch

from oneseed.model import caption_source
from oneseed.model.autoencoder import Autoencoder
from oneseed.model.caption_constraint import CaptionConstraint
from oneseed.model.text_networks import write_captions


class CaptionedAutoencoder(Autoencoder):
    """An autoencoder that gives captions as texts: written, those of training pictures, or none."""

    def captions_of(
        self,
        code: torch.Tensor,
        *,
        temperature: float = 0.0,
        generators: Sequence[torch.Generator] | None = None,
        constraint: CaptionConstraint | None = None,
    ) -> list[str]:
        """Codes (B, D) -> B captions, by the source that self.meta["caption_source"] names.

        The decoder writes them; or they are those of the nearest training pictures; or they are
        empty. The other arguments are of what the decoder writes, see write_captions.
        """
        source = caption_source.source_of(self.meta)
        if source == caption_source.NONE:
            return [""] * len(code)
        if source == caption_source.NEAREST:
            assert self.caption_book is not None, "a model that looks captions up has a book"
            return self.caption_book.nearest(self.leading_coordinates(code))
        ids = self.decode_tokens(
            code, temperature=temperature, generators=generators, constraint=constraint
        )
        return [self.tokenizer.decode(row) for row in ids]

    def leading_coordinates(self, code: torch.Tensor) -> torch.Tensor:
        """Codes (B, D) -> the coordinates that the flow models, (B, k)."""
        return self.sampler.to_frame(code)[:, : self.sampler.dims]

    def decode_tokens(
        self,
        code: torch.Tensor,
        *,
        temperature: float = 0.0,
        generators: Sequence[torch.Generator] | None = None,
        use_cache: bool = True,
        constraint: CaptionConstraint | None = None,
    ) -> list[list[int]]:
        """Codes (B, D) -> B lists of ids; see write_captions for the arguments."""
        return write_captions(
            self.text_decoder,
            code,
            self.config.max_caption_length,
            temperature=temperature,
            generators=generators,
            use_cache=use_cache,
            constraint=constraint,
        )
