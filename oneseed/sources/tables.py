"""Annotation files, row by row: (line, row), or (line, reason) where there is none."""

import csv
import io
import json
import re

from oneseed.console.command import UserError
from oneseed.dataset.containers import pyarrow_parquet
from oneseed.files import suffix_of

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
TABLES = {".jsonl", ".json", ".csv", ".tsv", ".parquet"}
IMAGE = ("file_name", "filename", "image", "image_path", "filepath", "file_path", "img")
CAPTION = ("caption", "text", "title")
# read from Parquet
READ_COLUMNS = {
    *IMAGE,
    *CAPTION,
    "style",
    "images",
    "messages",
    "conversations",
    "instruction",
    "output",
}
# bytes of an annotation file that is no Parquet
MAX_TABLE_BYTES = 2**30


def text_of(data):
    """Bytes that are no UTF-8 become lone surrogates, so that only their own row is refused."""
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def json_rows(data):
    """A list of objects or one object a line. A list is read object by object, so that what stands before a damage is kept."""
    if not data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        # splits at \n alone, and never holds the text as a whole
        for number, line in enumerate(io.BytesIO(data), 1):
            if line.strip():
                try:
                    row = json.loads(text_of(line))
                    yield number, row if isinstance(row, dict) else "no JSON object"
                except (ValueError, RecursionError):
                    yield number, "no JSON"
        return
    text = text_of(data)
    decoder = json.JSONDecoder()
    space = re.compile(r"[\s,]*")
    at = text.index("[") + 1
    line = 1
    line += text.count("\n", 0, at)
    while True:
        start = space.match(text, at).end()
        line += text.count("\n", at, start)
        if text[start : start + 1] == "]":
            return
        try:
            row, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            yield line, "no JSON, or cut off: nothing was read from here on"
            return
        yield line, row if isinstance(row, dict) else "no JSON object"
        line += text.count("\n", start, at)


def csv_rows(data):
    """With a header; separated by tabs where the header holds one, else by commas or semicolons."""
    text = text_of(data)
    header = text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter="\t" if "\t" in header else ";" if ";" in header and "," not in header else ",",
    )
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
        elif cells and len(cells) > len(columns):
            yield line, f"more columns than the {len(columns)} of the header"
        elif cells:
            yield (
                line,
                {
                    column: re.sub(r"^'(?='*[=+\-@\t\r])", "", cell)
                    for column, cell in zip(columns, cells)
                },
            )
        line = reader.line_num + 1


def parquet_rows(path):
    """In batches; other columns are not read."""
    parquet = pyarrow_parquet()
    import pyarrow

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(
                batch_size=16,
                columns=[name for name in file.schema_arrow.names if name in READ_COLUMNS],
            ):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        yield (
            number + 1,
            f"no Parquet, or damaged ({type(error).__name__}): nothing was read from here on",
        )


def read_table(name, path):
    """Rows of the annotation file at `path`, whose name decides how. UserError where it cannot be read at all."""
    suffix = suffix_of(name)
    if suffix == ".parquet":
        return parquet_rows(path)
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise UserError(
                f"{path} is longer than {MAX_TABLE_BYTES:,} bytes; split it and name the parts: python dataset_preparation.py --source A,B"
            )
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); name another: python dataset_preparation.py --source PATH"
        ) from error
    return csv_rows(data) if suffix in (".csv", ".tsv") else json_rows(data)
