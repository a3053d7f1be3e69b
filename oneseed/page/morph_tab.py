"""The tab Morph: two seeds in; the walk from one to the other as a strip and a film, out.

The player (play, pause, the slider) runs in the browser: page.js.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from oneseed.generation.batcher import Batcher
from oneseed.generation.film import film_gif
from oneseed.generation.generator import MultimodalGenerator, get_random_seed
from oneseed.generation.requests import Pair, with_facts
from oneseed.page.components import seed_field, sheet_of_pairs
from oneseed.page.events import (
    MODEL_TASK,
    QUIET_EVENT,
    Component,
    Event,
    clicked_place,
    messages,
    with_stop_button,
)
from oneseed.page.links import controls_from_query
from oneseed.page.pair_rows import PAGE_AT_ONCE, FindGenerator, GalleryRow, pair_text, saved_card
from oneseed.web.inputs import parse_seed, whole_number

# pairs of a walk
PAGE_MAX_WALK = 48
# seconds that the player shows a pair
PLAYER_PAUSE = 0.25


@dataclass(frozen=True)
class MorphDesk:
    """The left column: from where to where."""

    first: Component
    last: Component
    steps: Component
    random_button: Component
    morph_button: Component
    stop_button: Component


@dataclass(frozen=True)
class MorphStage:
    """The right column: one step of the walk, and the player's buttons."""

    frame: Component
    words: Component
    play_button: Component
    step: Component
    film: Component


@dataclass(frozen=True)
class MorphHandlers:
    """What the tab does on the server."""

    gr: ModuleType
    find_generator: FindGenerator
    # folder of the files that Gradio serves
    cache: str
    batcher: Batcher

    def morph(
        self, first: Any, last: Any, steps: Any
    ) -> Iterator[tuple[list[GalleryRow], str | None]]:
        """Walk from one seed to another, picture and caption changing together.

        Parameters:
            first: seed of the first pair, whole number from 0 to 4294967295, or a word
            last: seed of the last pair
            steps: how many pairs, both counted, 2 to 48
        Returns:
            the pictures as PNG, each with "step N" and its match, a line break and its caption;
            and the walk there and back as an animated GIF
        """
        with messages(self.gr):
            start = parse_seed(first, "The first seed")
            end = parse_seed(last, "The last seed")
            length = whole_number(steps, "Steps", low=2, high=PAGE_MAX_WALK)
            generator = self.find_generator()
            pairs = []
            rows = []
            for part in self.batcher.each(walked_pairs(generator, start, end, length)):
                for pair in part:
                    path, facts = saved_card(generator, pair, self.cache)
                    rows.append((path, pair_text(f"step {facts['step'] + 1}", facts)))
                pairs += [(pair.image, pair.caption) for pair in part]
                if len(rows) < length:
                    yield rows, None
            film = self.gr.processing_utils.save_bytes_to_cache(
                film_gif(pairs), f"morph_{start}_{end}.gif", self.cache
            )
            yield rows, film


def walked_pairs(
    generator: MultimodalGenerator, start: int, end: int, length: int
) -> Iterator[list[Pair]]:
    """The pairs of a walk with their facts, as many at a time as are shown together."""
    part = []
    for step, (image, caption) in enumerate(generator.walk(start, end, length)):
        facts = {"from": start, "to": end, "step": step, "steps": length}
        part.append(Pair(f"{start}_{end}_{step:02d}", "", image, caption, facts))
        if len(part) == PAGE_AT_ONCE or step == length - 1:
            yield with_facts(generator, part)
            part = []


def morph_tab(
    gr: ModuleType,
    tab: Component,
    find_generator: FindGenerator,
    loaded: Event,
    batcher: Batcher,
) -> None:
    """Fills the tab; its first walk begins when it is turned to.

    loaded: the event of a page being opened. batcher: of all that asks the model.
    """
    with gr.Row(elem_classes="spread"):
        with gr.Column(elem_classes="plate", elem_id="stage", min_width=260, scale=3):
            stage = morph_stage(gr)
        with gr.Column(elem_classes="desk", min_width=260, scale=2):
            desk = morph_desk(gr)
    strip = sheet_of_pairs(gr, "Every step", "strip")
    clock = gr.Timer(PLAYER_PAUSE, active=False)
    handlers = MorphHandlers(gr, find_generator, stage.film.GRADIO_CACHE, batcher)
    connect_walk(handlers, desk, stage, strip, clock)
    linked = connect_player(gr, desk, stage, strip, clock, loaded)
    tab.select(None, strip, None, js="strip => page.firstWalk(strip)", **QUIET_EVENT)
    linked.then(None, strip, None, js="strip => page.firstWalk(strip, true)", **QUIET_EVENT)


def morph_desk(gr: ModuleType) -> MorphDesk:
    """The fields and buttons of the left column."""
    with gr.Row(elem_classes="line"):
        first = seed_field(gr, "From seed", "3", elem_id="from", min_width=110)
        last = seed_field(gr, "To seed", "9", elem_id="to", min_width=110)
    steps = gr.Slider(2, PAGE_MAX_WALK, 24, step=1, label="Steps", elem_id="steps")
    random_button = gr.Button("Two random seeds", elem_id="random-two")
    with gr.Row(elem_classes="line"):
        morph_button = gr.Button(
            "Morph", variant="primary", elem_id="morph", min_width=120, scale=3
        )
        stop_button = gr.Button("Stop", elem_id="stop-morph", min_width=80, scale=1, visible=False)
    return MorphDesk(first, last, steps, random_button, morph_button, stop_button)


def morph_stage(gr: ModuleType) -> MorphStage:
    """The step that is shown, and the player below it."""
    frame = gr.Image(
        label="Step",
        show_label=False,
        format="png",
        interactive=False,
        buttons=[],
        elem_id="frame",
        elem_classes="print",
        alt_text="One step of the way; its caption stands below",
    )
    words = gr.Textbox(
        label="Caption of the step",
        interactive=False,
        lines=3,
        max_lines=6,
        buttons=["copy"],
        elem_id="words",
        elem_classes="legend",
    )
    with gr.Row(elem_classes="line", elem_id="player"):
        play_button = gr.Button("Play", elem_id="play", min_width=80, scale=1)
        step = gr.Slider(1, PAGE_MAX_WALK, 1, step=1, label="Step", elem_id="step", scale=4)
        film = gr.DownloadButton(
            "Animation", elem_id="film", min_width=80, scale=1, interactive=False
        )
    return MorphStage(frame, words, play_button, step, film)


def two_seeds() -> tuple[str, str]:
    """For the button Two random seeds."""
    return str(get_random_seed()), str(get_random_seed())


def connect_walk(
    handlers: MorphHandlers, desk: MorphDesk, stage: MorphStage, strip: Component, clock: Component
) -> None:
    """A walk fills the strip; when it ends, the player begins and the address bar names it."""
    ends = [desk.first, desk.last]
    lucky = desk.random_button.click(two_seeds, None, ends, **QUIET_EVENT)
    runs = with_stop_button(
        desk.stop_button,
        [desk.morph_button.click, desk.first.submit, desk.last.submit, lucky.then],
        fn=handlers.morph,
        inputs=[desk.first, desk.last, desk.steps],
        outputs=[strip, stage.film],
        api_name="morph",
        # one that is asked for while the first one is drawn follows it
        trigger_mode="multiple",
        **MODEL_TASK,
    )
    player = [clock, stage.play_button, stage.step, stage.frame, stage.words, stage.film]
    for run in runs:
        run.then(None, strip, player, js="strip => page.begin(strip)", **QUIET_EVENT)
        run.success(
            None,
            ends,
            None,
            js="(first, last) => page.link('morph', first, last)",
            **QUIET_EVENT,
        )


def connect_player(
    gr: ModuleType,
    desk: MorphDesk,
    stage: MorphStage,
    strip: Component,
    clock: Component,
    loaded: Event,
) -> Event:
    """The player's own events, and that of the seeds of a link, which it returns."""

    def opened(request: gr.Request) -> tuple[str, str]:
        """The two seeds as the page's address has them."""
        query = controls_from_query(request.query_params)
        return query["from"], query["to"]

    def go_to(event: gr.EventData) -> int:
        """A picture of the strip was clicked -> its step."""
        return clicked_place(event, PAGE_MAX_WALK) + 1

    stage.play_button.click(
        None,
        None,
        [clock, stage.play_button],
        js="() => page.play(!page.playing)",
        **QUIET_EVENT,
    )
    clock.tick(
        None,
        [stage.step, strip],
        [stage.step, stage.frame, stage.words],
        js="(step, strip) => page.tick(step, strip)",
        **QUIET_EVENT,
    )
    # while a walk is being drawn
    strip.change(
        None,
        strip,
        [stage.frame, stage.words],
        js="strip => page.watch(strip)",
        **QUIET_EVENT,
    )
    show_step: dict[str, Any] = {
        "fn": None,
        "inputs": [stage.step, strip],
        "outputs": [clock, stage.play_button, stage.frame, stage.words],
        "js": "(step, strip) => page.show(step, strip)",
        **QUIET_EVENT,
    }
    stage.step.input(**show_step)
    strip.select(go_to, None, stage.step, **QUIET_EVENT).then(**show_step)
    return loaded.then(opened, None, [desk.first, desk.last], **QUIET_EVENT)
