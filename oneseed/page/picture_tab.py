"""The tab Your picture."""

import secrets
from pathlib import Path

from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.generation import index
from oneseed.generation.cards import open_picture
from oneseed.generation.requests import made_from, pairs_of_seeds
from oneseed.page.events import figures, messages, pair_text, sheet_of_pairs, with_stop_button
from oneseed.page.generate_tab import EVERY_STYLE, PAGE_MAX_SHEET, seed_ranges
from oneseed.page.inputs import (
    MODEL_TASK,
    PAGE_AT_ONCE,
    QUIET_EVENT,
    as_cards,
    one_of,
    parse_number,
    parse_seed,
    upload_name,
    uploaded_image,
    whole_number,
)
from oneseed.seeds import LAST_SEED


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
                [(EVERY_STYLE, "")],
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
            image = uploaded_image(picture, upload.GRADIO_CACHE)
            generator = find()
            (pair,) = generator.decode(generator.encode([image]))
            ((path, facts),) = as_cards(
                generator,
                [("drawn", "", made_from(image, upload_name(picture)), pair)],
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
            strength = parse_number(strength, 0, 1, "How far")
            seed = parse_seed(seed)
            count = whole_number(count, 1, PAGE_MAX_SHEET, "How many")
            rows = []
            image = uploaded_image(picture, upload.GRADIO_CACHE)
            generator = find()
            for part in seed_ranges(min(count, LAST_SEED - seed + 1)):
                seeds = [seed + step for step in part]
                source = made_from(image, upload_name(picture))
                made = [
                    (f"varied_{seed}", "", {"seed": seed, **source, "strength": strength}, pair)
                    for seed, pair in zip(seeds, generator.vary(image, seeds, strength))
                ]
                rows += [
                    (path, pair_text(f"seed {facts['seed']}", facts))
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
            strength = parse_number(strength, 0, 1, "How far")
            generator = find()
            rows = []
            style = one_of(style, generator.styles, "The style")
            image = uploaded_image(picture, upload.GRADIO_CACHE)
            if not generator.styles:
                raise UserError("This model knows only one style.")
            for name in [style] if style else generator.styles:
                made = [
                    (
                        name,
                        "",
                        {
                            **made_from(image, upload_name(picture)),
                            "style": name,
                            "asked_style": name,
                            "strength": strength,
                        },
                        pair,
                    )
                    for pair in generator.restyle([image], name, strength)
                ]
                rows += [
                    (path, pair_text(name, facts))
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
            image = uploaded_image(picture, upload.GRADIO_CACHE)
            generator = find()
            found = generator.find_seeds(image=image, count=PAGE_AT_ONCE)
            made = pairs_of_seeds(generator, InferenceConfig(), [one["seed"] for one in found])
            rows = [
                (path, pair_text(f"seed {facts['seed']}", facts))
                for path, facts in as_cards(generator, made, upload.GRADIO_CACHE)
            ]
            yield rows
            folder = index.folder_of(generator, data)
            for one in generator.nearest_training([image], PAGE_AT_ONCE)[0]:
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
        fn=redraw, inputs=upload, outputs=[drawing, caption], show_progress_on=drawing, **MODEL_TASK
    )
    upload.upload(**read, api_name="redraw")
    borrow.click(unseen, None, upload, **QUIET_EVENT).success(**read, api_visibility="private")
    upload.clear(lambda: (None, "", []), None, [drawing, caption, sheet], **QUIET_EVENT)
    with_stop_button(
        stop,
        [vary_button.click, seed.submit, count.submit],
        fn=vary,
        inputs=[upload, strength, seed, count],
        outputs=sheet,
        api_name="vary",
        **MODEL_TASK,
    )
    with_stop_button(
        stop,
        [restyle_button.click],
        fn=restyle,
        inputs=[upload, style, amount],
        outputs=sheet,
        api_name="restyle",
        **MODEL_TASK,
    )
    with_stop_button(
        stop,
        [near_button.click],
        fn=near,
        inputs=upload,
        outputs=sheet,
        api_name="near",
        **MODEL_TASK,
    )
    return style
