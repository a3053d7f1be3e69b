"""A script's end: one sentence, an exit code, and signals that wait."""

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

# what a disk or a folder may answer where a file is to be written
WRITE_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EFBIG,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EIO,
)


class UserError(Exception):
    """A sentence for the user: what is wrong and the command that mends it.

    code: exit status; 2 for wrong or missing input, 1 where the work was done and its answer is no.
    """

    def __init__(self, sentence: str, code: int = 2) -> None:
        super().__init__(sentence)
        self.code = code


class Terminated(BaseException):
    """SIGTERM arrived; like KeyboardInterrupt it passes every `except Exception`."""


@dataclass(frozen=True)
class Ending:
    """How a script ends that did not reach its end: exit status and sentence on stderr."""

    code: int
    sentence: str


def run(main: Callable[..., int | None], *configs: Any) -> NoReturn:
    """Calls main(*configs), then exits with the status that it returns; None is 0.

    Every foreseen end is one sentence on stderr, never a traceback. Exit status: 0 done,
    1 the answer is no or a file cannot be written, 2 wrong input, 130 and 143 signals.
    """
    signal.signal(signal.SIGTERM, raise_terminated)
    try:
        code = int(main(*configs) or 0)
        sys.stdout.flush()
    except BrokenPipeError:
        # `… | head` closed the pipe; the interpreter flushes once more as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except (UserError, KeyboardInterrupt, Terminated, OSError) as error:
        ending = ending_of(error)
        if ending is None:
            raise
        print(ending.sentence, file=sys.stderr)
        code = ending.code
    raise SystemExit(code)


def raise_terminated(number: int, frame: FrameType | None) -> NoReturn:
    """Handler of SIGTERM."""
    raise Terminated


def ending_of(error: BaseException) -> Ending | None:
    """The end that an error means; None for one that nobody has foreseen."""
    go_on = "finished work is kept, run the same command again to go on"
    if isinstance(error, UserError):
        return Ending(error.code, f"error: {error}")
    if isinstance(error, KeyboardInterrupt):
        return Ending(130, f"\ninterrupted; {go_on}")
    if isinstance(error, Terminated):
        return Ending(143, f"\nterminated; {go_on}")
    if isinstance(error, OSError) and error.errno in WRITE_ERRORS:
        return Ending(
            1,
            f"error: {error.filename or 'writing'}: {error.strerror}; files written before are "
            "whole, free or allow the place and run the same command again",
        )
    return None


@contextlib.contextmanager
def defer_signals() -> Generator[None]:
    """SIGINT and SIGTERM wait until the block is done, so that it is done as one act.

    The first of them is raised again behind the block. In other threads than the main one nothing
    is deferred, for no signal arrives there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        arrived.append(number)

    usual_handlers = {
        number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in usual_handlers.items():
            signal.signal(number, handler)
    if arrived:
        signal.raise_signal(arrived[0])
