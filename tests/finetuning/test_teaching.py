"""A captioner learns from pairs: resumed, shared and merged runs are the run that one would be."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from caption_finetuning import CaptionerTrainer
from oneseed.captioning.huggingface import load_captioner
from oneseed.captioning.taught import read_notes
from oneseed.console.command import UserError
from oneseed.finetuning.run import FinetuningFolder, FinetuningState
from oneseed.model import checkpoint
from oneseed.training import distributed
from tests.finetuning.tiny import (
    config_of,
    figures,
    saved_qwen,
    teach,
    tiny_collection,
    trainer_of,
)

pytest.importorskip("peft", reason="pip install -r requirements-captioner.txt")

ROOT = Path(__file__).resolve().parents[2]
LONG = pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")
# seven steps in two epochs; the last of an epoch has fewer pairs
FLAGS = dict(
    dora=True,
    rslora=True,
    train="vision,connector,language",
    num_epochs=2,
    checkpoint_every=2,
    max_samples=14,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_collection(tmp_path_factory.mktemp("pairs"), 20).data


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return saved_qwen(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def whole_run(base, data, tmp_path_factory):
    """A run without interruption -> its folder."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert teach(base, data, folder, **FLAGS) == 0
    return folder


def adapter_of(folder):
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def assert_same_run(one, other):
    assert figures(one)["looks"] == figures(other)["looks"]
    first = adapter_of(one)
    second = adapter_of(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


# ---- what it learns ------------------------------------------------------------------------------


def test_a_run_learns_and_keeps_its_best_adapter(whole_run):
    looks = figures(whole_run)["looks"]
    assert [look["step"] for look in looks] == [0, 2, 4, 6, 8]
    losses = [look["val_loss"] for look in looks]
    assert losses[-1] < losses[0]
    best = [look for look in looks if look["is_best"]][-1]
    assert best["val_loss"] == min(losses[1:])
    assert not looks[0]["is_best"], "it had learnt nothing yet"


def test_the_page_of_a_run_asks_nobody_for_anything(whole_run):
    page = (whole_run / "report.html").read_text()
    assert "default-src 'none'; img-src data:" in page
    assert page.count("data:image/png;base64,iVBOR") == 2
    assert "An engraving of castle" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize("accumulate", [2, pytest.param(4, marks=LONG)])
def test_a_batch_in_pieces_makes_the_step_of_the_whole(base, data, tmp_path, accumulate):
    """A piece with short captions must not weigh as much as one with long ones."""
    gradients = []
    for size, pieces in ((4, 1), (4 // accumulate, accumulate)):
        trainer = trainer_of(base, data, tmp_path, **FLAGS, batch_size=size, accumulate=pieces)
        trainer.train_step()
        gradients.append(torch.cat([weight.grad.flatten() for weight in trainer.weights]))
    assert (gradients[0] - gradients[1]).norm() < 1e-4 * gradients[0].norm()


def test_activations_that_are_computed_again_make_the_same_step(base, data, tmp_path):
    gradients = []
    for recompute in (False, True):
        trainer = trainer_of(base, data, tmp_path, **FLAGS, recompute=recompute)
        trainer.train_step()
        gradients.append(torch.cat([weight.grad.flatten() for weight in trainer.weights]))
    assert trainer.model.is_gradient_checkpointing
    assert torch.allclose(*gradients, atol=1e-6)


def test_two_processes_have_the_gradients_of_one(base, data, tmp_path, monkeypatch):
    """What each of two processes adds, summed, is what one would have."""
    alone = trainer_of(base, data, tmp_path, **FLAGS)
    rows = alone.rows_of_step(0)[:3]
    tokens = sum(alone.fitted.answer_lengths[row] for row in rows)
    loss = alone.backward(rows, tokens)
    share = 0.0
    both = trainer_of(base, data, tmp_path, **FLAGS)
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr(distributed, "rank", lambda number=rank: number)
        share += both.backward(rows, tokens)
    assert share == pytest.approx(loss, rel=1e-5)
    for one, other in zip(alone.weights, both.weights):
        assert torch.allclose(one.grad, other.grad, atol=1e-5)


# ---- resumed, shared -----------------------------------------------------------------------------


@pytest.mark.parametrize("stopped_after", [3, pytest.param(4, marks=LONG)])
def test_an_interrupted_run_goes_on_bit_for_bit(
    base, data, tmp_path, whole_run, monkeypatch, stopped_after
):
    """Within an epoch, and where a look at held-out pictures was just taken."""
    real = CaptionerTrainer.train_step

    def interrupted(self):
        if self.state.step == stopped_after:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(CaptionerTrainer, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        teach(base, data, tmp_path / "run", **FLAGS)
    assert not (tmp_path / "run" / "config.json").exists(), "no checkpoint before there is one"
    monkeypatch.setattr(CaptionerTrainer, "train_step", real)
    assert teach(base, data, tmp_path / "run", **FLAGS) == 0
    assert_same_run(tmp_path / "run", whole_run)


@pytest.mark.parametrize("stopped_at", [4, 8])
@pytest.mark.parametrize("moment", ["measure_look", "save"])
def test_a_look_that_was_interrupted_is_taken_when_the_run_goes_on(
    base, data, tmp_path, whole_run, monkeypatch, stopped_at, moment
):
    """Ctrl+C came while held-out pictures were asked about, at last after the last step: that look
    was never taken, and a run of one epoch had no adapter to merge, however often it was run."""
    real = getattr(CaptionerTrainer, moment)
    looks_before = {4: 2, 8: 4}[stopped_at]
    stops = []

    def interrupted(self):
        is_there = self.state.step == stopped_at and len(self.state.looks) >= looks_before
        if is_there and not stops:
            stops.append(self.state.step)
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(CaptionerTrainer, moment, interrupted)
    with pytest.raises(KeyboardInterrupt):
        teach(base, data, tmp_path / "run", **FLAGS)
    assert stops == [stopped_at]
    assert teach(base, data, tmp_path / "run", **FLAGS) == 0
    assert_same_run(tmp_path / "run", whole_run)


def test_a_run_whose_captions_have_changed_is_not_mixed_with_it(base, tmp_path, capsys):
    """Its own captioner had captioned the pictures anew, and the same command then praised it:
    every answer was exact, since the truth was its own answer."""
    collection = tiny_collection(tmp_path / "data", 20)
    changes = dict(max_samples=4)
    assert teach(base, collection.data, tmp_path / "run", **changes) == 0
    before = figures(tmp_path / "run")
    tiny_collection(tmp_path / "data", 20, caption="An engraving of ship {}")
    with pytest.raises(UserError, match=r"taught other pairs than engraving has now.* --fresh"):
        teach(base, collection.data, tmp_path / "run", **changes)
    assert figures(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("changes", "ways"),
    [
        (dict(batch_size=7), "--recompute, or begin anew with --fresh and --bits 4 or --batch-size "
         "4 --accumulate 2"),
        (dict(batch_size=1, recompute=True), "cpu: begin anew with --fresh and --bits 4"),
        (dict(batch_size=1), "run the same command with --recompute, or begin anew with --fresh "
         "and --bits 4"),
    ],
)  # fmt: skip
def test_too_little_memory_names_what_the_run_can_still_do(base, data, tmp_path, changes, ways):
    """A run that has begun refuses another --bits and another --batch-size, which were named."""
    trainer = trainer_of(base, data, tmp_path, **FLAGS | changes)
    assert str(trainer.too_little_memory(4)).endswith(ways)


@pytest.mark.parametrize("place", ["run", "run/previous"])
@pytest.mark.parametrize("objective", ["captions", "contrastive"])
def test_what_a_run_writes_over_is_not_taught(base, data, tmp_path, place, objective):
    """--fresh moved the captioner that was to be taught away, or deleted it with the last run."""
    folder = shutil.copytree(base, tmp_path / place)
    with pytest.raises(UserError, match=r"lies in the folder that this run writes to: choose an"):
        changes = dict(objective=objective, train="language,vision", fresh=True)
        teach(folder, data, tmp_path / "run", **changes)
    assert (folder / "config.json").exists()


def test_an_adapter_is_asked_what_it_was_taught_with(base, data, whole_run):
    """Named as --captioner it was asked another question, and told nothing of it."""
    notes = read_notes(whole_run / "adapter")
    assert notes.question == read_notes(whole_run).question == "Describe this picture."
    assert notes.digest == read_notes(whole_run).digest != ""
    captioner = load_captioner(str(whole_run / "adapter"), "cpu")
    assert captioner.notes == notes


def test_a_finished_run_that_is_run_again_is_the_same(base, data, tmp_path, whole_run, capsys):
    folder = shutil.copytree(whole_run, tmp_path / "run")
    assert teach(base, data, folder, **FLAGS) == 0
    assert "resuming after step 8 of 8" in capsys.readouterr().out
    assert_same_run(folder, whole_run)


def test_a_run_with_other_settings_is_not_mixed_with_it(base, data, tmp_path, whole_run):
    folder = shutil.copytree(whole_run, tmp_path / "run")
    with pytest.raises(UserError, match=r"is a run with --rank 4 and not 2: use --checkpoints DIR"):
        teach(base, data, folder, **{**FLAGS, "rank": 2})
    assert_same_run(folder, whole_run)


# ---- files of others -----------------------------------------------------------------------------


def own_folder(place):
    """The folder of a run without pairs."""
    return FinetuningFolder(config_of("tiny", place, place), [], [])


def learner():
    """(model, optimizer) of six numbers."""
    model = torch.nn.Linear(2, 2)
    return model, torch.optim.AdamW(model.parameters())


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "model-00001-of-00002.safetensors",
        "adapter/adapter_config.json",
        "merged/model.safetensors",
        "metrics.json",
        "report.html",
    ],
)
def test_a_run_writes_over_no_model_of_another_program(tmp_path, name):
    """Its first good look replaced the adapter that lay in its folder, and its end deleted the
    checkpoint beside it."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    folder = own_folder(tmp_path)
    with pytest.raises(UserError, match=r"is there already.*--checkpoints DIR.*--fresh"):
        folder.load(*learner())
    assert path.read_text() == "mine"
    folder.archive()
    assert folder.load(*learner()) is None
    assert (tmp_path / "previous" / name).read_text() == "mine"


def test_a_checkpoint_in_the_folder_of_a_new_run_stays_as_it_was(base, data, tmp_path):
    """A captioner that lay there was gone when the run had ended."""
    run = shutil.copytree(base, tmp_path / "run")
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    with pytest.raises(UserError, match=r"config\.json is there already"):
        teach(base, data, run, max_samples=4)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    "harm",
    [
        dict(settings=None),
        dict(state=None),
        dict(weights=None),
        dict(optimizer=None),
        dict(settings="no JSON"),
        dict(state="[]"),
        dict(state='{"step": 1}'),
        dict(weights={"weight": torch.zeros(3), "bias": torch.zeros(2)}),
        dict(optimizer={}),
    ],
)
def test_a_last_pt_that_lacks_a_part_is_named_with_a_way_on(tmp_path, harm):
    """One without its settings or its weights ended in a KeyError."""
    folder = own_folder(tmp_path)
    model, optimizer = learner()
    folder.save(FinetuningState(step=1), model, optimizer)
    assert folder.load(model, optimizer).step == 1
    saved = checkpoint.load(tmp_path / "last.pt") | harm
    whole = {name: part for name, part in saved.items() if part is not None}
    torch.save(whole, tmp_path / "last.pt")
    with pytest.raises(UserError, match=r"last\.pt.*--checkpoints DIR.*--fresh"):
        folder.load(model, optimizer)


# ---- several processes, and kills ----------------------------------------------------------------


def command(base, data, folder, *begin):
    flags = config_of(base, data, folder, **FLAGS)
    words = []
    for name in ("model", "data", "checkpoints", "train", "num_epochs", "checkpoint_every"):
        words += [f"--{name.replace('_', '-')}", str(getattr(flags, name))]
    for name in (
        "max_samples",
        "batch_size",
        "held_out",
        "rank",
        "max_new_tokens",
        "learning_rate",
    ):
        words += [f"--{name.replace('_', '-')}", str(getattr(flags, name))]
    script = str(ROOT / "caption_finetuning.py")
    return [*(begin or (sys.executable,)), script, *words, "--dora", "--rslora", "--device", "cpu"]


@LONG
def test_two_gloo_processes_teach_what_one_would(base, data, tmp_path, whole_run):
    """Through torchrun, the last batch of an epoch smaller than the others."""
    begin = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = subprocess.run(
        command(base, data, tmp_path / "two", *begin),
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("merged against adapter") == 1, "one process speaks"
    for one, other in zip(figures(tmp_path / "two")["looks"], figures(whole_run)["looks"]):
        assert one["val_loss"] == pytest.approx(other["val_loss"], rel=1e-3)
    first = adapter_of(tmp_path / "two")
    second = adapter_of(whole_run)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.allclose(first[name], second[name], atol=2e-2), name


@LONG
def test_a_run_killed_at_any_moment_goes_on_bit_for_bit(base, data, tmp_path, whole_run):
    import random
    import time

    folder = tmp_path / "run"
    words = command(base, data, folder)
    random_numbers = random.Random(0)
    for _ in range(2):
        running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        log = folder / "training.log"
        before = log.read_bytes().count(b"\n") if log.exists() else 0
        while running.poll() is None:
            if log.exists() and log.read_bytes().count(b"\n") > before:
                break
            time.sleep(0.05)
        time.sleep(random_numbers.random())
        running.kill()
        running.wait()
    assert subprocess.run(words, stdout=subprocess.DEVNULL).returncode == 0
    assert_same_run(folder, whole_run)
    assert not list(folder.glob(".*partial"))
