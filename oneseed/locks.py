"""One run at a time in a place: a second one is told who is at work.

    with locked(Path("checkpoints"), "run", remedy="choose another folder: --checkpoints DIR"):
        ...

The system itself holds the lock and lets it go when the process ends, however that is. So nothing
is left to clear away after a kill, and what lies there by then hinders nobody.
"""

import contextlib
import contextvars
import errno
import functools
import json
import os
import re
import socket
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from oneseed.console.command import UserError
from oneseed.files import is_running, write_text

if TYPE_CHECKING:
    from filelock import BaseFileLock

# what a file system answers that knows no locks
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
# what it answers where this user may change nothing
NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS)
# rights to the file whose lock is meant
LOCK_MODE = 0o666
# seconds that a run waits for what takes but a moment, such as a caption that the page saves
PATIENCE = 2.0
# as `patient` sets it for the block
LONGER_PATIENCE: contextvars.ContextVar[float | None] = contextvars.ContextVar("patience")
SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600


class InUseError(UserError):
    """Another process works where this one was to begin."""


@contextlib.contextmanager
def locked(
    folder: Path,
    name: str,
    *,
    remedy: str,
    what: str = "",
    wait: float | None = None,
    may_only_read: bool = False,
) -> Generator[None]:
    """Within the block this process alone works in the folder under this name.

    name: of what is locked there, such as "run". what: the same for a user, "" is the folder.
    remedy: what a second run may do, as the end of a sentence. wait: seconds that it waits first,
    None: PATIENCE.
    may_only_read: the work may turn out to write nothing, and goes on without a lock where nothing
    can be written either.
    InUseError where another process holds it; says which one and since when. Where a file system
    has no locks, as some of networks, this is said, and the work goes on. Afterwards nothing is
    left of the lock, nor of a folder that was made for it and is empty.
    """
    path = lock_path(folder, name)
    made = []
    lock = None
    try:
        try:
            made = make_folder(folder)
            seconds = (LONGER_PATIENCE.get(None) or PATIENCE) if wait is None else wait
            lock = acquired(path, what or folder.as_posix(), remedy, seconds)
        except OSError as error:
            if not may_only_read or error.errno not in NO_ACCESS or path.exists():
                raise
        if lock:
            write_holder(path)
        yield
    finally:
        if lock:
            # Whoever waits for the file sees that it is gone, and makes a new one.
            for left in (note_path(path), path):
                with contextlib.suppress(OSError):
                    left.unlink(missing_ok=True)
            lock.release()
        for empty in made:
            with contextlib.suppress(OSError):
                empty.rmdir()


@contextlib.contextmanager
def patient(seconds: float) -> Generator[None]:
    """Within the block whoever asks for a lock without a wait of its own waits so long.

    For runs that were started together and need what the first of them fetches for all.
    """
    before = LONGER_PATIENCE.set(seconds)
    try:
        yield
    finally:
        LONGER_PATIENCE.reset(before)


def require_free(
    folder: Path, name: str, *, remedy: str, what: str = "", wait: float | None = 0
) -> None:
    """InUseError where another process holds the lock; as `locked`, but takes none.

    Where this user may change nothing, nobody can ask.
    """
    if not lock_path(folder, name).exists():
        return
    try:
        with locked(folder, name, remedy=remedy, what=what, wait=wait):
            pass
    except OSError as error:
        if error.errno not in NO_ACCESS:
            raise


def lock_names(folder: Path, pattern: str) -> list[str]:
    """Names of the locks of a folder that match the regular expression, held or not."""
    try:
        files = os.listdir(folder)
    except OSError:
        return []
    found = [re.fullmatch(rf"\.({pattern})\.lock", file) for file in files]
    return sorted(match[1] for match in found if match)


def lock_path(folder: Path, name: str) -> Path:
    """The file whose lock is meant."""
    return folder / f".{name}.lock"


def make_folder(folder: Path) -> list[Path]:
    """Makes a folder -> those that were made for it, the innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def acquired(path: Path, what: str, remedy: str, wait: float) -> "BaseFileLock | None":
    """The lock of the file, held; None where the file system has no locks, which is said."""
    from filelock import FileLock, Timeout

    # Whoever may change the folder may lock it: the file itself holds nothing.
    lock = FileLock(path, wait, LOCK_MODE, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise InUseError(f"{what} is in use by {holder(path)}; {remedy}") from None
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        tell_no_locks(path.parent)
        return None
    return lock


@functools.cache
def tell_no_locks(folder: Path) -> None:
    """Says once that nothing in this folder can be locked."""
    print(
        f"note: {folder.as_posix()} lies on a file system without locks; "
        "start no second run there until this one has ended",
        file=sys.stderr,
    )


def note_path(path: Path) -> Path:
    """The file that says who holds the lock of `path`."""
    return path.with_suffix(".holder.json")


def write_holder(path: Path) -> None:
    """Notes this process as the lock's holder, where there is room for that."""
    note = {"process": os.getpid(), "host": socket.gethostname(), "since": int(time.time())}
    with contextlib.suppress(OSError):
        write_text(note_path(path), json.dumps(note) + "\n")


def holder(path: Path) -> str:
    """Who holds the lock, and for how long, as far as it is noted.

    Asked while it is held. A note of an earlier holder may still be there for a moment.
    """
    try:
        note = json.loads(note_path(path).read_text("utf-8"))
        process = int(note["process"])
        age = describe_age(time.time() - float(note["since"]))
        is_here = note["host"] == socket.gethostname()
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return "another run"
    if is_here and not is_running(process):
        return "another run"
    elsewhere = "" if is_here else f" of the host {str(note['host'])[:100]}"
    return f"another run (process {process}{elsewhere}, for {age})"


def describe_age(seconds: float) -> str:
    """A length of time in one unit: "5 s", "12 min", "3 h"."""
    if seconds < SECONDS_PER_MINUTE:
        return f"{max(0, round(seconds))} s"
    if seconds < SECONDS_PER_HOUR:
        return f"{round(seconds / SECONDS_PER_MINUTE)} min"
    return f"{round(seconds / SECONDS_PER_HOUR)} h"
