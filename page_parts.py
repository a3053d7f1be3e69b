"""What the tabs of the page share: limits on what strangers send, messages, and how events are wired.

Events hand over plain JSON as it came (preprocess=False), since Gradio's own checks answer a list or a null in place of a number with "Error".
A limit is a UserError in one sentence that does not repeat what came: a page shows error messages as HTML.
"""

import contextlib
import html
import math
import os
from pathlib import Path

from PIL import Image

import cards
from cli import UserError
from inference import described, open_picture
from settings import LAST_SEED

# of a picture that somebody brings; 160 MB once decoded
MOST_PIXELS = 40_000_000
# pairs drawn before they are shown, and before Stop is heard
AT_ONCE = 4
# events that ask the model: one after another
MODEL = dict(concurrency_id="model", concurrency_limit=1, show_progress="minimal", preprocess=False)
# that read or write files
FILES = dict(
    concurrency_id="files",
    concurrency_limit=1,
    show_progress="minimal",
    api_visibility="private",
    preprocess=False,
)
# events that only rearrange the page
QUIET = dict(queue=False, show_progress="hidden", api_visibility="private", preprocess=False)


def import_gradio():
    # read at import
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio

    return gradio


# ---------------------------------------------------------------- limits


def whole_number(value, low, high, name):
    """7 or "7" -> 7."""
    text = str(value).strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and low <= int(text) <= high):
        raise UserError(f"{name} is a whole number from {low:,} to {high:,}.")
    return int(text)


def number(value, low, high, name):
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


def name_of(value):
    """The name that a file had where it came from, as a card may say it."""
    name = value.get("orig_name")
    return one_line(name, 255, "A file's name") if isinstance(name, str) and name else "picture"


def brought(value, uploads):
    """What an image field sent -> PIL RGB image."""
    path = uploaded(
        value, uploads, "Bring a picture first: drop it into the frame, paste it, or choose a file."
    )
    try:
        with Image.open(path, formats=cards.FORMATS) as image:
            pixels = image.width * image.height
    except Exception:
        # Pillow's readers raise nearly anything on damaged bytes
        raise UserError(
            f"This file cannot be read as a picture; bring {', '.join(cards.FORMATS[:-1])} or {cards.FORMATS[-1]}."
        ) from None
    if pixels > MOST_PIXELS:
        raise UserError(
            f"This picture has {pixels / 1e6:.0f} million pixels, at most {MOST_PIXELS / 1e6:.0f} million are read; make it smaller."
        )
    try:
        return open_picture(path)
    except UserError:
        # its sentence names a file of the server
        raise UserError("This picture is damaged and cannot be read to its end.") from None


@contextlib.contextmanager
def messages(gr):
    """with messages(gr): a UserError becomes one sentence on the page, with no traceback anywhere."""
    try:
        yield
    except UserError as error:
        raise gr.Error(html.escape(str(error), quote=False), print_exception=False) from None


# ---------------------------------------------------------------- pairs


def as_cards(generator, made, cache):
    """Pairs as inference.asked_for lists them -> (path of the pair's card, a PNG in the folder `cache`; its facts) of each."""
    from gradio.processing_utils import save_bytes_to_cache

    signed = [
        (name, image, cards.sign(image, facts))
        for name, _, facts, (image, _) in described(generator, made)
    ]
    return [
        (
            save_bytes_to_cache(cards.encode(image, facts, generator.grey), f"{name}.png", cache),
            facts,
        )
        for name, image, facts in signed
    ]


def told(head, facts):
    """What stands under a picture: "seed 7 · match 85", and its caption on the next line."""
    match = "" if facts.get("match") is None else f" · match {facts['match']}"
    return f"{head}{match}{' · too near to a training picture' if facts.get('near_training') else ''}\n{facts['caption']}"


# ---------------------------------------------------------------- events


def stoppable(stop, begins, **event):
    """An event whose Stop button is there while it runs, begun by any of `begins` (button.click, earlier.success); the first is its
    public endpoint. -> the events in the order of begins."""
    there, gone = ("() => ({__type__: 'update', visible: %s})" % word for word in ("true", "false"))
    runs = []
    for begin in begins:
        runs.append(begin(None, None, stop, js=there, **QUIET).then(**event))
        runs[-1].then(None, None, stop, js=gone, **QUIET)
        event = {**event, "api_visibility": "private"}
        event.pop("api_name", None)
    stop.click(None, None, stop, js=gone, cancels=runs, **QUIET)
    return runs


def figures(gr, label, value=None, **more):
    """A text field for a whole number: a number field sends null for "abc"."""
    return gr.Textbox(
        value,
        label=label,
        max_lines=1,
        elem_classes="figures",
        html_attributes=gr.InputHTMLAttributes(
            autocomplete="off", spellcheck=False, enterkeyhint="go"
        ),
        **more,
    )


def a_seed(value, name="A seed"):
    return whole_number(value, 0, LAST_SEED, name)


def sheet_of_pairs(gr, **more):
    """A gallery whose captions stand below the pictures."""
    return gr.Gallery(
        show_label=False,
        format="png",
        interactive=False,
        allow_preview=False,
        columns=4,
        height="auto",
        object_fit="contain",
        buttons=["download_all"],
        elem_classes="sheet",
        **more,
    )
