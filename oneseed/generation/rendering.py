"""Pairs as people see them: files, pictures with their captions, contact sheets, postcards."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from oneseed.config.options import CODE_CAPTIONS
from oneseed.dataset.languages import code_suffix
from oneseed.files import whole_file, write_text
from oneseed.generation import cards
from oneseed.generation.code_lettering import code_block, draw_code_line
from oneseed.generation.lettering import draw_line, wrap
from oneseed.generation.postcard import ARRANGEMENT, POSTCARD, postcard, preview
from oneseed.generation.requests import POSTCARD_SUFFIX
from oneseed.media.square import BESIDE
from oneseed.model.pixels import to_pil

MAX_CAPTION_LINES = 5
# Of a caption that is code.
MAX_CODE_LINES = 24
# Pixels by which letters of code are lower than those of words.
CODE_SMALLER = 1
# Pixels between two lines of text.
LINE_SPACING = 4
# Pixels between the cells of a sheet, and around them.
SHEET_GAP = 16
# Height of the letters of a note below a sheet, in pixels.
NOTE_SIZE = 14


def save_pair(
    folder: Path, name: str, image: Image.Image, facts: dict[str, Any], *, grey: bool = False
) -> dict[str, Any]:
    """Writes FOLDER/NAME.png, a card with the facts inside as PNG text, and NAME.json beside it.

    A caption that is code also becomes a file of its own, NAME.html, .sql, .py or .txt, and the
    sound or clip that a picture stands for NAME.wav or NAME.gif.
    facts: plain values, those of the pair as cards carry them.
    grey: the PNG has one channel.
    Returns what the JSON file says.
    """
    signed, png = cards.signed_card(image, facts, grey=grey)
    with whole_file(folder / f"{name}.png") as partial:
        partial.write_bytes(png)
    row = {**signed, "picture": f"{name}.png"}
    if facts.get("caption_kind") == CODE_CAPTIONS:
        row["code"] = f"{name}{code_suffix(facts['caption'])}"
        write_text(folder / row["code"], facts["caption"])
    if beside := BESIDE.get(facts.get("medium") or ""):
        row[facts["medium"]] = f"{name}{beside.suffix}"
        with whole_file(folder / row[facts["medium"]]) as partial:
            partial.write_bytes(beside.encode(image))
    write_text(folder / f"{name}.json", json.dumps(row, ensure_ascii=False, indent=1) + "\n")
    return row


def encode_postcard(image: Image.Image, facts: dict[str, Any]) -> bytes:
    """A pair and the facts of its card -> its postcard, a PNG file with these facts inside."""
    paper = postcard(image, facts)
    return cards.encode_card(paper, cards.sign(paper, {**facts, POSTCARD: ARRANGEMENT}))


def encode_preview(image: Image.Image, facts: dict[str, Any]) -> bytes:
    """A pair and the facts of its card -> its preview, a PNG file."""
    file = io.BytesIO()
    preview(image, facts).save(file, "PNG")
    return file.getvalue()


def save_postcard(folder: Path, name: str, image: Image.Image, facts: dict[str, Any]) -> None:
    """Writes FOLDER/NAME_postcard.png; arguments as of save_pair."""
    with whole_file(folder / f"{name}{POSTCARD_SUFFIX}") as partial:
        partial.write_bytes(encode_postcard(image, facts))


def with_caption(
    image: Image.Image, caption: str, width: int, title: str = "", *, code_rows: int = 0
) -> Image.Image:
    """The image, resized to `width` pixels, on white paper; title and wrapped caption below it.

    A caption of several lines is code: its lines stay lines, in columns of equal width.
    code_rows: lines that there is room for, as of `code_rows_of`; 0: as many as this one has.
    """
    font_size = max(11, width // 20)
    line_height = font_size + LINE_SPACING
    rows = MAX_CAPTION_LINES
    code: list[str] = []
    lines: list[str] = []
    if code_rows := code_rows or code_rows_of([caption]):
        rows = code_rows
        code = code_block(caption, width=width - 4, size=font_size - CODE_SMALLER, most=rows)
    else:
        lines = wrap(caption, width=width - 4, size=font_size, most=MAX_CAPTION_LINES)
    if title:
        lines.insert(0, title)

    shrinks = width < image.width
    resampling = Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC
    height = max(1, round(image.height * width / image.width))
    picture = image.convert("RGB").resize((width, height), resampling)

    paper_height = height + (rows + 1) * line_height + 12
    paper = Image.new("RGB", (width, paper_height), "white")
    paper.paste(picture, (0, 0))
    draw = ImageDraw.Draw(paper)
    for number, line in enumerate(lines):
        top = height + 6 + number * line_height
        draw_line(draw, (2, top), line, width=width - 4, size=font_size)
    top = height + 6 + len(lines) * line_height
    for number, line in enumerate(code):
        draw_code_line(draw, (2, top + number * line_height), line, size=font_size - CODE_SMALLER)
    return paper


def code_rows_of(captions: Sequence[str]) -> int:
    """Lines that a sheet has for each caption where one is code; 0 where all are words."""
    counts = [caption.count("\n") for caption in captions if "\n" in caption.strip()]
    return min(max(counts) + 1, MAX_CODE_LINES) if counts else 0


def contact_sheet(
    pairs: Sequence[tuple[Image.Image, str]],
    titles: Sequence[int | str],
    columns: int = 5,
    *,
    width: int = 256,
    note: str = "",
) -> Image.Image:
    """Pairs (image, caption) -> one RGB image, each pair with its title and caption below.

    titles: one per pair; an integer is a seed and shown as "seed N".
    width: of a cell, in pixels.
    note: what holds for all pairs, below them.
    """
    cells = []
    code_rows = code_rows_of([caption for _, caption in pairs])
    for (image, caption), title in zip(pairs, titles):
        words = title if isinstance(title, str) else f"seed {title}"
        cells.append(with_caption(image, caption, width, words, code_rows=code_rows))
    cell_width = cells[0].width
    # pictures that stand as they are have heights of their own
    cell_height = max(cell.height for cell in cells)
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    step_right = cell_width + SHEET_GAP
    step_down = cell_height + SHEET_GAP
    sheet_size = (columns * step_right + SHEET_GAP, rows * step_down + SHEET_GAP)
    sheet = Image.new("RGB", sheet_size, "white")
    for i, cell in enumerate(cells):
        row, column = divmod(i, columns)
        sheet.paste(cell, (SHEET_GAP + column * step_right, SHEET_GAP + row * step_down))
    return with_note(sheet, note) if note else sheet


def with_note(sheet: Image.Image, note: str) -> Image.Image:
    """A contact sheet on longer paper, with the note below it, in as many lines as it needs."""
    room = sheet.width - 2 * SHEET_GAP
    lines = wrap(note, width=room, size=NOTE_SIZE)
    note_height = len(lines) * (NOTE_SIZE + LINE_SPACING) + SHEET_GAP
    paper = Image.new("RGB", (sheet.width, sheet.height + note_height), "white")
    paper.paste(sheet)
    draw = ImageDraw.Draw(paper)
    for number, line in enumerate(lines):
        top = sheet.height + number * (NOTE_SIZE + LINE_SPACING)
        draw_line(draw, (SHEET_GAP, top), line, width=room, size=NOTE_SIZE)
    return paper


def save_visualization(
    image: torch.Tensor | Image.Image, caption: str | Sequence[str], path: str | Path
) -> None:
    """Writes one pair as a PNG, the caption below the picture.

    image: tensor (1, 3, H, W) or (3, H, W) in [-1, 1], or a PIL image.
    caption: a string, or a list of one.
    """
    if isinstance(image, torch.Tensor):
        image = to_pil(image.reshape(-1, *image.shape[-3:])[:1])[0]
    words = caption if isinstance(caption, str) else caption[0]
    with whole_file(path) as partial:
        with_caption(image, words, max(256, image.width)).save(partial, "PNG")


def save_sheet(
    path: Path,
    pairs: Sequence[tuple[Image.Image, str]],
    titles: Sequence[int | str],
    *,
    grey: bool = False,
    note: str = "",
) -> None:
    """Writes the contact sheet of the pairs as a PNG.

    grey: with one channel. note: see contact_sheet.
    """
    sheet = contact_sheet(pairs, titles, note=note)
    if grey:
        sheet = sheet.convert("L")
    with whole_file(path) as partial:
        sheet.save(partial, "PNG", optimize=True)
