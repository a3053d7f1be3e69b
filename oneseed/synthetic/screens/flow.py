"""A flowchart of one or two questions, told as if … else, or as a loop."""

import ast
from collections.abc import Sequence
from typing import Any

from oneseed.synthetic.drawn import Facts
from oneseed.synthetic.grammar import Grammar, any_of, in_order
from oneseed.synthetic.screens.canvas import Canvas, Colour
from oneseed.synthetic.screens.reading import python_tree
from oneseed.synthetic.screens.screen import (
    CHALK,
    NIGHT_PANEL,
    PITCH,
    SNOW,
    OtherKindError,
    ScreenKind,
    UnlikeError,
    has_value,
    known_value,
)

FLOW_SHAPES = ("if", "while")
VARIABLES = ("age", "score", "speed", "price", "level", "weight")
COMPARISONS: dict[str, type[ast.cmpop]] = {"<": ast.Lt, ">": ast.Gt, "<=": ast.LtE, ">=": ast.GtE}
THRESHOLDS = (5, 10, 18, 20, 40, 50, 75, 90)
YES_WORDS = ("Go", "Pass", "Sell", "Open", "Start", "Run")
NO_WORDS = ("Stop", "Wait", "Fail", "Close", "Rest", "End")
ELSE_WORDS = ("Ask", "Call", "Sleep", "Retry")


class FlowScreen(ScreenKind):
    """Looks: square or round boxes, light and dark."""

    name = "flow"
    language = "python"
    shaping = ("shape",)

    def __init__(self, *, dense: bool) -> None:
        """dense: with a second question, elif."""
        self.dense = dense
        self.together = (("variable", "comparison", "number"),)
        attributes: dict[str, tuple[Any, ...]] = {
            "shape": ("if",) if dense else FLOW_SHAPES,
            "variable": VARIABLES,
            "comparison": tuple(COMPARISONS),
            "number": THRESHOLDS,
            "yes": YES_WORDS,
            "no": NO_WORDS,
        }
        if dense:
            self.together += (("other_variable", "other_comparison", "other_number"),)
            more = {"variable": ("size", "time", "stock"), "yes": ELSE_WORDS}
            attributes["other_variable"] = more["variable"]
            attributes["other_comparison"] = tuple(COMPARISONS)
            attributes["other_number"] = THRESHOLDS
            attributes["other_yes"] = more["yes"]
        self.attributes = attributes
        self.levels = {
            1: ("shape", "variable"),
            2: ("shape", "variable", "comparison"),
            3: ("shape", "variable", "comparison", "number"),
            4: ("shape", "variable", "comparison", "number", "yes"),
            5: tuple(self.attributes),
        }

    def draw(self, canvas: Canvas, facts: Facts, look: int, colour: Colour) -> None:
        """A start, a question in a rhombus, and what is done on either side."""
        dark = look % 2 == 1
        panel, ink = (NIGHT_PANEL, CHALK) if dark else (SNOW, PITCH)
        radius = 7 if look // 2 else 0
        pens = (panel, ink, colour, radius)
        side = canvas.grid
        middle = side / 2 if not self.dense else 84
        canvas.disc((middle, 9), 4.5, colour)
        canvas.arrow([(middle, 13), (middle, 22)], ink)
        question = " ".join(str(facts[name]) for name in self.question() if has_value(facts[name]))
        draw_rhombus(canvas, (middle, 43), question, pens)
        if self.dense:
            self.draw_second(canvas, facts, pens)
        elif facts["shape"] == "if":
            yes, no = (24, 104), (104, 104)
            canvas.arrow([(18, 43), (9, 43), (9, 74), (24, 74), (24, 95)], ink)
            canvas.arrow([(110, 43), (119, 43), (119, 74), (104, 74), (104, 95)], ink)
            draw_action(canvas, (32, 104), facts["yes"], pens)
            draw_action(canvas, (96, 104), facts["no"], pens)
            canvas.words((yes[0] + 5, 84), "yes", ink, size=9)
            canvas.words((no[0] - 5, 84), "no", ink, size=9, anchor="rm")
        else:
            canvas.arrow([(64, 64), (64, 83)], ink)
            canvas.words((68, 73), "yes", ink, size=9)
            draw_action(canvas, (64, 93), facts["yes"], pens)
            canvas.arrow([(37, 93), (7, 93), (7, 17), (61, 17)], ink)
            canvas.arrow([(110, 43), (119, 43), (119, 114), (92, 114)], ink)
            canvas.words((115, 80), "no", ink, size=9, anchor="rm")
            draw_action(canvas, (64, 114), facts["no"], pens)

    def draw_second(self, canvas: Canvas, facts: Facts, pens: "Pens") -> None:
        """The second question, at the no of the first, and all that is done."""
        ink = pens[1]
        canvas.arrow([(84, 64), (84, 96)], ink)
        canvas.words((88, 78), "yes", ink, size=9)
        draw_action(canvas, (84, 106), facts["yes"], pens)
        canvas.arrow([(130, 43), (182, 43), (182, 118)], ink)
        canvas.words((150, 36), "no", ink, size=9)
        names = [f"other_{name}" for name in self.question()]
        question = " ".join(str(facts[name]) for name in names if has_value(facts[name]))
        draw_rhombus(canvas, (182, 139), question, pens)
        canvas.arrow([(182, 160), (182, 200)], ink)
        canvas.words((186, 178), "yes", ink, size=9)
        draw_action(canvas, (182, 210), facts["other_yes"], pens)
        canvas.arrow([(136, 139), (84, 139), (84, 200)], ink)
        canvas.words((88, 178), "no", ink, size=9)
        draw_action(canvas, (84, 210), facts["no"], pens)

    def question(self) -> tuple[str, str, str]:
        """Names of the attributes that a question shows."""
        return ("variable", "comparison", "number")

    def tell(self, facts: Facts) -> str:
        """Python; what is not told is three dots."""
        yes, no = action(facts["yes"]), action(facts["no"])
        text = f"{facts['shape']} {condition(facts, '')}:\n    {yes}"
        if self.dense and has_value(facts["other_variable"]):
            text += f"\nelif {condition(facts, 'other_')}:\n    {action(facts['other_yes'])}"
        return f"{text}\n{no}" if facts["shape"] == "while" else f"{text}\nelse:\n    {no}"

    def grammar(self, told: Sequence[str]) -> Grammar:
        """As of ScreenKind."""

        def question(prefix: str) -> Grammar:
            signs = any_of(COMPARISONS)
            numbers = any_of(map(str, THRESHOLDS)) if f"{prefix}number" in told else "..."
            asked = any_of(self.attributes[f"{prefix}variable"])
            is_whole = f"{prefix}comparison" in told
            return in_order(asked, " ", signs, " ", numbers) if is_whole else asked

        def done(name: str) -> Grammar:
            return any_of(map(action, self.attributes[name])) if name in told else "..."

        begin = in_order(question(""), ":\n    ", done("yes"))
        more: Grammar = ""
        if "other_variable" in told:
            more = in_order("\nelif ", question("other_"), ":\n    ", done("other_yes"))
        shapes = {
            "if": in_order("if ", begin, more, "\nelse:\n    ", done("no")),
            "while": in_order("while ", begin, "\n", done("no")),
        }
        return any_of(shapes[shape] for shape in self.attributes["shape"])

    def parse(self, text: str) -> Facts:
        """The facts of one if with its else, or of a loop and what follows."""
        facts: Facts = dict.fromkeys(self.attributes)
        first, *rest = python_tree(text).body
        if (
            isinstance(first, ast.While)
            and not first.orelse
            and "while" in self.attributes["shape"]
        ):
            facts["shape"] = "while"
        elif isinstance(first, ast.If) and not rest:
            facts["shape"] = "if"
            rest = first.orelse
        else:
            raise OtherKindError("it is not one if with its else, nor a loop")
        self.read_condition(facts, first.test, "")
        facts["yes"] = self.action_told(first.body, "yes")
        if self.dense and len(rest) == 1 and isinstance(rest[0], ast.If):
            self.read_condition(facts, rest[0].test, "other_")
            facts["other_yes"] = self.action_told(rest[0].body, "other_yes")
            rest = rest[0].orelse
        facts["no"] = self.action_told(rest, "no")
        return facts

    def read_condition(self, facts: Facts, test: ast.expr, prefix: str) -> None:
        """Takes what a condition tells into the facts. prefix: of their names."""
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            [sign] = [sign for sign, kind in COMPARISONS.items() if type(test.ops[0]) is kind] or [
                None
            ]
            facts[f"{prefix}comparison"] = known_value(tuple(COMPARISONS), sign, "the comparison")
            number = plain_value(test.comparators[0])
            if number is not ...:
                facts[f"{prefix}number"] = known_value(THRESHOLDS, number, "the number")
            test = test.left
        name = test.id if isinstance(test, ast.Name) else None
        variables = self.attributes[f"{prefix}variable"]
        facts[f"{prefix}variable"] = known_value(variables, name, "the variable")

    def action_told(self, body: list[ast.stmt], name: str) -> Any:
        """The word that one print() says; None for three dots."""
        value = body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else None
        if isinstance(value, ast.Constant) and value.value is ...:
            return None
        is_print = isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
        if not is_print or value.func.id != "print" or len(value.args) != 1 or value.keywords:
            raise UnlikeError("it does something else than print a word")
        return known_value(self.attributes[name], plain_value(value.args[0]), "the word")


# panel, ink, accent, radius of boxes
Pens = tuple[Colour, Colour, Colour, float]


def plain_value(node: ast.expr) -> Any:
    """The value of a constant; None for anything else, and for what is no int, str or dots."""
    value = node.value if isinstance(node, ast.Constant) else None
    return value if type(value) in (int, str) or value is ... else None


def condition(facts: Facts, prefix: str) -> str:
    """What is asked, as far as it is told."""
    text = facts[f"{prefix}variable"]
    if not has_value(facts[f"{prefix}comparison"]):
        return text
    number = facts[f"{prefix}number"]
    return f"{text} {facts[f'{prefix}comparison']} {number if has_value(number) else '...'}"


def action(word: Any) -> str:
    """What is done, or three dots."""
    return f'print("{word}")' if has_value(word) else "..."


def draw_rhombus(canvas: Canvas, middle: tuple[float, float], text: str, pens: Pens) -> None:
    """A question."""
    panel, ink, colour, _ = pens
    x, y = middle
    corners = [(x - 46, y), (x, y - 21), (x + 46, y), (x, y + 21)]
    canvas.smooth(corners, panel)
    canvas.smooth(corners, colour, width=2)
    canvas.words((x, y), text, ink, size=10, anchor="mm")


def draw_action(canvas: Canvas, middle: tuple[float, float], word: Any, pens: Pens) -> None:
    """What is done."""
    _, _, colour, radius = pens
    x, y = middle
    canvas.box((x - 27, y - 9, x + 27, y + 9), colour, radius=radius)
    if has_value(word):
        canvas.words((x, y), word, SNOW, size=11, anchor="mm", bold=True)
