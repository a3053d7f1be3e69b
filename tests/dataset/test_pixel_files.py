"""Promises about a picture cache of several files, and about copies of them within a limit."""

import contextlib
import itertools
import json
import shutil
import threading

import numpy as np
import pytest

from oneseed.console.command import UserError
from oneseed.dataset import pixel_writing
from oneseed.dataset.collection import Collection
from oneseed.dataset.pixel_array import PixelFiles
from oneseed.dataset.pixel_store import FolderSource, LimitedFiles, stored_files
from oneseed.dataset.pixels import PixelCache, training_pixels
from oneseed.generation.memorisation import thumbnail_features
from tests.pixel_collection import FILE_BYTES, SIDE, many_pictures, record_of, write_cache


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """200 pictures in one file."""
    return many_pictures(tmp_path_factory.mktemp("whole"), 200, file_bytes=10**9)


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory):
    """The same in files of 64, 64, 64 and 8."""
    return many_pictures(tmp_path_factory.mktemp("parted"), 200)


@pytest.fixture
def parted(unharmed, tmp_path):
    """A copy of it, to be harmed."""
    shutil.copytree(unharmed.data, tmp_path / "data")
    return Collection(unharmed.style, tmp_path / "data")


def names(collection):
    return sorted(path.name for path in collection.processed.glob("pixels_*"))


def test_a_small_cache_is_one_file_and_a_large_one_several(whole, parted):
    assert names(whole) == ["pixels_32.json", "pixels_32.npy"]
    parts = [f"pixels_32_000{number}" for number in (1, 2, 3, 4)]
    files = [f"{part}.{suffix}" for part in parts for suffix in ("json", "npy")]
    assert names(parted) == sorted(["pixels_32.json", *files])
    assert parted.prepared_size() == SIDE
    sizes = [parted.pixels_part(SIDE, number)[0].stat().st_size for number in (1, 2, 3, 4)]
    assert sizes == [FILE_BYTES, FILE_BYTES, FILE_BYTES, 128 + 8 * SIDE * SIDE]


@pytest.mark.parametrize("kind", ["whole", "parted"])
def test_thumbnails_of_a_collection_are_made_a_few_pictures_at_a_time(kind, request):
    """A report on 60,000 pictures held all of them in memory, twice: 7.5 GB."""
    collection = request.getfixturevalue(kind)
    rows = [{"id": name} for name in reversed(PixelCache.require(collection, SIDE).row_of)]
    pictures = training_pixels(collection, SIDE, rows)
    expected = thumbnail_features(pictures[:])
    asked = []

    class Watched:
        array = pictures.array

        def __getitem__(self, index):
            asked.append(len(index))
            return self.array[index]

    pictures.array = Watched()
    assert np.array_equal(thumbnail_features(pictures), expected)
    assert sum(asked) == len(pictures) == 200
    assert max(asked) <= 64


def test_several_files_read_as_one_array(whole, parted):
    one = PixelCache.require(whole, SIDE)
    several = PixelCache.require(parted, SIDE)
    assert isinstance(several.array, PixelFiles)
    assert list(one.row_of) == list(several.row_of)
    assert several.array.shape == one.array.shape
    assert several.array.nbytes == one.array.nbytes
    order = np.random.default_rng(0).permutation(200)
    for index in (order, slice(None, None, 7), slice(60, 70), 199, -1, [3, 130, 3]):
        assert np.array_equal(several.array[index], one.array[index]), index
    with pytest.raises(IndexError):
        several.array[[200]]


def test_preparing_again_writes_only_files_that_are_missing_or_damaged(parted, monkeypatch):
    """A kill while the last of a thousand files was written must not cost the others."""
    written = []
    real = pixel_writing.write_file
    monkeypatch.setattr(
        pixel_writing,
        "write_file",
        lambda file, *rest: written.append(file.path.name) or real(file, *rest),
    )
    records = [record_of(number) for number in range(200)]
    write_cache(parted, records)
    assert written == []
    third = parted.pixels_part(SIDE, 3)[0]
    data = bytearray(third.read_bytes())
    data[5000] ^= 1
    third.write_bytes(data)
    assert PixelCache.of(parted, SIDE) is None
    parted.pixels_part(SIDE, 4)[1].unlink()
    write_cache(parted, records)
    assert written == ["pixels_32_0003.npy", "pixels_32_0004.npy"]
    assert PixelCache.of(parted, SIDE) is not None


def test_another_layout_takes_the_place_of_the_first(parted):
    records = [record_of(number) for number in range(200)]
    before = PixelCache.require(parted, SIDE).array[np.arange(200)]
    write_cache(parted, records, 10**9)
    assert names(parted) == ["pixels_32.json", "pixels_32.npy"]
    assert np.array_equal(PixelCache.require(parted, SIDE).array, before)
    write_cache(parted, records, 2 * FILE_BYTES)
    assert len(names(parted)) == 5
    assert np.array_equal(PixelCache.require(parted, SIDE).array[np.arange(200)], before)


LAYOUTS = {
    "a file less": {"rows": [64, 64, 64]},
    "other rows": {"rows": [64, 64, 64, 9]},
    "uneven rows": {"rows": [8, 64, 64, 64]},
    "no rows": {"rows": "64"},
    "colour": {"channels": 3},
    "another size": {"size": 64},
}


@pytest.mark.parametrize("harm", LAYOUTS)
def test_a_note_that_tells_another_layout_is_noticed(parted, harm):
    path = parted.pixels_ids(SIDE)
    path.write_text(json.dumps({**json.loads(path.read_text()), **LAYOUTS[harm]}))
    if harm == "a file less":
        # what the note does not name is not there
        assert len(PixelCache.require(parted, SIDE).row_of) == 192
    else:
        assert PixelCache.of(parted, SIDE) is None


def test_a_picture_in_two_files_is_noticed(parted):
    """Its second place would train under the first one's caption."""
    for path, other in zip(parted.pixels_part(SIDE, 1), parted.pixels_part(SIDE, 2)):
        path.write_bytes(other.read_bytes())
    with pytest.raises(UserError, match="one picture lies in two of its files"):
        PixelCache.require(parted, SIDE)


class CountedSource:
    """A folder, and what is asked of it."""

    def __init__(self, folder):
        self.source = FolderSource(folder)
        self.fetched = []
        self.parts = 0

    def fetch(self, name, path):
        self.fetched.append(name)
        self.source.fetch(name, path)

    def read_parts(self, name, starts, length):
        self.parts += len(starts)
        return self.source.read_parts(name, starts, length)


def limited(collection, folder, files):
    source = CountedSource(collection.processed)
    stored, _ = stored_files(collection, SIDE, source)
    return source, LimitedFiles(source, stored, folder, files * FILE_BYTES)


def local_bytes(folder):
    """Of copies, half-written ones included; locks are no copies."""
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.stat().st_size > 1000 else 0
    return total


def test_copies_never_take_more_than_the_limit(unharmed, tmp_path):
    folder = tmp_path / "copies"
    source, reader = limited(unharmed, folder, 2)
    array = PixelCache.require(unharmed, SIDE).array
    for first, second in itertools.permutations(range(4), 2):
        reader.expect([first, second])
        for number in (first, second):
            rows = np.array([1, 7, 0])
            assert np.array_equal(reader.read(number, rows), array[rows + 64 * number])
            assert local_bytes(folder) <= 2 * FILE_BYTES
    assert source.parts == 0
    assert len(source.fetched) < 2 * 12, "what is still there is not fetched again"


def test_rows_of_a_file_that_is_not_expected_are_read_where_it_lies(unharmed, tmp_path):
    """A handful of pictures from each file, for a sample, must not fetch all files."""
    source, reader = limited(unharmed, tmp_path / "copies", 1)
    rows = np.array([5, 2])
    expected = PixelCache.require(unharmed, SIDE).array[rows + 128]
    assert np.array_equal(reader.read(2, rows), expected)
    assert source.fetched == []
    assert source.parts == 2


def test_a_damaged_copy_is_fetched_again(unharmed, tmp_path):
    folder = tmp_path / "copies"
    _, reader = limited(unharmed, folder, 2)
    reader.expect([1])
    expected = reader.read(1, np.arange(64))
    copy = folder / "pixels_32_0002.npy"
    data = bytearray(copy.read_bytes())
    data[-3] ^= 4
    copy.write_bytes(data)
    source, reader = limited(unharmed, folder, 2)
    reader.expect([1])
    assert np.array_equal(reader.read(1, np.arange(64)), expected)
    assert source.fetched == ["pixels_32_0002.npy"]


def test_a_file_that_cannot_be_had_ends_in_its_sentence_and_not_in_waiting(parted, tmp_path):
    harmed = parted.pixels_part(SIDE, 2)[0]
    data = bytearray(harmed.read_bytes())
    data[-3] ^= 4
    harmed.write_bytes(data)
    _, reader = limited(parted, tmp_path / "copies", 1)
    reader.expect([1])
    with pytest.raises(UserError, match=r"pixels_32_0002\.npy arrives damaged"):
        reader.read(1, np.arange(2))


def test_a_limit_below_one_file_is_refused_with_both_numbers(unharmed, tmp_path):
    stored, _ = stored_files(unharmed, SIDE, FolderSource(unharmed.processed))
    with pytest.raises(UserError, match="--cache-limit 0 MB holds no file of the cache"):
        LimitedFiles(FolderSource(unharmed.processed), stored, tmp_path / "c", FILE_BYTES - 1)


def test_two_processes_share_the_copies(unharmed, tmp_path):
    """Ranks of one machine read the same files at the same time: each is fetched once."""
    folder = tmp_path / "copies"
    readers = [limited(unharmed, folder, 4) for _ in range(2)]
    array = PixelCache.require(unharmed, SIDE).array
    wrong = []

    def walk(reader):
        for number in range(4):
            reader.expect([number])
            read = reader.read(number, np.arange(8))
            if not np.array_equal(read, array[np.arange(8) + 64 * number]):
                wrong.append(number)

    threads = [threading.Thread(target=walk, args=(reader,)) for _, reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sum(len(source.fetched) for source, _ in readers) == 4
