"""One run at a time in a place: a second one is told who is at work.

    with locked(Path("checkpoints"), "run", remedy="choose another folder: --checkpoints DIR"):
        ...

The system itself holds the lock and lets it go when the process ends, however that is. So nothing
is left to clear away after a kill.
"""

import contextlib
import errno
import json
import os
import socket
import sys
import time
from collections.abc import Generator
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.files import write_text

# what a file system answers that knows no locks
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600


@contextlib.contextmanager
def locked(folder: Path, name: str, *, remedy: str, wait: float = 0) -> Generator[None]:
    """Within the block this process alone works in the folder under this name.

    name: of what is locked there, such as "run". remedy: what a second run may do, as the end of a
    sentence. wait: seconds that it waits first.
    UserError where another process holds it; says which one and since when. Where a file system
    has no locks, as some of networks, this is said, and the work goes on.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{name}.lock"
    lock = FileLock(path, timeout=wait, fallback_to_soft=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"{folder} is in use by {holder(path)}; {remedy}", code=1) from None
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        print(
            f"note: {folder} lies on a file system without locks ({error}); "
            "start no second run there until this one has ended",
            file=sys.stderr,
        )
        yield
        return
    try:
        write_holder(path)
        yield
    finally:
        note_path(path).unlink(missing_ok=True)
        lock.release()


def note_path(path: Path) -> Path:
    """The file that says who holds the lock of `path`."""
    return path.with_suffix(".holder.json")


def write_holder(path: Path) -> None:
    """Notes this process as the lock's holder."""
    note = {"process": os.getpid(), "host": socket.gethostname(), "since": int(time.time())}
    write_text(note_path(path), json.dumps(note) + "\n")


def holder(path: Path) -> str:
    """Who holds the lock, and for how long, as far as it is noted."""
    try:
        note = json.loads(note_path(path).read_text("utf-8"))
        process = int(note["process"])
        age = describe_age(time.time() - float(note["since"]))
        elsewhere = "" if note["host"] == socket.gethostname() else f" of the host {note['host']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return "another run"
    return f"another run (process {process}{elsewhere}, for {age})"


def describe_age(seconds: float) -> str:
    """A length of time in one unit: "5 s", "12 min", "3 h"."""
    if seconds < SECONDS_PER_MINUTE:
        return f"{max(0, round(seconds))} s"
    if seconds < SECONDS_PER_HOUR:
        return f"{round(seconds / SECONDS_PER_MINUTE)} min"
    return f"{round(seconds / SECONDS_PER_HOUR)} h"
