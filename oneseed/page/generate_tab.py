"""The tab Generate.

The tabs that ask the model: Generate, Your picture, Morph. What they show comes from inference.MultimodalGenerator, nothing is computed here.
"""

import copy
from types import SimpleNamespace

from oneseed.config.inference import GUIDANCE, MAX_PROMPT_LENGTH, InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation import cards
from oneseed.generation.generator import check_prompt, get_random_seed
from oneseed.generation.requests import pairs_of_seeds
from oneseed.page.events import figures, messages, pair_text, sheet_of_pairs, with_stop_button
from oneseed.page.inputs import (
    MODEL_TASK,
    PAGE_AT_ONCE,
    QUIET_EVENT,
    as_cards,
    one_line,
    one_of,
    parse_number,
    parse_seed,
    uploaded,
    whole_number,
)
from oneseed.seeds import LAST_SEED

PAGE_MAX_SHEET = 24
PAGE_MAX_WALK = 48
PAGE_MAX_CANDIDATES = 16
# shown where the link names none
PAGE_FIRST_SEED = 0
ANY_STYLE = "as the seed has it"
EVERY_STYLE = "every one"
PROMPT_EXAMPLES = (
    "two small ships under a stormy sky",
    "a large castle at night, cross-hatched",
    "an elephant in the forest",
    "three trees by the sea, in stipple",
)


def at_temperature(generator, temperature):
    """The same model with captions drawn at another temperature; other visitors' pairs do not notice."""
    other = copy.copy(generator)
    other.temperature = temperature
    return other


def request_config(generator, prompt, style, guidance, temperature, best_of=1):
    """What came in over the wire -> (generator, InferenceConfig)."""
    prompt = one_line(prompt, MAX_PROMPT_LENGTH, "A prompt")
    style = one_of(style, generator.styles, "The style")
    guidance = parse_number(guidance, 0, 5, "Guidance")
    temperature = parse_number(temperature, 0, 2, "The captions' freedom")
    best_of = whole_number(best_of, 1, PAGE_MAX_CANDIDATES, "Best of")
    if prompt:
        check_prompt(prompt)
    return at_temperature(generator, temperature), InferenceConfig(
        prompt=prompt or None,
        style=style or None,
        guidance=guidance,
        best_of=best_of,
        temperature=temperature,
    )


def pair_note(generator, facts):
    """What is to be known of a pair, "" where it is nothing."""
    unknown = generator.unknown_words(facts.get("prompt", ""))
    return " ".join(
        [
            *(
                [
                    f"No training caption had: {', '.join(unknown)}. The model cannot know what is meant."
                ]
                if unknown
                else []
            ),
            *(
                [
                    f"Nearer to training picture {facts['near_training']} than pictures that it has not seen come."
                ]
                if facts.get("near_training")
                else []
            ),
        ]
    )


def seed_ranges(count):
    """0 … count - 1 in ranges of AT_ONCE."""
    return (
        range(first, min(first + PAGE_AT_ONCE, count)) for first in range(0, count, PAGE_AT_ONCE)
    )


def alternative(seed, caption):
    return "" if seed is None else f"Seed {seed}: {caption}"


def controls_from_query(query):
    """Query of the page's address, {"seed": "7", "prompt": "…"} -> the values of the controls; what it lacks, or says wrongly, is as usual."""

    def value(name, usual, check, *limits):
        try:
            return check(query[name], *limits, name) if name in query else usual
        except UserError:
            return usual

    return {
        "seed": value("seed", PAGE_FIRST_SEED, whole_number, 0, LAST_SEED),
        "prompt": value("prompt", "", one_line, MAX_PROMPT_LENGTH),
        "style": value("style", "", one_line, 80),
        "guidance": value("guidance", GUIDANCE, parse_number, 0, 5),
        "temperature": value("temperature", 0.0, parse_number, 0, 2),
        "from": value("from", 3, whole_number, 0, LAST_SEED),
        "to": value("to", 9, whole_number, 0, LAST_SEED),
    }


def generate_tab(gr, find, loaded):
    """Fills the tab. loaded: the event of a page being opened -> its asked, the event of Generate; styles; examples; and show(event), which draws
    the seed that an event gave to its controls."""
    with gr.Row(elem_classes="spread"):
        with gr.Column(elem_classes="desk", min_width=260, scale=2):
            with gr.Row(elem_classes="line"):
                seed = figures(gr, "Seed", elem_id="seed", min_width=120, scale=3)
                dice = gr.Button("Random seed", elem_id="random", min_width=110, scale=1)
            prompt = gr.Textbox(
                "",
                label="Prompt",
                placeholder="nothing in particular",
                lines=2,
                max_lines=6,
                max_length=MAX_PROMPT_LENGTH,
                elem_id="prompt",
                info="What the picture should show. The seed still counts: another seed, another answer.",
                html_attributes=gr.InputHTMLAttributes(autocomplete="off", enterkeyhint="go"),
            )
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
                count = figures(gr, "How many", "8", elem_id="count", min_width=90, scale=1)
            with gr.Accordion("More", open=False, elem_id="more"):
                best_of = gr.Slider(
                    1,
                    PAGE_MAX_CANDIDATES,
                    1,
                    step=1,
                    label="Best of",
                    info="So many candidates follow from the seed; the one whose picture and caption match best is kept.",
                    elem_id="best-of",
                )
                guidance = gr.Slider(
                    0,
                    5,
                    GUIDANCE,
                    step=0.1,
                    label="Guidance",
                    info="How literally a prompt is taken.",
                    elem_id="guidance",
                )
                temperature = gr.Slider(
                    0,
                    2,
                    0,
                    step=0.1,
                    label="Freedom of captions",
                    info="0: the likeliest words; above: drawn, more varied, less exact.",
                    elem_id="temperature",
                )
            with gr.Row(elem_classes="line"):
                go = gr.Button(
                    "Generate", variant="primary", elem_id="generate", min_width=120, scale=3
                )
                stop = gr.Button(
                    "Stop", elem_id="stop-generate", min_width=80, scale=1, visible=False
                )
            card = gr.UploadButton("Open a pair card", file_types=[".png"], elem_id="card")
            verdict = gr.Textbox(
                label="The card",
                interactive=False,
                buttons=[],
                lines=1,
                max_lines=8,
                elem_id="verdict",
                elem_classes="quiet",
                visible=False,
            )
        with gr.Column(elem_classes="plate", elem_id="plate", min_width=260, scale=3):
            picture = gr.Image(
                label="Picture",
                show_label=False,
                format="png",
                type="pil",
                interactive=False,
                buttons=["download", "fullscreen"],
                elem_id="picture",
                elem_classes="print",
            )
            caption = gr.Textbox(
                label="Caption",
                interactive=False,
                lines=1,
                max_lines=12,
                buttons=["copy"],
                elem_id="caption",
                elem_classes="legend",
            )
            with gr.Row(elem_classes="marks"):
                shown = gr.Number(
                    label="seed",
                    interactive=False,
                    elem_id="shown",
                    elem_classes="mark",
                    min_width=60,
                )
                match = gr.Number(
                    label="match",
                    interactive=False,
                    elem_id="match",
                    elem_classes="mark",
                    min_width=60,
                )
            notes = gr.Textbox(
                label="Remark",
                interactive=False,
                lines=1,
                max_lines=4,
                buttons=[],
                elem_id="remark",
                elem_classes="quiet",
                visible=False,
            )
    gr.Markdown(
        "### The sheet\n\nThis seed and those that follow. Click a picture to bring it up. Match: so many of a hundred real pairs fit no better.",
        elem_id="sheet-title",
        elem_classes="heading",
    )
    sheet = sheet_of_pairs(gr, label="Sheet", elem_id="sheet")
    # the controls at the time the sheet was drawn
    drawn = gr.State(None)

    def generate(seed, prompt, style, guidance, temperature, best_of):
        """Draw the pair of one seed.

        Parameters:
            seed: whole number from 0 to 4294967295; the same number gives the same pair for ever
            prompt: what the picture should show, at most 500 characters; "" for nothing in particular
            style: one of the model's styles, or ""
            guidance: how literally a prompt is taken, 0 to 5
            temperature: 0 for the likeliest caption, up to 2 for a freer one
            best_of: 1 to 16; above 1, the best of so many candidates that follow from the seed
        Returns:
            the picture as PNG, a card that says how it was made; its caption; the seed of both; their match, so many of a hundred real pairs
            fit no better; and what else is to be known of the pair, "" where it is nothing
        """
        with messages(gr):
            first = parse_seed(seed)
            generator, config = request_config(
                find(), prompt, style, guidance, temperature, best_of
            )
            ((path, facts),) = as_cards(
                generator, pairs_of_seeds(generator, config, [first]), picture.GRADIO_CACHE
            )
            return (
                path,
                facts["caption"],
                facts["seed"],
                facts.get("match"),
                pair_note(generator, facts),
            )

    def batch(seed, count, prompt, style, guidance, temperature, best_of):
        """Draw the pairs of consecutive seeds; with the Python client `submit` gives them as they come.

        Parameters:
            seed: the first seed, whole number from 0 to 4294967295; where seeds end, the sheet ends
            count: how many, 1 to 24
            prompt: what the pictures should show, at most 500 characters; "" for nothing in particular
            style: one of the model's styles, or ""
            guidance: how literally a prompt is taken, 0 to 5
            temperature: 0 for the likeliest captions, up to 2 for freer ones
            best_of: 1 to 16; above 1, for each the best of so many candidates that follow from its seed
        Returns:
            the pictures as PNG, each with "seed N" and its match, a line break and its caption
        """
        with messages(gr):
            first = parse_seed(seed)
            count = whole_number(count, 1, PAGE_MAX_SHEET, "How many")
            rows = []
            seeds = []
            generator, config = request_config(
                find(), prompt, style, guidance, temperature, best_of
            )
            for part in seed_ranges(min(count, LAST_SEED - first + 1)):
                for path, facts in as_cards(
                    generator,
                    pairs_of_seeds(generator, config, [first + step for step in part]),
                    sheet.GRADIO_CACHE,
                ):
                    rows.append((path, pair_text(f"seed {facts['seed']}", facts)))
                    seeds.append(facts["seed"])
                yield rows, {"seeds": seeds, "config": config}

    def surroundings(seed, caption, remark):
        """Alternative text of the plate, and its remark where there is one."""
        return gr.Image(alt_text=alternative(seed, caption)), gr.Textbox(visible=bool(remark))

    def card_opened(file):
        """A pair card -> its controls, and whether it is true."""
        with messages(gr):
            path = uploaded(
                file,
                card.GRADIO_CACHE,
                "Bring a pair card: a PNG that was saved here, or by inference.py.",
            )
            generator = find()
            try:
                facts = cards.read_card(path)[1]
                asked = cards.requested(facts)
            except (UserError, ValueError):
                raise UserError(
                    "This is no pair card: it does not say how it was made. Cards are the pictures saved here, or by inference.py, as they were saved."
                ) from None
            if facts["fingerprint"] != generator.fingerprint:
                raise UserError("This card was made by another model than the one that draws here.")
            if "seed" not in facts or "image" in facts:
                way = (
                    f"a step from seed {facts['from']} to seed {facts['to']}: see the tab Morph"
                    if {"from", "to"} <= facts.keys()
                    else "made from a picture: see the tab Your picture"
                )
                raise UserError(f"This card is not of a seed alone, but {way}.")
            found = cards.differences(generator, path)
            said = (
                "; ".join(found)
                if found
                else "the model makes the same picture and the same caption again"
            )
            return (
                str(facts["seed"]),
                asked.get("prompt", ""),
                gr.Dropdown(
                    choices=[(ANY_STYLE, ""), *generator.styles], value=asked.get("style", "")
                ),
                asked.get("guidance", GUIDANCE),
                asked["temperature"],
                1,
                gr.Textbox(f"The card is {'not true' if found else 'true'}: {said}.", visible=True),
            )

    def opened(request: gr.Request):
        """The controls as the page's address has them, and the pair that belongs to them."""
        values = controls_from_query(request.query_params)
        try:
            pair = generate(
                *(values[name] for name in ("seed", "prompt", "style", "guidance", "temperature")),
                1,
            )
        except gr.Error:
            # no model, or a style of another one: the notice says it, or the next click
            pair = None, "", None, None, ""
        try:
            choices = [(ANY_STYLE, ""), *find().styles]
        except UserError:
            choices = [(ANY_STYLE, ""), *{values["style"]} - {""}]
        return (
            str(values["seed"]),
            values["prompt"],
            gr.Dropdown(choices=choices, value=values["style"]),
            values["guidance"],
            values["temperature"],
            1,
            *pair,
        )

    def bring_up(drawn, event: gr.SelectData):
        config = drawn["config"]
        return (
            str(drawn["seeds"][event.index]),
            config.prompt or "",
            config.style or "",
            config.guidance,
            config.temperature,
            1,
        )

    controls = [seed, prompt, style, guidance, temperature, best_of]
    plate = [picture, caption, shown, match, notes]
    draw = dict(fn=generate, inputs=controls, outputs=plate, show_progress_on=picture, **MODEL_TASK)
    private = {**draw, "api_visibility": "private"}
    # the seed shown is the best one
    link = dict(
        fn=None,
        inputs=[shown, *controls[1:-1]],
        outputs=None,
        js="(...values) => page.link('generate', ...values)",
        **QUIET_EVENT,
    )
    after = dict(
        fn=surroundings, inputs=[shown, caption, notes], outputs=[picture, notes], **QUIET_EVENT
    )

    def show(event):
        drawn = event(**private)
        drawn.success(**link)
        drawn.success(**after)
        drawn.then(None, None, None, js="() => page.bring('plate')", **QUIET_EVENT)
        return drawn

    asked = gr.on([go.click, seed.submit, prompt.submit, count.submit], api_name="generate", **draw)
    lucky = dice.click(lambda: str(get_random_seed()), None, seed, **QUIET_EVENT).then(**private)
    chosen = examples.click(
        lambda row: row[0], examples, prompt, **{**QUIET_EVENT, "preprocess": True}
    ).then(**private)
    show(sheet.select(bring_up, drawn, controls, **QUIET_EVENT).then)
    show(
        card.upload(
            card_opened, card, [*controls, verdict], **{**MODEL_TASK, "api_visibility": "private"}
        ).success
    )
    first = loaded.then(
        opened,
        None,
        [*controls, *plate],
        show_progress_on=picture,
        **{**MODEL_TASK, "api_visibility": "private"},
    )
    for event in (asked, lucky, chosen):
        event.success(**link)
        event.success(**after)
    first.then(**after)
    with_stop_button(
        stop,
        [event.success for event in (asked, lucky, chosen, first)],
        fn=batch,
        inputs=[seed, count, *controls[1:]],
        outputs=[sheet, drawn],
        api_name="batch",
        **MODEL_TASK,
    )
    return SimpleNamespace(
        asked=asked, styles=style, examples=examples, controls=controls, show=show
    )
