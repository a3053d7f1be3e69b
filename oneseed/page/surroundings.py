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
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model.caption_source import NONE, SOURCE_WORDS
from oneseed.model.latent_check import is_failed, latent_notice
from oneseed.page.events import Component
from oneseed.page.generate_handlers import ANY_STYLE
from oneseed.page.generate_tab import NO_PROMPT, PROMPT_EXAMPLES
from oneseed.page.pair_rows import FindGenerator
from oneseed.page.picture_tab import EVERY_STYLE

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
    # of the tab Generate
    styles: Component
    examples: Component
    # of the tab Your picture
    other_styles: Component
    # below the captions of both
    note: Component
    other_note: Component
    # of the tab Generate, where words can be typed
    prompt: Component


@dataclass(frozen=True)
class Surroundings:
    """Looks for the model, and says what it finds."""

    gr: ModuleType
    find_generator: FindGenerator
    # folder of the collections
    data: str | Path = DEFAULT_DATA

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
            notice = f"## No model yet\n\n{error}.\n\n{COMMANDS}"
            return PageState(
                notice=gr.Markdown(notice, visible=True),
                warning=gr.Markdown(visible=False),
                remarks=gr.Markdown(visible=False),
                colophon=gr.Markdown(visible=False),
                styles=gr.skip(),
                examples=gr.skip(),
                other_styles=gr.skip(),
                note=gr.skip(),
                other_note=gr.skip(),
                prompt=gr.skip(),
            )
        words = SOURCE_WORDS[generator.caption_source]
        warning = ""
        remarks = [words.model, generator.finish_notice]
        if generator.health and is_failed(generator.health):
            warning = latent_notice(generator.health)
        else:
            remarks.append(latent_notice(generator.health))
        remark = "\n\n".join(sentence for sentence in remarks if sentence)
        name = checkpoint_name(generator.checkpoint)
        if name == BASE:
            remark = f"{remark}\n\n{describe_base(self.data)}".strip()
        checkpoint = Path(name).name
        colophon = f"Style *{generator.style}* · checkpoint *{checkpoint}*"
        known = known_examples(generator)
        return PageState(
            notice=gr.Markdown(visible=False),
            warning=gr.Markdown(warning, visible=bool(warning)),
            remarks=gr.Markdown(remark, visible=bool(remark)),
            colophon=gr.Markdown(colophon, visible=True),
            styles=gr.Dropdown(choices=[(ANY_STYLE, ""), *generator.styles]),
            examples=gr.Dataset(samples=[[text] for text in known], visible=bool(known)),
            other_styles=gr.Dropdown(choices=[(EVERY_STYLE, ""), *generator.styles]),
            note=gr.Markdown(words.pair, visible=bool(words.pair)),
            other_note=gr.Markdown(words.pair, visible=bool(words.pair)),
            prompt=prompt_state(gr, generator.caption_source),
        )


@functools.cache
def describe_base(data: str | Path = DEFAULT_DATA) -> str:
    """That the base model draws, and what makes a model of one's own.

    data: folder of the collections, which is looked through once.
    """
    return (
        "This is the base model, which comes with the program. The way to one of your own: "
        f"{ways_to_model(DEFAULT_CHECKPOINT, data)}"
    )


def prompt_state(gr: ModuleType, caption_source: str) -> Component:
    """The prompt field for a model: closed, with the reason in it, where it knows no words."""
    if caption_source == NONE:
        return gr.Textbox("", interactive=False, placeholder="this model knows no words")
    return gr.Textbox(interactive=True, placeholder=NO_PROMPT)


def known_examples(generator: MultimodalGenerator) -> list[str]:
    """The examples of prompts that a model can know all of; none where it knows no words."""
    if generator.caption_source == NONE:
        return []
    return [text for text in PROMPT_EXAMPLES if not generator.read_prompt(text).remarks]


def masthead(gr: ModuleType) -> None:
    """The title of the page."""
    gr.Markdown(
        f"# {TITLE}\n\nA small model holds both in one latent: the seed draws the picture, and the "
        "same seed writes what it shows.",
        elem_id="masthead",
    )
