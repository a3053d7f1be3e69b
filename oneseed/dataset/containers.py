"""Files that hold many: Parquet, tar and zip, written as a stream."""

import contextlib
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, BinaryIO

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import Row

# rows that are written at a time
PARQUET_ROWS = 256
# bytes, which are deflated in a zip, or the Path of a file that is compressed already
Content = bytes | Path
AddFile = Callable[[str, Content], None]


def pyarrow_parquet() -> Any:
    """The module pyarrow.parquet. UserError with the command that installs it."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(
            "Parquet files need pyarrow: pip install pyarrow, then run the same command again"
        ) from error
    return pyarrow.parquet


def parquet_schema(kinds: dict[str, str]) -> Any:
    """Arrow's schema of image ({"bytes", "path"}) and the columns {name: Arrow's kind}.

    It is described as the library `datasets` wants it, so that pictures show as such.
    """
    import pyarrow

    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    features: dict[str, Row] = {"image": {"_type": "Image"}}
    columns = [("image", image)]
    for name, kind in kinds.items():
        features[name] = {"dtype": kind, "_type": "Value"}
        columns.append((name, pyarrow.type_for_alias(kind)))
    description = json.dumps({"info": {"features": features}})
    return pyarrow.schema(columns, metadata={"huggingface": description})


@contextlib.contextmanager
def parquet_writer(path: Path, further: dict[str, str]) -> Generator[Callable[[list[Row]], None]]:
    """Gives add(rows) for a file with the columns image, text and the further ones.

    further: {name: Arrow's name of its kind}. Rows are written some hundred at a time.
    """
    parquet = pyarrow_parquet()
    import pyarrow

    schema = parquet_schema({"text": "string", **further})
    waiting: list[Row] = []
    with parquet.ParquetWriter(path, schema) as writer:

        def flush() -> None:
            writer.write_table(pyarrow.Table.from_pylist(waiting, schema=schema))
            waiting.clear()

        def add(rows: list[Row]) -> None:
            waiting.extend(rows)
            if len(waiting) >= PARQUET_ROWS:
                flush()

        yield add
        if waiting:
            flush()


def as_file(content: Content) -> BinaryIO:
    """The content as an open file."""
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")


@contextlib.contextmanager
def zip_writer(path: Path) -> Generator[AddFile]:
    """Gives add(name, content) for a zip file. Members are dated 1980, whatever the clock says."""
    with zipfile.ZipFile(path, "w") as file:

        def add(name: str, content: Content) -> None:
            info = zipfile.ZipInfo(name)
            # rights of a Unix file: rw-r--r--
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED
            if isinstance(content, bytes):
                info.compress_type = zipfile.ZIP_DEFLATED
            with file.open(info, "w", force_zip64=True) as inside, as_file(content) as outside:
                shutil.copyfileobj(outside, inside)

        yield add


@contextlib.contextmanager
def tar_writer(path: Path) -> Generator[AddFile]:
    """Gives add(name, content) for a tar file. Members are dated 1970."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as file:

        def add(name: str, content: Content) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(content) if isinstance(content, bytes) else content.stat().st_size
            with as_file(content) as outside:
                file.addfile(info, outside)

        yield add
