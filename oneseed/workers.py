"""Work shared among processes of one machine, which end with the process that started them."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from typing import Any, Self, TypeVar

from oneseed.console.command import STOP_SIGNALS, UserError, defer_signals
from oneseed.console.streams import guard_streams

Task = TypeVar("Task")
Result = TypeVar("Result")
# tasks per process that wait or run at the same time
TASKS_AHEAD = 3
# times that a task is tried alone whose process was killed
MAX_TRIES = 2
LOST = (
    "a worker process was ended from outside, most likely for want of memory; "
    "finished work is kept, run the same command again with --workers 1"
)


def chunks(items: Sequence[Any], length: int) -> list[Any]:
    """The items in order, in parts of `length`; the last part may be shorter."""
    return [items[start : start + length] for start in range(0, len(items), length)]


def follow_parent() -> None:
    """A worker leaves signals to its parent, and ends when the parent is gone for any reason."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # what libraries say of a stranger's file
    guard_streams()
    parent = multiprocessing.parent_process()
    assert parent is not None, "follow_parent is for worker processes"

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


@contextlib.contextmanager
def signals_withheld() -> Generator[None]:
    """Signals wait until the block is done; processes started meanwhile never get them.

    A closed terminal and Ctrl+C reach the workers too, whose ends would look like a fault.
    """
    # Only the main thread may set signal handlers, and Windows has no mask of signals.
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    with defer_signals():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            # the helper of multiprocessing, which lifts the mask where it is started
            resource_tracker.ensure_running()
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Workers:
    """Processes that are started when first needed and kept from one phase to the next."""

    def __init__(self, count: int) -> None:
        """count: processes, 0 for one per core. 1: all work is done in this process."""
        self.count: int = count or os.cpu_count() or 1
        self.pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.pool:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def each(
        self,
        work: Callable[[Task], Result],
        tasks: Sequence[Task],
        *,
        split: Callable[[Task], list[Task]] | None = None,
        lost: Callable[[Task], Result] | None = None,
    ) -> Iterator[tuple[Task, Result]]:
        """Yields (task, work(task)) as they are done, never more than a few tasks ahead.

        A single task is done in this process. Where a worker process is killed, its task is done
        again; one that ends its process each time is split, and yielded in its parts.
        split: a task -> its parts, one by one, so that the part at fault is found.
        lost: a part that ends its process each time -> its result; None: UserError.
        """
        # a task that may end its process has one of its own
        if self.count == 1 or (len(tasks) == 1 and lost is None):
            for task in tasks:
                yield task, work(task)
            return
        queue = iter(tasks)
        running: dict[Future[Result], Task] = {}
        while True:
            try:
                yield from self.each_of_pool(work, queue, running)
                return
            except BrokenProcessPool:
                # the pool does not say whose process it was
                suspects = list(running.values())
                running.clear()
                self.drop_pool()
            yield from self.each_alone(work, suspects, split=split, lost=lost)

    def each_of_pool(
        self,
        work: Callable[[Task], Result],
        tasks: Iterator[Task],
        running: dict[Future[Result], Task],
    ) -> Iterator[tuple[Task, Result]]:
        """`each` by the worker processes; tasks that wait are drawn one by one.

        running: holds the tasks that are not done when BrokenProcessPool is raised.
        """
        while True:
            # The first submit starts the processes.
            with signals_withheld():
                for task in tasks:
                    # not lost where the pool takes it no more
                    place: Future[Result] = Future()
                    running[place] = task
                    future = self.submit(work, task)
                    running[future] = running.pop(place)
                    if len(running) >= TASKS_AHEAD * self.count:
                        break
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                result = done.result()
                yield running.pop(done), result

    def each_alone(
        self,
        work: Callable[[Task], Result],
        tasks: Sequence[Task],
        *,
        split: Callable[[Task], list[Task]] | None,
        lost: Callable[[Task], Result] | None,
    ) -> Iterator[tuple[Task, Result]]:
        """As `each`, one after another, so that whoever ends its process is known."""
        waiting = list(reversed(tasks))
        while waiting:
            task = waiting.pop()
            for _ in range(MAX_TRIES):
                try:
                    with signals_withheld():
                        done = self.submit(work, task)
                    result = done.result()
                except BrokenProcessPool:
                    self.drop_pool()
                    continue
                yield task, result
                break
            else:
                parts = split(task) if split else [task]
                if len(parts) > 1:
                    waiting += reversed(parts)
                elif lost:
                    yield task, lost(task)
                else:
                    raise UserError(LOST, code=1)

    def submit(self, work: Callable[[Task], Result], task: Task) -> Future[Result]:
        """Hands a task to the processes; call it within signals_withheld. BrokenProcessPool."""
        try:
            return self.running_pool().submit(work, task)
        except OSError as error:
            # the pool broke and closed its pipes while it started another process
            if str(error) == "handle is closed":
                raise BrokenProcessPool(str(error)) from error
            raise

    def running_pool(self) -> ProcessPoolExecutor:
        """The processes, started where there are none; call it within signals_withheld."""
        if self.pool is None:
            # its semaphores start the helper of multiprocessing
            self.pool = ProcessPoolExecutor(
                self.count, multiprocessing.get_context("spawn"), initializer=follow_parent
            )
        return self.pool

    def drop_pool(self) -> None:
        """Forgets a pool one of whose processes was killed: it does no work any more."""
        if self.pool:
            self.pool.shutdown(wait=False, cancel_futures=True)
        self.pool = None
