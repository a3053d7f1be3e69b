"""Generators with known scores, and renders as bar codes that a judge of three lines reads."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from oneseed.config.evaluation import EvaluateConfig
from oneseed.synthetic.engravings import attributes
from oneseed.synthetic.engravings.attributes import ATTRIBUTES

NAMES = tuple(ATTRIBUTES)


def barcode(facts, seed, size=16):
    """Facts -> a picture whose first pixels are the values' numbers, the rest noise of the seed."""
    pixels = np.random.default_rng(seed).integers(100, 200, (size, size), dtype=np.uint8)
    pixels[0, :7] = [values.index(facts[name]) for name, values in ATTRIBUTES.items()]
    return Image.fromarray(pixels)


def read_barcode(pixels):
    """The inverse: uint8 (S, S) -> facts."""
    return {
        name: values[min(int(i), len(values) - 1)]
        for (name, values), i in zip(ATTRIBUTES.items(), pixels[0, :7])
    }


class BarcodeJudge:
    about = {"collection": attributes.COLLECTION}  # noqa: RUF012  nothing writes to it

    def see(self, pixels):
        return [read_barcode(picture) for picture in np.asarray(pixels)]

    def features(self, pixels):
        return np.asarray(pixels).reshape(len(pixels), -1).astype(np.float32)


class Perfect:
    """Draws real pairs, rebuilds pictures as they are, captions them truly, and does what prompts
    and styles say."""

    style = "builtin"
    health = None
    caption_source = "decoder"
    dimensions = 1024
    level = 5
    styles = ATTRIBUTES["technique"]
    facts = attributes.collection(3000, seed=5)

    def pair(self, facts, seed):
        return barcode(facts, seed).convert("RGB"), attributes.tell(facts, seed, self.level)

    def wanted(self, seeds, prompt, style):
        """The facts that each seed shall show, None where a prompt leaves them open."""
        if prompt:
            return [attributes.parse(one) for one in prompt]
        technique = {"technique": style} if style else {}
        return [{**self.facts[seed % 3000], **technique} for seed in seeds]

    def generate_batch(self, seeds, prompt=None, style=None):
        pairs = []
        for seed, wanted in zip(seeds, self.wanted(seeds, prompt, style)):
            known = {name: value for name, value in wanted.items() if value is not None}
            pairs.append(self.pair({"subject": "ship", **attributes.CONSTANT, **known}, seed))
        return pairs

    def see(self, images):
        return BarcodeJudge().see([np.asarray(image.convert("L")) for image in images])

    def reconstruct(self, images):
        return [image.convert("RGB") for image in images]

    def caption(self, images):
        return [attributes.tell(facts, 1, self.level) for facts in self.see(images)]

    def restyle(self, images, style, strength=1.0):
        return [self.pair(dict(facts, technique=style), 1) for facts in self.see(images)]

    def similarity(self, images, captions):
        """How many attributes of each picture each caption names."""
        claims = [attributes.parse(caption) for caption in captions]
        scores = torch.zeros(len(images), len(captions))
        for i, seen in enumerate(self.see(images)):
            for j, claim in enumerate(claims):
                scores[i, j] = sum(seen[name] == claim[name] for name in NAMES)
        return scores

    def interpolate(self, first, last, steps):
        return self.generate_batch([first] * (steps // 2) + [last] * (steps - steps // 2))

    def vary(self, image, seeds, strength):
        return [self.pair(self.see([image])[0], seed) for seed in seeds]


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
    return EvaluateConfig(
        seeds=seeds,
        out=str(tmp_path / "report"),
        data=str(tmp_path / "data"),
        judge=str(tmp_path / "judge.pt"),
        **more,
    )


def value(report, name):
    return report["numbers"][name]["value"]
