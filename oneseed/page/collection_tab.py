"""The tab Collection: the prepared pictures with their captions.

Where the visitor may, captions are mended, pictures left out, and archives checked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from oneseed.dataset.curation import SHOWS
from oneseed.page.collection_handlers import (
    PAGE_MAX_CAPTION,
    PAGE_MAX_SEARCH,
    ROWS_ON_A_PAGE,
    CollectionHandlers,
    RowDetail,
)
from oneseed.page.components import quiet_text, sheet_of_pairs, shown_picture
from oneseed.page.events import (
    FILES_TASK,
    QUIET_EVENT,
    Component,
    clicked_place,
    with_stop_button,
)


@dataclass(frozen=True)
class Filters:
    """What is looked for."""

    style: Component
    words: Component
    show: Component


@dataclass(frozen=True)
class RowPanel:
    """One picture shown large, with what can be done with it."""

    one: Component
    picture: Component
    caption: Component
    about: Component
    save_button: Component
    mark_button: Component
    said: Component


@dataclass(frozen=True)
class Shelf:
    """The pictures that were found, a page at a time."""

    tally: Component
    gallery: Component
    back_button: Component
    onward_button: Component


@dataclass(frozen=True)
class ShelfState:
    """What the page remembers for each visitor."""

    # place of the first row shown
    start: Component
    # ids of the rows shown
    listed: Component
    # id of the row shown large
    chosen: Component
    # the collection of the row that is shown
    style: Component


@dataclass(frozen=True)
class ArchiveRegion:
    """An archive, and what was found in it."""

    archive: Component
    stop_button: Component
    checked: Component
    report: Component


def collection_tab(
    gr: ModuleType,
    tab: Component,
    data: str | Path,
    *,
    usual_style: Callable[[], str],
    editable: bool,
) -> None:
    """Fills the tab.

    data: folder of the collections. usual_style(): name of the one to begin with.
    editable: may visitors change files?
    """
    filters = collection_filters(gr)
    tally = gr.Textbox(
        label="Found", interactive=False, buttons=[], elem_id="tally", elem_classes="quiet"
    )
    panel = row_panel(gr, editable=editable)
    gallery = sheet_of_pairs(gr, "Collection", "shelf")
    with gr.Row(elem_classes="line", elem_id="pages"):
        back = gr.Button("Earlier", elem_id="back", min_width=100, interactive=False)
        onward = gr.Button("Further", elem_id="onward", min_width=100, interactive=False)
    shelf = Shelf(tally, gallery, back, onward)
    teaching = teaching_steps(gr, editable=editable)
    region = archive_region(gr, editable=editable)
    state = ShelfState(
        start=gr.State(0), listed=gr.State([]), chosen=gr.State(None), style=gr.State(None)
    )
    handlers = CollectionHandlers(gr, data, usual_style, editable, gallery.GRADIO_CACHE)
    look = look_event(handlers, filters, shelf, state, teaching)
    connect_shelf(gr, tab, filters, shelf, state, look=look)
    with_stop_button(
        region.stop_button,
        [region.archive.upload],
        fn=handlers.check,
        inputs=region.archive,
        outputs=[region.checked, region.report],
        **FILES_TASK,
    )
    connect_panel(gr, handlers, filters.style, gallery, panel, state, look=look)


def collection_filters(gr: ModuleType) -> Filters:
    """The row of fields at the top."""
    with gr.Row(elem_classes="line", elem_id="filters"):
        style = gr.Dropdown(
            [],
            label="Collection",
            filterable=False,
            elem_id="collection-style",
            min_width=140,
            scale=1,
            visible=False,
        )
        words = gr.Textbox(
            label="Words of the caption",
            placeholder="any",
            max_lines=1,
            max_length=PAGE_MAX_SEARCH,
            elem_id="words-wanted",
            min_width=180,
            scale=3,
            html_attributes=gr.InputHTMLAttributes(autocomplete="off", enterkeyhint="search"),
        )
        show = gr.Dropdown(
            list(SHOWS),
            value=SHOWS[0],
            label="Show",
            filterable=False,
            elem_id="show",
            min_width=150,
            scale=1,
        )
    return Filters(style, words, show)


def row_panel(gr: ModuleType, *, editable: bool) -> RowPanel:
    """The picture that was clicked, beside its caption and its buttons."""
    with gr.Row(elem_classes="spread", elem_id="one", visible=False) as one:
        with gr.Column(elem_classes="plate", min_width=260):
            picture = shown_picture(gr, "Picture", "one-picture")
        with gr.Column(elem_classes="desk", min_width=260):
            caption = gr.Textbox(
                label="Caption",
                lines=3,
                max_lines=8,
                max_length=PAGE_MAX_CAPTION,
                interactive=editable,
                elem_id="one-caption",
                buttons=["copy"],
            )
            about = quiet_text(gr, "About", max_lines=4, elem_id="one-about")
            with gr.Row(elem_classes="line", visible=editable):
                save = gr.Button("Save caption", variant="primary", elem_id="save", min_width=120)
                mark = gr.Button("Leave out", elem_id="mark", min_width=120)
            said = quiet_text(gr, "Done", max_lines=4, elem_id="said", visible=False)
    return RowPanel(one, picture, caption, about, save, mark, said)


def teaching_steps(gr: ModuleType, *, editable: bool) -> Component:
    """The commands that teach a captioner on the collection, folded away."""
    with gr.Accordion(
        "Teach a captioner on these pairs", open=False, elem_id="teach", visible=editable
    ):
        return gr.Textbox(
            label="In a terminal, one after another",
            interactive=False,
            buttons=["copy"],
            lines=1,
            max_lines=8,
            elem_id="teaching",
            visible=False,
        )


def archive_region(gr: ModuleType, *, editable: bool) -> ArchiveRegion:
    """A field for an archive, folded away."""
    with gr.Accordion(
        "Check an archive before it becomes a collection",
        open=False,
        elem_id="check",
        visible=editable,
    ):
        archive = gr.File(
            label="Archive: .zip, .tar, .tar.gz",
            file_types=[".zip", ".tar", ".gz", ".tgz"],
            elem_id="archive",
            height=120,
        )
        stop = gr.Button("Stop", elem_id="stop-check", visible=False)
        checked = gr.Textbox(
            label="What it holds",
            interactive=False,
            buttons=["copy"],
            lines=1,
            max_lines=40,
            elem_id="checked",
            visible=False,
        )
        report = gr.HTML(elem_id="check-report", visible=False)
    return ArchiveRegion(archive, stop, checked, report)


def look_event(
    handlers: CollectionHandlers,
    filters: Filters,
    shelf: Shelf,
    state: ShelfState,
    teaching: Component,
) -> dict[str, Any]:
    """What Gradio takes for the event that fills the shelf."""
    return {
        "fn": handlers.look,
        "inputs": [filters.style, filters.words, filters.show, state.start],
        # in the order of ShelfPage
        "outputs": [
            filters.style,
            shelf.gallery,
            shelf.tally,
            state.start,
            state.listed,
            shelf.back_button,
            shelf.onward_button,
            teaching,
        ],
        "show_progress_on": shelf.gallery,
        **FILES_TASK,
    }


def from_the_first() -> int:
    """Where the shelf begins once something else is looked for."""
    return 0


def page_before(start: int) -> int:
    """For the button Earlier."""
    return max(0, start - ROWS_ON_A_PAGE)


def page_after(start: int) -> int:
    """For the button Further."""
    return start + ROWS_ON_A_PAGE


def connect_shelf(
    gr: ModuleType,
    tab: Component,
    filters: Filters,
    shelf: Shelf,
    state: ShelfState,
    *,
    look: dict[str, Any],
) -> None:
    """Filters and buttons fill the shelf anew, and so does opening the tab."""
    start = state.start
    changed = [filters.words.submit, filters.show.input, filters.style.input]
    gr.on(changed, from_the_first, None, start, **QUIET_EVENT).then(**look)
    shelf.back_button.click(page_before, start, start, **QUIET_EVENT).then(**look)
    shelf.onward_button.click(page_after, start, start, **QUIET_EVENT).then(**look)
    tab.select(**look)


def connect_panel(
    gr: ModuleType,
    handlers: CollectionHandlers,
    style: Component,
    gallery: Component,
    panel: RowPanel,
    state: ShelfState,
    *,
    look: dict[str, Any],
) -> None:
    """A click on the shelf shows a row large; its buttons change it."""

    def picked(style: Any, listed: list[str], event: gr.EventData) -> RowDetail:
        return handlers.picked(style, listed[clicked_place(event, len(listed))])

    # in the order of RowDetail
    shown = [
        panel.one,
        panel.picture,
        panel.caption,
        panel.about,
        panel.mark_button,
        panel.said,
        state.chosen,
        state.style,
    ]
    gallery.select(picked, [style, state.listed], shown, **FILES_TASK)
    # the row on show is of the collection that was on the shelf when it was clicked
    caption_inputs = [state.style, state.chosen, panel.caption]
    saved = panel.save_button.click(handlers.saved, caption_inputs, shown, **FILES_TASK)
    saved.success(**look)
    mark_inputs = [state.style, state.chosen]
    marked = panel.mark_button.click(handlers.marked, mark_inputs, shown, **FILES_TASK)
    marked.success(**look)
