"""A checkpoint, ready to answer seeds, words and pictures."""

import hashlib
import secrets
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from oneseed.config.base_model import checkpoint_file, checkpoint_name
from oneseed.config.inference import GUIDANCE, PASSES
from oneseed.config.options import PLAIN
from oneseed.device import pick_device
from oneseed.generation import index
from oneseed.generation.pretrained import Pretrained
from oneseed.generation.prompts import PromptWarning, ReadPrompt
from oneseed.generation.reading import PICTURES_AT_ONCE, ImageCaption, PictureReader
from oneseed.model import latent_operations
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.pixels import to_pil
from oneseed.seeds import LAST_SEED, latents, torch_generator
from oneseed.workers import chunks


def get_random_seed() -> int:
    """A seed that nobody knows yet: an integer from 0 to 2**32 - 1."""
    return secrets.randbelow(LAST_SEED + 1)


def candidate_seeds(seed: int, count: int) -> list[int]:
    """`count` seeds that follow from one, the first of them the seed itself."""
    seeds = [seed]
    for i in range(1, count):
        digest = hashlib.sha256(f"candidate {i} {seed}".encode()).digest()
        seeds.append(int.from_bytes(digest[:4], "big"))
    return seeds


def read_prompts(
    reader: PictureReader, prompts: Sequence[str], style: str | None
) -> list[ReadPrompt]:
    """Prompts as typed -> as a model reads them; what its captions lack is a PromptWarning."""
    read = {prompt: reader.read_prompt(prompt, style) for prompt in dict.fromkeys(prompts)}
    for one in read.values():
        for remark in one.remarks:
            warnings.warn(remark, PromptWarning, stacklevel=3)
    return [read[prompt] for prompt in prompts]


@torch.no_grad()
def conditioned_codes(
    model: MultimodalModel,
    z: torch.Tensor,
    prompts: Sequence[ReadPrompt],
    style: str | None,
    *,
    guidance: float,
) -> torch.Tensor:
    """Seeds z (B, D) -> codes (B, D) of what the prompts, one per seed, and the style ask for.

    prompts: [] for none.
    """
    return latent_operations.apply_conditions(
        model.sampler,
        z.to(model.device),
        captions=model.features_of([prompt.text for prompt in prompts]) if prompts else None,
        guidance=guidance,
        styles=model.style_numbers([style] * len(z)) if style else None,
    )


class MultimodalGenerator(Pretrained, PictureReader):
    """A checkpoint, ready to answer seeds.

    generator = MultimodalGenerator("checkpoints/best_model.pt", device="auto")
    image, caption = generator(7)                      # PIL RGB image, str
    generator.generate_batch([7, 8, 9])                # list of such pairs
    seed, pair = generator.best_of(7, 16)              # the best of 16 that follow from seed 7
    generator.match([pair])                            # [{"cosine": .8123, "match": 71}]

    Pictures that come in may be of any mode and size; pictures that go out are RGB. How it reads
    pictures and prompts (encode, caption, match, read_prompt, ...) is in PictureReader.
    """

    def __init__(
        self,
        checkpoint_path: str | Path = "checkpoints/best_model.pt",
        device: str = "auto",
        temperature: float = 0.0,
        passes: int = PASSES,
        finish: str | None = None,
        *,
        constrained: bool = False,
        **moved: Any,
    ) -> None:
        """checkpoint_path: a file, a folder of save_pretrained, "hub:owner/name", or "base".

        temperature: of the captions, 0 for the likeliest. passes: in which a picture is drawn.
        finish: of seeds, "plain" or "book", see Autoencoder.draw_finished; None: the model's own.
        constrained: captions are always texts of the collection's grammar, see in_grammar.
        moved: encoder and text_decoder, folders of frozen parts that have moved.
        UserError where the checkpoint is missing or not ours, or the device is not there.
        """
        self.checkpoint = checkpoint_file(checkpoint_path)
        model = MultimodalModel.from_checkpoint(checkpoint_path, pick_device(device), **moved)
        super().__init__(model, passes, finish, is_constrained=constrained)
        self.temperature = temperature
        self.style: str = self.model.meta.get("style", "engraving")
        # What the latent check found; None before training has ended.
        self.health: dict[str, Any] | None = self.model.meta.get("health")

    # ---- pairs of seeds

    def __call__(self, seed: int) -> ImageCaption:
        """As generate."""
        return self.generate(seed)

    def generate(
        self,
        seed: int,
        prompt: str | None = None,
        style: str | None = None,
        *,
        guidance: float = GUIDANCE,
        temperature: float | None = None,
    ) -> ImageCaption:
        """Seed, an integer from 0 to 2**32 - 1 -> (image, caption); see generate_batch."""
        options = {"guidance": guidance, "temperature": temperature}
        return self.generate_batch([seed], prompt, style, **options)[0]

    def generate_batch(
        self,
        seeds: Sequence[int],
        prompt: str | Sequence[str] | None = None,
        style: str | None = None,
        *,
        guidance: float = GUIDANCE,
        temperature: float | None = None,
    ) -> list[ImageCaption]:
        """Seeds -> list of (image, caption), pair i from seeds[i] alone.

        prompt: what the pairs should show, one string or one per seed; see read_prompt.
        style: one of self.styles.
        guidance: how literally a prompt is taken, 0 to 5; what is useful lies between 1 and 3.
        temperature: of the captions, 0 for the likeliest; None is the generator's own.
        UserError for a seed, prompt or style that is none.
        """
        if not len(seeds):
            return []
        z = latents(seeds, self.dimensions)  # (B, D)
        if prompt is None and style is None:
            return self.decode(z, seeds, temperature)
        prompts = [prompt] * len(z) if isinstance(prompt, str) else prompt or []
        read = read_prompts(self, prompts, style)
        codes = conditioned_codes(self.model, z, read, style, guidance=guidance)
        return self.decode_code(codes, seeds, temperature, self.finish, seed_share=1.0)

    def generate_with_metadata(self, seed: int) -> dict[str, Any]:
        """Seed -> {"seed", "image", "caption", "caption_source", "style", "checkpoint"}."""
        image, caption = self.generate(seed)
        return {
            "seed": int(seed),
            "image": image,
            "caption": caption,
            "caption_source": self.caption_source,
            "style": self.style,
            "checkpoint": checkpoint_name(self.checkpoint),
        }

    def best_of(
        self,
        seed: int,
        count: int,
        prompt: str | None = None,
        *,
        style: str | None = None,
        guidance: float = GUIDANCE,
        temperature: float | None = None,
    ) -> tuple[int, ImageCaption]:
        """(seed, pair) of the best of `count` candidates that follow from a seed.

        The best is whose picture and caption match each other best and, where there is a prompt,
        both match it. Its own seed gives the same pair again. Further arguments: generate_batch.
        """
        seeds = candidate_seeds(seed, count)
        wanted = self.read_prompt(prompt, style).text if prompt else None
        scores = []
        pairs = []
        for some_seeds in chunks(seeds, PICTURES_AT_ONCE):
            some_pairs = self.generate_batch(
                some_seeds, prompt, style, guidance=guidance, temperature=temperature
            )
            scores += self.fit_scores(some_pairs, wanted)
            pairs += some_pairs
        best = max(range(count), key=scores.__getitem__)
        return seeds[best], pairs[best]

    def interpolate(
        self, first: int, last: int, steps: int = 8, *, temperature: float | None = None
    ) -> list[ImageCaption]:
        """Two seeds -> `steps` pairs from one to the other; pictures and captions change slowly."""
        return list(self.walk(first, last, steps, temperature=temperature, at_once=steps))

    def walk(
        self,
        first: int,
        last: int,
        steps: int = 8,
        *,
        temperature: float | None = None,
        at_once: int = 4,
        only: int | None = None,
    ) -> Iterator[ImageCaption]:
        """As interpolate, one by one. at_once: pairs drawn together; only: the one step drawn."""
        ends = self.model.code(latents([first, last], self.dimensions))  # (2, D)
        codes = latent_operations.walk(self.model.sampler, ends, steps)  # (steps, D)
        wanted = range(steps) if only is None else range(only, only + 1)
        for part in chunks(wanted, at_once):
            yield from self.decode_code(codes[list(part)], part, temperature, seed_share=1.0)

    def mix(self, seeds: Sequence[int], weights: Sequence[Sequence[float]]) -> list[ImageCaption]:
        """Seeds mixed -> a pair for each row of weights, one number from 0 up for each seed.

        A row with one weight alone gives that seed's pair. Words are drawn as for the first seed.
        """
        codes = self.model.code(latents(seeds, self.dimensions))  # (K, D)
        mixed = latent_operations.mix(self.model.sampler, codes, torch.tensor(weights))  # (B, D)
        return self.decode_code(mixed, [seeds[0]] * len(mixed), finish=self.finish, seed_share=1.0)

    # ---- pairs around pictures

    def decode(
        self,
        z: torch.Tensor,
        seeds: Iterable[int] | None = None,
        temperature: float | None = None,
    ) -> list[ImageCaption]:
        """z (B, D) -> list of B pairs.

        seeds: of the words that a temperature draws; None is 0, 1, 2, ...
        """
        return self.decode_code(self.model.code(z), seeds, temperature, self.finish, seed_share=1.0)

    def decode_code(
        self,
        code: torch.Tensor,
        seeds: Iterable[int] | None = None,
        temperature: float | None = None,
        finish: str = PLAIN,
        seed_share: float = 0.0,
    ) -> list[ImageCaption]:
        """As decode, of codes (B, D). Further arguments: draw_finished, truncated."""
        word_seeds = range(len(code)) if seeds is None else seeds
        generators = [torch_generator(int(seed), "words") for seed in word_seeds]
        images, captions = self.model.decode_code(
            code,
            passes=self.passes,
            finish=finish,
            seed_share=seed_share,
            temperature=self.temperature if temperature is None else temperature,
            generators=generators,
            constraint=self.constraint,
        )
        return list(zip(to_pil(images), captions))

    def vary(
        self,
        image: Image.Image,
        seeds: Sequence[int],
        strength: float = 0.3,
        *,
        temperature: float | None = None,
    ) -> list[ImageCaption]:
        """PIL image -> one pair per seed, around the image.

        strength: 0 is the image's reconstruction, 1 has nothing left of it.
        """
        noise = latents(seeds, self.dimensions)  # (B, D)
        code = self.encode_codes([image])  # (1, D)
        codes = latent_operations.vary(self.model.sampler, code, noise, strength)  # (B, D)
        return self.decode_code(codes, seeds, temperature, seed_share=strength)

    def restyle(
        self,
        images: Sequence[Image.Image],
        style: str,
        strength: float = 1.0,
        *,
        temperature: float | None = None,
    ) -> list[ImageCaption]:
        """PIL images -> pairs, the same scenes in another of self.styles.

        strength: 0 changes nothing, 1 goes all the way.
        """
        pairs = []
        for code in self.encode_codes(images).split(PICTURES_AT_ONCE):
            styles = self.model.style_numbers([style] * len(code))
            codes = latent_operations.restyle(self.model.sampler, code, styles, strength)
            pairs += self.decode_code(codes, temperature=temperature)
        return pairs

    # ---- which seeds, which training pictures? After `python inference.py --index 10000`

    def find_seeds(
        self, prompt: str | None = None, image: Image.Image | None = None, count: int = 10
    ) -> list[dict[str, Any]]:
        """The best of the indexed seeds for words or a PIL image; see index.find_seeds."""
        if image is not None:
            return index.find_seeds(self, self.picture_features([image]), count)
        assert prompt is not None, "find_seeds needs a prompt or an image"
        return index.find_seeds(self, self.caption_features([self.read_prompt(prompt).text]), count)

    def nearest_training(
        self, images: Sequence[Image.Image], count: int = 3
    ) -> list[list[dict[str, Any]]]:
        """For each PIL image the nearest training pictures; see index.nearest_training."""
        return index.nearest_training(self, self.letterboxed(images), count)

    def near_training(self, images: Sequence[Image.Image]) -> list[str | None]:
        """For each PIL image the id of the training picture that it is too near to, or None."""
        return index.near_training(self, images)
