"""Code from a model or a stranger: read, never run, refused in a sentence within a second."""

import pytest

from oneseed.synthetic.screens.collection import SCREENS
from tests.stopwatch import within

LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY lol "lol">'
    + "".join(f'<!ENTITY lol{i} "{f"&lol{i - 1};" * 10}">' for i in range(1, 10))
    + "]><form>&lol9;</form>"
)
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
HOSTILE = {
    "billion laughs": LAUGHS,
    "attach": "ATTACH DATABASE '{file}' AS stolen",
    "vacuum": "VACUUM INTO '{file}'",
    "pragma": "PRAGMA database_list",
    "extension": "SELECT load_extension('{file}')",
    "write": "SELECT writefile('{file}', 'x') FROM books",
    "two statements": "CREATE TABLE books (id INTEGER PRIMARY KEY); ATTACH '{file}' AS x;",
    "virtual table": "CREATE VIRTUAL TABLE books USING fts5(id)",
    "temporary": "CREATE TEMP TABLE books (id INTEGER PRIMARY KEY)",
    "table from a query": "CREATE TABLE books AS SELECT randomblob(1000000000) AS id",
    "default": "CREATE TABLE books (id INTEGER PRIMARY KEY DEFAULT (zeroblob(1000000000)))",
    "catalogue": "SELECT sql FROM sqlite_master",
    "insert": "INSERT INTO books VALUES ('x', 1, 1, 1)",
    "drop": "DROP TABLE books",
    "endless query": ENDLESS,
    # sqlite copied it 2^30 times before its first step
    "query of queries": "WITH q0 AS (SELECT 1)"
    + "".join(f", q{i + 1} AS (SELECT 1 FROM q{i}, q{i} AS o)" for i in range(30))
    + " SELECT 1 FROM q30",
    "table that tells of tables": "CREATE TABLE pragma_table_info (id INTEGER PRIMARY KEY)",
    "hexadecimal digits": "plt.bar([1, 2], [3, 0x" + "F" * 3600 + "])",
    "hexadecimal label": "plt.bar([0x" + "F" * 3600 + ", 2], [3, 4])",
    "beyond all floats": "plt.bar([1, 2], [3, " + "9" * 400 + " + 1j])",
    "cross join": "SELECT a.name FROM "
    + ", ".join(f"books AS {x}" for x in "abcdefghij")
    + " WHERE a.price + j.price > 999",
    "import": "import os\nos.system('touch {file}')",
    "open": "plt.bar([1, 2], open('{file}', 'w'))",
    "call in a list": "plt.bar([1, 2], [3, __import__('os').system('touch {file}')])",
    "endless loop": "while True:\n    pass",
    "power": "plt.bar([1, 2], [3, 9**9**9])",
    "comprehension": "plt.bar([1, 2], [0 for _ in range(10**12)])",
    "decorator": "@__import__('os').system\ndef area(n):\n    return n",
    "default value": "def area(n=print('run')):\n    return n",
    "brackets": "plt.bar(" + "[" * 3000,
    "minus": "plt.bar([1, 2], [3, " + "-" * 3500 + "1])",
    "sum": "plt.bar([1, 2], [3, " + "1+" * 1900 + "1])",
    "nested elements": "<form>" * 700,
    "nested conditions": "SELECT name FROM books WHERE " + "(" * 1800 + "1" + ")" * 1800,
    "long": "<form>" + "a" * 1_000_000,
    "long python": "a=1\n" * 250_000,
    "long statement": "SELECT " + "1," * 500_000 + "1",
    "digits": "plt.bar([1, 2], [3, " + "9" * 3900 + "])",
    "NUL": "<form>\0</form>",
    "NUL in SQL": "SELECT name FROM books\0; ATTACH 'x' AS y",
    "lone surrogate": "<form>\ud800</form>",
    "open tags": "<" * 3900,
    "open comment": "<!--" * 900,
    "open declaration": "<![CDATA[" * 400,
    "script": "<form><h1>Order</h1><script>alert(1)</script></form>",
    "event": "<form onsubmit=alert(1)><h1>Order</h1></form>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_code_is_refused_in_a_sentence_and_never_run(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = HOSTILE[name].replace("{file}", str(tmp_path / "written"))
    with within(1):
        found = SCREENS.check(text)
    assert set(found.facts.values()) == {None}
    assert found.reason.endswith(".") and len(found.reason) <= 200 and "\n" not in found.reason
    assert found.reason.isprintable()
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["endless query", "catalogue", "attach", "import", "power"])
def test_what_is_refused_is_not_called_such_as_the_collection_has(name):
    assert SCREENS.check(HOSTILE[name]).reason


def test_an_endless_query_is_stopped_by_its_steps():
    """Without the limit on steps this query would never end; the authorizer alone lets it pass."""
    found = SCREENS.check(HOSTILE["cross join"])
    assert not found.is_valid and "interrupted" in found.reason


def test_anything_that_is_no_text_is_refused_too():
    for thing in (None, 7, b"<form>", ["SELECT"], float("nan")):
        assert SCREENS.check(thing).reason
