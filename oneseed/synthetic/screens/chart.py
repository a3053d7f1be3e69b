"""A chart whose values can be read off, told as calls of matplotlib."""

import ast
from collections.abc import Sequence
from typing import Any

from oneseed.synthetic.drawn import ABSENT, Facts
from oneseed.synthetic.grammar import Grammar, any_of, in_order
from oneseed.synthetic.screens.canvas import Canvas, Colour
from oneseed.synthetic.screens.reading import python_tree
from oneseed.synthetic.screens.screen import (
    CHALK,
    NIGHT,
    PITCH,
    SNOW,
    OtherKindError,
    ScreenKind,
    UnlikeError,
    has_value,
    known_value,
    values_there,
)

CHARTS = ("bar", "barh", "plot", "scatter", "stem")
CHART_TITLES = ("Sales", "Rain", "Visits", "Costs", "Score", "Speed", "Energy", "Orders")
HIGHEST = 9
LABELS = {
    "letters": "ABCDEFGH",
    "quarters": ("Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "Q7", "Q8"),
    "days": ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su", "So"),
    "years": ("21", "22", "23", "24", "25", "26", "27", "28"),
}
VALUE_PLACES = ("first", "second", "third", "fourth", "fifth")
MORE_VALUE_PLACES = ("sixth", "seventh", "eighth")


class ChartScreen(ScreenKind):
    """Looks: with lines across or with ticks alone, light and dark."""

    name = "chart"
    language = "python"
    marks_ground = True
    shaping = ("type",)

    def __init__(self, *, dense: bool) -> None:
        """dense: with eight values."""
        self.places = (*VALUE_PLACES, *MORE_VALUE_PLACES) if dense else VALUE_PLACES
        numbers = tuple(range(1, HIGHEST + 1))
        attributes: dict[str, tuple[Any, ...]] = {
            "type": CHARTS,
            "title": CHART_TITLES,
            "labels": tuple(LABELS),
            **dict.fromkeys(self.places, numbers),
        }
        # one may be missing
        attributes[self.places[-1]] = (*numbers, ABSENT)
        self.attributes = attributes
        self.levels = {
            1: ("type", "first", "second"),
            2: ("type", "first", "second", "title"),
            3: ("type", "first", "second", "title", "third"),
            4: ("type", "first", "second", "title", "third", "fourth"),
            5: tuple(self.attributes),
        }

    def draw(self, canvas: Canvas, facts: Facts, look: int, colour: Colour) -> None:
        """Title, axes with numbers, and the values from 0 to 10 in places of their own."""
        dark = look % 2 == 1
        ground, ink = (NIGHT, CHALK) if dark else (SNOW, PITCH)
        line = (74, 78, 92) if dark else (210, 212, 220)
        side = canvas.grid
        canvas.box((3, 3, side - 3, side - 3), ground, radius=3)
        if has_value(facts["title"]):
            canvas.words((side / 2 + 4, 11), facts["title"], ink, size=12, anchor="mm", bold=True)
        plot = (20, 20, side - 8, side - 18)
        lies = facts["type"] == "barh"
        for number in range(11):
            draw_tick(canvas, plot, number, lies=lies, colours=(ink, line), across=look // 2 == 0)
        left, top, right, bottom = plot
        canvas.box((left, top, left + 1, bottom), ink)
        canvas.box((left, bottom - 1, right, bottom), ink)
        labels = LABELS.get(facts["labels"], "12345678")
        values = [(place, facts[name]) for place, name in enumerate(self.places)]
        points = [
            value_place(plot, place, len(self.places), value, lies=lies)
            for place, value in values
            if has_value(value)
        ]
        if facts["type"] == "plot" and len(points) > 1:
            # pale, so that the points tell the values
            canvas.smooth(points, paler(colour, ground), width=1.5, closed=False)
        for place, value in values:
            if not has_value(value):
                continue
            spot = value_place(plot, place, len(self.places), value, lies=lies)
            width = (bottom - top if lies else right - left) / len(self.places)
            draw_value(canvas, plot, facts["type"], spot, (width, colour))
            if lies:
                canvas.words((left - 2, spot[1]), labels[place], ink, size=9, anchor="rm")
            else:
                canvas.words((spot[0], bottom + 7), labels[place], ink, size=9, anchor="mm")

    def tell(self, facts: Facts) -> str:
        """One call, and one for the title."""
        values = values_there(facts, self.places)
        numbers: list[Any] = [
            place + 1 for place, name in enumerate(self.places) if has_value(facts[name])
        ]
        if has_value(facts["labels"]):
            numbers = [LABELS[facts["labels"]][number - 1] for number in numbers]
        told = ", ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in numbers)
        text = f"plt.{facts['type']}([{told}], {values})"
        return f'{text}\nplt.title("{facts["title"]}")' if has_value(facts["title"]) else text

    def grammar(self, told: Sequence[str]) -> Grammar:
        """As of ScreenKind."""
        values = any_of(str(number) for number in range(1, HIGHEST + 1))
        places = [name for name in self.places if name in told]
        may_lack_one = any(ABSENT in self.attributes[name] for name in places)
        charts = []
        for count in range(len(places) - may_lack_one, len(places) + 1):
            labels = [str(list(range(1, count + 1)))[1:-1]]
            if "labels" in told:
                labels = [label_list(some[:count]) for some in LABELS.values()]
            numbers = [values, *[in_order(", ", values)] * (count - 1)]
            charts.append(in_order("([", any_of(labels), "], [", *numbers, "])"))
        text = in_order("plt.", any_of(CHARTS), any_of(charts))
        if "title" not in told:
            return text
        return in_order(text, '\nplt.title("', any_of(CHART_TITLES), '")')

    def parse(self, text: str) -> Facts:
        """The facts of one or two calls with plain values."""
        calls = [plain_call(node) for node in python_tree(text).body]
        (name, arguments), *others = calls
        facts: Facts = dict.fromkeys(self.attributes)
        facts["type"] = known_value(CHARTS, name, "the chart")
        if len(arguments) != 2 or not all(isinstance(one, list) for one in arguments):
            raise UnlikeError("its chart has not two lists")
        labels, values = arguments
        if not 1 <= len(values) == len(labels) <= len(self.places):
            raise UnlikeError("its lists are not of one length")
        if labels != list(range(1, len(labels) + 1)):
            starts = {tuple(some)[: len(labels)]: kind for kind, some in LABELS.items()}
            are_words = all(isinstance(one, str) for one in labels)
            facts["labels"] = starts.get(tuple(labels)) if are_words else None
            if facts["labels"] is None:
                raise UnlikeError("its labels are none that screens show")
        for place, value in zip(self.places, values):
            allowed = range(1, HIGHEST + 1)
            facts[place] = known_value(allowed, value if type(value) is int else None, "the value")
        if facts["labels"] is not None and facts[self.places[-1]] is None:
            facts[self.places[-1]] = ABSENT
        if others:
            [(name, arguments), *rest] = others
            if rest or name != "title" or len(arguments) != 1:
                raise UnlikeError("it calls more than a chart and its title")
            facts["title"] = known_value(CHART_TITLES, arguments[0], "the title")
        return facts


def label_list(labels: Sequence[str]) -> str:
    """Labels as they stand in a list of Python's."""
    return ", ".join(f'"{one}"' for one in labels)


def plain_call(node: ast.stmt) -> tuple[str, list[Any]]:
    """plt.name(values) -> name and values. UnlikeError where a statement is anything else."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or call.keywords:
        raise OtherKindError("it holds something else than calls of plt")
    called = call.func
    if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name):
        raise OtherKindError("it holds something else than calls of plt")
    if called.value.id != "plt":
        raise OtherKindError("it holds something else than calls of plt")
    try:
        return called.attr, [ast.literal_eval(one) for one in call.args]
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise UnlikeError("it calls plt with something else than plain values") from error


def paler(colour: Colour, ground: Colour) -> Colour:
    """A third of a colour on a ground."""
    red, green, blue = ((one + 2 * other) // 3 for one, other in zip(colour, ground))
    return red, green, blue


def draw_tick(
    canvas: Canvas,
    plot: tuple[float, float, float, float],
    number: int,
    *,
    lies: bool,
    colours: tuple[Colour, Colour],
    across: bool,
) -> None:
    """The mark of a number at its axis, with a line across or a tick. colours: ink, line."""
    left, top, right, bottom = plot
    ink, line = colours
    if lies:
        x = left + (right - left) * number / 10
        canvas.box((x, top if across else bottom, x + 1, bottom + 2), line)
    else:
        y = bottom - (bottom - top) * number / 10
        canvas.box((left - 2, y - 1, right if across else left, y), line)
    if number % 5 or not number:
        return
    if lies:
        canvas.words((x, bottom + 8), str(number), ink, size=9, anchor="mm")
    else:
        canvas.words((left - 4, y), str(number), ink, size=9, anchor="rm")


def value_place(
    plot: tuple[float, float, float, float], place: int, count: int, value: int, *, lies: bool
) -> tuple[float, float]:
    """Where a value ends: in its band, at its height."""
    left, top, right, bottom = plot
    share = (place + 0.5) / count
    if lies:
        return left + (right - left) * value / 10, top + (bottom - top) * share
    return left + (right - left) * share, bottom - (bottom - top) * value / 10


def draw_value(
    canvas: Canvas,
    plot: tuple[float, float, float, float],
    kind: str,
    spot: tuple[float, float],
    band: tuple[float, Colour],
) -> None:
    """One value of a chart. band: how wide its band is, and its colour."""
    left, _, _, bottom = plot
    x, y = spot
    width, colour = band
    if kind == "bar":
        canvas.box((x - 0.35 * width, y, x + 0.35 * width, bottom - 1), colour)
    elif kind == "barh":
        canvas.box((left + 1, y - 0.35 * width, x, y + 0.35 * width), colour)
    elif kind == "stem":
        canvas.box((x - 0.5, y, x + 0.5, bottom - 1), colour)
        canvas.disc((x, y), 3.4, colour)
    elif kind == "scatter":
        canvas.smooth([(x - 5, y), (x, y - 5), (x + 5, y), (x, y + 5)], colour)
    else:
        canvas.disc((x, y), 3, colour)
