"""Pairs on paper: files, sheets, animations."""

import io
import json
import textwrap
import unicodedata

import torch
from PIL import Image, ImageDraw, ImageFont

from oneseed.files import whole_file, write_text
from oneseed.generation import cards
from oneseed.model.pixels import to_pil


def save_pair(folder, name, image, facts, grey=False):
    """FOLDER/NAME.png, a card with the facts (a dict of plain values) inside as PNG text, and NAME.json beside it -> the JSON's dict."""
    facts = cards.sign(image, facts)
    with whole_file(folder / f"{name}.png") as partial:
        partial.write_bytes(cards.encode_card(image, facts, grey))
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


def save_sheet(path, pairs, titles, grey=False):
    with whole_file(path) as partial:
        sheet = contact_sheet(pairs, titles)
        (sheet.convert("L") if grey else sheet).save(partial, "PNG", optimize=True)
