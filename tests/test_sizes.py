"""Files, functions and classes are of a size that one can hold in mind."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted([*ROOT.glob("*.py"), *(ROOT / "oneseed").rglob("*.py")])
EVERYTHING = sorted([*CODE, *ROOT.glob("benchmarks/*.py"), *ROOT.glob("tests/**/*.py")])

MAX_FILE = 400  # lines
MAX_FUNCTION = 60  # lines, the docstring included
MAX_CLASS = 250  # lines
MAX_COLUMNS = 100

# path:name -> why it is larger
EXCEPTIONS: dict[str, str] = {}


@dataclass(frozen=True)
class Size:
    """A function or class of a file, and how long it is."""

    where: str  # "oneseed/files.py:whole_file"
    lines: int


def sizes(path: Path, kinds: tuple[type[ast.AST], ...]) -> Iterator[Size]:
    """Every function or class of the file, nested ones too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, kinds):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            where = f"{path.relative_to(ROOT).as_posix()}:{node.name}"
            yield Size(where, node.end_lineno - first + 1)


def too_large(found: Iterator[Size], limit: int) -> list[str]:
    """What is over the limit and stands in no list, with its size."""
    return [
        f"{size.where} has {size.lines} lines"
        for size in found
        if size.lines > limit and size.where not in EXCEPTIONS
    ]


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_comes_in_sizes_that_one_can_hold_in_mind(path):
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= MAX_FILE, f"{lines} lines, at most {MAX_FILE}: it does two jobs"
    functions = sizes(path, (ast.FunctionDef, ast.AsyncFunctionDef))
    assert not too_large(functions, MAX_FUNCTION)
    assert not too_large(sizes(path, (ast.ClassDef,)), MAX_CLASS)


def coordinate_tables(lines: list[str]) -> set[int]:
    """Numbers of the lines between "# fmt: off" and "# fmt: on": tables that keep their columns."""
    inside = False
    found = set()
    for number, line in enumerate(lines):
        if line.strip() in ("# fmt: off", "# fmt: on"):
            inside = line.strip() == "# fmt: off"
        if inside:
            found.add(number)
    return found


def test_no_line_is_wider_than_a_screen():
    wide = []
    for path in EVERYTHING:
        lines = path.read_text("utf-8").splitlines()
        tables = coordinate_tables(lines)
        wide += [
            f"{path.relative_to(ROOT)}:{number + 1}"
            for number, line in enumerate(lines)
            if len(line) > MAX_COLUMNS and number not in tables
        ]
    assert not wide


def test_exceptions_are_still_needed():
    """An exception that nothing needs hides the next one."""
    large = {
        size.where
        for path in CODE
        for size in [
            *sizes(path, (ast.FunctionDef, ast.AsyncFunctionDef)),
            *sizes(path, (ast.ClassDef,)),
        ]
        if size.lines > MAX_FUNCTION
    }
    assert EXCEPTIONS.keys() <= large
