"""What the page asks of a model beside its pairs, answered without one."""

import copy
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from oneseed.config.inference import GUIDANCE
from oneseed.generation.prompts import ReadPrompt, check_prompt
from oneseed.media.square import AS_PICTURES


class Pretend:
    """The interface of MultimodalGenerator; derived classes draw.

    They define generate_batch(seeds, prompt, style, guidance), and encode, decode, vary, restyle
    and walk where a test needs them.
    """

    style = "builtin"
    checkpoint = Path("checkpoints/best_model.pt")
    health = None
    caption_source = "decoder"
    finish = "plain"
    seed_notice = ""
    can_choose_finish = False
    temperature = 0.0
    passes = 2
    draws_in_passes = False
    writes_code = False
    medium = "picture"
    square = AS_PICTURES
    is_constrained = False
    dimensions = 1024
    grey = False
    fingerprint = "5eed" * 16
    # ids of training pictures, the nearest first
    known = ("00012", "00007")

    def generate(self, seed, prompt=None, style=None, *, guidance=GUIDANCE, temperature=0.0):
        other = copy.copy(self)
        other.temperature = temperature
        return other.generate_batch([seed], prompt, style, guidance=guidance)[0]

    def best_of(self, seed, count, prompt=None, **conditions):
        chosen = seed + count
        return chosen, self.generate_batch([chosen], prompt, **conditions)[0]

    def interpolate(self, first, last, steps=8, *, temperature=None):
        return list(self.walk(first, last, steps))

    def picture_features(self, images):
        small = [np.asarray(image.convert("L").resize((32, 32)), np.float32) for image in images]
        return F.normalize(torch.from_numpy(np.stack(small)).flatten(1), dim=1)

    def mix(self, seeds, weights):
        nearest = [seeds[row.index(max(row))] for row in weights]
        return self.generate_batch(nearest)

    def read_prompt(self, prompt, style=None):
        check_prompt(prompt)
        unknown = ["no training caption has 'zeppelin'"] if "zeppelin" in prompt else []
        return ReadPrompt("", prompt, unknown=unknown)

    def match(self, pairs):
        return [{"cosine": 0.9, "match": self.percentile(0.9)} for _ in pairs]

    def percentile(self, cosine):
        return 85

    def letterboxed(self, images):
        return np.stack([np.asarray(image.convert("RGB").resize((32, 32))) for image in images])

    def reconstruct(self, images):
        return [Image.fromarray(pixels) for pixels in self.letterboxed(images)]

    def in_passes(self, passes):
        return self

    def near_training(self, images):
        return [None for _ in images]

    def find_seeds(self, prompt=None, image=None, count=10):
        return [{"seed": 40 + i, "caption": "", "score": 0.9, "match": 85} for i in range(count)]

    def nearest_training(self, images, count=3):
        rows = [
            {
                "id": picture_id,
                "filename": f"{picture_id}.png",
                "caption": f"An engraving of {picture_id}",
                "distance": 0.25,
                "memorised": False,
            }
            for picture_id in self.known[:count]
        ]
        return [list(rows) for _ in images]
