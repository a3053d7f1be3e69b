"""What the page shows before anybody has asked for anything: good seeds, and pictures of prompts.

Both are drawn once for a model and kept.
"""

import functools
from dataclasses import dataclass

from PIL import Image

from oneseed.generation.generator import MultimodalGenerator
from oneseed.model.caption_source import NONE

# seeds of which the best is shown first
OPENING_SEEDS = 16
PROMPT_EXAMPLES = (
    "two small ships under a stormy sky",
    "a large castle on a starry night, cross-hatched",
    "an elephant by a forest",
    "three trees by the sea, in stipple",
)


@dataclass(frozen=True)
class Example:
    """A prompt, and a seed with its picture of it."""

    prompt: str
    seed: int
    image: Image.Image  # RGB


@functools.lru_cache(2)
def best_seeds(generator: MultimodalGenerator) -> list[int]:
    """The seeds 0 to 15, those first whose picture and caption fit best.

    In their order where there are no captions.
    """
    seeds = list(range(OPENING_SEEDS))
    if generator.caption_source == NONE:
        return seeds
    scores = generator.match(generator.generate_batch(seeds))
    return sorted(seeds, key=lambda seed: -scores[seed]["cosine"])


def known_examples(generator: MultimodalGenerator) -> list[str]:
    """The examples of prompts that a model can know all of; none where it knows no words."""
    if generator.caption_source == NONE:
        return []
    return [text for text in PROMPT_EXAMPLES if not generator.read_prompt(text).remarks]


@functools.lru_cache(2)
def drawn_examples(generator: MultimodalGenerator) -> list[Example]:
    """The known examples, each drawn from another of the best seeds."""
    prompts = known_examples(generator)
    seeds = best_seeds(generator)[: len(prompts)]
    pairs = generator.generate_batch(seeds, prompts) if prompts else []
    return [Example(prompt, seed, image) for prompt, seed, (image, _) in zip(prompts, seeds, pairs)]
