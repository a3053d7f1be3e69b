"""How the page's events are wired: settings, messages, buttons that stop, and Gradio itself.

Events hand over plain JSON as it came (preprocess=False): Gradio's own checks answer a list or a
null in place of a number with the word "Error".
"""

import contextlib
import html
import os
from collections.abc import Callable, Generator, Sequence
from types import ModuleType
from typing import Any

from oneseed.console.command import UserError

# Gradio is imported when the page is built, so its classes cannot be named here.
Component = Any
Event = Any
# settings of events that ask the model: one after another
MODEL_TASK: dict[str, Any] = {
    "concurrency_id": "model",
    "concurrency_limit": 1,
    "show_progress": "minimal",
    "preprocess": False,
}
# of those that ask for one pair: the batcher decodes together what comes together
PAIR_TASK: dict[str, Any] = {**MODEL_TASK, "concurrency_id": "pair", "concurrency_limit": 8}
# of those that no program may call
PRIVATE_PAIR_TASK = {**PAIR_TASK, "api_visibility": "private"}
PRIVATE_MODEL_TASK = {**MODEL_TASK, "api_visibility": "private"}
# of events that read or write files
FILES_TASK: dict[str, Any] = {
    "concurrency_id": "files",
    "concurrency_limit": 1,
    "show_progress": "minimal",
    "api_visibility": "private",
    "preprocess": False,
}
# of events that only rearrange the page
QUIET_EVENT: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
    "preprocess": False,
}
# JavaScript that shows or hides the output of an event
SHOW = "() => ({__type__: 'update', visible: true})"
HIDE = "() => ({__type__: 'update', visible: false})"


def import_gradio() -> ModuleType:
    """The module gradio, told to send nothing to its makers. Its import takes seconds."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # else it offers to keep what visitors did with a third party
    os.environ["GRADIO_RUN_HISTORY"] = "False"
    import gradio

    return gradio


@contextlib.contextmanager
def messages(gr: ModuleType) -> Generator[None, None, None]:
    """A UserError within becomes one sentence on the page, with no traceback anywhere."""
    try:
        yield
    except UserError as error:
        raise gr.Error(html.escape(str(error), quote=False), print_exception=False) from None


def clicked_place(event: Any, count: int) -> int:
    """Which of `count` pictures of a gallery was clicked. event: a gr.EventData.

    Of a gr.SelectData a program that sends the event without its data makes a TypeError.
    """
    place = None
    # its data are whatever came over the wire
    with contextlib.suppress(AttributeError, KeyError, TypeError):
        place = event.index
    if type(place) is not int or not 0 <= place < count:
        raise UserError("Click a picture that is on show.")
    return place


def with_stop_button(
    stop: Component, begins: Sequence[Callable[..., Event]], **event: Any
) -> list[Event]:
    """An event whose Stop button is there while it runs; returns one event for each of `begins`.

    begins: what starts it (button.click, earlier.success); the first is its public endpoint.
    event: what Gradio takes for it (fn, inputs, outputs, ...).
    """
    again = {name: value for name, value in event.items() if name != "api_name"}
    again["api_visibility"] = "private"
    runs = []
    for begin in begins:
        settings = again if runs else event
        run = begin(None, None, stop, js=SHOW, **QUIET_EVENT).then(**settings)
        run.then(None, None, stop, js=HIDE, **QUIET_EVENT)
        runs.append(run)
    stop.click(None, None, stop, js=HIDE, cancels=runs, **QUIET_EVENT)
    return runs
