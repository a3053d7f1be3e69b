"""An adapter is worked into the weights, and nothing of what was learnt is lost."""

import pytest
import torch
from safetensors.torch import load_file

from oneseed.captioning.adapters import with_adapter
from oneseed.captioning.huggingface import load_captioner
from oneseed.finetuning import looks, merging
from oneseed.finetuning.adapter import save_adapter
from oneseed.finetuning.examples import answer_logits, make_batch
from oneseed.finetuning.parts import part_of
from tests.finetuning.tiny import figures, saved_qwen, teach, tiny_collection, trainer_of

pytest.importorskip("peft", reason="pip install -r requirements-captioner.txt")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_collection(tmp_path_factory.mktemp("pairs"), 20).data


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return saved_qwen(tmp_path_factory.mktemp("base"))


def test_lengths_that_dora_has_taught_survive_saving_loading_and_merging(base, data, tmp_path):
    """transformers reads such an adapter and leaves its magnitudes as they were, without an error.

    An adapter that has learnt nothing does not show it: so they are moved.
    """
    trainer = trainer_of(base, data, tmp_path, dora=True, train="vision,connector,language")
    with torch.no_grad():
        for name, weight in trainer.model.named_parameters():
            if "magnitude" in name:
                weight.mul_(1.25)
            elif "lora_B" in name:
                weight.normal_(std=0.02)
    save_adapter(trainer.model, tmp_path / "adapter")
    batch = make_batch(trainer.train[:4], trainer.captioner, trainer.end)
    # the rounding of float32 alone comes to 2e-5 on some processors
    batch = looks.on_device(batch, torch.device("cpu"), torch.float64)
    with torch.no_grad():
        untaught = answer_logits(load_captioner(base, "cpu").model.double(), batch)
        taught = answer_logits(trainer.model.eval().double(), batch)
        loaded = with_adapter(load_captioner(base, "cpu").model, tmp_path / "adapter")
        again = answer_logits(loaded.double(), batch)
        # an adapter's folder that is named as a captioner goes the same way
        named = load_captioner(str(tmp_path / "adapter"), "cpu").model
        merged = answer_logits(named.double(), batch)
    assert (untaught - taught).abs().max() > 0.1
    assert torch.equal(taught, again)
    assert (merged - taught).norm() <= 1e-5 * taught.norm()


def test_the_merged_checkpoint_answers_as_the_adapter_about_32_pictures(base, tmp_path, capsys):
    data = tiny_collection(tmp_path / "data", 330).data
    run = tmp_path / "run"
    changes = dict(dora=True, rslora=True, max_samples=8, held_out=32, batch_size=8)
    assert teach(base, data, run, **changes) == 0
    assert "merged against adapter: the same texts 32 of 32" in capsys.readouterr().out
    after = figures(run)["after"]
    assert after["figures"]["asked"] == 32
    assert after["difference"] <= 1e-5


@pytest.mark.parametrize("parts", ["connector", "language,connector"])
def test_a_connector_that_is_taught_whole_is_merged_whole(base, data, tmp_path, parts):
    """Alone it needs no thin matrices at all, and beside them it must not get any."""
    run = tmp_path / "run"
    changes = dict(train=parts, connector="whole", max_samples=8)
    assert teach(base, data, run, **changes) == 0
    before = load_file(f"{base}/model.safetensors")
    after = load_file(run / "model.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    # the file calls the language model's weights "model.layers"
    assert {part_of(name) or "language" for name in moved} == set(parts.split(","))
    connector = {name for name in before if part_of(name) == "connector"}
    assert connector <= moved, "biases and norms, too"


def test_a_merge_that_loses_something_is_told_and_ends_with_1(
    base, data, tmp_path, capsys, monkeypatch
):
    real = merging.save_checkpoint_folder

    def damaged(model, processor, folder):
        with torch.no_grad():
            next(model.parameters()).mul_(1.5)
        real(model, processor, folder)

    monkeypatch.setattr(merging, "save_checkpoint_folder", damaged)
    changes = dict(max_samples=8)
    assert teach(base, data, tmp_path / "run", **changes) == 1
    assert "✗ the merged checkpoint is not what was taught" in capsys.readouterr().out


def test_four_bits_learn_and_the_merged_checkpoint_is_whole(base, data, tmp_path):
    pytest.importorskip("bitsandbytes", reason="pip install 'bitsandbytes>=0.50'")
    run = tmp_path / "run"
    assert teach(base, data, run, bits=4, dora=True, max_samples=8) == 0
    losses = [look["val_loss"] for look in figures(run)["looks"]]
    assert losses[-1] < losses[0]
    before = load_file(f"{base}/model.safetensors")
    after = load_file(run / "model.safetensors")
    assert {name: value.shape for name, value in after.items()} == {
        name: value.shape for name, value in before.items()
    }
