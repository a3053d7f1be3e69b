"""What comes together is done together, and nobody notices but for the time that it takes."""

import threading
from collections import Counter
from concurrent.futures import wait

import pytest

from oneseed.console.command import UserError
from oneseed.generation.batcher import Batcher, QueueFullError


def double(items):
    return [2 * item for item in items]


def results(futures):
    return [future.result(timeout=20) for future in futures]


@pytest.fixture
def held():
    """held(batcher): its thread is busy until the event that this returns is set."""
    events = []

    def hold(batcher):
        begun, release = threading.Event(), threading.Event()
        events.append(release)

        def work(items):
            begun.set()
            release.wait(20)
            return items

        batcher.submit(work, ["busy"])
        assert begun.wait(20)
        return release

    yield hold
    for event in events:
        event.set()


def test_what_waits_is_done_together_and_in_order(held):
    batcher = Batcher()
    release = held(batcher)
    futures = [batcher.submit(double, [number], "same")[0] for number in range(40)]
    release.set()
    assert results(futures) == [2 * number for number in range(40)]
    assert batcher.sizes == Counter({1: 1, 32: 1, 8: 1})


def test_the_first_waits_some_milliseconds_for_others():
    batcher = Batcher(2, patience=20)
    (one,) = batcher.submit(double, [1], "same")
    assert not wait([one], timeout=0.05).done
    (other,) = batcher.submit(double, [2], "same")
    assert results([one, other]) == [2, 4]
    assert batcher.sizes == Counter({2: 1})


def test_other_conditions_are_another_batch(held):
    batcher = Batcher()
    release = held(batcher)
    futures = [
        *batcher.submit(double, [1], "one"),
        *batcher.submit(lambda items: [-item for item in items], [1], "other"),
        *batcher.submit(double, [2], "one"),
        *batcher.submit(double, [3]),
        *batcher.submit(double, [4]),
    ]
    release.set()
    assert results(futures) == [2, -1, 4, 6, 8]
    assert batcher.sizes == Counter({1: 4, 2: 1})


def test_a_fault_stays_with_its_owner(held):
    """One wrong order in a batch must not fail its neighbours."""

    def work(items):
        if 13 in items:
            raise UserError("13 is no seed")
        return items

    batcher = Batcher()
    release = held(batcher)
    futures = batcher.submit(work, [12, 13, 14], "same")
    release.set()
    assert [futures[0].result(20), futures[2].result(20)] == [12, 14]
    with pytest.raises(UserError, match="13 is no seed"):
        futures[1].result(20)
    assert results(batcher.submit(double, [5])) == [10], "the thread lives on"


def test_a_full_queue_takes_all_or_none_and_says_when_to_come_back(held):
    batcher = Batcher(most_waiting=4)
    release = held(batcher)
    waiting = batcher.submit(double, [1, 2, 3], "same")
    with pytest.raises(QueueFullError) as refused:
        batcher.submit(double, [4, 5], "same")
    assert refused.value.seconds >= 1
    assert len(batcher.waiting) == 3
    waiting += batcher.submit(double, [4], "same")
    release.set()
    assert results(waiting) == [2, 4, 6, 8]


def test_who_has_left_is_not_served_and_does_not_end_the_thread(held):
    """A result for a cancelled future is an error: it would end the thread, and all would wait."""
    done = []
    batcher = Batcher()
    release = held(batcher)
    gone, there = batcher.submit(lambda items: done.extend(items) or items, [1, 2], "same")
    (alone,) = batcher.submit(double, [3])
    assert gone.cancel()
    assert alone.cancel()
    release.set()
    assert there.result(20) == 2
    assert done == [2]
    assert results(batcher.submit(double, [4])) == [8]
