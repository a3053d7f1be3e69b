"""--ocr: the words that a picture shows stand in the question, in teaching and afterwards."""

import io
import json
import sys
import types

import pytest
import torch
from PIL import Image

from oneseed.captioning import huggingface
from oneseed.captioning.asking import LoadedCaptioner, reader_for
from oneseed.captioning.jobs import caption_jobs
from oneseed.captioning.taught import TaughtNotes, read_notes, write_notes
from oneseed.captioning.words_read import MAX_WORDS_LETTERS, WordReader, row_with_words
from oneseed.config.captioning import CaptionConfig
from oneseed.config.finetuning import FinetuningConfig
from oneseed.console.command import UserError
from oneseed.dataset.messages import messages_of
from oneseed.finetuning.examples import read_examples
from oneseed.finetuning.exporting import proof_questions
from oneseed.finetuning.setup import prepare_captioner
from oneseed.media.words_shown import recogniser
from tests.captioning import families
from tests.finetuning.tiny import config_of, saved, saved_qwen, tiny_collection

pytest.importorskip("peft", reason="pip install -r requirements-captioner.txt")


class Recogniser:
    """A stand-in that reads two texts in each picture, one made of its pixels; none in black."""

    def __init__(self, params):
        self.pictures = 0

    def __call__(self, pixels):
        self.pictures += 1
        total = int(pixels.sum())
        return types.SimpleNamespace(txts=(f"word {total}", "<image>") if total else None)


@pytest.fixture
def reading(monkeypatch):
    """The stand-in in the library's place."""
    stand_in = Recogniser(None)
    library = types.SimpleNamespace(RapidOCR=lambda params: stand_in)
    monkeypatch.setitem(sys.modules, "rapidocr", library)
    recogniser.cache_clear()
    yield stand_in
    recogniser.cache_clear()


@pytest.fixture
def collection(tmp_path):
    return tiny_collection(tmp_path / "data", 20)


# ---- into the question ---------------------------------------------------------------------------


def test_words_stand_behind_whatever_is_asked():
    row = {"caption": "x", "marked_question": "Which <image>?", "question": "Which ?"}
    asked = row_with_words(row, "Describe!", ["Log in", "E-mail"])
    behind = "\nWords in the picture:\nLog in\nE-mail"
    assert asked == row | {"marked_question": f"Which <image>?{behind}"} | {
        "question": f"Which ?{behind}"
    }
    assert row_with_words({}, "Describe!", ["Log in"])["question"].startswith("Describe!\nWords")
    assert row_with_words(row, "", []) is row
    assert row_with_words(row, "", ["<|>", " "]) is row


def test_a_picture_of_a_captioner_s_marks_adds_no_picture_and_ends_no_turn():
    """A screenshot of HTML has <image> in it; a processor then looks for a second picture."""
    words = ["<image>", "<|im_end|>", "[INST]", "<b>bold</b>"]
    row = row_with_words({"caption": "x"}, "What?", words)
    assert row["question"].endswith("\nimage\nim_end\nINST\nb bold /b")
    user = messages_of(row)[0]
    assert [part["type"] for part in user["content"]] == ["image", "text"]


def test_a_page_of_print_leaves_room_for_its_picture():
    row = row_with_words({}, "What?", ["word"] * 5_000)
    assert len(row["question"]) < MAX_WORDS_LETTERS + 40


# ---- what was read is kept -----------------------------------------------------------------------


def test_each_picture_is_read_once_and_again_when_it_is_another(collection, reading):
    """Two seconds a picture are hours of a collection, and a killed run lost them all."""
    paths = sorted(collection.resized.iterdir())[:3]
    reader = WordReader(collection.processed, "--ocr")
    words = reader.words_of(paths)
    assert reading.pictures == 3
    kept = collection.processed / "words.jsonl"
    with open(kept, "a", encoding="utf-8") as file:
        file.write('{"picture": "torn by a k')
    assert WordReader(collection.processed, "--ocr").words_of(paths) == words
    assert reading.pictures == 3
    paths[0].write_bytes(paths[2].read_bytes())
    again = WordReader(collection.processed, "--ocr").words_of(paths)
    assert again == [*words[4:], *words[2:]]
    collection.resized.joinpath("new.png").write_bytes(black_picture())
    assert (
        WordReader(collection.processed, "--ocr").words_of([collection.resized / "new.png"]) == []
    )
    assert reading.pictures == 4


def black_picture():
    file = io.BytesIO()
    Image.new("L", (32, 32)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("line", ['{"picture": 3, "words": []}', '{"words": "all"}', "{}"])
def test_what_no_reader_wrote_is_read_anew(collection, reading, line):
    (collection.processed / "words.jsonl").write_text(line + "\n", "utf-8")
    assert WordReader(collection.processed, "--ocr").known == {}


def test_a_damaged_file_of_words_is_named_with_what_mends_it(collection, reading):
    (collection.processed / "words.jsonl").write_text("[1]\n", "utf-8")
    with pytest.raises(UserError, match=r"words\.jsonl, line 1: .* the words are read anew"):
        WordReader(collection.processed, "--ocr")


# ---- in teaching and afterwards ------------------------------------------------------------------


def test_a_captioner_is_asked_with_the_words_that_it_was_taught_with(
    collection, reading, tmp_path, monkeypatch
):
    base = saved_qwen(tmp_path / "base")
    config = config_of(base, collection.data, tmp_path / "run", ocr=True)
    captioner, fitted, _ = prepare_captioner(config, torch.device("cpu"))
    taught = {example.id: example.question for example in fitted.examples.train}
    assert all("\nWords in the picture:\nword " in question for question in taught.values())
    assert len(set(taught.values())) > 10, "each picture's own"
    write_notes(tmp_path, captioner.notes)
    assert read_notes(tmp_path).reads_words

    asked = {}

    def answer(pictures, prompts, captioner, **options):
        asked.update(zip((job.row["id"] for job in jobs[len(asked) :]), prompts))
        return [("a castle", False)] * len(pictures)

    monkeypatch.setattr(huggingface, "caption_pictures", answer)
    rows = [row for row in collection.read_metadata() if row["id"] in taught]
    jobs = caption_jobs([row | {"caption": ""} for row in rows], collection)
    again = CaptionConfig(data=str(collection.data), batch_size=4)
    reader = reader_for(captioner, jobs)
    captions = list(huggingface.each_caption(jobs, captioner, again, reader))
    assert asked == taught
    assert "question" not in captions[0].row, "a row stays what it was"
    assert reading.pictures == 20, "once, for teaching and captioning"
    (question, *_) = proof_questions(config, captioner.notes)
    assert "Words in the picture" in question.messages[0]["content"][1]["text"]
    plain = LoadedCaptioner(captioner.processor, captioner.model, TaughtNotes("What?", "words", 9))
    assert reader_for(plain, jobs) is None


def test_without_the_flag_nothing_is_read(collection, reading):
    assert "Words" not in read_examples(collection, "").train[0].question
    assert reading.pictures == 0


def test_without_the_library_its_command_is_named(collection, monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    recogniser.cache_clear()
    with pytest.raises(UserError, match=r"--ocr needs .* pip install -r requirements-ocr\.txt"):
        read_examples(collection, "", ocr=True)
    taught = LoadedCaptioner(None, None, TaughtNotes("What?", "words", 9, reads_words=True))
    jobs = caption_jobs(collection.read_metadata(), collection)
    with pytest.raises(UserError, match="was taught with --ocr needs the library rapidocr"):
        reader_for(taught, jobs)


def test_pictures_without_words_are_told_instead_of_taught(collection, reading):
    for path in collection.resized.iterdir():
        path.write_bytes(black_picture())
    with pytest.raises(UserError, match="no word was read in any of the 20 pictures of engraving"):
        read_examples(collection, "", ocr=True)


def test_what_cannot_be_asked_is_refused(collection, reading, tmp_path):
    base = saved(families.tiny_florence, tmp_path / "base")
    config = config_of(base, collection.data, tmp_path / "run", ocr=True)
    with pytest.raises(UserError, match="reads the name of a task and no question, so --ocr"):
        prepare_captioner(config, torch.device("cpu"))
    with pytest.raises(ValueError, match="--export and --ocr"):
        FinetuningConfig(objective="contrastive", ocr=True)


def test_notes_of_before_are_read_and_others_refused(tmp_path):
    write_notes(tmp_path, TaughtNotes("What?", "words", 9))
    path = tmp_path / "captioner.json"
    found = json.loads(path.read_text("utf-8"))
    del found["reads_words"]
    path.write_text(json.dumps(found), "utf-8")
    assert read_notes(tmp_path).reads_words is False
    path.write_text(json.dumps(found | {"reads_words": "yes"}), "utf-8")
    with pytest.raises(UserError, match="with the words of pictures"):
        read_notes(tmp_path)
