"""The clips as a drawn collection."""

from oneseed.media.kinds import CLIP
from oneseed.synthetic.clips.drawing import CLIP_SIDE, draw
from oneseed.synthetic.clips.wording import (
    CLIP_ATTRIBUTES,
    CLIP_CONSTANT,
    CLIP_LEVELS,
    parse,
    tell,
)
from oneseed.synthetic.drawn import DrawnCollection

# another drawing or wording is another collection: raise the number
CLIP_COLLECTION = "clips-1"

CLIPS = DrawnCollection(
    style="clips",
    version=CLIP_COLLECTION,
    attributes=CLIP_ATTRIBUTES,
    levels=CLIP_LEVELS,
    constant=CLIP_CONSTANT,
    count=15_000,
    size=CLIP_SIDE,
    follows_presets=True,
    channels=1,
    draw=draw,
    tell=tell,
    parse=parse,
    style_attribute="sky",
    medium=CLIP,
)
