"""A look at held-out answers: exact is the very text, valid what a parser reads."""

from pathlib import Path

import pytest

from oneseed.finetuning.examples import TaughtExample
from oneseed.finetuning.looks import AnswerJudge, HeldOutAnswer, figures_of, floor_of
from oneseed.finetuning.run import is_better_look
from oneseed.synthetic.collections import drawn_collection

TABLE = "CREATE TABLE films (\nnumber INTEGER PRIMARY KEY,\nname TEXT,\nweight REAL,\nnote TEXT\n);"
QUERY = "SELECT name, year FROM games\nWHERE year < 1990\nORDER BY year ASC\nLIMIT 4;"
SCREENS = AnswerJudge(is_code=True, drawn=drawn_collection("screens"))


def answer(truth, said, cut=False):
    return HeldOutAnswer(TaughtExample("0", Path("x.png"), "?", truth), said, cut)


def test_code_is_exact_letter_by_letter_and_words_without_blanks_around_them():
    assert SCREENS.is_exact(answer(TABLE, TABLE))
    assert not SCREENS.is_exact(answer(TABLE, TABLE + "\n"))
    assert not SCREENS.is_exact(answer(TABLE, TABLE.replace("TEXT", "text")))
    assert AnswerJudge(is_code=False).is_exact(answer("A ship", " A ship\n"))


@pytest.mark.parametrize(
    "said, cut, valid",
    [
        (TABLE, False, True),
        # the limit of length ended it, wherever that was
        (TABLE, True, False),
        ("CREATE TABLE ships (", False, False),
        ("a ship", False, False),
        ("", False, False),
    ],
)
def test_what_no_parser_reads_is_not_valid(said, cut, valid):
    assert SCREENS.is_valid(answer(TABLE, said, cut)) == valid


def test_own_captions_are_valid_where_they_came_to_an_end():
    judge = AnswerJudge(is_code=False)
    assert judge.is_valid(answer("A ship", "anything"))
    assert not judge.is_valid(answer("A ship", " \n"))
    assert not judge.is_valid(answer("A ship", "anything", cut=True))


def test_figures_are_shares_of_all_and_of_each_kind():
    found = figures_of(
        [answer(TABLE, TABLE), answer(TABLE, QUERY), answer(QUERY, "SELECT (")],
        SCREENS,
    )
    assert found["exact"] == pytest.approx(1 / 3)
    assert found["valid"] == pytest.approx(2 / 3)
    assert 1 / 3 < found["similarity"] < 0.7
    assert found["kinds"]["table"] == {"exact": 0.5, "valid": 1.0, "asked": 2}
    assert found["kinds"]["query"] == {"exact": 0.0, "valid": 0.0, "asked": 1}


def test_the_floor_is_another_picture_s_text():
    """Of a collection with few texts a captioner that looks at nothing is often right."""
    truths = [TABLE, TABLE, QUERY]
    examples = [TaughtExample(str(i), Path("x.png"), "?", text) for i, text in enumerate(truths)]
    floor = floor_of(examples, SCREENS)
    assert floor["exact"] == pytest.approx(1 / 3)
    assert floor["valid"] == 1


def look(step, exact, loss):
    return {"step": step, "exact": exact, "val_loss": loss}


def test_the_best_of_code_is_the_most_exact_and_of_words_the_smallest_loss():
    before = look(1, 0.2, 0.5)
    assert is_better_look(look(2, 0.3, 0.9), before, is_code=True)
    assert not is_better_look(look(2, 0.3, 0.9), before, is_code=False)
    assert is_better_look(look(2, 0.2, 0.4), before, is_code=True)
    assert not is_better_look(look(0, 1.0, 0.0), None, is_code=True), "nothing was taught yet"
