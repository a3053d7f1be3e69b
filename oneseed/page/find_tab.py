"""The tab Find: words or a picture in; the best of the seeds that were drawn before, out.

Reads the index that `python inference.py --index N` writes; where the visitor may, a first index is
drawn here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from oneseed.config.inference import MAX_PROMPT_LENGTH, InferenceConfig
from oneseed.console.command import UserError
from oneseed.dataset.commands import draw_command
from oneseed.dataset.jsonl import Row
from oneseed.generation import index
from oneseed.generation.batcher import Batcher
from oneseed.generation.generator import MultimodalGenerator
from oneseed.page.components import number_field, picture_field, quiet_text, sheet_of_pairs
from oneseed.page.events import (
    MODEL_TASK,
    PRIVATE_MODEL_TASK,
    QUIET_EVENT,
    Component,
    messages,
    with_stop_button,
)
from oneseed.page.opening import best_seeds
from oneseed.page.pair_rows import PAGE_AT_ONCE, FindGenerator, GalleryRow, seed_cards, seed_rows
from oneseed.page.sentences import Tell
from oneseed.page.uploads import uploaded_image
from oneseed.web.inputs import one_line, whole_number
from oneseed.workers import chunks

# seeds that the page itself offers to draw
FIRST_INDEX = 2000
# that are drawn together, while pairs of others wait
PAGE_INDEX_BATCH = 16
# seeds that are shown before anything is looked for
FIRST_SHOWN = 8
# seeds of one answer
PAGE_MAX_FOUND = 24
# settings of the event that draws the index
INDEX_TASK: dict[str, Any] = {
    "concurrency_id": "index",
    "concurrency_limit": 1,
    "show_progress": "hidden",
    "api_visibility": "private",
    "preprocess": False,
}


@dataclass(frozen=True)
class FindDesk:
    """What is looked for, and the state of the index."""

    words: Component
    count: Component
    find_button: Component
    stop_button: Component
    known: Component
    build_button: Component
    halt_button: Component
    picture: Component


@dataclass(frozen=True)
class FindHandlers:
    """What the tab does on the server."""

    gr: ModuleType
    find_generator: FindGenerator
    # folder of the files that Gradio serves and receives
    cache: str
    batcher: Batcher
    # may visitors have the index drawn?
    editable: bool
    tell: Tell = str

    def search(
        self, sought: Any, picture: Any, count: Any
    ) -> Iterator[tuple[list[GalleryRow], list[int]]]:
        """Look for the seeds whose pictures and captions say something best, among those that were
        drawn before.

        Parameters:
            sought: words, at most 500 characters; "" to look for the picture
            picture: a file of a picture, such as PNG, JPEG, TIFF or AVIF, or null; not looked at
                where there are words
            count: how many, 1 to 24
        Returns:
            the pictures as PNG, each with "seed N" and its match, a line break and its caption
        """
        with messages(self.gr):
            words = one_line(sought, "What is searched for", limit=MAX_PROMPT_LENGTH)
            length = whole_number(count, "How many", low=1, high=PAGE_MAX_FOUND)
            generator = self.find_generator()
            image = None
            if words:
                for remark in generator.read_prompt(words).remarks:
                    self.gr.Info(remark)
            elif picture:
                image = uploaded_image(picture, self.cache)
            else:
                raise UserError("Write what to look for, or drop a picture.")
            found = self.batcher.call(lambda: self.found(generator, words or None, image, length))
            best = [row["seed"] for row in found]
            rows = []
            for seeds in chunks(best, PAGE_AT_ONCE):
                made = seed_cards(
                    self.batcher, generator, InferenceConfig(), seeds, self.cache, is_begun=True
                )
                rows += seed_rows(made)
                yield rows, best

    def found(
        self,
        generator: MultimodalGenerator,
        words: str | None,
        image: Image.Image | None,
        count: int,
    ) -> list[Row]:
        """As index.find_seeds; without an index the UserError names a way on that a visitor has."""
        try:
            return generator.find_seeds(words, image, count)
        except UserError:
            if index.load_index(generator, "seeds") is not None:
                raise
        draw = f", or press Draw {FIRST_INDEX:,} seeds" if self.editable else ""
        raise UserError(
            "No seed is indexed yet, so there is nothing to look through; give the words as a "
            f"prompt in the tab Generate{draw}."
        )

    def held(self) -> tuple[str, Component]:
        """What the index holds, and the button that draws it where the visitor may."""
        hidden = self.gr.Button(visible=False)
        try:
            generator = self.find_generator()
            seeds = index.load_index(generator, "seeds")
        except UserError as error:
            # no model: the notice says so; a damaged index
            return self.tell(str(error)), hidden
        if seeds:
            known = len(seeds["captions"])
            # stopped before its end
            is_short = self.editable and known < FIRST_INDEX
            return f"{known:,} seeds are indexed", self.gr.Button(visible=is_short)
        sentence = "No seed is indexed yet; below are the best pairs of the first few."
        command = draw_command(generator.checkpoint, "--index 10000")
        if not self.editable:
            return self.tell(f"{sentence[:-1]}; more are looked through after {command}"), hidden
        offer = f"{sentence} To look through more: {command}, or here, in about a minute:"
        return offer, self.gr.Button(visible=True)

    def shown(self, rows: Any) -> tuple[Any, Any]:
        """The best pairs that are known, where nothing has been looked for yet, and their seeds.

        rows: of the sheet as it is.
        """
        if rows:
            return self.gr.skip(), self.gr.skip()
        try:
            generator = self.find_generator()
            best = self.batcher.call(lambda: self.best_known(generator))
            made = seed_cards(self.batcher, generator, InferenceConfig(), best, self.cache)
        except UserError:
            # no model: the notice says so; a damaged index: `held` does
            return [], []
        return seed_rows(made), best

    def best_known(self, generator: MultimodalGenerator) -> list[int]:
        """The seeds whose picture and caption fit best, of the index or, without one, of a few."""
        known = index.load_index(generator, "seeds")
        if known is None:
            return best_seeds(generator)[:FIRST_SHOWN]
        return np.argsort(-known["cosine"], kind="stable")[:FIRST_SHOWN].tolist()

    def drawn(self) -> Iterator[str]:
        """Draw the first index, saying how far it is."""
        with messages(self.gr):
            if not self.editable:
                raise UserError(
                    "This page is open to others without a password, so it writes no files."
                )
            growth = index.grow_seeds(self.find_generator(), FIRST_INDEX, PAGE_INDEX_BATCH)
            for done in self.batcher.each(growth):
                yield f"{done:,} of {FIRST_INDEX:,} seeds drawn"


def find_tab(
    gr: ModuleType,
    tab: Component,
    find_generator: FindGenerator,
    batcher: Batcher,
    *,
    tell: Tell,
    editable: bool,
) -> tuple[Component, Component]:
    """Fills the tab; returns its sheet, and the State that holds the seeds of the sheet.

    batcher: of all that asks the model. tell: how sentences are said.
    editable: may visitors have the index drawn?
    """
    desk = find_desk(gr)
    sheet = sheet_of_pairs(gr, "Found", "found")
    seeds = gr.State([])
    handlers = FindHandlers(gr, find_generator, sheet.GRADIO_CACHE, batcher, editable, tell)
    with_stop_button(
        desk.stop_button,
        [desk.find_button.click, desk.words.submit, desk.count.submit],
        fn=handlers.search,
        inputs=[desk.words, desk.picture, desk.count],
        outputs=[sheet, seeds],
        api_name="find",
        **MODEL_TASK,
    )
    (built,) = with_stop_button(
        desk.halt_button,
        [desk.build_button.click],
        fn=handlers.drawn,
        inputs=None,
        outputs=desk.known,
        **INDEX_TASK,
    )
    for begin in (tab.select, built.then):
        begin(handlers.held, None, [desk.known, desk.build_button], **QUIET_EVENT)
    tab.select(handlers.shown, sheet, [sheet, seeds], **PRIVATE_MODEL_TASK)
    return sheet, seeds


def find_desk(gr: ModuleType) -> FindDesk:
    """Words on the left, a picture on the right."""
    with gr.Row(elem_classes="spread"):
        with gr.Column(elem_classes="desk", min_width=260, scale=3):
            words = words_field(gr)
            with gr.Row(elem_classes="line"):
                count = number_field(
                    gr, "How many", "8", elem_id="find-count", min_width=90, scale=1
                )
                find_button = gr.Button(
                    "Find", variant="primary", elem_id="find", min_width=120, scale=3
                )
                stop_button = gr.Button(
                    "Stop", elem_id="stop-find", min_width=80, scale=1, visible=False
                )
            known = quiet_text(gr, "Index", max_lines=4, elem_id="known")
            with gr.Row(elem_classes="line"):
                build_button = gr.Button(
                    f"Draw {FIRST_INDEX:,} seeds", elem_id="build", visible=False
                )
                halt_button = gr.Button("Stop", elem_id="stop-build", visible=False)
        with gr.Column(elem_classes="plate", min_width=200, scale=2):
            picture = picture_field(
                gr,
                "Or a picture",
                "sought-picture",
                alt_text="The picture to look for",
                placeholder="… or drop a picture here",
            )
    return FindDesk(
        words=words,
        count=count,
        find_button=find_button,
        stop_button=stop_button,
        known=known,
        build_button=build_button,
        halt_button=halt_button,
        picture=picture,
    )


def words_field(gr: ModuleType) -> Component:
    """Words that a pair should say."""
    return gr.Textbox(
        "",
        label="Words",
        placeholder="an elephant on a starry night",
        lines=2,
        max_lines=6,
        max_length=MAX_PROMPT_LENGTH,
        elem_id="sought",
        info="Nothing is drawn to order: the seeds that say it best already are looked up.",
        html_attributes=gr.InputHTMLAttributes(autocomplete="off", enterkeyhint="search"),
    )
