"""The networks of the model, as training runs them: picture -> code -> picture and caption."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import nn

from oneseed.config.model import FROZEN, MIN_VOCABULARY, ModelConfig
from oneseed.config.options import BOOK, PLAIN
from oneseed.console.command import UserError
from oneseed.model.caption_book import CaptionBook
from oneseed.model.frozen_encoder import FrozenTower
from oneseed.model.frozen_language import FrozenLanguage, FrozenTextDecoder
from oneseed.model.further_pictures import FurtherPictures, joint_code
from oneseed.model.image_networks import ImageDecoder, ImageEncoder
from oneseed.model.initialization import init_image_networks, init_positions, init_weights
from oneseed.model.noising import TrainingNoise
from oneseed.model.picture_book import PictureBook
from oneseed.model.pixel_noise import spread
from oneseed.model.prior import Prior
from oneseed.model.regression_networks import RegressionDecoder, RegressionEncoder
from oneseed.model.text_networks import TextDecoder, TextEncoder
from oneseed.model.tokenizer import Tokenizer


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
        self.image_encoder: ImageEncoder | RegressionEncoder
        self.image_decoder: ImageDecoder | RegressionDecoder
        if self.config.image_networks == "regression":
            self.image_encoder = RegressionEncoder(self.config)
            self.image_decoder = RegressionDecoder(self.config)
        else:
            self.image_encoder = ImageEncoder(self.config)
            self.image_decoder = ImageDecoder(self.config)
        self.text_encoder = TextEncoder(self.config)
        self.text_decoder: TextDecoder | FrozenTextDecoder
        is_frozen = self.config.text_decoder == FROZEN
        self.text_decoder = (FrozenTextDecoder if is_frozen else TextDecoder)(self.config)
        self.sampler = Prior(self.config)
        # of models that have not learnt to write captions
        self.caption_book: CaptionBook | None = None
        # of models whose seeds may be engraved from training pictures
        self.picture_book: PictureBook | None = None
        # plain JSON: style, epoch, health, ...; whoever saves decides
        self.meta: dict[str, Any] = {}
        self.set_tokenizer(tokenizer)
        init_weights(self)
        init_positions(self)
        if isinstance(self.image_decoder, ImageDecoder):
            init_image_networks(cast(ImageEncoder, self.image_encoder), self.image_decoder)

    def set_tokenizer(self, tokenizer: Tokenizer | None) -> None:
        """Use this vocabulary, or that of the bytes; entries beyond it are never written."""
        used = len(tokenizer) if tokenizer else MIN_VOCABULARY
        assert used <= self.config.vocab_size, (
            f"{used} entries, vocab_size {self.config.vocab_size}"
        )
        self.tokenizer = tokenizer or Tokenizer.train([], MIN_VOCABULARY)
        unused = self.text_decoder.unused
        unused[:] = torch.arange(len(unused), device=unused.device) >= used
        unused[list(self.tokenizer.never)] = True

    def set_tower(self, tower: FrozenTower) -> None:
        """See with this frozen picture encoder. UserError where the model has one of its own."""
        config = self.config
        if config.encoder != FROZEN:
            raise UserError("this model has a picture encoder of its own; leave --encoder out")
        assert (tower.sha256, tower.width) == (config.encoder_sha256, config.encoder_width)
        cast(ImageEncoder, self.image_encoder).tower = tower
        self.note_frozen()

    def set_language(self, language: FrozenLanguage) -> None:
        """Write with this frozen language model. UserError where the model writes by itself."""
        config = self.config
        if config.text_decoder != FROZEN:
            raise UserError("this model has a caption decoder of its own; leave --text-decoder out")
        known = (config.text_decoder_sha256, config.text_decoder_width, config.vocab_size)
        if (language.sha256, language.width, len(language.tokenizer)) != known:
            raise UserError(
                f"{language.folder.as_posix()} has another vocabulary than the model was trained "
                "with; name the folder as it was then: --text-decoder PATH"
            )
        cast(FrozenTextDecoder, self.text_decoder).language = language
        self.note_frozen()

    def note_frozen(self) -> None:
        """Keep in mind, for those who load the model, where its frozen parts lie.

        The vocabulary is that of a frozen language model, which no checkpoint holds.
        """
        tower = getattr(self.image_encoder, "tower", None)
        if tower is not None:
            self.meta["encoder_path"] = str(tower.folder)
        language = getattr(self.text_decoder, "language", None)
        if language is not None:
            self.meta["text_decoder_path"] = str(language.folder)
            self.set_tokenizer(language.tokenizer)

    def new_sampler(self) -> Prior:
        """A prior for this model that has not been fitted."""
        prior = Prior(self.config).to(self.device)
        init_weights(prior)
        return prior

    def set_recompute(self, *, is_on: bool) -> None:
        """Whether training keeps less of the picture networks, and computes more."""
        for network in (self.image_encoder, self.image_decoder):
            if isinstance(network, ImageEncoder | ImageDecoder):
                network.recompute = is_on

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return self.sampler.mean.device

    def encode_pictures(
        self, images: torch.Tensor, further: FurtherPictures | None = None
    ) -> torch.Tensor:
        """Pictures (B, C, S, S), and the further ones of some of them -> codes (B, D)."""
        codes = self.image_encoder(images)
        if further is None or not len(further.owners):
            return codes
        return joint_code(codes, self.image_encoder(further.images), further.owners)

    def autoencode(
        self,
        images: torch.Tensor,
        tokens: torch.Tensor,
        noise: TrainingNoise,
        further: FurtherPictures | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What training runs -> code (B, D), pictures (B, C, S, S), logits (B, T, V).

        images: (B, C, S, S), C as configured. tokens: (B, T); logits[:, t] are of tokens[:, t + 1].
        Both decoders read the code with noise; the picture decoder sees the noised pictures too.
        further: pictures that some codes are of beside the first, which alone is drawn.
        """
        code, read, drawn = self.redraw(images, noise, further)
        return code, drawn, self.text_decoder(read, tokens)

    def redraw(
        self, images: torch.Tensor, noise: TrainingNoise, further: FurtherPictures | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As autoencode, of pictures alone -> code (B, D), the code with noise, pictures."""
        code = self.encode_pictures(images, further)  # (B, D)
        read = code + self.config.code_noise * noise.code
        drawn = self.image_decoder(read, noise.noised(images), noise.times)
        return code, read, drawn

    def draw(self, code: torch.Tensor, passes: int) -> torch.Tensor:
        """Codes (B, D) -> pictures (B, C, S, S) in [-1, 1], in so many passes.

        The noise that they begin with is a linear map of those coordinates of the code that the
        prior takes from z as they are; where these are few, of all coordinates.
        """
        y = self.sampler.to_frame(code)  # (B, D)
        *_, free = self.sampler.parts(y)
        numbers = free if 2 * free.shape[1] >= y.shape[1] else y
        size = self.config.image_size
        noise = spread(numbers, (self.config.channels, size, size))
        return self.image_decoder.draw(code, noise, passes)

    @property
    def finish(self) -> str:
        """How pictures of seeds are finished where nobody says otherwise, one of FINISHES."""
        return self.meta.get("finish", PLAIN)

    def truncated(self, code: torch.Tensor, seed_share: float = 1.0) -> torch.Tensor:
        """Codes (B, D) -> those that are decoded for them; see Prior.truncated.

        seed_share: 1 for codes of seeds and prompts; 0 for those of pictures, which stay as they
        are; between for variations. All stay where the model was trained without truncation.
        """
        kept = 1 - seed_share * (1 - self.meta.get("truncation", 1.0))
        return self.sampler.truncated(code, kept) if kept < 1 else code

    def draw_finished(
        self, code: torch.Tensor, passes: int, finish: str | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As draw -> pictures (B, C, S, S), and the codes (B, D) of which their captions are.

        finish: one of FINISHES; None is the model's own. With PLAIN both are of the codes given.
        With BOOK, drafts are engraved from the training pictures, and the captions are those of
        what is seen then. UserError where the model has no book.
        """
        if (finish or self.finish) == PLAIN:
            return self.draw(code, passes), code
        images = self.own_picture_book().engrave(self.draw(code, 1))
        return images, self.image_encoder(images)

    def drop_pictures(self) -> None:
        """Carry no training pictures any more; seeds are drawn by the decoder."""
        self.picture_book = None
        self.meta.pop("finish", None)

    def own_picture_book(self) -> PictureBook:
        """The training pictures that the model carries; UserError where it carries none."""
        if self.picture_book is None:
            raise UserError(
                f"--finish {BOOK} needs a model that carries its training pictures, and this "
                f"one has none; leave --finish out, or say --finish {PLAIN}"
            )
        return self.picture_book

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
