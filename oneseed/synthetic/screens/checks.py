"""All kinds of screens at once: drawing, telling, parsing, and the exact check of any text."""

import ast
import re
from collections.abc import Iterable, Sequence
from functools import partial

from PIL import Image

from oneseed.seeds import numpy_generator
from oneseed.synthetic.drawn import ABSENT, Checked, Facts, Redrawn
from oneseed.synthetic.grammar import Grammar, any_of
from oneseed.synthetic.screens.canvas import (
    ACCENT_LUMINANCE,
    BRIGHT_LUMINANCE,
    HUES,
    Canvas,
    accent,
)
from oneseed.synthetic.screens.reading import (
    NotCodeError,
    html_tree,
    python_tree,
    require_short,
)
from oneseed.synthetic.screens.screen import OtherKindError, ScreenKind, UnlikeError

KIND = "kind"
# what statements of SQL begin with
SQL_WORDS = (
    "ALTER ANALYZE ATTACH BEGIN COMMIT CREATE DELETE DETACH DROP EXPLAIN INSERT PRAGMA REINDEX "
    "RELEASE REPLACE ROLLBACK SAVEPOINT SELECT UPDATE VACUUM VALUES WITH"
)
SQL_COMMENTS = re.compile(r"\A(?:\s|--[^\n]*(?:\n|\Z))+")
# how far the seed moves everything, in units
MOST_SHIFT = 1


class Screens:
    """Kinds of screens as one collection: facts of all of them in one dict.

    Facts are {"kind": …, "form_title": …, …}: attributes of other kinds are ABSENT.
    """

    def __init__(self, screens: Sequence[ScreenKind], grid: int) -> None:
        """grid: units a side."""
        self.screens = {screen.name: screen for screen in screens}
        self.grid = grid
        self.attributes = {KIND: tuple(self.screens)}
        self.levels: dict[int, tuple[str, ...]] = {}
        for screen in screens:
            for name, values in screen.attributes.items():
                self.attributes[f"{screen.name}_{name}"] = values
        for level in screens[0].levels:
            told = [f"{one.name}_{name}" for one in screens for name in one.levels[level]]
            self.levels[level] = (KIND, *told)
        self.kinds = {one.name: self.names(one, one.attributes) for one in screens}

    def redrawn(self) -> Redrawn:
        """How the pictures are drawn again."""
        screens = self.screens.values()
        return Redrawn(
            looks={one.name: one.looks for one in screens},
            shaping={one.name: self.names(one, one.shaping) for one in screens},
            together={
                one.name: tuple(map(partial(self.names, one), one.together)) for one in screens
            },
            unjudged={one.name: one.unjudged for one in screens},
            draw=self.draw_again,
        )

    def names(self, screen: ScreenKind, names: Iterable[str]) -> tuple[str, ...]:
        """Names of attributes of a kind -> what the collection calls them."""
        return tuple(f"{screen.name}_{name}" for name in names)

    def own(self, facts: Facts) -> tuple[ScreenKind, Facts]:
        """The kind of some facts, and its own facts."""
        screen = self.screens[facts[KIND]]
        return screen, {name: facts[f"{screen.name}_{name}"] for name in screen.attributes}

    def draw(self, facts: Facts, seed: int, size: int) -> Image.Image:
        """Facts -> picture, RGB. Look, colour and where all lies come from the seed."""
        rng = numpy_generator(seed, "picture")
        look = int(rng.integers(self.screens[facts[KIND]].looks))
        hue = int(rng.integers(len(HUES)))
        dx, dy = (int(one) for one in rng.integers(-MOST_SHIFT, MOST_SHIFT + 1, 2))
        return self.drawn_in(facts, size, look=look, hue=hue, shift=(dx, dy))

    def draw_again(self, facts: Facts, look: int, size: int) -> Image.Image:
        """Facts -> picture in one of the looks, not moved."""
        return self.drawn_in(facts, size, look=look, hue=0, shift=(0, 0))

    def drawn_in(
        self, facts: Facts, size: int, *, look: int, hue: int, shift: tuple[int, int]
    ) -> Image.Image:
        """Facts -> picture, where all is decided."""
        screen, own = self.own(facts)
        canvas = Canvas(size, self.grid, screen.ground(own, look), shift)
        is_bright = screen.marks_ground and look % 2 == 1
        colour = accent(hue, BRIGHT_LUMINANCE if is_bright else ACCENT_LUMINANCE)
        screen.draw(canvas, own, look, colour)
        return canvas.image

    def tell(self, facts: Facts, seed: int, level: int) -> str:
        """Facts -> code that tells those of the level. The seed changes nothing."""
        screen, own = self.own(facts)
        told = screen.levels[level]
        return screen.tell({name: own[name] if name in told else None for name in own})

    def grammar(self) -> Grammar:
        """The texts that are told of all kinds, at all levels."""
        told = {
            (screen.name, names): screen.grammar(names)
            for screen in self.screens.values()
            for names in screen.levels.values()
        }
        return any_of(told.values())

    def parse(self, text: str) -> Facts:
        """Any text -> facts, all None where it is none of the collection's."""
        return self.check(text).facts

    def check(self, text: str) -> Checked:
        """Any text -> whether a parser of its language reads it, and its facts. Nothing is run.

        But one statement of SQL, in a database in memory of its own.
        """
        nothing = dict.fromkeys(self.attributes)
        text = str(text)
        try:
            require_short(text)
            language = language_by_beginning(text)
            if language == "html":
                html_tree(text)
            elif language == "python":
                python_tree(text)
        except NotCodeError as error:
            return Checked(nothing, False, f"{error}.")
        reasons = []
        is_valid = language != "sql"
        for screen in self.candidates(text, language):
            try:
                own = screen.parse(text)
                unlike = "" if screen.is_told(own) else "it tells other things than screens do."
                return Checked(self.all_facts(screen, own), True, unlike)
            except NotCodeError as error:
                reasons.append((0, str(error)))
            except UnlikeError as error:
                # only valid SQL comes so far
                is_valid = True
                # the reason of the kind that is nearest
                reasons.append((1 if isinstance(error, OtherKindError) else 2, str(error)))
        return Checked(nothing, is_valid, f"{max(reasons, default=(0, 'it is no screen'))[1]}.")

    def candidates(self, text: str, language: str) -> list[ScreenKind]:
        """The kinds that a text may be of: those that begin as it does, else all."""
        known = [one for one in self.screens.values() if one.language == language]
        start = without_comments(text).upper()
        near = [one for one in known if start.startswith(one.beginning)]
        return near or known

    def all_facts(self, screen: ScreenKind, own: Facts) -> Facts:
        """The facts of one kind -> those of the collection."""
        facts = dict.fromkeys(self.attributes, ABSENT)
        facts[KIND] = screen.name
        return {**facts, **{f"{screen.name}_{name}": value for name, value in own.items()}}


def without_comments(text: str) -> str:
    """A text without the blanks and the comments of SQL that it begins with."""
    return SQL_COMMENTS.sub("", text)


def language_by_beginning(text: str) -> str:
    """html, sql or python, by how a text begins."""
    beginning = without_comments(text)
    if beginning.startswith("<"):
        return "html"
    words = beginning.split(maxsplit=1)
    is_sql = bool(words) and words[0].upper() in SQL_WORDS.split()
    return "sql" if is_sql and not reads_as_python(text) else "python"


def reads_as_python(text: str) -> bool:
    """Whether a text is Python, and says more than one name: values = [1], with a: pass."""
    try:
        first = python_tree(text).body[0]
    except NotCodeError:
        return False
    return not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Name))
