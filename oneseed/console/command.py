"""A script's beginning and end: one sentence, an exit code, and signals that wait.

if __name__ == "__main__":
    from oneseed.console.command import begin

    begin()  # before everything that takes time
    CONFIGS = parse_configs(…)

# heavy imports, functions

if __name__ == "__main__":
    run(main, *CONFIGS)
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any, NoReturn

from oneseed.console.endings import Ending, ending_of_system
from oneseed.console.output import printable, with_short_words
from oneseed.console.streams import OUTPUT, guard_streams, write_nowhere

# Windows has no SIGHUP
STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
# Seconds in which a second SIGTERM or SIGHUP is the same wish: timeout(1) and closed terminals send
# two, and the second would break off the saving.
ONE_WISH = 1.0
# seconds within which a signal is heard that the system handed to another thread
LISTENING_SECONDS = 0.5


class UserError(Exception):
    """A sentence for the user: what is wrong and the command that mends it.

    code: exit status; 2 for wrong or missing input, 1 where the work was done and its answer is no.
    """

    def __init__(self, sentence: str, code: int = 2) -> None:
        super().__init__(sentence)
        self.code = code


class Terminated(BaseException):
    """SIGTERM arrived; like KeyboardInterrupt it passes every `except Exception`."""

    code = 143
    cause = "terminated"


class HungUp(Terminated):
    """SIGHUP arrived: the terminal was closed."""

    code = 129
    cause = "the terminal was closed"


class ReaderGone(Terminated):
    """Nobody reads the output any more, as behind `| head`."""

    code = 141
    cause = "nobody reads the output any more"


class Wish:
    """What this process was last asked to end for."""

    def __init__(self) -> None:
        self.is_reader_gone: bool = False
        # by time.monotonic()
        self.last: float = float("-inf")


WISH = Wish()


# ---- the beginning and the end -------------------------------------------------------------------


def begin() -> None:
    """Makes the process ready: for signals at any moment, any letter, and closed streams.

    Called first in a script, as little as possible imported before. Where another program runs the
    script, that one's signals and streams stay as they are.
    """
    caller = sys._getframe(1).f_back
    # of `python -m`
    while caller is not None and caller.f_globals.get("__name__") == "runpy":
        caller = caller.f_back
    if caller is not None:
        return
    for number in STOP_SIGNALS:
        handle(number, end_at_once)
    guard_streams()


def run(main: Callable[..., int | None], *configs: Any) -> NoReturn:
    """Calls main(*configs), then exits with the status that it returns; None is 0.

    Every foreseen end is one sentence on stderr, never a traceback. Exit status: 0 done,
    1 the answer is no or a file cannot be written, 2 wrong input, 129, 130 and 143 signals, 141
    where nobody reads the output.
    """
    try:
        with signals_stop_work():
            code = int(main(*configs) or 0)
        # A reader that goes before the last words has seen a whole run.
        flush_output()
    except BaseException as error:
        ending = ending_of(error)
        if ending is None:
            raise
        print(ending.sentence, file=sys.stderr)
        code = ending.code
    raise SystemExit(code)


def flush_output() -> None:
    """Writes what stdout still holds. OSError where that has no place."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        write_nowhere(sys.stdout)
    except OSError:
        # the interpreter flushes once more as it ends
        write_nowhere(sys.stdout)
        raise


def how_to_go_on() -> str:
    """What is said of a run that was stopped."""
    # which would begin anew once more
    without = " without --fresh" if "--fresh" in sys.argv else ""
    return f"finished work is kept, run the same command again{without} to go on"


def ending_of(error: BaseException) -> Ending | None:
    """The end that an error means; None for one that nobody has foreseen."""
    if isinstance(error, UserError):
        # a name may hold the end of a line
        return Ending(error.code, f"error: {with_short_words(printable(str(error)))}")
    if isinstance(error, KeyboardInterrupt):
        return Ending(130, f"\ninterrupted; {how_to_go_on()}")
    if isinstance(error, Terminated):
        return Ending(error.code, f"\n{error.cause}; {how_to_go_on()}")
    return ending_of_system(error)


# ---- signals -------------------------------------------------------------------------------------


def handle(number: int, handler: Any) -> Any:
    """Sets the handler of a signal -> the one before. An ignored signal, as of nohup, stays so."""
    before = signal.getsignal(number)
    # None: of no Python
    if before not in (signal.SIG_IGN, None):
        signal.signal(number, handler)
    return before


def end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """Handler while nothing needs saving: a line, and no library can hold the end up."""
    with contextlib.suppress(OSError):
        os.write(2, b"\ninterrupted\n" if number == signal.SIGINT else b"\nterminated\n")
    os._exit(128 + number)


def stop_work(number: int, frame: FrameType | None) -> None:
    """Handler of SIGTERM and SIGHUP during the work: raises what ends it."""
    if WISH.is_reader_gone:
        WISH.is_reader_gone = False
        WISH.last = time.monotonic()
        raise ReaderGone
    is_same_wish = time.monotonic() - WISH.last < ONE_WISH
    WISH.last = time.monotonic()
    if not is_same_wish:
        raise Terminated if number == signal.SIGTERM else HungUp


def wait_for_signal() -> NoReturn:
    """Waits until a signal raises what ends the work.

    Python runs handlers in the main thread alone, and a wait without an end only wakes where the
    system chose this thread for the signal. It may choose another; then nothing would happen.
    """
    never = threading.Event()
    while True:
        never.wait(LISTENING_SECONDS)


def stop_for_reader() -> None:
    """Ends the work as SIGTERM would, in the main thread and not within defer_signals."""
    WISH.is_reader_gone = True
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN or not hasattr(signal, "pthread_kill"):
        raise ReaderGone
    main_thread = threading.main_thread().ident
    assert main_thread is not None, "the main thread runs"
    signal.pthread_kill(main_thread, signal.SIGTERM)


@contextlib.contextmanager
def signals_stop_work() -> Generator[None]:
    """Within the block a signal, or a reader that goes away, raises what ends the work in order."""
    WISH.last = float("-inf")
    WISH.is_reader_gone = False
    before = {
        number: handle(number, signal.default_int_handler if number == signal.SIGINT else stop_work)
        for number in STOP_SIGNALS
    }
    OUTPUT.listener = stop_for_reader
    OUTPUT.is_held = False
    try:
        yield
    finally:
        OUTPUT.listener = None
        for number, handler in before.items():
            handle(number, handler)


def hold_reader() -> None:
    """A reader that goes away ends nothing before `release_reader`: what is begun can be saved."""
    OUTPUT.is_held = True


def release_reader() -> None:
    """Ends the work in order where the reader has gone, or goes from now on."""
    OUTPUT.release()


@contextlib.contextmanager
def defer_signals() -> Generator[None]:
    """SIGINT, SIGTERM and SIGHUP wait until the block is done, so that it is done as one act.

    The first of them is raised again behind the block. In other threads than the main one nothing
    is deferred, for no signal arrives there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        arrived.append(number)

    usual_handlers = {number: handle(number, remember) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in usual_handlers.items():
            handle(number, handler)
    if arrived:
        signal.raise_signal(arrived[0])
