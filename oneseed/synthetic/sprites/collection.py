"""The sprites as a drawn collection."""

from oneseed.synthetic.drawn import DrawnCollection
from oneseed.synthetic.sprites.drawing import SPRITE_SIDE, draw
from oneseed.synthetic.sprites.wording import SPRITE_ATTRIBUTES, SPRITE_LEVELS, parse, tell

# another drawing or wording is another collection: raise the number
COLLECTION = "sprites-1"

SPRITES = DrawnCollection(
    style="sprites",
    version=COLLECTION,
    attributes=SPRITE_ATTRIBUTES,
    levels=SPRITE_LEVELS,
    # no caption tells these three: white on black, anywhere
    constant={"size": "big", "colour": "white", "position": "anywhere", "background": "black"},
    count=6000,
    size=SPRITE_SIDE,
    follows_presets=False,
    channels=3,
    draw=draw,
    tell=tell,
    parse=parse,
)
