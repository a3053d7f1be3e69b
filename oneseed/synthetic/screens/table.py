"""The scheme of a table, as drawings of databases show it, told as CREATE TABLE."""

import re
from collections.abc import Sequence

from oneseed.synthetic.drawn import ABSENT, Facts
from oneseed.synthetic.grammar import Grammar, any_of, in_order
from oneseed.synthetic.screens.canvas import Canvas, Colour
from oneseed.synthetic.screens.reading import table_columns
from oneseed.synthetic.screens.screen import (
    CHALK,
    DUSK,
    FAINT,
    NIGHT_PANEL,
    PITCH,
    SNOW,
    ScreenKind,
    UnlikeError,
    has_value,
    known_value,
    values_there,
)

TABLE_NAMES = ("books", "users", "films", "songs", "pets", "shops", "trips", "plants")
# the key, then columns; each a name and a type
TABLE_COLUMNS = {
    "first": ("id INTEGER", "code TEXT", "number INTEGER"),
    "second": ("name TEXT", "title TEXT", "email TEXT", "city TEXT", "author TEXT", "phone TEXT"),
    "third": ("price REAL", "year INTEGER", "size INTEGER", "weight REAL", "age INTEGER", ABSENT),
    "fourth": ("born DATE", "sold DATE", "paid BOOLEAN", "open BOOLEAN", "photo BLOB", "note TEXT"),
}
MORE_TABLE_COLUMNS = {
    "fifth": ("street TEXT", "country TEXT", "colour TEXT"),
    "sixth": ("width REAL", "height REAL", "stock INTEGER", ABSENT),
    "seventh": ("owner INTEGER", "parent INTEGER", "group_id INTEGER"),
    "eighth": ("changed DATE", "active BOOLEAN", "logo BLOB"),
}


class TableScreen(ScreenKind):
    """Looks: with or without lines between the rows, light and dark."""

    name = "table"
    language = "sql"
    beginning = "CREATE"
    shaping = ("third",)

    def __init__(self, *, dense: bool) -> None:
        """dense: with twice as many columns."""
        self.columns = {**TABLE_COLUMNS, **(MORE_TABLE_COLUMNS if dense else {})}
        self.attributes = {"name": TABLE_NAMES, **self.columns}
        self.levels = {
            1: ("name", "first"),
            2: ("name", "first", "second"),
            3: ("name", "first", "second"),
            4: ("name", "first", "second"),
            5: tuple(self.attributes),
        }
        if dense:
            self.shaping = ("third", "sixth")

    def draw(self, canvas: Canvas, facts: Facts, look: int, colour: Colour) -> None:
        """A box with the name in its head and a row for each column."""
        dark = look % 2 == 1
        panel, ink, faint = (NIGHT_PANEL, CHALK, DUSK) if dark else (SNOW, PITCH, FAINT)
        columns = values_there(facts, tuple(self.columns))
        side = canvas.grid
        row = (side - 40) / len(self.columns)
        bottom = 30 + row * len(columns)
        canvas.box((6, 8, side - 6, bottom + 2), panel, outline=faint, radius=4)
        canvas.box((6, 8, side - 6, 28), colour, radius=4)
        canvas.words((14, 18), facts["name"], SNOW, size=13, bold=True)
        for number, column in enumerate(columns):
            top = 30 + number * row
            name, kind = column.split()
            if look // 2:
                canvas.box((7, top + row - 1, side - 7, top + row), faint)
            elif number % 2:
                shade = (62, 66, 80) if dark else (232, 233, 238)
                canvas.box((7, top, side - 7, top + row), shade)
            middle = top + row / 2
            if not number:
                draw_key(canvas, (14, middle), colour)
            canvas.words((24, middle), name, ink, size=10, bold=not number)
            canvas.words((side - 11, middle), kind, ink, size=8, anchor="rm")

    def tell(self, facts: Facts) -> str:
        """CREATE TABLE with a column a line."""
        key, *others = values_there(facts, tuple(self.columns))
        columns = ",\n".join([f"{key} PRIMARY KEY", *others])
        return f"CREATE TABLE {facts['name']} (\n{columns}\n);"

    def grammar(self, told: Sequence[str]) -> Grammar:
        """As of ScreenKind."""
        key, *others = self.columns
        parts = ["CREATE TABLE ", any_of(TABLE_NAMES), " (\n", any_of(self.columns[key])]
        parts.append(" PRIMARY KEY")
        for name in others:
            if name in told:
                columns = self.columns[name]
                parts.append(any_of(f",\n{one}" if has_value(one) else "" for one in columns))
        return in_order(*parts, "\n);")

    def parse(self, text: str) -> Facts:
        """The facts of what sqlite says that the statement creates."""
        name, columns = table_columns(text)
        facts: Facts = dict.fromkeys(self.attributes)
        facts["name"] = known_value(TABLE_NAMES, name, "the table")
        if [key for _, _, key in columns] != [True] + [False] * (len(columns) - 1):
            raise UnlikeError("its first column alone should be the primary key")
        places = iter(self.columns)
        for column, kind, _ in columns:
            told = f"{column} {kind.upper()}"
            place = next((one for one in places if told in self.columns[one]), None)
            if place is None:
                raise UnlikeError(f"the column {told[:40]!r} is not where such columns stand")
            facts[place] = told
        if facts[next(iter(self.columns))] is None:
            raise UnlikeError("its first column is none that keys have")
        if facts[list(self.columns)[-1]] is not None:
            for place, values in self.columns.items():
                if facts[place] is None and ABSENT in values:
                    facts[place] = ABSENT
        # defaults, conditions and the like are told by no screen
        if squeezed(text) != squeezed(self.tell(facts)):
            raise UnlikeError("it says more of its columns than screens show")
        return facts


def squeezed(statement: str) -> str:
    """A statement in capitals, without blanks that mean nothing, and without its semicolon."""
    words = " ".join(statement.upper().rstrip("; \n\t").split())
    return re.sub(r" ?([(),]) ?", r"\1", words)


def draw_key(canvas: Canvas, middle: tuple[float, float], colour: Colour) -> None:
    """The sign of a primary key."""
    x, y = middle
    canvas.disc((x - 2, y), 2.6, colour)
    canvas.smooth([(x, y), (x + 5, y)], colour, width=1.4, closed=False)
    canvas.smooth([(x + 4, y), (x + 4, y + 3)], colour, width=1.4, closed=False)
