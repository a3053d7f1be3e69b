"""The benchmark of drawn sprites goes on where it stood, and stands beside published figures."""

import json
from pathlib import Path

import pytest

from benchmarks import coherence, sprites
from benchmarks.settings import SpritesConfig
from oneseed.console.command import UserError


def stand_in(ran, *, breaks_at=0):
    """A script that writes what the benchmark reads; the evaluation of this number breaks off."""

    def script(name, *flags, may_say_no=False):
        ran.append((name, flags))
        if name == "caption_generation.py":
            captions = Path(flags[flags.index("--data") + 1]) / "captions"
            captions.mkdir(parents=True)
            (captions / "sprites_train.jsonl").write_text("")
        if name == "evaluation.py":
            if sum(one == name for one, _ in ran) == breaks_at:
                raise UserError("stopped")
            out = Path(flags[flags.index("--out") + 1])
            out.mkdir(parents=True)
            share = 0.9 + 0.02 * len(ran) / 10
            numbers = {name: {"value": share} for name in sprites.PUBLISHED}
            (out / "report.json").write_text(json.dumps({"numbers": numbers}))

    return script


def test_it_goes_on_where_it_stood(tmp_path, monkeypatch, capsys):
    """Fifteen trainings take hours: the fourth one's failure must not cost the first three."""
    monkeypatch.chdir(tmp_path)
    ran = []
    monkeypatch.setattr(coherence, "script", stand_in(ran, breaks_at=4))
    config = SpritesConfig(levels="1,5", trainings=2)
    with pytest.raises(UserError):
        sprites.main(config)
    sprites.main(config)
    names = [name for name, _ in ran]
    assert names.count("dataset_preparation.py") == 2
    assert names.count("training_loop.py") == 5
    sprites.main(config)
    assert len(ran) == len(names)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1:3] for line in lines[-2:]] == [[" 1 ", " 2 "], [" 5 ", " 2 "]]


def test_each_script_is_told_the_collection_and_its_size(tmp_path, monkeypatch):
    """--preset small alone would train at 128 px, and be refused on sprites."""
    monkeypatch.chdir(tmp_path)
    ran = []
    monkeypatch.setattr(coherence, "script", stand_in(ran))
    sprites.main(SpritesConfig(levels="3", trainings=1))
    words = {name: " ".join(flags) for name, flags in ran}
    assert "--source sprites --preset small --level 3" in words["dataset_preparation.py"]
    assert "--style sprites --preset small --image-size 64" in words["training_loop.py"]
    assert "--judge outputs/sprites/judge.pt" in words["evaluation.py"]


def test_published_figures_stand_beside_ours():
    results = [
        {"level": 2, "minutes": 4.0, "joint_strict": 0.90},
        {"level": 2, "minutes": 6.0, "joint_strict": 0.94},
    ]
    last = sprites.comparison(results).splitlines()[-1]
    assert last == "| 2 | 2 | 5.0 | 92 (3) | 3 | - | 18 | - | 55 |"


def test_a_level_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="--levels knows"):
        SpritesConfig(levels="1,6")
