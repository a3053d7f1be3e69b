"""What the page shows before anybody has asked for anything: good seeds, and pictures of prompts.

Both are drawn once for a model and kept.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from oneseed.generation.generator import MultimodalGenerator
from oneseed.model.caption_source import NONE

# seeds that are looked at, and those of them that fit best, of which one is shown first
OPENING_SEEDS = 16
OPENING_CHOICES = 8
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


class FirstLook(NamedTuple):
    """What a look at the seeds 0 to 15 gives."""

    # those first whose picture and caption fit best
    best: list[int]
    # the one that the page opens on
    opening: int


@functools.lru_cache(2)
def first_look(generator: MultimodalGenerator) -> FirstLook:
    """Draws the first seeds; in their order, and none drawn, where there are no captions."""
    seeds = list(range(OPENING_SEEDS))
    if generator.caption_source == NONE:
        return FirstLook(seeds, seeds[0])
    pairs = generator.generate_batch(seeds)
    scores = generator.match(pairs)
    best = sorted(seeds, key=lambda seed: -scores[seed]["cosine"])
    choices = best[:OPENING_CHOICES]
    return FirstLook(best, max(choices, key=lambda seed: line_strength(pairs[seed][0])))


def best_seeds(generator: MultimodalGenerator) -> list[int]:
    """The seeds 0 to 15, those first whose picture and caption fit best."""
    return first_look(generator).best


def opening_seed(generator: MultimodalGenerator) -> int:
    """The seed whose picture has the strongest lines, of those that fit best.

    The best fit alone was often a pale, blurred plate, whose few shapes a caption can hardly miss.
    """
    return first_look(generator).opening


def line_strength(image: Image.Image) -> float:
    """How strongly neighbouring pixels differ: the mean length of the gradient, in grey levels.

    Of the base model's seeds 6 to 17 for faint wash, 60 to 80 for black lines on white.
    """
    grey = np.asarray(image.convert("L"), dtype=np.float32)  # (H, W)
    return float(np.hypot(*np.gradient(grey)).mean())


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
