"""What a model sees in pictures, captions and prompts, and how well they match."""

import copy
import functools
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

from oneseed.config.inference import PASSES
from oneseed.config.options import BOOK, CODE_CAPTIONS
from oneseed.console.command import UserError
from oneseed.dataset.commands import caption_command
from oneseed.dataset.segmentation import missing_words
from oneseed.generation.prompts import PromptReader, ReadPrompt, check_prompt
from oneseed.media.kinds import PICTURE
from oneseed.media.modes import to_rgb
from oneseed.media.square import Square
from oneseed.model.caption_constraint import CaptionConstraint
from oneseed.model.caption_source import DECODER, NONE, source_of
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.pixels import to_pil, to_tensor
from oneseed.model.weights import require_numbers
from oneseed.synthetic.collections import drawn_collection
from oneseed.workers import chunks

# An RGB picture and its caption.
ImageCaption = tuple[Image.Image, str]

# Pictures and captions that go through a network together.
PICTURES_AT_ONCE = 32
CAPTIONS_AT_ONCE = 128


def squared(image: Image.Image, side: int) -> Image.Image:
    """A picture on a white square, RGB, as large as it goes, and a pixel high and wide at least."""
    picture = to_rgb(image)
    least = -(-max(picture.size) // side)
    if min(picture.size) < least:
        picture = picture.resize((max(picture.width, least), max(picture.height, least)))
    return ImageOps.pad(picture, (side, side), Image.Resampling.LANCZOS, color="white")


def require_words(model: MultimodalModel) -> None:
    """UserError where the model was trained on pictures alone, so that words do not reach it."""
    if source_of(model.meta) == NONE:
        raise UserError(
            "this model was trained on pictures alone and knows no words, so it takes no prompts, "
            "writes no captions and compares none; seeds, styles and pictures work; for words give "
            f"the pictures captions, {caption_command(model.meta.get('style', 'engraving'))}, and "
            "train anew"
        )


def has_grammar(model: MultimodalModel) -> bool:
    """Whether it writes captions of which a grammar is known."""
    drawn = drawn_collection(model.meta.get("style", ""))
    return source_of(model.meta) == DECODER and drawn is not None and drawn.grammar is not None


def constraint_of(model: MultimodalModel) -> CaptionConstraint:
    """What holds a model's captions to the grammar of its collection. UserError without one."""
    if source_of(model.meta) != DECODER:
        raise UserError(
            "--constrained holds captions to a grammar while they are written, and this model "
            "does not write its own; leave it out"
        )
    style = model.meta.get("style", "engraving")
    drawn = drawn_collection(style)
    if drawn is None or drawn.grammar is None:
        raise UserError(
            "--constrained holds captions to the grammar of a drawn collection of code, such as "
            f"screens, and style {style!r} has none; leave it out"
        )
    return CaptionConstraint(drawn.grammar, model.tokenizer, model.config.max_caption_length)


class PictureReader:
    """A model that reads pictures: their latents, captions, and how well captions match them.

    It reads prompts too, as its captions would say them.

    Pictures that come in may be of any mode and size.
    Features are what the contrastive loss compares: float32 (N, D) on the CPU, rows of length 1.
    """

    def __init__(
        self,
        model: MultimodalModel,
        passes: int = PASSES,
        finish: str | None = None,
        *,
        is_constrained: bool = False,
    ) -> None:
        """model: in eval mode, as it comes from a checkpoint. passes: in which it draws.

        finish: of seeds, see Autoencoder.draw_finished; None is the model's own.
        is_constrained: whether captions are held to the collection's grammar, see in_grammar.
        UserError where the model cannot.
        """
        self.model = model
        self.passes = passes
        self.finish = finish or model.finish
        if self.finish == BOOK:
            model.own_picture_book()
        self.constraint = constraint_of(model) if is_constrained else None

    def in_passes(self, passes: int) -> Self:
        """The same model, which draws its pictures in so many passes."""
        other = copy.copy(self)
        other.passes = passes
        return other

    def in_finish(self, finish: str | None) -> Self:
        """The same model, whose seeds are finished so; None is the model's own way.

        UserError where the model carries no training pictures and the finish needs them.
        """
        other = copy.copy(self)
        other.finish = finish or self.model.finish
        if other.finish == BOOK:
            self.model.own_picture_book()
        return other

    def in_grammar(self, *, is_constrained: bool = True) -> Self:
        """The same model, whose captions are always such as its collection has; or as it is free.

        UserError where nobody says which these are, or it does not write its captions.
        """
        other = copy.copy(self)
        other.constraint = constraint_of(self.model) if is_constrained else None
        return other

    # ---- what the model is

    @property
    def is_constrained(self) -> bool:
        """Whether its captions are always such as the collection has."""
        return self.constraint is not None

    @property
    def dimensions(self) -> int:
        """Length of the latent."""
        return self.model.config.latent_dim

    @property
    def grey(self) -> bool:
        """Whether all its pictures are grey."""
        return self.model.config.channels == 1

    @property
    def draws_in_passes(self) -> bool:
        """Whether pictures depend on the number of passes; not so of models before version 0.4."""
        return self.model.config.image_networks == "flow"

    @property
    def can_choose_finish(self) -> bool:
        """Whether seeds can be finished in several ways, since the model carries pictures."""
        return self.model.picture_book is not None

    @property
    def seed_notice(self) -> str:
        """What people should know of how seeds are drawn; "" where they need not."""
        sentences = []
        kept = self.model.meta.get("truncation", 1.0)
        if kept < 1:
            sentences.append(
                f"Seeds are truncated to {kept:g}: the code of a seed is moved {1 - kept:.2g} of "
                "the way to typical ones, so fewer pictures are blots, and extremes are rarer."
            )
        if self.finish == BOOK:
            pictures = len(self.model.own_picture_book().ids)
            sentences.append(
                "Pictures of seeds are engraved: the model draws a draft, and covers it with "
                f"patches of {pictures:,} training pictures that it carries."
            )
        return " ".join(sentences)

    @property
    def styles(self) -> list[str]:
        """What `style` may be: the styles of the training collection."""
        return self.model.meta.get("styles", [])

    @property
    def caption_source(self) -> str:
        """Who wrote the captions: "decoder", "nearest" or "none"; see model/caption_source.py."""
        return source_of(self.model.meta)

    @property
    def writes_code(self) -> bool:
        """Whether its captions are code, such as HTML, which stays letter by letter."""
        return self.model.meta.get("caption_kind") == CODE_CAPTIONS

    @property
    def medium(self) -> str:
        """What its pictures stand for, one of MEDIA."""
        return self.model.meta.get("medium", PICTURE)

    @property
    def square(self) -> Square:
        """What files are for it, and the side of its pictures in pixels."""
        return Square(self.medium, self.model.config.image_size)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all in the checkpoint that decides what it gives; on cards and indexes."""
        return self.model.fingerprint()

    # ---- pictures

    def letterboxed(self, images: Sequence[Image.Image]) -> np.ndarray:
        """PIL images -> uint8 (N, S, S, 3), on white squares of the model's size."""
        side = self.model.config.image_size
        return np.stack([np.asarray(squared(image, side)) for image in images])

    def encode(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """PIL images -> z (B, D), the same for equal pixels."""
        return torch.cat([self.model.encode(batch) for batch in self.batches(images)])

    def encode_codes(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """PIL images -> codes (B, D), those of the z that encode gives."""
        return torch.cat([self.model.encode_code(batch) for batch in self.batches(images)])

    def batches(self, images: Sequence[Image.Image]) -> Iterator[torch.Tensor]:
        """PIL images -> (B, 3, S, S) in [-1, 1] at a time: 50,000 as floats take 10 GB."""
        for some in chunks(images, PICTURES_AT_ONCE):
            yield to_tensor(self.letterboxed(some))

    def encode_together(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """PIL images that show one thing together, such as a form and its table -> code (1, D).

        Of one image the code that encode_codes gives.
        """
        if len(images) == 1:
            return self.encode_codes(images)
        return self.model.encode_together(to_tensor(self.letterboxed(images)))

    def reconstruct(self, images: Sequence[Image.Image]) -> list[Image.Image]:
        """PIL images -> the model's reconstructions."""
        pictures = []
        for code in self.encode_codes(images).split(PICTURES_AT_ONCE):
            pictures += to_pil(self.model.to_rgb(self.model.draw(code, self.passes)))
        return pictures

    def caption(self, images: Sequence[Image.Image]) -> list[str]:
        """PIL images -> captions."""
        captions = []
        for code in self.encode_codes(images).split(PICTURES_AT_ONCE):
            captions += self.model.captions_of(code, constraint=self.constraint)
        return captions

    # ---- prompts

    @functools.cached_property
    def prompt_reader(self) -> PromptReader:
        """How prompts are read, by what the training captions had."""
        return PromptReader.of_model(self.model)

    def read_prompt(self, prompt: str, style: str | None = None) -> ReadPrompt:
        """A prompt as typed -> what is encoded, and sentences on what training captions lack.

        All that takes a prompt reads it so. style: that is asked for with it. UserError for a
        prompt that says nothing or too much, or where the model knows no words.
        """
        require_words(self.model)
        check_prompt(prompt)
        return self.prompt_reader.read(prompt, style)

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of a prompt that no training caption had, in alphabetical order."""
        return sorted(missing_words(prompt, self.prompt_reader.words))

    # ---- do picture and caption match?

    @torch.no_grad()
    def picture_features(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """N PIL images -> their features (N, D)."""
        model = self.model
        codes = [
            model.image_encoder(model.to_model_channels(batch.to(model.device)))
            for batch in self.batches(images)
        ]
        features = F.normalize(torch.cat(codes), dim=1).cpu()
        require_numbers(features, "features of pictures")
        return features

    @torch.no_grad()
    def caption_features(self, captions: Sequence[str]) -> torch.Tensor:
        """M captions -> their features (M, D). UserError where the model knows no words."""
        require_words(self.model)
        features = [self.model.features_of(part) for part in chunks(captions, CAPTIONS_AT_ONCE)]
        return F.normalize(torch.cat(features), dim=1).cpu()

    def similarity(self, images: Sequence[Image.Image], captions: Sequence[str]) -> torch.Tensor:
        """N PIL images, M captions -> cosines (N, M), float32."""
        return self.picture_features(images) @ self.caption_features(captions).T

    def match(self, pairs: Sequence[ImageCaption]) -> list[dict[str, Any]]:
        """How well picture and caption of each pair fit: {"cosine", "match": its percentile}."""
        images, captions = zip(*pairs)
        cosines = (self.picture_features(images) * self.caption_features(captions)).sum(1)  # (N,)
        rounded = [round(cosine, 4) for cosine in cosines.tolist()]
        return [{"cosine": cosine, "match": self.percentile(cosine)} for cosine in rounded]

    def percentile(self, cosine: float) -> int | None:
        """How many of a hundred held-out real pairs fit no better.

        None where the checkpoint cannot tell, since training has not ended.
        """
        quantiles = self.model.meta.get("match")
        if not quantiles:
            return None
        return round(float(np.interp(cosine, quantiles, range(101))))

    def fit_scores(self, pairs: Sequence[ImageCaption], prompt: str | None = None) -> list[float]:
        """How well each pair fits itself and, where there is a prompt, how well both fit it."""
        images, captions = zip(*pairs)
        pictures = self.picture_features(images)  # (N, D)
        texts = self.caption_features(captions)  # (N, D)
        scores = (pictures * texts).sum(1)  # (N,)
        if prompt:
            scores = scores + ((pictures + texts) @ self.caption_features([prompt]).T)[:, 0]
        return scores.tolist()
