"""What the tab Generate consists of: the plate with the pair, the desk where it is asked for."""

from dataclasses import dataclass
from types import ModuleType

from oneseed.config.inference import GUIDANCE, MAX_PROMPT_LENGTH
from oneseed.page.code_view import code_field
from oneseed.page.components import (
    caption_note,
    number_field,
    quiet_text,
    seed_field,
    shown_caption,
    shown_picture,
)
from oneseed.page.events import Component
from oneseed.page.generate_handlers import ANY_STYLE, PAGE_MAX_CANDIDATES
from oneseed.page.listening import Listening, listen_button, sound_player
from oneseed.page.share_buttons import share_buttons
from oneseed.page.watching import Watching, clip_player, sheet_button
from oneseed.web.inputs import PAGE_MAX_GUIDANCE, PAGE_MAX_TEMPERATURE

# what an empty prompt asks for
NO_PROMPT = "nothing in particular"


@dataclass(frozen=True)
class GenerateDesk:
    """The right column: what is asked for."""

    seed: Component
    earlier_button: Component
    later_button: Component
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
    verdict: Component

    @property
    def controls(self) -> list[Component]:
        """In the order of ControlValues."""
        conditions = [self.prompt, self.style, self.guidance, self.temperature, self.best_of]
        return [self.seed, *conditions]


@dataclass(frozen=True)
class PairPlate:
    """The left column: the pair."""

    picture: Component
    caption: Component
    # the caption again, where it is code
    code: Component
    # where the picture is the spectrum of a sound
    listening: Listening
    # where it is the sheet of a clip
    watching: Watching
    note: Component
    seed: Component
    # the word that was asked for, "" where a number was
    word: Component
    match: Component
    # the match in words
    fit: Component
    remark: Component
    # a row of small buttons
    share: Component
    card: Component

    @property
    def shown(self) -> list[Component]:
        """What shows the pair's picture: itself, and the clip whose sheet it is."""
        return [self.picture, self.watching.player]

    @property
    def outputs(self) -> list[Component]:
        """In the order of ShownPair."""
        return [self.picture, self.caption, self.seed, self.match, self.remark]


def generate_desk(gr: ModuleType) -> GenerateDesk:
    """The fields and buttons of the right column, the seed first, what is seldom changed last."""
    with gr.Row(elem_classes="line seeds"):
        earlier_button = step_button(gr, "←", "earlier")
        seed = seed_field(gr, "Seed, a number or a word", elem_id="seed", min_width=90, scale=3)
        later_button = step_button(gr, "→", "later")
    with gr.Row(elem_classes="line"):
        generate_button = gr.Button(
            "Generate", variant="primary", elem_id="generate", min_width=100, scale=3
        )
        random_button = gr.Button("Random seed", elem_id="random", min_width=110, scale=2)
        stop_button = gr.Button(
            "Stop", elem_id="stop-generate", min_width=70, scale=1, visible=False
        )
    prompt = prompt_field(gr)
    examples = example_gallery(gr)
    with gr.Accordion("Settings", open=False, elem_id="more"):
        with gr.Row(elem_classes="line"):
            style = style_field(gr)
            count = number_field(gr, "How many", "8", elem_id="count", min_width=90, scale=1)
        best_of = best_of_slider(gr)
        guidance = guidance_slider(gr)
        temperature = temperature_slider(gr)
    return GenerateDesk(
        seed=seed,
        earlier_button=earlier_button,
        later_button=later_button,
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
        verdict=quiet_text(gr, "The card", max_lines=8, elem_id="verdict", visible=False),
    )


def step_button(gr: ModuleType, arrow: str, elem_id: str) -> Component:
    """To the seed before or after; page.js gives it its name, and its key."""
    return gr.Button(arrow, elem_id=elem_id, elem_classes="step", min_width=44, scale=0)


def style_field(gr: ModuleType) -> Component:
    """One of the model's styles."""
    return gr.Dropdown(
        [(ANY_STYLE, "")],
        value="",
        label="Style",
        filterable=False,
        elem_id="style",
        min_width=150,
        scale=3,
    )


def example_gallery(gr: ModuleType) -> Component:
    """Prompts, each with a small picture; there once they are drawn."""
    return gr.Gallery(
        label="For example",
        show_label=False,
        format="png",
        interactive=False,
        allow_preview=False,
        columns=2,
        height="auto",
        buttons=[],
        elem_id="examples",
        visible=False,
    )


def prompt_field(gr: ModuleType) -> Component:
    """Words of what the picture should show."""
    return gr.Textbox(
        "",
        label="Prompt",
        placeholder=NO_PROMPT,
        lines=1,
        max_lines=6,
        max_length=MAX_PROMPT_LENGTH,
        elem_id="prompt",
        info="What the picture should show; each seed gives another answer.",
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
    clip = clip_player(gr)
    picture = shown_picture(gr, "Picture", "picture", type="pil")
    caption = shown_caption(gr, "Caption", "caption")
    code = code_field(gr, "caption-code")
    note = caption_note(gr, "caption-note")
    with gr.Row(elem_classes="marks"):
        seed = gr.Number(
            label="seed", interactive=False, elem_id="shown", elem_classes="mark", min_width=60
        )
        fit = quiet_text(gr, "Fit", max_lines=2, elem_id="fit", visible=False)
    remark = quiet_text(gr, "Remark", max_lines=8, elem_id="remark", visible=False)
    match = gr.Number(visible=False)
    word = gr.Textbox(visible=False)
    player = sound_player(gr)
    with gr.Row(elem_classes="line small", elem_id="share") as share:
        listen = listen_button(gr)
        frames = sheet_button(gr)
        share_buttons(gr, seed)
        card = gr.UploadButton("Open a card", file_types=[".png"], elem_id="card", min_width=60)
    return PairPlate(
        picture=picture,
        caption=caption,
        code=code,
        listening=Listening(listen, player),
        watching=Watching(clip, frames),
        note=note,
        seed=seed,
        word=word,
        match=match,
        fit=fit,
        remark=remark,
        share=share,
        card=card,
    )
