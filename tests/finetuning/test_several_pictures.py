"""Rows of several pictures, such as a form and its table, teach with all of them in their order."""

from dataclasses import replace

import pytest
import torch

from oneseed.captioning.asking import LoadedCaptioner, asked_in_full, prompt_inputs, shown_pictures
from oneseed.captioning.huggingface import load_captioner
from oneseed.captioning.jobs import caption_jobs
from oneseed.captioning.taught import TaughtNotes
from oneseed.console.command import UserError
from oneseed.finetuning.examples import (
    answer_logits,
    example_pictures,
    examples_of,
    make_batch,
    read_examples,
    with_answers,
)
from oneseed.finetuning.preflight import bare_prompts_of, image_token_of, question_tokens
from tests.captioning import families
from tests.captioning.prepared import run_main
from tests.finetuning.tiny import config_of, figures, saved, saved_qwen, teach, tiny_collection

pytest.importorskip("peft", reason="pip install -r requirements-captioner.txt")

QUESTION = "Is <image> like <image>?"
SEVERAL = {
    "qwen2-vl": families.tiny_qwen,
    "qwen2.5-vl": families.tiny_qwen25,
    "qwen3-vl": families.tiny_qwen3,
    "smolvlm": families.tiny_smolvlm,
    "llava": families.tiny_llava,
    "gemma3": families.tiny_gemma,
}
ALONE = {"paligemma": families.tiny_paligemma, "florence2": families.tiny_florence}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Twenty pairs; every second one shows the picture of the next one, too."""
    collection = tiny_collection(tmp_path_factory.mktemp("pairs"), 20)
    rows = collection.read_metadata()
    for row, other in zip(rows[::2], rows[1::2]):
        row |= {
            "images": [row["filename"], other["filename"]],
            "question": "Is  like ?",
            "marked_question": QUESTION,
        }
    collection.write_metadata(rows)
    run_main(collection.data, captioner="existing")
    return collection


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return saved_qwen(tmp_path_factory.mktemp("base"))


def loaded(name, folder):
    if name == "smolvlm":
        pytest.importorskip("num2words", reason="SmolVLM's processor needs it")
    return load_captioner(saved((SEVERAL | ALONE)[name], folder), "cpu")


def mixed(collection, count=4):
    """Examples of one picture and of two, in turns."""
    train = read_examples(collection, "").train
    several = [one for one in train if one.further]
    alone = [one for one in train if not one.further]
    return [one for pair in zip(several, alone) for one in pair][:count]


@pytest.mark.parametrize("name", SEVERAL)
def test_a_message_has_a_place_for_each_picture_in_the_order_of_the_row(name, collection, tmp_path):
    """The second picture was named by the row, and the captioner was asked about it unseen."""
    captioner = loaded(name, tmp_path)
    example, alone = mixed(collection, 2)
    (message,) = example.messages
    assert [part["type"] for part in message["content"]] == ["text", "image", "text", "image"] + [
        "text"
    ]

    def pictures_of(one):
        inputs = make_batch([one], captioner, 2).inputs
        count = int((inputs["input_ids"] == image_token_of(captioner)).sum())
        return count, inputs["pixel_values"].flatten()

    count, both = pictures_of(example)
    single, first = pictures_of(replace(alone, picture=example.picture))
    _, second = pictures_of(replace(alone, picture=example.further[0]))
    assert count == 2 * single
    assert torch.equal(both, torch.cat([first, second]))


@pytest.mark.parametrize("name", SEVERAL)
def test_a_batch_of_one_and_of_two_pictures_is_read_as_when_it_is_asked(name, collection, tmp_path):
    """Pictures of a batch lie in one tensor: one that is counted to another row teaches lies."""
    captioner = loaded(name, tmp_path)
    examples = mixed(collection)
    asked = [example.asked(captioner) for example in examples]
    prompts = dict(prompt_inputs(example_pictures(examples), asked, captioner))
    with torch.no_grad():
        written = captioner.model.generate(
            **prompts, max_new_tokens=5, min_new_tokens=5, do_sample=False
        )
        answers = written[:, -5:]
        batch = make_batch(examples, captioner, 2)
        inputs = with_answers(prompts, answers, captioner)
        expected = answer_logits(captioner.model, replace(batch, inputs=inputs, labels=answers))
    expected[:, :, 2] = -torch.inf  # as min_new_tokens has it
    assert torch.equal(expected.argmax(-1), answers)


@pytest.mark.parametrize("name", ["qwen2-vl", "gemma3"])
def test_lengths_count_all_pictures_of_a_row(name, collection, tmp_path):
    """By the length of the first pair a row of nine pictures would pass any limit."""
    captioner = loaded(name, tmp_path)
    examples = read_examples(collection, "")
    bare = bare_prompts_of(examples, captioner, 2, name)
    assert bare.keys() == {1, 2}
    for example in mixed(collection):
        batch = make_batch([example], captioner, 2)
        read = batch.inputs["input_ids"].shape[1] - batch.labels.shape[1]
        assert bare[len(example.pictures)] + question_tokens(example, captioner) == read


@pytest.mark.parametrize("name", ALONE)
def test_a_captioner_of_one_picture_says_so_with_the_row(name, collection, tmp_path):
    captioner = loaded(name, tmp_path)
    examples = read_examples(collection, "")
    first = mixed(collection, 1)[0]
    several = [one for one in (*examples.train, *examples.val) if one.further]
    assert first.picture == several[0].picture
    told = rf"PATH takes one picture at a time, and the row of {first.picture.name} has 2:"
    with pytest.raises(UserError, match=told):
        bare_prompts_of(examples, captioner, 2, "PATH")


def test_a_template_that_shows_the_first_picture_alone_is_refused(collection, tmp_path):
    first = families.CHAT.replace("part.type == 'image'", "part.type == 'image' and loop.index < 3")
    words = "{% elif part.type == 'text' %}{{ part.text }}{% endif %}"
    template = first.replace("{% else %}{{ part.text }}{% endif %}", words).replace(
        "PICTURE", "<|vision_start|><|image_pad|><|vision_end|>"
    )
    captioner = load_captioner(saved(families.tiny_qwen, tmp_path, template=template), "cpu")
    with pytest.raises(UserError, match=r"takes one picture at a time, and the row of \w+\.png"):
        bare_prompts_of(read_examples(collection, ""), captioner, 2, "PATH")


def test_a_taught_captioner_is_shown_all_pictures_of_a_row_again(collection, tmp_path):
    captioner = loaded("qwen2-vl", tmp_path)
    taught = LoadedCaptioner(captioner.processor, captioner.model, TaughtNotes("What?", "words", 9))
    rows = {row["id"]: row for row in collection.read_metadata()}
    example = mixed(collection, 1)[0]
    (job,) = caption_jobs([rows[example.id] | {"caption": ""}], collection)
    assert job.pictures == example.pictures
    assert asked_in_full(job, "What?", taught) == list(example.messages)
    shown = [picture.tobytes() for picture in shown_pictures(job, taught)]
    assert shown == [picture.tobytes() for picture in example_pictures([example])[0]]
    assert shown_pictures(job, captioner).tobytes() == shown[0], "any other is asked of one"


def test_a_row_without_words_of_its_own_asks_the_question_of_all_its_pictures(collection):
    row = {"id": "0", "filename": "a.png", "images": ["a.png", "b.png"], "caption": "x"}
    (example,) = examples_of(row, collection, "Which query?")
    assert example.messages[0]["content"] == [
        *({"type": "image"}, {"type": "image"}),
        {"type": "text", "text": "Which query?"},
    ]
    assert [path.name for path in example.pictures] == ["a.png", "b.png"]


def test_a_run_learns_from_rows_of_several_pictures(base, collection, tmp_path, capsys):
    config = config_of(base, collection.data, tmp_path / "run")
    assert teach(base, collection.data, tmp_path / "run") == 0
    assert "of several pictures: 10, 2 at most" in capsys.readouterr().out
    metrics = figures(tmp_path / "run")
    assert metrics["after"]["equal_texts"] == config.held_out
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    several = [one for one in read_examples(collection, "").val[:2] if one.further]
    assert page.count("<img") == 2 + len(several)
