"""The comparison with a multimodal VAE runs from a checkpoint to a table.

Its score cannot be won by one good pair.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import joint_coherence
from benchmarks.joint_coherence import main, score
from benchmarks.settings import VAE_NAMES, JointConfig
from benchmarks.vae import MODELS
from oneseed.console.command import UserError
from oneseed.evaluation.attribute_judge import AttributeJudge
from oneseed.synthetic.engravings.collection import ENGRAVINGS

ROOT = Path(__file__).parents[1]


def config(tiny_run, builtin_data, tmp_path, **more):
    quick = {
        "minutes": 0.005,
        "seeds": 6,
        "latent_dim": 8,
        "components": 2,
        "checkpoint": str(tiny_run / "best_model.pt"),
        "device": "cpu",
        "data": str(builtin_data),
        "judge": str(tmp_path / "judge.pt"),
        "out": str(tmp_path / "out" / "joint.json"),
    }
    return JointConfig(**{**quick, **more})


def test_the_flag_names_the_models_that_can_be_built():
    assert tuple(MODELS) == VAE_NAMES


@pytest.mark.parametrize("model", VAE_NAMES)
def test_trains_draws_and_prints_every_column(
    model, tiny_run, builtin_data, tmp_path, monkeypatch, capsys
):
    pytest.importorskip(
        "multivae",
        reason="the library multivae is not installed: pip install -r benchmarks/requirements.txt",
    )
    # untaught: the run is tested, not the numbers
    monkeypatch.setattr(
        joint_coherence, "load_judge", lambda path, drawn: AttributeJudge(drawn, 8).eval()
    )
    options = config(tiny_run, builtin_data, tmp_path, model=model)
    main(options)
    printed = capsys.readouterr().out
    columns = ["ours", *(f"{MODELS[model]} {source}" for source in ("prior", "mixture", "encoded"))]
    head = next(line for line in printed.splitlines() if "ours" in line)
    for column in columns:
        assert column in head
    written = json.loads(Path(options.out).read_text())
    assert list(written["columns"]) == columns
    assert written["training"]["steps"] >= 1
    assert written["settings"]["model"] == model
    for title, value in written["columns"]["ours"].items():
        assert title in printed
        assert np.isfinite(value)


@pytest.mark.parametrize(
    "pictures, captions, strict, combinations",
    [
        (range(40), range(40), 1, 40),
        ([0] * 40, [0] * 40, 1, 1),
        (range(40), [*range(1, 40), 0], 0, 40),
    ],
    ids=["true", "constant", "shifted"],
)
def test_a_constant_pair_is_exposed_by_its_one_combination(
    pictures, captions, strict, combinations
):
    facts = []
    for one in ENGRAVINGS.collection(200, seed=5):
        if one not in facts:
            facts.append(one)

    # a "picture" is its number
    class Known:
        def see(self, pixels):
            return [facts[i] for i in pixels[:, 0, 0]]

    numbers = np.array(list(pictures)).reshape(-1, 1, 1)
    told = [ENGRAVINGS.tell(facts[i], i, 5) for i in captions]
    column = score(numbers, told, Known(), tuple(ENGRAVINGS.attributes))
    assert column["strict: all attributes agree"] == strict
    assert column["captions that tell every attribute"] == 1
    assert column["distinct combinations in pictures"] == combinations
    assert column["distinct combinations in captions"] == combinations


def test_missing_files_and_a_missing_library_are_told_in_one_sentence(
    tiny_run, builtin_data, tmp_path, monkeypatch
):
    # where nothing is prepared
    monkeypatch.chdir(tmp_path)
    sentence = r"nowhere\.pt is missing; make it with: make demo, or python"
    with pytest.raises(UserError, match=sentence):
        main(config(tiny_run, builtin_data, tmp_path, checkpoint=str(tmp_path / "nowhere.pt")))
    # as if it were not installed
    monkeypatch.setitem(sys.modules, "multivae", None)
    with pytest.raises(UserError, match=r"pip install -r benchmarks/requirements\.txt") as error:
        main(config(tiny_run, builtin_data, tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"minutes": 0}, "--minutes must be above 0, got 0"),
        ({"latent_dim": 0}, "--latent-dim must be above 0, got 0"),
        ({"seeds": 1}, "--seeds must be 2 .* to a million, got 1"),
    ],
)
def test_values_without_sense_are_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        JointConfig(**wrong)


@pytest.mark.parametrize("name", ["coherence", "joint_coherence", "page", "preparation"])
def test_help_comes_before_any_heavy_import(name):
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", f"benchmarks.{name}", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr[-500:]
    assert f"python -m benchmarks.{name}" in shown.stdout
    loaded = {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()}
    assert not loaded & {"torch", "multivae", "gradio", "PIL"}
