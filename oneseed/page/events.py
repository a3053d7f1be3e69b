"""Buttons, messages and figures of the page."""

import contextlib
import html

from oneseed.console.command import UserError
from oneseed.page.inputs import QUIET_EVENT


@contextlib.contextmanager
def messages(gr):
    """with messages(gr): a UserError becomes one sentence on the page, with no traceback anywhere."""
    try:
        yield
    except UserError as error:
        raise gr.Error(html.escape(str(error), quote=False), print_exception=False) from None


def pair_text(head, facts):
    """What stands under a picture: "seed 7 · match 85", and its caption on the next line."""
    match = "" if facts.get("match") is None else f" · match {facts['match']}"
    return f"{head}{match}{' · too near to a training picture' if facts.get('near_training') else ''}\n{facts['caption']}"


def with_stop_button(stop, begins, **event):
    """An event whose Stop button is there while it runs, begun by any of `begins` (button.click, earlier.success); the first is its
    public endpoint. -> the events in the order of begins."""
    there, gone = (f"() => ({{__type__: 'update', visible: {word}}})" for word in ("true", "false"))
    runs = []
    for begin in begins:
        runs.append(begin(None, None, stop, js=there, **QUIET_EVENT).then(**event))
        runs[-1].then(None, None, stop, js=gone, **QUIET_EVENT)
        event = {**event, "api_visibility": "private"}
        event.pop("api_name", None)
    stop.click(None, None, stop, js=gone, cancels=runs, **QUIET_EVENT)
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
