"""A collection of one's own: what the architecture's page promises, done in forty lines."""

import sys

import pytest

from oneseed.config.preparation import PrepareConfig
from oneseed.dataset.collection import Collection
from oneseed.synthetic import collections
from tests.preparation.test_dataset_preparation import run_main

DICE = """
from PIL import Image, ImageDraw

from oneseed.seeds import numpy_generator
from oneseed.synthetic.drawn import DrawnCollection

WORDS = ("one", "two", "three", "four")
ATTRIBUTES = {"eyes": WORDS, "colour": ("red", "blue")}


def draw(facts, seed, size):
    rng = numpy_generator(seed, "picture")
    image = Image.new("RGB", (size, size), tuple(rng.integers(200, 256, 3).tolist()))
    for number in range(WORDS.index(facts["eyes"]) + 1):
        left = size * (number + 0.25) / 5
        box = (left, size * 0.4, left + size / 8, size * 0.6)
        ImageDraw.Draw(image).ellipse(box, facts["colour"])
    return image


def tell(facts, seed, level):
    colour = f" {facts['colour']}" if level > 1 else ""
    return f"A drawing of a die with {facts['eyes']}{colour} eyes."


def parse(text):
    words = text.rstrip(".").split()
    return {
        name: next((value for value in values if value in words), None)
        for name, values in ATTRIBUTES.items()
    }


DRAWN = DrawnCollection(
    style="dice", version="dice-1", attributes=ATTRIBUTES,
    levels={1: ("eyes",), 2: ("eyes", "colour"), 3: (*ATTRIBUTES,)}, constant={"colour": "red"},
    count=20, size=32, follows_presets=True, channels=3, draw=draw, tell=tell, parse=parse,
)
"""


@pytest.fixture
def dice(tmp_path, monkeypatch):
    (tmp_path / "dice_collection.py").write_text(DICE)
    monkeypatch.syspath_prepend(tmp_path)
    import dice_collection

    known = collections.drawn_collection
    before = {"DRAWN_CLASSES": collections.DRAWN_CLASSES, "DRAWN_STYLES": collections.DRAWN_STYLES}
    classes = {**collections.DRAWN_CLASSES, "dice": "drawings"}
    styles = tuple(classes)
    own = {"dice": dice_collection.DRAWN}
    for module in [*sys.modules.values()]:
        for name, value in (("DRAWN_CLASSES", classes), ("DRAWN_STYLES", styles)):
            if getattr(module, name, None) is before[name]:
                monkeypatch.setattr(module, name, value)
        if getattr(module, "drawn_collection", None) is known:
            monkeypatch.setattr(module, "drawn_collection", lambda s: own.get(s) or known(s))
    yield dice_collection.DRAWN
    sys.modules.pop("dice_collection")


def test_a_collection_of_forty_lines_is_prepared_by_its_name(dice, tmp_path):
    assert len([line for line in DICE.split("\n") if line.strip()]) <= 40
    assert PrepareConfig(source="dice").style == "dice"
    run_main("dice", tmp_path, style="dice", smallest=8, image_size=32, level=2)
    rows = Collection("dice", str(tmp_path / "data")).read_metadata()
    assert len(rows) == 20
    told = [dice.parse(row["caption"]) for row in rows]
    assert all(facts["eyes"] and facts["colour"] for facts in told)
