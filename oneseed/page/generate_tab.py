"""The tab Generate: a seed, a prompt and a style in; a pair, and a sheet of pairs, out."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from oneseed.console.command import UserError
from oneseed.generation.batcher import Batcher
from oneseed.generation.generator import get_random_seed
from oneseed.page.components import sheet_of_pairs
from oneseed.page.events import (
    MODEL_TASK,
    PAIR_TASK,
    PRIVATE_MODEL_TASK,
    PRIVATE_PAIR_TASK,
    QUIET_EVENT,
    Component,
    Event,
    clicked_place,
    with_stop_button,
)
from oneseed.page.generate_handlers import ControlValues, DrawnSheet, GenerateHandlers
from oneseed.page.generate_parts import GenerateDesk, PairPlate, generate_desk, pair_plate
from oneseed.page.listening import connect_listening
from oneseed.page.opening import PROMPT_EXAMPLES
from oneseed.page.pair_rows import FindGenerator
from oneseed.page.watching import connect_watching

# of the event that draws them: nobody waits for it
EXAMPLES_TASK = {**PRIVATE_MODEL_TASK, "show_progress": "hidden"}


@dataclass(frozen=True)
class GenerateTab:
    """What the rest of the page needs of the tab."""

    # the event of Generate
    asked: Event
    # in the order of ControlValues
    controls: list[Component]
    # the pair, with the row of small buttons below it
    plate: PairPlate
    # what depends on the model, in the order of PageState
    of_model: list[Component]
    # draws the seed that an event, given as its method `then`, has brought to the controls
    show: Callable[[Callable[..., Event]], Event]


def generate_tab(
    gr: ModuleType, find_generator: FindGenerator, loaded: Event, batcher: Batcher
) -> GenerateTab:
    """Fills the tab. loaded: the event of a page being opened. batcher: of single pairs."""
    with gr.Row(elem_classes="spread"):
        with gr.Column(elem_classes="plate", elem_id="plate", min_width=260, scale=3):
            plate = pair_plate(gr)
        with gr.Column(elem_classes="desk", min_width=260, scale=2):
            desk = generate_desk(gr)
    gr.Markdown(
        "### The sheet\n\nSeeds in a row; click a picture to bring it up. Above each caption "
        "stands how many of 100 real pairs fit less well.",
        elem_id="sheet-title",
        elem_classes="heading",
    )
    sheet = sheet_of_pairs(gr, "Sheet", "sheet")
    handlers = GenerateHandlers(gr, find_generator, sheet.GRADIO_CACHE, batcher)
    return connect_generate(gr, DrawEvents(handlers, desk, plate), sheet, loaded)


@dataclass(frozen=True)
class DrawEvents:
    """Events that draw a pair on the plate, and what follows each of them."""

    handlers: GenerateHandlers
    desk: GenerateDesk
    plate: PairPlate

    def settings(self) -> dict[str, Any]:
        """What Gradio takes for an event that draws the pair of the controls."""
        return {
            "fn": self.handlers.generate,
            "inputs": self.desk.controls,
            "outputs": self.plate.outputs,
            "show_progress_on": self.plate.shown,
        }

    def draw(self, then: Callable[..., Event]) -> Event:
        """Draws the pair after another event, given as its method `then` or `success`."""
        return then(**self.settings(), **PRIVATE_PAIR_TASK)

    def follow(self, drawn: Event) -> Event:
        """What follows a pair: its marks are told, then the address bar names it."""
        plate = self.plate
        described = drawn.success(
            fn=self.handlers.surroundings,
            inputs=[plate.seed, plate.caption, plate.match, plate.remark, self.desk.seed]
            + [plate.picture],
            outputs=[plate.picture, plate.fit, plate.remark, plate.word, plate.code]
            + plate.listening.outputs
            + plate.watching.outputs,
            **QUIET_EVENT,
        )
        # the seed is the best one of several
        described.then(
            fn=None,
            inputs=[plate.word, plate.seed, *self.desk.controls[1:-1]],
            outputs=None,
            js="(word, seed, ...others) => page.link('generate', word || seed, ...others)",
            **QUIET_EVENT,
        )
        return described

    def show(self, then: Callable[..., Event]) -> Event:
        """Draws the pair after another event, and brings the plate into view."""
        drawn = self.draw(then)
        self.follow(drawn)
        drawn.then(None, None, None, js="() => page.bring('plate')", **QUIET_EVENT)
        return drawn


def connect_generate(
    gr: ModuleType, events: DrawEvents, sheet: Component, loaded: Event
) -> GenerateTab:
    """Wires the tab's events."""
    desk = events.desk
    drawn_sheet = gr.State(None)
    begins = [desk.generate_button.click, desk.seed.submit, desk.prompt.submit, desk.count.submit]
    asked = gr.on(begins, api_name="generate", **events.settings(), **PAIR_TASK)
    rolled = desk.random_button.click(random_seed, None, desk.seed, **QUIET_EVENT)
    lucky = events.draw(rolled.then)
    connect_listening(gr, events.plate.listening, events.plate.picture)
    connect_watching(gr, events.plate.watching, events.plate.picture)
    connect_steps(events)
    connect_sheet(gr, events, sheet, drawn_sheet)
    card_opened = events.plate.card.upload(
        events.handlers.card_opened,
        events.plate.card,
        [*desk.controls, desk.verdict],
        **PRIVATE_MODEL_TASK,
    )
    events.show(card_opened.success)
    first = connect_opening(gr, events, loaded)
    for drawn in (asked, lucky, first):
        events.follow(drawn)
    runs = with_stop_button(
        desk.stop_button,
        [drawn.success for drawn in (asked, lucky, first)],
        fn=events.handlers.batch,
        inputs=[desk.seed, desk.count, *desk.controls[1:]],
        outputs=[sheet, drawn_sheet],
        api_name="batch",
        **MODEL_TASK,
    )
    connect_examples(gr, events, runs)
    return GenerateTab(
        asked=asked,
        of_model=[desk.style, events.plate.note, desk.prompt],
        controls=desk.controls,
        plate=events.plate,
        show=events.show,
    )


def random_seed() -> str:
    """For the button Random seed."""
    return str(get_random_seed())


def connect_steps(events: DrawEvents) -> None:
    """The arrows beside the seed, whose keys and swipes page.js knows."""
    desk = events.desk
    settings = {
        **events.settings(),
        "outputs": [desk.seed, *events.plate.outputs],
        **PRIVATE_MODEL_TASK,
    }
    earlier = desk.earlier_button.click(**{**settings, "fn": events.handlers.earlier})
    later = desk.later_button.click(**{**settings, "fn": events.handlers.later})
    for stepped in (earlier, later):
        events.follow(stepped)


def connect_examples(gr: ModuleType, events: DrawEvents, sheets: list[Event]) -> None:
    """Examples are drawn after the first sheet; a click on one brings it up.

    sheets: the events that draw one.
    """
    desk = events.desk

    def bring_up_example(event: gr.EventData) -> ControlValues:
        return events.handlers.example(clicked_place(event, len(PROMPT_EXAMPLES)))

    for drawn in sheets:
        drawn.then(events.handlers.examples, desk.examples, desk.examples, **EXAMPLES_TASK)
    events.show(desk.examples.select(bring_up_example, None, desk.controls, **QUIET_EVENT).success)


def connect_sheet(
    gr: ModuleType, events: DrawEvents, sheet: Component, drawn_sheet: Component
) -> None:
    """A click on a picture of the sheet brings it up."""

    def bring_up(drawn: DrawnSheet | None, event: gr.EventData) -> ControlValues:
        if drawn is None:
            raise UserError("Draw a sheet first.")
        place = clicked_place(event, len(drawn.seeds))
        config = drawn.config
        return ControlValues(
            seed=str(drawn.seeds[place]),
            prompt=config.prompt or "",
            style=config.style or "",
            guidance=config.guidance,
            temperature=config.temperature,
        )

    events.show(sheet.select(bring_up, drawn_sheet, events.desk.controls, **QUIET_EVENT).then)


def connect_opening(gr: ModuleType, events: DrawEvents, loaded: Event) -> Event:
    """The page was opened: the pair of its link, or the first one."""

    def opened(request: gr.Request) -> tuple[Any, ...]:
        return events.handlers.opened(request.query_params)

    return loaded.then(
        opened,
        None,
        [*events.desk.controls, *events.plate.outputs],
        show_progress_on=events.plate.shown,
        **PRIVATE_PAIR_TASK,
    )
