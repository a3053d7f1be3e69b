"""A captioner that was taught here is asked what it was taught with, and code stays code."""

import json
from dataclasses import replace

import pytest
from PIL import Image

from oneseed.captioning import huggingface
from oneseed.captioning.huggingface import LoadedCaptioner
from oneseed.captioning.jobs import CaptionJob
from oneseed.captioning.taught import TaughtNotes, read_notes, settle_answers, write_notes
from oneseed.config.captioning import CaptionConfig
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import CODE_QUESTION
from tests.captioning.families import tiny_qwen
from tests.captioning.prepared import prepared, run_main

NOTES = TaughtNotes("Which SQL makes this?", "code", 70, "my_tables", "Qwen/Qwen2-VL-2B-Instruct")
CODE = "  CREATE TABLE ships (\n    name TEXT\n);\n"


@pytest.fixture
def asked(monkeypatch):
    """A list of (what was asked, how many new tokens) for each call; the answer is CODE."""
    found = []

    def answer(pictures, prompts, captioner, *, max_new_tokens, as_code=False):
        found.append((prompts[0], max_new_tokens, as_code))
        return [(CODE, False)] * len(pictures)

    monkeypatch.setattr(huggingface, "caption_pictures", answer)
    return found


@pytest.fixture
def qwen(tmp_path):
    """The folder of a tiny chat captioner."""
    processor, model = tiny_qwen()
    model.save_pretrained(tmp_path / "qwen")
    processor.save_pretrained(tmp_path / "qwen")
    return tmp_path / "qwen"


def test_notes_survive_being_written(tmp_path):
    write_notes(tmp_path, NOTES)
    assert read_notes(tmp_path) == NOTES
    assert read_notes(tmp_path / "elsewhere") is None


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 2},
        {"question": 5},
        {"caption_kind": "song"},
        {"max_new_tokens": 0},
        {"max_new_tokens": True},
        {"max_new_tokens": 10**9},
        {"more": 1},
        {"question": "?" * 10_001},
    ],
)
def test_damaged_notes_are_told_in_one_sentence(tmp_path, damage):
    write_notes(tmp_path, NOTES)
    path = tmp_path / "captioner.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(UserError, match=r"captioner\.json does not say what this captioner is"):
        read_notes(tmp_path)


def test_a_captioner_that_is_taught_again_writes_anew(tmp_path, qwen, asked):
    """It has the name of the one before: the captions of that one were taken from the log."""
    prepared(tmp_path, 4, caption="", pictures=True)
    for digest in ("a", "a", "b", "b"):
        write_notes(qwen, replace(NOTES, digest=digest))
        run_main(tmp_path, captioner=str(qwen), recaption=True)
    assert len(asked) == 2


def test_a_taught_captioner_is_asked_its_own_question_and_has_room(tmp_path, qwen, asked):
    write_notes(qwen, NOTES)
    collection = prepared(tmp_path, 4, caption="", pictures=True)
    run_main(tmp_path, captioner=str(qwen))
    assert asked == [("Which SQL makes this?", 70, True)]
    rows = collection.read_metadata()
    assert {row["caption"] for row in rows} == {CODE}, "letter by letter"
    assert {row["caption_kind"] for row in rows} == {"code"}


def test_a_row_that_asks_something_of_its_own_is_asked_that(tmp_path):
    row = {"id": "0", "style": "engraving", "question": "Which HTML?"}
    job = CaptionJob(row, tmp_path / "x.png", "an engraving of")
    taught = LoadedCaptioner(None, None, NOTES)
    assert huggingface.prompt_for(job, taught) == "Which HTML?"
    plain = replace(job, row={"id": "0", "style": "engraving"})
    assert huggingface.prompt_for(plain, taught) == "Which SQL makes this?"


def test_pictures_of_code_are_asked_for_code_by_any_chat_captioner(tmp_path, qwen, asked):
    """ "In one sentence that begins: a picture of" got no code, and 40 tokens end none."""
    collection = prepared(tmp_path, 4, caption="", pictures=True)
    run_main(tmp_path, captioner=str(qwen), caption_kind="code")
    assert asked == [(CODE_QUESTION, 1000, True)]
    assert {row["caption"] for row in collection.read_metadata()} == {CODE}


def test_words_are_asked_for_as_before(tmp_path, qwen, asked):
    prepared(tmp_path, 4, caption="", pictures=True)
    run_main(tmp_path, captioner=str(qwen))
    question = "Describe it in one sentence that begins: an engraving of"
    assert asked == [(question, 40, False)]


def test_a_limit_that_is_given_holds():
    config = CaptionConfig(max_new_tokens=12)
    rows = [{"caption_kind": "code"}]
    assert settle_answers(rows, NOTES, config).max_new_tokens == 12
    assert settle_answers(rows, None, CaptionConfig()).max_new_tokens == 1000
    assert settle_answers([{}], None, CaptionConfig()).max_new_tokens == 40
    assert settle_answers([], NOTES, CaptionConfig()).max_new_tokens == 70


def test_code_is_not_weighed_against_for_repeating_itself(blip2):
    """A penalty on what was written before forbids the second bracket of a pair."""
    captioner = huggingface.load_captioner(blip2, "cpu")
    seen = []
    real = captioner.model.generate

    def watched(**options):
        seen.append((options["num_beams"], options.get("repetition_penalty")))
        return real(**options)

    captioner.model.generate = watched
    picture = [Image.new("RGB", (32, 32))]
    for as_code in (True, False):
        huggingface.caption_pictures(
            picture, ["a form"], captioner, max_new_tokens=4, as_code=as_code
        )
    assert seen == [(1, None), (5, 1.2)]


def test_an_adapter_without_its_library_is_refused_with_the_command(tmp_path, qwen, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "peft", None)
    folder = tmp_path / "adapter"
    folder.mkdir()
    config = {"base_model_name_or_path": str(qwen), "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="peft: pip install -r requirements-captioner.txt"):
        huggingface.load_captioner(str(folder), "cpu")


@pytest.mark.parametrize("is_begun, ways", [(False, [False]), (True, [True, False])])
def test_the_checkpoint_of_an_adapter_is_downloaded(tmp_path, monkeypatch, is_begun, ways):
    """An adapter is a folder on this machine, so its checkpoint was never looked for elsewhere."""
    config = {"base_model_name_or_path": "owner/base", "peft_type": "LORA"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    here = {"owner/base": is_begun}
    monkeypatch.setattr(huggingface, "is_here", lambda name, flag: here[name])
    tried = []

    def load(name, device, *, is_offline):
        tried.append(is_offline)
        if is_offline:
            raise OSError("it is not on this machine")
        return name

    assert huggingface.load_captioner(str(tmp_path), "cpu", load=load) == str(tmp_path)
    assert tried == ways


@pytest.mark.parametrize(
    "config, sentence",
    [
        ({"peft_type": "LORA"}, "is no adapter's"),
        ({"peft_type": "PREFIX_TUNING", "base_model_name_or_path": "x"}, "of another kind"),
        ({"peft_type": "LORA", "base_model_name_or_path": "x"}, "lacks adapter_model.safetensors"),
    ],
)
def test_an_adapter_that_is_none_of_these_is_refused(tmp_path, config, sentence):
    """adapter_model.bin would be read by a program that runs what is in it."""
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    (tmp_path / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(UserError, match=sentence):
        huggingface.load_captioner(str(tmp_path), "cpu")
