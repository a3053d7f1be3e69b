"""Postcards: a pair as people pass it on, the picture large and its caption below.

    card = postcard(image, facts)          # 1200 x 1500
    small = preview(image, facts)          # 1200 x 630, as websites show a link

Facts are those of a pair card (`cards`). A postcard that is saved carries them too, so that
--verify makes its pair again and compares the picture; what is printed beside the picture is held
by the digests alone, for another machine may print it in another font.
"""

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from oneseed.config.base_model import BASE
from oneseed.generation.typesetting import draw_text, on_one_line, set_text
from oneseed.model.caption_source import SOURCE_WORDS

# the fact that tells a postcard from other cards, and the number of this arrangement
POSTCARD = "postcard"
ARRANGEMENT = 1
POSTCARD_SIZE = (1200, 1500)
PREVIEW_SIZE = (1200, 630)
PAPER_COLOUR = "#fdfcf9"
TEXT_COLOUR = "#191612"
SMALL_COLOUR = "#665f55"
FRAME_COLOUR = "#cfc8bb"
# pixels of a picture's side: 128 px pictures are 8 and 4 times as large
POSTCARD_PICTURE = 1024
PREVIEW_PICTURE = 512
# left, top
POSTCARD_PLACE = (88, 88)
PREVIEW_PLACE = (59, 59)
# heights of letters, in pixels
CAPTION_SIZES = (60, 54, 48, 43, 38, 34, 30, 27, 24, 21, 19, 17, 15)
PREVIEW_SIZES = (52, 47, 42, 38, 34, 30, 27, 24, 21, 19, 17, 15)
SMALL_SIZE = 24
# pixels between a picture and the line around it
FRAME_GAP = 12
# digits of the model's fingerprint
SHOWN_DIGITS = 8


def enlarged(image: Image.Image, side: int) -> Image.Image:
    """A picture -> RGB, its longer side of so many pixels."""
    scale = side / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def postcard(image: Image.Image, facts: dict[str, Any]) -> Image.Image:
    """A pair -> RGB, 1200 x 1500. image: square. facts: of its card."""
    paper = Image.new("RGB", POSTCARD_SIZE, PAPER_COLOUR)
    draw = ImageDraw.Draw(paper)
    paste_framed(paper, image, POSTCARD_PLACE, POSTCARD_PICTURE)
    left = POSTCARD_PLACE[0]
    top = POSTCARD_PLACE[1] + POSTCARD_PICTURE + 40
    width = POSTCARD_PICTURE
    height = 250
    caption = set_text(facts["caption"], width=width, height=height, sizes=CAPTION_SIZES)
    middle = top + (height - caption.height) // 2
    draw_text(draw, (left, middle), caption, width=width, centred=True, ink=TEXT_COLOUR)
    foot = POSTCARD_SIZE[1] - 74
    model = on_one_line(model_words(facts), width=width // 2, size=SMALL_SIZE)
    model_width = round(model.width_of(model.lines[0]))
    draw_text(draw, (left + width - model_width, foot), model, width=model_width, ink=SMALL_COLOUR)
    room = width - model_width - 2 * SMALL_SIZE
    origin = on_one_line(origin_words(facts), width=room, size=SMALL_SIZE)
    draw_text(draw, (left, foot), origin, width=room, ink=SMALL_COLOUR)
    return paper


def preview(image: Image.Image, facts: dict[str, Any]) -> Image.Image:
    """A pair -> RGB, 1200 x 630, the caption on the right. image: square."""
    paper = Image.new("RGB", PREVIEW_SIZE, PAPER_COLOUR)
    draw = ImageDraw.Draw(paper)
    paste_framed(paper, image, PREVIEW_PLACE, PREVIEW_PICTURE)
    left = PREVIEW_PLACE[0] + PREVIEW_PICTURE + 56
    top = PREVIEW_PLACE[1]
    width = PREVIEW_SIZE[0] - left - 59
    height = PREVIEW_PICTURE - 100
    caption = set_text(facts["caption"], width=width, height=height, sizes=PREVIEW_SIZES)
    middle = top + (height - caption.height) // 2
    draw_text(draw, (left, middle), caption, width=width, ink=TEXT_COLOUR)
    for number, words in enumerate((origin_words(facts), model_words(facts))):
        line = on_one_line(words, width=width, size=SMALL_SIZE)
        place = (left, top + PREVIEW_PICTURE - (2 - number) * line.step)
        draw_text(draw, place, line, width=width, ink=SMALL_COLOUR)
    return paper


def paste_framed(paper: Image.Image, image: Image.Image, place: tuple[int, int], side: int) -> None:
    """Puts a picture on the paper, with a white margin and a thin line around it.

    place: left and top of the picture.
    """
    left, top = place
    gap = FRAME_GAP
    frame = (left - gap, top - gap, left + side + gap - 1, top + side + gap - 1)
    ImageDraw.Draw(paper).rectangle(frame, fill="white", outline=FRAME_COLOUR)
    paper.paste(enlarged(image, side), place)


def origin_words(facts: dict[str, Any]) -> str:
    """What a pair was made of, in a few words: "seed 7, asked for “a ship”"."""
    words = []
    if "from" in facts:
        step = f"step {facts['step'] + 1} of {facts['steps']}"
        words.append(f"from seed {facts['from']} to {facts['to']}, {step}")
    if "seed" in facts:
        words.append(f"seed {facts['seed']}")
    if "image" in facts:
        words.append("after a picture")
    if facts.get("prompt"):
        words.append(f"asked for “{facts['prompt']}”")
    if facts.get("asked_style"):
        words.append(f"in {facts['asked_style']}")
    if mark := SOURCE_WORDS[facts["caption_source"]].mark:
        words.append(mark)
    return ", ".join(words)


def model_words(facts: dict[str, Any]) -> str:
    """The name of a pair's model and the begin of its fingerprint, in a few words."""
    name = facts["checkpoint"]
    known = "base model" if name == BASE else Path(name).stem
    return f"{known[:40]} · {facts['fingerprint'][:SHOWN_DIGITS]}"


def picture_on(card: Image.Image) -> Image.Image:
    """A whole postcard -> the enlarged picture on it."""
    left, top = POSTCARD_PLACE
    return card.crop((left, top, left + POSTCARD_PICTURE, top + POSTCARD_PICTURE))
