"""Files are written whole or not at all."""

import contextlib
import os
import posixpath
from pathlib import Path


@contextlib.contextmanager
def whole_file(path, sync=True):
    """A temporary name beside `path` to write to; renamed to `path` when all went well, removed otherwise, so that a
    killed run leaves the old file whole. sync=False: survives a kill, but a power cut may leave it empty; for thousands of
    small files that can be made again, where waiting for the disk took half of the time."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        if sync:
            with open(partial, "rb+") as file:
                os.fsync(file.fileno())
        partial.replace(path)
        # the new name, too
        if sync and os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        # a full disk does not say whose file it was
        error.filename = error.filename or str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def write_text(path, text):
    """Whole-file write of UTF-8 text."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def nonempty_files(folder):
    """Names of the files in folder that hold something; a power cut can leave an empty one."""
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if entry.stat().st_size}


def write_changed(path, text):
    """Writes text unless the file holds it already."""
    if not path.exists() or path.read_bytes() != text.encode():
        write_text(path, text)


def suffix_of(name):
    return posixpath.splitext(str(name))[1].lower()
