"""Every family that is named learns: its frozen weights stay, and nothing is lost by merging."""

import json
import os

import pytest
import torch
from safetensors.torch import load_file

from oneseed.finetuning.examples import IGNORED, end_of_answer, make_batch, read_examples
from oneseed.finetuning.parts import part_of
from tests.captioning import families
from tests.finetuning.tiny import saved, teach, tiny_collection

pytest.importorskip("peft", reason="pip install -r requirements-captioner.txt")

LONG = pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")


FAMILIES = {
    "llava": families.tiny_llava,
    "smolvlm": families.tiny_smolvlm,
    "gemma3": families.tiny_gemma,
    "paligemma": families.tiny_paligemma,
    "florence2": families.tiny_florence,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_collection(tmp_path_factory.mktemp("pairs"), 20).data


@pytest.fixture(params=[*FAMILIES, "blip2"])
def family(request, tmp_path, tiny_blip2):
    """-> (its name, the folder of a tiny checkpoint)."""
    if request.param == "smolvlm":
        pytest.importorskip("num2words", reason="SmolVLM's processor needs it")
    if request.param == "blip2":
        return "blip2", tiny_blip2(tmp_path / "base")
    return request.param, saved(FAMILIES[request.param], tmp_path / "base")


def test_a_family_learns_and_its_frozen_weights_stay_bit_for_bit(family, data, tmp_path, capsys):
    name, base = family
    run = tmp_path / "run"
    parts = "language,connector"
    assert teach(base, data, run, dora=True, rslora=True, train=parts, max_samples=8) == 0
    metrics = json.loads((run / "metrics.json").read_text())
    before_losses, after_losses = [look["val_loss"] for look in metrics["looks"]]
    assert after_losses < before_losses, name
    assert metrics["after"]["equal_texts"] == 2
    assert metrics["after"]["difference"] < 1e-4
    # what was asked while it learnt is what is asked afterwards
    assert metrics["after"]["figures"]["similarity"] == metrics["looks"][-1]["similarity"]

    before = load_file(f"{base}/model.safetensors")
    after = load_file(run / "model.safetensors")
    assert after.keys() == before.keys()
    moved = {weight for weight in before if not torch.equal(before[weight], after[weight])}
    assert {part_of(weight) for weight in moved} == {"language", "connector"}
    adapter = load_file(run / "adapter" / "adapter_model.safetensors")
    assert any("magnitude" in weight for weight in adapter) == (name != "bare")


def test_the_mask_of_a_family_decodes_to_caption_and_end(family, data):
    from oneseed.captioning.huggingface import load_captioner
    from oneseed.dataset.collection import Collection

    _, base = family
    captioner = load_captioner(base, "cpu")
    examples = read_examples(Collection("engraving", data), "").train[:3]
    end = end_of_answer(captioner)
    batch = make_batch(examples, captioner, end)
    tokenizer = captioner.processor.tokenizer
    for example, row in zip(examples, batch.labels):
        counted = row[row != IGNORED].tolist()
        assert counted[-1] == end == 2
        assert tokenizer.decode(counted[:-1]).strip() == example.answer
