"""The tab Generate: a seed, a prompt and a style in; a pair, and a sheet of pairs, out."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from oneseed.config.inference import GUIDANCE, MAX_PROMPT_LENGTH
from oneseed.console.command import UserError
from oneseed.generation.batcher import Batcher
from oneseed.generation.generator import get_random_seed
from oneseed.page.components import (
    caption_note,
    number_field,
    quiet_text,
    sheet_of_pairs,
    shown_caption,
    shown_picture,
)
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
from oneseed.page.generate_handlers import (
    ANY_STYLE,
    PAGE_MAX_CANDIDATES,
    ControlValues,
    DrawnSheet,
    GenerateHandlers,
)
from oneseed.page.inputs import PAGE_MAX_GUIDANCE, PAGE_MAX_TEMPERATURE
from oneseed.page.links import prompt_text
from oneseed.page.pair_rows import FindGenerator

# what an empty prompt asks for
NO_PROMPT = "nothing in particular"
PROMPT_EXAMPLES = (
    "two small ships under a stormy sky",
    "a large castle on a starry night, cross-hatched",
    "an elephant by a forest",
    "three trees by the sea, in stipple",
)


@dataclass(frozen=True)
class GenerateDesk:
    """The left column: what is asked for."""

    seed: Component
    random_button: Component
    prompt: Component
    examples: Component
    style: Component
    count: Component
    best_of: Component
    guidance: Component
    temperature: Component
    generate_button: Component
    stop_button: Component
    card: Component
    verdict: Component

    @property
    def controls(self) -> list[Component]:
        """In the order of ControlValues."""
        conditions = [self.prompt, self.style, self.guidance, self.temperature, self.best_of]
        return [self.seed, *conditions]


@dataclass(frozen=True)
class PairPlate:
    """The right column: the pair."""

    picture: Component
    caption: Component
    note: Component
    seed: Component
    match: Component
    remark: Component

    @property
    def outputs(self) -> list[Component]:
        """In the order of ShownPair."""
        return [self.picture, self.caption, self.seed, self.match, self.remark]


@dataclass(frozen=True)
class GenerateTab:
    """What the rest of the page needs of the tab."""

    # the event of Generate
    asked: Event
    styles: Component
    examples: Component
    note: Component
    prompt: Component
    # in the order of ControlValues
    controls: list[Component]
    # draws the seed that an event, given as its method `then`, has brought to the controls
    show: Callable[[Callable[..., Event]], Event]


def generate_tab(
    gr: ModuleType, find_generator: FindGenerator, loaded: Event, batcher: Batcher
) -> GenerateTab:
    """Fills the tab. loaded: the event of a page being opened. batcher: of single pairs."""
    with gr.Row(elem_classes="spread"):
        with gr.Column(elem_classes="desk", min_width=260, scale=2):
            desk = generate_desk(gr)
        with gr.Column(elem_classes="plate", elem_id="plate", min_width=260, scale=3):
            plate = pair_plate(gr)
    gr.Markdown(
        "### The sheet\n\nThis seed and those that follow. Click a picture to bring it up. Match: "
        "so many of a hundred real pairs fit no better.",
        elem_id="sheet-title",
        elem_classes="heading",
    )
    sheet = sheet_of_pairs(gr, "Sheet", "sheet")
    handlers = GenerateHandlers(gr, find_generator, sheet.GRADIO_CACHE, batcher)
    return connect_generate(gr, DrawEvents(handlers, desk, plate), sheet, loaded)


def generate_desk(gr: ModuleType) -> GenerateDesk:
    """The fields and buttons of the left column."""
    with gr.Row(elem_classes="line"):
        seed = number_field(gr, "Seed", elem_id="seed", min_width=120, scale=3)
        random_button = gr.Button("Random seed", elem_id="random", min_width=110, scale=1)
    prompt = prompt_field(gr)
    examples = gr.Dataset(
        label="For example",
        components=[gr.Textbox(visible=False)],
        samples=[[text] for text in PROMPT_EXAMPLES],
        elem_id="examples",
    )
    with gr.Row(elem_classes="line"):
        style = gr.Dropdown(
            [(ANY_STYLE, "")],
            value="",
            label="Style",
            filterable=False,
            elem_id="style",
            min_width=150,
            scale=3,
        )
        count = number_field(gr, "How many", "8", elem_id="count", min_width=90, scale=1)
    with gr.Accordion("More", open=False, elem_id="more"):
        best_of = best_of_slider(gr)
        guidance = guidance_slider(gr)
        temperature = temperature_slider(gr)
    with gr.Row(elem_classes="line"):
        generate_button = gr.Button(
            "Generate", variant="primary", elem_id="generate", min_width=120, scale=3
        )
        stop_button = gr.Button(
            "Stop", elem_id="stop-generate", min_width=80, scale=1, visible=False
        )
    return GenerateDesk(
        seed=seed,
        random_button=random_button,
        prompt=prompt,
        examples=examples,
        style=style,
        count=count,
        best_of=best_of,
        guidance=guidance,
        temperature=temperature,
        generate_button=generate_button,
        stop_button=stop_button,
        card=gr.UploadButton("Open a pair card", file_types=[".png"], elem_id="card"),
        verdict=quiet_text(gr, "The card", max_lines=8, elem_id="verdict", visible=False),
    )


def prompt_field(gr: ModuleType) -> Component:
    """Words of what the picture should show."""
    return gr.Textbox(
        "",
        label="Prompt",
        placeholder=NO_PROMPT,
        lines=2,
        max_lines=6,
        max_length=MAX_PROMPT_LENGTH,
        elem_id="prompt",
        info="What the picture should show. The seed still counts: another seed, another answer.",
        html_attributes=gr.InputHTMLAttributes(autocomplete="off", enterkeyhint="go"),
    )


def best_of_slider(gr: ModuleType) -> Component:
    """How many candidates are drawn for a pair."""
    return gr.Slider(
        1,
        PAGE_MAX_CANDIDATES,
        1,
        step=1,
        label="Best of",
        info="So many candidates follow from the seed; the one whose picture and caption match "
        "best is kept.",
        elem_id="best-of",
    )


def guidance_slider(gr: ModuleType) -> Component:
    """How literally a prompt is taken."""
    return gr.Slider(
        0,
        PAGE_MAX_GUIDANCE,
        GUIDANCE,
        step=0.1,
        label="Guidance",
        info="How literally a prompt is taken.",
        elem_id="guidance",
    )


def temperature_slider(gr: ModuleType) -> Component:
    """The temperature of captions."""
    return gr.Slider(
        0,
        PAGE_MAX_TEMPERATURE,
        0,
        step=0.1,
        label="Freedom of captions",
        info="0: the likeliest words; above: drawn, more varied, less exact.",
        elem_id="temperature",
    )


def pair_plate(gr: ModuleType) -> PairPlate:
    """Picture, caption and what is known of both."""
    picture = shown_picture(gr, "Picture", "picture", type="pil")
    caption = shown_caption(gr, "Caption", "caption")
    note = caption_note(gr, "caption-note")
    with gr.Row(elem_classes="marks"):
        seed = small_number(gr, "seed", "shown")
        match = small_number(gr, "match", "match")
    remark = quiet_text(gr, "Remark", max_lines=8, elem_id="remark", visible=False)
    return PairPlate(picture, caption, note, seed, match, remark)


def small_number(gr: ModuleType, label: str, elem_id: str) -> Component:
    """A number below the caption."""
    return gr.Number(
        label=label, interactive=False, elem_id=elem_id, elem_classes="mark", min_width=60
    )


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
            "show_progress_on": self.plate.picture,
        }

    def draw(self, then: Callable[..., Event]) -> Event:
        """Draws the pair after another event, given as its method `then` or `success`."""
        return then(**self.settings(), **PRIVATE_PAIR_TASK)

    def link(self, drawn: Event) -> None:
        """The address bar names the pair that is shown; its seed is the best one."""
        drawn.success(
            fn=None,
            inputs=[self.plate.seed, *self.desk.controls[1:-1]],
            outputs=None,
            js="(...values) => page.link('generate', ...values)",
            **QUIET_EVENT,
        )

    def describe(self, then: Callable[..., Event]) -> None:
        """The remark comes and goes, and screen readers hear the caption."""
        then(
            fn=self.handlers.surroundings,
            inputs=[self.plate.seed, self.plate.caption, self.plate.remark],
            outputs=[self.plate.picture, self.plate.remark],
            **QUIET_EVENT,
        )

    def show(self, then: Callable[..., Event]) -> Event:
        """Draws the pair after another event, and brings the plate into view."""
        drawn = self.draw(then)
        self.link(drawn)
        self.describe(drawn.success)
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
    # an example arrives as its row of texts
    with_row = {**QUIET_EVENT, "preprocess": True}
    example = desk.examples.click(first_of_row, desk.examples, desk.prompt, **with_row)
    chosen = events.draw(example.then)
    connect_sheet(gr, events, sheet, drawn_sheet)
    card_opened = desk.card.upload(
        events.handlers.card_opened,
        desk.card,
        [*desk.controls, desk.verdict],
        **PRIVATE_MODEL_TASK,
    )
    events.show(card_opened.success)
    first = connect_opening(gr, events, loaded)
    for drawn in (asked, lucky, chosen):
        events.link(drawn)
        events.describe(drawn.success)
    events.describe(first.then)
    with_stop_button(
        desk.stop_button,
        [drawn.success for drawn in (asked, lucky, chosen, first)],
        fn=events.handlers.batch,
        inputs=[desk.seed, desk.count, *desk.controls[1:]],
        outputs=[sheet, drawn_sheet],
        api_name="batch",
        **MODEL_TASK,
    )
    note = events.plate.note
    return GenerateTab(
        asked=asked,
        styles=desk.style,
        examples=desk.examples,
        note=note,
        prompt=desk.prompt,
        controls=desk.controls,
        show=events.show,
    )


def random_seed() -> str:
    """For the button Random seed."""
    return str(get_random_seed())


def first_of_row(row: list[str]) -> str:
    """The text of an example that was clicked."""
    if not isinstance(row, list) or not row:
        raise UserError("Click an example that is on show.")
    return prompt_text(row[0])


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
        show_progress_on=events.plate.picture,
        **PRIVATE_PAIR_TASK,
    )
