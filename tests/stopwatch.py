"""A limit for the processor time of a few lines, which other work does not share."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fails if the lines took this thread longer.

    No collection of garbage falls among them: after thousands of tests one takes seconds.
    """
    gc.disable()
    begin = time.thread_time()
    try:
        yield
        taken = time.thread_time() - begin
    finally:
        gc.enable()
    assert taken <= seconds, f"{taken:.2f} s of this thread"
