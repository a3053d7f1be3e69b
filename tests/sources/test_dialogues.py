"""Conversations of several turns, with system prompts and marks of pictures: nothing is lost."""

import base64
import csv
import io

import pytest

from oneseed.dataset import writers
from oneseed.sources import unpacking
from oneseed.sources.archive_kinds import is_archive
from oneseed.sources.archive_members import DEFAULT_LIMITS
from tests.preparation.test_dataset_preparation import picture, run_main
from tests.sources.made import captions_of, describe_made, further_captions

TURNS = [
    {"role": "user", "content": "And its columns?"},
    {"role": "assistant", "content": "name\n  age"},
]
# what every form below says of 1.png
SAID = {
    "caption": "CREATE TABLE a",
    "question": "What SQL?",
    "system": "You write SQL.",
    "turns": TURNS,
}
TEXT = {"type": "text", "text": "What SQL?"}
LLAVA = [
    {"from": "system", "value": "You write SQL."},
    {"from": "human", "value": "<image>\nWhat SQL?"},
    {"from": "gpt", "value": "CREATE TABLE a"},
    {"from": "human", "value": "And its columns?"},
    {"from": "gpt", "value": "name\n  age"},
]


def messages(picture):
    """The same as messages. picture: the part of the content that stands for it."""
    return [
        {"role": "system", "content": "You write SQL."},
        {"role": "user", "content": [picture, TEXT]},
        {"role": "assistant", "content": [{"type": "text", "text": "CREATE TABLE a"}]},
        {"role": "user", "content": "And its columns?"},
        {"role": "assistant", "content": "name\n  age"},
    ]


ROWS = {
    "LLaVA": {"id": "1", "image": "1.png", "conversations": LLAVA},
    "ShareGPT with its own system": {
        "images": ["1.png"],
        "conversations": LLAVA[1:],
        "system": "You write SQL.",
    },
    "Qwen2-VL, TRL": {"images": ["1.png"], "messages": messages({"type": "image"})},
    "LLaMA-Factory": {
        "images": ["1.png"],
        "messages": [
            {"role": "system", "content": "You write SQL."},
            {"role": "user", "content": "<image>What SQL?"},
            {"role": "assistant", "content": "CREATE TABLE a"},
            *TURNS,
        ],
    },
    "OpenAI": {"messages": messages({"type": "image_url", "image_url": {"url": "1.png"}})},
    "TRL's prompt and completion": {
        "images": ["1.png"],
        "prompt": messages({"type": "image"})[:4],
        "completion": TURNS[1:],
    },
    "marks of Qwen-VL": {
        "id": "1",
        "system": "You write SQL.",
        "conversations": [
            {"from": "user", "value": "Picture 1: <img>1.png</img>\nWhat SQL?"},
            *LLAVA[2:],
        ],
    },
    "Alpaca with a history": {
        "image_path": "1.png",
        "system": "You write SQL.",
        "history": [["What SQL?", "CREATE TABLE a"]],
        "instruction": "And its columns?",
        "input": "",
        "output": "name\n  age",
    },
    "a plain row of our own": {"file_name": "1.png", "text": "CREATE TABLE a", **SAID},
    "turns as JSON in a cell": {
        "file_name": "1.png",
        **SAID,
        "turns": writers.to_json(TURNS),
    },
}


def said_of(described, path="1.png"):
    """What travels of a picture, without where it was read."""
    return {key: described.rows[path][key] for key in SAID if key in described.rows[path]}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_system_prompt_and_later_turns_travel_with_the_caption(tmp_path, row):
    """They were dropped: fine-tuning learned the first answer of each row alone."""
    described = describe_made(tmp_path, {"x.jsonl": row})
    assert said_of(described) == SAID
    assert "marked_question" not in described.rows["1.png"], "its picture stands first"
    assert not further_captions(described), "a later answer is of another question"
    assert [found["further_turns"] for found in described.formats] == [2]


def test_a_sidecar_may_hold_a_conversation(tmp_path):
    described = describe_made(tmp_path, {"1.json": {"messages": messages({"type": "image"})}})
    assert said_of(described) == SAID


@pytest.mark.parametrize(
    ("asked", "marked"),
    [
        ("What is <image>?", "What is <image>?"),
        ("What is this?\n<image>", "What is this?\n<image>"),
        ("<image>\n<image> Which?", ""),
        ("What is <image>, as in <image>?", "What is <image>, as in ?"),
        ("Is <|vision_start|><|image_pad|><|vision_end|> new?", "Is <image> new?"),
        ([{"type": "text", "text": "Is"}, {"type": "image"}, {"text": "new?"}], "Is<image>new?"),
        ([{"type": "image"}, {"text": "One"}, {"text": "two"}], ""),
    ],
)
def test_a_picture_that_does_not_stand_first_keeps_its_place(tmp_path, asked, marked):
    """All marks were taken out, so that "is <image> like <image>?" had lost which is which."""
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": "a castle"}]
    described = describe_made(tmp_path, {"x.jsonl": {"images": ["1.png"], "messages": turns}})
    row = described.rows["1.png"]
    assert row.get("marked_question", "") == marked
    assert "<" not in row["question"]


@pytest.mark.parametrize(
    ("asked", "marked"),
    [("<image>What is this?", ""), ("What is <image> here?", "What is <image> here?")],
)
@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("x.jsonl", '{{"query": "{}", "response": "a castle", "images": ["1.png"]}}'),
        ("x.csv", "image,question,answer\n1.png,{},a castle\n"),
        ("1.json", '{{"question": "{}", "caption": "a castle"}}'),
    ],
)
def test_a_question_beside_its_answer_holds_no_marks(tmp_path, name, form, asked, marked):
    """The mark stayed in the question, so that an export named two pictures for one."""
    row = describe_made(tmp_path, {name: form.format(asked)}).rows["1.png"]
    assert row["caption"] == "a castle"
    assert row["question"] == asked.replace("<image>", "")
    assert row.get("marked_question", "") == marked


def test_marks_are_kept_for_as_many_pictures_as_there_are(tmp_path):
    """With more marks than pictures no processor makes a batch of the row."""
    asked = {"role": "user", "content": "<image> or <image>? <image>"}
    answered = {"role": "assistant", "content": "the second"}
    again = {"role": "user", "content": "<image>Sure?"}
    row = {"images": ["1.png", "2.png"], "messages": [asked, answered, again, answered]}
    known = describe_made(tmp_path, {"x.jsonl": row}).rows["1.png"]
    assert known["marked_question"] == "<image> or <image>?"
    assert known["turns"][0]["content"] == "Sure?"


def test_what_cannot_be_used_is_counted(tmp_path):
    """Turns behind a tool's depend on what it said; a question without an answer teaches none."""
    tool = {"role": "tool", "content": "42"}
    asked = ROWS["Qwen2-VL, TRL"]["messages"]
    rows = [
        {"images": ["1.png"], "messages": [*asked, tool, *TURNS]},
        {"images": ["2.png"], "messages": [*asked, TURNS[0]]},
    ]
    described = describe_made(tmp_path, {"x.json": rows})
    assert [found["unused_turns"] for found in described.formats] == [4]
    assert said_of(described) == said_of(described, "2.png") == SAID


def test_an_empty_answer_goes_with_its_question(tmp_path):
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": " "}]
    turns += messages({"type": "image"})[1:]
    described = describe_made(tmp_path, {"x.jsonl": {"images": ["1.png"], "messages": turns}})
    assert said_of(described) == {key: SAID[key] for key in SAID if key != "system"}


def test_an_input_belongs_to_its_instruction(tmp_path):
    row = {"image_path": "1.png", "instruction": "Which SQL?", "input": "Of SQLite.", "output": "x"}
    described = describe_made(tmp_path, {"x.json": [row]})
    assert described.rows["1.png"]["question"] == "Which SQL?\nOf SQLite."


# ---- pictures within their rows ------------------------------------------------------------------


def data_url(number):
    """A picture as OpenAI's fine-tuning takes it."""
    file = io.BytesIO()
    picture(number).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def unpacked(folder, rows, name="openai.jsonl"):
    """Writes rows -> what unpacking finds, and the folder of pictures."""
    text = writers.json_list(rows) if name.endswith(".json") else writers.json_lines(rows)
    (folder / name).write_text(text.replace(",\n", ",") if name == "line.json" else text)
    return unpacking.unpack(folder / name, folder / "pictures", limits=DEFAULT_LIMITS)


@pytest.mark.parametrize("name", ["openai.jsonl", "openai.json", "line.json"])
def test_pictures_that_are_written_into_their_rows_are_read(tmp_path, name):
    """OpenAI's own form was refused: "save it as a file". On one line all had one name."""
    rows = [
        {"messages": messages({"type": "image_url", "image_url": {"url": data_url(number)}})}
        for number in range(3)
    ]
    found = unpacked(tmp_path, rows, name)
    assert not found.lost
    assert [row["caption"] for row in found.rows] == ["CREATE TABLE a"] * 3
    assert [row["turns"] for row in found.rows] == [TURNS] * 3
    stored = [(tmp_path / "pictures" / row["file_name"]).read_bytes() for row in found.rows]
    assert stored == [base64.b64decode(data_url(number).partition(",")[2]) for number in range(3)]


def test_a_picture_that_is_written_into_a_row_costs_no_other_row_its_picture(tmp_path):
    """Such a file was unpacked like an archive, without the files that its other rows name."""
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(3):
        picture(number).save(folder / f"{number}.png")
    rows = [{"image": f"{number}.png", "caption": f"a castle {number}"} for number in range(3)]
    rows.append({"image": data_url(3), "caption": "a ship"})
    (folder / "set.json").write_text(writers.json_list(rows))
    _, records, report = run_main(folder / "set.json", tmp_path)
    assert {row["original"] for row in records} == {"0.png", "1.png", "2.png"}
    assert {row["given"] for row in records} == {f"a castle {number}" for number in range(3)}
    (lost,) = report["rejected_files"]
    assert lost["reason"].startswith("holds the picture itself")


def bare(number):
    """The picture in base64 alone."""
    return data_url(number).partition(",")[2]


def as_cells(rows):
    """Rows as a table of cells."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


@pytest.mark.parametrize(
    "name, image, more, escape",
    [
        ("x.jsonl", data_url, {"custom_id": "castle_{}.png"}, False),
        ("x.json", data_url, {"file_name": "castle_{}.png"}, False),
        ("x.jsonl", data_url, {"file_name": "../castle_{}.png"}, False),
        ("x.json", data_url, {}, True),
        ("x.csv", data_url, {}, False),
        ("x.tsv", bare, {"file_name": "castle_{}.png"}, False),
        ("x.jsonl", bare, {}, True),
    ],
)
def test_pictures_in_rows_are_read_in_everyday_forms(tmp_path, name, image, more, escape):
    """A name beside it, slashes escaped as PHP does, a table of cells: all pictures were lost, as
    other rows were said to name files. Base64 alone was taken for a path.
    """
    rows = [
        {
            **{key: value.format(number) for key, value in more.items()},
            "image": image(number),
            "caption": f"castle {number}",
        }
        for number in range(3)
    ]
    text = as_cells(rows) if name.endswith("sv") else writers.json_lines(rows)
    if name.endswith(".tsv"):
        text = text.replace(",", "\t")
    if escape:
        text = text.replace("/", "\\/")
    (tmp_path / name).write_text(text)
    assert is_archive(tmp_path / name)
    found = unpacking.unpack(tmp_path / name, tmp_path / "pictures", limits=DEFAULT_LIMITS)
    assert not found.lost
    assert [row["caption"] for row in found.rows] == [f"castle {number}" for number in range(3)]
    stored = [(tmp_path / "pictures" / row["file_name"]).read_bytes() for row in found.rows]
    assert stored == [base64.b64decode(bare(number)) for number in range(3)]


def test_a_row_that_holds_the_picture_that_it_names_means_the_file(tmp_path):
    """Programs that draw boxes write both; the file is the whole picture."""
    picture(0).save(tmp_path / "0.png")
    row = {"file_name": "0.png", "image": data_url(0), "caption": "a castle"}
    (tmp_path / "x.jsonl").write_text(writers.json_lines([row]))
    assert not is_archive(tmp_path / "x.jsonl")
    (tmp_path / "0.png").unlink()
    assert is_archive(tmp_path / "x.jsonl")


def test_a_caption_that_holds_a_picture_makes_no_archive(tmp_path):
    page = f'<img src="{data_url(0)}"/>'
    rows = [{"image": f"{number}.png", "caption": page} for number in range(3)]
    (tmp_path / "x.jsonl").write_text(writers.json_lines(rows))
    assert not is_archive(tmp_path / "x.jsonl")


@pytest.mark.parametrize("url", ["data:image/png;base64,@@@@", "data:image/svg+xml,<svg/>"])
def test_a_picture_in_no_base64_is_one_bad_row(tmp_path, url):
    good = {"messages": messages({"type": "image_url", "image_url": {"url": data_url(0)}})}
    bad = {"messages": messages({"type": "image_url", "image_url": {"url": url}})}
    found = unpacked(tmp_path, [good, bad])
    assert len(found.rows) == 1
    assert [row["reason"] for row in found.lost] == [
        "the image in the row is no base64; save it as a file"
    ]


def test_prepared_rows_of_openai_hold_all_that_was_said(tmp_path):
    rows = [
        {"messages": messages({"type": "image_url", "image_url": {"url": data_url(number)}})}
        for number in range(4)
    ]
    (tmp_path / "openai.jsonl").write_text(writers.json_lines(rows))
    _, records, _ = run_main(tmp_path / "openai.jsonl", tmp_path, style="sql", caption_kind="code")
    assert len(records) == 4
    for record in records:
        assert {key: record[key] for key in SAID} == SAID


def test_a_domain_is_a_style_where_each_row_has_its_own(tmp_path):
    """Of a set of forms and tables all rows were of the style "all"."""
    rows = []
    for number, domain in enumerate(["Forms", "tables"]):
        picture(number).save(tmp_path / f"{number}.png")
        rows.append({"image": f"{number}.png", "caption": "x", "domain": domain})
    (tmp_path / "rows.jsonl").write_text(writers.json_lines(rows))
    source = tmp_path / "rows.jsonl"
    _, records, _ = run_main(source, tmp_path / "a", style="all")
    assert sorted(record["style"] for record in records) == ["forms", "tables"]
    _, records, _ = run_main(source, tmp_path / "b", style="engraving")
    assert {record["style"] for record in records} == {"engraving"}


# ---- exports -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "format_name", ["imagefolder", "jsonl", "clip", "llava", "qwen", "instruct"]
)
@pytest.mark.parametrize("marked", ["", "Is <image> SQL?"])
def test_an_export_is_read_as_what_it_was(tmp_path, format_name, marked):
    row = {"image": "1.png", **SAID}
    if marked:
        row |= {"marked_question": marked, "question": "Is  SQL?"}
    file = writers.WRITERS[format_name]
    described = describe_made(tmp_path, {file.name: file.text([row])})
    wanted = {key: row[key] for key in (*SAID, "marked_question") if key in row}
    read = described.rows["1.png"]
    assert {key: read[key] for key in wanted} == wanted
    assert captions_of(described) == {"1.png": "CREATE TABLE a"}
