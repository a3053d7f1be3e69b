"""A seed in, a picture and the caption that belongs to it out.

Reads   checkpoints/best_model.pt
Writes  outputs/   000042.png (seed and caption inside as PNG text), 000042.json, sheet.png, pairs.json

    python inference.py                                # seeds 0 to 9
    python inference.py --seeds 7
    python inference.py --seeds 1,5,100-119 --out outputs/more
    python inference.py --checkpoint checkpoints/checkpoint_epoch_005.pt --temperature 0.7

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
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps, PngImagePlugin

from cli import progress, run, whole_file, write_text
from model_architecture import MultimodalModel, latents, pick_device, stream, to_pil, to_tensor
from settings import LAST_SEED, seed_list


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

    def generate(self, seed):
        """Seed, an integer 0 … 2**32 - 1 -> (PIL RGB image, caption)."""
        return self.generate_batch([seed])[0]

    def generate_batch(self, seeds):
        """Seeds -> list of (PIL RGB image, caption), pair i from seeds[i] alone."""
        if not len(seeds):
            return []
        z = latents(seeds, self.model.config.latent_dim)
        words = [stream(int(seed), "words") for seed in seeds]
        return list(zip(to_pil(self.model.decode_image(z)), self.model.decode_text(z, self.temperature, words)))

    def generate_with_metadata(self, seed):
        """Seed -> dict of seed, image, caption, style and checkpoint."""
        image, caption = self.generate(seed)
        return {"seed": int(seed), "image": image, "caption": caption, "style": self.style, "checkpoint": str(self.checkpoint)}

    def encode(self, images):
        """PIL images -> z (B, D); letter-boxed on white to the model's size as in preparation."""
        size = self.model.config.image_size
        squares = [ImageOps.pad(image.convert("RGB"), (size, size), Image.Resampling.LANCZOS, color="white") for image in images]
        return torch.cat([self.model.encode(to_tensor(torch.stack([torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8).view(size, size, 3)
                                                                   for square in squares[i:i + 32]]))) for i in range(0, len(squares), 32)])

    def reconstruct(self, images):
        """PIL images -> the model's reconstructions, PIL RGB."""
        return [picture for z in self.encode(images).split(32) for picture in to_pil(self.model.decode_image(z))]

    def caption(self, images):
        """PIL images -> captions."""
        return [caption for z in self.encode(images).split(32) for caption in self.model.decode_text(z)]


# ---------------------------------------------------------------- files

def save_pair(folder, seed, image, caption, generator):
    """FOLDER/000042.png with seed and caption inside, and 000042.json beside it -> the JSON's dict."""
    facts = {"seed": int(seed), "caption": caption, "style": generator.style, "checkpoint": generator.checkpoint.as_posix(), "picture": f"{seed:06d}.png"}
    text = PngImagePlugin.PngInfo()
    for key in ("seed", "caption", "style", "checkpoint"):
        text.add_itxt(key, str(facts[key]))
    if generator.model.config.channels == 1:
        image = image.convert("L")
    with whole_file(folder / facts["picture"]) as partial:
        image.save(partial, "PNG", pnginfo=text, compress_level=6)
    write_text(folder / f"{seed:06d}.json", json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
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


def contact_sheet(pairs, seeds, columns=5, width=256):
    """Pairs (image, caption) -> one PIL image, each with its seed and caption below."""
    cells = [with_caption(image, caption, width, f"seed {seed}") for (image, caption), seed in zip(pairs, seeds)]
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


def main(config):
    generator = MultimodalGenerator(config.checkpoint, config.device, config.temperature)
    out, seeds, rows, shown = Path(config.out), seed_list(config.seeds), [], []
    begin = time.perf_counter()
    with progress(label="pairs", total=len(seeds), unit="pair") as bar:
        for start in range(0, len(seeds), config.batch_size):
            part = seeds[start:start + config.batch_size]
            for seed, (image, caption) in zip(part, generator.generate_batch(part)):
                rows.append(save_pair(out, seed, image, caption, generator))
                if len(shown) < 100:
                    shown.append((image, caption))
                bar.update()
    for row in rows[:20]:
        print(f"{row['seed']:>10}  {row['caption']}")
    write_text(out / "pairs.json", json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    with whole_file(out / "sheet.png") as partial:
        sheet = contact_sheet(shown, seeds)
        (sheet.convert("L") if generator.model.config.channels == 1 else sheet).save(partial, "PNG", optimize=True)
    print(f"{len(rows):,} pairs in {time.perf_counter() - begin:.1f} s: {out.as_posix()}/, contact sheet {out.as_posix()}/sheet.png; "
          f"next: python gradio_demo.py --checkpoint {config.checkpoint}")
    if generator.health and not generator.health["passed"]:
        import health
        print(health.sentence(generator.health))


if __name__ == "__main__":
    run(main, *CONFIGS)
