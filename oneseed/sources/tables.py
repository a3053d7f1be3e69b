"""Annotation files, row by row: (line, row), or (line, why there is none)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oneseed.console.command import UserError
from oneseed.console.input_files import why_no_file
from oneseed.dataset.commands import prepare_command, script_command
from oneseed.dataset.containers import pyarrow_parquet
from oneseed.files import suffix_of
from oneseed.media.kinds import kind_of
from oneseed.sources.columns import IMAGE_KEYS, KNOWN_KEYS, known_key, with_known_keys
from oneseed.sources.delimited import delimited_rows, text_rows
from oneseed.sources.json_tables import NumberedRow, json_rows
from oneseed.sources.rejections import NO_RIGHT
from oneseed.text_files import as_utf8

# columns, row by row in batches; data sets that were saved to a disk are Arrow
COLUMN_SUFFIXES = {".parquet", ".arrow", ".feather"}
JSON_SUFFIXES = {".jsonl", ".json", ".ndjson", ".jsonlines"}
CELL_SUFFIXES = {".csv", ".tsv", ".tab", ".psv"}
TABLE_SUFFIXES = JSON_SUFFIXES | CELL_SUFFIXES | COLUMN_SUFFIXES
# rows of a Parquet or Arrow file in memory at once
PARQUET_BATCH = 16
# where a row has the picture of a column that is named in no known way
HELD_PICTURE_KEY = "picture"
# how an Arrow file with an index begins
ARROW_INDEX_MARK = b"ARROW1"
# bytes of an annotation file that is no Parquet
MAX_TABLE_BYTES = 2**30


def read_table(name: str, path: Path) -> Iterator[NumberedRow]:
    """Rows of the annotation file at `path`, under known keys; the suffix of `name` decides.

    UserError where it cannot be read at all; of a file of columns it comes with the first row.
    """
    suffix = suffix_of(name)
    if suffix in COLUMN_SUFFIXES:
        rows = column_rows(path)
    elif suffix in JSON_SUFFIXES:
        rows = json_rows(read_text_bytes(path))
    elif suffix in CELL_SUFFIXES:
        rows = delimited_rows(read_text_bytes(path))
    else:
        rows = text_rows(read_text_bytes(path))
    return ((line, with_known_keys(row) if isinstance(row, dict) else row) for line, row in rows)


def read_text_bytes(path: Path) -> bytes:
    """A table's text as UTF-8, where lines with other bytes stay as they are.

    UserError where the file cannot be read, is too long, or is UTF-16 that is damaged.
    """
    require_file(path)
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise UserError(
                f"{path} is longer than {MAX_TABLE_BYTES:,} bytes; split it and name the parts: "
                f"{script_command('dataset_preparation.py', '--source A,B')}"
            )
        return as_utf8(path.read_bytes())
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); name another: {prepare_command()}"
        ) from error
    except ValueError as error:
        raise UserError(
            f"{path} {error}; save it as UTF-8 and run the same command again"
        ) from error


def require_file(path: Path) -> None:
    """UserError where a table is no regular file; a pipe would make the run wait for ever."""
    if fault := why_no_file(path):
        raise UserError(f"{path} cannot be read ({fault}); name another: {prepare_command()}")


def column_rows(path: Path) -> Iterator[NumberedRow]:
    """Rows of a Parquet or Arrow file, in batches. UserError without pyarrow."""
    require_file(path)
    pyarrow_parquet()
    import pyarrow

    is_parquet = path.suffix.lower() == ".parquet"
    line = 0
    try:
        for batch in parquet_batches(path) if is_parquet else arrow_batches(path):
            labels = names_of_labels(batch.schema)
            held = column_of_pictures(batch.schema)
            for row in batch.to_pylist():
                line += 1
                picture = row.pop(held) if held else None
                if is_held_picture(picture):
                    row[HELD_PICTURE_KEY] = picture
                yield line, {name: named(value, labels.get(name)) for name, value in row.items()}
    except PermissionError:
        yield line + 1, NO_RIGHT
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        kind = "Parquet" if is_parquet else "Arrow"
        yield (
            line + 1,
            f"no {kind}, or damaged ({type(error).__name__}): nothing was read from here on",
        )


def names_of_labels(schema: Any) -> dict[str, list[str]]:
    """{column: what its numbers mean}, as the library `datasets` notes it in pyarrow's schema."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        return {
            name: feature["names"]
            for name, feature in features.items()
            if feature.get("_type") == "ClassLabel"
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        # no such note, or another form of it
        return {}


def named(value: Any, names: list[str] | None) -> Any:
    """A value of a column; the name that it stands for where it is the number of a label."""
    if names and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return value


def columns_to_read(schema: Any) -> list[str]:
    """Names of the columns that are known, text, or pictures, of pyarrow's schema."""
    import pyarrow

    text = (pyarrow.string(), pyarrow.large_string())
    held = column_of_pictures(schema)
    return [
        field.name
        for field in schema
        if known_key(field.name) in KNOWN_KEYS or field.type in text or field.name == held
    ]


def column_of_pictures(schema: Any) -> str:
    """The column of bytes, of pyarrow's schema, that holds pictures under a name of its own.

    "" where several may, or a column of pictures is named as such.
    """
    holding = [field.name for field in schema if holds_bytes(field.type)]
    unknown = [name for name in holding if known_key(name) not in KNOWN_KEYS]
    keys = {known_key(name) for name in holding}
    keys |= {HELD_PICTURE_KEY}.intersection(known_key(name) for name in schema.names)
    return unknown[0] if len(unknown) == 1 and keys.isdisjoint(IMAGE_KEYS) else ""


def holds_bytes(kind: Any) -> bool:
    """Whether values of one of pyarrow's types are bytes, hold them as "bytes", or list such."""
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind):
        return holds_bytes(kind.value_type)
    if types.is_struct(kind):
        return any(field.name == "bytes" and holds_bytes(field.type) for field in kind)
    return types.is_binary(kind) or types.is_large_binary(kind)


def is_held_picture(value: Any) -> bool:
    """Whether a value of a column is a picture's bytes, or an object that holds them."""
    held = value.get("bytes") if isinstance(value, dict) else value
    return isinstance(held, bytes) and bool(kind_of(held))


def parquet_batches(path: Path) -> Iterator[Any]:
    """The columns that count of a Parquet file, as pyarrow's batches of a few rows."""
    with pyarrow_parquet().ParquetFile(path) as file:
        columns = columns_to_read(file.schema_arrow)
        yield from file.iter_batches(batch_size=PARQUET_BATCH, columns=columns)


def arrow_batches(path: Path) -> Iterator[Any]:
    """The same of an Arrow file, in either of its two forms: a stream, or one with an index."""
    import pyarrow

    with pyarrow.memory_map(str(path)) as file:
        has_index = file.read(len(ARROW_INDEX_MARK)) == ARROW_INDEX_MARK
        file.seek(0)
        if has_index:
            reader = pyarrow.ipc.open_file(file)
            batches = map(reader.get_batch, range(reader.num_record_batches))
        else:
            batches = reader = pyarrow.ipc.open_stream(file)
        columns = columns_to_read(reader.schema)
        for batch in batches:
            chosen = batch.select(columns)
            # Damaged lengths and places inside would end the process, without an error.
            chosen.validate(full=True)
            for start in range(0, chosen.num_rows, PARQUET_BATCH):
                yield chosen.slice(start, PARQUET_BATCH)
