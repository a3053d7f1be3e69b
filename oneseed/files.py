"""Files and folders are written whole or not at all.

    with whole_file(path) as partial:     # and whole_folder(path)
        partial.write_bytes(image)
    with scratch_file(path) as partial:   # one that is needed within the block alone
        partial.write_bytes(image)
    sweep_partials(path.parent)           # what killed runs have left half-written

Until it is whole, what is written has the name .NAME.PROCESS-HOST.partial, beside the final one.
"""

import contextlib
import errno
import hashlib
import os
import posixpath
import re
import shutil
import socket
import time
from collections.abc import Generator
from pathlib import Path

# of a file's name, as systems allow it
MAX_FILE_NAME_BYTES = 255
# seconds without a change after which nobody writes a partial file any more, whoever began it
ABANDONED_AFTER = 7 * 24 * 3600
# .NAME.PROCESS-HOST.partial
PARTIAL = re.compile(r"\.(.*)\.(\d{1,10})-([0-9a-f]{6})\.partial", re.DOTALL)
# Earlier versions wrote no host. Files of other programs may look so, too: those that are meant
# have a suffix that the earlier versions wrote.
EARLIER_PARTIAL = re.compile(
    r"\.(.*\.(?:png|gif|jsonl?|npy|npz|pt|tar|zip|parquet|html|csv|tsv|md))\.(\d{1,10})\.partial",
    re.DOTALL,
)
# names of the partial files that this process writes at present
WRITING: list[str] = []


def host_hash() -> str:
    """Six hex digits for this machine; they keep apart the partial files in a shared folder.

    A container counts as a machine of its own, since it numbers its processes itself.
    """
    numbering = ""
    with contextlib.suppress(OSError):
        numbering = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{socket.gethostname()} {numbering}".encode()).hexdigest()[:6]


HOST = host_hash()


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
    WRITING.append(partial.name)
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
        WRITING.remove(partial.name)


@contextlib.contextmanager
def scratch_file(path: Path) -> Generator[Path]:
    """A temporary name beside `path`, to write to; it is gone behind the block.

    What a killed run leaves of it, `sweep_partials` knows as a partial file of `path`.
    """
    partial = partial_path(path)
    WRITING.append(partial.name)
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)
        WRITING.remove(partial.name)


@contextlib.contextmanager
def whole_folder(path: Path) -> Generator[Path]:
    """As whole_file, for a new folder; one that is there already is replaced."""
    partial = partial_path(path)
    WRITING.append(partial.name)
    try:
        remove_partial(partial)
        partial.mkdir(parents=True)
        yield partial
        # of a link the link alone
        remove_partial(path)
        partial.rename(path)
    finally:
        remove_partial(partial)
        WRITING.remove(partial.name)


def partial_path(path: Path) -> Path:
    """The temporary name beside `path` that this process writes to; never too long for a system.

    IsADirectoryError where the path has no name, as "." and "/" have none.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    end = f".{os.getpid()}-{HOST}.partial"
    room = MAX_FILE_NAME_BYTES - len(end) - 1
    short = os.fsencode(path.name)[:room].decode("utf-8", "ignore")
    return path.with_name(f".{short}{end}")


def sweep_partials(*folders: Path, of: str = "") -> int:
    """Removes the partial files and folders that dead processes have left -> how many.

    Those of running processes stay, and those of other machines, which may be running; of both,
    what nobody has changed for a week goes. Links are not followed. A folder that cannot be listed
    or changed is left as it is. of: name of the file whose partial files are meant, in a folder
    that holds other people's files, too; "": all.
    """
    removed = 0
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            if name.endswith(".partial") and is_left_behind(folder / name, of):
                with contextlib.suppress(OSError):
                    remove_partial(folder / name)
                    removed += 1
    return removed


def is_left_behind(path: Path, of: str = "") -> bool:
    """Whether a path has the name of a partial file whose process is gone. of: as above."""
    if found := PARTIAL.fullmatch(path.name):
        name, process, host = found.groups()
    elif found := EARLIER_PARTIAL.fullmatch(path.name):
        name, process, host = *found.groups(), HOST
    else:
        return False
    if path.name in WRITING or (of and not (name == of or is_shortened(name, of))):
        return False
    if host == HOST and (int(process) == os.getpid() or not is_running(int(process))):
        return True
    with contextlib.suppress(OSError):
        return time.time() - path.lstat().st_mtime > ABANDONED_AFTER
    return False


def is_shortened(name: str, of: str) -> bool:
    """Whether a name is the beginning of a longer one, as partial_path shortens it."""
    return of.startswith(name) and len(os.fsencode(name)) > MAX_FILE_NAME_BYTES - 50


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
    if not path.is_file() or path.read_bytes() != text.encode():
        write_text(path, text)


def nonempty_files(folder: Path) -> dict[str, int]:
    """The files in `folder` that hold something -> {name: time of change, in nanoseconds}.

    A power cut can leave an empty one. Links and folders do not count.
    """
    with os.scandir(folder) as entries:
        files = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    states = {}
    for entry in files:
        # renamed meanwhile, as half-written ones of other processes are
        with contextlib.suppress(FileNotFoundError):
            states[entry.name] = entry.stat(follow_symlinks=False)
    return {name: state.st_mtime_ns for name, state in states.items() if state.st_size}


def suffix_of(name: Path | str) -> str:
    """The suffix in lower case, with its point: "a/B.JPG" -> ".jpg"."""
    return posixpath.splitext(str(name))[1].lower()


def expanded(path: Path | str) -> Path:
    """The path with the folder that a ~ at its beginning stands for.

    As it is where nobody here has that home: a message then says that it is missing.
    """
    with contextlib.suppress(RuntimeError):
        return Path(path).expanduser()
    return Path(path)
