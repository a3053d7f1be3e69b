"""The training command that is printed works: in its folder, at its size, on these pairs."""

import numpy as np
import pytest
import torch

from oneseed.config import base_model
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.next_run import missing_checkpoint, next_training, require_checkpoint
from tests.captioning.prepared import prepared, run_main


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def sized(collection, size):
    collection.processed.mkdir(parents=True, exist_ok=True)
    np.save(collection.pixels(size), np.zeros((1, 1), np.uint8))
    return collection


def begun(model, folder, style, samples, **meta):
    """A last.pt as training leaves it."""
    folder.mkdir()
    model.meta = {"style": style, **meta}
    saved = {"style": style, "samples": samples, "model": model.state_dict()}
    torch.save(saved, folder / "last.pt")


def test_the_size_that_is_prepared_is_named():
    collection = sized(Collection("prints", "data"), 64)
    assert next_training(collection, 9) == (
        "python training_loop.py --style prints --preset small --image-size 64"
    )


def test_another_collections_run_keeps_its_folder(tmp_path, tiny_model):
    """After make demo, the printed command on own pictures was refused: builtin, not engraving."""
    begun(tiny_model, tmp_path / "checkpoints", "builtin", 40)
    assert next_training(Collection("engraving", "data"), 9).endswith(
        "--style engraving --checkpoints checkpoints/engraving"
    )
    assert "--checkpoints" not in next_training(Collection("builtin", "data"), 40)


def test_other_pairs_of_the_same_collection_begin_anew(tmp_path, tiny_model):
    begun(tiny_model, tmp_path / "checkpoints", "prints", 9)
    collection = Collection("prints", "data")
    assert "--fresh" not in next_training(collection, 9)
    assert next_training(collection, 10).endswith("--fresh")
    assert next_training(collection, 9, wordless=True).endswith("--fresh")
    assert next_training(collection, 9, changed=True).endswith("--fresh")


def test_a_run_without_words_goes_on_without_words(tmp_path, tiny_model):
    begun(tiny_model, tmp_path / "checkpoints", "prints", 9, caption_source="none")
    collection = Collection("prints", "data")
    assert "--fresh" not in next_training(collection, 9, wordless=True)
    assert next_training(collection, 9).endswith("--fresh")


def test_a_damaged_run_is_left_to_the_training_command(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.pt").write_bytes(b"no checkpoint")
    assert next_training(Collection("prints", "data"), 9) == (
        "python training_loop.py --style prints"
    )


def sentence(path):
    """That of a missing checkpoint, without its end, which is always the same."""
    told = missing_checkpoint(path)
    end = "; or take the base model: --checkpoint base"
    assert told.endswith(end)
    return told.removesuffix(end)


def test_where_the_base_model_is_missing_too_it_is_not_named(tmp_path, monkeypatch):
    monkeypatch.setattr(base_model, "BASE_FILE", tmp_path / "nowhere.safetensors")
    assert "base" not in missing_checkpoint("checkpoints/best_model.pt")
    with pytest.raises(UserError, match=r"nowhere\.safetensors, is missing; it comes with"):
        require_checkpoint("base", "data")


def test_the_flag_that_named_the_file_is_the_one_that_is_advised(tmp_path):
    """A run with --init of a file that is not there was told to give --checkpoint base."""
    (tmp_path / "checkpoints").mkdir(exist_ok=True)
    (tmp_path / "checkpoints" / "best_model.pt").touch()
    told = missing_checkpoint("nowhere.pt", option="init")
    assert "--init checkpoints/best_model.pt; or take the base model: --init base" in told
    assert "--checkpoint " not in told


def test_a_file_named_base_is_missing_as_a_file(tmp_path):
    require_checkpoint("base", "data")
    with pytest.raises(UserError, match=r"^\./base is missing; make it with"):
        require_checkpoint("./base", "data")


def test_a_missing_checkpoint_names_what_comes_next_in_each_state(tmp_path):
    """It said: train. That said: write captions. That said: prepare the pictures."""
    default = "checkpoints/best_model.pt"
    assert sentence(default).endswith(
        "python dataset_preparation.py --source builtin --preset small"
    )
    prepared("data", 20, style="prints")
    assert sentence(default).endswith("python caption_generation.py --style prints")
    run_main("data", style="prints")
    assert sentence(default).endswith("python training_loop.py --style prints")
    assert sentence("runs/a/best_model.pt").endswith("--checkpoints runs/a")
    for run in ("prints", "previous"):
        (tmp_path / "checkpoints" / run).mkdir(parents=True)
        (tmp_path / "checkpoints" / run / "best_model.pt").touch()
    assert sentence(default).endswith(
        "or name one that is there: --checkpoint checkpoints/prints/best_model.pt"
    )
    with pytest.raises(UserError, match="is missing; make it with"):
        require_checkpoint(default, "data")


def test_a_collection_that_is_not_prepared_names_those_that_are():
    prepared("data", 3, style="prints")
    with pytest.raises(UserError, match="prepared already: --style prints"):
        Collection("engraving", "data").read_metadata()
