"""What surrounds the tabs: the masthead, notices above them, and which model draws, below."""

import functools
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from oneseed.config.base_model import BASE, checkpoint_name
from oneseed.console.command import UserError
from oneseed.dataset.commands import DEFAULT_CHECKPOINT, DEFAULT_DATA, script_command
from oneseed.dataset.next_run import ways_to_model
from oneseed.media.kinds import PICTURE, SOUND, VIDEO_SUFFIXES
from oneseed.model.caption_source import NONE, SOURCE_WORDS
from oneseed.model.latent_check import describe_meaning, is_failed
from oneseed.page.events import Component
from oneseed.page.generate_handlers import ANY_STYLE
from oneseed.page.generate_parts import NO_PROMPT
from oneseed.page.pair_rows import FindGenerator
from oneseed.page.picture_tab import EVERY_STYLE
from oneseed.page.sentences import Tell

BASE_MODEL = "This is the base model, which comes with the program."
TITLE = "One seed, one picture, one caption"
COMMANDS = f"""The built-in collection, a model trained on it and this page, in one command:

    make demo

Or step by step, with engravings from Kaggle:

    {script_command("dataset_preparation.py")}
    {script_command("caption_generation.py")}
    {script_command("training_loop.py")}

Then press **Generate**: each click looks for the model anew."""


class PageState(NamedTuple):
    """What depends on the model, in the order of the page's components."""

    notice: Component
    warning: Component
    # what holds for all pairs, said calmly
    remarks: Component
    colophon: Component
    # of the tab Generate: styles, what stands below the caption, and where words can be typed
    styles: Component
    note: Component
    prompt: Component
    # of the tab Your picture: the same two, and where a sound or clip can be brought
    other_styles: Component
    other_note: Component
    bring_button: Component


@dataclass(frozen=True)
class Surroundings:
    """Looks for the model, and says what it finds."""

    gr: ModuleType
    find_generator: FindGenerator
    # folder of the collections
    data: str | Path = DEFAULT_DATA
    # how sentences are said, and whether only the operator reads them
    tell: Tell = str
    is_private: bool = True

    def style_of_model(self) -> str:
        """The collection on which the model was trained, "" while there is none."""
        try:
            return self.find_generator().style
        except UserError:
            return ""

    def state(self) -> PageState:
        """Is there a model, is it healthy, which one is it; and the styles that it knows."""
        gr = self.gr
        try:
            generator = self.find_generator()
        except UserError as error:
            notice = f"## No model yet\n\n{self.tell(f'{error}.')}"
            if self.is_private:
                notice = f"{notice}\n\n{COMMANDS}"
            return PageState(
                notice=gr.Markdown(notice, visible=True),
                warning=gr.Markdown(visible=False),
                remarks=gr.Markdown(visible=False),
                colophon=gr.Markdown(visible=False),
                styles=gr.skip(),
                other_styles=gr.skip(),
                note=gr.skip(),
                other_note=gr.skip(),
                prompt=gr.skip(),
                bring_button=gr.skip(),
            )
        words = SOURCE_WORDS[generator.caption_source]
        warning = ""
        remarks = [words.model, generator.seed_notice]
        health = generator.health
        if health and is_failed(health):
            warning = describe_meaning(health)
        elif health and not health["passed"]:
            remarks.append(describe_meaning(health))
        remark = "\n\n".join(sentence for sentence in remarks if sentence)
        name = checkpoint_name(generator.checkpoint)
        if name == BASE:
            about_base = describe_base(self.data) if self.is_private else BASE_MODEL
            remark = f"{remark}\n\n{about_base}".strip()
        checkpoint = Path(name).name
        colophon = f"Style *{generator.style}* · checkpoint *{checkpoint}*"
        return PageState(
            notice=gr.Markdown(visible=False),
            warning=gr.Markdown(warning, visible=bool(warning)),
            remarks=gr.Markdown(remark, visible=bool(remark)),
            colophon=gr.Markdown(colophon, visible=True),
            styles=gr.Dropdown(choices=[(ANY_STYLE, ""), *generator.styles]),
            other_styles=gr.Dropdown(choices=[(EVERY_STYLE, ""), *generator.styles]),
            note=gr.Markdown(words.pair, visible=bool(words.pair)),
            other_note=gr.Markdown(words.pair, visible=bool(words.pair)),
            prompt=prompt_state(gr, generator.caption_source),
            bring_button=bring_state(gr, generator.medium),
        )


@functools.cache
def describe_base(data: str | Path = DEFAULT_DATA) -> str:
    """That the base model draws, and what makes a model of one's own.

    data: folder of the collections, which is looked through once.
    """
    return f"{BASE_MODEL} The way to one of your own: {ways_to_model(DEFAULT_CHECKPOINT, data)}"


def prompt_state(gr: ModuleType, caption_source: str) -> Component:
    """The prompt field for a model: closed, with the reason in it, where it knows no words."""
    if caption_source == NONE:
        return gr.Textbox("", interactive=False, placeholder="this model knows no words")
    return gr.Textbox(interactive=True, placeholder=NO_PROMPT)


def bring_state(gr: ModuleType, medium: str) -> Component:
    """The button that brings a sound or clip; pictures have a field of their own."""
    if medium == PICTURE:
        return gr.UploadButton(visible=False)
    kinds = ["audio"] if medium == SOUND else ["image", *sorted(VIDEO_SUFFIXES)]
    return gr.UploadButton(f"Bring a {medium}", file_types=kinds, visible=True)


def masthead(gr: ModuleType) -> None:
    """The title of the page."""
    gr.Markdown(
        f"# {TITLE}\n\nThe seed draws the picture, and writes what it shows.",
        elem_id="masthead",
    )
