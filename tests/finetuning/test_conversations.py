"""Rows of several turns are taught whole: each answer with all that was said before it."""

import pytest

from oneseed.captioning.asking import LoadedCaptioner, asked_in_full, prompt_inputs
from oneseed.captioning.jobs import CaptionJob
from oneseed.captioning.taught import TaughtNotes
from oneseed.dataset.collection import Collection
from oneseed.finetuning.examples import examples_of, make_batch
from oneseed.finetuning.preflight import question_tokens
from tests.finetuning import tiny_qwen

ROW = {
    "id": "0" * 16,
    "filename": f"{'0' * 16}.png",
    "style": "squares",
    "caption": "CREATE TABLE red",
    "question": "Which SQL?",
    "marked_question": "Which SQL? <image>",
    "system": "SQL alone.",
    "turns": [
        {"role": "user", "content": "left"},
        {"role": "assistant", "content": "TEXT"},
    ],
}


@pytest.fixture(scope="module")
def captioner(tmp_path_factory):
    processor, model = tiny_qwen.make_qwen(tmp_path_factory.mktemp("qwen"))
    return LoadedCaptioner(processor, model, TaughtNotes("Which SQL?", "code", 40))


@pytest.fixture
def collection(tmp_path):
    collection = Collection("squares", tmp_path)
    collection.resized.mkdir(parents=True)
    tiny_qwen.picture_of(0).save(collection.resized / ROW["filename"])
    return collection


def read_by(captioner, example):
    """The prompt of an example as text, its picture as one mark."""
    batch = make_batch([example], captioner, 2)
    answer = batch.labels.shape[1]
    text = captioner.processor.tokenizer.decode(batch.inputs["input_ids"][0, :-answer])
    before, *others = text.split("<|image_pad|>")
    return before + "<image>" + others[-1]


def test_each_answer_is_taught_with_what_was_said_before_it(captioner, collection):
    """The first answer alone was learnt, without its system prompt."""
    first, second = examples_of(ROW, collection, "")
    assert (first.answer, second.answer) == ("CREATE TABLE red", "TEXT")
    begin = (
        "<|im_start|>system\nSQL alone.<|im_end|>\n<|im_start|>user\n"
        "Which SQL? <|vision_start|><image><|vision_end|><|im_end|>\n<|im_start|>assistant\n"
    )
    assert read_by(captioner, first) == begin
    assert read_by(captioner, second) == (
        f"{begin}CREATE TABLE red<|im_end|>\n<|im_start|>user\nleft<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_a_plain_row_is_one_example_of_its_question_alone(captioner, collection):
    plain = {key: ROW[key] for key in ("id", "filename", "caption", "question")}
    (example,) = examples_of(plain, collection, "")
    assert example.messages == ()
    assert example.asked(captioner) == "Which SQL?"


def test_lengths_count_all_that_is_read(captioner, collection):
    """By its question alone a pair of many turns would pass any limit."""
    plain = {key: ROW[key] for key in ("id", "filename", "caption", "question")}
    examples = [*examples_of(plain, collection, ""), *examples_of(ROW, collection, "")]
    read = [
        make_batch([one], captioner, 2).inputs["input_ids"].shape[1]
        - make_batch([one], captioner, 2).labels.shape[1]
        for one in examples
    ]
    counted = [question_tokens(one, captioner) for one in examples]
    assert [more - read[0] for more in read] == [more - counted[0] for more in counted]


def test_a_taught_captioner_is_asked_as_it_was_taught(captioner, collection):
    first = examples_of(ROW, collection, "")[0]
    job = CaptionJob({**ROW, "caption": ""}, first.picture, "a picture of")
    asked = asked_in_full(job, "Which SQL?", captioner)
    pictures = [tiny_qwen.picture_of(0)]
    one = prompt_inputs(pictures, [asked], captioner)["input_ids"].tolist()
    other = prompt_inputs(pictures, [first.asked(captioner)], captioner)["input_ids"].tolist()
    assert one == other
    stranger = LoadedCaptioner(captioner.processor, captioner.model, None)
    assert asked_in_full(job, "Describe!", stranger) == "Describe!"
