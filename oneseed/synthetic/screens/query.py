"""What a query finds, in a window of a database, told as SELECT."""

import re
from collections.abc import Sequence

from oneseed.synthetic.drawn import ABSENT, Facts
from oneseed.synthetic.grammar import Grammar, any_of, in_order
from oneseed.synthetic.screens.canvas import Canvas, Colour
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
)
from oneseed.synthetic.screens.shelves import SHELF_COLUMNS, SHELVES, selected

SHOWN = ("name, year", "name, price", "name, stock", "year, price", "year, stock", "price, stock")
MORE_SHOWN = (
    *("name, year, price", "name, year, stock", "name, price, stock", "year, price, stock"),
    *("name, price, year", "name, stock, year", "name, stock, price", "name, year, price, stock"),
)
QUERY_ORDERS = tuple(f"{column} {way}" for column in SHELF_COLUMNS for way in ("ASC", "DESC"))
FILTERS = (
    *("year > 1980", "year < 1990", "price > 10", "price < 20", "stock > 40", "stock < 60"),
    ABSENT,
)
QUERY = re.compile(
    r"SELECT (?P<columns>\w+(?: ?, ?\w+)*) FROM (?P<table>\w+)"
    r"(?: WHERE (?P<filter>\w+ ?[<>] ?\d+))?"
    r"(?: ORDER BY (?P<order>\w+(?: ASC| DESC)?))?(?: LIMIT (?P<limit>\d+))? ?;?",
    re.IGNORECASE,
)


class QueryScreen(ScreenKind):
    """Looks: bands or lines, light and dark."""

    name = "query"
    language = "sql"
    beginning = "SELECT"
    # rows follow from all attributes at once, which stand above them
    unjudged = (0, 0.45, 1, 0.96)

    def __init__(self, *, dense: bool) -> None:
        """dense: with more columns and rows."""
        self.most = 8 if dense else 4
        self.attributes = {
            "table": tuple(SHELVES),
            "columns": MORE_SHOWN if dense else SHOWN,
            "order": QUERY_ORDERS,
            "filter": FILTERS,
            "limit": (5, 6, 7, 8) if dense else (2, 3, 4),
        }
        self.levels = {
            1: ("table", "columns"),
            2: ("table", "columns", "order"),
            3: ("table", "columns", "order"),
            4: ("table", "columns", "order"),
            5: tuple(self.attributes),
        }

    def draw(self, canvas: Canvas, facts: Facts, look: int, colour: Colour) -> None:
        """A window: the table's name, chips of filter and order, and the rows that are found."""
        dark = look % 2 == 1
        panel, ink, faint = (NIGHT_PANEL, CHALK, DUSK) if dark else (SNOW, PITCH, FAINT)
        side = canvas.grid
        canvas.box((4, 4, side - 4, side - 4), panel, outline=faint, radius=4)
        canvas.box((4, 4, side - 4, 22), colour, radius=4)
        canvas.words((10, 13), facts["table"], SNOW, size=12, bold=True)
        if has_value(facts["limit"]):
            place = (side - 9, 13)
            size = 14 if self.most > 4 else 11
            canvas.words(place, f"first {facts['limit']}", SNOW, size=size, anchor="rm", bold=True)
        if has_value(facts["order"]):
            draw_order(canvas, (8, 26, side / 2 - 8, 40), facts["order"], (ink, faint))
        if has_value(facts["filter"]):
            corners = (side / 2 - 5, 26, side - 8, 40)
            canvas.box(corners, None, outline=faint, radius=6)
            canvas.words((side / 4 * 3 - 7, 33), facts["filter"], ink, size=9, anchor="mm")
        columns = facts["columns"].split(", ")
        head = (70, 74, 90) if dark else (214, 216, 224)
        canvas.box((5, 44, side - 5, 56), head)
        draw_cells(canvas, columns, columns, 50, ink, bold=True)
        rows = selected(self.tell({**facts, "limit": facts["limit"] or self.most}))
        height = (side - 62) / self.most
        for row in range(self.most):
            top = 56 + row * height
            bottom = top + height
            if look // 2 and row % 2:
                shade = (62, 66, 80) if dark else (238, 239, 243)
                canvas.box((5, top, side - 5, bottom), shade)
            elif not look // 2:
                canvas.box((5, bottom - 1, side - 5, bottom), faint)
            if row < len(rows):
                draw_cells(canvas, columns, rows[row], (top + bottom) / 2, ink, bold=False)

    def tell(self, facts: Facts) -> str:
        """SELECT of what is told."""
        text = f"SELECT {facts['columns']} FROM {facts['table']}"
        if has_value(facts["filter"]):
            text += f"\nWHERE {facts['filter']}"
        if has_value(facts["order"]):
            text += f"\nORDER BY {facts['order']}"
        if has_value(facts["limit"]):
            text += f"\nLIMIT {facts['limit']}"
        return f"{text};"

    def grammar(self, told: Sequence[str]) -> Grammar:
        """As of ScreenKind."""
        parts: list[Grammar] = ["SELECT ", any_of(self.attributes["columns"])]
        parts += [" FROM ", any_of(SHELVES)]
        for name, words in {"filter": "WHERE", "order": "ORDER BY", "limit": "LIMIT"}.items():
            if name in told:
                values = self.attributes[name]
                parts.append(any_of(f"\n{words} {one}" if has_value(one) else "" for one in values))
        return in_order(*parts, ";")

    def parse(self, text: str) -> Facts:
        """The facts of a query that sqlite runs."""
        selected(text)
        found = QUERY.fullmatch(" ".join(text.split()))
        if found is None:
            raise UnlikeError("it asks in another way than screens do")
        told = found.groupdict()
        facts: Facts = dict.fromkeys(self.attributes)
        facts["table"] = known_value(tuple(SHELVES), told["table"].lower(), "the table")
        columns = re.sub(r" ?, ?", ", ", told["columns"].lower())
        facts["columns"] = known_value(self.attributes["columns"], columns, "the list of columns")
        if told["order"]:
            column, *way = told["order"].split()
            order = f"{column.lower()} {(way or ['ASC'])[0].upper()}"
            facts["order"] = known_value(QUERY_ORDERS, order, "the order")
        if told["filter"]:
            words = re.sub(r" ?([<>]) ?", r" \1 ", told["filter"].lower())
            facts["filter"] = known_value(FILTERS, words, "the condition")
        if told["limit"]:
            facts["limit"] = known_value(self.attributes["limit"], int(told["limit"]), "the limit")
            facts["filter"] = facts["filter"] or ABSENT
        return facts


def draw_cells(
    canvas: Canvas,
    columns: Sequence[str],
    cells: Sequence[object],
    middle: float,
    ink: Colour,
    *,
    bold: bool,
) -> None:
    """A row; numbers stand at the right of their columns. columns: their names."""
    width = (canvas.grid - 16) / len(columns)
    for number, (column, cell) in enumerate(zip(columns, cells)):
        left = 9 + number * width
        is_name = column == "name"
        place = (left if is_name else left + width - 8, middle)
        canvas.words(place, str(cell), ink, size=9, anchor="lm" if is_name else "rm", bold=bold)


def draw_order(
    canvas: Canvas,
    corners: tuple[float, float, float, float],
    order: str,
    colours: tuple[Colour, Colour],
) -> None:
    """A chip with a column's name and an arrow up or down. colours: of ink and edge."""
    left, top, right, bottom = corners
    ink, faint = colours
    column, way = order.split()
    canvas.box(corners, None, outline=faint, radius=6)
    middle = (top + bottom) / 2
    canvas.words((left + 5, middle), column, ink, size=9)
    x = right - 9
    tip = -4 if way == "ASC" else 4
    canvas.smooth([(x - 4, middle - tip), (x + 4, middle - tip), (x, middle + tip)], ink)
