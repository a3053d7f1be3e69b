"""The map of seeds, and seeds mixed: what they promise, with a real model."""

import numpy as np
import pytest
from PIL import Image

from oneseed.console.command import UserError
from oneseed.generation import index, seed_map
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.seed_map import SeedMap


@pytest.fixture
def generator(tiny_run, tmp_path):
    """Its checkpoint lies in a folder of its own, so that no other test finds the map."""
    (tmp_path / "model.pt").write_bytes((tiny_run / "best_model.pt").read_bytes())
    return MultimodalGenerator(tmp_path / "model.pt", device="cpu")


def last(maps):
    return list(maps)[-1]


def test_a_map_goes_on_where_it_was_left(generator, monkeypatch):
    """Whoever presses Stop after a minute does not lose the minute."""
    monkeypatch.setattr(seed_map, "SEEDS_AT_ONCE", 4)
    growth = seed_map.grow_map(generator, None, 30)
    next(growth)
    left = next(growth)
    growth.close()
    seed_map.save_map(generator, left)
    kept = seed_map.load_map(generator)
    assert (
        kept.captions == left.captions == [pair[1] for pair in generator.generate_batch(range(8))]
    )
    drawn = []
    real = generator.generate_batch
    monkeypatch.setattr(
        generator, "generate_batch", lambda seeds, *rest: drawn.extend(seeds) or real(seeds, *rest)
    )
    whole = last(seed_map.grow_map(generator, kept, 11))
    assert drawn == [8, 9, 10]
    assert len(whole) == len(whole.tiles) == len(whole.features) == 11
    assert np.array_equal(whole.tiles[:8], left.tiles)
    # and what is there is not drawn again
    assert not list(seed_map.grow_map(generator, whole, 5))


def test_a_map_has_as_many_seeds_as_the_index_within_bounds(generator, monkeypatch):
    assert seed_map.wanted_seeds(generator) == seed_map.FIRST_SEEDS
    index.index_seeds(generator, 20, 10)
    assert seed_map.wanted_seeds(generator) == 20
    monkeypatch.setattr(seed_map, "MOST_SEEDS", 12)
    assert seed_map.wanted_seeds(generator) == 12


def test_the_map_of_another_model_counts_as_none_and_a_damaged_one_is_named(generator):
    seed_map.save_map(generator, last(seed_map.grow_map(generator, None, 4)))
    path = index.index_path(generator, "map")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"model\.map\.npz is damaged .* remove it"):
        seed_map.load_map(generator)
    path.write_bytes(whole)
    generator.__dict__["fingerprint"] = "another"
    assert seed_map.load_map(generator) is None


def two_kinds(count):
    """A map of dark and light tiles in turn, whose features say which they are."""
    is_dark = np.arange(count) % 2 == 0
    side = seed_map.TILE_SIDE
    tiles = np.where(is_dark, 10, 240)[:, None, None, None] * np.ones((1, side, side, 1))
    noise = np.random.default_rng(0).normal(size=(count, 8))
    noise[:, 3] += np.where(is_dark, 9, -9)
    return SeedMap(tiles.astype(np.uint8), noise.astype(np.float16), [f"{i}" for i in range(count)])


def test_the_mosaic_shows_every_seed_once_in_its_place():
    known = two_kinds(47)
    sheet, columns = seed_map.mosaic(known)
    assert sorted(seed for seeds in columns for seed in seeds) == list(range(47))
    side = seed_map.TILE_SIDE
    for column, seeds in enumerate(columns):
        for row, seed in enumerate(seeds):
            middle = (column * side + side // 2, row * side + side // 2)
            assert sheet.getpixel(middle) == (10 if seed % 2 == 0 else 240)
    heights = [len(seeds) for seeds in columns]
    assert max(heights) - min(heights) <= 1


def test_a_map_leaves_hardly_a_place_empty():
    """A white bar below 2,000 seeds looked like something that had not arrived."""
    assert {seeds: -seeds % seed_map.column_count(seeds) for seeds in (2000, 240, 24, 3, 1)} == {
        2000: 0,
        240: 0,
        24: 0,
        3: 0,
        1: 0,
    }
    for seeds in range(20, 2001):
        columns = seed_map.column_count(seeds)
        assert 1 <= columns <= seeds
        assert -seeds % columns < columns / 2


def test_the_mosaic_lays_like_beside_like():
    """Two kinds of picture lie in two halves, not as a chessboard."""
    _, columns = seed_map.mosaic(two_kinds(60))
    kinds = [{seed % 2 for seed in seeds} for seeds in columns]
    assert sum(len(kind) == 2 for kind in kinds) <= 1
    halves = [min(kind) for kind in kinds if len(kind) == 1]
    assert halves in (sorted(halves), sorted(halves, reverse=True))


def test_a_map_of_colours_keeps_them():
    side = seed_map.TILE_SIDE
    tile = seed_map.tile_of(Image.new("RGB", (100, 100), (200, 30, 60)), "RGB")
    known = SeedMap(np.stack([tile] * 3), np.eye(3, dtype=np.float16), ["", "", ""])
    sheet, columns = seed_map.mosaic(known)
    assert sheet.size == (side * len(columns), side * max(map(len, columns)))
    assert sheet.getpixel((5, 5)) == (200, 30, 60)


def test_at_a_corner_of_a_mixture_stands_the_seeds_own_pair(generator):
    pairs = generator.mix([3, 9, 27], [[0, 1, 0], [0.4, 0.3, 0.3], [0, 0, 1]])
    for (image, caption), seed in ((pairs[0], 9), (pairs[2], 27)):
        own_image, own_caption = generator.generate(seed)
        assert np.abs(np.asarray(image, int) - np.asarray(own_image, int)).max() <= 1
        assert caption == own_caption
    assert pairs[1][0].tobytes() not in {pairs[0][0].tobytes(), pairs[2][0].tobytes()}
    # nor do the words of a mixture depend on the others
    alone = generator.mix([3, 9, 27], [[0.4, 0.3, 0.3]])[0]
    assert alone[1] == pairs[1][1]
