"""Annotation files, row by row: (line, row), or (line, why there is none)."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.dataset.commands import prepare_command
from oneseed.dataset.containers import pyarrow_parquet
from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of

# a line, which counts from 1, and the row that a stranger wrote there; a text in place of the row
# is the reason why it cannot be read
NumberedRow = tuple[int, Row | str]

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
TABLE_SUFFIXES = {".jsonl", ".json", ".csv", ".tsv", ".parquet"}
# keys of the picture and of the caption; the first of them that says something counts
IMAGE_KEYS = ("file_name", "filename", "image", "image_path", "filepath", "file_path", "img")
CAPTION_KEYS = ("caption", "text", "title")
# of a Parquet file no other column is read
PARQUET_COLUMNS = {
    *IMAGE_KEYS,
    *CAPTION_KEYS,
    "style",
    "images",
    "messages",
    "conversations",
    "instruction",
    "output",
}
# rows of a Parquet file in memory at once
PARQUET_BATCH = 16
# bytes of an annotation file that is no Parquet
MAX_TABLE_BYTES = 2**30
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# what stands between the objects of a JSON list
SEPARATORS = re.compile(r"[\s,]*")
# the apostrophe that keeps a spreadsheet from computing a cell; writers.clip_text puts it there
FORMULA_GUARD = re.compile(r"^'(?='*[=+\-@\t\r])")


def read_table(name: str, path: Path) -> Iterator[NumberedRow]:
    """Rows of the annotation file at `path`; the suffix of `name` decides how it is read.

    UserError where it cannot be read at all; of a Parquet file it comes with the first row.
    """
    suffix = suffix_of(name)
    if suffix == ".parquet":
        return parquet_rows(path)
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise UserError(
                f"{path} is longer than {MAX_TABLE_BYTES:,} bytes; split it and name the parts: "
                "python dataset_preparation.py --source A,B"
            )
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); name another: {prepare_command()}"
        ) from error
    return csv_rows(data) if suffix in (".csv", ".tsv") else json_rows(data)


def text_of(data: bytes) -> str:
    """UTF-8 as text. Other bytes become lone surrogates, so that only their own row is refused."""
    return data.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")


def json_rows(data: bytes) -> Iterator[NumberedRow]:
    """Rows of a JSON list, or of JSON Lines."""
    if data.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"["):
        return json_list_rows(text_of(data))
    return json_lines_rows(data)


def json_lines_rows(data: bytes) -> Iterator[NumberedRow]:
    """One object a line; blank lines are passed over."""
    # splits at \n alone, and never holds the text as a whole
    for line, content in enumerate(io.BytesIO(data), 1):
        if content.strip():
            try:
                row = json.loads(text_of(content))
            except (ValueError, RecursionError):
                yield line, "no JSON"
            else:
                yield line, row if isinstance(row, dict) else "no JSON object"


def json_list_rows(text: str) -> Iterator[NumberedRow]:
    """A list of objects, read one by one, so that what stands before a damage is kept."""
    decoder = json.JSONDecoder()
    position = text.index("[") + 1
    line = 1 + text.count("\n", 0, position)
    while True:
        between = SEPARATORS.match(text, position)
        assert between, "the pattern matches nothing at all, too"
        start = between.end()
        line += text.count("\n", position, start)
        if text[start : start + 1] == "]":
            return
        try:
            row, position = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            yield line, "no JSON, or cut off: nothing was read from here on"
            return
        yield line, row if isinstance(row, dict) else "no JSON object"
        line += text.count("\n", start, position)


def csv_rows(data: bytes) -> Iterator[NumberedRow]:
    """Rows of a table whose first line names the columns."""
    text = text_of(data)
    delimiter = delimiter_of(text.partition("\n")[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    csv.field_size_limit(MAX_TABLE_BYTES)
    columns = None
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            yield line, "no CSV"
            return
        if cells is None:
            return
        if columns is None:
            columns = [cell.strip() for cell in cells]
        elif len(cells) > len(columns):
            yield line, f"more columns than the {len(columns)} of the header"
        elif cells:
            values = [FORMULA_GUARD.sub("", cell) for cell in cells]
            yield line, dict(zip(columns, values))
        line = reader.line_num + 1


def delimiter_of(header: str) -> str:
    """A tab where the header holds one, else a comma, or the semicolon where there is no comma."""
    if "\t" in header:
        return "\t"
    if ";" in header and "," not in header:
        return ";"
    return ","


def parquet_rows(path: Path) -> Iterator[NumberedRow]:
    """Rows of a Parquet file, in batches. UserError without pyarrow."""
    parquet = pyarrow_parquet()
    import pyarrow

    line = 0
    try:
        with parquet.ParquetFile(path) as file:
            columns = [name for name in file.schema_arrow.names if name in PARQUET_COLUMNS]
            for batch in file.iter_batches(batch_size=PARQUET_BATCH, columns=columns):
                for row in batch.to_pylist():
                    line += 1
                    yield line, row
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        yield (
            line + 1,
            f"no Parquet, or damaged ({type(error).__name__}): nothing was read from here on",
        )
