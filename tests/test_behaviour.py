"""The project does what it did: what users see of it, against values recorded in behaviour/.

A change that is meant is recorded with `python -m tests.behaviour.record`; its docstring says how.
"""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneseed.console.command import UserError
from tests.behaviour import observed

IMPORTABLE = {
    "dataset_preparation": ("prepare_collection", "main"),
    "caption_generation": ("main",),
    "caption_finetuning": ("CaptionerTrainer", "main"),
    "model_architecture": (
        *("ImageEncoder", "ImageDecoder", "TextEncoder", "TextDecoder", "MultimodalModel"),
        *("to_tensor", "to_pil", "latents", "pick_device", "main"),
    ),
    "training_loop": (
        *("MultimodalTrainer", "MultimodalLoss", "create_data_loaders", "run_training", "main"),
    ),
    "inference": ("MultimodalGenerator", "save_visualization", "get_random_seed", "main"),
    "gradio_demo": ("build_page", "serve", "main"),
    "evaluation": ("evaluate", "main"),
}

# What values of metrics.json may differ by between processors, of which 1e-6 was seen: losses and
# the learning rate relative, figures absolute.
LOSS_TOLERANCE = 1e-4
FIGURE_TOLERANCE = 1e-3
FIGURES = {
    *("grad_norm", "code_spread", "caption_reading", "latent_mean", "latent_std", "latent_norm"),
}

# In 1/255, of the means over 16 x 16 places.
EXACT_WAYS = ("seeds alone", "seeds in a batch")
EXACT_FAR = 1
OTHER_FAR = 2

# Says nothing of the project, or has its own check.
NOT_COMPARED = ("images_per_second", "notes")


def expected(name: str) -> Any:
    """A recorded JSON file."""
    return json.loads((observed.HERE / f"{name}.json").read_text("utf-8"))


WAYS = expected("answers")[observed.VERSION]["captions"]


def check_rows(rows: list[dict[str, Any]], recorded: list[dict[str, Any]]) -> None:
    """Rows of metrics.json against recorded ones: the same keys in the same order, near values."""
    assert len(rows) == len(recorded)
    for row, before in zip(rows, recorded, strict=True):
        assert list(row) == list(before)
        for key in row.keys() - set(NOT_COMPARED):
            near = {"abs": FIGURE_TOLERANCE} if key in FIGURES else {"rel": LOSS_TOLERANCE}
            assert row[key] == pytest.approx(before[key], **near), (row["epoch"], key)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared pictures that the tiny run and the resumed run learn from."""
    folder = tmp_path_factory.mktemp("behaviour") / "data"
    observed.prepare(folder)
    return folder


@pytest.fixture(scope="module")
def tiny(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return observed.tiny_run(data, tmp_path_factory.mktemp("tiny") / "checkpoints")


@pytest.fixture(scope="module", params=observed.VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """That wrote the stored model."""
    return request.param


@pytest.fixture(scope="module")
def generator(version: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("stored")
    observed.unpack(version, folder)
    return observed.MultimodalGenerator(folder / "best_model.pt", "cpu")


@pytest.fixture(scope="module")
def recorded(version: str) -> dict[str, Any]:
    """What the stored model answered when its values were recorded."""
    return expected("answers")[version]


@pytest.fixture(scope="module")
def pairs(generator: Any) -> dict[str, observed.Pairs]:
    return observed.pairs_of(generator)


@pytest.fixture(scope="module")
def answers(generator: Any, pairs: dict[str, observed.Pairs]) -> dict[str, Any]:
    return observed.facts_of(generator, pairs)


@pytest.fixture(scope="module")
def resumed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The stored run, trained one epoch more."""
    folder = tmp_path_factory.mktemp("resumed")
    observed.unpack(observed.VERSION, folder)
    return observed.stored_run(data, folder, observed.STORED_EPOCHS + 1)


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return observed.command_ends(tmp_path_factory.mktemp("commands"))


# ---- the built-in collection ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pictures 32 px", "pictures 64 px", "sentences"])
def test_the_builtin_collection_is_drawn_and_told_as_before(kind: str) -> None:
    assert observed.collection_digests()[kind] == expected("collection")[kind]


# ---- training ------------------------------------------------------------------------------------


def test_equal_settings_and_seed_give_the_same_run(tiny: dict[str, Any]) -> None:
    check_rows(tiny["rows"], expected("tiny_run")["rows"])


def test_an_epoch_prints_the_same_lines(tiny: dict[str, Any]) -> None:
    assert tiny["prints"] == expected("tiny_run")["prints"]


def test_a_stored_run_goes_on_where_it_stood(resumed: dict[str, Any]) -> None:
    assert len(resumed["rows"]) == observed.STORED_EPOCHS + 1
    check_rows(resumed["rows"][-2:], expected("resumed")["rows"])


def test_a_stored_run_says_that_it_goes_on(resumed: dict[str, Any]) -> None:
    assert resumed["prints"] == expected("resumed")["prints"]


def test_a_run_of_an_old_version_is_not_trained_on(data: Path, tmp_path: Path) -> None:
    """Its picture networks are not trained any more; what it learnt stays as it is."""
    observed.unpack(observed.OLD_VERSION, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError) as refused:
        observed.stored_run(data, tmp_path, observed.STORED_EPOCHS + 1)
    sentence = str(refused.value)
    assert refused.value.code == 2
    assert "last.pt is a run of another model" in sentence
    assert "image_networks 'regression' against 'flow'" in sentence
    assert "--fresh" in sentence
    assert "\n" not in sentence
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert not (tmp_path / "metrics.json").exists()


def test_a_run_does_not_begin_with_the_model_of_an_old_version(data: Path, tmp_path: Path) -> None:
    observed.unpack(observed.OLD_VERSION, tmp_path / "old")
    old = str(tmp_path / "old" / "best_model.pt")
    with pytest.raises(UserError) as refused:
        observed.train(observed.STORED_MODEL, data, tmp_path / "run", num_epochs=1, init=old)
    assert str(refused.value) == (
        f"--init {old} is of a version before 0.4, whose picture networks are not trained any "
        "more; leave --init out"
    )
    assert not (tmp_path / "run").exists()


# ---- the stored models ---------------------------------------------------------------------------


def test_the_fingerprint_of_a_stored_model_stays(
    answers: dict[str, Any], recorded: dict[str, Any]
) -> None:
    assert answers["fingerprint"] == recorded["fingerprint"]


def test_the_styles_of_a_stored_model_stay(
    answers: dict[str, Any], recorded: dict[str, Any]
) -> None:
    assert answers["styles"] == recorded["styles"]


@pytest.mark.parametrize("way", WAYS)
def test_a_stored_model_writes_the_same_captions(
    way: str, answers: dict[str, Any], recorded: dict[str, Any]
) -> None:
    assert answers["captions"][way] == recorded["captions"][way]


@pytest.mark.parametrize("way", WAYS)
def test_a_stored_model_draws_the_same_pictures(
    way: str, version: str, pairs: dict[str, Any]
) -> None:
    drawn = np.stack([observed.small(image) for image, _ in pairs[way]])
    with np.load(observed.HERE / "pictures.npz") as pictures:
        far = np.abs(drawn.astype(int) - pictures[f"{version}: {way}"].astype(int))
    assert far.max() <= (EXACT_FAR if way in EXACT_WAYS else OTHER_FAR)


def test_a_seed_gives_the_same_pair_alone_and_in_a_batch(pairs: dict[str, Any]) -> None:
    for alone, together in zip(pairs["seeds alone"], pairs["seeds in a batch"], strict=True):
        assert alone[1] == together[1]
        assert np.abs(observed.small(alone[0]).astype(int) - observed.small(together[0])).max() <= 1


def test_a_stored_model_reads_pictures_as_before(
    answers: dict[str, Any], recorded: dict[str, Any]
) -> None:
    assert np.allclose(answers["z"], recorded["z"], rtol=0, atol=1e-3)


# ---- scripts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", observed.SCRIPTS)
def test_flags_defaults_and_notes_stay(script: str) -> None:
    found, recorded = observed.script_flags(script), expected("flags")[script]
    assert list(found["flags"]) == list(recorded["flags"])
    assert found["flags"] == recorded["flags"]
    assert found["defaults"] == recorded["defaults"]
    assert found["presets"] == recorded["presets"]


@pytest.mark.parametrize("script", observed.SCRIPTS)
def test_names_that_people_import_stay(script: str) -> None:
    module = importlib.import_module(script)
    assert [name for name in IMPORTABLE[script] if not hasattr(module, name)] == []


@pytest.mark.parametrize("what", observed.COMMANDS)
def test_a_command_ends_as_before(what: str, ends: dict[str, dict[str, Any]]) -> None:
    assert ends[what] == expected("commands")[what]


def test_the_schema_of_the_file_of_settings_stays(ends: dict[str, dict[str, Any]]) -> None:
    assert ends["schema"] == expected("commands")["schema"]
