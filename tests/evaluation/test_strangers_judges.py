"""judge.pt and realism.pt of another program, or with other numbers: one sentence, and kept."""

import json
import math
import zipfile

import pytest
import torch

from oneseed.console.command import UserError
from oneseed.evaluation.attribute_judge import (
    JUDGE_FORMAT,
    AttributeJudge,
    read_judge,
    save_judge,
)
from oneseed.evaluation.pair_judge import (
    PAIR_JUDGE_FORMAT,
    PairJudge,
    read_pair_judge,
    save_pair_judge,
)
from oneseed.synthetic.engravings.collection import ENGRAVINGS

RIGHT = dict.fromkeys(("all", *ENGRAVINGS.attributes), 1.0)
PAIRS = {"recall": 0.5, "caption_of_picture": 0.5, "picture_of_caption": 0.5, "chance": 0.1}


def zip_of_another_program(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("hello.txt", "hello")


def saved_judge(path):
    judge = AttributeJudge(ENGRAVINGS, 4)
    judge.about = {
        "format": JUDGE_FORMAT,
        "collection": ENGRAVINGS.version,
        "width": 4,
        "clean": RIGHT,
        "degraded": RIGHT,
        "blurred": {**RIGHT, "subject": 0.1},
    }
    save_judge(judge, path)
    return lambda path: read_judge(path, ENGRAVINGS)


def saved_pair_judge(path):
    judges = PairJudge(["a", "b"], ["ship", "sea"], ["1"], 4)
    judges.about = {
        "format": PAIR_JUDGE_FORMAT,
        "style": "x",
        "digest": "d",
        "width": 4,
        "pairs": {**PAIRS, "measurable": True},
        "styles": None,
    }
    save_pair_judge(judges, path)
    return read_pair_judge


def told(**changes):
    """A harm of what a judge says of itself."""

    def harm(state):
        about = json.loads(state["about"])
        state["about"] = json.dumps({**about, **changes})

    return harm


def first_weight(change):
    def harm(state):
        name = next(name for name in state["weights"] if name.endswith("weight"))
        state["weights"][name] = change(state["weights"][name])

    return harm


HARMS = {
    "no weights": lambda state: state.pop("weights"),
    "weights are a list": lambda state: state.update(weights=[1]),
    "a weight is missing": lambda state: state["weights"].popitem(),
    "NaN": first_weight(lambda weight: torch.full_like(weight, math.nan)),
    "another shape": first_weight(torch.Tensor.flatten),
    "another kind": first_weight(torch.Tensor.double),
    "says nothing": lambda state: state.pop("about"),
    "says a number": lambda state: state.update(about=5),
    "says no JSON": lambda state: state.update(about="{"),
    "says a list": lambda state: state.update(about="[1]"),
    "is deep": lambda state: state.update(about="[" * 100_000),
    "format is a text": told(format="1"),
    "a width of terabytes": told(width=10**9),
    "a width as text": told(width="4"),
    "a width below 1": told(width=0),
    "an examination of texts": told(clean={"all": "1"}, pairs={"recall": "1"}),
    "no examination": told(clean=None, pairs=None),
    "no examination of blurs": told(blurred=None, pairs=None),
}
ONLY_PAIRS = {
    "styles are a number": lambda state: state.update(styles=5),
    "words are numbers": lambda state: state.update(words=[1, 2]),
    "no words": lambda state: state.pop("words"),
    "a style is a number": told(style=5),
}
SAVERS = {"judge.pt": saved_judge, "realism.pt": saved_pair_judge}
CASES = [(name, harm) for name in SAVERS for harm in HARMS]
CASES += [("realism.pt", harm) for harm in ONLY_PAIRS]


def refuse(read, path):
    before = path.read_bytes()
    with pytest.raises(UserError, match=rf"{path.name}.*remove it and run the same") as error:
        read(path)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name, harm", CASES)
def test_a_judge_of_other_kinds_is_named_and_kept(tmp_path, name, harm):
    path = tmp_path / name
    read = SAVERS[name](path)
    assert read(path) is not None
    state = torch.load(path, weights_only=True)
    {**HARMS, **ONLY_PAIRS}[harm](state)
    torch.save(state, path)
    refuse(read, path)


@pytest.mark.parametrize("name", SAVERS)
def test_a_zip_of_another_program_is_named_and_kept(tmp_path, name):
    """IndexError was none of the eight kinds of error that had been thought of."""
    read = SAVERS[name](tmp_path / name)
    zip_of_another_program(tmp_path / name)
    refuse(read, tmp_path / name)
