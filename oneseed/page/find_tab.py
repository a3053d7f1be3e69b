"""The tab Find.

The tab Find: words or a picture in, the best of the seeds that were drawn before out. Reads the index that `python inference.py --index N` writes.
"""

from oneseed.config.inference import MAX_PROMPT_LENGTH, InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation import index
from oneseed.generation.generator import check_prompt
from oneseed.generation.requests import pairs_of_seeds
from oneseed.page.events import figures, messages, pair_text, sheet_of_pairs, with_stop_button
from oneseed.page.inputs import (
    MODEL_TASK,
    PAGE_AT_ONCE,
    QUIET_EVENT,
    as_cards,
    one_line,
    uploaded_image,
    whole_number,
)

# seeds that the page itself offers to draw
FIRST_INDEX = 2000
BUILDING = {
    "concurrency_id": "index",
    "concurrency_limit": 1,
    "show_progress": "hidden",
    "api_visibility": "private",
    "preprocess": False,
}


def find_tab(gr, tab, find, editable):
    """Fills the tab -> its sheet, and the State that holds the seeds of it. editable: may visitors have the index drawn?"""
    with gr.Row(elem_classes="spread"):
        with gr.Column(elem_classes="desk", min_width=260, scale=3):
            sought = gr.Textbox(
                "",
                label="Words",
                placeholder="an elephant at night",
                lines=2,
                max_lines=6,
                max_length=MAX_PROMPT_LENGTH,
                elem_id="sought",
                info="Nothing is drawn to order: the seeds that say it best already are looked up.",
                html_attributes=gr.InputHTMLAttributes(autocomplete="off", enterkeyhint="search"),
            )
            with gr.Row(elem_classes="line"):
                count = figures(gr, "How many", "8", elem_id="find-count", min_width=90, scale=1)
                go = gr.Button("Find", variant="primary", elem_id="find", min_width=120, scale=3)
                stop = gr.Button("Stop", elem_id="stop-find", min_width=80, scale=1, visible=False)
            known = gr.Textbox(
                label="Index",
                interactive=False,
                buttons=[],
                lines=1,
                max_lines=4,
                elem_id="known",
                elem_classes="quiet",
            )
            with gr.Row(elem_classes="line"):
                build = gr.Button(f"Draw {FIRST_INDEX:,} seeds", elem_id="build", visible=False)
                halt = gr.Button("Stop", elem_id="stop-build", visible=False)
        with gr.Column(elem_classes="plate", min_width=200, scale=2):
            picture = gr.Image(
                label="Or a picture",
                show_label=False,
                format="png",
                sources=["upload", "clipboard"],
                interactive=True,
                buttons=[],
                elem_id="sought-picture",
                elem_classes="print",
                alt_text="The picture to look for",
                placeholder="… or drop a picture here",
            )
    sheet = sheet_of_pairs(gr, label="Found", elem_id="found")
    seeds = gr.State([])

    def search(sought, picture, count):
        """Look for the seeds whose pictures and captions say something best, among those that were drawn before.

        Parameters:
            sought: words, at most 500 characters; "" to look for the picture
            picture: a JPEG, PNG or WEBP file, or null; not looked at where there are words
            count: how many, 1 to 24
        Returns:
            the pictures as PNG, each with "seed N" and its match score, a line break and its caption
        """
        with messages(gr):
            sought = one_line(sought, MAX_PROMPT_LENGTH, "What is searched for")
            count = whole_number(count, 1, 24, "How many")
            rows = []
            generator = find()
            image = None
            if sought:
                check_prompt(sought)
            elif picture:
                image = uploaded_image(picture, sheet.GRADIO_CACHE)
            else:
                raise UserError("Write what to look for, or drop a picture.")
            best = [one["seed"] for one in generator.find_seeds(sought or None, image, count)]
            for start in range(0, len(best), PAGE_AT_ONCE):
                some = as_cards(
                    generator,
                    pairs_of_seeds(
                        generator, InferenceConfig(), best[start : start + PAGE_AT_ONCE]
                    ),
                    sheet.GRADIO_CACHE,
                )
                rows += [(path, pair_text(f"seed {facts['seed']}", facts)) for path, facts in some]
                yield rows, best

    def held():
        """What the index holds, and whether the visitor may have it drawn."""
        try:
            seeds = index.load_index(find(), "seeds")
        except UserError as error:
            # no model: the notice says so; a damaged index
            return str(error), gr.Button(visible=False)
        if seeds:
            return f"{len(seeds['captions']):,} seeds are indexed", gr.Button(visible=False)
        return (
            "No seed is indexed yet: python inference.py --index 10000"
            + ", or here, in about a minute:" * editable,
            gr.Button(visible=editable),
        )

    def drawn():
        """Draw the first index, saying how far it is."""
        with messages(gr):
            if not editable:
                raise UserError(
                    "This page is open to others without a password, so it writes no files."
                )
            for done in index.grow_seeds(find(), FIRST_INDEX):
                yield f"{done:,} of {FIRST_INDEX:,} seeds drawn"

    with_stop_button(
        stop,
        [go.click, sought.submit, count.submit],
        fn=search,
        inputs=[sought, picture, count],
        outputs=[sheet, seeds],
        api_name="find",
        **MODEL_TASK,
    )
    (built,) = with_stop_button(
        halt, [build.click], fn=drawn, inputs=None, outputs=known, **BUILDING
    )
    for event in (tab.select, built.then):
        event(held, None, [known, build], **QUIET_EVENT)
    return sheet, seeds
