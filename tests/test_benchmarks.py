"""Benchmarks are claims: they run, go on where they stood, and compare like with like."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import captioning, coherence, generation, page, preparation, samplers, training_rows
from benchmarks.settings import CoherenceConfig, SamplersConfig
from oneseed.console.command import UserError
from oneseed.model.multimodal import MultimodalModel
from oneseed.synthetic.engravings import attributes

ROOT = Path(__file__).parents[1]


class Guess:
    """A judge that sees the first facts in every picture."""

    about = {}

    def see(self, pixels):
        return [dict(attributes.collection(1)[0]) for _ in pixels]


def test_every_sampler_is_fitted_to_the_same_codes_and_judged(
    tiny_run, builtin_data, tmp_path, monkeypatch
):
    monkeypatch.setattr(samplers, "load_judge", lambda path: Guess())
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
    assert [row["sampler"] for row in rows] == [
        "Gaussian",
        "Mixture",
        "Diffusion",
        "Flow",
        "ClustersAndFlow",
    ]
    assert all(0 <= row["strict"] <= row["mean"] <= 1 for row in rows)


def test_samplers_of_other_collections_have_no_judge(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(samplers, "load_judge", lambda path: Guess())
    with pytest.raises(UserError, match="exact judges"):
        samplers.main(
            SamplersConfig(checkpoints=str(tiny_run / "best_model.pt"), data=str(tmp_path))
        )


def test_a_coherence_run_goes_on_where_it_stood(tmp_path, monkeypatch, capsys):
    """Two hours of training are not done twice because the third row failed."""
    monkeypatch.chdir(tmp_path)
    ran = []

    def script(*words, may_say_no=False):
        ran.append(words[0])
        if words[0] == "evaluation.py":
            if len([word for word in ran if word == "evaluation.py"]) == 3:
                raise UserError("stopped")
            out = Path(words[words.index("--out") + 1])
            out.mkdir(parents=True)
            (out / "report.json").write_text(
                json.dumps({"numbers": {"joint_strict": {"value": 0.5}}})
            )
        if words[0] == "caption_generation.py":
            captions = Path(words[words.index("--data") + 1]) / "captions"
            captions.mkdir(parents=True)
            (captions / "builtin_train.jsonl").write_text("")

    monkeypatch.setattr(coherence, "script", script)
    with pytest.raises(UserError):
        coherence.main(CoherenceConfig(only="demo"))
    assert ran.count("dataset_preparation.py") == 1 and ran.count("training_loop.py") == 3
    coherence.main(CoherenceConfig(only="demo"))
    assert ran.count("training_loop.py") == 4 and capsys.readouterr().out.count("| demo | 5 |") == 3
    with pytest.raises(ValueError, match="--only knows"):
        CoherenceConfig(only="demo,later")


def test_a_mixture_keeps_a_seed_to_its_row(tiny_run, builtin_data):
    import torch

    model = MultimodalModel.from_checkpoint(tiny_run / "best_model.pt")
    mixture = samplers.Mixture(model.config, torch.randn(200, 32), 0)
    z = torch.randn(7, 32)
    assert np.allclose(mixture.codes(z)[3], mixture.codes(z[3:4])[0], atol=1e-5)


def test_a_batch_of_captions_pays(capsys):
    """Three times is wanted; some six were measured."""
    assert not captioning.main(SimpleNamespace(pictures=16, batch_size=8, max_new_tokens=12))
    assert "the captions are equal" in capsys.readouterr().out


def test_prepared_pictures_are_compared_with_the_plain_way(tmp_path, capsys, monkeypatch):
    """Same files, same mode, same size; what is compared is also alike."""
    monkeypatch.setattr(preparation, "WANTED", {0.1: 0, 0.4: 0})
    # drawn hatching at 64 px is harder than any plate at 512
    monkeypatch.setattr(preparation, "FURTHEST", 4)
    monkeypatch.delenv("ENGRAVINGS", raising=False)
    assert not preparation.main(
        SimpleNamespace(
            only="speed",
            pictures="",
            files=2,
            rows=0,
            size=64,
            img2dataset="",
            folder=str(tmp_path),
        )
    )
    printed = capsys.readouterr().out
    assert (
        "img2dataset is not measured" in printed
        and all(f"{size} Mpx {mode}" in printed for size in (0.1, 0.4) for mode in ("RGB", "L"))
        and not list(tmp_path.iterdir())
    )
    monkeypatch.setattr(preparation, "FURTHEST", 0)
    assert preparation.main(
        SimpleNamespace(
            only="speed",
            pictures="",
            files=1,
            rows=0,
            size=64,
            img2dataset="",
            folder=str(tmp_path),
        )
    )
    assert "missed: 0.1 Mpx RGB: " in capsys.readouterr().out


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux")
def test_a_stage_is_measured_without_its_start(tmp_path):
    seconds, own, workers = preparation.stage(
        "prepare",
        source="builtin",
        max_samples=40,
        image_size=32,
        smallest=16,
        workers=2,
        data=str(tmp_path),
    )
    assert 0 < seconds < 600 and 20 < own < 400 and 40 < workers < 800
    with pytest.raises(UserError, match="caption ended with code"):
        preparation.stage("caption", style="missing", data=str(tmp_path))


@pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")
def test_memory_hardly_grows_with_the_collection(tmp_path, monkeypatch, capsys):
    """A hundred thousand pictures on a small machine: python -m benchmarks.preparation --only memory --rows 100000 measures that; here a tenth."""
    monkeypatch.setattr(preparation, "GROWTH", 30)
    assert not preparation.main(
        SimpleNamespace(only="memory", rows=10_000, folder=str(tmp_path))
    ), capsys.readouterr().out


@pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")
def test_a_second_run_costs_next_to_nothing(tmp_path, monkeypatch, capsys):
    # how much a second process brings, the machine's other work decides
    monkeypatch.setattr(preparation, "TWO", 0)
    assert not preparation.main(
        SimpleNamespace(only="rows", pictures="", rows=500, size=512, folder=str(tmp_path))
    ), capsys.readouterr().out


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
    assert [
        int(line.split()[0])
        for line in printed.splitlines()
        if line[:6].strip().isdecimal() and len(line.split()) == 7
    ] == [1, 8, 32, 128]
    assert (
        printed.count("the tokens are equal") == 2
        and "20 pairs to disk" in printed
        and len([line for line in printed.splitlines() if line[0] in "✓✗"]) == 4
    )


def test_what_the_tab_collection_costs_is_measured_on_as_many_rows_as_are_asked_for(capsys):
    page.main(page.PageConfig(collection=50))
    assert re.findall(
        r"(?m)^  50 rows: (first look|search|caption saved) +[\d.]+ s$", capsys.readouterr().out
    ) == ["first look", "search", "caption saved"]


@pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux")
def test_training_s_memory_hardly_grows_with_the_collection(monkeypatch, capsys):
    """Codes and captions of every row were kept: two gigabytes for a hundred thousand. python -m benchmarks.training_rows measures these; here a tenth."""
    monkeypatch.setattr(training_rows, "GROWTH", 120)
    assert not training_rows.main(SimpleNamespace(rows=10_000, folder="")), capsys.readouterr().out


@pytest.mark.parametrize("against", ["eager", "plain"])
def test_a_training_step_is_told_in_shares_of_the_machine_s_matrix_speed(against):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.training_step",
            *[
                "--preset",
                "small",
                "--style",
                "builtin",
                "--image-size",
                "64",
                "--channels",
                "3",
                "--batch-size",
                "4",
                "--steps",
                "1",
                "--device",
                "cpu",
            ],
            "--pictures",
            {"eager": "40", "plain": "8"}[against],
            "--against",
            against,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (
        re.search(r"whole step .* pictures/s .* GFLOP .*% of matrix speed", done.stdout)
        and "waiting for data" in done.stdout
    )
    if against == "eager":
        (ours, first), (theirs, second) = re.findall(
            r"(?m)^  (?:ours|plain eager) +(\d+) steps .* held-out pictures ([\d.]+)$", done.stdout
        )
        assert ours == "10" and re.search(
            r"times as long for a step and (more than )?[\d.]+ times as long to the same loss",
            done.stdout,
        )
        assert ("more than" in done.stdout) == (float(second) > float(first)) and (
            int(theirs) == 40 or float(second) <= float(first)
        )
    else:
        assert (
            len(
                re.findall(
                    r"(?m)^  (?:ours|plain) .* pictures/s .* held-out pictures after 8 pictures",
                    done.stdout,
                )
            )
            == 2
        )
