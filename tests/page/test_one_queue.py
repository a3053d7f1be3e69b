"""Whoever asks the model waits in one queue: pairs, postcards, morphs, sheets, finds and games.

Each of them had a way of its own, so a postcard was drawn beside a pair, a morph beside both, and
each took as much longer.
"""

import asyncio
import threading
import time

import pytest
from PIL import Image

import gradio_demo
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation.batcher import Batcher, QueueFullError
from oneseed.page.links import PairLink
from tests.page.test_gradio_demo import Noise

ASKING = [
    "generate_batch",
    "match",
    "encode_codes",
    "decode_code",
    "vary",
    "restyle",
    "mix",
    "picture_features",
    "find_seeds",
    "nearest_training",
]


class Alone(Noise):
    """Counts who is inside at once, and how often each of its methods was called."""

    def __init__(self):
        self.lock = threading.Lock()
        # a thread for each call that is being answered; one may make others
        self.inside = []
        self.most_inside = 0
        self.called = set()
        for name in ASKING:
            setattr(self, name, self.counted(name, getattr(self, name)))

    def __copy__(self):
        # at another temperature it is the same model
        return self

    def counted(self, name, method):
        def ask(*values, **more):
            with self.lock:
                self.called.add(name)
                self.inside.append(threading.get_ident())
                self.most_inside = max(self.most_inside, len(set(self.inside)))
            time.sleep(0.004)
            try:
                return method(*values, **more)
            finally:
                with self.lock:
                    self.inside.remove(threading.get_ident())

        return ask

    def picture_features(self, images):
        # few, so that a map is arranged in no time
        return super().picture_features(images)[:, :8]

    def walk(self, first, last, steps):
        for step in range(steps):
            yield self.generate_batch([step])[0]


def results(page, name, *values):
    """All that a callback of the page gives, by its name."""
    function = next(one.fn for one in page.fns.values() if one.fn and one.fn.__name__ == name)
    given = function(*values)
    return list(given) if hasattr(given, "__next__") else given


@pytest.fixture
def picture(tmp_path, monkeypatch):
    """A picture that was brought to the page, as a file field sends it."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    Image.new("RGB", (40, 30), "white").save(tmp_path / "plate.png")
    return {"path": str(tmp_path / "plate.png"), "orig_name": "plate.png"}


@pytest.fixture
def page(picture, tmp_path):
    """A page, with the model behind it as page.model."""
    batcher = Batcher()
    model = Alone()
    model.checkpoint = tmp_path / "best_model.pt"
    page = gradio_demo.build_page(model, data=str(tmp_path / "data"), batcher=batcher)
    page.model = model
    page.batcher = batcher
    return page


def test_nobody_asks_the_model_while_another_does(page, picture):
    conditions = ("", "", 3, 0, 1)
    visits = [
        lambda: results(page, "generate", "7", *conditions),
        lambda: page.batcher.pairs(page.model, InferenceConfig(), [8])[0].result(),
        lambda: results(page, "batch", "1", 9, *conditions),
        lambda: results(page, "morph", "3", "9", 9),
        lambda: asyncio.run(page.sharing.png("card", PairLink(7))),
        lambda: asyncio.run(page.sharing.png("preview", PairLink(9))),
        lambda: results(page, "search", "a ship", None, 6),
        lambda: results(page, "shown", []),
        lambda: results(page, "redraw", picture),
        lambda: results(page, "vary", picture, 0.5, "1", 6),
        lambda: results(page, "restyle", picture, "", 0.5),
        lambda: results(page, "near", picture),
        lambda: results(page, "mix", ["1", "2", "3"], [1, 0, 0]),
        lambda: results(page, "ask_caption"),
        lambda: results(page, "ask_dream"),
        lambda: results(page, "draw_map", 30),
        lambda: results(page, "examples", []),
    ]
    failures = []

    def visit(one):
        try:
            one()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=visit, args=[one]) for one in visits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert page.model.most_inside == 1
    assert page.model.called == set(ASKING)


def full(page):
    """Takes all room of the page's queue -> the event that gives it free."""
    begun, release = threading.Event(), threading.Event()

    def work(items):
        begun.set()
        release.wait(20)
        return items

    page.batcher.submit(work, [1])
    assert begun.wait(20)
    page.batcher.submit(work, list(range(page.batcher.most_waiting)))
    return release


def test_a_full_queue_is_one_sentence_wherever_the_model_is_asked(page, picture):
    release = full(page)
    try:
        for name, values in {
            "generate": ["7", "", "", 3, 0, 1],
            "batch": ["7", 3, "", "", 3, 0, 1],
            "morph": ["3", "9", 5],
            "redraw": [picture],
            "search": ["a ship", None, 3],
        }.items():
            with pytest.raises(
                Exception, match=r"^'Too many are waiting here; try again in"
            ) as told:
                results(page, name, *values)
            assert type(told.value).__name__ == "Error"
        told = results(page, "mix", ["1", "2", "3"], [1, 0, 0])
        assert told == {"said": "Too many are waiting here; try again in a minute."}
        with pytest.raises(QueueFullError):
            asyncio.run(page.sharing.png("card", PairLink(7)))
    finally:
        release.set()


def test_what_has_begun_is_drawn_to_its_end_though_the_queue_fills(page):
    """A sheet that broke off after four pairs because others came would be no use to anybody."""
    function = next(one.fn for one in page.fns.values() if one.fn and one.fn.__name__ == "morph")
    walk = function("3", "9", 9)
    assert len(next(walk)[0]) == 4
    release = full(page)
    rows = []
    rest = threading.Thread(target=lambda: rows.extend(len(part) for part, _ in walk))
    rest.start()
    try:
        rest.join(0.1)
        assert rest.is_alive()
    finally:
        release.set()
    rest.join(20)
    assert rows == [8, 9]


def test_who_leaves_early_lets_go_of_what_the_steps_hold():
    batcher = Batcher()
    left = threading.Event()

    def steps():
        try:
            while True:
                yield threading.current_thread()
        finally:
            assert threading.current_thread() is batcher.thread
            left.set()

    walk = batcher.each(steps())
    assert next(walk) is batcher.thread
    walk.close()
    assert left.wait(20)


def test_an_error_of_a_step_reaches_who_asked():
    def steps():
        yield 1
        raise UserError("No.")

    walk = Batcher().each(steps())
    assert next(walk) == 1
    with pytest.raises(UserError, match=r"^No\.$"):
        next(walk)


def test_who_waits_for_the_queue_within_the_queue_is_told_so():
    """It would wait for itself for ever, and everybody else with it."""
    batcher = Batcher()
    with pytest.raises(AssertionError, match="wait for itself"):
        batcher.call(lambda: batcher.call(int))
