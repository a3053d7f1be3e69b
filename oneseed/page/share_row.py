"""The row below a pair's caption: its link copied, its postcard saved.

Both happen in the browser: page.js.
"""

from types import ModuleType

from oneseed.page.events import QUIET_EVENT, Component

COPY_LINK = "Copy link"
SAVE_POSTCARD = "Postcard"


def share_row(gr: ModuleType, seed: Component) -> None:
    """Makes the row. seed: of the pair that is shown, empty while there is none."""
    with gr.Row(elem_id="share", elem_classes="line"):
        copy = gr.Button(COPY_LINK, elem_id="copy-link", min_width=110)
        save = gr.Button(SAVE_POSTCARD, elem_id="save-postcard", min_width=110)
    for button, label, function in (
        (copy, COPY_LINK, "copyLink"),
        (save, SAVE_POSTCARD, "savePostcard"),
    ):
        said = button.click(None, seed, button, js=f"seed => page.{function}(seed)", **QUIET_EVENT)
        said.then(None, None, button, js=f"() => page.later('{label}')", **QUIET_EVENT)
