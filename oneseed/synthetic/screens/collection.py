"""The screens as drawn collections: of 128 px, and of 256 px with twice as much on each."""

from oneseed.synthetic.drawn import DrawnCollection
from oneseed.synthetic.screens.chart import ChartScreen
from oneseed.synthetic.screens.checks import Screens
from oneseed.synthetic.screens.flow import FlowScreen
from oneseed.synthetic.screens.form import FormScreen
from oneseed.synthetic.screens.listing import ListingScreen
from oneseed.synthetic.screens.query import QueryScreen
from oneseed.synthetic.screens.table import TableScreen

# another drawing or wording is another collection: raise the number
COLLECTION = "screens-1"
KINDS_OF_SCREENS = (FormScreen, TableScreen, QueryScreen, ChartScreen, FlowScreen, ListingScreen)


def screens(style: str, version: str, *, dense: bool) -> DrawnCollection:
    """A collection of screens. dense: 256 px a side, with about twice as much on each."""
    made = Screens([kind(dense=dense) for kind in KINDS_OF_SCREENS], 256 if dense else 128)
    return DrawnCollection(
        style=style,
        version=version,
        attributes=made.attributes,
        levels=made.levels,
        constant=dict.fromkeys(made.attributes),
        count=6000 if dense else 15_000,
        size=made.grid,
        follows_presets=not dense,
        channels=3,
        draw=made.draw,
        tell=made.tell,
        parse=made.parse,
        caption_kind="code",
        kinds=made.kinds,
        check=made.check,
        redrawn=made.redrawn(),
        grammar=made.grammar(),
    )


SCREENS = screens("screens", COLLECTION, dense=False)
DENSE_SCREENS = screens("dense-screens", f"dense-{COLLECTION}", dense=True)
