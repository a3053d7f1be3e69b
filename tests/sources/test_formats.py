"""Every format is recognised, read without a fatal row, and written so that it reads the same."""

import csv
import hashlib
import io
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest

import caption_generation
import dataset_preparation
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import CAPTION_FORMATS, PrepareConfig
from oneseed.console.command import UserError
from oneseed.console.flags import parse_configs
from oneseed.dataset import writers
from oneseed.dataset.collection import Collection
from oneseed.media.picture import prepare_picture
from oneseed.sources import annotations, formats, rejections, unpacking
from oneseed.sources.archive_kinds import is_archive
from oneseed.sources.archive_members import DEFAULT_LIMITS
from tests.preparation.test_dataset_preparation import SIZE, picture, run_main

FORMATS = CAPTION_FORMATS
HOSTILE = [
    "<script>alert(1)</script> & <b>bold</b>",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(1)",
    "\ttab",
    "'=quoted",
    "''",
    "a\u2028b\u2029c",
    "\x1b[31mred\x1b[0m\x07",
    "\u202eright to left\u202c\u2066x\u2069\u200b",
    "two\nlines\r\nthree\r",
    'quotes " and, commas; and \\ {"a": 1}',
    "ÄÖ 城 🏰",
    "<image>",
    "a\x85b\x0bc",
    " spaces ",
    "",
]


@pytest.fixture
def pictures(tmp_path):
    """A folder with 1.png, 2.png and sub/3.png."""
    (tmp_path / "set" / "sub").mkdir(parents=True)
    for number, name in enumerate(("1.png", "2.png", "sub/3.png")):
        picture(number).save(tmp_path / "set" / name)
    return tmp_path / "set"


def need(format_name):
    if format_name == "parquet":
        pytest.importorskip("pyarrow")


def described(folder, format_name="auto"):
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    found = annotations.describe(names, folder.joinpath, format_name, base=folder.as_posix())
    return found.rows, found.lost, found.formats


def captions(rows):
    return {path: row["caption"] for path, row in rows.items()}


# Recognised

EXAMPLES = {
    "imagefolder": ("metadata.csv", "file_name,text\n1.png,A castle\n"),
    "jsonl": ("x.jsonl", '{"image": "1.png", "caption": "A castle"}\n'),
    "clip": ("x.csv", "filepath\ttitle\n1.png\tA castle\n"),
    "llava": (
        "x.json",
        '[{"image": "1.png", "conversations": [{"from": "human", "value": "<image>\\nWhat?"}, '
        '{"from": "gpt", "value": "A castle"}]}]',
    ),
    "qwen": (
        "x.json",
        '[{"messages": [{"role": "user", "content": [{"type": "image", "image": "file://1.png"}, '
        '{"type": "text", "text": "What?"}]}, '
        '{"role": "assistant", "content": "A castle"}]}]',
    ),
    "instruct": (
        "x.json",
        '[\n{"image_path": "./1.png", "instruction": "What?", "output": "A castle"}\n]',
    ),
}


@pytest.mark.parametrize("format_name", EXAMPLES)
def test_every_format_is_recognised_by_its_rows(pictures, format_name):
    name, text = EXAMPLES[format_name]
    (pictures / name).write_text(text, "utf-8")
    for forced in ("auto", format_name):
        rows, lost, seen = described(pictures, forced)
        assert captions(rows) == {"1.png": "A castle"}
        assert not lost
        assert seen == [{"file": name, "format": format_name, "confidence": 1.0, "rows": 1}]


@pytest.mark.parametrize(
    "name, text, path",
    [
        ("x.csv", "image;caption\n1.png;A castle\n", "1.png"),
        ("x.tsv", "\ufeffimage\tcaption\n1.png\tA castle\n", "1.png"),
        ("x.json", '{"file_name": "1.png", "text": "A castle"}\n', "1.png"),
        ("x.jsonl", '[{"img": "1.png", "title": "A castle"}]', "1.png"),
        ("sub/x.jsonl", '{"image": "3.png", "caption": "A castle"}', "sub/3.png"),
        ("sub/x.jsonl", '{"image": "..\\\\1.png", "caption": "A castle"}', "1.png"),
        (
            "x.json",
            '[{"images": ["1.png"], "messages": [{"role": "user", "content": "<image>What?"}, '
            '{"role": "assistant", "content": "A castle"}]}]',
            "1.png",
        ),
        ("x.jsonl", '{"image": {"path": "1.png"}, "caption": "A castle"}', "1.png"),
    ],
)
def test_common_variants_are_read(pictures, name, text, path):
    (pictures / name).write_text(text, "utf-8")
    rows, lost, _ = described(pictures)
    assert captions(rows) == {path: "A castle"}
    assert not lost


DESCRIBING = ("description", "image_description", "long_caption", "detailed_caption")


@pytest.mark.parametrize("key", [*DESCRIBING, "Description", "caption", "text", "captions"])
def test_what_tells_of_a_picture_comes_before_its_title(pictures, key):
    """A title is mostly a name, which nobody learns from the picture."""
    table = [
        {"image": "1.png", "title": "Corfe", key: "A castle on a hill"},
        {"image": "2.png", key: "A ship", "title": "The Victory"},
        {"image": "sub/3.png", "title": "Ravenna", key: ""},
    ]
    (pictures / "x.jsonl").write_text("\n".join(map(json.dumps, table)), "utf-8")
    rows, lost, _ = described(pictures)
    assert captions(rows) == {
        "1.png": "A castle on a hill",
        "2.png": "A ship",
        "sub/3.png": "Ravenna",
    }
    assert not lost


@pytest.mark.parametrize("key", ["short_caption", "alt_text", "tags", "label"])
def test_a_title_comes_before_what_is_shorter(pictures, key):
    table = {"image": "1.png", key: "castle", "title": "Corfe Castle"}
    (pictures / "x.jsonl").write_text(json.dumps(table), "utf-8")
    assert captions(described(pictures)[0]) == {"1.png": "Corfe Castle"}


def test_a_mixture_is_recognised_with_less_confidence_and_other_tables_are_named(pictures):
    llava = json.loads(EXAMPLES["llava"][1])
    (pictures / "x.json").write_text(
        json.dumps(llava * 3 + [{"image": "2.png", "caption": "A ship"}])
    )
    (pictures / "package.json").write_text('{\n "name": "x",\n "version": 1\n}\n')
    (pictures / "notes.csv").write_text("a,b\n1,2\n")
    (pictures / "index.jsonl").write_text('{"image": "2.png", "bytes": 7}\n')
    rows, lost, seen = described(pictures)
    assert seen == [{"file": "x.json", "format": "llava", "confidence": 0.75, "rows": 3}]
    assert captions(rows) == {"1.png": "A castle"}
    assert {row["file"]: (row["line"], row["reason"]) for row in lost} == {
        "x.json": (1, "conversations is no list of turns"),
        "package.json": (0, "no known form of captions: it holds name, version"),
        "notes.csv": (0, "no known form of captions: it holds a, b"),
        "index.jsonl": (0, "no known form of captions: it holds image, bytes"),
    }


def test_a_forced_format_wins_over_the_guess(pictures):
    (pictures / "x.jsonl").write_text('{"image": "1.png", "caption": "A castle", "messages": []}\n')
    assert described(pictures)[2][0]["format"] == "qwen"
    assert captions(described(pictures, "jsonl")[0]) == {"1.png": "A castle"}
    (pictures / "2.txt").write_text("A ship")
    assert captions(described(pictures, "sidecar")[0]) == {"2.png": "A ship"}
    assert captions(described(pictures, "jsonl")[0]) == {"1.png": "A castle"}


# Bad rows

GOOD = '{"image": "1.png", "caption": "A castle"}'
NO_UTF8 = b'{"image": "2.png", "caption": "\xff\xfe"}'


@pytest.mark.parametrize(
    "name, line, reason",
    [
        ("x.jsonl", "{", "no JSON"),
        ("x.jsonl", "[1]", "no JSON object"),
        ("x.jsonl", "7", "no JSON object"),
        ("x.jsonl", "[" * 100_000, "no JSON"),
        ("x.jsonl", '{"a": ' + "9" * 5000 + "}", "no JSON"),
        ("x.jsonl", '{"caption": "A ship"}', "no image is named"),
        ("x.jsonl", '{"image": 7, "caption": "x"}', "the image is no path"),
        ("x.jsonl", '{"image": "2.png", "caption": 7}', "the caption is no text"),
        ("x.jsonl", '{"image": "2.png", "caption": "\\ud800"}', "text that is no UTF-8"),
        ("x.jsonl", NO_UTF8, "text that is no UTF-8"),
        (
            "x.jsonl",
            '{"image": "/etc/passwd", "caption": "x"}',
            "the image lies outside of the folder",
        ),
        (
            "x.jsonl",
            '{"image": "../2.png", "caption": "x"}',
            "the image lies outside of the folder",
        ),
        (
            "x.jsonl",
            '{"image": "BASE/../../evil.png", "caption": "x"}',
            "the image lies outside of the folder",
        ),
        (
            "x.jsonl",
            '{"image": "https://a.org/2.png", "caption": "x"}',
            "the image is a web address",
        ),
        (
            "x.jsonl",
            '{"image": "a\\u0000.png", "caption": "x"}',
            "the image lies outside of the folder",
        ),
    ],
)
def test_a_bad_row_is_refused_with_line_and_reason_and_the_others_stay(
    pictures, name, line, reason
):
    line = line if isinstance(line, bytes) else line.replace("BASE", pictures.as_posix()).encode()
    (pictures / name).write_bytes(
        GOOD.encode() + b"\n\n" + line + b"\n" + GOOD.replace("1.png", "sub/3.png").encode()
    )
    rows, lost, _ = described(pictures, "jsonl")
    assert captions(rows) == {"1.png": "A castle", "sub/3.png": "A castle"}
    loss = {"path": name, "reason": reason, "file": name, "line": 3}
    # a row that names a picture which is not to be had
    is_picture_lost = reason.endswith(("outside of the folder", "a web address"))
    assert lost == [loss if is_picture_lost else {**loss, "loses": "caption"}]
    assert rejections.describe_rejection(lost[0]) == f"{name}, line 3: {reason}"


@pytest.mark.parametrize(
    "format_name, rows, reason",
    [
        (
            "llava",
            [{"image": "1.png", "conversations": "x"}, {"image": "1.png", "conversations": [1]}],
            "conversations is no list of turns",
        ),
        ("qwen", [{"images": ["1.png"], "messages": {}}], "messages is no list of turns"),
        ("qwen", [{"messages": [{"role": "user", "content": [7]}]}], "no image is named"),
        ("instruct", [{"instruction": "x", "output": "y"}], "no image is named"),
        (
            "instruct",
            [{"image_path": "1.png", "instruction": "x", "output": [1]}],
            "the caption is no text",
        ),
        (
            "llava",
            [{"image": "1.png", "conversations": [{"from": "gpt", "value": 7}]}],
            "the caption is no text",
        ),
    ],
)
def test_bad_rows_of_conversations(pictures, format_name, rows, reason):
    (pictures / "x.json").write_text(json.dumps(rows))
    found, lost, _ = described(pictures, format_name)
    assert not found
    assert {row["reason"] for row in lost} == {reason}
    assert len(lost) == len(rows)


def test_bad_rows_of_csv(pictures):
    (pictures / "x.csv").write_bytes(
        b'image,caption\n1.png,A castle, on a hill\n2.png,"A ship\nat sea"\n'
        b",nothing\nsub/3.png\n1.png,\xff\n"
    )
    rows, lost, _ = described(pictures)
    assert captions(rows) == {
        "1.png": "A castle, on a hill",
        "2.png": "A ship\nat sea",
        "sub/3.png": "",
    }
    assert [(row["line"], row["reason"]) for row in lost] == [
        (5, "no image is named"),
        (7, "text that is no UTF-8"),
    ]


def test_missing_captions_are_welcome(pictures):
    for format_name, row in (
        ("jsonl", {"image": "1.png"}),
        ("llava", {"image": "1.png", "conversations": []}),
        ("qwen", {"images": ["1.png"], "messages": []}),
        ("instruct", {"image_path": "1.png", "instruction": "x", "output": ""}),
        ("jsonl", {"image": "1.png", "caption": None}),
    ):
        (pictures / "x.json").write_text(json.dumps([row]))
        rows, lost, _ = described(pictures, format_name)
        assert captions(rows) == {"1.png": ""}
        assert not lost


def test_a_list_that_is_cut_off_keeps_what_stands_before_the_cut(pictures):
    text = writers.template("llava")
    for end in range(len(text)):
        (pictures / "x.json").write_text(text[:end])
        rows, lost, _ = described(pictures)
        whole = [
            row
            for row in writers.EXAMPLE
            if text.index(f'"style": "{row["style"]}"}}') + len(f'"style": "{row["style"]}"}}')
            <= end
        ]
        assert captions(rows) == {row["image"]: row["caption"] for row in whole}
        assert bool(lost) == ("\n]" not in text[:end])


# In preparation


def test_a_file_of_captions_is_a_source_whose_pictures_lie_beside_it(pictures, tmp_path, capsys):
    text = (
        GOOD
        + "\n"
        + '{"image": "sub/3.png", "caption": "A ship"}\n{"image": "x.png", "caption": "Nothing"}\n'
        + json.dumps({"image": str(pictures / "sub" / ".." / "2.png"), "caption": "A tree"})
        + "\n"
    )
    (pictures / "some.jsonl").write_text(text)
    (tmp_path / "evil.png").write_bytes((pictures / "1.png").read_bytes())
    picture(9).save(pictures / "unnamed.png")
    _, rows, report = run_main(pictures / "some.jsonl", tmp_path)
    assert {row["original"]: row["caption"] for row in rows} == {
        "1.png": "A castle",
        "sub/3.png": "A ship",
        "2.png": "A tree",
    }
    assert report["rejected_files"] == [
        {"path": "x.png", "reason": "image not found", "file": "some.jsonl", "line": 3}
    ]
    assert report["found"] == 4
    assert report["formats"] == [
        {"file": "some.jsonl", "format": "jsonl", "confidence": 1.0, "rows": 4}
    ]
    assert report["source"].endswith("some.jsonl")
    shown = capsys.readouterr().out
    assert "some.jsonl, line 3: image not found: x.png" in shown
    assert "some.jsonl: jsonl (confidence 1.00), 4 rows" in shown


def test_several_files_of_captions_and_their_styles(pictures, tmp_path):
    (pictures / "a.json").write_text(
        '[{"image": "1.png", "caption": "A castle", "style": "Engravings"}]'
    )
    (pictures / "b.csv").write_text("filepath,title\n2.png,A ship\n1.png,Another\n")
    _, rows, report = run_main(f"{pictures / 'a.json'},{pictures / 'b.csv'}", tmp_path, style="all")
    assert {row["original"]: (row["caption"], row["style"]) for row in rows} == {
        "1.png": ("A castle", "engraving"),
        "2.png": ("A ship", "all"),
    }
    assert report["duplicates"] == 1


@pytest.mark.parametrize(
    "name, text",
    [("x.json", '{"name": "x"}'), ("x.json", ""), ("x.csv", "a,b\n1,2\n"), ("x.jsonl", "\n")],
)
def test_a_file_of_no_known_format_is_named_with_an_example_to_look_at(
    pictures, tmp_path, name, text
):
    (pictures / name).write_text(text)
    with pytest.raises(
        UserError, match=f"{name} is of no known format.*--template llava"
    ) as caught:
        run_main(pictures / name, tmp_path)
    assert caught.value.code == 2


def test_tiff_counts_by_content_and_with_its_first_frame(tmp_path):
    (tmp_path / "set").mkdir()
    picture(1).save(
        tmp_path / "set" / "really tiff.jpg",
        format="TIFF",
        save_all=True,
        append_images=[picture(2), picture(3)],
    )
    picture(1).save(tmp_path / "first.png")
    _, rows, _ = run_main(tmp_path / "set", tmp_path)
    with open(tmp_path / "first.png", "rb") as file:
        expected = prepare_picture(file, SIZE, 8).image
    assert (Path(tmp_path / "data/processed/engraving/resized") / rows[0]["filename"]).exists()
    assert len(rows) == 1
    with open(tmp_path / "set" / "really tiff.jpg", "rb") as file:
        assert prepare_picture(file, SIZE, 8).image.tobytes() == expected.tobytes()


# Out, and in again


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_template_is_a_valid_example(tmp_path, format_name, capsys, monkeypatch):
    need(format_name)
    assert dataset_preparation.main(PrepareConfig(template=format_name)) is None
    text = capsys.readouterr().out
    for row in writers.EXAMPLE:
        picture(int(row["image"][0])).save(tmp_path / row["image"])
    if format_name in writers.WRITERS:
        (tmp_path / writers.WRITERS[format_name][0]).write_text(text, "utf-8", newline="")
    elif format_name == "parquet":
        monkeypatch.chdir(tmp_path)
        exec(text, {})
    else:
        for line in text.splitlines():
            if ": " in line:
                name, _, content = line.partition(": ")
                (tmp_path / name).write_text(content, "utf-8")
    kept = {}
    names = [
        path.name
        for path in tmp_path.iterdir()
        if path.suffix != ".parquet" or format_name == "parquet"
    ]
    found = annotations.describe(names, tmp_path.joinpath, keep=kept.__setitem__)
    rows, lost, seen = found.rows, found.lost, found.formats
    assert not lost
    assert seen[0]["format"] == ("sidecar" if format_name == "webdataset" else format_name)
    assert seen[0]["confidence"] == 1
    assert [row["caption"] for row in rows.values()] == [row["caption"] for row in writers.EXAMPLE]
    assert format_name == "sidecar" or [row["style"] for row in rows.values()] == [
        row["style"] for row in writers.EXAMPLE
    ]


def hostile_rows(tmp_path):
    rows = []
    for number, caption in enumerate(HOSTILE):
        picture(number).save(tmp_path / f"{number}.png")
        rows.append(
            {
                "image": f"images/{number:03}.png",
                "path": tmp_path / f"{number}.png",
                "caption": caption,
                "style": "engraving",
            }
        )
    return rows


@pytest.mark.parametrize("format_name", FORMATS)
def test_hostile_captions_come_back_letter_by_letter(tmp_path, format_name):
    need(format_name)
    rows = hostile_rows(tmp_path)
    out = tmp_path / ("set.tar" if format_name == "webdataset" else "set.zip")
    writers.write_export(format_name, rows, out)

    partial = tmp_path / "partial"
    (partial / "notes").mkdir(parents=True)
    found = unpacking.unpack_into(
        out, partial, partial / "notes", format_name="auto", beside={}, limits=DEFAULT_LIMITS
    )
    assert not found.lost

    def blank(text):
        return text if text.strip() else ""

    assert [
        row.get("caption", "") for row in sorted(found.rows, key=lambda row: row["file_name"])
    ] == [blank(caption) for caption in HOSTILE]
    assert format_name == "sidecar" or {row["style"] for row in found.rows} == {"engraving"}
    first = out.read_bytes()
    writers.write_export(format_name, rows, out)
    assert out.read_bytes() == first, "equal rows, equal bytes"


def test_no_cell_of_a_csv_is_a_formula(tmp_path):
    cells = list(
        csv.reader(
            io.StringIO(writers.clip_text(hostile_rows(tmp_path)), newline=""), delimiter="\t"
        )
    )
    assert not [
        cell for row in cells for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    ]


@pytest.fixture
def collection(tmp_path):
    """Prepared and captioned: five pictures of two styles, one without a caption."""
    folder = tmp_path / "prints"
    (folder / "drawings").mkdir(parents=True)
    rows = []
    for number in range(5):
        name = f"{'drawings/' if number > 2 else ''}{number}.png"
        picture(number).save(folder / name)
        rows.append(
            {"file_name": name, "style": "drawings" if number > 2 else "engraving"}
            | ({"caption": f'a castle, "no. {number}" <b> =x'} if number else {})
        )
    (folder / "metadata.jsonl").write_text(writers.json_lines(rows))
    collection, _, _ = run_main(folder, tmp_path, style="all", smallest=16)
    caption_generation.main(
        CaptionConfig(style="all", captioner="existing", data=str(tmp_path / "data"))
    )
    return collection


@pytest.mark.parametrize("format_name", FORMATS)
def test_export_and_preparing_again_keep_captions_styles_and_pixels(
    collection, tmp_path, format_name, capsys
):
    need(format_name)
    out = tmp_path / "out" / ("set.tar" if format_name == "webdataset" else "set.zip")
    (config,) = parse_configs(
        PrepareConfig,
        description="x",
        argv=[
            "--export",
            format_name,
            "--out",
            str(out),
            "--style",
            "all",
            "--data",
            str(tmp_path / "data"),
        ],
    )
    assert not dataset_preparation.main(config)
    assert "5 pictures" in capsys.readouterr().out
    assert os.listdir(out.parent) == [out.name]
    again, rows, report = run_main(out, tmp_path / "again", style="all", smallest=16)
    assert report["rejected"] == report["duplicates"] == 0
    assert report["formats"][0]["format"] == (
        "sidecar" if format_name == "webdataset" else format_name
    )

    def fields(collection, row):
        return (
            row["caption"],
            row["style"] if format_name != "sidecar" else "",
            (collection.resized / row["filename"]).read_bytes(),
        )

    assert sorted(fields(again, row) for row in rows) == sorted(
        fields(collection, row) for row in collection.read_metadata()
    )
    assert sum(not row["caption"] for row in rows) == 1
    with pytest.raises(UserError, match="--out set"):
        writers.write_export(format_name, [], tmp_path / "set.rar")


@pytest.mark.parametrize("format_name", ["imagefolder", "jsonl", "parquet"])
def test_exports_load_with_the_datasets_library(collection, tmp_path, format_name, monkeypatch):
    datasets = pytest.importorskip("datasets")
    rows = collection.read_metadata()
    dataset_preparation.main(
        PrepareConfig(
            export=format_name,
            out=str(tmp_path / "set.zip"),
            style="all",
            data=str(tmp_path / "data"),
        )
    )
    with zipfile.ZipFile(tmp_path / "set.zip") as file:
        for name in file.namelist():
            (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name).write_bytes(file.read(name))
    # relative pictures of jsonl are looked for here
    monkeypatch.chdir(tmp_path / "set")
    cache = str(tmp_path / "cache")
    if format_name == "imagefolder":
        loaded = datasets.load_dataset(
            "imagefolder", data_dir=str(tmp_path / "set"), split="train", cache_dir=cache
        )
    elif format_name == "jsonl":
        loaded = datasets.load_dataset(
            "json", data_files="captions.jsonl", split="train", cache_dir=cache
        ).cast_column("image", datasets.Image())
    else:
        loaded = datasets.load_dataset(
            "parquet", data_files="pictures.parquet", split="train", cache_dir=cache
        )
    text = "caption" if format_name == "jsonl" else "text"
    assert sorted((row[text] or "", row["style"], row["image"].size) for row in loaded) == sorted(
        (row["caption"], row["style"], (SIZE, SIZE)) for row in rows
    )


# Parquet


def write_parquet(path, table):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(table), path)
    return path


def test_parquet_with_paths_and_with_bytes(pictures, tmp_path):
    pytest.importorskip("pyarrow")
    paths = write_parquet(
        pictures / "paths.parquet",
        {"image": ["1.png", "2.png", None, "gone.png"], "caption": ["A castle", None, "x", "y"]},
    )
    _, rows, report = run_main(paths, tmp_path)
    assert {row["original"]: row["caption"] for row in rows} == {"1.png": "A castle", "2.png": ""}
    assert [(row["line"], row["reason"]) for row in report["rejected_files"]] == [
        (4, "image not found"),
        (3, "no image is named"),
    ]
    data = (pictures / "1.png").read_bytes()
    inside = write_parquet(
        tmp_path / "inside.parquet",
        {
            "image": [
                {"bytes": data, "path": "1.png"},
                {"bytes": b"", "path": ""},
                {"bytes": b"no picture", "path": "x"},
            ],
            "text": ["A castle", "b", "c"],
            "style": ["engraving"] * 3,
        },
    )
    _collection, rows, report = run_main(inside, tmp_path)
    assert [(row["caption"], row["sha256"]) for row in rows] == [
        ("A castle", hashlib.sha256(data).hexdigest())
    ]
    assert [row["reason"].split(" (")[0] for row in report["rejected_files"]] == [
        "no image is named",
        "unreadable",
    ] or report["rejected"] == 2


@pytest.mark.parametrize("column", ["image_bytes", "img_data", "pixel_values"])
@pytest.mark.parametrize("is_object", [False, True])
def test_the_only_column_of_pictures_may_have_any_name(pictures, tmp_path, column, is_object):
    """With the pictures inside, the file was "of no known format"."""
    pytest.importorskip("pyarrow")
    data = [(pictures / name).read_bytes() for name in ("1.png", "2.png")]
    held = [{"bytes": image, "path": None} for image in data] if is_object else data
    inside = write_parquet(
        tmp_path / "inside.parquet", {"id": [7, 8], column: held, "text": ["A castle", "A ship"]}
    )
    _, rows, report = run_main(inside, tmp_path)
    assert {row["sha256"]: row["caption"] for row in rows} == {
        hashlib.sha256(image).hexdigest(): text for image, text in zip(data, ("A castle", "A ship"))
    }
    assert (report["found"], report["rejected"]) == (2, 0)


def test_bytes_that_are_no_pictures_make_no_archive_of_a_table(pictures, tmp_path):
    pytest.importorskip("pyarrow")
    table = {"path": ["1.png", "2.png"], "phash": [b"1", b"2"], "text": ["A castle", "A ship"]}
    hashed = write_parquet(pictures / "hashed.parquet", table)
    assert not is_archive(hashed)
    _, rows, _ = run_main(hashed, tmp_path)
    assert {row["original"]: row["caption"] for row in rows} == {
        "1.png": "A castle",
        "2.png": "A ship",
    }


def test_a_damaged_parquet_file_is_one_sentence(pictures, tmp_path):
    pytest.importorskip("pyarrow")
    whole = write_parquet(
        pictures / "x.parquet", {"image": ["1.png"] * 99, "caption": ["A castle"] * 99}
    ).read_bytes()
    for end in (0, 10, len(whole) // 2, len(whole) - 1):
        (pictures / "x.parquet").write_bytes(whole[:end])
        with pytest.raises(UserError, match="x.parquet is no Parquet"):
            run_main(pictures / "x.parquet", tmp_path)
        rows, lost, _ = described(pictures)
        assert (not rows and not lost) or lost[0]["reason"].startswith("no Parquet")


def test_without_pyarrow_the_command_that_brings_it_is_named(pictures, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (pictures / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="pip install pyarrow"):
        run_main(pictures / "x.parquet", tmp_path)
    _, rows, report = run_main(pictures, tmp_path)
    assert len(rows) == 3
    assert "pip install pyarrow" in report["rejected_files"][0]["reason"], (
        "beside pictures it costs nothing but itself"
    )


# Flags


def test_flags_of_export_and_the_names_of_formats(tmp_path, capsys):
    assert set(FORMATS) == set(formats.FORMAT_NAMES)
    for wrong in (
        dict(export="llava"),
        dict(out="x.zip"),
        dict(format="cocoo"),
        dict(template="x"),
        dict(format="llava"),
    ):
        with pytest.raises(ValueError, match="--out|formats are|--source PATH"):
            PrepareConfig(**wrong)
    with pytest.raises(UserError, match="prepare the pictures first"):
        dataset_preparation.main(
            PrepareConfig(export="llava", out=str(tmp_path / "set.zip"), data=str(tmp_path))
        )
    assert PrepareConfig(style="builtin", export="llava", out="x.zip").style == "builtin"


def test_the_builtin_collection_comes_back_as_engravings(builtin_data, tmp_path):
    """As style builtin it could be exported but never prepared again."""
    dataset_preparation.main(
        PrepareConfig(
            style="builtin", export="llava", out=str(tmp_path / "set.zip"), data=str(builtin_data)
        )
    )
    _, rows, _ = run_main(tmp_path / "set.zip", tmp_path, smallest=16)
    assert sorted(row["caption"] for row in rows) == sorted(
        row["caption"] for row in Collection("builtin", builtin_data).read_metadata()
    )


def test_an_export_of_pictures_that_are_gone_leaves_no_file(collection, tmp_path):
    next(collection.resized.iterdir()).unlink()
    with pytest.raises(UserError, match="is missing; prepare"):
        dataset_preparation.main(
            PrepareConfig(
                export="jsonl",
                out=str(tmp_path / "out" / "set.zip"),
                style="all",
                data=str(tmp_path / "data"),
            )
        )
    assert not (tmp_path / "out").exists()
