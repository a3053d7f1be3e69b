"""A checkpoint, ready to answer seeds, words and pictures."""

import functools
import hashlib
import secrets
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

from oneseed.config.inference import GUIDANCE, MAX_PROMPT_LENGTH
from oneseed.console.command import UserError
from oneseed.dataset.wording import words
from oneseed.device import pick_device
from oneseed.generation import index
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.pixels import to_pil, to_tensor
from oneseed.seeds import LAST_SEED, latents, torch_generator


def get_random_seed():
    """A seed nobody knows yet: integer 0 … 2**32 - 1."""
    return secrets.randbelow(LAST_SEED + 1)


def candidates(seed, count):
    """`count` seeds that follow from one, the first of them the seed itself."""
    return [
        seed,
        *(
            int.from_bytes(hashlib.sha256(f"candidate {i} {seed}".encode()).digest()[:4], "big")
            for i in range(1, count)
        ),
    ]


class MultimodalGenerator:
    """A checkpoint, ready to answer seeds.

    generator = MultimodalGenerator("checkpoints/best_model.pt", device="auto")
    image, caption = generator(7)                                   # PIL RGB image, str
    generator.generate_batch([7, 8, 9])                             # list of such pairs
    seed, pair = generator.best_of(7, 16)                           # the best of 16 candidates that follow from seed 7
    generator.match([pair])                                         # [{"cosine": .8123, "match": 71}]
    """

    def __init__(self, checkpoint_path="checkpoints/best_model.pt", device="auto", temperature=0.0):
        """UserError where the checkpoint is missing or none of ours, or the device is not there."""
        self.checkpoint = Path(checkpoint_path)
        self.model = MultimodalModel.from_checkpoint(self.checkpoint, pick_device(device))
        self.temperature = temperature
        self.style = self.model.meta.get("style", "engraving")
        # health.check's dict; None before training has ended
        self.health = self.model.meta.get("health")

    def __call__(self, seed):
        return self.generate(seed)

    # -- pairs

    def generate(self, seed, prompt=None, style=None, guidance=GUIDANCE, temperature=None):
        """Seed, an integer 0 … 2**32 - 1 -> (PIL RGB image, caption); of a prompt and in a style where they are given."""
        return self.generate_batch([seed], prompt, style, guidance, temperature)[0]

    def generate_batch(self, seeds, prompt=None, style=None, guidance=GUIDANCE, temperature=None):
        """Seeds -> list of (PIL RGB image, caption), pair i from seeds[i] alone. prompt: what the pairs should show, one string or
        one per seed; style: one of self.styles; guidance: how literally a prompt is taken, 1 … 3; temperature: of the captions, None: the generator's own."""
        if not len(seeds):
            return []
        z = latents(seeds, self.model.config.latent_dim)
        if prompt is not None or style is not None:
            prompts = [prompt] * len(z) if isinstance(prompt, str) else prompt
            for one in prompts or []:
                check_prompt(one)
            z = self.model.imagine(z, prompts, style and [style] * len(z), guidance)
        return self.decode(z, seeds, temperature)

    def decode(self, z, seeds=None, temperature=None):
        """z (B, D) -> list of B pairs. seeds: of the words that a temperature draws; None: 0, 1, 2 …"""
        chance = [
            torch_generator(int(seed), "words")
            for seed in (range(len(z)) if seeds is None else seeds)
        ]
        images, captions = self.model.decode(
            z, self.temperature if temperature is None else temperature, chance
        )
        return list(zip(to_pil(images), captions))

    def generate_with_metadata(self, seed):
        """Seed -> dict of seed, image, caption, style and checkpoint."""
        image, caption = self.generate(seed)
        return {
            "seed": int(seed),
            "image": image,
            "caption": caption,
            "style": self.style,
            "checkpoint": str(self.checkpoint),
        }

    def best_of(self, seed, count, prompt=None, style=None, guidance=GUIDANCE, temperature=None):
        """-> (seed, pair) of the best of `count` candidates that follow from `seed`: whose picture and caption match each other best and, where there is a
        prompt, both match it. The seed alone gives the same pair again."""
        seeds = candidates(seed, count)
        fits = []
        pairs = []
        for start in range(0, count, 32):
            some = self.generate_batch(
                seeds[start : start + 32], prompt, style, guidance, temperature
            )
            pictures = self.picture_features([image for image, _ in some])
            texts = self.caption_features([caption for _, caption in some])
            asked = (
                self.caption_features([prompt]).T if prompt else torch.zeros(pictures.shape[1], 1)
            )
            fits += ((pictures * texts).sum(1) + ((pictures + texts) @ asked)[:, 0]).tolist()
            pairs += some
        best = max(range(count), key=fits.__getitem__)
        return seeds[best], pairs[best]

    @property
    def dimensions(self):
        """Length of the latent."""
        return self.model.config.latent_dim

    @property
    def grey(self):
        """Are all its pictures grey?"""
        return self.model.config.channels == 1

    @property
    def styles(self):
        """What `style` may be: the styles of the training collection; of the built-in one, its techniques."""
        return self.model.meta.get("styles", [])

    @functools.cached_property
    def fingerprint(self):
        """SHA-256 of all in the checkpoint that decides what it gives; cards and indexes carry it."""
        return self.model.fingerprint()

    def unknown_words(self, prompt):
        """The words of a prompt that no training caption had, in alphabetical order: the model cannot know what they mean."""
        return sorted(words(prompt) - set(self.model.meta.get("words", [])))

    # -- between pairs, and around pictures

    def interpolate(self, first, last, steps=8, temperature=None):
        """Two seeds -> `steps` pairs from one to the other, picture and caption changing together."""
        return list(self.walk(first, last, steps, temperature, at_once=steps))

    def walk(self, first, last, steps=8, temperature=None, at_once=4):
        """The same one pair after another, of which `at_once` are drawn together: for who wants to watch, or to stop on the way."""
        way = self.model.walk(latents([first, last], self.model.config.latent_dim), steps)
        for start in range(0, steps, at_once):
            yield from self.decode(
                way[start : start + at_once], range(start, min(start + at_once, steps)), temperature
            )

    def vary(self, image, seeds, strength=0.3, temperature=None):
        """PIL image -> one pair per seed, around the image: strength 0 is its reconstruction, 1 has nothing left of it."""
        noise = latents(seeds, self.model.config.latent_dim)
        return self.decode(
            self.model.vary(self.encode([image]).expand(len(noise), -1), noise, strength),
            seeds,
            temperature,
        )

    def restyle(self, images, style, strength=1.0, temperature=None):
        """PIL images -> pairs, the same scenes in another of self.styles; strength 0 changes nothing, 1 goes all the way."""
        return [
            pair
            for z in self.encode(images).split(32)
            for pair in self.decode(
                self.model.restyle(z, [style] * len(z), strength), temperature=temperature
            )
        ]

    def encode(self, images):
        """PIL images -> z (B, D); letter-boxed on white to the model's size as in preparation."""
        return torch.cat([self.model.encode(part) for part in self.tensors(images).split(32)])

    def squares(self, images):
        """PIL images -> uint8 array (B, S, S, 3), letter-boxed on white to the model's size as in preparation."""
        size = self.model.config.image_size
        return np.stack(
            [
                np.asarray(
                    ImageOps.pad(
                        image.convert("RGB"), (size, size), Image.Resampling.LANCZOS, color="white"
                    )
                )
                for image in images
            ]
        )

    def tensors(self, images):
        return to_tensor(self.squares(images))

    def reconstruct(self, images):
        """PIL images -> the model's reconstructions, PIL RGB."""
        return [
            picture
            for z in self.encode(images).split(32)
            for picture in to_pil(self.model.decode_image(z))
        ]

    def caption(self, images):
        """PIL images -> captions."""
        return [
            caption for z in self.encode(images).split(32) for caption in self.model.decode_text(z)
        ]

    # -- do picture and caption match?

    @torch.no_grad()
    def picture_features(self, images):
        """PIL images -> what the contrastive loss compares of them, float32 (N, D) of length 1 on the CPU."""
        model = self.model
        return F.normalize(
            torch.cat(
                [
                    model.image_encoder(model.inward(part.to(model.device)))
                    for part in self.tensors(images).split(32)
                ]
            ),
            dim=1,
        ).cpu()

    @torch.no_grad()
    def caption_features(self, captions):
        """Captions -> the same of them, (M, D)."""
        return F.normalize(
            torch.cat(
                [
                    self.model.features_of(captions[i : i + 128])
                    for i in range(0, len(captions), 128)
                ]
            ),
            dim=1,
        ).cpu()

    def similarity(self, images, captions):
        """N PIL images, M captions -> cosine (N, M) between what the contrastive loss compares, float32."""
        return self.picture_features(images) @ self.caption_features(captions).T

    def match(self, pairs):
        """Pairs -> how well picture and caption fit each other, a list of {"cosine": of both, "match": percentile() of it}."""
        images, captions = zip(*pairs)
        cosines = (self.picture_features(images) * self.caption_features(captions)).sum(1).tolist()
        return [
            {"cosine": round(cosine, 4), "match": self.percentile(round(cosine, 4))}
            for cosine in cosines
        ]

    def percentile(self, cosine):
        """How many of a hundred held-out real pairs fit no better, an integer; None where the checkpoint cannot tell, since training has not ended."""
        quantiles = self.model.meta.get("match")
        return round(float(np.interp(cosine, quantiles, range(101)))) if quantiles else None

    # -- which seeds, which training pictures? After `python inference.py --index 10000`

    def find_seeds(self, prompt=None, image=None, count=10):
        """Words or a PIL image -> the best of the indexed seeds, a list of {"seed", "caption", "score": -1 … 1, "match"}. UserError where there is no index."""
        if image is None:
            check_prompt(prompt)
        return index.find_seeds(
            self,
            self.caption_features([prompt]) if image is None else self.picture_features([image]),
            count,
        )

    def nearest_training(self, images, count=3):
        """PIL images -> for each the nearest training pictures, a list of {"id", "filename", "caption", "distance", "memorised"}: memorised where it is nearer
        than the nearest hundredth of reconstructions of held-out pictures are. UserError where there is no index."""
        return index.nearest_training(self, self.squares(images), count)

    def marks(self, images):
        """PIL images -> for each the id of the training picture that it is too near to, or None; all None where there is no index."""
        if index.load_index(self, "training") is None:
            return [None] * len(images)
        return [
            near["id"] if near["memorised"] else None
            for (near,) in self.nearest_training(images, 1)
        ]


def check_prompt(prompt):
    """UserError for a prompt that says nothing or too much."""
    if not words(prompt):
        raise UserError(
            'the prompt has no words; write what the picture should show, such as --prompt "a ship under a stormy sky"'
        )
    if len(prompt) > MAX_PROMPT_LENGTH:
        raise UserError(
            f"the prompt has {len(prompt):,} characters, at most {MAX_PROMPT_LENGTH} are read; shorten it"
        )
