"""Files are written whole or not at all."""

import contextlib
import hashlib
import os
import posixpath
import re
import shutil
import socket
from collections.abc import Generator
from pathlib import Path

# of a file's name, as systems allow it
MAX_FILE_NAME_BYTES = 255
# keeps the partial files of several machines apart that share a folder
HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]
# .NAME.PROCESS-HOST.partial; earlier versions wrote no host
PARTIAL = re.compile(r"\..*\.(\d{1,10})(?:-([0-9a-f]{6}))?\.partial", re.DOTALL)


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
    partial = partial_path(path)
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


def partial_path(path: Path) -> Path:
    """The temporary name beside `path` that this process writes to; never too long for a system."""
    end = f".{os.getpid()}-{HOST}.partial"
    room = MAX_FILE_NAME_BYTES - len(end) - 1
    short = os.fsencode(path.name)[:room].decode("utf-8", "ignore")
    return path.with_name(f".{short}{end}")


def sweep_partials(*folders: Path) -> int:
    """Removes the partial files of processes that are gone -> how many.

    Those of running processes stay, and those of other machines, which may be running.
    """
    removed = 0
    for folder in folders:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for name in os.listdir(folder):
                found = PARTIAL.fullmatch(name)
                if found and found[2] in (None, HOST) and not is_running(int(found[1])):
                    remove_partial(folder / name)
                    removed += 1
    return removed


def remove_partial(path: Path) -> None:
    """Removes a partial file, or a partial folder with all in it; of a link the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """Whether a process of this number runs on this machine; True where nobody can say."""
    if process == os.getpid():
        return True
    if os.name != "posix":
        # os.kill would end it there
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


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


def suffix_of(name: Path | str) -> str:
    """The suffix in lower case, with its point: "a/B.JPG" -> ".jpg"."""
    return posixpath.splitext(str(name))[1].lower()
