"""Tables of captions in every reasonable form are read; what is not understood is named."""

import json
import math
import random

import pytest

from tests.sources.made import captions_of, describe_made, further_captions, reasons_of

BOTH = {"1.png": "a castle", "2.png": "two ships"}
FORMS = {
    "a column called prompt": (
        "metadata.csv",
        "file_name,prompt\n1.png,a castle\n2.png,two ships\n",
    ),
    "other names in capitals": (
        "x.csv",
        "Image Path,Description\n1.png,a castle\n2.png,two ships\n",
    ),
    "bars and blanks": (
        "results.csv",
        "image_name| comment_number| comment\n1.png| 0| a castle\n2.png| 0| two ships\n",
    ),
    "names in another language": ("x.csv", "Datei;Titelzeile\n1.png;a castle\n2.png;two ships\n"),
    "a line that says the separator": (
        "x.csv",
        "sep=;\r\nimage;caption\r\n1.png;a castle\r\n2.png;two ships\r\n",
    ),
    "lines of an old Mac": ("x.csv", "image,caption\r1.png,a castle\r2.png,two ships\r"),
    "no header": ("x.csv", "1.png,a castle\n2.png,two ships\n"),
    "no header, three columns": ("x.tsv", "7\t1.png\ta castle\n8\t2.png\ttwo ships\n"),
    "a text with a header": ("captions.txt", 'image,caption\n1.png,"a castle"\n2.png,two ships\n'),
    "a text of names and captions": ("list.txt", "1.png a castle\n2.png: two ships\n"),
    "lines with numbers of captions": (
        "token.txt",
        "1.png#0\ta castle\n1.png#1\tan old keep\n2.png#0\ttwo ships\n",
    ),
    "by name, rows": (
        "meta.json",
        {"1.png": {"caption": "a castle"}, "2": {"caption": "two ships"}},
    ),
    "by name, texts": ("x.json", {"1.png": "a castle", "2.png": "two ships"}),
    "by name, lists": ("x.json", {"1.png": ["a castle"], "2.png": ["two ships"]}),
    "by path on another machine": (
        "x.json",
        {"/data/me/1.png": {"tags": "x", "caption": "a castle"}, "/data/me/2.png": "two ships"},
    ),
    "by name, without suffixes": ("x.json", {"1": "a castle", "2": "two ships"}),
    "COCO": (
        "captions_val.json",
        {
            "info": {},
            "images": [{"id": 7, "file_name": "1.png"}, {"id": 8, "file_name": "2.png"}],
            "annotations": [
                {"id": 1, "image_id": 8, "caption": "two ships"},
                {"id": 2, "image_id": 7, "caption": "a castle"},
            ],
        },
    ),
    "sentences of Karpathy's splits": (
        "dataset.json",
        {
            "images": [
                {"filename": "1.png", "sentences": [{"raw": "a castle", "tokens": ["a"]}]},
                {"filename": "2.png", "sentences": [{"raw": "two ships", "tokens": ["a"]}]},
            ]
        },
    ),
    "columns": ("x.json", {"image": ["1.png", "2.png"], "caption": ["a castle", "two ships"]}),
    "columns of a table library": (
        "x.json",
        {"image": {"0": "1.png", "1": "2.png"}, "caption": {"0": "a castle", "1": "two ships"}},
    ),
    "wrapped": (
        "x.json",
        {
            "version": 2,
            "train": [{"image": "1.png", "caption": "a castle"}],
            "val": [{"image": "2.png", "caption": "two ships"}],
        },
    ),
    "lines under another suffix": (
        "x.ndjson",
        '{"image": "1.png", "caption": "a castle"}\n{"image": "2.png", "caption": "two ships"}\n',
    ),
    "a first line that is no row": (
        "x.json",
        '[{"image": "1.png", "caption": "a castle"}, {"image": "2.png", "caption": "two ships"}]',
    ),
    "numbers as names": (
        "x.jsonl",
        '{"id": 1, "caption": "a castle"}\n{"id": 2, "caption": "two ships"}\n',
    ),
    "a name without suffix": (
        "x.jsonl",
        '{"key": "1", "text": "a castle"}\n{"key": "2", "text": "two ships"}\n',
    ),
}


# of a data set of another kind
BOXES = {
    "images": [{"id": 1, "file_name": "1.png"}],
    "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}],
}


@pytest.mark.parametrize("name, content", FORMS.values(), ids=FORMS)
def test_a_table_of_this_form_gives_its_captions(tmp_path, name, content):
    """Each of these was passed over without a word."""
    described = describe_made(tmp_path, {name: content})
    assert captions_of(described) == BOTH
    assert not described.lost


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize(
    "name, text",
    [
        ("metadata.jsonl", '{"file_name": "1.png", "text": "Schloß"}\r\n'),
        ("x.json", '{"1.png": {"caption": "Schloß"}}'),
        ("x.csv", "file_name\ttext\r\n1.png\tSchloß\r\n"),
    ],
)
def test_a_table_in_any_unicode_is_read(tmp_path, name, text, encoding):
    """A spreadsheet's "Unicode text" was a table of no known columns."""
    described = describe_made(tmp_path, {name: text.encode(encoding)})
    assert captions_of(described) == {"1.png": "Schloß"}
    assert not described.lost


def test_rows_in_another_encoding_are_refused_one_by_one(tmp_path):
    text = "file_name,text\n1.png,Schloß\n2.png,two ships\n"
    described = describe_made(tmp_path, {"x.csv": text.encode("cp1252")})
    assert captions_of(described) == {"2.png": "two ships"}
    assert [(row["line"], row["reason"]) for row in described.lost] == [
        (2, "text that is no UTF-8")
    ]


# Several captions


@pytest.mark.parametrize(
    "name, content, further",
    [
        ("x.jsonl", {"file_name": "1.png", "text": ["a castle", "a keep", "a tower"]}, 2),
        ("x.json", {"1.png": ["a castle", "a keep"]}, 1),
        ("x.csv", "image,caption_0,caption_1\n1.png,a castle,a keep\n", 1),
        ("x.csv", 'image,raw\n1.png,"[""a castle"", ""a keep""]"\n', 1),
        ("x.csv", "image,raw\n1.png,\"['a castle', 'a keep']\"\n", 1),
        ("x.csv", "image,raw\n1.png,['a castle' 'a keep'\t'a tower']\n", 2),
        ("x.csv", "image,caption,caption\n1.png,a castle,a keep\n", 1),
        ("x.csv", "image,caption,caption,caption_2\n1.png,a castle,a keep,a tower\n", 2),
        ("x.csv", "image,caption,image\n1.png,a castle,2.png\n", 0),
        ("x.csv", "image,caption\n1.png,\n1.png,a castle\n1.png,a castle\n1.png,a keep\n", 1),
        ("x.jsonl", {"image": "1.png", "caption": ["", None, "a castle"]}, 0),
        ("x.jsonl", {"image": "1.png", "captions": [{"text": "a castle"}, {"text": "b"}]}, 1),
    ],
)
def test_of_several_captions_the_first_is_used_and_the_others_are_counted(
    tmp_path, name, content, further
):
    """A list of captions was "no text", and the row was refused."""
    described = describe_made(tmp_path, {name: content})
    assert captions_of(described) == {"1.png": "a castle"}
    assert further_captions(described) == further
    assert not described.lost


def test_a_second_table_fills_what_the_first_leaves_open(tmp_path):
    described = describe_made(
        tmp_path,
        {
            "metadata.csv": "file_name,style,text\n1.png,engraving,\n2.png,engraving,two ships\n",
            "more.csv": "file_name,text\n1.png,a castle\n2.png,a pair of boats\n",
        },
    )
    assert captions_of(described) == BOTH
    assert described.rows["1.png"]["style"] == "engraving"
    assert further_captions(described) == 1


# Named where it is not understood


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("notes.csv", "a,b\n1,2\n", "no known form of captions: it holds a, b"),
        ("metadata.csv", "file_name,gloss\n1.png,castle\n", "in its columns: file_name, gloss"),
        ("package.json", {"name": "x", "version": "1"}, "such as name, fit no picture"),
        ("package.json", {"name": "x", "scripts": {"a": 1}}, "it holds name, scripts"),
        ("boxes.json", BOXES, "it holds id, file_name"),
        ("x.json", "", "empty"),
        ("x.json", {}, "empty"),
        ("x.json", '{"a": ', "no JSON"),
        ("x.json", ["a", "b"], "no JSON object"),
        ("x.csv", b"\xff\xfea", "x.csv is UTF-16 that is damaged or cut off"),
        ("LICENSE.txt", "All rights, reserved\nby me\n", "lies beside no picture"),
        ("1.tags.txt", "", "lies beside no picture"),
    ],
)
def test_a_table_that_is_not_understood_is_named_with_what_it_holds(
    tmp_path, name, content, reason
):
    described = describe_made(tmp_path, {name: content, "1.txt": "a castle", "2.txt": "two ships"})
    assert captions_of(described) == BOTH, "what else lies there is used all the same"
    assert reason in reasons_of(described)[name]
    assert all(row["loses"] == "caption" for row in described.lost)


def test_a_quote_that_is_never_closed_is_named_with_its_line(tmp_path):
    """It hid all rows after it: they seemed to have no captions."""
    described = describe_made(tmp_path, {"x.csv": 'image,caption\n1.png,"a castle\n2.png,b\n'})
    assert [(row["line"], row["reason"].split(":")[0]) for row in described.lost] == [
        (2, "a quote that is not closed")
    ]


def test_letters_that_were_lost_before_are_no_caption(tmp_path):
    described = describe_made(tmp_path, {"x.jsonl": {"image": "1.png", "caption": "Schlo\ufffd"}})
    assert not captions_of(described)
    assert "letters that were lost" in reasons_of(described)["x.jsonl"]


def test_a_picture_written_into_a_row_is_named_in_short(tmp_path):
    """The whole of it stood in the report, and as a file's name it ended the run."""
    rows = [{"image": f"data:image/png;base64,{'A' * 9999}", "caption": "a ship"}]
    rows += [{"image": "B" * 9999, "caption": "x"}, {"image": "1.png", "caption": "a castle"}]
    described = describe_made(tmp_path, {"x.json": rows})
    assert captions_of(described) == {"1.png": "a castle"}
    assert [row["reason"] for row in described.lost] == [
        "holds the picture itself, in a file whose other rows name files; put such rows into a "
        "file of their own",
        "the image is written into the row; save it as a file",
    ]


# Which picture


def test_names_that_only_end_alike_are_refused_where_two_claim_one_picture(tmp_path):
    """Of train/1.png and val/1.png one lies here as images/1.png: whose caption it has is open."""
    rows = [{"image": "train/1.png", "caption": "a"}, {"image": "val/1.png", "caption": "b"}]
    described = describe_made(tmp_path, {"x.json": rows}, ["images/1.png"])
    assert not captions_of(described)
    assert [row["reason"].split(",")[0] for row in described.lost] == [
        "train/1.png fits only images/1.png",
        "val/1.png fits only images/1.png",
    ]


def test_the_name_that_fits_in_full_keeps_its_picture(tmp_path):
    rows = [{"image": "val/1.png", "caption": "b"}, {"image": "images/1.png", "caption": "a"}]
    for order in (rows, rows[::-1]):
        described = describe_made(tmp_path, {"x.json": order}, ["images/1.png"])
        assert captions_of(described) == {"images/1.png": "a"}
        assert len(described.lost) == 1


def test_a_bad_caption_costs_no_picture_that_the_row_itself_holds(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow
    import pyarrow.parquet

    rows = [
        {"image": {"bytes": b"x"}, "text": "Schlo\ufffd"},
        {"image": {"bytes": b"y"}, "text": "b"},
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "x.parquet")
    kept = {}
    described = describe_made(tmp_path, {}, [], keep=kept.__setitem__)
    assert len(kept) == 2
    assert list(captions_of(described).values()) == ["b"]
    assert "letters that were lost" in reasons_of(described)["x.parquet"]


def test_json_of_many_lines_is_one_object_and_not_a_line(tmp_path):
    text = json.dumps({"1.png": {"caption": "a castle"}}, indent=2)
    assert captions_of(describe_made(tmp_path, {"x.jsonl": text})) == {"1.png": "a castle"}


@pytest.mark.parametrize("name, content", [("x.json", '{"a\\ud800": 1}'), ("1.json", '"\\ud800"')])
def test_half_of_a_letter_breaks_no_report(tmp_path, name, content):
    """JSON can hold half of a pair. As the name of a column it ended the run at the report."""
    described = describe_made(tmp_path, {name: content})
    assert not captions_of(described)
    assert reasons_of(described)[name].encode("utf-8")


def chance_value(chance, depth=0):
    """A value as a damaged or strange file may hold it."""
    kind = chance.random()
    if depth > 3 or kind < 0.35:
        return chance.choice(ODD_VALUES)
    if kind < 0.7:
        keys = chance.choices(ODD_KEYS, k=chance.randrange(4))
        return {key: chance_value(chance, depth + 1) for key in keys}
    return [chance_value(chance, depth + 1) for _ in range(chance.randrange(4))]


ODD_VALUES = [
    *(
        "1.png",
        "a castle",
        "",
        "../1.png",
        "file://1.png",
        "C:\\1.png",
        "%zz",
        ".",
        "/",
        "1",
        "a\0b",
    ),
    *("['a', 'b']", "\ud800", "https://x/1.png", "gpt", "user", None, 0, 1, 2.5, True),
]
ODD_KEYS = [
    *("image", "images", "file_name", "caption", "text", "messages", "conversations", "prompt"),
    *(
        "completion",
        "annotations",
        "id",
        "role",
        "from",
        "value",
        "content",
        "data",
        "style",
        "key",
    ),
    *("1.png", "2", "image_url", "bytes", "path", "sentences", "raw", "", " "),
]


@pytest.mark.parametrize("seed", range(5))
def test_no_file_whatever_it_holds_ends_the_run(tmp_path, seed):
    chance = random.Random(seed)
    for _ in range(60):
        files = {}
        for name in chance.sample(["x.json", "x.jsonl", "x.csv", "1.json", "1.txt", "c.txt"], 3):
            text = json.dumps(chance_value(chance)).encode()
            place = chance.randrange(len(text) + 1)
            middle = chance.choice([b"", b"", chance.randbytes(3)])
            files[name] = text[:place] + middle + text[chance.choice([place, len(text)]) :]
        described = describe_made(tmp_path, files)
        assert json.dumps(described.lost, ensure_ascii=False).encode("utf-8")
        assert all(row["caption"].encode("utf-8") or True for row in described.rows.values())


def test_a_text_whose_first_line_never_ends_is_passed_over(tmp_path):
    """5 MB without a line end was "field larger than field limit", in a traceback."""
    described = describe_made(tmp_path, {"list.csv": "0" * 5_000_000})
    assert captions_of(described) == {}


# Cells and tags


@pytest.mark.parametrize(
    "text",
    [
        "file_name,text\n1.png,a castle, with a tower\n2.png,two ships\n",
        "2.png,two ships\n1.png,a castle, with a tower\n",
        "\r\n \r\n,,\r\nfile_name,text\r\n1.png,a castle, with a tower\r\n2.png,two ships,,\r\n",
        "sep=;\n\nfile_name;text\n1.png;a castle, with a tower\n2.png;two ships;\n",
    ],
)
def test_commas_and_blank_lines_cost_no_caption(tmp_path, text):
    """A comma without quotes made the row a lost picture; of a blank first line the table had
    "more columns than the 0 of the header".
    """
    described = describe_made(tmp_path, {"x.csv": text})
    assert captions_of(described) == {"1.png": "a castle, with a tower", "2.png": "two ships"}
    assert not described.lost


@pytest.mark.parametrize(
    "line", ["1.png,a castle, with a tower,7", '1.png,"a castle", with a tower,,7', "x,1.png,a,b"]
)
def test_a_row_of_too_many_cells_is_told_how_to_be_mended(tmp_path, line):
    described = describe_made(
        tmp_path, {"x.csv": f"\nfile_name,text,number\n{line}\n2.png,two ships,8\n"}
    )
    assert captions_of(described) == {"2.png": "two ships"}
    (lost,) = described.lost
    assert lost["reason"] == (
        "more columns than the 3 of the header: quote cells that hold a comma"
    )
    assert (lost["line"], lost["loses"]) == (3, "caption")


def test_a_row_that_cannot_be_read_loses_a_picture_where_rows_alone_name_them(tmp_path):
    """Of three pictures in a folder four were found and one rejected; all were prepared."""
    files = {"x.csv": "file_name,text,number\n1.png,a castle,b,c\n2.png,two ships,8\n"}
    (lost,) = describe_made(tmp_path, files).lost
    assert lost["loses"] == "caption", "1.png is prepared all the same"
    (lost,) = describe_made(tmp_path, files, only="x.csv").lost
    assert "loses" not in lost
    files = {"x.csv": "file_name,text\nhttps://x.org/1.png,a castle\n2.png,two ships\n"}
    (lost,) = describe_made(tmp_path, files).lost
    assert "loses" not in lost, "this picture is not here"


@pytest.mark.parametrize("key", ["tags", "keywords", "labels"])
@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_all_tags_of_a_list_are_the_caption(tmp_path, key, suffix):
    """Of ["castle", "hill"] only the castle was left."""
    content = [{"file_name": "1.png", key: ["castle", "hill"]}]
    if suffix == ".csv":
        content = f"file_name,{key}\n1.png,\"['castle', 'hill']\"\n"
    described = describe_made(tmp_path, {f"x{suffix}": content})
    assert captions_of(described) == {"1.png": "castle, hill"}
    assert not further_captions(described)


@pytest.mark.parametrize(
    "column, value, caption",
    [
        ("label", "3", ""),
        ("class_name", "3.0", ""),
        ("labels", "[3; 4]", ""),
        ("label", "castle 3", "castle 3"),
        ("text", "7", "7"),
        ("caption", "1914", "1914"),
        ("caption", "nan", ""),
        ("text", "NaN", ""),
        ("label", "nan", ""),
        ("text", "nano tube", "nano tube"),
    ],
)
def test_numbers_of_classes_and_what_is_missing_are_no_captions(tmp_path, column, value, caption):
    """A picture was "An engraving of 3", and one without a caption "An engraving of nan"."""
    described = describe_made(tmp_path, {"metadata.csv": f"file_name,{column}\n1.png,{value}\n"})
    assert captions_of(described) == ({"1.png": caption} if caption else {})
    reason = f"no caption in its columns: file_name, {column}"
    assert reasons_of(described) == ({} if caption else {"metadata.csv": reason})


@pytest.mark.parametrize("caption", [math.nan, [math.nan, "a castle"]])
def test_a_missing_caption_costs_no_row(tmp_path, caption):
    """The number nan was "no text", and the row was refused."""
    rows = [{"image": "1.png", "caption": caption, "title": "a castle"}]
    described = describe_made(tmp_path, {"x.json": rows})
    assert captions_of(described) == {"1.png": "a castle"}
    assert not described.lost


def test_a_number_or_nan_may_be_code(tmp_path):
    row = {"image": "1.png", "caption": "nan", "caption_kind": "code"}
    assert captions_of(describe_made(tmp_path, {"x.jsonl": row})) == {"1.png": "nan"}
