"""Screens: their code makes them, letter by letter, and nobody's code is run."""

import ast
import sqlite3
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from oneseed.synthetic.collections import drawn_collection
from oneseed.synthetic.drawn import ABSENT
from oneseed.synthetic.screens.canvas import (
    ACCENT_LUMINANCE,
    BRIGHT_LUMINANCE,
    HUES,
    accent,
    grey_of,
)
from oneseed.synthetic.screens.collection import DENSE_SCREENS, SCREENS
from oneseed.synthetic.screens.shelves import SHELVES, selected, shelf_rows

KINDS = tuple(SCREENS.kinds)
BOTH = pytest.mark.parametrize("drawn", [SCREENS, DENSE_SCREENS], ids=["128", "256"])


def facts_of(drawn, kind, count=40, seed=0):
    return drawn.of_kinds([kind]).collection(count, seed=seed)


@BOTH
def test_there_are_six_kinds_of_thousands_of_screens_each(drawn):
    assert list(drawn.kinds) == ["form", "table", "query", "chart", "flow", "code"]
    assert min(len(part) for part in drawn.parts(5).values()) >= 2000
    shares = Counter(facts["kind"] for facts in drawn.collection(600))
    assert set(shares.values()) == {100}
    assert {facts["kind"] for facts in drawn.of_kinds(["flow", "form"]).collection(10)} == {
        "flow",
        "form",
    }


@BOTH
def test_one_s_own_text_is_told_again_letter_by_letter(drawn):
    for facts in drawn.collection(120, seed=3):
        text = drawn.tell(facts, 0, 5)
        found = drawn.check(text)
        assert (found.facts, found.is_valid, found.reason) == (facts, True, ""), text
        assert drawn.tell(found.facts, 9, 5) == text


def test_a_screen_has_no_attributes_of_another_kind():
    for facts in SCREENS.collection(60):
        own = SCREENS.kinds[facts["kind"]]
        assert all(facts[name] == ABSENT for name in facts if name != "kind" and name not in own), (
            facts
        )


@pytest.mark.parametrize("kind", KINDS)
def test_other_facts_make_other_pixels(kind):
    """Where two texts drew the same picture, nobody could tell which one is right."""
    facts = facts_of(SCREENS, kind, 1)[0]
    picture = SCREENS.draw(facts, 5, 128).tobytes()
    for name in SCREENS.kinds[kind]:
        for value in SCREENS.attributes[name]:
            if value != facts[name]:
                assert SCREENS.draw({**facts, name: value}, 5, 128).tobytes() != picture, name


def test_the_statements_of_tables_and_queries_run_as_they_stand():
    """A prototype of others made 199 tables that no database takes: they were called "order"."""
    for facts in facts_of(DENSE_SCREENS, "table"):
        with sqlite3.connect(":memory:") as database:
            database.execute(DENSE_SCREENS.tell(facts, 0, 5))
    for facts in facts_of(DENSE_SCREENS, "query"):
        rows = selected(DENSE_SCREENS.tell(facts, 0, 5))
        assert 0 < len(rows) <= facts["query_limit"]


def test_no_shelf_holds_a_number_twice():
    """Equal numbers would leave the order of a query's rows to the database."""
    for table in SHELVES:
        rows = shelf_rows(table)
        assert len(rows) == 10
        assert all(len(set(column)) == 10 for column in zip(*rows))


@pytest.mark.parametrize("kind", ["chart", "flow", "code"])
def test_python_compiles_as_it_stands(kind):
    for level in range(1, 6):
        for facts in facts_of(SCREENS, kind, 8):
            compile(SCREENS.tell(facts, 0, level), kind, "exec")


def test_blanks_and_quotes_do_not_matter_and_values_do():
    text = 'plt.bar(["A","B"],[3,4])'
    found = SCREENS.parse(text)
    assert (found["chart_type"], found["chart_first"], found["chart_second"]) == ("bar", 3, 4)
    assert SCREENS.parse("plt.bar(['A', 'B'], [3, 4])") == found
    assert SCREENS.parse('plt.bar(["A", "B"], [3, 5])') != found
    query = "SELECT name, year FROM books ORDER BY year LIMIT 3"
    assert SCREENS.parse(query) == SCREENS.parse(query.replace(" ORDER", "\n  order") + " ;")
    assert SCREENS.parse(query) != SCREENS.parse(query.replace("year LIMIT", "year DESC LIMIT"))


@pytest.mark.parametrize(
    ("text", "is_valid", "reason"),
    [
        ("<form><h1>Order</h1>", False, "does not end"),
        ("<form><h1>Order</form></h1>", False, "ends no element"),
        ("<form><h1>Ordr</h1></form>", True, "none that screens show"),
        ("<ul><li>Order</li></ul>", True, "not one form"),
        ("CREATE TABLE order (id INTEGER PRIMARY KEY);", False, "sqlite refuses"),
        ("CREATE TABLE books (id INTEGER);", True, "primary key"),
        ("SELECT shoes FROM books;", False, "sqlite refuses"),
        ("SELECT name FROM books WHERE price = 3", True, "another way"),
        ("plt.pie([1, 2], [3, 4])", True, "none that screens show"),
        ("plt.bar([1, 2], [3, True])", True, "none that screens show"),
        ("if age > 18\n    print('Go')", False, "no Python"),
        ("def area(n):\n    return n + 1", True, "another function"),
        ("A drawing of a form.", False, "no Python"),
        ("", False, "empty"),
    ],
)
def test_a_wrong_text_is_told_from_an_invalid_one(text, is_valid, reason):
    found = SCREENS.check(text)
    assert found.is_valid == is_valid and reason in found.reason, found
    assert set(found.facts.values()) == {None}


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE books (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);",
        "values = [3, 5]\nplt.bar([1, 2], values)",
        "with open(name) as file:\n    plt.bar([1], [2])",
        "-- all books\nCREATE TABLE books (\nid INTEGER PRIMARY KEY\n);",
    ],
)
def test_what_its_parser_reads_is_valid_whatever_it_begins_with(text):
    """Words such as "values" and "with" begin statements of SQL, too."""
    assert SCREENS.check(text).is_valid


@pytest.mark.parametrize(
    "text",
    [
        '<form style="black">\n<h1>Order</h1>\n</form>',
        '<form style="back ground:black">\n<h1>Order</h1>\n</form>',
        "CREATE TABLE books (\nname TEXT PRIMARY KEY\n);",
        "SELECT name, year FROM books LIMIT 3",
    ],
)
def test_texts_that_no_level_tells_are_not_the_collection_s(text):
    """Figures counted them as such as the collection has."""
    found = SCREENS.check(text)
    assert found.is_valid and found.reason, found


def test_every_accent_has_one_grey():
    """In grey no picture differs by a colour that its text does not tell."""
    for luminance in (ACCENT_LUMINANCE, BRIGHT_LUMINANCE):
        greys = {grey_of(accent(number, luminance)) for number in range(len(HUES))}
        assert greys == {luminance}
    facts = SCREENS.collection(1)[0]
    greys = {
        SCREENS.draw.__self__.drawn_in(facts, 128, look=0, hue=hue, shift=(0, 0))
        .convert("L")
        .resize((16, 16))
        .tobytes()
        for hue in range(len(HUES))
    }
    spread = np.ptp([np.frombuffer(one, np.uint8) for one in greys], axis=0)
    assert spread.max() <= 2


class Tags(HTMLParser):
    """Counts what begins and ends."""

    def __init__(self):
        super().__init__()
        self.count = Counter()

    def handle_starttag(self, tag, attrs):
        self.count[tag] += tag != "input"

    def handle_endtag(self, tag):
        self.count[tag] -= 1


def test_html_of_forms_is_balanced_for_any_parser():
    for facts in facts_of(DENSE_SCREENS, "form"):
        tags = Tags()
        tags.feed(DENSE_SCREENS.tell(facts, 0, 5))
        assert not any(tags.count.values())


def test_screens_read_no_file_and_ask_for_no_font():
    """Fonts of the system would make other pictures on other machines."""
    from oneseed.synthetic.screens import canvas

    names = {
        node.attr
        for node in ast.walk(ast.parse(Path(canvas.__file__).read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    assert "load_default" in names and "truetype" not in names


def test_each_style_of_screens_is_given_by_its_name():
    assert drawn_collection("screens") is SCREENS
    assert drawn_collection("dense-screens") is DENSE_SCREENS
    assert (SCREENS.size, DENSE_SCREENS.size) == (128, 256)
