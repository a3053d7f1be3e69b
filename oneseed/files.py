"""Files are written whole or not at all."""

import contextlib
import hashlib
import os
import posixpath
import re
import unicodedata
from collections.abc import Generator
from pathlib import Path

# bytes of a name of somebody's own in a file's name, of which systems allow 255 in all
MAX_NAME_BYTES = 100
# what no file's name may hold on some system, and what leads to another folder or is hidden
UNSAFE_IN_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]|^[.\s-]|[.\s]$')


@contextlib.contextmanager
def whole_file(path: Path | str, *, sync: bool = True) -> Generator[Path]:
    """A temporary name beside `path`, to write to.

    It is renamed to `path` when all went well and removed otherwise, so that a killed run leaves
    the old file whole.
    sync: wait until the file is on the disk. Without it a file survives a kill, but may be empty
    after a power cut; right for thousands of small files that can be made again, where waiting
    took half of the time.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        if sync:
            with open(partial, "rb+") as file:
                os.fsync(file.fileno())
        partial.replace(path)
        if sync:
            sync_folder(path.parent)
    except OSError as error:
        # A full disk does not say whose file it was.
        error.filename = error.filename or str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Waits until new names in the folder are on the disk, on systems that offer this."""
    if os.name != "posix":
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_text(path: Path | str, text: str) -> None:
    """Writes a whole file of UTF-8 text."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_changed(path: Path, text: str) -> None:
    """Writes a whole file of UTF-8 text, unless it holds that text already."""
    if not path.exists() or path.read_bytes() != text.encode():
        write_text(path, text)


def nonempty_files(folder: Path) -> set[str]:
    """Names of the files in `folder` that hold something; a power cut can leave an empty one."""
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if entry.stat().st_size}


def safe_name(text: str) -> str:
    """A name that somebody chose, such as "Art Nouveau", as part of a file's name.

    Names that are safe on every system stay as they are. In any other, what is unsafe becomes "_",
    and a hash keeps it apart from a name that looks so by itself.
    """
    name = unicodedata.normalize("NFC", text)
    encoded = name.encode("utf-8", "surrogatepass")
    if len(encoded) <= MAX_NAME_BYTES and not UNSAFE_IN_NAMES.search(name):
        return name
    end = f"_{hashlib.sha256(encoded).hexdigest()[:8]}"
    short = encoded[: MAX_NAME_BYTES - len(end)].decode("utf-8", "ignore")
    return UNSAFE_IN_NAMES.sub("_", short) + end


def suffix_of(name: Path | str) -> str:
    """The suffix in lower case, with its point: "a/B.JPG" -> ".jpg"."""
    return posixpath.splitext(str(name))[1].lower()
