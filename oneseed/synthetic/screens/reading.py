"""Texts of code from anybody, read by parsers; nothing of them is executed but one SQL statement.

    html_tree("<p>Hi</p>")        # [Element("p", {}, ["Hi"])]
    python_tree("a = 1")          # ast.Module
    table_columns("CREATE TABLE ships (name TEXT);")      # ("ships", [("name", "TEXT", False)])

SQL runs in a database in memory that lets pass one kind of statement alone: no file, no function,
no pragma, and no more than some thousand steps. Each reader raises NotCodeError with a sentence.
"""

import ast
import re
import sqlite3
import warnings
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser

# characters; captions have some hundred
MAX_CODE_LENGTH = 4000
MAX_NESTING = 30
# steps of sqlite's machine that a statement may take
MAX_SQL_STEPS = 20_000
# elements of HTML that have no end
VOID_ELEMENTS = frozenset({"br", "hr", "img", "input", "link", "meta"})
# sqlite copies a query that has a name wherever the name stands, before its steps are counted
NAMED_QUERY = re.compile(r"\bWITH\b", re.IGNORECASE)
UNPRINTABLE = re.compile("[\0\ud800-\udfff]")
# what a statement may do: of sqlite's authorizer, by name
CREATING = (
    sqlite3.SQLITE_CREATE_TABLE,
    sqlite3.SQLITE_CREATE_INDEX,
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_READ,
)
CATALOGUE = ("sqlite_master", "sqlite_schema")
# without those that sqlite makes for itself, as for AUTOINCREMENT
NAMES_OF_TABLES = r"""
    SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
"""


class NotCodeError(ValueError):
    """No parser of its language reads a text; the message says why, in a sentence."""


def require_short(text: str) -> None:
    """NotCodeError where a text is too long or holds what no code holds."""
    if len(text) > MAX_CODE_LENGTH:
        raise NotCodeError(f"it is longer than {MAX_CODE_LENGTH} characters")
    if UNPRINTABLE.search(text):
        raise NotCodeError("it holds a NUL or half of a character")


@dataclass
class Element:
    """An element of HTML: its tag, its attributes, and what it holds, elements and texts."""

    tag: str
    attributes: dict[str, str]
    inside: "list[Element | str]" = field(default_factory=list)

    def each(self, tag: str) -> "list[Element]":
        """The elements of this tag that it holds itself."""
        return [one for one in self.inside if isinstance(one, Element) and one.tag == tag]

    def words(self) -> str:
        """Its own text, without that of its elements, in one line."""
        return " ".join(" ".join(one for one in self.inside if isinstance(one, str)).split())


class TreeParser(HTMLParser):
    """Builds elements; NotCodeError where they are not balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inside.append(element)
        if tag not in VOID_ELEMENTS:
            self.open.append(element)
        if len(self.open) > MAX_NESTING:
            raise NotCodeError(f"its elements lie more than {MAX_NESTING} deep")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without inside, <br/>."""
        self.open[-1].inside.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """An element ends: it must be the last that began."""
        if self.open[-1].tag != tag:
            raise NotCodeError(f"</{tag[:20]}> ends no element that is open")
        self.open.pop()

    def handle_data(self, data: str) -> None:
        """Text between elements."""
        if data.strip():
            self.open[-1].inside.append(data)

    def handle_decl(self, decl: str) -> None:
        """<!DOCTYPE …> and the like, which may declare entities."""
        raise NotCodeError("it holds a declaration")

    def handle_pi(self, data: str) -> None:
        """<? … ?>."""
        raise NotCodeError("it holds a processing instruction")

    def unknown_decl(self, data: str) -> None:
        """<![ … ]>."""
        raise NotCodeError("it holds a declaration")


def html_tree(text: str) -> "list[Element | str]":
    """HTML -> its elements. NotCodeError where they are not balanced."""
    require_short(text)
    parser = TreeParser()
    try:
        parser.feed(text)
        parser.close()
    except NotCodeError:
        raise
    except (ValueError, AssertionError, RecursionError) as error:
        raise NotCodeError("it is no HTML") from error
    if len(parser.open) > 1:
        raise NotCodeError(f"<{parser.open[-1].tag[:20]}> does not end")
    if "<" in "".join(one for one in parser.open[0].inside if isinstance(one, str)):
        raise NotCodeError("a tag does not end")
    return parser.open[0].inside


def python_tree(text: str) -> ast.Module:
    """Python -> its syntax tree; nothing is executed. NotCodeError where it is no Python."""
    require_short(text)
    try:
        with warnings.catch_warnings():
            # of escapes such as "\\d"
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise NotCodeError("it is no Python") from error
    except (RecursionError, MemoryError) as error:
        raise NotCodeError("it is nested too deep") from error
    if not tree.body:
        raise NotCodeError("it is empty")
    return tree


Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


@contextmanager
def guarded(database: sqlite3.Connection, allowed: Authorizer) -> Generator[None]:
    """One statement may run meanwhile: it may do what `allowed` says, for MAX_SQL_STEPS steps.

    NotCodeError where it fails.
    """
    steps = iter(range(MAX_SQL_STEPS // 100))
    limits = {
        sqlite3.SQLITE_LIMIT_LENGTH: 100_000,
        sqlite3.SQLITE_LIMIT_SQL_LENGTH: 4 * MAX_CODE_LENGTH,
        sqlite3.SQLITE_LIMIT_EXPR_DEPTH: MAX_NESTING,
        sqlite3.SQLITE_LIMIT_COLUMN: 100,
        sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 2,
        sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    }
    for limit, most in limits.items():
        database.setlimit(limit, most)
    # anything but 0 stops the statement
    database.set_progress_handler(lambda: int(next(steps, None) is None), 100)
    database.set_authorizer(allowed)
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:80]
        raise NotCodeError(f"sqlite refuses it: {reason}") from error
    finally:
        database.set_authorizer(None)
        database.set_progress_handler(None, 0)


def allow_creating(
    action: int, first: str | None, second: str | None, base: str | None, inner: str | None
) -> int:
    """Lets CREATE TABLE pass alone. Arguments: as of sqlite's authorizer."""
    if action not in CREATING or base not in (None, "main"):
        return sqlite3.SQLITE_DENY
    writes = action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE)
    return sqlite3.SQLITE_DENY if writes and first not in CATALOGUE else sqlite3.SQLITE_OK


def allow_selecting(
    action: int, first: str | None, second: str | None, base: str | None, inner: str | None
) -> int:
    """Lets SELECT of tables pass alone, without functions. Arguments: as of the authorizer."""
    if action == sqlite3.SQLITE_SELECT:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_READ and first not in CATALOGUE:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def table_columns(text: str) -> tuple[str, list[tuple[str, str, bool]]]:
    """CREATE TABLE -> the table's name, and name, type and "is primary key" of each column.

    NotCodeError where sqlite refuses the statement, or it is another one.
    """
    require_short(text)
    with closing(sqlite3.connect(":memory:")) as database:
        with guarded(database, allow_creating):
            database.execute(text)
        try:
            names = database.execute(NAMES_OF_TABLES).fetchall()
            if len(names) != 1:
                raise NotCodeError("it creates no table")
            [(name,)] = names
            found = database.execute("SELECT name, type, pk FROM pragma_table_info(?)", (name,))
            return name, [(column, kind, bool(key)) for column, kind, key in found]
        except sqlite3.Error as error:
            # a table may have the name of what tells of tables
            raise NotCodeError("its table has a name that sqlite keeps for itself") from error


def selected_rows(text: str, database: sqlite3.Connection) -> list[tuple[object, ...]]:
    """The rows that a SELECT finds. NotCodeError where sqlite refuses it, or it is no SELECT."""
    require_short(text)
    if NAMED_QUERY.search(text):
        raise NotCodeError("it holds a query with a name (WITH)")
    with guarded(database, allow_selecting):
        cursor = database.execute(text)
        if cursor.description is None:
            raise NotCodeError("it selects nothing")
        return cursor.fetchmany(200)
