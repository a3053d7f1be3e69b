"""A collection written in the formats of other tools.

A row to write has image (its name inside), caption ("" for none), perhaps style and what travels
with a caption (see code_texts.TRAVELLING_KEYS), and path (the picture's file) where pictures are
written too. Captions are written letter by letter.
"""

import csv
import io
import posixpath
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from oneseed.console.command import UserError
from oneseed.dataset.code_texts import (
    CODE_QUESTION,
    IMAGE_PLACE,
    TRAVELLING_KEYS,
    is_code,
    travelling,
)
from oneseed.dataset.commands import prepare_command, script_command
from oneseed.dataset.containers import (
    AddFile,
    parquet_writer,
    pyarrow_parquet,
    tar_writer,
    zip_writer,
)
from oneseed.dataset.jsonl import Row, to_json
from oneseed.dataset.messages import question_parts, text_part
from oneseed.files import scratch_file, suffix_of, whole_file

# what a conversation asks where nothing was asked
WRITTEN_QUESTION = "Describe this picture in one sentence."
# what a conversation says itself, of what travels with a caption
DIALOGUE_KEYS = ("question", "marked_question", "system", "turns")
# the one file within an export of Parquet
PARQUET_NAME = "pictures.parquet"
# begin of a cell that a spreadsheet would compute
FORMULA = re.compile(r"^(?='*[=+\-@\t\r])")
EXAMPLE: list[Row] = [
    {"image": "1.png", "caption": "An engraving of a castle on a hill", "style": "engraving"},
    {
        "image": "2.png",
        "caption": 'A drawing of two ships, "Aurora" and another',
        "style": "drawings",
    },
]


def json_lines(rows: Iterable[Row]) -> str:
    """The text of a JSON Lines file."""
    return "".join(to_json(row) + "\n" for row in rows)


def json_list(rows: Iterable[Row]) -> str:
    """The text of a JSON list with a row a line."""
    return "[\n" + ",\n".join(map(to_json, rows)) + "\n]\n"


def with_labels(row: Row, values: Row, *, is_dialogue: bool = False) -> Row:
    """The values, and what else the row says: its style, and what travels with its caption.

    is_dialogue: the values hold all that was said already.
    """
    labels = {"style": row["style"]} if row.get("style") else {}
    labels |= travelling(row)
    if is_dialogue:
        labels = {key: value for key, value in labels.items() if key not in DIALOGUE_KEYS}
    return values | labels


def cell_of(row: Row, key: str) -> str:
    """What a row says under a key, as a cell of a table holds it: a list as its JSON."""
    value = row.get(key) or ""
    return value if isinstance(value, str) else to_json(value)


def filled_keys(rows: list[Row]) -> list[str]:
    """Those of TRAVELLING_KEYS that a row has, for tables whose rows have the same columns."""
    filled = set().union(*map(travelling, rows))
    return [key for key in TRAVELLING_KEYS if key in filled]


def asked(row: Row) -> str:
    """What a conversation about the row asks."""
    return row.get("question") or (CODE_QUESTION if is_code(row) else WRITTEN_QUESTION)


def exchanges_of(row: Row) -> list[tuple[str, str]]:
    """Questions and answers of a row, in their order; the pictures' places are IMAGE_PLACE."""
    asking = row.get("marked_question") or f"{IMAGE_PLACE}\n{asked(row)}"
    exchanges = [(asking, row["caption"])]
    asking = ""
    for turn in row.get("turns") or ():
        if turn["role"] == "user":
            asking = turn["content"]
        else:
            exchanges.append((asking, turn["content"]))
            asking = ""
    return exchanges


def imagefolder_text(rows: list[Row]) -> str:
    """metadata.jsonl of the library `datasets`."""
    return json_lines(
        with_labels(row, {"file_name": row["image"], "text": row["caption"]}) for row in rows
    )


def jsonl_text(rows: list[Row]) -> str:
    """Plain lines of image and caption."""
    return json_lines(
        with_labels(row, {"image": row["image"], "caption": row["caption"]}) for row in rows
    )


def clip_text(rows: list[Row]) -> str:
    """A table as OpenCLIP reads it, every cell quoted, so that it may hold line ends.

    Further columns are those of which a row has something; turns are JSON. A cell that a
    spreadsheet would compute gets an apostrophe before it, which delimited_rows of
    oneseed/sources/delimited.py takes off again.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
    further = filled_keys(rows)
    writer.writerow(["filepath", "title", "style", *further])
    for row in rows:
        labels = [cell_of(row, key) for key in ("style", *further)]
        cells = (row["image"], row["caption"], *labels)
        writer.writerow([FORMULA.sub("'", cell) for cell in cells])
    return file.getvalue()


def llava_text(rows: list[Row]) -> str:
    """Conversations of questions and their answers, as LLaVA is trained on."""
    return json_list(with_labels(row, llava_values(row), is_dialogue=True) for row in rows)


def llava_values(row: Row) -> Row:
    """A row of `llava_text`."""
    turns = [{"from": "system", "value": row["system"]}] if row.get("system") else []
    for question, answer in exchanges_of(row):
        turns += [{"from": "human", "value": question}] if question else []
        turns.append({"from": "gpt", "value": answer})
    return {
        "id": posixpath.splitext(posixpath.basename(row["image"]))[0],
        "image": row["image"],
        "conversations": turns,
    }


def qwen_text(rows: list[Row]) -> str:
    """Messages whose content is a list of parts, as Qwen-VL is trained on."""
    return json_lines(with_labels(row, qwen_values(row), is_dialogue=True) for row in rows)


def qwen_values(row: Row) -> Row:
    """A row of `qwen_text`."""
    messages = []
    if row.get("system"):
        messages.append({"role": "system", "content": [text_part(row["system"])]})
    for question, answer in exchanges_of(row):
        if question:
            messages.append({"role": "user", "content": question_parts(question)})
        messages.append({"role": "assistant", "content": [text_part(answer)]})
    return {"images": [row["image"]], "messages": messages}


def instruct_text(rows: list[Row]) -> str:
    """Instructions and outputs."""
    return json_list(with_labels(row, instruct_values(row), is_dialogue=True) for row in rows)


def instruct_values(row: Row) -> Row:
    """A row of `instruct_text`. Of several questions the last is the instruction, as in Alpaca."""
    *earlier, (question, answer) = exchanges_of(row)
    if not earlier and not row.get("marked_question"):
        question = asked(row)
    values = {"image_path": row["image"], "instruction": question, "output": answer}
    if row.get("system"):
        values["system"] = row["system"]
    if earlier:
        values["history"] = [list(exchange) for exchange in earlier]
    return values


class AnnotationFile(NamedTuple):
    """The one file of captions that a format has."""

    name: str
    text: Callable[[list[Row]], str]


WRITERS = {
    "imagefolder": AnnotationFile("metadata.jsonl", imagefolder_text),
    "jsonl": AnnotationFile("captions.jsonl", jsonl_text),
    "clip": AnnotationFile("captions.tsv", clip_text),
    "llava": AnnotationFile("llava.json", llava_text),
    "qwen": AnnotationFile("messages.jsonl", qwen_text),
    "instruct": AnnotationFile("instruct.json", instruct_text),
}
# formats that write a file of captions beside each picture
SIDECAR_FORMATS = ("sidecar", "webdataset")
# formats that cannot say what travels with a caption
CAPTION_ONLY_FORMATS = ("sidecar",)
# formats whose pictures lie beside the captions, not in images/
FLAT_FORMATS = ("imagefolder", *SIDECAR_FORMATS)


def sidecar_files(format_name: str, row: Row) -> dict[str, bytes]:
    """What lies beside a picture in one of SIDECAR_FORMATS, {suffix: content}.

    The last line of a text file has an end of its own, which is no part of the caption.
    """
    text = row["caption"]
    if is_code(row) or text.endswith("\n"):
        text += "\n"
    found = {".txt": text.encode()} if row["caption"] else {}
    if format_name == "webdataset":
        found[".json"] = to_json(with_labels(row, {"caption": row["caption"]})).encode()
    return found


def template(format_name: str) -> str:
    """A valid example of the format, as text.

    The annotation file itself; of Parquet the program that makes it, of sidecars the files' names
    and contents.
    """
    if format_name in WRITERS:
        return WRITERS[format_name].text(EXAMPLE)
    if format_name == "parquet":
        return parquet_template()
    text = ""
    for row in EXAMPLE:
        text += f"{row['image']}\n"
        stem = posixpath.splitext(row["image"])[0]
        for suffix, content in sidecar_files(format_name, row).items():
            text += f"{stem}{suffix}: {content.decode()}\n"
    return text


def parquet_template() -> str:
    """A program that writes the example as Parquet."""
    rows = []
    for row in EXAMPLE:
        name = repr(row["image"])
        image = f"{{'bytes': open({name}, 'rb').read(), 'path': {name}}}"
        rows.append(f"{{'image': {image}, 'text': {row['caption']!r}, 'style': {row['style']!r}}}")
    listed = ",\n    ".join(rows)
    table = "pyarrow.Table.from_pylist(rows)"
    return (
        "import pyarrow\nimport pyarrow.parquet\n\n"
        f"rows = [\n    {listed}]\n"
        f"pyarrow.parquet.write_table({table}, {PARQUET_NAME!r})\n"
    )


def write_parquet(path: Path, rows: list[Row]) -> None:
    """Writes the rows with the bytes of their pictures."""
    further = filled_keys(rows)
    with parquet_writer(path, dict.fromkeys(["style", *further], "string")) as add:
        for row in rows:
            image = {"bytes": Path(row["path"]).read_bytes(), "path": row["image"]}
            labels = {key: cell_of(row, key) or None for key in ("style", *further)}
            add([{"image": image, "text": row["caption"], **labels}])


def write_export(format_name: str, rows: list[Row], out: Path) -> None:
    """Writes pictures and captions into one file, a .zip, of webdataset a .tar.

    Equal rows give equal bytes. UserError for another suffix, without pyarrow where it is needed,
    or where a picture is gone.
    """
    is_tar = format_name == "webdataset"
    wanted = ".tar" if is_tar else ".zip"
    if suffix_of(out) != wanted:
        options = f"--export {format_name} --out set{wanted}"
        raise UserError(
            f"--export {format_name} writes a {wanted} file, not {out}: "
            f"{script_command('dataset_preparation.py', options)}"
        )
    gone = next((row["path"] for row in rows if not Path(row["path"]).exists()), None)
    if gone:
        raise UserError(f"{gone} is missing; prepare the pictures again: {prepare_command()}")
    if format_name == "parquet":
        # Says what to install before anything is written.
        pyarrow_parquet()
    writer = tar_writer if is_tar else zip_writer
    with whole_file(out) as partial, writer(partial) as add:
        if format_name == "parquet":
            add_parquet(add, rows, partial.parent)
        else:
            add_pictures(add, format_name, rows)


def add_parquet(add: AddFile, rows: list[Row], folder: Path) -> None:
    """Adds one Parquet file of everything. folder: for a temporary copy."""
    with scratch_file(folder / PARQUET_NAME) as path:
        write_parquet(path, rows)
        add(PARQUET_NAME, path)


def add_pictures(add: AddFile, format_name: str, rows: list[Row]) -> None:
    """Adds the pictures with what lies beside them, then the annotation file."""
    for row in rows:
        add(row["image"], Path(row["path"]))
        if format_name in SIDECAR_FORMATS:
            stem = posixpath.splitext(row["image"])[0]
            for suffix, content in sidecar_files(format_name, row).items():
                add(stem + suffix, content)
    if format_name in WRITERS:
        annotation = WRITERS[format_name]
        add(annotation.name, annotation.text(rows).encode())
