"""The tab Morph."""

from oneseed.generation.generator import get_random_seed
from oneseed.generation.rendering import animation
from oneseed.page.events import figures, messages, pair_text, sheet_of_pairs, with_stop_button
from oneseed.page.generate_tab import PAGE_MAX_WALK, controls_from_query
from oneseed.page.inputs import (
    MODEL_TASK,
    PAGE_AT_ONCE,
    QUIET_EVENT,
    as_cards,
    parse_seed,
    whole_number,
)


def morph_tab(gr, find, loaded):
    """Fills the tab. loaded: the event of a page being opened."""
    with gr.Row(elem_classes="spread"):
        with gr.Column(elem_classes="desk", min_width=260, scale=2):
            with gr.Row(elem_classes="line"):
                first = figures(gr, "From seed", "3", elem_id="from", min_width=110)
                last = figures(gr, "To seed", "9", elem_id="to", min_width=110)
            steps = gr.Slider(2, PAGE_MAX_WALK, 24, step=1, label="Steps", elem_id="steps")
            dice = gr.Button("Two random seeds", elem_id="random-two")
            with gr.Row(elem_classes="line"):
                go = gr.Button("Morph", variant="primary", elem_id="morph", min_width=120, scale=3)
                stop = gr.Button("Stop", elem_id="stop-morph", min_width=80, scale=1, visible=False)
        with gr.Column(elem_classes="plate", elem_id="stage", min_width=260, scale=3):
            frame = gr.Image(
                label="Step",
                show_label=False,
                format="png",
                interactive=False,
                buttons=["fullscreen"],
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
                play = gr.Button("Play", elem_id="play", min_width=80, scale=1)
                step = gr.Slider(1, PAGE_MAX_WALK, 1, step=1, label="Step", elem_id="step", scale=4)
                film = gr.DownloadButton(
                    "Animation", elem_id="film", min_width=80, scale=1, interactive=False
                )
    strip = sheet_of_pairs(gr, label="Every step", elem_id="strip")
    clock = gr.Timer(0.25, active=False)

    def morph(first, last, steps):
        """Walk from one seed to another, picture and caption changing together.

        Parameters:
            first: seed of the first pair, whole number from 0 to 4294967295
            last: seed of the last pair
            steps: how many pairs, both counted, 2 to 48
        Returns:
            the pictures as PNG, each with "step N" and its match, a line break and its caption; and the walk there and back as an animated GIF
        """
        with messages(gr):
            first = parse_seed(first, "The first seed")
            last = parse_seed(last, "The last seed")
            steps = whole_number(steps, 2, PAGE_MAX_WALK, "Steps")
            pairs = []
            rows = []
            generator = find()
            for pair in generator.walk(first, last, steps):
                made = [
                    (
                        f"{first}_{last}_{len(pairs):02d}",
                        "",
                        {"from": first, "to": last, "step": len(pairs), "steps": steps},
                        pair,
                    )
                ]
                pairs.append(pair)
                rows += [
                    (path, pair_text(f"step {len(pairs)}", facts))
                    for path, facts in as_cards(generator, made, film.GRADIO_CACHE)
                ]
                if len(rows) % PAGE_AT_ONCE == 0:
                    yield rows, None
            path = gr.processing_utils.save_bytes_to_cache(
                animation(pairs), f"morph_{first}_{last}.gif", film.GRADIO_CACHE
            )
            yield rows, path

    def two_seeds():
        return str(get_random_seed()), str(get_random_seed())

    def go_to(event: gr.SelectData):
        return event.index + 1

    def opened(request: gr.Request):
        """The two seeds as the page's address has them."""
        query = controls_from_query(request.query_params)
        return str(query["from"]), str(query["to"])

    player = [step, frame, words]
    lucky = dice.click(two_seeds, None, [first, last], **QUIET_EVENT)
    runs = with_stop_button(
        stop,
        [go.click, first.submit, last.submit, lucky.then],
        fn=morph,
        inputs=[first, last, steps],
        outputs=[strip, film],
        api_name="morph",
        **MODEL_TASK,
    )
    for run in runs:
        run.then(
            None,
            strip,
            [clock, play, *player, film],
            js="strip => page.begin(strip)",
            **QUIET_EVENT,
        )
        run.success(
            None,
            [first, last],
            None,
            js="(first, last) => page.link('morph', first, last)",
            **QUIET_EVENT,
        )
    play.click(None, None, [clock, play], js="() => page.play(!page.playing)", **QUIET_EVENT)
    clock.tick(
        None, [step, strip], player, js="(step, strip) => page.tick(step, strip)", **QUIET_EVENT
    )
    loaded.then(opened, None, [first, last], **QUIET_EVENT)
    step.input(
        None,
        [step, strip],
        [clock, play, frame, words],
        js="(step, strip) => page.show(step, strip)",
        **QUIET_EVENT,
    )
    strip.select(go_to, None, step, **QUIET_EVENT).then(
        None,
        [step, strip],
        [clock, play, frame, words],
        js="(step, strip) => page.show(step, strip)",
        **QUIET_EVENT,
    )
