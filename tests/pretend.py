"""What the page asks of a model beside its pairs, answered without one."""

import copy
from pathlib import Path


class Pretend:
    """To be derived from: generate_batch(seeds, prompt, style, guidance) draws."""

    style = "builtin"
    checkpoint = Path("checkpoints/best_model.pt")
    health = None
    temperature = 0.0
    dimensions = 1024
    grey = False
    fingerprint = "5eed" * 16
    # ids of training pictures, the nearest first
    known = ["00012", "00007"]

    def generate(self, seed, prompt=None, style=None, guidance=2.5, temperature=0.0):
        other = copy.copy(self)
        other.temperature = temperature
        return other.generate_batch([seed], prompt, style, guidance)[0]

    def best_of(self, seed, count, **wish):
        return seed + count, self.generate_batch([seed + count], **wish)[0]

    def interpolate(self, first, last, steps, temperature=None):
        return list(self.walk(first, last, steps))

    def unknown_words(self, prompt):
        return ["zeppelin"] * ("zeppelin" in prompt)

    def match(self, pairs):
        return [{"cosine": 0.9, "match": self.percentile(0.9)} for _ in pairs]

    def percentile(self, cosine):
        return 85

    def marks(self, images):
        return [None for _ in images]

    def find_seeds(self, prompt=None, image=None, count=10):
        return [{"seed": 40 + i, "caption": "", "score": 0.9, "match": 85} for i in range(count)]

    def nearest_training(self, images, count=3):
        return [
            [
                {
                    "id": id,
                    "filename": f"{id}.png",
                    "caption": f"An engraving of {id}",
                    "distance": 0.25,
                    "memorised": False,
                }
                for id in self.known[:count]
            ]
            for _ in images
        ]
