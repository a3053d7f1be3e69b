"""What language a text is in is read off, and nothing of it is run."""

import pytest

from oneseed.dataset.languages import MAX_CODE_LETTERS, code_suffix, language_of, looks_like_code
from tests.stopwatch import within

SENTENCES = (
    "a castle",
    "A castle (ruin) by the sea",
    "Print: a(b)",
    "Select a castle from the list",
    "Title: Ships; Date: 1890",
    "ship if night else day",
    "<artist unknown>",
    "create a table of ships",
)


@pytest.mark.parametrize(
    "text, suffix",
    [
        ("<!DOCTYPE html>\n<form><input></form>", ".html"),
        ("  <table><tr><td>1</td></tr></table>", ".html"),
        ("CREATE TABLE ships (name TEXT)", ".sql"),
        ("-- all\nselect name\nfrom ships;", ".sql"),
        ("import matplotlib.pyplot as plt\nplt.bar([1], [2])", ".py"),
        ("def area(r):\n    return 3 * r", ".py"),
        ("flowchart TD; A-->B", ".txt"),
    ],
)
def test_code_gets_the_suffix_of_its_language(text, suffix):
    assert code_suffix(text) == suffix


@pytest.mark.parametrize("text", SENTENCES)
def test_sentences_are_no_code(text):
    assert language_of(text) == ""


def test_a_collection_looks_like_code_only_where_most_of_it_is():
    code = ["<p>1</p>", "<p>2</p>", "SELECT a FROM b;"]
    assert looks_like_code(code) == {"html": 2, "sql": 1}
    assert looks_like_code([*code, *SENTENCES]) == {}
    assert looks_like_code([]) == {}


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.remove('x')",
        "-" * MAX_CODE_LETTERS,
        "(" * MAX_CODE_LETTERS,
        "a" + ".b" * (MAX_CODE_LETTERS // 2 - 1),
        "9" * MAX_CODE_LETTERS,
        "lambda:" * 2_800 + "1",
        "<" * MAX_CODE_LETTERS,
        "<a " * 6_000,
        "WITH " + "x AS " * 3_900,
        "x" * 10_000_000,
    ],
    ids=lambda text: text[:8],
)
def test_hostile_texts_are_told_at_once_and_without_an_error(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("stays")
    with within(1):
        language_of(text)
    assert (tmp_path / "x").read_text() == "stays"
