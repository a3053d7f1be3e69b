"""What several people ask of a model at once is done together, by one thread.

    batcher = Batcher()
    (future,) = batcher.pairs(generator, InferenceConfig(), [7])
    pair = future.result()                  # with its facts; see requests.with_facts
    mixed = batcher.call(lambda: generator.mix([3, 9], [[1, 1]]))

Decoding many latents together costs little more than decoding one. A request therefore waits some
milliseconds for others, and is decoded with those that ask under the same conditions; prompts may
differ. What a seed gives does not depend on its neighbours, see MultimodalGenerator.

Everything else that asks the model waits in the same queue for its turn, and is done alone. So
those who share a batcher never ask the model twice at once.
"""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation.requests import Pair, pairs_of_seeds, with_facts

if TYPE_CHECKING:
    from oneseed.generation.generator import MultimodalGenerator

Outcome = TypeVar("Outcome")

# items that are done together
MOST_TOGETHER = 32
# seconds that the first of them waits for others
PATIENCE_SECONDS = 0.004
# items that may wait
MOST_WAITING = 128
# or so much of what the latest batch took: those who were answered together ask again together
PATIENCE_SHARE = 0.1
# share of the latest batch in what an item is said to take
LATEST_SHARE = 0.2


class QueueFullError(UserError):
    """Too much waits already. seconds: until it is worth asking again."""

    def __init__(self, seconds: int) -> None:
        super().__init__("Too many are waiting here; try again in a minute.")
        self.seconds = seconds


class PairOrder(NamedTuple):
    """A pair that is asked for; all else is equal for those that are decoded together."""

    seed: int
    prompt: str | None


@dataclass(frozen=True)
class WaitingItem:
    """An item, how it is done, and who waits for it."""

    # items of one key are done together, one of key None alone
    key: Hashable
    # items -> their results, in order
    work: Callable[[list[Any]], list[Any]]
    item: Any
    future: Future[Any] = field(default_factory=Future)
    # by time.monotonic()
    arrived: float = field(default_factory=time.monotonic)


class Batcher:
    """A queue and the thread that empties it. The thread starts with the first item."""

    def __init__(
        self,
        most_together: int = MOST_TOGETHER,
        *,
        patience: float = PATIENCE_SECONDS,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """most_together: items of a batch.

        patience: seconds that the first waits for others, more behind a batch that took long.
        most_waiting: items in the queue, those that are being done not counted.
        """
        self.most_together = most_together
        self.patience = patience
        self.most_waiting = most_waiting
        self.waiting: deque[WaitingItem] = deque()
        self.changed = threading.Condition()
        self.thread: threading.Thread | None = None
        # how many batches had so many items
        self.sizes: Counter[int] = Counter()
        # that an item takes, about, and that the latest batch took
        self.seconds = 0.05
        self.latest = 0.0

    def submit(
        self,
        work: Callable[[list[Any]], list[Any]],
        items: Sequence[Any],
        key: Hashable = None,
        *,
        is_begun: bool = False,
    ) -> list[Future[Any]]:
        """Puts items into the queue, all or none of them -> their futures.

        work: a list of items -> their results. Items of equal keys are done together, by the work
        of the first of them; key None: each alone. QueueFullError where there is no room.
        is_begun: these go on with what was let in before, so there is room.
        """
        assert threading.current_thread() is not self.thread, "it would wait for itself"
        added = [WaitingItem(key, work, item) for item in items]
        with self.changed:
            if not is_begun and len(self.waiting) + len(added) > self.most_waiting:
                raise QueueFullError(max(1, math.ceil(self.seconds * len(self.waiting))))
            self.waiting += added
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="batcher", daemon=True)
                self.thread.start()
            self.changed.notify_all()
        return [one.future for one in added]

    def call_later(
        self, function: Callable[[], Outcome], *, is_begun: bool = False
    ) -> Future[Outcome]:
        """A future of what a function gives that asks the model; see submit."""
        (future,) = self.submit(lambda items: [function()], [None], is_begun=is_begun)
        return future

    def call(self, function: Callable[[], Outcome]) -> Outcome:
        """What a function gives that asks the model, once its turn has come; see submit."""
        return self.call_later(function).result()

    def each(self, steps: Iterable[Outcome]) -> Iterator[Outcome]:
        """The steps of what asks the model at each of them; others come between two steps.

        QueueFullError before the first step alone: what has begun is not broken off.
        """
        iterator = iter(steps)
        end: Any = object()
        is_begun = False
        try:
            while True:
                step = self.call_later(lambda: next(iterator, end), is_begun=is_begun).result()
                if step is end:
                    return
                is_begun = True
                yield step
        except GeneratorExit:
            # whoever reads has left; what the steps hold is let go where they took it
            if isinstance(iterator, Generator):
                self.call_later(iterator.close, is_begun=True)
            raise

    def pairs(
        self,
        generator: "MultimodalGenerator",
        config: InferenceConfig,
        seeds: Sequence[int],
        *,
        is_begun: bool = False,
    ) -> list[Future[Pair]]:
        """A future of the pair of each seed, under the settings' conditions, with all facts.

        generator: in the passes and finish, and at the temperature, that are wanted.
        is_begun: as in submit.
        """
        shared = replace(config, prompt=None)
        key = (
            generator.fingerprint,
            generator.temperature,
            generator.passes,
            generator.finish,
            shared,
            config.prompt is None,
        )

        def draw_orders(orders: list[PairOrder]) -> list[Pair]:
            drawn = pairs_of_seeds(
                generator,
                shared,
                [order.seed for order in orders],
                [order.prompt for order in orders if order.prompt is not None],
            )
            return with_facts(generator, drawn)

        orders = [PairOrder(seed, config.prompt) for seed in seeds]
        return self.submit(draw_orders, orders, key, is_begun=is_begun)

    # ---- the thread

    def run(self) -> None:
        """Does batch after batch, for ever."""
        while True:
            batch = self.next_batch()
            if not batch:
                continue
            begin = time.monotonic()
            self.sizes[len(batch)] += 1
            do_together(batch)
            self.latest = time.monotonic() - begin
            self.seconds += LATEST_SHARE * (self.latest / len(batch) - self.seconds)

    def next_batch(self) -> list[WaitingItem]:
        """Waits for items, and takes the first with those of its key."""
        with self.changed:
            while not self.waiting:
                self.changed.wait()
            key = self.waiting[0].key
            if key is None:
                same = [self.waiting[0]]
            else:
                self.wait_for_others()
                same = [one for one in self.waiting if one.key == key][: self.most_together]
            taken = {id(one) for one in same}
            self.waiting = deque(one for one in self.waiting if id(one) not in taken)
            # who has left by now is not served
            return [one for one in same if one.future.set_running_or_notify_cancel()]

    def wait_for_others(self) -> None:
        """Waits until a batch is full, or the first item has waited long enough."""
        end = self.waiting[0].arrived + max(self.patience, PATIENCE_SHARE * self.latest)
        while len(self.waiting) < self.most_together:
            left = end - time.monotonic()
            if left <= 0:
                return
            self.changed.wait(left)


def do_together(batch: Sequence[WaitingItem]) -> None:
    """Does a batch; where that fails, each item alone, so that a fault stays with its owner."""
    try:
        results = batch[0].work([one.item for one in batch])
        assert len(results) == len(batch), f"{len(results)} results of {len(batch)} items"
    except Exception as error:
        if len(batch) == 1:
            batch[0].future.set_exception(error)
            return
        for one in batch:
            do_together([one])
        return
    for one, result in zip(batch, results):
        one.future.set_result(result)
