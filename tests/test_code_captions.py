"""Texts that are code survive letter by letter: from a folder to pairs, tokens, other formats."""

import json

import numpy as np
import pytest
from PIL import Image

import caption_generation
import dataset_preparation
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import CAPTION_FORMATS, PrepareConfig
from oneseed.config.training import TrainConfig
from oneseed.dataset import writers
from oneseed.dataset.code_texts import code_text, set_kind
from oneseed.dataset.collection import Collection
from oneseed.dataset.curation import change_row
from oneseed.sources import unpacking
from oneseed.sources.archive_members import DEFAULT_LIMITS
from oneseed.training.fragments import fragment
from oneseed.training.loaders import create_data_loaders
from oneseed.training.pair_quality import repeats_a_word
from oneseed.training.word_weights import told_words
from tests.conftest import tiny_config
from tests.nasty import NASTY, SIXTY_LINES

STYLE = "screens of mine"


def noise(number):
    values = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
    return Image.fromarray(values).resize((80, 80), Image.Resampling.BICUBIC)


def folder_of(folder, texts, **more):
    """Pictures, and metadata.jsonl that gives each its text."""
    folder.mkdir()
    rows = []
    for number, text in enumerate(texts):
        noise(number).save(folder / f"{number}.png")
        rows.append({"file_name": f"{number}.png", "text": text, **more})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "metadata.jsonl").write_text(lines)
    return folder


def prepare(source, data, **flags):
    settings = {"preset": "small", "image_size": 32, "smallest": 16, "workers": 1, "style": STYLE}
    config = PrepareConfig(source=str(source), data=str(data), **{**settings, **flags})
    dataset_preparation.main(config)


def dealt(data):
    """The pairs of a collection by the number of their original."""
    collection = Collection(STYLE, data)
    number_of = {row["id"]: int(row["original"][:-4]) for row in collection.read_metadata()}
    train, val = collection.read_captions()
    return {number_of[pair["id"]]: pair for pair in train + val}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder of the nasty texts, prepared and dealt."""
    place = tmp_path_factory.mktemp("code")
    folder = folder_of(place / "set", NASTY, question="What draws this?", domain="forms")
    prepare(folder, place / "data", caption_kind="code")
    caption_generation.main(CaptionConfig(style=STYLE, data=str(place / "data")))
    return place / "data"


def test_code_reaches_the_pairs_letter_by_letter_with_question_and_domain(data):
    """ "A picture of <h1>…" on one line in small letters was what training read."""
    pairs = dealt(data)
    assert [pairs[number]["caption"] for number in range(len(NASTY))] == list(NASTY)
    labels = {(pair["question"], pair["domain"], pair["caption_kind"]) for pair in pairs.values()}
    assert labels == {("What draws this?", "forms", "code")}


def test_training_reads_code_as_it_is(data):
    config = TrainConfig(style=STYLE, batch_size=2, data=str(data))
    model_config = tiny_config(vocab_size=0, max_caption_length=1500)
    read = []
    for loader in create_data_loaders(model_config, config):
        assert loader.is_code
        assert loader.word_weights is None, "every word of code is told by its picture"
        read += [loader.tokenizer.decode(tokens) for tokens in loader.tokens]
    assert sorted(read) == sorted(NASTY)


def test_code_that_is_cut_is_counted_with_the_flag_that_mends_it(data, capsys):
    """Of 303 words 51 stayed, without a word; cut code is broken code."""
    caption_generation.main(CaptionConfig(style=STYLE, data=str(data)))
    told = capsys.readouterr().out
    assert "captions longer than 100 tokens: 1 of 10" in told
    advised = int(told.split("--max-caption-length ")[1].split()[0])
    assert f"--max-caption-length {advised} " in told.strip().splitlines()[-1]
    config = TrainConfig(style=STYLE, batch_size=2, data=str(data))
    train, val = create_data_loaders(tiny_config(vocab_size=0, max_caption_length=100), config)
    assert "1 of 10" in capsys.readouterr().out
    ends = [loader.tokenizer.decode(tokens) for loader in (train, val) for tokens in loader.tokens]
    (cut,) = [text for text in ends if text not in NASTY]
    assert SIXTY_LINES.startswith(f"{cut}\n"), "it is cut at the end of a line"
    create_data_loaders(tiny_config(vocab_size=0, max_caption_length=advised), config)
    assert "longer than" not in capsys.readouterr().out


@pytest.mark.parametrize("format_name", CAPTION_FORMATS)
def test_code_comes_back_from_every_format(tmp_path, format_name):
    """Written for another tool and read again, without a flag: each row says that it is code."""
    if format_name == "parquet":
        pytest.importorskip("pyarrow")
    rows = []
    labels = {"question": "Which\nSQL?", "domain": "tables", "caption_kind": "code"}
    for number, text in enumerate(NASTY):
        noise(number).save(tmp_path / f"{number}.png")
        image = f"images/{number:02}.png"
        rows.append({"image": image, "path": tmp_path / f"{number}.png", "caption": text, **labels})
    out = tmp_path / ("set.tar" if format_name == "webdataset" else "set.zip")
    writers.write_export(format_name, rows, out)
    (tmp_path / "partial" / "notes").mkdir(parents=True)
    found = unpacking.unpack_into(
        out,
        tmp_path / "partial",
        tmp_path / "partial" / "notes",
        format_name="auto",
        beside={},
        limits=DEFAULT_LIMITS,
    )
    read = sorted(found.rows, key=lambda row: row["file_name"])
    assert not found.lost
    assert [row["caption"] for row in read] == list(NASTY)
    for key, value in labels.items() if format_name != "sidecar" else ():
        assert {row[key] for row in read} == {value}, key


def test_an_export_asks_what_was_asked():
    row = {"image": "1.png", "caption": "x", "question": "Which SQL?"}
    assert writers.llava_values(row)["conversations"][0]["value"] == "<image>\nWhich SQL?"
    assert writers.qwen_values(row)["messages"][0]["content"][1]["text"] == "Which SQL?"
    assert writers.instruct_values(row)["instruction"] == "Which SQL?"
    assert (
        "code"
        in writers.instruct_values({**row, "question": "", "caption_kind": "code"})["instruction"]
    )


def test_line_ends_become_one_kind_and_control_characters_go():
    assert code_text("a\r\n\tb\rc\x00\x1b[0m \n") == "a\n\tb\nc[0m \n"
    assert code_text(" \r\n\t") == ""


def test_words_that_look_like_code_are_told_and_nothing_is_done_unasked(tmp_path, capsys):
    """Then the advised flag brings the texts back, though an earlier run had worded them."""
    source = folder_of(tmp_path / "set", NASTY[:2] + ("SELECT a\n FROM b;", "plt.bar([1],\n [2])"))
    prepare(source, tmp_path / "data")
    assert "--caption-kind code" in capsys.readouterr().out
    config = CaptionConfig(style=STYLE, data=str(tmp_path / "data"))
    caption_generation.main(config)
    assert dealt(tmp_path / "data")[2]["caption"] == "A picture of SELECT a FROM b;"
    prepare(source, tmp_path / "data", caption_kind="code")
    assert "stay letter by letter: 4 of 4" in capsys.readouterr().out
    caption_generation.main(config)
    assert dealt(tmp_path / "data")[2]["caption"] == "SELECT a\n FROM b;"
    again = Collection(STYLE, tmp_path / "data").prepare_again()
    assert "--caption-kind code" in again, "the command that the program names keeps them so"


def test_sentences_are_worded_as_before(tmp_path, capsys):
    source = folder_of(tmp_path / "set", ("a castle\non a hill", "Ships (two)", "Print: a man"))
    prepare(source, tmp_path / "data")
    caption_generation.main(CaptionConfig(style=STYLE, data=str(tmp_path / "data")))
    assert "code" not in capsys.readouterr().out
    pairs = dealt(tmp_path / "data")
    assert pairs[0]["caption"] == "A picture of a castle on a hill"
    assert set(pairs[0]) == {"id", "filename", "caption", "style", "split"}


def test_a_caption_mended_by_hand_keeps_its_lines(data):
    collection = Collection(STYLE, data)
    row = collection.read_metadata()[0]
    mended = "<p>\n\tMended\n</p>"
    try:
        assert (
            change_row(collection, row["id"], caption=f"{mended}\r\n")["caption"] == f"{mended}\n"
        )
    finally:
        change_row(collection, row["id"], caption=row["caption"])


def test_set_kind_brings_the_given_text_back_but_keeps_what_a_person_wrote():
    given = "<H1>X</H1>\n"
    row = {"style": "x", "given": given, "caption": "A picture of <H1>X</H1>"}
    set_kind(row, "code")
    assert row["caption"] == given
    set_kind(row, "words")
    assert row == {"style": "x", "given": given, "caption": "A picture of <H1>X</H1>"}
    row["caption"] = "A picture of my own"
    set_kind(row, "code")
    assert row["caption"] == "A picture of my own"


def test_fragments_of_code_keep_what_stands_between_words():
    import torch

    found = [fragment(NASTY[3], torch.Generator().manual_seed(n)) for n in range(200)]
    assert any("(\n    Name TEXT" in text for text in found)


def test_code_may_repeat_a_word_and_tell_numbers():
    """Two closing tags in a row are no fault of the writer; widths are read off the picture."""
    assert repeats_a_word("<div><div>\n </div>\n</div>")
    rows = [{"caption": "width: 240", "style": "x", "caption_kind": "code"}]
    assert told_words(rows) is None
    assert told_words([{**rows[0], "caption_kind": "words"}]) is not None
