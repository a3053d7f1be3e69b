"""Buttons below a pair's caption: its link copied, its postcard saved.

Both happen in the browser: page.js.
"""

from types import ModuleType

from oneseed.page.events import QUIET_EVENT, Component

COPY_LINK = "Copy link"
SAVE_POSTCARD = "Postcard"


def share_buttons(gr: ModuleType, seed: Component) -> None:
    """Makes the buttons in the row around. seed: of the pair on show, empty while there is none."""
    copy = gr.Button(COPY_LINK, elem_id="copy-link", min_width=60)
    save = gr.Button(SAVE_POSTCARD, elem_id="save-postcard", min_width=60)
    for button, label, function in (
        (copy, COPY_LINK, "copyLink"),
        (save, SAVE_POSTCARD, "savePostcard"),
    ):
        said = button.click(None, seed, button, js=f"seed => page.{function}(seed)", **QUIET_EVENT)
        said.then(None, None, button, js=f"() => page.later('{label}')", **QUIET_EVENT)
