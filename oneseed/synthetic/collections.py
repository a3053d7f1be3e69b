"""The drawn collections, by their styles; asking for names loads no drawings.

To add one: a folder beside this file with a DrawnCollection, a line in DRAWN_CLASSES, and one in
drawn_collection. Nothing else asks which collections there are.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oneseed.synthetic.drawn import DrawnCollection

# style, which names its folders and is a value of --source -> the class that its pictures are of
DRAWN_CLASSES = {
    "builtin": "engraving",
    "sprites": "drawings",
    "screens": "drawings",
    "dense-screens": "drawings",
    "sounds": "recordings",
    "clips": "clips",
}
DRAWN_STYLES = tuple(DRAWN_CLASSES)


def drawn_collection(style: str) -> "DrawnCollection | None":
    """The drawn collection of this style; None where the style is another."""
    match style:
        case "builtin":
            from oneseed.synthetic.engravings.collection import ENGRAVINGS

            return ENGRAVINGS
        case "sprites":
            from oneseed.synthetic.sprites.collection import SPRITES

            return SPRITES
        case "screens":
            from oneseed.synthetic.screens.collection import SCREENS

            return SCREENS
        case "dense-screens":
            from oneseed.synthetic.screens.collection import DENSE_SCREENS

            return DENSE_SCREENS
        case "sounds":
            from oneseed.synthetic.sounds.collection import SOUNDS

            return SOUNDS
        case "clips":
            from oneseed.synthetic.clips.collection import CLIPS

            return CLIPS
    return None
