"""What visitors send, checked; what they get, as cards.

What the tabs of the page share: limits on what strangers send, messages, and how events are wired.

Events hand over plain JSON as it came (preprocess=False), since Gradio's own checks answer a list or a null in place of a number with "Error".
A limit is a UserError in one sentence that does not repeat what came: a page shows error messages as HTML.
"""

import math
import os
from pathlib import Path

from PIL import Image

from oneseed.console.command import UserError
from oneseed.generation import cards
from oneseed.generation.cards import open_picture
from oneseed.generation.requests import with_facts
from oneseed.seeds import LAST_SEED

# of a picture that somebody brings; 160 MB once decoded
PAGE_MAX_PIXELS = 40_000_000
# pairs drawn before they are shown, and before Stop is heard
PAGE_AT_ONCE = 4
# events that ask the model: one after another
MODEL_TASK = {
    "concurrency_id": "model",
    "concurrency_limit": 1,
    "show_progress": "minimal",
    "preprocess": False,
}
# that read or write files
FILES_TASK = {
    "concurrency_id": "files",
    "concurrency_limit": 1,
    "show_progress": "minimal",
    "api_visibility": "private",
    "preprocess": False,
}
# events that only rearrange the page
QUIET_EVENT = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
    "preprocess": False,
}


def import_gradio():
    # read at import
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio

    return gradio


def whole_number(value, low, high, name):
    """7 or "7" -> 7."""
    text = str(value).strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and low <= int(text) <= high):
        raise UserError(f"{name} is a whole number from {low:,} to {high:,}.")
    return int(text)


def parse_number(value, low, high, name):
    """2, 2.5 or "2.5" -> float."""
    try:
        found = math.nan if isinstance(value, bool) or len(str(value)) > 30 else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not low <= found <= high:
        raise UserError(f"{name} is a number from {low:g} to {high:g}.")
    return found


def one_line(value, most, name):
    """Text -> the same on one line, without control characters; null is empty."""
    if value is not None and not isinstance(value, str):
        raise UserError(f"{name} is text.")
    if len(value or "") > most:
        raise UserError(
            f"{name} has {len(value):,} characters, at most {most} are read; shorten it."
        )
    return "".join(
        letter for letter in " ".join((value or "").split()) if letter.isprintable()
    ).strip()


def one_of(value, choices, name):
    """One of the choices; null and "" are ""."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or value not in choices:
        raise UserError(
            f"{name} is one of: {', '.join(choices)}."
            if choices
            else f"{name} is to be left empty: this model knows only one."
        )
    return value


def uploaded(value, uploads, sentence):
    """What a file field sent -> its path. uploads: the folder it must lie in; Gradio itself looks only at paths that say they are files."""
    path = value.get("path") if isinstance(value, dict) else None
    if (
        not isinstance(path, str)
        or "\0" in path
        or not Path(path).resolve().is_relative_to(Path(uploads).resolve())
    ):
        raise UserError(sentence)
    return path


def upload_name(value):
    """The name that a file had where it came from, as a card may say it."""
    name = value.get("orig_name")
    return one_line(name, 255, "A file's name") if isinstance(name, str) and name else "picture"


def uploaded_image(value, uploads):
    """What an image field sent -> PIL RGB image."""
    path = uploaded(
        value, uploads, "Bring a picture first: drop it into the frame, paste it, or choose a file."
    )
    try:
        with Image.open(path, formats=cards.CARD_FORMATS) as image:
            pixels = image.width * image.height
    except Exception:
        # Pillow's readers raise nearly anything on damaged bytes
        raise UserError(
            f"This file cannot be read as a picture; bring {', '.join(cards.CARD_FORMATS[:-1])} or {cards.CARD_FORMATS[-1]}."
        ) from None
    if pixels > PAGE_MAX_PIXELS:
        raise UserError(
            f"This picture has {pixels / 1e6:.0f} million pixels, at most {PAGE_MAX_PIXELS / 1e6:.0f} million are read; make it smaller."
        )
    try:
        return open_picture(path)
    except UserError:
        # its sentence names a file of the server
        raise UserError("This picture is damaged and cannot be read to its end.") from None


def as_cards(generator, made, cache):
    """Pairs as inference.asked_for lists them -> (path of the pair's card, a PNG in the folder `cache`; its facts) of each."""
    from gradio.processing_utils import save_bytes_to_cache

    signed = [
        (name, image, cards.sign(image, facts))
        for name, _, facts, (image, _) in with_facts(generator, made)
    ]
    return [
        (
            save_bytes_to_cache(
                cards.encode_card(image, facts, generator.grey), f"{name}.png", cache
            ),
            facts,
        )
        for name, image, facts in signed
    ]


def parse_seed(value, name="A seed"):
    return whole_number(value, 0, LAST_SEED, name)
