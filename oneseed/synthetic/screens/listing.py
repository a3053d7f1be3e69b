"""A listing in an editor, told as the code that it shows."""

import ast
from collections.abc import Sequence
from typing import Any

from oneseed.synthetic.drawn import Facts
from oneseed.synthetic.grammar import Grammar, any_of, in_order
from oneseed.synthetic.screens.canvas import Canvas, Colour, accent
from oneseed.synthetic.screens.reading import python_tree
from oneseed.synthetic.screens.screen import (
    CHALK,
    DUSK,
    NIGHT,
    PITCH,
    SNOW,
    OtherKindError,
    ScreenKind,
    UnlikeError,
    has_value,
    known_value,
)

FUNCTIONS = ("area", "total", "power", "count", "score", "price", "blend", "step")
ARGUMENTS = ("n", "x", "a", "k")
OPERATORS: dict[str, type[ast.operator]] = {"+=": ast.Add, "-=": ast.Sub, "*=": ast.Mult}
TIMES = tuple(range(2, 10))
AMOUNTS = tuple(range(1, 10))
LIMITS = (20, 50, 70, 99)
KEYWORDS = frozenset({"def", "for", "in", "return", "if", "break"})


class ListingScreen(ScreenKind):
    """Looks: with or without numbers of lines, light and dark."""

    name = "code"
    language = "python"
    marks_ground = True

    def __init__(self, *, dense: bool) -> None:
        """dense: with a condition in the loop and a second step."""
        self.dense = dense
        self.shaping = ("argument",)
        self.together = (("operator", "amount"),)
        attributes: dict[str, tuple[Any, ...]] = {
            "name": FUNCTIONS,
            "argument": ARGUMENTS,
            "times": TIMES,
            "operator": tuple(OPERATORS),
            "amount": AMOUNTS,
        }
        if dense:
            self.together += (("last_operator", "last_amount"),)
            attributes |= {
                "limit": LIMITS,
                "last_operator": tuple(OPERATORS),
                "last_amount": AMOUNTS,
            }
        self.attributes = attributes
        self.levels = {
            1: ("name",),
            2: ("name", "argument"),
            3: ("name", "argument", "times"),
            4: ("name", "argument", "times", "operator"),
            5: tuple(self.attributes),
        }

    def ground(self, facts: Facts, look: int) -> Colour:
        """The colour of the desk."""
        return (70, 74, 90) if look % 2 else (206, 208, 216)

    def draw(self, canvas: Canvas, facts: Facts, look: int, colour: Colour) -> None:
        """A window with a tab, and the lines in the colours of an editor."""
        dark = look % 2 == 1
        sheet, ink = (NIGHT, CHALK) if dark else (SNOW, PITCH)
        side = canvas.grid
        numbered = look // 2 == 0
        canvas.box((4, 6, side - 4, side - 6), sheet, radius=5)
        canvas.box((4, 6, side - 4, 20), (52, 55, 66) if dark else (228, 229, 234), radius=5)
        for number in range(3):
            canvas.disc((12 + 9 * number, 13), 2.8, (accent(2), accent(4), accent(1))[number])
        canvas.words((side - 10, 13), f"{facts['name']}.py", ink, size=9, anchor="rm")
        left = 20 if numbered else 10
        lines = self.tell({**facts, "name": facts["name"]}).split("\n")
        for number, line in enumerate(lines):
            y = 32 + 18 * number
            if numbered:
                canvas.words((14, y), str(number + 1), DUSK, size=8, anchor="rm")
            x = left + 10 * ((len(line) - len(line.lstrip())) // 4)
            for word in line.split():
                head = word.split("(")[0]
                tint = colour if head in KEYWORDS else ink
                canvas.words((x, y), word, tint, size=11, bold=head in KEYWORDS)
                x += canvas.width(word, 11) + 3.4

    def tell(self, facts: Facts) -> str:
        """A function, as far as it is told."""
        name, argument = facts["name"], facts["argument"]
        if not has_value(argument):
            return f"def {name}():\n    ..."
        lines = [f"def {name}({argument}):"]
        if has_value(facts["times"]):
            lines += [f"    for i in range({facts['times']}):"]
            step = "..."
            if has_value(facts["operator"]):
                amount = facts["amount"] if has_value(facts["amount"]) else "..."
                step = f"{argument} {facts['operator']} {amount}"
            lines.append(f"        {step}")
        if self.dense and has_value(facts["limit"]):
            lines += [f"        if {argument} > {facts['limit']}:", "            break"]
            lines.append(f"    {argument} {facts['last_operator']} {facts['last_amount']}")
        return "\n".join([*lines, f"    return {argument}"])

    def grammar(self, told: Sequence[str]) -> Grammar:
        """As of ScreenKind."""
        names = any_of(FUNCTIONS)
        if "argument" not in told:
            return in_order("def ", names, "():\n    ...")
        # the argument stands in several lines, and is the same in all of them
        functions = []
        for argument in ARGUMENTS:
            lines: list[Grammar] = []
            if "times" in told:
                lines += ["    for i in range(", any_of(map(str, TIMES)), "):\n        "]
                lines.append("...")
            if "operator" in told:
                amounts = any_of(map(str, AMOUNTS)) if "amount" in told else "..."
                lines[-1] = in_order(f"{argument} ", any_of(OPERATORS), " ", amounts)
            if "times" in told:
                lines.append("\n")
            if "limit" in told:
                limits = any_of(map(str, LIMITS))
                lines += [f"        if {argument} > ", limits, ":\n            break\n"]
                lines += [f"    {argument} ", any_of(OPERATORS), " "]
                lines += [any_of(map(str, AMOUNTS)), "\n"]
            functions.append(in_order(f"({argument}):\n", *lines, f"    return {argument}"))
        return in_order("def ", names, any_of(functions))

    def parse(self, text: str) -> Facts:
        """The facts of one function, found by building what screens show and comparing trees."""
        tree = python_tree(text)
        [function, *rest] = tree.body
        if not isinstance(function, ast.FunctionDef) or rest:
            raise OtherKindError("it is not one function")
        facts: Facts = dict.fromkeys(self.attributes)
        facts["name"] = known_value(FUNCTIONS, function.name, "the function")
        arguments = function.args.args
        if arguments:
            facts["argument"] = known_value(ARGUMENTS, arguments[0].arg, "the argument")
        loop = function.body[0]
        if isinstance(loop, ast.For):
            self.read_loop(facts, loop)
        if self.dense and len(function.body) == 3 and isinstance(function.body[1], ast.AugAssign):
            facts["last_operator"], facts["last_amount"] = step_told(function.body[1])
        # everything else must be as screens have it
        try:
            same = ast.dump(python_tree(self.tell(facts))) == ast.dump(tree)
        except (RecursionError, ValueError) as error:
            raise UnlikeError("it is another function than screens show") from error
        if not same:
            raise UnlikeError("it is another function than screens show")
        return facts

    def read_loop(self, facts: Facts, loop: ast.For) -> None:
        """Takes what a loop tells into the facts."""
        called = loop.iter
        if isinstance(called, ast.Call) and len(called.args) == 1:
            facts["times"] = known_value(TIMES, constant_of(called.args[0]), "the range")
        step = loop.body[0]
        if isinstance(step, ast.AugAssign):
            facts["operator"], facts["amount"] = step_told(step)
        if self.dense and len(loop.body) == 2 and isinstance(loop.body[1], ast.If):
            test = loop.body[1].test
            if isinstance(test, ast.Compare):
                facts["limit"] = known_value(LIMITS, constant_of(test.comparators[0]), "the limit")


def constant_of(node: ast.expr) -> Any:
    """The value of a number or of dots; None for anything else."""
    value = node.value if isinstance(node, ast.Constant) else None
    return value if type(value) is int or value is ... else None


def step_told(step: ast.AugAssign) -> tuple[str, Any]:
    """n += 3 -> "+=" and 3; None for dots."""
    signs = [sign for sign, kind in OPERATORS.items() if isinstance(step.op, kind)]
    sign = known_value(tuple(OPERATORS), signs[0] if signs else None, "the operator")
    amount = constant_of(step.value)
    return sign, None if amount is ... else known_value(AMOUNTS, amount, "the amount")
