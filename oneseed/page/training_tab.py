"""The tab Training: what a run left behind, as curves, pictures and numbers."""

import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from PIL import Image

from oneseed.console.command import UserError
from oneseed.page.components import quiet_text, sheet_of_pairs, shown_picture
from oneseed.page.curves import curves
from oneseed.page.events import FILES_TASK, QUIET_EVENT, Component, Event, clicked_place
from oneseed.page.pair_rows import FindGenerator
from oneseed.page.sentences import Tell
from oneseed.page.training_results import (
    EPOCHS_SHOWN,
    describe_time_left,
    health_table,
    read_metrics,
    report_tables,
    run_summary,
    seed_board,
)

# seconds that the flip-book shows a leaf
LEAF_SECONDS = 0.5


class TrainingView(NamedTuple):
    """What the tab shows, in the order of its components."""

    run: str
    # HTML
    losses: str
    heading: Component
    book: Component
    grids: list[tuple[Image.Image, str]]
    captions: Component
    # HTML
    numbers: str


@dataclass(frozen=True)
class TrainingHandlers:
    """What the tab does on the server."""

    gr: ModuleType
    find_generator: FindGenerator
    # folder of the training run
    run: str | Path
    # what evaluation.py wrote
    report: str | Path
    tell: Tell = str

    def read(self) -> TrainingView:
        """Reads the files anew."""
        dimensions = None
        health = None
        try:
            generator = self.find_generator()
        except UserError:
            # said by the notice
            pass
        else:
            dimensions = generator.dimensions
            health = generator.health
        try:
            rows = read_metrics(self.run)
            summary = run_summary(rows)
            losses = curves(rows, dimensions)
        except UserError as error:
            summary = self.tell(str(error))
            losses = ""
        board = seed_board(Path(self.run) / "tensorboard")
        left = describe_time_left(board, time.time())
        return TrainingView(
            run=f"{left}\n{summary}" if left else summary,
            losses=losses,
            heading=self.gr.Markdown(visible=bool(board.grids)),
            book=self.gr.Column(visible=bool(board.grids)),
            grids=list(board.grids),
            captions=self.gr.Textbox(board.captions, visible=bool(board.captions)),
            numbers=health_table(health) + report_tables(self.report, self.tell),
        )


def training_tab(
    gr: ModuleType,
    tab: Component,
    find_generator: FindGenerator,
    *,
    run: str | Path,
    report: str | Path,
    tell: Tell,
) -> None:
    """Fills the tab; its files are read anew whenever it is opened.

    run: folder of the training. report: what evaluation.py wrote. tell: how sentences are said.
    """
    summary = quiet_text(gr, "The run", max_lines=4, elem_id="run")
    losses = gr.HTML(elem_id="losses")
    heading = gr.Markdown(
        "## Watch it learn\n\nWhat the same eight seeds gave, epoch after epoch.",
        elem_classes="heading",
        visible=False,
    )
    with gr.Column(elem_classes="plate", visible=False) as book:
        leaf = flip_book(gr)
    grids = sheet_of_pairs(gr, "Eight seeds after each epoch", "grids")
    captions = gr.Textbox(
        label="Captions of the last",
        interactive=False,
        buttons=["copy"],
        lines=1,
        max_lines=16,
        elem_id="grid-captions",
    )
    gr.Markdown("## The latent, and the report", elem_classes="heading")
    numbers = gr.HTML(elem_id="numbers")
    handlers = TrainingHandlers(gr, find_generator, run, report, tell)
    # in the order of TrainingView
    shown = [summary, losses, heading, book, grids, captions, numbers]
    read = tab.select(handlers.read, None, shown, **FILES_TASK)
    connect_book(gr, leaf, grids, read)


@dataclass(frozen=True)
class FlipBook:
    """The grids as leaves of a book, and its buttons."""

    leaf: Component
    words: Component
    play_button: Component
    step: Component
    clock: Component


def flip_book(gr: ModuleType) -> FlipBook:
    """One leaf, and what turns it."""
    leaf = shown_picture(gr, "Eight seeds", "flip", alt_text="What eight seeds gave")
    words = quiet_text(gr, "Epoch", max_lines=2, elem_id="flip-words")
    with gr.Row(elem_classes="line player"):
        play = gr.Button("Play", elem_id="flip-play", min_width=80, scale=1)
        step = gr.Slider(1, EPOCHS_SHOWN, 1, step=1, label="Leaf", elem_id="flip-step", scale=4)
    return FlipBook(leaf, words, play, step, gr.Timer(LEAF_SECONDS, active=False))


def connect_book(gr: ModuleType, book: FlipBook, grids: Component, read: Event) -> None:
    """The browser turns the leaves: page.js. read: the event that brings them."""
    state = [book.clock, book.play_button]
    page = [book.leaf, book.words]

    def picked(event: gr.EventData) -> int:
        """A grid was clicked -> its leaf."""
        return clicked_place(event, EPOCHS_SHOWN) + 1

    js = "grids => page.openBook(grids)"
    read.success(None, grids, [*state, book.step, *page], js=js, **QUIET_EVENT)
    js = "() => page.flip(!page.flipping)"
    book.play_button.click(None, None, state, js=js, **QUIET_EVENT)
    leaf = [book.step, grids]
    js = "(step, grids) => page.turnLeaf(step, grids)"
    book.clock.tick(None, leaf, [book.step, *page], js=js, **QUIET_EVENT)
    js = "(step, grids) => [...page.flip(false), ...page.leaf(step, grids)]"
    turn: dict[str, Any] = {"fn": None, "inputs": leaf, "outputs": [*state, *page], "js": js}
    book.step.input(**turn, **QUIET_EVENT)
    grids.select(picked, None, book.step, **QUIET_EVENT).then(**turn, **QUIET_EVENT)
