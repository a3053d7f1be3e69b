"""A merged captioner as GGUF, proved by llama.cpp: the same answers, or exit 1 and why."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

import caption_finetuning
from oneseed.config.finetuning import FinetuningConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.messages import question_message
from oneseed.finetuning import exporting
from oneseed.finetuning.gguf import FAMILIES, GgufFiles, require_exportable, write_gguf
from oneseed.finetuning.gguf_worker import splits_as_gpt2
from oneseed.finetuning.proof import (
    Answered,
    Proof,
    Question,
    llama_answers,
    picture_limits,
    prove,
)
from tests.finetuning import tiny_qwen

HELD_OUT = range(64, 72)


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A folder with a tiny captioner that reads its pictures, and a collection to ask about."""
    for module in ("conversion", "xllamacpp"):
        if not importlib.util.find_spec(module):
            pytest.skip(f"{module} is missing: pip install -r requirements-gguf.txt")
    place = tmp_path_factory.mktemp("gguf")
    processor, model = tiny_qwen.make_qwen(place / "taught")
    tiny_qwen.teach_qwen(processor, model)
    tiny_qwen.save_qwen(place / "taught", processor, model)
    collection = Collection("squares", place / "data")
    collection.resized.mkdir(parents=True)
    collection.train.parent.mkdir(parents=True)
    collection.train.write_text("")
    lines = []
    for number in HELD_OUT:
        name = f"{number:016x}"
        tiny_qwen.picture_of(number).save(collection.resized / f"{name}.png")
        row = {"id": name, "filename": f"{name}.png", "caption": tiny_qwen.caption_of(number)}
        lines.append(json.dumps(row | {"style": "squares", "question": tiny_qwen.QUESTION}) + "\n")
    collection.val.write_text("".join(lines))
    return place


def export_config(taught, **changes):
    values = dict(
        export="gguf",
        outtype="f32",
        style="squares",
        data=str(taught / "data"),
        checkpoints=str(taught / "taught"),
        max_new_tokens=40,
    )
    return FinetuningConfig(**{**values, **changes})


def kept_in(proofs):
    """prove, whose results are kept."""

    def proved(*arguments, **more):
        proofs.append(prove(*arguments, **more))
        return proofs[-1]

    return proved


@pytest.fixture(scope="module")
def run_of_export(taught):
    """caption_finetuning.py --export gguf --outtype f32: exit status, files, proof."""
    proofs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "prove", kept_in(proofs))
        code = caption_finetuning.main(export_config(taught))
    out = taught / "taught" / "gguf"
    files = GgufFiles(out / "model.gguf", out / "mmproj.gguf", out / "Modelfile")
    return code, files, proofs[0]


@pytest.fixture(scope="module")
def exported(run_of_export):
    return run_of_export[1]


@pytest.fixture(scope="module")
def proof(run_of_export):
    return run_of_export[2]


def test_llama_cpp_answers_every_held_out_picture_as_transformers_does(run_of_export, proof):
    """Pictures are lost on the way to GGUF without an error; only answers show it."""
    code, files, _ = run_of_export
    assert proof.share == 1.0, list(proof.lines())
    assert [answer.prompt_tokens for answer in proof.expected] == [
        answer.prompt_tokens for answer in proof.found
    ]
    assert "8 of 8" in next(proof.lines())
    # else a model that sees nothing would pass
    assert len({answer.text for answer in proof.expected}) > 1
    assert code == 0
    assert all(path.stat().st_size for path in files)
    assert sorted(path.name for path in files.model.parent.iterdir()) == [
        "Modelfile",
        "mmproj.gguf",
        "model.gguf",
    ]


def test_fewer_equal_answers_than_least_end_with_exit_1(taught, proof, monkeypatch, capsys):
    """Whoever builds on the files must notice in a script."""
    found = [*proof.found[:4], *(Answered("?", 1) for _ in proof.found[4:])]
    half = Proof(proof.questions, proof.expected, found)
    monkeypatch.setattr(exporting, "write_gguf", lambda *_: ())
    monkeypatch.setattr(exporting, "prove", lambda *_, **__: half)
    assert caption_finetuning.main(export_config(taught, least=0.51)) == 1
    shown = capsys.readouterr().out
    assert "4 of 8" in shown
    assert "--least 0.51" in shown


def test_a_vision_tower_that_is_garbled_does_not_pass(taught, exported, proof):
    """Else the proof proves nothing."""
    import numpy as np

    content = exported.vision.read_bytes()
    # the weights stand at the end, in f32
    half = len(content) // 8 * 4
    noise = np.random.default_rng(0).normal(0, 0.1, (len(content) - half) // 4).astype("f4")
    garbled = taught / "garbled.gguf"
    garbled.write_bytes(content[:half] + noise.tobytes() + content[half + noise.nbytes :])
    # what sees noise writes to the limit: two pictures are enough
    few = slice(2)
    found = llama_answers(
        exported._replace(vision=garbled),
        proof.questions[few],
        max_new_tokens=40,
        context=512,
        limits=picture_limits(taught / "taught"),
    )
    spoiled = Proof(proof.questions[few], proof.expected[few], found)
    assert spoiled.share < 0.9
    assert any("llama.cpp: " in line for line in spoiled.lines()), "answers that differ are shown"


@pytest.mark.skipif(not os.environ.get("LONG"), reason="half a minute; LONG=1 runs it")
@pytest.mark.parametrize("outtype", ["f16", "q8_0"])
def test_smaller_files_still_answer(taught, proof, outtype):
    files = write_gguf(taught / "taught", taught / outtype, outtype)
    smaller = prove(taught / "taught", files, proof.questions, max_new_tokens=40)
    assert smaller.share >= 0.5, list(smaller.lines())


@pytest.mark.skipif(not os.environ.get("LONG"), reason="a minute; LONG=1 runs it")
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_the_newer_families_answer_as_well(taught, tmp_path, family):
    processor, model = tiny_qwen.make_newer_qwen(tmp_path / family, family)
    tiny_qwen.teach_qwen(processor, model)
    tiny_qwen.save_qwen(tmp_path / family, processor, model)
    files = write_gguf(tmp_path / family, tmp_path / "gguf", "f32")
    side = 64 if family == "qwen3_vl" else 56
    questions = []
    for number in HELD_OUT:
        path = tmp_path / f"{number}.png"
        tiny_qwen.picture_of(number).resize((side, side)).save(path)
        questions.append(Question([path], [question_message(tiny_qwen.QUESTION)]))
    proof = prove(tmp_path / family, files, questions, max_new_tokens=40)
    assert proof.share == 1.0, list(proof.lines())


def test_files_that_llama_cpp_cannot_load_end_in_one_sentence(taught, exported, proof):
    broken = taught / "broken.gguf"
    broken.write_bytes(exported.vision.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"llama\.cpp ended before it answered"):
        llama_answers(
            exported._replace(vision=broken),
            proof.questions[:1],
            max_new_tokens=4,
            context=256,
            limits=None,
        )


# ---- what cannot go ------------------------------------------------------------------------------


def write_config(folder, **config):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("family", [name for name, reason in FAMILIES.items() if reason])
def test_a_family_that_cannot_go_is_refused_at_once_with_the_reason(tmp_path, family):
    """Its text would be converted, and its pictures lost."""
    folder = write_config(tmp_path / family, model_type=family)
    with pytest.raises(UserError, match="cannot go to GGUF") as refused:
        write_gguf(folder, tmp_path / "out", "f16")
    assert FAMILIES[family] in str(refused.value)
    assert "qwen2_vl" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_an_unknown_family_is_not_tried(tmp_path):
    with pytest.raises(UserError, match="nobody has tried it"):
        require_exportable(write_config(tmp_path / "x", model_type="novel_vl"))


def test_an_adapter_is_merged_first(tmp_path):
    """The converter drops rsLoRA's scale and stops at DoRA's magnitudes."""
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="merged"):
        require_exportable(tmp_path)


def test_a_shallow_vision_tower_is_refused_before_the_converter_fails(tmp_path):
    """ "Can not map tensor visual.merger.mlp.2.bias" is what it says of two layers."""
    folder = write_config(tmp_path / "x", model_type="qwen2_vl", vision_config={"depth": 2})
    with pytest.raises(UserError, match="2 layers"):
        require_exportable(folder)


def test_code_beside_the_weights_is_never_run(tmp_path):
    """The converter asks for a tokenizer's own code with trust_remote_code=True."""
    folder = write_config(tmp_path / "x", model_type="qwen2_vl")
    (folder / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": "t.Own"}}')
    with pytest.raises(UserError, match="never run"):
        require_exportable(folder)


def test_only_a_tokenizer_that_splits_as_gpt2_is_taken_for_one(tmp_path):
    """Under another's name llama.cpp would part texts in another way, and answer other tokens."""
    plain = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}

    def splits(pre_tokenizer, normalizer=None):
        described = {"pre_tokenizer": pre_tokenizer, "normalizer": normalizer}
        (tmp_path / "tokenizer.json").write_text(json.dumps(described))
        return splits_as_gpt2(tmp_path)

    assert splits(plain)
    assert not splits({**plain, "use_regex": False})
    assert not splits({**plain, "add_prefix_space": True})
    assert not splits({"type": "Sequence", "pretokenizers": [plain]})
    assert not splits(plain, {"type": "NFC"})
    assert not splits(None)
    assert not splits_as_gpt2(tmp_path / "nowhere")


def test_a_proof_counts_equal_texts_and_names_unequal_prompts():
    questions = [Question(path, []) for path in map(Path, "abc")]
    expected = [Answered("x", 9), Answered("y", 9), Answered("z", 9)]
    found = [Answered("x", 9), Answered("y ", 9), Answered("z", 8)]
    proof = Proof(questions, expected, found)
    assert proof.equal == 2
    assert proof.share == pytest.approx(2 / 3)
    assert "9 tokens against 8" in "\n".join(Proof(questions[2:], expected[2:], found[2:]).lines())
