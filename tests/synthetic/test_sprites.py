"""Sprites show what their facts say, at any size, and are told as the published set is."""

import hashlib

import numpy as np
import pytest

from oneseed.synthetic.sprites.collection import SPRITES
from oneseed.synthetic.sprites.drawing import INK, draw

SOME = SPRITES.collection(40, seed=2)


def pixels(facts, seed, size=64):
    return np.asarray(draw(facts, seed, size), float)


def on_black(**changes):
    return {**SPRITES.combinations(1)[0], **changes}


def shape_of(facts, seed):
    """Which pixels of a picture on black belong to the shape."""
    return pixels(facts, seed).max(axis=2) > 40


def test_it_is_the_collection_that_was_agreed():
    """Figures of other drawings or wordings would be compared with these: they are a sprites-2."""
    assert SPRITES.version == "sprites-1"
    sizes = [len(SPRITES.combinations(level)) for level in SPRITES.levels]
    assert sizes == [3, 6, 30, 120, 240]
    content = hashlib.sha256()
    for level in SPRITES.levels:
        for seed, facts in enumerate(SPRITES.collection(20, level)):
            content.update(SPRITES.tell(facts, seed, level).encode())
            content.update(draw(facts, seed).tobytes())
    assert content.hexdigest()[:16] == "9f02ad2e51f135e8"


@pytest.mark.parametrize(
    "level, caption",
    [
        (1, "A drawing of an ellipse."),
        (2, "A drawing of a small ellipse."),
        (3, "A drawing of a small red ellipse."),
        (4, "A drawing of a small red ellipse at the top left."),
        (5, "A drawing of a small red ellipse at the top left on a dark background."),
    ],
)
def test_a_caption_is_fixed_by_its_facts(level, caption):
    facts = dict(
        shape="ellipse", size="small", colour="red", position="top left", background="dark"
    )
    assert {SPRITES.tell(facts, seed, level) for seed in range(5)} == {caption}


@pytest.mark.parametrize(
    "text, name",
    [
        ("A drawing of a heart and a square.", "shape"),
        ("A drawing of a small big heart.", "size"),
        ("A drawing of a red blue heart.", "colour"),
        ("A drawing of a heart at the top left, at the bottom left.", "position"),
        ("A drawing of a heart at the top.", "position"),
        ("A drawing of a heart on a dark light background.", "background"),
        ("A drawing of a sweetheart.", "shape"),
    ],
)
def test_what_is_unclear_counts_as_silent(text, name):
    assert SPRITES.parse(text)[name] is None


def test_prompts_in_the_published_words_are_read():
    assert SPRITES.parse("SMALL red heart at top-left on dark") == dict(
        shape="heart", size="small", colour="red", position="top left", background="dark"
    )


def test_a_shape_lies_whole_within_its_quarter_s_side():
    for position in SPRITES.attributes["position"]:
        for seed in range(20):
            inside = shape_of(on_black(position=position, colour="pink"), seed)
            rows, columns = np.nonzero(inside)
            vertical, horizontal = position.split()
            assert (rows.mean() < 31) == (vertical == "top")
            assert (columns.mean() < 31) == (horizontal == "left")
            edge = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
            assert not edge.any(), (position, seed)


def test_the_big_one_covers_four_times_the_small_one_s_ground():
    for shape in SPRITES.attributes["shape"]:
        areas = {
            size: np.mean([shape_of(on_black(shape=shape, size=size), i).sum() for i in range(9)])
            for size in SPRITES.attributes["size"]
        }
        assert 3.3 < areas["big"] / areas["small"] < 4.7, shape


def test_colours_and_grounds_can_be_told_apart():
    """The darkest place of a texture is still nearer to its own colour than to another."""
    colours = SPRITES.attributes["colour"]
    hues = {one: np.array(INK[one]) / np.linalg.norm(INK[one]) for one in colours}
    likeness = np.array([*hues.values()]) @ np.array([*hues.values()]).T
    assert np.triu(likeness, 1).max() < 0.9
    for colour in colours:
        for seed in range(10):
            facts = on_black(colour=colour, size="big")
            drawn = pixels(facts, seed)[shape_of(facts, seed)].mean(axis=0)
            nearest = max(colours, key=lambda one: hues[one] @ drawn)
            assert nearest == colour
    for facts in SOME:
        grey = np.median(pixels(facts, 1))
        assert grey > 150 if facts["background"] == "light" else grey < 60


def test_places_and_turns_vary_where_the_facts_leave_them_open():
    middles = [np.argwhere(shape_of(on_black(), seed)).mean(axis=0) for seed in range(40)]
    assert np.std(middles, axis=0).min() > 4
    squares = {shape_of(on_black(shape="square"), seed).any(axis=0).sum() for seed in range(40)}
    assert max(squares) > 1.3 * min(squares)


def test_first_levels_are_white_on_black():
    for level in (1, 2):
        for seed, facts in enumerate(SPRITES.collection(12, level)):
            drawn = pixels(facts, seed)
            assert (drawn[:, :, 0] == drawn[:, :, 2]).all()
            assert set(np.percentile(drawn, [0, 100])) == {0, 255}


def test_composition_is_the_same_at_any_size():
    for seed, facts in enumerate(SOME[:8]):
        small = pixels(facts, seed, 32)
        large = pixels(facts, seed, 128).reshape(32, 4, 32, 4, 3).mean((1, 3))
        other = pixels(facts, seed + 1, 128).reshape(32, 4, 32, 4, 3).mean((1, 3))
        assert np.abs(small - large).mean() < 0.1 * np.abs(small - other).mean()
