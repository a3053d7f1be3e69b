"""In which language a text of code is written: told by parsers that run nothing of it.

    language_of("CREATE TABLE ships (name TEXT);")    # "sql"
    code_suffix("plt.bar([1, 2], [3, 4])")            # ".py"
    looks_like_code(captions)                         # {"html": 40}, {} of sentences

html.parser and ast only read a text, sqlite3.complete_statement only its tokens.
"""

import ast
import re
import sqlite3
import textwrap
import warnings
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser

HTML = "html"
SQL = "sql"
PYTHON = "python"
CODE_SUFFIXES = {HTML: ".html", SQL: ".sql", PYTHON: ".py"}
# of any other text of code
PLAIN_SUFFIX = ".txt"
# letters of a text that is looked at; nothing that a model writes is longer
MAX_CODE_LETTERS = 20_000
# captions that are looked at, from all over a collection
MAX_SAMPLE = 200
# share of the captions that must be code before it is said that they look so
ENOUGH_CODE = 0.5
HTML_BEGIN = re.compile(r"\s*<(?:!doctype|!--|[a-z][a-z0-9]*[\s/>])", re.IGNORECASE)
TAG_NAMES = (
    "html head body title style div span p a h1 h2 h3 h4 h5 h6 form input button label select "
    "option textarea fieldset legend table thead tbody tr td th ul ol li img br hr nav main header "
    "footer section article aside b i strong em code pre small svg link meta"
)
HTML_TAGS = frozenset(TAG_NAMES.split())
# a statement, each word of which is read as SQL has it
SQL_BEGIN = re.compile(
    r"(?:\s|--[^\n]*\n)*(?:CREATE\s+(?:TEMP\s+|TEMPORARY\s+|UNIQUE\s+)?(?:TABLE|VIEW|INDEX|TRIGGER)"
    r"\s|SELECT\s.*\sFROM\s|INSERT\s+INTO\s|UPDATE\s.*\sSET\s|DELETE\s+FROM\s|ALTER\s+TABLE\s"
    r"|DROP\s+(?:TABLE|VIEW|INDEX)\s|WITH\s.*\sAS\s*\()",
    re.DOTALL,
)
# statements that no sentence of a caption is
PYTHON_STATEMENTS = (
    *(ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.Assign, ast.AugAssign, ast.For, ast.While, ast.If, ast.With, ast.Try, ast.Assert),
)


class TagCounter(HTMLParser):
    """Counts the elements of a text that HTML knows."""

    def __init__(self) -> None:
        super().__init__()
        self.known = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Takes note of one."""
        self.known += tag in HTML_TAGS


def language_of(text: str) -> str:
    """HTML, SQL or PYTHON; "" of anything else, and of texts that are too long to be looked at."""
    if len(text) > MAX_CODE_LETTERS or not text.strip():
        return ""
    if is_html(text):
        return HTML
    if is_sql(text):
        return SQL
    return PYTHON if is_python(text) else ""


def is_html(text: str) -> bool:
    """Whether a text begins with an element or comment, and has an element that HTML knows."""
    if not HTML_BEGIN.match(text):
        return False
    counter = TagCounter()
    try:
        counter.feed(text)
    except (ValueError, AssertionError):
        # what it makes of some broken declarations
        return False
    return counter.known > 0


def is_sql(text: str) -> bool:
    """Whether a text begins with a statement in capitals, or in small letters that ends with ;."""
    if SQL_BEGIN.match(text):
        return True
    ended = text.rstrip()
    return bool(
        ended.endswith(";")
        and re.match(SQL_BEGIN.pattern, text, re.DOTALL | re.IGNORECASE)
        and "\0" not in ended
        and sqlite3.complete_statement(ended)
    )


def is_python(text: str) -> bool:
    """Whether a text is Python that does something: not a name, and no "Title: text"."""
    try:
        with warnings.catch_warnings():
            # of escapes such as "\d"
            warnings.simplefilter("ignore")
            tree = ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(is_python_statement(node, textwrap.dedent(text)) for node in tree.body)


def is_python_statement(node: ast.stmt, text: str) -> bool:
    """Whether a statement is none that words make by chance; "a castle (ruin)" is no call."""
    if isinstance(node, PYTHON_STATEMENTS):
        return True
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return False
    called = ast.get_source_segment(text, node.value.func) or ""
    whole = ast.get_source_segment(text, node.value) or ""
    return whole.startswith(f"{called}(")


def code_suffix(text: str) -> str:
    """The suffix of a file that holds a text of code: .html, .sql, .py, or .txt."""
    return CODE_SUFFIXES.get(language_of(text), PLAIN_SUFFIX)


def looks_like_code(captions: Sequence[str]) -> dict[str, int]:
    """{language: captions of it} among some of the captions, the commonest first.

    {} where they are not code: less than half of those that are looked at.
    """
    step = -(-len(captions) // MAX_SAMPLE) or 1
    sample = captions[::step]
    counts = Counter(filter(None, map(language_of, sample)))
    if not sample or counts.total() < ENOUGH_CODE * len(sample):
        return {}
    return dict(counts.most_common())
