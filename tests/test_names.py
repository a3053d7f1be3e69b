"""A name means one thing in the whole tree."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted([*ROOT.glob("*.py"), *(ROOT / "oneseed").rglob("*.py")])

# what every script, checkpoint, drawn collection and medium offers under one name
PROTOCOL = {
    "main",  # of every script
    "save",  # of a checkpoint
    "load",
    "COLLECTION",  # of a drawn collection
    "draw",
    "tell",
    "parse",
    "held_out",
    "read",  # of a medium
    "write",
}
# name -> why it may be defined in several files; at most ten
ALLOWED: dict[str, str] = {}

MIN_STATEMENTS = 4


def top_level_names(path: Path) -> Iterator[str]:
    """Functions, classes and constants that the file itself defines."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def homonyms() -> dict[str, list[str]]:
    """Name -> the files that define it, where these are two or more."""
    files = defaultdict(list)
    for path in CODE:
        for name in top_level_names(path):
            if not name.startswith("__"):
                files[name].append(path.relative_to(ROOT).as_posix())
    return {name: found for name, found in files.items() if len(found) > 1}


def test_a_name_is_defined_in_one_file():
    """58 names had two to four meanings once: a reader who met one had to ask which."""
    unexpected = {name: found for name, found in homonyms().items() if name not in PROTOCOL}
    assert unexpected.keys() <= ALLOWED.keys(), unexpected
    assert ALLOWED.keys() <= unexpected.keys(), "the list names what is no longer there"
    assert len(ALLOWED) <= 10


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """("path:name", function) of every function and method."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                yield f"{path.relative_to(ROOT).as_posix()}:{node.name}", node


def test_no_function_is_written_twice():
    """Two copies of a conversion are one bug waiting."""
    seen: dict[str, str] = {}
    for where, function in functions():
        body = function.body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        text = "\n".join(ast.unparse(statement) for statement in body)
        if len(text.splitlines()) >= MIN_STATEMENTS:
            assert text not in seen, f"{where} is {seen[text]} again"
            seen[text] = where


def own_functions() -> set[str]:
    """Every function that some file of ours defines at its top level."""
    return {
        node.name
        for path in CODE
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }


def visible_functions(tree: ast.Module, ours: set[str]) -> set[str]:
    """Our functions that this file defines or imports by name."""
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("oneseed"):
            found |= {alias.asname or alias.name for alias in node.names}
    return found & ours


def local_names(function: ast.FunctionDef) -> Iterator[str]:
    """Parameters and variables of a function."""
    given = function.args
    for argument in [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]:
        if argument is not None:
            yield argument.arg
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def test_no_variable_bears_the_name_of_a_function():
    """`words = words(caption)` worked until somebody needed the function two lines below."""
    ours = own_functions()
    shadows = set()
    for path in CODE:
        tree = ast.parse(path.read_text("utf-8"))
        visible = visible_functions(tree, ours)
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                where = f"{path.relative_to(ROOT).as_posix()}:{function.name}"
                shadows |= {f"{where}: {name}" for name in local_names(function) if name in visible}
    assert not shadows


COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def nested(kinds: tuple[type[ast.AST], ...]) -> Iterator[str]:
    """Places where a node of these kinds stands within another one."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            inner = (one for one in ast.walk(node) if one is not node)
            if isinstance(node, kinds) and any(isinstance(one, kinds) for one in inner):
                yield f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"


def test_no_comprehension_stands_within_a_comprehension():
    """Three of them once stood in one line of 198 columns."""
    assert not list(nested(COMPREHENSIONS))


def test_no_condition_stands_within_a_conditional_expression():
    assert not list(nested((ast.IfExp,)))
