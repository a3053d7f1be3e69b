"""A seed in, a picture and the caption that belongs to it out; and all that can be done with the latent between them.

Reads   checkpoints/best_model.pt
Writes  outputs/   000042.png (seed and caption inside as PNG text), 000042.json, sheet.png, pairs.json

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

The same seed gives the same pair, alone or among others, here, on the page and in Python:

    from inference import MultimodalGenerator
    image, caption = MultimodalGenerator()(7)
"""
if __name__ == "__main__":                                              # --help answers before torch loads
    from cli import parse
    from settings import InferenceConfig
    CONFIGS = parse(InferenceConfig, description=__doc__)

import json
import secrets
import textwrap
import time
import unicodedata
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont, ImageOps, PngImagePlugin

from cli import UserError, progress, run, whole_file, write_text
from model_architecture import MultimodalModel, latents, pick_device, stream, to_pil, to_tensor, words
from settings import GUIDANCE, LAST_SEED, LONGEST_PROMPT, seed_list

FORMATS = ("JPEG", "PNG", "WEBP")                                       # of pictures that people bring


def get_random_seed():
    """A seed nobody knows yet: integer 0 … 2**32 - 1."""
    return secrets.randbelow(LAST_SEED + 1)


class MultimodalGenerator:
    """A checkpoint, ready to answer seeds.

        generator = MultimodalGenerator("checkpoints/best_model.pt", device="auto")
        image, caption = generator(7)                                   # PIL RGB image, str
        generator.generate_batch([7, 8, 9])                             # list of such pairs
    """

    def __init__(self, checkpoint_path="checkpoints/best_model.pt", device="auto", temperature=0.0):
        """UserError where the checkpoint is missing or none of ours, or the device is not there."""
        self.checkpoint = Path(checkpoint_path)
        self.model = MultimodalModel.from_checkpoint(self.checkpoint, pick_device(device))
        self.temperature = temperature
        self.style = self.model.meta.get("style", "engraving")
        self.health = self.model.meta.get("health")                     # health.check's dict; None before training has ended

    def __call__(self, seed):
        return self.generate(seed)

    def generate(self, seed, prompt=None, style=None, guidance=GUIDANCE):
        """Seed, an integer 0 … 2**32 - 1 -> (PIL RGB image, caption); of a prompt and in a style where they are given."""
        return self.generate_batch([seed], prompt, style, guidance)[0]

    def generate_batch(self, seeds, prompt=None, style=None, guidance=GUIDANCE):
        """Seeds -> list of (PIL RGB image, caption), pair i from seeds[i] alone. prompt: what the pairs should show, one string or
        one per seed; style: one of self.styles; guidance: how literally a prompt is taken, 1 … 3."""
        if not len(seeds):
            return []
        z = latents(seeds, self.model.config.latent_dim)
        if prompt is not None or style is not None:
            prompts = [prompt] * len(z) if isinstance(prompt, str) else prompt
            for one in prompts or []:
                check_prompt(one)
            z = self.model.imagine(z, prompts, style and [style] * len(z), guidance)
        return self.decode(z, seeds)

    def decode(self, z, seeds=None):
        """z (B, D) -> list of B pairs. seeds: of the words that a temperature draws; None: 0, 1, 2 …"""
        chance = [stream(int(seed), "words") for seed in (range(len(z)) if seeds is None else seeds)]
        return list(zip(to_pil(self.model.decode_image(z)), self.model.decode_text(z, self.temperature, chance)))

    def generate_with_metadata(self, seed):
        """Seed -> dict of seed, image, caption, style and checkpoint."""
        image, caption = self.generate(seed)
        return {"seed": int(seed), "image": image, "caption": caption, "style": self.style, "checkpoint": str(self.checkpoint)}

    @property
    def dimensions(self):
        """Length of the latent."""
        return self.model.config.latent_dim

    @property
    def styles(self):
        """What `style` may be: the styles of the training collection; of the built-in one, its techniques."""
        return self.model.meta.get("styles", [])

    def unknown_words(self, prompt):
        """The words of a prompt that no training caption had, in alphabetical order: the model cannot know what they mean."""
        return sorted(words(prompt) - set(self.model.meta.get("words", [])))

    def interpolate(self, first, last, steps=8):
        """Two seeds -> `steps` pairs from one to the other, picture and caption changing together."""
        return self.decode(self.model.walk(latents([first, last], self.model.config.latent_dim), steps))

    def vary(self, image, seeds, strength=.3):
        """PIL image -> one pair per seed, around the image: strength 0 is its reconstruction, 1 has nothing left of it."""
        noise = latents(seeds, self.model.config.latent_dim)
        return self.decode(self.model.vary(self.encode([image]).expand(len(noise), -1), noise, strength), seeds)

    def restyle(self, images, style, strength=1.0):
        """PIL images -> pairs, the same scenes in another of self.styles; strength 0 changes nothing, 1 goes all the way."""
        return [pair for z in self.encode(images).split(32) for pair in self.decode(self.model.restyle(z, [style] * len(z), strength))]

    def encode(self, images):
        """PIL images -> z (B, D); letter-boxed on white to the model's size as in preparation."""
        return torch.cat([self.model.encode(part) for part in self.tensors(images).split(32)])

    def tensors(self, images):
        size = self.model.config.image_size
        squares = [ImageOps.pad(image.convert("RGB"), (size, size), Image.Resampling.LANCZOS, color="white") for image in images]
        return to_tensor(torch.stack([torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8).view(size, size, 3) for square in squares]))

    def reconstruct(self, images):
        """PIL images -> the model's reconstructions, PIL RGB."""
        return [picture for z in self.encode(images).split(32) for picture in to_pil(self.model.decode_image(z))]

    def caption(self, images):
        """PIL images -> captions."""
        return [caption for z in self.encode(images).split(32) for caption in self.model.decode_text(z)]

    @torch.no_grad()
    def similarity(self, images, captions):
        """N PIL images, M captions -> cosine (N, M) between what the contrastive loss compares, float32."""
        model = self.model
        pictures = torch.cat([model.image_encoder(model.inward(part.to(model.device))) for part in self.tensors(images).split(32)])
        texts = torch.cat([model.features_of(captions[i:i + 128]) for i in range(0, len(captions), 128)])
        return (F.normalize(pictures, dim=1) @ F.normalize(texts, dim=1).T).cpu()


def check_prompt(prompt):
    """UserError for a prompt that says nothing or too much."""
    if not words(prompt):
        raise UserError("the prompt has no words; write what the picture should show, such as --prompt \"a ship under a stormy sky\"")
    if len(prompt) > LONGEST_PROMPT:
        raise UserError(f"the prompt has {len(prompt):,} characters, at most {LONGEST_PROMPT} are read; shorten it")


def open_picture(path):
    """Picture file -> PIL RGB image, upright, on white where it is transparent. UserError for anything that is not a picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                image = ImageOps.exif_transpose(image).convert("RGBA")
                return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    except FileNotFoundError:
        raise UserError(f"there is no file {path}") from None
    except Exception as error:                                          # Pillow's readers raise nearly anything on damaged bytes
        raise UserError(f"{path} cannot be read as a picture ({', '.join(FORMATS)}): {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error


# ---------------------------------------------------------------- files

def save_pair(folder, name, image, facts, grey=False):
    """FOLDER/NAME.png with the facts (a dict of plain values) inside as PNG text, and NAME.json beside it -> the JSON's dict."""
    facts = {**facts, "picture": f"{name}.png"}
    text = PngImagePlugin.PngInfo()
    for key, value in facts.items():
        text.add_itxt(key, str(value))
    with whole_file(folder / facts["picture"]) as partial:
        (image.convert("L") if grey else image).save(partial, "PNG", pnginfo=text, compress_level=6)
    write_text(folder / f"{name}.json", json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
    return facts


def with_caption(image, caption, width, title=""):
    """PIL image -> the image at `width` pixels on paper, title and wrapped caption below."""
    font = ImageFont.load_default(size=max(11, width // 20))
    line = font.size + 4
    columns = max(10, int(width / (font.size * 0.52)))
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", caption) if not unicodedata.combining(letter))    # the font has no accents
    lines = ([title] if title else []) + textwrap.wrap(plain, columns)[:5]
    image = image.convert("RGB").resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS if width < image.width else Image.Resampling.BICUBIC)
    paper = Image.new("RGB", (width, image.height + 6 * line + 12), "white")
    paper.paste(image, (0, 0))
    ImageDraw.Draw(paper).multiline_text((2, image.height + 6), "\n".join(lines), fill="black", font=font, spacing=4)
    return paper


def contact_sheet(pairs, titles, columns=5, width=256):
    """Pairs (image, caption) -> one PIL image, each with its title and caption below; a number is the title of a seed."""
    cells = [with_caption(image, caption, width, title if isinstance(title, str) else f"seed {title}") for (image, caption), title in zip(pairs, titles)]
    gap, (w, h) = 16, cells[0].size
    columns = min(columns, len(cells))
    sheet = Image.new("RGB", (columns * (w + gap) + gap, -(-len(cells) // columns) * (h + gap) + gap), "white")
    for i, cell in enumerate(cells):
        sheet.paste(cell, (gap + i % columns * (w + gap), gap + i // columns * (h + gap)))
    return sheet


def save_visualization(image, caption, path):
    """One pair as a PNG, the caption below the picture. image: tensor (1, 3, H, W) or (3, H, W) in [-1, 1], or PIL; caption: a
    string or a list of one."""
    if isinstance(image, torch.Tensor):
        image = to_pil(image.reshape(-1, *image.shape[-3:])[:1])[0]
    caption = caption if isinstance(caption, str) else caption[0]
    with whole_file(path) as partial:
        with_caption(image, caption, max(256, image.width)).save(partial, "PNG")


# ---------------------------------------------------------------- the command

def asked_for(generator, config):
    """InferenceConfig -> how many pairs, and a generator of (file name, title, further facts, (image, caption))."""
    seeds = seed_list(config.seeds)
    if config.image:
        picture, stem = open_picture(config.image), Path(config.image).stem
        if config.style:
            strength = 1.0 if config.strength is None else config.strength
            return 1, ((f"{stem}_{config.style}", config.style, {"image": config.image, "style": config.style, "strength": strength}, pair)
                       for pair in generator.restyle([picture], config.style, strength))
        if config.strength is None:
            return 1, ((f"{stem}_drawn", "drawn by the model", {"image": config.image}, pair) for pair in generator.decode(generator.encode([picture])))
        return len(seeds), ((f"{stem}_{seed:06d}", seed, {"seed": seed, "image": config.image, "strength": config.strength}, pair)
                            for seed, pair in zip(seeds, generator.vary(picture, seeds, config.strength)))
    if config.interpolate:
        ways = list(zip(seeds, seeds[1:]))
        return len(ways) * config.interpolate, ((f"{first:06d}_{last:06d}_{step:02d}", f"{first} to {last}, step {step}", {"from": first, "to": last, "step": step}, pair)
                                                for first, last in ways for step, pair in enumerate(generator.interpolate(first, last, config.interpolate)))
    wish = {key: value for key in ("prompt", "style") if (value := getattr(config, key)) is not None}
    parts = (seeds[start:start + config.batch_size] for start in range(0, len(seeds), config.batch_size))
    return len(seeds), ((f"{seed:06d}", seed, {"seed": seed, **wish}, pair)
                        for part in parts for seed, pair in zip(part, generator.generate_batch(part, config.prompt, config.style, config.guidance)))


def find(generator, config):
    """--find: prints what fits best, and writes the pictures found as one sheet."""
    where = Path(config.find)
    if config.image:
        try:
            captions = sorted({json.loads(line)["caption"] for line in where.read_text("utf-8").splitlines() if line.strip()})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{where} is no file of captions, one JSON object a line ({type(error).__name__}); try data/captions/builtin_val.jsonl") from error
        cosine = generator.similarity([open_picture(config.image)], captions)[0]
        for i in cosine.argsort(descending=True, stable=True)[:10].tolist():
            print(f"{cosine[i]:6.3f}  {captions[i]}")
        return
    check_prompt(config.prompt)
    files = sorted(path for path in where.glob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"))
    if not files:
        raise UserError(f"{where} holds no pictures; name a folder such as data/processed/builtin/resized")
    cosine = torch.cat([generator.similarity([open_picture(path) for path in files[i:i + 32]], [config.prompt])[:, 0]
                        for i in progress(range(0, len(files), 32), label="looking", unit="batch")])
    best = cosine.argsort(descending=True, stable=True)[:10].tolist()
    for i in best:
        print(f"{cosine[i]:6.3f}  {files[i].as_posix()}")
    with whole_file(Path(config.out) / "found.png") as partial:
        contact_sheet([(open_picture(files[i]), files[i].name) for i in best], [f"{cosine[i]:.3f}" for i in best]).save(partial, "PNG", optimize=True)
    print(f"the best as one picture: {(Path(config.out) / 'found.png').as_posix()}")


def main(config):
    generator = MultimodalGenerator(config.checkpoint, config.device, config.temperature)
    if config.prompt and (unknown := generator.unknown_words(config.prompt)):
        print(f"WARNING: no training caption had {'this word' if len(unknown) == 1 else 'these words'}, so the model cannot know what is meant: {', '.join(unknown)}")
    if config.find:
        return find(generator, config)
    out, rows, shown, titles = Path(config.out), [], [], []
    begin, grey = time.perf_counter(), generator.model.config.channels == 1
    count, pairs = asked_for(generator, config)
    for name, title, facts, (image, caption) in progress(pairs, label="pairs", total=count, unit="pair"):
        rows.append(save_pair(out, name, image, {"caption": caption, "style": generator.style, "checkpoint": generator.checkpoint.as_posix(), **facts}, grey))
        if len(shown) < 100:
            shown.append((image, caption))
            titles.append(title)
    for row, title in zip(rows[:20], titles):
        print(f"{title:>10}  {row['caption']}")
    write_text(out / "pairs.json", json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    with whole_file(out / "sheet.png") as partial:
        sheet = contact_sheet(shown, titles)
        (sheet.convert("L") if grey else sheet).save(partial, "PNG", optimize=True)
    print(f"{len(rows):,} pairs in {time.perf_counter() - begin:.1f} s: {out.as_posix()}/, contact sheet {out.as_posix()}/sheet.png; "
          f"next: python gradio_demo.py --checkpoint {config.checkpoint}")
    if generator.health and not generator.health["passed"]:
        import health
        print(health.sentence(generator.health))


if __name__ == "__main__":
    run(main, *CONFIGS)
