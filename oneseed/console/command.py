"""A script's end: one sentence, an exit code, and signals that wait."""

import contextlib
import errno
import os
import signal
import sys
import threading


class UserError(Exception):
    """A sentence for the user: what is wrong and the command that mends it. code: exit status, 2 for wrong or missing
    input, 1 where the work was done and its answer is no."""

    def __init__(self, sentence, code=2):
        super().__init__(sentence)
        self.code = code


class Terminated(BaseException):
    """SIGTERM arrived; like KeyboardInterrupt it passes every `except Exception`."""


def run(main, *configs):
    """main(*configs), then exit with its status; every foreseen end is one sentence on stderr, never a traceback."""

    def terminate(number, frame):
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        code = main(*configs) or 0
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.code
    except KeyboardInterrupt:
        print(
            "\ninterrupted; finished work is kept, run the same command again to go on",
            file=sys.stderr,
        )
        code = 130
    except Terminated:
        print(
            "\nterminated; finished work is kept, run the same command again to go on",
            file=sys.stderr,
        )
        code = 143
    except BrokenPipeError:
        # `… | head` closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        if error.errno not in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EROFS,
            errno.EACCES,
            errno.EPERM,
            errno.EFBIG,
            errno.EEXIST,
            errno.ENOTDIR,
            errno.EIO,
        ):
            raise
        print(
            f"error: {error.filename or 'writing'}: {error.strerror}; files written before are whole, free or allow the place and run the same command again",
            file=sys.stderr,
        )
        code = 1
    raise SystemExit(code)


@contextlib.contextmanager
def defer_signals():
    """SIGINT and SIGTERM wait until the block is done: what must not stay half done is done whole, or not begun."""
    # no signal arrives elsewhere
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting = []
    before = {
        number: signal.signal(number, lambda number, frame: waiting.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if waiting:
        signal.raise_signal(waiting[0])
