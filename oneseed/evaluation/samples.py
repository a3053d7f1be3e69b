"""What the judges are shown: generated pairs, pictures as grey arrays, captions of training."""

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image

from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.reading import ImageCaption
from oneseed.seeds import numpy_generator

Item = TypeVar("Item")
# pairs on the page
PAIRS_SHOWN = 12
# seeds that the generator works on at once
GENERATED_AT_ONCE = 32


def generated_pairs(
    generator: MultimodalGenerator,
    seeds: Sequence[int],
    *,
    prompts: Sequence[str] | None = None,
    style: str | None = None,
) -> Iterator[ImageCaption]:
    """The pairs of the seeds, made in batches. prompts: one for each seed; style: of all pairs."""
    for start in range(0, len(seeds), GENERATED_AT_ONCE):
        batch = slice(start, start + GENERATED_AT_ONCE)
        prompt = None if prompts is None else prompts[batch]
        yield from generator.generate_batch(seeds[batch], prompt=prompt, style=style)


def timed_pairs(
    generator: MultimodalGenerator, seeds: Sequence[int]
) -> tuple[list[ImageCaption], float]:
    """The pairs of the seeds, and the seconds that each of them took."""
    pairs: list[ImageCaption] = []
    start = time.perf_counter()
    with progress(label="pairs", total=len(seeds), unit="pair") as bar:
        for pair in generated_pairs(generator, seeds):
            pairs.append(pair)
            bar.update()
    return pairs, (time.perf_counter() - start) / len(seeds)


def training_rows(collection: Collection) -> list[Row]:
    """Rows of the training captions, [] where they are not on this machine."""
    if not (collection.train.exists() and collection.val.exists()):
        return []
    train, _ = collection.read_captions()
    return train


def as_many(items: Sequence[Item], count: int, purpose: str) -> list[Item]:
    """`count` of the items, each at most once where there are enough; [] of none.

    purpose: names the draw.
    """
    if not items:
        return []
    generator = numpy_generator(0, purpose)
    return [items[i] for i in generator.choice(len(items), count, replace=count > len(items))]


def picture_array(images: Sequence[Image.Image], channels: int) -> np.ndarray:
    """N pictures of one size -> uint8 (N, S, S) of one channel, (N, S, S, 3) of three."""
    mode = "L" if channels == 1 else "RGB"
    return np.stack([np.asarray(image.convert(mode)) for image in images])


def grey_pixels(images: Sequence[Image.Image]) -> np.ndarray:
    """N pictures of one size -> uint8 array (N, S, S), grey as Pillow makes it."""
    return picture_array(images, 1)


def grey_array(pixels: np.ndarray) -> np.ndarray:
    """uint8 (N, S, S) or (N, S, S, 3) -> (N, S, S), grey as Pillow makes it."""
    if pixels.ndim == 3:
        return np.asarray(pixels)
    return grey_pixels(as_images(pixels))


def as_images(pixels: np.ndarray) -> list[Image.Image]:
    """uint8 (N, S, S) or (N, S, S, 3) -> N pictures."""
    return [Image.fromarray(picture) for picture in pixels]
