"""A seed in, a picture and the caption that belongs to it out; and all that can be done with the latent between them.

Reads   checkpoints/best_model.pt
Writes  outputs/   000042.png (a card: how it was made inside as PNG text, cards.py), 000042.json, sheet.png, pairs.json
        checkpoints/best_model.seeds.npz, best_model.training.npz      with --index (index.py)

    python inference.py                                                 # seeds 0 to 9
    python inference.py --seeds 1,5,100-119 --out outputs/more
    python inference.py --prompt "two small ships under a stormy sky" --seeds 7
    python inference.py --style stipple --seeds 0-4                     # a wrong name lists the model's styles
    python inference.py --interpolate 8 --seeds 3,9                     # from pair 3 to pair 9 in eight steps
    python inference.py --image plate.png                               # its caption, and the model's own drawing of it
    python inference.py --image plate.png --strength .3 --seeds 0-4     # variations
    python inference.py --image plate.png --style stipple               # the same scene in another style
    python inference.py --find data/processed/builtin/resized --prompt "an elephant in the forest"
    python inference.py --find data/captions/builtin_val.jsonl --image plate.png
    python inference.py --best-of 16 --seeds 0-9                        # of 16 candidates a seed, the one whose picture and caption match best
    python inference.py --verify outputs/000007.png                     # made again: is the card true?
    python inference.py --index 10000                                   # once; then --find seeds and --find training know where to look
    python inference.py --find seeds --prompt "an elephant at night"
    python inference.py --find training --image plate.png               # the nearest training pictures
    python inference.py --count 100000 --out pairs --format parquet     # safe to interrupt; --shard 1/4 … 4/4 on four machines
    python inference.py --interactive                                   # asks for seeds and prompts

The same seed gives the same pair, alone or among others, here, on the page and in Python:

    from inference import MultimodalGenerator
    image, caption = MultimodalGenerator()(7)
"""

# --help answers before torch loads
if __name__ == "__main__":
    from cli import parse
    from settings import InferenceConfig

    CONFIGS = parse(InferenceConfig, description=__doc__)

import contextlib
import functools
import hashlib
import io
import itertools
import json
import re
import secrets
import sys
import textwrap
import time
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont, ImageOps

import bulk
import cards
import index
from cli import UserError, progress, run, whole_file, write_text
from formats import printable
from model_architecture import (
    MultimodalModel,
    latents,
    pick_device,
    stream,
    to_pil,
    to_tensor,
    words,
)
from settings import GUIDANCE, LAST_SEED, LONGEST_PROMPT, seed_list, shard_of


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
            stream(int(seed), "words") for seed in (range(len(z)) if seeds is None else seeds)
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
        if index.load(self, "training") is None:
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
    if len(prompt) > LONGEST_PROMPT:
        raise UserError(
            f"the prompt has {len(prompt):,} characters, at most {LONGEST_PROMPT} are read; shorten it"
        )


def open_picture(path):
    """Picture file -> PIL RGB image, upright, on white where it is transparent. UserError for anything that is not a picture."""
    return cards.open_picture(path)[0]


# ---------------------------------------------------------------- files


def save_pair(folder, name, image, facts, grey=False):
    """FOLDER/NAME.png, a card with the facts (a dict of plain values) inside as PNG text, and NAME.json beside it -> the JSON's dict."""
    facts = cards.sign(image, facts)
    with whole_file(folder / f"{name}.png") as partial:
        partial.write_bytes(cards.encode(image, facts, grey))
    facts = {**facts, "picture": f"{name}.png"}
    write_text(folder / f"{name}.json", json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
    return facts


def with_caption(image, caption, width, title=""):
    """PIL image -> the image at `width` pixels on paper, title and wrapped caption below."""
    font = ImageFont.load_default(size=max(11, width // 20))
    line = font.size + 4
    columns = max(10, int(width / (font.size * 0.52)))
    # the font has no accents
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", caption)
        if not unicodedata.combining(letter)
    )
    lines = ([title] if title else []) + textwrap.wrap(plain, columns)[:5]
    image = image.convert("RGB").resize(
        (width, round(image.height * width / image.width)),
        Image.Resampling.LANCZOS if width < image.width else Image.Resampling.BICUBIC,
    )
    paper = Image.new("RGB", (width, image.height + 6 * line + 12), "white")
    paper.paste(image, (0, 0))
    ImageDraw.Draw(paper).multiline_text(
        (2, image.height + 6), "\n".join(lines), fill="black", font=font, spacing=4
    )
    return paper


def contact_sheet(pairs, titles, columns=5, width=256):
    """Pairs (image, caption) -> one PIL image, each with its title and caption below; a number is the title of a seed."""
    cells = [
        with_caption(image, caption, width, title if isinstance(title, str) else f"seed {title}")
        for (image, caption), title in zip(pairs, titles)
    ]
    gap = 16
    (w, h) = cells[0].size
    columns = min(columns, len(cells))
    sheet = Image.new(
        "RGB", (columns * (w + gap) + gap, -(-len(cells) // columns) * (h + gap) + gap), "white"
    )
    for i, cell in enumerate(cells):
        sheet.paste(cell, (gap + i % columns * (w + gap), gap + i // columns * (h + gap)))
    return sheet


def animation(pairs, width=320, seconds=0.16):
    """Pairs of a walk -> the bytes of a GIF that goes there and back for ever, each picture with its caption below."""
    frames = [
        with_caption(image, caption, width).quantize(
            128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
        )
        for image, caption in pairs
    ]
    file = io.BytesIO()
    frames[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=[*frames[1:], *frames[-2:0:-1]],
        duration=round(1000 * seconds),
        loop=0,
    )
    return file.getvalue()


def save_visualization(image, caption, path):
    """One pair as a PNG, the caption below the picture. image: tensor (1, 3, H, W) or (3, H, W) in [-1, 1], or PIL; caption: a
    string or a list of one."""
    if isinstance(image, torch.Tensor):
        image = to_pil(image.reshape(-1, *image.shape[-3:])[:1])[0]
    caption = caption if isinstance(caption, str) else caption[0]
    with whole_file(path) as partial:
        with_caption(image, caption, max(256, image.width)).save(partial, "PNG")


# ---------------------------------------------------------------- the command


def of_seeds(generator, config, seeds):
    """Seeds -> list of (file name, title, facts, (image, caption)), as prompt, style and --best-of want them."""
    wish = {"prompt": config.prompt, "style": config.style, "guidance": config.guidance}
    facts = {
        "prompt": config.prompt,
        "asked_style": config.style,
        "guidance": config.guidance if config.prompt else None,
    }
    if config.style:
        facts["style"] = config.style
    if config.best_of == 1:
        return [
            (f"{seed:06d}", seed, {"seed": seed, **facts}, pair)
            for seed, pair in zip(seeds, generator.generate_batch(seeds, **wish))
        ]
    found = [(first, *generator.best_of(first, config.best_of, **wish)) for first in seeds]
    return [
        (
            f"{seed:06d}",
            seed,
            {"seed": seed, "best_of": config.best_of, "first_seed": first, **facts},
            pair,
        )
        for first, seed, pair in found
    ]


def made_from(picture, name):
    """PIL RGB image that somebody brings, and its name -> the facts of a card that is made from it."""
    return {"image": name, "image_sha256": cards.digest_of_pixels(picture)}


def asked_for(generator, config):
    """InferenceConfig -> how many pairs, and an iterator of lists of (file name, title, further facts, (image, caption))."""
    seeds = seed_list(config.seeds)
    parts = [
        seeds[start : start + config.batch_size]
        for start in range(0, len(seeds), config.batch_size)
    ]
    if config.image:
        picture = open_picture(config.image)
        stem = Path(config.image).stem
        source = made_from(picture, Path(config.image).as_posix())
        if config.style:
            strength = 1.0 if config.strength is None else config.strength
            return 1, iter(
                [
                    [
                        (
                            f"{stem}_{config.style}",
                            config.style,
                            {
                                **source,
                                "style": config.style,
                                "asked_style": config.style,
                                "strength": strength,
                            },
                            pair,
                        )
                        for pair in generator.restyle([picture], config.style, strength)
                    ]
                ]
            )
        if config.strength is None:
            return 1, iter(
                [
                    [
                        (f"{stem}_drawn", "drawn by the model", source, pair)
                        for pair in generator.decode(generator.encode([picture]))
                    ]
                ]
            )
        return len(seeds), (
            [
                (
                    f"{stem}_{seed:06d}",
                    seed,
                    {"seed": seed, **source, "strength": config.strength},
                    pair,
                )
                for seed, pair in zip(part, generator.vary(picture, part, config.strength))
            ]
            for part in parts
        )
    if config.interpolate:
        ways = list(zip(seeds, seeds[1:]))
        steps = config.interpolate
        return len(ways) * steps, (
            [
                (
                    f"{first:06d}_{last:06d}_{step:02d}",
                    f"{first} to {last}, step {step}",
                    {"from": first, "to": last, "step": step, "steps": steps},
                    pair,
                )
                for step, pair in enumerate(generator.interpolate(first, last, steps))
            ]
            for first, last in ways
        )
    return len(seeds), (of_seeds(generator, config, part) for part in parts)


def described(generator, made):
    """What was made, as asked_for lists it -> the same with all facts of the cards: the model, the match score, and what a pair is too near to."""
    pairs = [pair for *_, pair in made]
    model = {
        "style": generator.style,
        "checkpoint": generator.checkpoint.as_posix(),
        "fingerprint": generator.fingerprint,
        "temperature": generator.temperature or None,
    }
    return [
        (name, title, {"caption": pair[1], **model, **facts, **score, "near_training": near}, pair)
        for (name, title, facts, pair), score, near in zip(
            made, generator.match(pairs), generator.marks([image for image, _ in pairs])
        )
    ]


def find(generator, config):
    """--find: prints what fits best, and writes the pictures found as one sheet."""
    if config.find in ("seeds", "training"):
        return find_indexed(generator, config, config.image and open_picture(config.image))
    where = Path(config.find)
    if config.image:
        try:
            captions = sorted(
                {
                    json.loads(line)["caption"]
                    for line in where.read_text("utf-8").splitlines()
                    if line.strip()
                }
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{where} is no file of captions, one JSON object a line ({type(error).__name__}); try data/captions/builtin_val.jsonl"
            ) from error
        cosine = generator.similarity([open_picture(config.image)], captions)[0]
        for i in cosine.argsort(descending=True, stable=True)[:10].tolist():
            print(f"{cosine[i]:6.3f}  {captions[i]}")
        return
    check_prompt(config.prompt)
    files = sorted(
        path
        for path in where.glob("*")
        if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp")
    )
    if not files:
        raise UserError(
            f"{where} holds no pictures; name a folder such as data/processed/builtin/resized"
        )
    cosine = torch.cat(
        [
            generator.similarity(
                [open_picture(path) for path in files[i : i + 32]], [config.prompt]
            )[:, 0]
            for i in progress(range(0, len(files), 32), label="looking", unit="batch")
        ]
    )
    best = cosine.argsort(descending=True, stable=True)[:10].tolist()
    for i in best:
        print(f"{cosine[i]:6.3f}  {files[i].as_posix()}")
    save_sheet(
        Path(config.out) / "found.png",
        [(open_picture(files[i]), files[i].name) for i in best],
        [f"{cosine[i]:.3f}" for i in best],
    )
    print(f"the best as one picture: {(Path(config.out) / 'found.png').as_posix()}")


def find_indexed(generator, config, picture):
    """--find seeds and --find training."""
    sheet = Path(config.out) / "found.png"
    if config.find == "training":
        (found,) = generator.nearest_training([picture], 10)
        for one in found:
            print(
                f"{one['distance']:6.3f}  {one['id']}  {one['caption']}{'   TOO NEAR: nearer than held-out pictures come' if one['memorised'] else ''}"
            )
        folder = index.folder_of(generator, config.data)
        there = [one for one in found if (folder / one["filename"]).exists()]
        pairs = [(open_picture(folder / one["filename"]), one["caption"]) for one in there]
        titles = [f"{one['distance']:.3f}" for one in there]
    else:
        found = generator.find_seeds(config.prompt, picture)
        for one in found:
            print(f"{one['score']:6.3f}  seed {one['seed']:<10}  {one['caption']}")
        pairs = generator.generate_batch([one["seed"] for one in found])
        titles = [one["seed"] for one in found]
    if pairs:
        save_sheet(sheet, pairs, titles)
        print(
            f"the best as one picture: {sheet.as_posix()}"
            + (
                f"; a pair: python inference.py --seeds {found[0]['seed']}"
                if config.find == "seeds"
                else ""
            )
        )


def verify(generator, config):
    """--verify -> exit status."""
    found = cards.differences(generator, config.verify, config.image and open_picture(config.image))
    if not found:
        print(
            f"true: {config.verify} is what {generator.checkpoint.as_posix()} makes, picture within 1/255 and caption letter by letter"
        )
        return 0
    print(
        f"not true: {config.verify} is not what {generator.checkpoint.as_posix()} makes:",
        *found,
        sep="\n  ",
    )
    return 1


def answers(prompt=None):
    """Asks on the terminal -> (seed, prompt or None) until an empty line, quit or the end of the input. prompt: of all pairs, then it is not asked for."""
    with contextlib.suppress(EOFError):
        while (
            text := input(f"seed, 0 to {LAST_SEED}, or random (an empty line ends): ")
            .strip()
            .lower()
        ) not in ("", "quit"):
            if text != "random" and not (
                text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= LAST_SEED
            ):
                print(
                    f"a seed is an integer from 0 to {LAST_SEED}, or the word random; not {text[:40]!r}"
                )
                continue
            wish = prompt or input("prompt (an empty line for none): ").strip()
            if wish.lower() == "quit":
                return
            yield get_random_seed() if text == "random" else int(text), wish or None


def interactive(generator, config):
    """--interactive: a pair for each answer, written to --out."""
    if hasattr(sys.stdin, "reconfigure"):
        # a byte that is no UTF-8 ends nothing
        sys.stdin.reconfigure(errors="replace")
    print(
        f"{generator.checkpoint.as_posix()}, style {generator.style}; pairs go to {Path(config.out).as_posix()}/"
    )
    for seed, prompt in answers(config.prompt):
        try:
            if prompt:
                check_prompt(prompt)
                warn_of_words(generator, prompt)
            ((name, title, facts, (image, _)),) = described(
                generator, of_seeds(generator, replace(config, prompt=prompt), [seed])
            )
            name += "".join(f"_{word}" for word in re.findall("[a-z0-9]+", (prompt or "").lower()))[
                :60
            ]
            row = save_pair(Path(config.out), name, image, facts, generator.grey)
            print(
                f"{line_of(title, row)}\n{' ' * 10}  {(Path(config.out) / row['picture']).as_posix()}"
            )
        except UserError as error:
            print(error)


def write_many(generator, config):
    """--count."""

    def make(seeds):
        return [
            (facts, image)
            for _, _, facts, (image, _) in described(generator, of_seeds(generator, config, seeds))
        ]

    order = {
        name: getattr(config, name)
        for name in (
            "count",
            "pairs_per_file",
            "format",
            "prompt",
            "style",
            "guidance",
            "temperature",
            "best_of",
        )
    }
    return bulk.write(
        Path(config.out),
        {**order, "first": seed_list(config.seeds)[0], "fingerprint": generator.fingerprint},
        make,
        shard_of(config.shard),
        config.batch_size,
        generator.grey,
        bulk.AHEAD * (generator.model.device.type != "cpu"),
    )


def build_index(generator, config):
    """--index."""
    path = index.index_seeds(generator, config.index, config.batch_size)
    print(
        f'{path.as_posix()}: seeds 0 to {config.index - 1:,}; next: python inference.py --find seeds --prompt "a ship"'
    )
    try:
        path, count = index.index_training(generator, config.data)
        print(
            f"{path.as_posix()}: {count:,} training pictures; pairs that come too near to one are marked from now on"
        )
    except UserError as error:
        print(
            f"no index of the training pictures, so no pair can be marked as too near to one: {error}"
        )


def warn_of_words(generator, prompt):
    if unknown := generator.unknown_words(prompt):
        print(
            f"WARNING: no training caption had {'this word' if len(unknown) == 1 else 'these words'}, so the model cannot know what is meant: {printable(', '.join(unknown))}"
        )


def line_of(title, facts):
    """What the terminal shows of a pair."""
    match = "  - " if facts.get("match") is None else f"{facts['match']:3d}%"
    return f"{title:>10}  {match}  {printable(facts['caption'])}" + (
        f"   TOO NEAR to training picture {facts['near_training']}"
        if facts.get("near_training")
        else ""
    )


def save_sheet(path, pairs, titles, grey=False):
    with whole_file(path) as partial:
        sheet = contact_sheet(pairs, titles)
        (sheet.convert("L") if grey else sheet).save(partial, "PNG", optimize=True)


def main(config):
    generator = MultimodalGenerator(config.checkpoint, config.device, config.temperature)
    if config.prompt:
        warn_of_words(generator, config.prompt)
    for task, wanted in (
        (verify, config.verify),
        (find, config.find),
        (build_index, config.index),
        (write_many, config.count),
        (interactive, config.interactive),
    ):
        if wanted:
            return task(generator, config)
    out = Path(config.out)
    rows = []
    shown = []
    titles = []
    begin = time.perf_counter()
    grey = generator.grey
    count, parts = asked_for(generator, config)
    with progress(label="pairs", total=count, unit="pair") as bar:
        for name, title, facts, pair in itertools.chain.from_iterable(
            described(generator, part) for part in parts
        ):
            rows.append(save_pair(out, name, pair[0], facts, grey))
            if len(shown) < 100:
                shown.append(pair)
                titles.append(title)
            bar.update()
    for row, title in zip(rows[:20], titles):
        print(line_of(title, row))
    if generator.percentile(0) is not None:
        print(
            f"{'':>10}     %: so many of a hundred real pairs, which training has not seen, match no better"
        )
    write_text(out / "pairs.json", json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    save_sheet(out / "sheet.png", shown, titles, grey)
    print(
        f"{len(rows):,} pairs in {time.perf_counter() - begin:.1f} s: {out.as_posix()}/, contact sheet {out.as_posix()}/sheet.png; "
        f"next: python gradio_demo.py --checkpoint {config.checkpoint}"
    )
    if generator.health and not generator.health["passed"]:
        import health

        print(health.sentence(generator.health))


if __name__ == "__main__":
    run(main, *CONFIGS)
