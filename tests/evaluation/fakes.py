"""Generators with known scores, and renders as bar codes that a judge of three lines reads."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from oneseed.config.evaluation import EvaluateConfig
from oneseed.synthetic.engravings.collection import ENGRAVINGS
from oneseed.synthetic.sprites.collection import SPRITES

NAMES = tuple(ENGRAVINGS.attributes)
# stands for a value that is none of its attribute's, as white sprites have
NO_VALUE = 99


def barcode_of(drawn):
    """A collection -> its draw(): a picture whose first pixels are the values' numbers.

    The rest is noise of the seed.
    """

    def draw(facts, seed, size=16):
        shape = (size, size) if drawn.channels == 1 else (size, size, 3)
        pixels = np.random.default_rng(seed).integers(100, 200, shape, dtype=np.uint8)
        for i, (name, values) in enumerate(drawn.attributes.items()):
            pixels[0, i] = values.index(facts[name]) if facts[name] in values else NO_VALUE
        return Image.fromarray(pixels)

    return draw


class BarcodeJudge:
    """Reads the bar codes of a collection, None where there is no value."""

    network = "bar codes"

    def __init__(self, drawn=ENGRAVINGS):
        self.attributes = drawn.attributes
        self.parse_one = drawn.parse
        self.about = {"collection": drawn.version}

    def see(self, pictures):
        return [self.read(picture) for picture in np.asarray(pictures)]

    def read(self, pixels):
        codes = pixels[0] if pixels.ndim == 2 else pixels[0, :, 0]
        answers = {}
        for (name, values), code in zip(self.attributes.items(), codes):
            answers[name] = values[code] if code < len(values) else None
        return answers

    def parse(self, captions):
        return [self.parse_one(caption) for caption in captions]

    def features(self, pixels):
        return np.asarray(pixels).reshape(len(pixels), -1).astype(np.float32)


class Perfect:
    """Draws real pairs, rebuilds pictures as they are, captions them truly, and does what prompts
    and styles say."""

    drawn = ENGRAVINGS
    style = "builtin"
    fingerprint = "5eed" * 16
    health = None
    caption_source = "decoder"
    finish = "plain"
    seed_notice = ""
    dimensions = 1024
    level = 5
    styles = ENGRAVINGS.attributes["technique"]
    facts = ENGRAVINGS.collection(3000, seed=5)

    def pair(self, facts, seed):
        picture = barcode_of(self.drawn)(facts, seed)
        return picture.convert("RGB"), self.drawn.tell(facts, seed, self.level)

    def wanted(self, seeds, prompt, style):
        """The facts that each seed shall show, None where a prompt leaves them open."""
        if prompt:
            return [self.drawn.parse(one) for one in prompt]
        technique = {"technique": style} if style else {}
        return [{**self.facts[seed % 3000], **technique} for seed in seeds]

    def generate_batch(self, seeds, prompt=None, style=None):
        pairs = []
        for seed, wanted in zip(seeds, self.wanted(seeds, prompt, style)):
            known = {name: value for name, value in wanted.items() if value is not None}
            pairs.append(self.pair({**self.facts[0], **self.drawn.constant, **known}, seed))
        return pairs

    def see(self, images):
        return BarcodeJudge(self.drawn).see([np.asarray(image) for image in images])

    def reconstruct(self, images):
        return [image.convert("RGB") for image in images]

    def caption(self, images):
        return [self.drawn.tell(facts, 1, self.level) for facts in self.see(images)]

    def restyle(self, images, style, strength=1.0):
        return [self.pair(dict(facts, technique=style), 1) for facts in self.see(images)]

    def similarity(self, images, captions):
        """How many attributes of each picture each caption names."""
        claims = [self.drawn.parse(caption) for caption in captions]
        scores = torch.zeros(len(images), len(captions))
        for i, seen in enumerate(self.see(images)):
            for j, claim in enumerate(claims):
                scores[i, j] = sum(seen[name] == claim[name] for name in seen)
        return scores

    def interpolate(self, first, last, steps):
        return self.generate_batch([first] * (steps // 2) + [last] * (steps - steps // 2))

    def vary(self, image, seeds, strength):
        return [self.pair(self.see([image])[0], seed) for seed in seeds]


class PerfectSprites(Perfect):
    """The same of a collection in colour, without styles."""

    drawn = SPRITES
    style = "sprites"
    styles = ()
    facts = SPRITES.collection(3000, seed=5)


class Constant(Perfect):
    """The same good picture with the same true caption for every seed."""

    def generate_batch(self, seeds, **conditions):
        return super().generate_batch([0]) * len(seeds)


class Shuffled(Perfect):
    """Good pictures, each with the caption of another seed."""

    def generate_batch(self, seeds, prompt=None, style=None):
        pairs = super().generate_batch(seeds, prompt, style)
        half = len(pairs) // 2
        others = pairs[half:] + pairs[:half]
        return [(image, caption) for (image, _), (_, caption) in zip(pairs, others)]


def config(tmp_path: Path, seeds: int = 200, **more) -> EvaluateConfig:
    usual = {
        "out": str(tmp_path / "report"),
        "data": str(tmp_path / "data"),
        "judge": str(tmp_path / "judge.pt"),
        "realism": str(tmp_path / "realism.pt"),
    }
    return EvaluateConfig(seeds=seeds, **{**usual, **more})


def value(report, name):
    return report["numbers"][name]["value"]
