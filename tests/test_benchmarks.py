"""Benchmarks are claims: they run, go on where they stood, and compare like with like."""

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import (
    captioning,
    coherence,
    generation,
    page,
    plain_autoencoder,
    preparation,
    samplers,
    sound_round_trip,
    training_rows,
)
from benchmarks import training_step as benchmark_of_a_step
from benchmarks.settings import (
    COHERENCE_PLANS,
    CoherenceConfig,
    PageConfig,
    PreparationConfig,
    SamplersConfig,
)
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.model.multimodal import MultimodalModel
from oneseed.synthetic.engravings import attributes
from tests.conftest import tiny_config

ROOT = Path(__file__).parents[1]


class Guess:
    """A judge that sees the first facts in every picture."""

    about = {}  # noqa: RUF012  nothing writes to it

    def see(self, pixels):
        return [dict(attributes.collection(1)[0]) for _ in pixels]


def test_every_sampler_is_fitted_to_the_same_codes_and_judged(
    tiny_run, builtin_data, tmp_path, monkeypatch
):
    monkeypatch.setattr(samplers, "load_judge", lambda path, drawn: Guess())
    samplers.main(
        SamplersConfig(
            checkpoints=str(tiny_run / "best_model.pt"),
            seeds=6,
            steps=5,
            out=str(tmp_path / "samplers.json"),
            data=str(builtin_data),
        )
    )
    rows = json.loads((tmp_path / "samplers.json").read_text("utf-8"))["rows"]
    names = [row["sampler"] for row in rows]
    assert names == ["Gaussian", "Mixture", "Diffusion", "Flow", "ClustersAndFlow"]
    for row in rows:
        assert 0 <= row["strict"] <= row["mean"] <= 1, row


def test_samplers_of_other_collections_have_no_judge(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(samplers, "load_judge", lambda path, drawn: Guess())
    with pytest.raises(UserError, match="exact judges"):
        samplers.main(
            SamplersConfig(checkpoints=str(tiny_run / "best_model.pt"), data=str(tmp_path))
        )


def test_a_coherence_run_goes_on_where_it_stood(tmp_path, monkeypatch, capsys):
    """Two hours of training are not done twice because the third row failed."""
    monkeypatch.chdir(tmp_path)
    ran = []

    def script(name, *flags, may_say_no=False):
        ran.append(name)
        if name == "evaluation.py":
            if ran.count(name) == 3:
                raise UserError("stopped")
            out = Path(flags[flags.index("--out") + 1])
            out.mkdir(parents=True)
            report = {"numbers": {"joint_strict": {"value": 0.5}}}
            (out / "report.json").write_text(json.dumps(report))
        if name == "caption_generation.py":
            captions = Path(flags[flags.index("--data") + 1]) / "captions"
            captions.mkdir(parents=True)
            (captions / "builtin_train.jsonl").write_text("")

    monkeypatch.setattr(coherence, "script", script)
    with pytest.raises(UserError):
        coherence.main(CoherenceConfig(only="demo"))
    assert ran.count("dataset_preparation.py") == 1
    assert ran.count("training_loop.py") == 3
    coherence.main(CoherenceConfig(only="demo"))
    assert ran.count("training_loop.py") == 4
    assert capsys.readouterr().out.count("| demo | 5 |") == 3


def test_an_unknown_plan_is_refused():
    with pytest.raises(ValueError, match="--only knows"):
        CoherenceConfig(only="demo,later")


def test_every_plan_of_the_flag_has_runs():
    assert {row.plan for row in coherence.PLANNED_RUNS} == {*COHERENCE_PLANS}


def test_a_mixture_keeps_a_seed_to_its_row(tiny_run, builtin_data):
    import torch

    model = MultimodalModel.from_checkpoint(tiny_run / "best_model.pt")
    mixture = samplers.Mixture(model.config, torch.randn(200, 32), 0)
    z = torch.randn(7, 32)
    assert np.allclose(mixture.to_code(z)[3], mixture.to_code(z[3:4])[0], atol=1e-5)


def test_a_batch_of_captions_pays(capsys):
    """Three times is wanted; some six were measured."""
    assert not captioning.main(SimpleNamespace(pictures=16, batch_size=8, max_new_tokens=12))
    assert "the captions are equal" in capsys.readouterr().out


def test_prepared_pictures_are_compared_with_the_plain_way(tmp_path, capsys, monkeypatch):
    """Same files, same mode, same size; what is compared is also alike."""
    monkeypatch.delenv("ENGRAVINGS", raising=False)
    config = PreparationConfig(only="speed", files=2, size=64, folder=str(tmp_path))
    # drawn hatching at 64 px is harder than any plate at 512
    wanted = preparation.Wanted(speedup={0.1: 0, 0.4: 0}, max_difference=4)
    assert not preparation.main(config, wanted)
    printed = capsys.readouterr().out
    assert "img2dataset is not measured" in printed
    for group in ("0.1 Mpx RGB", "0.1 Mpx L", "0.4 Mpx RGB", "0.4 Mpx L"):
        assert group in printed
    assert not list(tmp_path.iterdir())


def test_pictures_that_differ_from_the_plain_way_are_a_miss(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("ENGRAVINGS", raising=False)
    config = PreparationConfig(only="speed", files=1, size=64, folder=str(tmp_path))
    wanted = preparation.Wanted(speedup={0.1: 0}, max_difference=0)
    assert preparation.main(config, wanted)
    assert "missed: 0.1 Mpx RGB: " in capsys.readouterr().out


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="--only knows speed, rows and memory, not 'time'"):
        PreparationConfig(only="speed,time")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux")
def test_a_stage_is_measured_without_its_start(tmp_path):
    cost = preparation.stage(
        "prepare",
        source="builtin",
        max_samples=40,
        image_size=32,
        smallest=16,
        workers=2,
        data=str(tmp_path),
    )
    assert 0 < cost.seconds < 600
    assert 20 < cost.own < 400
    assert 40 < cost.workers < 800
    with pytest.raises(UserError, match="caption ended with code"):
        preparation.stage("caption", style="missing", data=str(tmp_path))


@pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")
def test_memory_hardly_grows_with_the_collection(tmp_path, capsys):
    """A hundred thousand pictures on a small machine: python -m benchmarks.preparation
    --only memory --rows 100000 measures that; here a tenth."""
    config = PreparationConfig(only="memory", rows=10_000, folder=str(tmp_path))
    missed = preparation.main(config, preparation.Wanted(max_growth=30))
    assert not missed, capsys.readouterr().out


@pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")
def test_a_second_run_costs_next_to_nothing(tmp_path, capsys):
    config = PreparationConfig(only="rows", rows=500, folder=str(tmp_path))
    # how much a second process brings, the machine's other work decides
    missed = preparation.main(config, preparation.Wanted(two_processes=0))
    assert not missed, capsys.readouterr().out


def test_what_a_pair_costs_is_told_for_every_batch_and_on_its_way_to_disk(tiny_run, capsys):
    generation.main(
        SimpleNamespace(
            checkpoint=str(tiny_run / "best_model.pt"),
            pairs=20,
            block=10,
            rounds=1,
            format="webdataset",
            device="cpu",
        )
    )
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    rows = [line.split() for line in lines if line[:6].strip().isdecimal()]
    assert [int(row[0]) for row in rows if len(row) == 7] == [1, 8, 32, 128]
    assert printed.count("the tokens are equal") == 2
    assert "20 pairs to disk" in printed
    assert len([line for line in lines if line[0] in "✓✗"]) == 4


def test_what_the_tab_collection_costs_is_measured_on_as_many_rows_as_are_asked_for(capsys):
    page.main(PageConfig(collection=50))
    line = r"(?m)^  50 rows: (first look|search|caption saved) +[\d.]+ s$"
    measured = re.findall(line, capsys.readouterr().out)
    assert measured == ["first look", "search", "caption saved"]


@pytest.mark.parametrize(
    "event, is_good, kind",
    [
        ("complete", True, "answered"),
        ("error", False, "refused as it should be"),
        ("full", True, "queue full"),
        ("complete", False, "WRONG: generate complete"),
        ("error", True, "WRONG: generate error"),
    ],
)
def test_answers_under_load_are_told_apart(event, is_good, kind):
    assert page.kind_of_answer("generate", event, is_good=is_good) == kind


@pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux")
def test_training_s_memory_hardly_grows_with_the_collection(monkeypatch, capsys):
    """Codes and captions of every row were kept: two gigabytes for a hundred thousand.

    python -m benchmarks.training_rows measures these; here a tenth.
    """
    monkeypatch.setattr(training_rows, "GROWTH", 120)
    assert not training_rows.main(SimpleNamespace(rows=10_000, folder="")), capsys.readouterr().out


def training_step(*flags):
    """What benchmarks.training_step prints of one step of a small model."""
    model = "--preset small --style builtin --image-size 64 --channels 3 --batch-size 4"
    command = [sys.executable, "-m", "benchmarks.training_step", *model.split()]
    done = subprocess.run(
        [*command, "--steps", "1", "--device", "cpu", "--precision", "fp32", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    step = r"whole step .* pictures/s .* GFLOP .*% of matrix speed"
    assert re.search(step, done.stdout), "a step is told in shares of the machine's matrix speed"
    assert "waiting for data" in done.stdout
    return done.stdout


def test_a_training_step_is_compared_with_the_plain_one():
    printed = training_step("--pictures", "40", "--against", "eager")
    line = r"(?m)^  (?:ours|plain eager) +(\d+) steps .* held-out pictures ([\d.]+)$"
    (ours, first), (theirs, second) = re.findall(line, printed)
    assert ours == "10"
    sentence = r"times as long for a step and (more than )?[\d.]+ times as long to the same loss"
    assert re.search(sentence, printed)
    is_behind = float(second) > float(first)
    assert ("more than" in printed) == is_behind
    assert int(theirs) == 40 or not is_behind


def test_a_training_step_is_compared_with_a_plain_autoencoder(capsys, monkeypatch):
    """Both were trained on 800 pictures, as an epoch of a small folder is, and it said 8."""
    small = functools.partial(plain_autoencoder.Plain, width=4, vocabulary=320)
    monkeypatch.setattr(plain_autoencoder, "Plain", small)
    steps = []
    real = plain_autoencoder.PlainTrainer.train_step

    def counted(trainer, batch, step):
        steps.append(step)
        return real(trainer, batch, step)

    monkeypatch.setattr(plain_autoencoder.PlainTrainer, "train_step", counted)
    model = tiny_config(image_size=64, channels=3)
    settings = TrainConfig(batch_size=4, device="cpu", precision="fp32")
    options = SimpleNamespace(steps=1, against="plain", pictures=8)
    benchmark_of_a_step.main(model, settings, options)
    line = r"(?m)^  (?:ours|plain) .* pictures/s .* held-out pictures after 8 pictures"
    assert len(re.findall(line, capsys.readouterr().out)) == 2
    # two batches, and one more step whose memory is measured
    assert steps == [0, 1, 0]


def test_a_sound_comes_back_from_its_square_and_another_is_far_from_it():
    first, second = sound_round_trip.played(64, 2)
    assert sound_round_trip.spectral_distance(first, first) == 0
    lost = sound_round_trip.spectral_distance(first, sound_round_trip.round_trip(first, 64))
    assert lost < 9 < 12 < sound_round_trip.spectral_distance(first, second)
