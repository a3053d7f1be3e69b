"""A picture that is the sheet of a clip's frames moves, and shows its frames where they are wanted.

A sheet is hidden while its clip is on show: it stays the card that can be saved.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

from oneseed.media.clip import gif_bytes
from oneseed.page.components import shown_picture
from oneseed.page.events import QUIET_EVENT, Component
from oneseed.page.uploads import uploaded_image


@dataclass(frozen=True)
class Watching:
    """player: the moving picture, hidden where there is none; button: asks for its sheet."""

    player: Component
    button: Component

    @property
    def outputs(self) -> list[Component]:
        """In the order of ShownClip, after its sheet."""
        return [self.player, self.button]


class ShownClip(NamedTuple):
    """Updates of a picture and of its Watching."""

    sheet: Component
    player: Component
    button: Component


def clip_player(gr: ModuleType) -> Component:
    """Shows a clip, hidden until there is one."""
    return shown_picture(gr, "The clip", "moving", visible=False)


def sheet_button(gr: ModuleType) -> Component:
    """Asks for the sheet of the frames; hidden where pictures are pictures."""
    return gr.Button("Frames", elem_id="frames", min_width=60, visible=False)


def connect_watching(gr: ModuleType, watching: Watching, picture: Component) -> None:
    """A click on the button shows the sheet below the clip."""
    watching.button.click(lambda: gr.Image(visible=True), None, picture, **QUIET_EVENT)


def watching_updates(gr: ModuleType, shown: Any, cache: str, alt_text: str) -> ShownClip:
    """A sheet on show -> its clip in its place. shown: as the picture's field sent it."""
    clip = gif_bytes(uploaded_image(shown, cache))
    path = gr.processing_utils.save_bytes_to_cache(clip, "clip.gif", cache)
    return ShownClip(
        sheet=gr.Image(visible=False, alt_text=alt_text),
        player=gr.Image(path, visible=True, alt_text=alt_text),
        button=gr.Button(visible=True),
    )


def still_updates(gr: ModuleType, alt_text: str) -> ShownClip:
    """A picture that stands for itself."""
    return ShownClip(
        sheet=gr.Image(visible=True, alt_text=alt_text),
        player=gr.Image(None, visible=False),
        button=gr.Button(visible=False),
    )
