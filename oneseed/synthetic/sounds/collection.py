"""The sounds as a drawn collection."""

from oneseed.media.kinds import SOUND
from oneseed.synthetic.drawn import DrawnCollection
from oneseed.synthetic.sounds.playing import SOUND_SIDE, draw
from oneseed.synthetic.sounds.wording import (
    SOUND_ATTRIBUTES,
    SOUND_CONSTANT,
    SOUND_LEVELS,
    parse,
    tell,
)

# another playing or wording is another collection: raise the number
SOUND_COLLECTION = "sounds-2"

SOUNDS = DrawnCollection(
    style="sounds",
    version=SOUND_COLLECTION,
    attributes=SOUND_ATTRIBUTES,
    levels=SOUND_LEVELS,
    constant=SOUND_CONSTANT,
    count=15_000,
    size=SOUND_SIDE,
    follows_presets=True,
    channels=1,
    draw=draw,
    tell=tell,
    parse=parse,
    style_attribute="surroundings",
    medium=SOUND,
)
