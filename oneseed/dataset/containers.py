"""Files that hold many: Parquet, tar and zip, written as a stream."""

import contextlib
import io
import json
import shutil
import tarfile
import zipfile

from oneseed.console.command import UserError


def pyarrow_parquet():
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(
            "Parquet files need pyarrow: pip install pyarrow, then run the same command again"
        ) from error
    return pyarrow.parquet


@contextlib.contextmanager
def parquet_writer(path, further):
    """-> add(rows) for a file with the columns image ({"bytes", "path"}), text and the further ones, {name: Arrow's name of its kind}. Written some hundred
    rows at a time, and described as `datasets` wants it, so that pictures show as such."""
    parquet = pyarrow_parquet()
    waiting = []
    import pyarrow

    kinds = {"text": "string", **further}
    described = {
        "image": {"_type": "Image"},
        **{name: {"dtype": kind, "_type": "Value"} for name, kind in kinds.items()},
    }
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema(
        [("image", image), *((name, pyarrow.type_for_alias(kind)) for name, kind in kinds.items())],
        metadata={"huggingface": json.dumps({"info": {"features": described}})},
    )
    with parquet.ParquetWriter(path, schema) as writer:

        def flush(least):
            if len(waiting) >= least:
                writer.write_table(pyarrow.Table.from_pylist(waiting, schema=schema))
                waiting.clear()

        def add(rows):
            waiting.extend(rows)
            flush(256)

        yield add
        flush(1)


def as_file(content):
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")


@contextlib.contextmanager
def zip_writer(path):
    """-> add(name, bytes, which are deflated, or the Path of what is compressed already). Dated 1980, whatever the clock says."""
    with zipfile.ZipFile(path, "w") as file:

        def add(name, content):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o644 << 16
            info.compress_type = (
                zipfile.ZIP_DEFLATED if isinstance(content, bytes) else zipfile.ZIP_STORED
            )
            with file.open(info, "w", force_zip64=True) as inside, as_file(content) as outside:
                shutil.copyfileobj(outside, inside)

        yield add


@contextlib.contextmanager
def tar_writer(path):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as file:

        def add(name, content):
            info = tarfile.TarInfo(name)
            info.size = len(content) if isinstance(content, bytes) else content.stat().st_size
            with as_file(content) as outside:
                file.addfile(info, outside)

        yield add
