"""The tab Your picture: a picture in; what the model makes of it, around it and near it, out."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from oneseed.generation.batcher import Batcher
from oneseed.page.code_view import code_field
from oneseed.page.components import (
    caption_note,
    number_field,
    picture_field,
    quiet_text,
    seed_field,
    sheet_of_pairs,
    shown_caption,
    shown_picture,
)
from oneseed.page.events import (
    HIDE,
    MODEL_TASK,
    PRIVATE_MODEL_TASK,
    QUIET_EVENT,
    Component,
    with_stop_button,
)
from oneseed.page.pair_rows import FindGenerator
from oneseed.page.picture_handlers import PictureHandlers

# label of all styles
EVERY_STYLE = "every one"


@dataclass(frozen=True)
class PicturePair:
    """The visitor's picture beside the model's."""

    upload: Component
    borrow_button: Component
    # brings a sound or clip, whose spectrum or sheet is the picture
    bring_button: Component
    drawing: Component
    caption: Component
    # the caption again, where it is code
    code: Component
    note: Component
    strange: Component


@dataclass(frozen=True)
class PictureTools:
    """What can be made of the picture."""

    strength: Component
    seed: Component
    count: Component
    vary_button: Component
    amount: Component
    style: Component
    restyle_button: Component
    near_button: Component


@dataclass(frozen=True)
class PictureTab:
    """What the rest of the page needs of the tab."""

    # what depends on the model, in the order of PageState
    of_model: list[Component]


def picture_tab(
    gr: ModuleType, find_generator: FindGenerator, data: str | Path, batcher: Batcher
) -> PictureTab:
    """Fills the tab. data: folder of the collections. batcher: of all that asks the model."""
    with gr.Row(elem_classes="spread"):
        pictures = picture_pair(gr)
    with gr.Row(elem_classes="spread ruled"):
        tools = picture_tools(gr)
    stop_button = gr.Button("Stop", elem_id="stop-picture", visible=False)
    sheet = sheet_of_pairs(gr, "Variations", "variations")
    handlers = PictureHandlers(gr, find_generator, pictures.upload.GRADIO_CACHE, data, batcher)
    connect_pictures(handlers, pictures, sheet)
    connect_tools(handlers, pictures.upload, tools, stop_button, sheet)
    return PictureTab([tools.style, pictures.note, pictures.bring_button])


def picture_pair(gr: ModuleType) -> PicturePair:
    """Two plates side by side."""
    with gr.Column(elem_classes="plate", min_width=260):
        gr.Markdown("### Yours", elem_classes="heading")
        upload = picture_field(
            gr,
            "Your picture",
            "upload",
            alt_text="Your picture",
            placeholder="Drop a picture here, or choose a file",
        )
        borrow_button = gr.Button("Take one from the collection", elem_id="borrow")
        bring_button = gr.UploadButton("Bring a file", elem_id="bring", visible=False)
    with gr.Column(elem_classes="plate", min_width=260):
        gr.Markdown("### The model's own drawing of it", elem_classes="heading")
        drawing = shown_picture(
            gr,
            "The model's drawing",
            "drawing",
            alt_text="The model's own drawing of your picture",
        )
        caption = shown_caption(gr, "The model's caption", "read")
        code = code_field(gr, "read-code")
        note = caption_note(gr, "read-note")
        strange = quiet_text(gr, "Unusual", max_lines=3, elem_id="strange", visible=False)
    return PicturePair(upload, borrow_button, bring_button, drawing, caption, code, note, strange)


def picture_tools(gr: ModuleType) -> PictureTools:
    """Three columns: variations, another style, what is near."""
    with gr.Column(min_width=260):
        gr.Markdown(
            "### Variations\n\nPairs around your picture, one for each seed.",
            elem_classes="heading",
        )
        info = "0: the drawing above; 1: nothing of it is left."
        strength = share_slider(gr, 0.3, info, "strength")
        with gr.Row(elem_classes="line"):
            seed = seed_field(gr, "First seed", "0", elem_id="vary-seed", min_width=110, scale=2)
            count = number_field(gr, "How many", "8", elem_id="vary-count", min_width=90, scale=1)
        vary_button = gr.Button("Draw variations", elem_id="vary")
    with gr.Column(min_width=260):
        gr.Markdown(
            "### In another style\n\nThe same scene by another hand.", elem_classes="heading"
        )
        amount = share_slider(gr, 1, "0: nothing changes; 1: all the way.", "amount")
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
            "### What is near it\n\n"
            "Seeds that say the same, and the training pictures most like it.",
            elem_classes="heading",
        )
        near_button = gr.Button("Look", elem_id="near")
    return PictureTools(
        strength=strength,
        seed=seed,
        count=count,
        vary_button=vary_button,
        amount=amount,
        style=style,
        restyle_button=restyle_button,
        near_button=near_button,
    )


def share_slider(gr: ModuleType, value: float, info: str, elem_id: str) -> Component:
    """A slider from 0 to 1."""
    return gr.Slider(0, 1, value, step=0.05, label="How far", info=info, elem_id=elem_id)


def nothing_drawn() -> tuple[None, str, list]:
    """Drawing, caption and sheet once the picture is taken away."""
    return None, "", []


def connect_pictures(handlers: PictureHandlers, pictures: PicturePair, sheet: Component) -> None:
    """A picture that arrives is redrawn at once."""
    read = {
        "fn": handlers.redraw,
        "inputs": pictures.upload,
        "outputs": [pictures.drawing, pictures.caption],
        "show_progress_on": pictures.drawing,
        **MODEL_TASK,
    }
    arrived = pictures.upload.upload(**read, api_name="redraw")
    borrowed = pictures.borrow_button.click(handlers.unseen, None, pictures.upload, **QUIET_EVENT)
    taken = borrowed.success(**read, api_visibility="private")
    brought = pictures.bring_button.upload(
        handlers.square, pictures.bring_button, pictures.upload, **PRIVATE_MODEL_TASK
    ).success(**read, api_visibility="private")
    judge = {"fn": handlers.stranger, "inputs": pictures.upload, "outputs": pictures.strange}
    show_code = {"fn": handlers.code, "inputs": pictures.caption, "outputs": pictures.code}
    for drawn in (arrived, taken, brought):
        drawn.success(**show_code, **QUIET_EVENT)
        drawn.success(**judge, **{**PRIVATE_MODEL_TASK, "show_progress": "hidden"})
    results = [pictures.drawing, pictures.caption, sheet]
    cleared = pictures.upload.clear(nothing_drawn, None, results, **QUIET_EVENT)
    for shown in (pictures.strange, pictures.code):
        cleared.then(None, None, shown, js=HIDE, **QUIET_EVENT)


def connect_tools(
    handlers: PictureHandlers,
    upload: Component,
    tools: PictureTools,
    stop_button: Component,
    sheet: Component,
) -> None:
    """Each of the three tools fills the sheet, and can be stopped."""
    with_stop_button(
        stop_button,
        [tools.vary_button.click, tools.seed.submit, tools.count.submit],
        fn=handlers.vary,
        inputs=[upload, tools.strength, tools.seed, tools.count],
        outputs=sheet,
        api_name="vary",
        **MODEL_TASK,
    )
    with_stop_button(
        stop_button,
        [tools.restyle_button.click],
        fn=handlers.restyle,
        inputs=[upload, tools.style, tools.amount],
        outputs=sheet,
        api_name="restyle",
        **MODEL_TASK,
    )
    with_stop_button(
        stop_button,
        [tools.near_button.click],
        fn=handlers.near,
        inputs=upload,
        outputs=sheet,
        api_name="near",
        **MODEL_TASK,
    )
