"""The engravings as a drawn collection."""

from oneseed.synthetic.drawn import DrawnCollection
from oneseed.synthetic.engravings.attributes import (
    ATTRIBUTES,
    COLLECTION,
    CONSTANT,
    LEVELS,
    parse,
    tell,
)
from oneseed.synthetic.engravings.drawing import draw
from oneseed.synthetic.engravings.typed import KINDS, typed_prompt

ENGRAVINGS = DrawnCollection(
    style="builtin",
    version=COLLECTION,
    attributes=ATTRIBUTES,
    levels=LEVELS,
    constant=CONSTANT,
    count=15_000,
    size=128,
    follows_presets=True,
    channels=1,
    draw=draw,
    tell=tell,
    parse=parse,
    style_attribute="technique",
    truncation=0.7,
    prompt_kinds=tuple(KINDS),
    typed_prompt=typed_prompt,
)
