"""A collection written in the formats of other tools."""

import csv
import io
import json
import posixpath
import re
import tempfile
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.dataset.containers import parquet_writer, pyarrow_parquet, tar_writer, zip_writer
from oneseed.files import suffix_of, whole_file

WRITTEN_QUESTION = "Describe this picture in one sentence."
EXAMPLE = [
    {"image": "1.png", "caption": "An engraving of a castle on a hill", "style": "engraving"},
    {
        "image": "2.png",
        "caption": 'A drawing of two ships, "Aurora" and another',
        "style": "drawings",
    },
]


def json_lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def json_list(rows):
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def with_style(row, values):
    return values | ({"style": row["style"]} if row.get("style") else {})


def clip_text(rows):
    """Every cell quoted; one that a spreadsheet would compute is led by an apostrophe, which csv_rows takes off again."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["filepath", "title", "style"])
    for row in rows:
        writer.writerow(
            [
                re.sub(r"^(?='*[=+\-@\t\r])", "'", cell)
                for cell in (row["image"], row["caption"], row.get("style", ""))
            ]
        )
    return file.getvalue()


def llava_values(row):
    return {
        "id": posixpath.splitext(posixpath.basename(row["image"]))[0],
        "image": row["image"],
        "conversations": [
            {"from": "human", "value": f"<image>\n{WRITTEN_QUESTION}"},
            {"from": "gpt", "value": row["caption"]},
        ],
    }


def qwen_values(row):
    return {
        "images": [row["image"]],
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image"}, {"type": "text", "text": WRITTEN_QUESTION}],
            },
            {"role": "assistant", "content": [{"type": "text", "text": row["caption"]}]},
        ],
    }


def instruct_values(row):
    return {"image_path": row["image"], "instruction": WRITTEN_QUESTION, "output": row["caption"]}


WRITERS = {
    "imagefolder": (
        "metadata.jsonl",
        lambda rows: json_lines(
            with_style(row, {"file_name": row["image"], "text": row["caption"]}) for row in rows
        ),
    ),
    "jsonl": (
        "captions.jsonl",
        lambda rows: json_lines(
            with_style(row, {"image": row["image"], "caption": row["caption"]}) for row in rows
        ),
    ),
    "clip": ("captions.tsv", clip_text),
    "llava": (
        "llava.json",
        lambda rows: json_list(with_style(row, llava_values(row)) for row in rows),
    ),
    "qwen": (
        "messages.jsonl",
        lambda rows: json_lines(with_style(row, qwen_values(row)) for row in rows),
    ),
    "instruct": (
        "instruct.json",
        lambda rows: json_list(with_style(row, instruct_values(row)) for row in rows),
    ),
}


def beside_values(format, row):
    """{suffix: bytes} of what lies beside a picture."""
    found = {".txt": row["caption"].encode()} if row["caption"] else {}
    if format == "webdataset":
        found[".json"] = json.dumps(
            with_style(row, {"caption": row["caption"]}), ensure_ascii=False
        ).encode()
    return found


def template(format):
    """A valid example of the format, as text: the annotation file, or for sidecars and Parquet what makes it."""
    if format in WRITERS:
        return WRITERS[format][1](EXAMPLE)
    if format == "parquet":
        rows = ",\n    ".join(
            f"{{'image': {{'bytes': open({row['image']!r}, 'rb').read(), 'path': {row['image']!r}}}, 'text': {row['caption']!r}, "
            f"'style': {row['style']!r}}}"
            for row in EXAMPLE
        )
        return (
            "import pyarrow\nimport pyarrow.parquet\n\n"
            f"rows = [\n    {rows}]\npyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), 'pictures.parquet')\n"
        )
    return "".join(
        f"{row['image']}\n"
        + "".join(
            f"{row['image'][:-4]}{suffix}: {value.decode()}\n"
            for suffix, value in beside_values(format, row).items()
        )
        for row in EXAMPLE
    )


def write_parquet(path, rows):
    """rows: with "path", the picture's file."""
    with parquet_writer(path, {"style": "string"}) as add:
        for row in rows:
            add(
                [
                    {
                        "image": {"bytes": Path(row["path"]).read_bytes(), "path": row["image"]},
                        "text": row["caption"],
                        "style": row.get("style"),
                    }
                ]
            )


def write_export(format, rows, out):
    """Rows with image (the name inside), path (the picture's file), caption and style -> `out`, a .zip, of webdataset a .tar; equal rows give
    equal bytes. UserError for another suffix, without pyarrow, or where a picture is gone."""
    wanted = ".tar" if format == "webdataset" else ".zip"
    if suffix_of(out) != wanted:
        raise UserError(
            f"--export {format} writes a {wanted} file, not {out}: python dataset_preparation.py --export {format} --out set{wanted}"
        )
    gone = next((row["path"] for row in rows if not Path(row["path"]).exists()), None)
    if gone:
        raise UserError(
            f"{gone} is missing; prepare the pictures again: python dataset_preparation.py --source PATH"
        )
    if format == "parquet":
        pyarrow_parquet()
    with (
        whole_file(out) as partial,
        (tar_writer if wanted == ".tar" else zip_writer)(partial) as add,
    ):
        if format == "parquet":
            with tempfile.TemporaryDirectory(dir=partial.parent) as folder:
                inside = Path(folder, "pictures.parquet")
                write_parquet(inside, rows)
                add(inside.name, inside)
        for row in rows if format != "parquet" else ():
            add(row["image"], Path(row["path"]))
            for suffix, value in (
                beside_values(format, row).items() if format in ("sidecar", "webdataset") else ()
            ):
                add(posixpath.splitext(row["image"])[0] + suffix, value)
        if format in WRITERS:
            name, text = WRITERS[format]
            add(name, text(rows).encode())
