"""Fields and frames that several tabs have."""

from types import ModuleType
from typing import Any

from oneseed.page.events import Component


def number_field(gr: ModuleType, label: str, value: str | None = None, **more: Any) -> Component:
    """A text field for a whole number: a number field of Gradio sends null for "abc"."""
    attributes = gr.InputHTMLAttributes(autocomplete="off", spellcheck=False, enterkeyhint="go")
    return gr.Textbox(
        value,
        label=label,
        max_lines=1,
        elem_classes=more.pop("elem_classes", "figures"),
        html_attributes=attributes,
        **more,
    )


def seed_field(gr: ModuleType, label: str, value: str | None = None, **more: Any) -> Component:
    """A field for a seed, which may be a word: a phone shows all its keys."""
    return number_field(gr, label, value, elem_classes=["figures", "words"], **more)


def quiet_text(gr: ModuleType, label: str, *, max_lines: int, **more: Any) -> Component:
    """Text of the page's own that grows with what it says, without a frame."""
    return gr.Textbox(
        label=label,
        interactive=False,
        buttons=[],
        lines=1,
        max_lines=max_lines,
        elem_classes="quiet",
        **more,
    )


def shown_caption(gr: ModuleType, label: str, elem_id: str) -> Component:
    """The caption below a picture, with a button that copies it."""
    return gr.Textbox(
        label=label,
        interactive=False,
        lines=1,
        max_lines=12,
        buttons=["copy"],
        elem_id=elem_id,
        elem_classes="legend",
    )


def caption_note(gr: ModuleType, elem_id: str) -> Component:
    """Below a caption: who wrote it, where the model did not."""
    return gr.Markdown(visible=False, elem_id=elem_id, elem_classes="caption-note")


def shown_picture(gr: ModuleType, label: str, elem_id: str, **more: Any) -> Component:
    """A picture of the model or of the collection, which can be saved; a click shows it large."""
    return gr.Image(
        label=label,
        show_label=False,
        format="png",
        interactive=False,
        buttons=["download"],
        elem_id=elem_id,
        elem_classes="print",
        **more,
    )


def picture_field(gr: ModuleType, label: str, elem_id: str, **more: Any) -> Component:
    """A field for a picture that the visitor brings."""
    return gr.Image(
        label=label,
        show_label=False,
        format="png",
        sources=["upload", "clipboard"],
        interactive=True,
        buttons=[],
        elem_id=elem_id,
        elem_classes="print",
        **more,
    )


def sheet_of_pairs(gr: ModuleType, label: str, elem_id: str) -> Component:
    """A gallery whose captions stand below the pictures."""
    return gr.Gallery(
        label=label,
        show_label=False,
        format="png",
        interactive=False,
        allow_preview=False,
        columns=4,
        height="auto",
        object_fit="contain",
        buttons=["download_all"],
        elem_id=elem_id,
        elem_classes="sheet",
    )
