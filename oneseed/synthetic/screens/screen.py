"""What a kind of screen offers, and what the kinds share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from oneseed.synthetic.drawn import ABSENT, Facts
from oneseed.synthetic.grammar import Grammar
from oneseed.synthetic.screens.canvas import Canvas, Colour

SNOW: Colour = (255, 255, 255)
PAPER: Colour = (238, 238, 240)
PITCH: Colour = (24, 26, 32)
FAINT: Colour = (168, 170, 178)
NIGHT: Colour = (30, 32, 40)
NIGHT_PANEL: Colour = (48, 51, 62)
CHALK: Colour = (236, 238, 242)
DUSK: Colour = (112, 116, 130)


class UnlikeError(ValueError):
    """A text is no text of this kind; its message says why."""


class OtherKindError(UnlikeError):
    """A text is not even near to this kind."""


class ScreenKind(ABC):
    """One kind of screen. Its facts are {attribute: value}, None or ABSENT where there is none.

    name: value of the attribute "kind"; language: "html", "sql" or "python"; beginning: the first
    word of its texts, where another kind has the same language and another word.
    attributes: {name: values}; levels: {level: names that it tells}, each more than the one before.
    shaping, together, unjudged: as of Redrawn, by the kind's own names.
    looks: in how many ways the same facts are drawn; marks_ground: whether what stands out lies on
    the ground itself, and is bright where that is dark.
    """

    name: ClassVar[str]
    language: ClassVar[str]
    beginning: ClassVar[str] = ""
    looks: ClassVar[int] = 4
    marks_ground: ClassVar[bool] = False
    shaping: tuple[str, ...] = ()
    together: tuple[tuple[str, ...], ...] = ()
    unjudged: tuple[float, float, float, float] = (0, 0, 0, 0)
    attributes: Mapping[str, tuple[Any, ...]]
    levels: Mapping[int, tuple[str, ...]]

    def ground(self, facts: Facts, look: int) -> Colour:
        """The colour behind everything. Odd looks are dark."""
        return NIGHT if look % 2 else PAPER

    def is_told(self, facts: Facts) -> bool:
        """Whether facts that were parsed are what a level tells, with no gap among them."""
        told = {name for name, value in facts.items() if value is not None}
        # a part that is not there is told by silence
        silent = {name for name, values in self.attributes.items() if ABSENT in values}
        return any(told <= set(names) <= told | silent for names in self.levels.values())

    @abstractmethod
    def draw(self, canvas: Canvas, facts: Facts, look: int, colour: Colour) -> None:
        """Draws the facts. look: below `looks`; colour: of what stands out."""

    @abstractmethod
    def tell(self, facts: Facts) -> str:
        """The text that makes the screen, of the facts that are told."""

    @abstractmethod
    def grammar(self, told: Sequence[str]) -> Grammar:
        """The texts that `tell` gives where these attributes are told, and no other."""

    @abstractmethod
    def parse(self, text: str) -> Facts:
        """A text -> its facts. UnlikeError where it is none of this kind.

        NotCodeError where no parser of its language reads it.
        """


def has_value(value: Any) -> bool:
    """Whether an attribute has a value that is drawn and told."""
    return value is not None and value != ABSENT


def values_there(facts: Facts, names: Sequence[str]) -> list[Any]:
    """The values of those attributes that have one."""
    return [facts[name] for name in names if has_value(facts[name])]


def known_value(values: Sequence[Any], value: Any, what: str) -> Any:
    """The value, where it is among the values; else UnlikeError that names it."""
    if value not in values:
        # a number may have more digits than Python writes
        shown = f"{what} {value[:40]!r}" if isinstance(value, str) else what
        raise UnlikeError(f"{shown} is none that screens show")
    return value
