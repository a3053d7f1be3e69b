"""The comparison with a multimodal VAE: it runs from a checkpoint to a table, and its score cannot be won by one good pair."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
from benchmarks import joint_coherence
from benchmarks.joint_coherence import MODELS, JointConfig, main, score
from oneseed.console.command import UserError
from oneseed.evaluation.attribute_judge import AttributeJudge
from oneseed.synthetic.engravings.attributes import ATTRIBUTES, collection, tell


def config(tiny_run, builtin_data, tmp_path, **more):
    return JointConfig(
        **{
            **dict(
                minutes=0.005,
                seeds=6,
                latent_dim=8,
                components=2,
                checkpoint=str(tiny_run / "best_model.pt"),
                device="cpu",
                data=str(builtin_data),
                judge=str(tmp_path / "judge.pt"),
                out=str(tmp_path / "out" / "joint.json"),
            ),
            **more,
        }
    )


@pytest.mark.parametrize("model", MODELS)
def test_trains_draws_and_prints_every_column(
    model, tiny_run, builtin_data, tmp_path, monkeypatch, capsys
):
    pytest.importorskip(
        "multivae",
        reason="the library multivae is not installed: pip install -r benchmarks/requirements.txt",
    )
    # untaught: the run is tested, not the numbers
    monkeypatch.setattr(joint_coherence, "load_judge", lambda path: AttributeJudge(8).eval())
    options = config(tiny_run, builtin_data, tmp_path, model=model)
    main(options)
    printed = capsys.readouterr().out
    columns = ["ours", *(f"{MODELS[model]} {source}" for source in ("prior", "mixture", "encoded"))]
    head = next(line for line in printed.splitlines() if "ours" in line)
    assert all(column in head for column in columns)
    written = json.loads(Path(options.out).read_text())
    assert (
        list(written["columns"]) == columns
        and written["training"]["steps"] >= 1
        and written["settings"]["model"] == model
    )
    for title, value in written["columns"]["ours"].items():
        assert title in printed and np.isfinite(value)


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
    facts = [dict(values) for values in {tuple(one.items()) for one in collection(200, seed=5)}][
        :40
    ]

    # a "picture" is its number
    class Known:
        def see(self, pixels):
            return [facts[i] for i in pixels[:, 0, 0]]

    column = score(
        np.array(list(pictures)).reshape(-1, 1, 1),
        [tell(facts[i], i) for i in captions],
        Known(),
        tuple(ATTRIBUTES),
    )
    assert (
        column["strict: all attributes agree"] == strict
        and column["captions that tell every attribute"] == 1
    )
    assert (
        column["distinct combinations in pictures"]
        == column["distinct combinations in captions"]
        == combinations
    )


def test_missing_files_and_a_missing_library_are_told_in_one_sentence(
    tiny_run, builtin_data, tmp_path, monkeypatch
):
    with pytest.raises(
        UserError, match="nowhere.pt is missing; make it with: python training_loop.py"
    ):
        main(config(tiny_run, builtin_data, tmp_path, checkpoint=str(tmp_path / "nowhere.pt")))
    # as if it were not installed
    monkeypatch.setitem(sys.modules, "multivae", None)
    with pytest.raises(UserError, match="pip install -r benchmarks/requirements.txt") as error:
        main(config(tiny_run, builtin_data, tmp_path))
    assert "\n" not in str(error.value)


def test_help_comes_before_any_heavy_import():
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "benchmarks.joint_coherence", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0 and "python -m benchmarks.joint_coherence" in shown.stdout, (
        shown.stderr[-500:]
    )
    assert not {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()} & {
        "torch",
        "numpy",
        "multivae",
    }
