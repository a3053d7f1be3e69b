"""Files of another program, or half of one, where a run keeps its own: named, never written over.

A last.pt of another program ended in a traceback that named neither the file nor a way on.
"""

import copy
import json
import math
import os
from collections import OrderedDict

import numpy as np
import pytest
import torch

from oneseed.console.command import UserError
from oneseed.dataset.next_run import run_facts
from oneseed.model import checkpoint
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import Tokenizer
from oneseed.training import prior_fit, run_folder
from oneseed.training.data import PairLoader
from oneseed.training.encoding import encode_codes
from oneseed.training.run_folder import resume_run
from oneseed.training.setup import read_begun_run
from tests.conftest import CAPTIONS, tiny_config
from tests.training.test_training_loop import config
from training_loop import MultimodalTrainer


def run_in(folder):
    """A trainer of eight pairs that writes to the folder."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(CAPTIONS, 320)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 32, 32), dtype=np.uint8)
    tokens = [tokenizer.encode(caption, 48) for caption in CAPTIONS]
    loader = PairLoader(pixels, np.arange(8), tokens, batch_size=4, channels=1, shuffle=True)
    model = MultimodalModel(tiny_config(), tokenizer)
    return MultimodalTrainer(model, loader, loader, config(checkpoints=str(folder), num_epochs=2))


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """(trainer, state): a run that stands within its second epoch and within a fit."""
    folder = tmp_path_factory.mktemp("begun")
    run = run_in(folder)
    run.train_epoch()
    codes = encode_codes(run.model, run.train, run.kept)
    prior_fit.fit_prior_briefly(run.prior_fitter, codes, run.kept, steps=2, epoch=0)
    run.state.metrics = [{"epoch": 1, "best": True, "train_loss": 2.0, "notes": ["well"]}]
    run.save_checkpoint()
    run.state.fit_id = ["this one"]
    checkpoint.save(folder / "last_fit.pt", run.state.last_fit_state_dict())
    return run, checkpoint.load(folder / "last.pt"), checkpoint.load(folder / "last_fit.pt")


@pytest.fixture
def fresh(tmp_path_factory, monkeypatch):
    """A trainer that has not begun."""
    folder = tmp_path_factory.mktemp("fresh")
    monkeypatch.chdir(folder)
    return run_in(folder / "run")


def at(*path, value=None):
    """A harm: what stands at this path becomes another, or with `...` goes."""

    def harm(saved):
        for key in path[:-1]:
            saved = saved[key]
        if value is ...:
            del saved[path[-1]]
        else:
            saved[path[-1]] = value

    return harm


def filled(*path, value=math.nan):
    """A harm: the numbers of the tensor at this path become another."""

    def harm(saved):
        for key in path:
            saved = saved[key]
        saved.fill_(value)

    return harm


FIRST = ("optimizers", 0, "state", 0)
HARMS = {
    "no style": at("style", value=...),
    "style is a number": at("style", value=5),
    "samples are a text": at("samples", value="8"),
    "no model": at("model", value=...),
    "model is a list": at("model", value=[1]),
    "model of another program": at("model", value={"a.weight": torch.zeros(2)}),
    "model with NaN": filled("model", "sampler.mean"),
    "a weight is missing": at("model", "sampler.mean", value=...),
    "no optimizers": at("optimizers", value=...),
    "one optimizer": lambda saved: saved["optimizers"].pop(),
    "optimizers are a dict": at("optimizers", value={}),
    "an optimizer is empty": at("optimizers", 0, value={}),
    "an optimizer is a number": at("optimizers", 1, value=5),
    "another optimizer": lambda saved: saved["optimizers"].reverse(),
    "moments with NaN": filled(*FIRST, "exp_avg"),
    "endless moments": filled(*FIRST, "exp_avg_sq", value=math.inf),
    "moments of another shape": at(*FIRST, "exp_avg", value=torch.zeros(3)),
    "moments are missing": at(*FIRST, "exp_avg", value=...),
    "a step is a text": at(*FIRST, "step", value="1"),
    "a state of weight -1": at("optimizers", 0, "state", -1, value={}),
    "a state of a name": at("optimizers", 0, "state", "a", value={}),
    "groups are gone": at("optimizers", 0, "param_groups", value=[]),
    "a rate is a text": at("optimizers", 0, "param_groups", 0, "lr", value="fast"),
    "a rate is none": at("flow_optimizer", "param_groups", 0, "lr", value=math.nan),
    "weights of other numbers": at("flow_optimizer", "param_groups", 0, "params", value=[0]),
    "coordinates are a text": at("coordinates", value="here"),
    "coordinates of another width": at("coordinates", value=torch.zeros(8, 3)),
    "no coordinates": at("coordinates", value=torch.zeros(0, 3)),
    "coordinates with NaN": filled("coordinates"),
    "metrics are a number": at("metrics", value=1),
    "metrics of numbers": at("metrics", value=[1]),
    "an epoch without a number": at("metrics", 0, "epoch", value=...),
    "another epoch": at("metrics", 0, "epoch", value=7),
    "best is a text": at("metrics", 0, "best", value="yes"),
    "a loss is a text": at("metrics", 0, "train_loss", value="low"),
    "notes are numbers": at("metrics", 0, "notes", value=[1]),
    "a cool-down of texts": at("cooldown", value={"after": "1", "epochs": 1, "planned": 1}),
    "a cool-down of nothing": at("cooldown", value={}),
    "a cool-down of no epochs": at("cooldown", value={"after": 1, "epochs": 0, "planned": 2}),
    "within is a list": at("within", value=[1]),
    "within of no pairs": at("within", "seen", value=None),
    "within took no time": at("within", "seconds", value=0.0),
    "within has another loss": at("within", "sums", "charm", value=1.0),
    "within lacks a loss": at("within", "sums", "caption", value=...),
    "within has no sums": at("within", "sums", value=math.nan),
    "within of other pictures": at("within", "met", value=torch.zeros(3, dtype=torch.bool)),
    "within of other codes": at("within", "codes", value=torch.zeros(3, 3)),
    "fitting is a text": at("fitting", value="soon"),
    "fitting step below 0": at("fitting", "step", value=-1),
    "fitting without buffers": at("fitting", "buffers", value={}),
    "fitting with NaN": filled("fitting", "buffers", "mean"),
    "fitting keeps others": at("fitting", "kept", value={"a": torch.zeros(1)}),
    "no best loss": at("fitting", "best", value=math.nan),
    "no random numbers": at("fitting", "generator", value=torch.zeros(3, dtype=torch.uint8)),
    "random numbers of a text": at("random", value="7"),
    "random numbers of zeros": filled("random", value=255),
}


def another_programs(saved):
    saved.clear()
    saved.update(epoch=7, model={"a.weight": torch.zeros(2)}, optimizer={})


def half_of_one(saved):
    saved.clear()
    saved.update(style="builtin", samples=8, model={"a.weight": torch.zeros(2)})


@pytest.mark.parametrize("harm", [*HARMS, "another program's", "half of one"])
def test_a_last_pt_that_is_none_is_named_with_a_way_on(begun, fresh, harm, capsys):
    saved = copy.deepcopy(begun[1])
    others = {"another program's": another_programs, "half of one": half_of_one}
    {**HARMS, **others}[harm](saved)
    path = fresh.folder.path / "last.pt"
    path.parent.mkdir()
    torch.save(saved, path)
    before = checkpoint.digest(fresh.model.state_dict())
    content = path.read_bytes()
    with pytest.raises(UserError) as error:
        fresh.load_checkpoint()
    assert error.value.code == 2
    sentence = str(error.value)
    assert "last.pt" in sentence
    assert "--checkpoints DIR" in sentence
    assert "--fresh" in sentence
    assert "\n" not in sentence
    # nothing of it was taken over, and it is as it was
    assert checkpoint.digest(fresh.model.state_dict()) == before
    assert path.read_bytes() == content
    # those who look at it beforehand do not stumble
    read_begun_run(path, 0)
    run_facts(path.parent)


def test_what_is_only_written_again_goes_on(begun, fresh, capsys):
    path = fresh.folder.path / "last.pt"
    path.parent.mkdir()
    torch.save(begun[1], path)
    assert fresh.load_checkpoint()
    assert fresh.state.metrics == begun[0].state.metrics
    assert fresh.state.epoch.pairs == begun[0].state.epoch.pairs
    wanted = checkpoint.digest(OrderedDict(begun[1]))
    assert checkpoint.digest(OrderedDict(fresh.state.state_dict())) == wanted


FIT_HARMS = {
    "of nothing": at("of", value=...),
    "no sampler": at("sampler", value=...),
    "NaN": filled("sampler", "mean"),
    "no fit": at("fitting", value=None),
    "another program's": another_programs,
}


@pytest.mark.parametrize("harm", FIT_HARMS)
def test_a_last_fit_that_is_none_begins_anew(begun, fresh, harm, capsys):
    saved = copy.deepcopy(begun[2])
    FIT_HARMS[harm](saved)
    fresh.folder.path.mkdir()
    torch.save(saved, fresh.folder.path / "last_fit.pt")
    fresh.state.fit_id = ["this one"]
    fresh.folder.load_last_fit(fresh.state)
    assert fresh.state.prior_fit is None
    assert "last_fit.pt is damaged" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["last.pt", "last_fit.pt", "best_model.pt", "metrics.json"])
@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_named_before_the_first_step(fresh, name, kind):
    """A folder of that name ended a run of hours in a traceback; a pipe made it wait for ever."""
    path = fresh.folder.path / name
    path.parent.mkdir()
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(UserError, match=rf"{name}.*--checkpoints DIR.*--fresh"):
        resume_run(fresh.folder, fresh.state, fresh.config)


@pytest.mark.parametrize(
    "name, content",
    [
        ("metrics.json", "[1, 2]"),
        ("metrics.json", '{"accuracy": 0.9}'),
        ("metrics.json", "[" * 100_000),
        ("best_model.pt", None),
        ("best_model.pt", "text"),
        ("checkpoint_epoch_003.pt", None),
        ("checkpoint_epoch_003.pt", "text"),
        ("checksums.json", '{"photos.zip": "5 MB"}'),
        ("checksums.json", "[]"),
        ("last_fit.pt", None),
    ],
)
def test_a_new_run_writes_over_nothing_of_another_program(fresh, name, content, capsys):
    """Copies of epochs, the list of checksums and the last fit were written over or deleted."""
    path = fresh.folder.path / name
    path.parent.mkdir()
    if content is None:
        torch.save({"a.weight": torch.zeros(2)}, path)
    else:
        path.write_text(content)
    before = path.read_bytes()
    with pytest.raises(UserError, match=rf"{name}.*--checkpoints DIR.*--fresh"):
        resume_run(fresh.folder, fresh.state, fresh.config)
    assert path.read_bytes() == before


def test_files_of_an_own_run_without_its_last_pt_are_no_obstacle(begun, fresh):
    """What is no name of a run's, such as checkpoint_epoch_final.pt, is none either."""
    path = fresh.folder.path
    fresh.folder.save_model(fresh.model, "best_model.pt")
    fresh.folder.save_epoch_model(fresh.model, 2)
    checkpoint.save(path / "last_fit.pt", begun[2])
    (path / "checkpoint_epoch_final.pt").write_text("mine")
    assert not resume_run(fresh.folder, fresh.state, fresh.config)


def test_copies_of_another_program_stay(fresh, monkeypatch):
    """Of checkpoint_epoch_NNN.pt the last three stay: those that this run wrote."""
    monkeypatch.setattr(run_folder, "KEPT_EPOCHS", 1)
    folder = fresh.folder.path
    folder.mkdir()
    for name in ("checkpoint_epoch_001.pt", "checkpoint_epoch_final.pt"):
        (folder / name).write_text("mine")
    for epoch in (2, 3):
        fresh.folder.save_epoch_model(fresh.model, epoch)
    assert sorted(path.name for path in folder.glob("*.pt")) == [
        "checkpoint_epoch_001.pt",
        "checkpoint_epoch_003.pt",
        "checkpoint_epoch_final.pt",
    ]


def test_a_best_model_of_another_program_gives_way_to_the_copy(begun, fresh, capsys):
    fresh.state.metrics = begun[0].state.metrics
    fresh.folder.save_model(fresh.model, "checkpoint_epoch_001.pt")
    torch.save({"a.weight": torch.zeros(2)}, fresh.folder.path / "best_model.pt")
    weights = fresh.folder.best_weights(fresh.state)
    assert json.loads(weights["_extra_state"].numpy().tobytes())["format"] == 2
    assert "checkpoint_epoch_001.pt" in capsys.readouterr().out
