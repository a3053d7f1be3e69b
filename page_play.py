"""The tabs that ask the model: Generate, Your picture, Morph. What they show comes from inference.MultimodalGenerator, nothing is computed here."""

import copy
import secrets
from pathlib import Path
from types import SimpleNamespace

import cards
import index
from cli import UserError
from inference import animation, check_prompt, get_random_seed, made_from, of_seeds, open_picture
from page_parts import (
    AT_ONCE,
    MODEL,
    QUIET,
    a_seed,
    as_cards,
    brought,
    figures,
    messages,
    name_of,
    number,
    one_line,
    one_of,
    sheet_of_pairs,
    stoppable,
    told,
    uploaded,
    whole_number,
)
from records import Collection
from settings import GUIDANCE, LAST_SEED, LONGEST_PROMPT, InferenceConfig

LARGEST_SHEET = 24
LONGEST_WALK = 48
MOST_CANDIDATES = 16
# shown where the link names none
FIRST_SEED = 0
ANY = "as the seed has it"
EVERY = "every one"
PROMPTS = (
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


def wish(generator, prompt, style, guidance, temperature, best_of=1):
    """What came in over the wire -> (generator, InferenceConfig)."""
    prompt = one_line(prompt, LONGEST_PROMPT, "A prompt")
    style = one_of(style, generator.styles, "The style")
    guidance = number(guidance, 0, 5, "Guidance")
    temperature = number(temperature, 0, 2, "The captions' freedom")
    best_of = whole_number(best_of, 1, MOST_CANDIDATES, "Best of")
    if prompt:
        check_prompt(prompt)
    return at_temperature(generator, temperature), InferenceConfig(
        prompt=prompt or None,
        style=style or None,
        guidance=guidance,
        best_of=best_of,
        temperature=temperature,
    )


def remark(generator, facts):
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


def parts(count):
    """0 … count - 1 in ranges of AT_ONCE."""
    return (range(first, min(first + AT_ONCE, count)) for first in range(0, count, AT_ONCE))


def alternative(seed, caption):
    return "" if seed is None else f"Seed {seed}: {caption}"


# ---------------------------------------------------------------- Generate


def linked(query):
    """Query of the page's address, {"seed": "7", "prompt": "…"} -> the values of the controls; what it lacks, or says wrongly, is as usual."""

    def value(name, usual, check, *limits):
        try:
            return check(query[name], *limits, name) if name in query else usual
        except UserError:
            return usual

    return {
        "seed": value("seed", FIRST_SEED, whole_number, 0, LAST_SEED),
        "prompt": value("prompt", "", one_line, LONGEST_PROMPT),
        "style": value("style", "", one_line, 80),
        "guidance": value("guidance", GUIDANCE, number, 0, 5),
        "temperature": value("temperature", 0.0, number, 0, 2),
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
                max_length=LONGEST_PROMPT,
                elem_id="prompt",
                info="What the picture should show. The seed still counts: another seed, another answer.",
                html_attributes=gr.InputHTMLAttributes(autocomplete="off", enterkeyhint="go"),
            )
            examples = gr.Dataset(
                label="For example",
                components=[gr.Textbox(visible=False)],
                samples=[[text] for text in PROMPTS],
                elem_id="examples",
            )
            with gr.Row(elem_classes="line"):
                style = gr.Dropdown(
                    [(ANY, "")],
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
                    MOST_CANDIDATES,
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
            first = a_seed(seed)
            generator, config = wish(find(), prompt, style, guidance, temperature, best_of)
            ((path, facts),) = as_cards(
                generator, of_seeds(generator, config, [first]), picture.GRADIO_CACHE
            )
            return (
                path,
                facts["caption"],
                facts["seed"],
                facts.get("match"),
                remark(generator, facts),
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
            first = a_seed(seed)
            count = whole_number(count, 1, LARGEST_SHEET, "How many")
            rows = []
            seeds = []
            generator, config = wish(find(), prompt, style, guidance, temperature, best_of)
            for part in parts(min(count, LAST_SEED - first + 1)):
                for path, facts in as_cards(
                    generator,
                    of_seeds(generator, config, [first + step for step in part]),
                    sheet.GRADIO_CACHE,
                ):
                    rows.append((path, told(f"seed {facts['seed']}", facts)))
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
                facts = cards.read(path)[1]
                asked = cards.asked(facts)
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
                gr.Dropdown(choices=[(ANY, ""), *generator.styles], value=asked.get("style", "")),
                asked.get("guidance", GUIDANCE),
                asked["temperature"],
                1,
                gr.Textbox(f"The card is {'not true' if found else 'true'}: {said}.", visible=True),
            )

    def opened(request: gr.Request):
        """The controls as the page's address has them, and the pair that belongs to them."""
        values = linked(request.query_params)
        try:
            pair = generate(
                *(values[name] for name in ("seed", "prompt", "style", "guidance", "temperature")),
                1,
            )
        except gr.Error:
            # no model, or a style of another one: the notice says it, or the next click
            pair = None, "", None, None, ""
        try:
            choices = [(ANY, ""), *find().styles]
        except UserError:
            choices = [(ANY, ""), *{values["style"]} - {""}]
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
    draw = dict(fn=generate, inputs=controls, outputs=plate, show_progress_on=picture, **MODEL)
    private = {**draw, "api_visibility": "private"}
    # the seed shown is the best one
    link = dict(
        fn=None,
        inputs=[shown, *controls[1:-1]],
        outputs=None,
        js="(...values) => page.link('generate', ...values)",
        **QUIET,
    )
    after = dict(fn=surroundings, inputs=[shown, caption, notes], outputs=[picture, notes], **QUIET)

    def show(event):
        drawn = event(**private)
        drawn.success(**link)
        drawn.success(**after)
        drawn.then(None, None, None, js="() => page.bring('plate')", **QUIET)
        return drawn

    asked = gr.on([go.click, seed.submit, prompt.submit, count.submit], api_name="generate", **draw)
    lucky = dice.click(lambda: str(get_random_seed()), None, seed, **QUIET).then(**private)
    chosen = examples.click(
        lambda row: row[0], examples, prompt, **{**QUIET, "preprocess": True}
    ).then(**private)
    show(sheet.select(bring_up, drawn, controls, **QUIET).then)
    show(
        card.upload(
            card_opened, card, [*controls, verdict], **{**MODEL, "api_visibility": "private"}
        ).success
    )
    first = loaded.then(
        opened,
        None,
        [*controls, *plate],
        show_progress_on=picture,
        **{**MODEL, "api_visibility": "private"},
    )
    for event in (asked, lucky, chosen):
        event.success(**link)
        event.success(**after)
    first.then(**after)
    stoppable(
        stop,
        [event.success for event in (asked, lucky, chosen, first)],
        fn=batch,
        inputs=[seed, count, *controls[1:]],
        outputs=[sheet, drawn],
        api_name="batch",
        **MODEL,
    )
    return SimpleNamespace(
        asked=asked, styles=style, examples=examples, controls=controls, show=show
    )


# ---------------------------------------------------------------- Your picture


def picture_tab(gr, find, data):
    """-> its dropdown of styles."""
    with gr.Row(elem_classes="spread"):
        with gr.Column(elem_classes="plate", min_width=260):
            gr.Markdown("### Yours", elem_classes="heading")
            upload = gr.Image(
                label="Your picture",
                show_label=False,
                format="png",
                sources=["upload", "clipboard"],
                interactive=True,
                buttons=[],
                elem_id="upload",
                elem_classes="print",
                alt_text="Your picture",
                placeholder="Drop a picture here, or choose a file",
            )
            borrow = gr.Button("Take one from the collection", elem_id="borrow")
        with gr.Column(elem_classes="plate", min_width=260):
            gr.Markdown("### The model's own drawing of it", elem_classes="heading")
            drawing = gr.Image(
                label="The model's drawing",
                show_label=False,
                format="png",
                interactive=False,
                buttons=["download", "fullscreen"],
                elem_id="drawing",
                elem_classes="print",
                alt_text="The model's own drawing of your picture",
            )
            caption = gr.Textbox(
                label="The model's caption",
                interactive=False,
                lines=1,
                max_lines=12,
                buttons=["copy"],
                elem_id="read",
                elem_classes="legend",
            )
    with gr.Row(elem_classes="spread ruled"):
        with gr.Column(min_width=260):
            gr.Markdown(
                "### Variations\n\nPairs around your picture, one for each seed.",
                elem_classes="heading",
            )
            strength = gr.Slider(
                0,
                1,
                0.3,
                step=0.05,
                label="How far",
                info="0: the drawing above; 1: nothing of it is left.",
                elem_id="strength",
            )
            with gr.Row(elem_classes="line"):
                seed = figures(gr, "First seed", "0", elem_id="vary-seed", min_width=110, scale=2)
                count = figures(gr, "How many", "8", elem_id="vary-count", min_width=90, scale=1)
            vary_button = gr.Button("Draw variations", elem_id="vary")
        with gr.Column(min_width=260):
            gr.Markdown(
                "### In another style\n\nThe same scene by another hand.", elem_classes="heading"
            )
            amount = gr.Slider(
                0,
                1,
                1,
                step=0.05,
                label="How far",
                info="0: nothing changes; 1: all the way.",
                elem_id="amount",
            )
            style = gr.Dropdown(
                [(EVERY, "")],
                value="",
                label="Style",
                filterable=False,
                elem_id="restyle-style",
                min_width=150,
            )
            restyle_button = gr.Button("Restyle", elem_id="restyle")
        with gr.Column(min_width=260):
            gr.Markdown(
                "### What is near it\n\nSeeds that say the same, and the training pictures most like it.",
                elem_classes="heading",
            )
            near_button = gr.Button("Look", elem_id="near")
    stop = gr.Button("Stop", elem_id="stop-picture", visible=False)
    sheet = sheet_of_pairs(gr, label="Variations", elem_id="variations")

    def redraw(picture):
        """Encode a picture and decode it again: what the model sees in it.

        Parameters:
            picture: a JPEG, PNG or WEBP file
        Returns:
            the model's own drawing as PNG, and its caption
        """
        with messages(gr):
            image = brought(picture, upload.GRADIO_CACHE)
            generator = find()
            (pair,) = generator.decode(generator.encode([image]))
            ((path, facts),) = as_cards(
                generator,
                [("drawn", "", made_from(image, name_of(picture)), pair)],
                upload.GRADIO_CACHE,
            )
            return path, facts["caption"]

    def vary(picture, strength, seed, count):
        """Draw pairs around a picture.

        Parameters:
            picture: a JPEG, PNG or WEBP file
            strength: 0 for the model's drawing of it, up to 1, where nothing of it is left
            seed: the first seed, whole number from 0 to 4294967295
            count: how many, 1 to 24
        Returns:
            the pictures as PNG, each with "seed N" and its match, a line break and its caption
        """
        with messages(gr):
            strength = number(strength, 0, 1, "How far")
            seed = a_seed(seed)
            count = whole_number(count, 1, LARGEST_SHEET, "How many")
            rows = []
            image = brought(picture, upload.GRADIO_CACHE)
            generator = find()
            for part in parts(min(count, LAST_SEED - seed + 1)):
                seeds = [seed + step for step in part]
                source = made_from(image, name_of(picture))
                made = [
                    (f"varied_{seed}", "", {"seed": seed, **source, "strength": strength}, pair)
                    for seed, pair in zip(seeds, generator.vary(image, seeds, strength))
                ]
                rows += [
                    (path, told(f"seed {facts['seed']}", facts))
                    for path, facts in as_cards(generator, made, upload.GRADIO_CACHE)
                ]
                yield rows

    def restyle(picture, style, strength):
        """Draw a picture's scene in another style.

        Parameters:
            picture: a JPEG, PNG or WEBP file
            style: one of the model's styles; "" for each of them
            strength: 0 changes nothing, 1 goes all the way
        Returns:
            the pictures as PNG, each with its style and its match, a line break and its caption
        """
        with messages(gr):
            strength = number(strength, 0, 1, "How far")
            generator = find()
            rows = []
            style = one_of(style, generator.styles, "The style")
            image = brought(picture, upload.GRADIO_CACHE)
            if not generator.styles:
                raise UserError("This model knows only one style.")
            for name in [style] if style else generator.styles:
                made = [
                    (
                        name,
                        "",
                        {
                            **made_from(image, name_of(picture)),
                            "style": name,
                            "asked_style": name,
                            "strength": strength,
                        },
                        pair,
                    )
                    for pair in generator.restyle([image], name, strength)
                ]
                rows += [
                    (path, told(name, facts))
                    for path, facts in as_cards(generator, made, upload.GRADIO_CACHE)
                ]
                yield rows

    def near(picture):
        """Look for the indexed seeds that are nearest to a picture in what it shows, and for the training pictures that look most like it.

        Parameters:
            picture: a JPEG, PNG or WEBP file
        Returns:
            four seeds as PNG, each with "seed N" and its match, a line break and its caption; then four training pictures with their ids, how far
            they are from it, and their captions
        """
        with messages(gr):
            image = brought(picture, upload.GRADIO_CACHE)
            generator = find()
            found = generator.find_seeds(image=image, count=AT_ONCE)
            made = of_seeds(generator, InferenceConfig(), [one["seed"] for one in found])
            rows = [
                (path, told(f"seed {facts['seed']}", facts))
                for path, facts in as_cards(generator, made, upload.GRADIO_CACHE)
            ]
            yield rows
            folder = index.folder_of(generator, data)
            for one in generator.nearest_training([image], AT_ONCE)[0]:
                if (folder / one["filename"]).exists():
                    rows.append(
                        (
                            open_picture(folder / one["filename"]),
                            f"{one['id']} · {one['distance']:.2f} away\n{one['caption']}",
                        )
                    )
            yield rows

    def unseen():
        """A picture that training has not seen."""
        with messages(gr):
            collection = Collection(find().style, data)
            return open_picture(
                collection.resized
                / Path(secrets.choice(collection.read_captions()[1])["filename"]).name
            )

    read = dict(
        fn=redraw, inputs=upload, outputs=[drawing, caption], show_progress_on=drawing, **MODEL
    )
    upload.upload(**read, api_name="redraw")
    borrow.click(unseen, None, upload, **QUIET).success(**read, api_visibility="private")
    upload.clear(lambda: (None, "", []), None, [drawing, caption, sheet], **QUIET)
    stoppable(
        stop,
        [vary_button.click, seed.submit, count.submit],
        fn=vary,
        inputs=[upload, strength, seed, count],
        outputs=sheet,
        api_name="vary",
        **MODEL,
    )
    stoppable(
        stop,
        [restyle_button.click],
        fn=restyle,
        inputs=[upload, style, amount],
        outputs=sheet,
        api_name="restyle",
        **MODEL,
    )
    stoppable(
        stop, [near_button.click], fn=near, inputs=upload, outputs=sheet, api_name="near", **MODEL
    )
    return style


# ---------------------------------------------------------------- Morph


def morph_tab(gr, find, loaded):
    """Fills the tab. loaded: the event of a page being opened."""
    with gr.Row(elem_classes="spread"):
        with gr.Column(elem_classes="desk", min_width=260, scale=2):
            with gr.Row(elem_classes="line"):
                first = figures(gr, "From seed", "3", elem_id="from", min_width=110)
                last = figures(gr, "To seed", "9", elem_id="to", min_width=110)
            steps = gr.Slider(2, LONGEST_WALK, 24, step=1, label="Steps", elem_id="steps")
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
                step = gr.Slider(1, LONGEST_WALK, 1, step=1, label="Step", elem_id="step", scale=4)
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
            first = a_seed(first, "The first seed")
            last = a_seed(last, "The last seed")
            steps = whole_number(steps, 2, LONGEST_WALK, "Steps")
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
                    (path, told(f"step {len(pairs)}", facts))
                    for path, facts in as_cards(generator, made, film.GRADIO_CACHE)
                ]
                if len(rows) % AT_ONCE == 0:
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
        query = linked(request.query_params)
        return str(query["from"]), str(query["to"])

    player = [step, frame, words]
    lucky = dice.click(two_seeds, None, [first, last], **QUIET)
    runs = stoppable(
        stop,
        [go.click, first.submit, last.submit, lucky.then],
        fn=morph,
        inputs=[first, last, steps],
        outputs=[strip, film],
        api_name="morph",
        **MODEL,
    )
    for run in runs:
        run.then(
            None, strip, [clock, play, *player, film], js="strip => page.begin(strip)", **QUIET
        )
        run.success(
            None,
            [first, last],
            None,
            js="(first, last) => page.link('morph', first, last)",
            **QUIET,
        )
    play.click(None, None, [clock, play], js="() => page.play(!page.playing)", **QUIET)
    clock.tick(None, [step, strip], player, js="(step, strip) => page.tick(step, strip)", **QUIET)
    loaded.then(opened, None, [first, last], **QUIET)
    step.input(
        None,
        [step, strip],
        [clock, play, frame, words],
        js="(step, strip) => page.show(step, strip)",
        **QUIET,
    )
    strip.select(go_to, None, step, **QUIET).then(
        None,
        [step, strip],
        [clock, play, frame, words],
        js="(step, strip) => page.show(step, strip)",
        **QUIET,
    )
