"""Every family that is named learns: its frozen weights stay, and nothing is lost by merging."""

import json
import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from oneseed.captioning.asking import prompt_inputs
from oneseed.captioning.huggingface import load_captioner
from oneseed.dataset.collection import Collection
from oneseed.finetuning.examples import (
    IGNORED_LABEL,
    answer_logits,
    end_of_answer,
    example_pictures,
    make_batch,
    read_examples,
    with_answers,
)
from oneseed.finetuning.parts import part_of
from tests.captioning import families
from tests.finetuning.tiny import saved, teach, tiny_collection

pytest.importorskip("peft", reason="pip install -r requirements-captioner.txt")

LONG = pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")


FAMILIES = {
    "llava": families.tiny_llava,
    "qwen2.5-vl": families.tiny_qwen25,
    "qwen3-vl": families.tiny_qwen3,
    "smolvlm": families.tiny_smolvlm,
    "gemma3": families.tiny_gemma,
    "paligemma": families.tiny_paligemma,
    "florence2": families.tiny_florence,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_collection(tmp_path_factory.mktemp("pairs"), 20).data


# one whose connector is taught whole, and one with a decoder apart
QUICKEST = ("gemma3", "florence2")


def checkpoint(name, folder, tiny_blip2):
    """Saves the tiny captioner of a family -> its folder."""
    if name == "smolvlm":
        pytest.importorskip("num2words", reason="SmolVLM's processor needs it")
    return tiny_blip2(folder) if name == "blip2" else saved(FAMILIES[name], folder)


@pytest.mark.parametrize(
    "name",
    # Qwen2-VL stands in test_teaching.py
    [*QUICKEST]
    + [pytest.param(name, marks=LONG) for name in (*FAMILIES, "blip2") if name not in QUICKEST],
)
def test_a_family_learns_and_its_frozen_weights_stay_bit_for_bit(name, data, tmp_path, tiny_blip2):
    base = checkpoint(name, tmp_path / "base", tiny_blip2)
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
    # files of Qwen's call the language model's weights "model.layers"
    assert {part_of(weight) or "language" for weight in moved} == {"language", "connector"}
    adapter = load_file(run / "adapter" / "adapter_model.safetensors")
    assert any("magnitude" in weight for weight in adapter)


@pytest.mark.parametrize("name", [*FAMILIES, "blip2"])
def test_what_counts_is_the_caption_and_its_end_and_is_read_as_when_it_is_asked(
    name, data, tmp_path, tiny_blip2
):
    """A mask that is one token off teaches the question, or never to end.

    Padding, kinds of tokens and places differ by family: where one of them is wrong, what training
    expects after the words that a captioner has written is not what it writes next.
    """
    captioner = load_captioner(checkpoint(name, tmp_path / "base", tiny_blip2), "cpu")
    examples = read_examples(Collection("engraving", data), "").train[:3]
    end = end_of_answer(captioner)
    batch = make_batch(examples, captioner, end)
    tokenizer = captioner.processor.tokenizer
    for example, row in zip(examples, batch.labels):
        counted = row[row != IGNORED_LABEL].tolist()
        assert counted[-1] == end == 2
        assert tokenizer.decode(counted[:-1]).strip() == example.answer

    questions = [example.question for example in examples]
    prompts = prompt_inputs(example_pictures(examples), questions, captioner)
    model = captioner.model
    with torch.no_grad():
        written = model.generate(**prompts, max_new_tokens=5, min_new_tokens=5, do_sample=False)
        if batch.has_decoder_apart:
            # a decoder begins with a token of its own
            answers = written[:, 1:].contiguous()
            inputs = dict(prompts)
        else:
            answers = written[:, -5:]
            inputs = with_answers(dict(prompts), answers, captioner)
        expected = answer_logits(model, replace(batch, inputs=inputs, labels=answers))
    expected[:, :, end] = -torch.inf  # as min_new_tokens has it
    assert torch.equal(expected.argmax(-1), answers), name
