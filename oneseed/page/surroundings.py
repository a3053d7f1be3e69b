"""What surrounds the tabs: the masthead, notices above them, and which model draws, below."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from oneseed.console.command import UserError
from oneseed.model.latent_check import describe_latent
from oneseed.page.events import Component
from oneseed.page.generate_handlers import ANY_STYLE
from oneseed.page.generate_tab import PROMPT_EXAMPLES
from oneseed.page.pair_rows import FindGenerator
from oneseed.page.picture_tab import EVERY_STYLE

TITLE = "One seed, one picture, one caption"
COMMANDS = """The built-in collection, a model trained on it and this page, in one command:

    make demo

Or step by step, with engravings from Kaggle:

    python dataset_preparation.py
    python caption_generation.py
    python training_loop.py

Then press **Generate**: each click looks for the model anew."""


class PageState(NamedTuple):
    """What depends on the model, in the order of the page's components."""

    notice: Component
    warning: Component
    colophon: Component
    # of the tabs Generate and Your picture
    styles: Component
    other_styles: Component
    examples: Component


@dataclass(frozen=True)
class Surroundings:
    """Looks for the model, and says what it finds."""

    gr: ModuleType
    find_generator: FindGenerator

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
                colophon=gr.Markdown(visible=False),
                styles=gr.skip(),
                other_styles=gr.skip(),
                examples=gr.skip(),
            )
        warning = ""
        if generator.health and not generator.health["passed"]:
            warning = describe_latent(generator.health)
        checkpoint = Path(generator.checkpoint).name
        colophon = f"Style *{generator.style}* · checkpoint *{checkpoint}*"
        known = [text for text in PROMPT_EXAMPLES if not generator.unknown_words(text)]
        return PageState(
            notice=gr.Markdown(visible=False),
            warning=gr.Markdown(warning, visible=bool(warning)),
            colophon=gr.Markdown(colophon, visible=True),
            styles=gr.Dropdown(choices=[(ANY_STYLE, ""), *generator.styles]),
            other_styles=gr.Dropdown(choices=[(EVERY_STYLE, ""), *generator.styles]),
            examples=gr.Dataset(samples=[[text] for text in known], visible=bool(known)),
        )


def masthead(gr: ModuleType) -> None:
    """The title of the page."""
    gr.Markdown(
        f"# {TITLE}\n\nA small model holds both in one latent: the seed draws the picture, and the "
        "same seed writes what it shows.",
        elem_id="masthead",
    )
