"""Work shared among processes of one machine.

Work shared among processes that end with the one that started them.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from oneseed.console.command import UserError


def chunks(items, length):
    return [items[start : start + length] for start in range(0, len(items), length)]


def follow_parent():
    """A worker leaves signals to its parent and ends when the parent is gone, however that came."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


@contextlib.contextmanager
def ignore_sigint():
    """Ctrl+C is ignored for the moment, and by processes started meanwhile from their first instruction on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Workers:
    """`count` processes (0: one per core), started when first needed and kept from one phase to the next; one task or worker needs none."""

    def __init__(self, count):
        self.count = count or os.cpu_count() or 1
        self.pool = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.pool:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def each(self, work, tasks):
        """Yields (task, work(task)) as they are done, never more than a few tasks ahead."""
        if self.count == 1 or len(tasks) == 1:
            for task in tasks:
                yield task, work(task)
            return
        self.pool = self.pool or ProcessPoolExecutor(
            self.count, multiprocessing.get_context("spawn"), initializer=follow_parent
        )
        waiting = iter(tasks)
        running = {}
        try:
            while True:
                # the first submit starts the processes
                with ignore_sigint():
                    for task in waiting:
                        running[self.pool.submit(work, task)] = task
                        if len(running) >= 3 * self.count:
                            break
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process was ended from outside, most likely for want of memory; finished work is kept, run the same "
                "command again with --workers 1",
                code=1,
            ) from error
