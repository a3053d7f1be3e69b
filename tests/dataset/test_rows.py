"""Rows of a data folder are checked once, where they are read, whoever wrote them."""

import json
import os

import pytest

from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.colour import colour_share
from oneseed.dataset.curation import change_row
from oneseed.dataset.jsonl import read_json, recover_jsonl
from oneseed.dataset.pairs import deal_pairs
from tests.captioning.prepared import prepared, run_main, sides

DEEP = "[" * 100_000 + "]" * 100_000
ROWS = 12
PREPARE = "python dataset_preparation.py --style engraving"
DEAL = "python caption_generation.py --style engraving --captioner existing"


@pytest.fixture
def collection(tmp_path):
    """A collection of twelve pictures, with captions that are dealt."""
    made = prepared(tmp_path, ROWS)
    rows = made.read_metadata()
    deal_pairs(rows, rows, made)
    return made


def refused(action, *parts):
    """The sentence of a UserError, which has all these parts."""
    with pytest.raises(UserError) as caught:
        action()
    sentence = str(caught.value)
    assert all(part in sentence for part in parts), sentence
    # every output can write it
    sentence.encode()
    return sentence


# ---- metadata ------------------------------------------------------------------------------------

WRONG = [
    {"id": None},
    {"id": 7},
    {"id": "../../../mine"},
    {"id": "0123456789ABCDEF"},
    {"filename": 5},
    {"filename": ""},
    {"filename": ".png"},
    {"filename": "../../../../secret.png"},
    {"filename": "/etc/secret.png"},
    {"filename": r"..\secret.png"},
    {"filename": r"C:\secret.png"},
    {"filename": "folder/1.png"},
    {"filename": "con.png"},
    {"filename": "1.png\x00"},
    {"filename": "secret.txt"},
    {"filename": "a" * 300 + ".png"},
    {"filename": "\ud800.png"},
    {"width": "80"},
    {"width": 0},
    {"width": 80.0},
    {"width": True},
    {"height": float("nan")},
    {"height": 10**12},
    {"height": float("inf")},
    {"sha256": 5},
    {"style": ""},
    {"style": ["engraving"]},
    {"source": None},
    {"original": 5},
    {"group": {}},
    {"grey": "yes"},
    {"caption": 5},
    {"caption": ["An engraving of a ship"]},
    {"caption": "half a letter: \ud83d"},
    {"given": 5},
    {"split": "test"},
    {"split": ["train"]},
    {"captioner": 5},
    {"left_out": "no"},
    {"note": "of my own, with half a letter: \udc00"},
]


@pytest.mark.parametrize("change", WRONG, ids=lambda change: ascii(change)[:40])
@pytest.mark.parametrize("indent", [None, 1])
def test_a_row_of_another_kind_is_named_by_its_line_and_what_mends_it(collection, change, indent):
    """Preparing and captioning ended in a traceback where a row had no id, or a number for a
    caption; a path for a name was opened."""
    rows = json.loads(collection.metadata.read_text("utf-8"))
    rows[4] |= change
    place = "row 5"
    if indent is None:
        text = "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n"
        place = "line 6"
    else:
        text = json.dumps(rows, indent=indent)
    collection.metadata.write_text(text, "utf-8")
    sentence = refused(collection.read_metadata, f"engraving_metadata.json, {place}: ", PREPARE)
    assert next(iter(change)) in sentence


@pytest.mark.parametrize("key", ["id", "filename", "width", "height", "sha256", "style", "source"])
def test_a_row_without_what_every_row_has_is_named(collection, key):
    rows = json.loads(collection.metadata.read_text("utf-8"))
    del rows[0][key]
    collection.write_metadata(rows)
    refused(collection.read_metadata, "line 2", f"{key} is missing", PREPARE)


@pytest.mark.parametrize(
    "text",
    [
        '"x"',
        "5",
        "null",
        "{}",
        "[1, 2]",
        "[null]",
        '["a"]',
        "[[]]",
        "[{}]",
        "",
        "[\n{}",
        DEEP,
        '[\n{"id": ' + DEEP + "}\n]\n",
        '[\n{"id": ' + "9" * 5000 + "}\n]\n",
        '[\n{"id": 1}\n\n{"id": 2}\n]\n',
        "[\n{not JSON}\n]\n",
    ],
    ids=lambda text: text[:20],
)
def test_metadata_of_another_shape_end_in_a_sentence(collection, text):
    collection.metadata.write_text(text, "utf-8")
    refused(collection.read_metadata, "engraving_metadata.json", PREPARE)


def test_metadata_that_are_no_file_are_not_waited_for(collection):
    """A pipe of this name would be waited for without end."""
    collection.metadata.unlink()
    collection.metadata.mkdir()
    refused(collection.read_metadata, "engraving_metadata.json", PREPARE)
    collection.metadata.rmdir()
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(collection.metadata)
    refused(collection.read_metadata, "engraving_metadata.json", PREPARE)


def test_rows_of_earlier_versions_and_of_a_person_are_read_as_they_are(collection):
    """The first version wrote no colour, and no captioner; "caption": null says that there is
    none. A person's own keys stay, and a file from Windows has a mark at its beginning."""
    rows = json.loads(collection.metadata.read_text("utf-8"))
    for key in ("group", "given", "caption", "split"):
        del rows[0][key]
    rows[1] |= {"caption": None, "given": "", "note": {"mine": [1, None, "…"]}, "grey": True}
    for text in (
        json.dumps(rows, indent=0),
        "\ufeff" + json.dumps(rows),
        "[\r\n" + ",\r\n".join(map(json.dumps, rows)) + "\r\n]",
        # the line behind was deleted
        "[\n" + ",\n".join(map(json.dumps, rows)) + ",\n]\n",
    ):
        collection.metadata.write_bytes(text.encode())
        assert collection.read_metadata() == rows


def test_a_picture_that_stands_twice_in_the_metadata_is_named(collection):
    """Both of its captions would be trained on, one perhaps validated."""
    rows = collection.read_metadata()
    collection.write_metadata([*rows, {**rows[3], "caption": "An engraving of another ship"}])
    refused(collection.read_metadata, rows[3]["id"], "twice", PREPARE)
    refused(lambda: change_row(collection, rows[3]["id"], caption="a cat"), "twice")


# ---- caption files -------------------------------------------------------------------------------

BAD_LINES = {
    "no id": '{"filename": "0000000000000000.png", "caption": "x", "style": "x", "split": "val"}',
    "no caption": '{"id": "0000000000000000", "filename": "0000000000000000.png", "style": "x"}',
    "a list": "[1]",
    "a text": '"x"',
    "deep": DEEP,
    "no JSON": "{",
    "bytes": b"\xff\xfe\xff",
    "empty object": "{}",
}
BAD_VALUES = {
    "a number as caption": {"caption": 5},
    "null as caption": {"caption": None},
    "half a letter": {"caption": "\udc80"},
    "a third split": {"split": "test"},
    "a path": {"filename": "../../x.png"},
    "a style of numbers": {"style": [1]},
    "an id of another form": {"id": "x"},
}


@pytest.mark.parametrize("harm", [*BAD_LINES, *BAD_VALUES])
def test_a_line_of_a_caption_file_that_is_no_pair_is_named_and_dealing_again_mends_it(
    collection, harm
):
    """Training ended in a traceback. The sentence tells what to do: without the line the same pairs
    are dealt again, and each picture stays on its side."""
    before = sides(collection)
    lines = collection.train.read_bytes().splitlines()
    whole = list(lines)
    bad = BAD_LINES.get(harm) or json.dumps({**json.loads(lines[2]), **BAD_VALUES[harm]})
    lines[2] = bad if isinstance(bad, bytes) else bad.encode()
    collection.train.write_bytes(b"\n".join(lines) + b"\n")
    for read in (collection.read_captions, lambda: run_main(collection.data, captioner="existing")):
        refused(read, "engraving_train.jsonl, line 3: ", DEAL)
    del lines[2]
    collection.train.write_bytes(b"\n".join(lines) + b"\n")
    run_main(collection.data, captioner="existing")
    assert sides(collection) == before
    assert collection.train.read_bytes().splitlines() == whole


def test_pairs_without_words_are_dealt_again_without_words(collection):
    run_main(collection.data, captioner="none")
    text = collection.train.read_text("utf-8")
    collection.train.write_text(text + "{\n", "utf-8")
    refused(collection.read_captions, "--style engraving --captioner none")


def test_a_picture_in_both_splits_is_named_and_validates_from_then_on(collection):
    """A picture that trains and validates makes validation flatter."""
    first = collection.train.read_text("utf-8").splitlines()[0]
    picture_id = json.loads(first)["id"]
    with open(collection.val, "a", encoding="utf-8") as file:
        file.write(first + "\n")
    refused(collection.read_captions, picture_id, "twice", DEAL)
    run_main(collection.data, captioner="existing")
    assert sides(collection)[picture_id] == "val"


def test_a_pair_that_stands_twice_in_a_file_is_named(collection):
    text = collection.train.read_text("utf-8")
    collection.train.write_text(text + text.splitlines()[1] + "\n", "utf-8")
    refused(collection.read_captions, "twice", DEAL)
    run_main(collection.data, captioner="existing")
    assert collection.train.read_text("utf-8") == text


def test_the_file_decides_on_the_split_of_a_line_that_was_moved(collection):
    """A person moves a line to the other file; its "split" was believed in some places."""
    lines = collection.train.read_text("utf-8").splitlines(keepends=True)
    collection.train.write_text("".join(lines[1:]), "utf-8")
    with open(collection.val, "a", encoding="utf-8") as file:
        file.write(lines[0])
    train, val = collection.read_captions()
    assert {row["split"] for row in train} == {"train"}
    assert {row["split"] for row in val} == {"val"}


# ---- report and logs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["[1]", "null", "5", "", DEEP, '{"preset": 5}', '{"colour": "many", "prepared": 1}'],
    ids=lambda text: text[:20],
)
def test_a_damaged_report_is_named_and_no_command_is_lost_by_it(collection, text):
    """Commands that are told use what the report says; without it they are still told."""
    collection.report.write_text(text)
    refused(lambda: colour_share(collection, 64), "engraving_report.json", PREPARE)
    assert collection.prepared_preset() == ""
    assert collection.prepare_again().startswith(f"{PREPARE} --source PATH")


def test_a_report_of_an_earlier_version_is_read(collection):
    collection.report.write_text('{"preset": "small", "source": "/home/me/prints", "found": 5}')
    assert colour_share(collection, 64) == 0
    assert "--source /home/me/prints" in collection.prepare_again()


@pytest.mark.parametrize("level", [1, 3, 5])
def test_a_drawn_collection_is_prepared_again_at_its_level(tmp_path, level):
    """The advised command made a collection of level 5 of one of level 3."""
    collection = Collection("builtin", tmp_path)
    collection.report.parent.mkdir(parents=True)
    collection.report.write_text(f'{{"source": "builtin-2 level {level}"}}')
    command = collection.prepare_again()
    assert (f"--level {level}" in command) == (level != 5)
    # a folder may be called so as well
    other = Collection("prints", tmp_path)
    other.report.write_text('{"source": "prints level 3"}')
    assert "--level" not in other.prepare_again()


@pytest.mark.parametrize(
    "style, source", [("prints", "/home/me/prints"), ("builtin", "builtin-2 level 5")]
)
def test_pictures_are_prepared_again_with_the_numbers_they_were_prepared_with(
    tmp_path, style, source
):
    """Without --smallest 16 small pictures were rejected, and their mended captions were lost."""
    collection = Collection(style, tmp_path)
    collection.report.parent.mkdir(parents=True)
    told = {"source": source, "smallest": 16, "max_samples": 300}
    collection.report.write_text(json.dumps(told))
    command = collection.prepare_again()
    assert "--smallest 16" in command
    assert "--max-samples 300" in command
    assert "--max-samples" not in collection.prepare_again(more=True)
    collection.report.write_text(json.dumps(told | {"smallest": 64, "max_samples": 0}))
    command = collection.prepare_again()
    assert "--smallest" not in command
    assert "--max-samples" not in command


def test_pictures_of_a_store_are_prepared_again_from_there(tmp_path):
    """The advised command said --source PATH, as of a collection of several folders."""
    collection = Collection("prints", tmp_path)
    collection.report.parent.mkdir(parents=True)
    collection.report.write_text('{"source": "s3://museum/prints", "asked_format": "jsonl"}')
    assert "--source s3://museum/prints --format jsonl" in collection.prepare_again()


def test_nothing_is_cut_off_a_file_that_a_log_is_a_link_to(tmp_path):
    """A last line without its end is cut off a log; behind a link it is one of my own notes."""
    notes = tmp_path / "notes.txt"
    notes.write_text("first\nmy last thought")
    (tmp_path / "log.jsonl").symlink_to(notes)
    refused(lambda: recover_jsonl(tmp_path / "log.jsonl"), "log.jsonl", "is a link")
    assert notes.read_text() == "first\nmy last thought"


def test_brackets_within_brackets_are_no_json(tmp_path):
    for text in (DEEP, '{"a": ' * 100_000):
        (tmp_path / "x.json").write_text(text)
        refused(lambda: read_json(tmp_path / "x.json"), "x.json", "cannot be read as JSON")
        (tmp_path / "x.jsonl").write_text(text + "\n")
        refused(lambda: recover_jsonl(tmp_path / "x.jsonl"), "x.jsonl, line 1")
