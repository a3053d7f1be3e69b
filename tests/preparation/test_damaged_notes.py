"""What preparing keeps for itself may be damaged: it is made again, and all else stays the same."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from oneseed.console.command import UserError
from oneseed.dataset.notes import MAX_LINE_BYTES, cut_torn_line, each_noted, read_note
from oneseed.dataset.pixel_file import PICTURES_PER_TASK
from oneseed.dataset.pixels import PixelCache
from oneseed.dataset.prepared import DamagedPreparedError, load_prepared
from oneseed.preparation import examine, journal
from tests.preparation.test_dataset_preparation import SIZE, contents, picture, run_main


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder of five pictures, and the collection that was prepared from it: never changed."""
    room = tmp_path_factory.mktemp("whole")
    (room / "prints").mkdir()
    for number in range(5):
        picture(number).save(room / "prints" / f"p{number}.png")
    collection, _, _ = run_main(room / "prints", room)
    return room, contents(collection.data)


@pytest.fixture
def prepared(whole, tmp_path):
    """A copy of the collection, to be harmed, and what preparing it again must give."""
    room, before = whole
    shutil.copytree(room / "data", tmp_path / "data", symlinks=True)

    def again():
        collection, _, _ = run_main(room / "prints", tmp_path)
        assert contents(collection.data) == before
        return collection

    return again, again()


def save_zip(path):
    with open(path, "wb") as file:
        np.savez(file, a=np.zeros(3))


def save_fewer_rows(path):
    np.save(path, np.load(path)[:3])


def save_objects(path):
    np.save(path, np.array([{"a": 1}] * 5, object), allow_pickle=True)


def save_huge_claim(path):
    header = {"descr": "|u1", "fortran_order": False, "shape": (5, 10**6 - 1, 10**6 - 1)}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(1000))


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap_two_pictures(path):
    pixels = np.load(path)
    np.save(path, pixels[[1, 0, 2, 3, 4]])


def replace_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


CACHE_HARMS = {
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:3000]),
    "a zip": save_zip,
    "fewer rows": save_fewer_rows,
    "pickled objects": save_objects,
    "floats": lambda path: np.save(path, np.load(path).astype(np.float32)),
    "another side": lambda path: np.save(path, np.load(path)[:, :16, :16].copy()),
    "a huge claim": save_huge_claim,
    "deep brackets": lambda path: path.write_bytes(b"\x93NUMPY\1\0\x10\x27" + b"(" * 10_000),
    "a flipped bit": flip_a_bit,
    "two pictures swapped": swap_two_pictures,
    "a folder": replace_by_folder,
    **({"a pipe": replace_by_pipe} if hasattr(os, "mkfifo") else {}),
}


@pytest.mark.parametrize("harm", CACHE_HARMS)
def test_a_damaged_picture_cache_is_noticed_by_all_and_made_again(prepared, harm):
    """An empty cache ended every preparing in EOFError and a short one training in IndexError.

    A bit that flipped, or another picture's pixels, was trained on by all.
    """
    again, collection = prepared
    CACHE_HARMS[harm](collection.pixels(SIZE))
    assert PixelCache.of(collection, SIZE) is None
    with pytest.raises(UserError) as refusal:
        PixelCache.require(collection, SIZE)
    assert re.search(r"pixels_32\.npy is .*dataset_preparation\.py", str(refusal.value))
    assert PixelCache.of(again(), SIZE) is not None


IDS = {
    "null": "null",
    "a list": "[1]",
    "no JSON": "{",
    "deep": "[" * 100_000,
    "numbers": json.dumps({"ids": [1, 2, 3, 4, 5]}),
    "one twice": json.dumps({"ids": ["a", "a", "b", "c", "d"]}),
    "one too few": json.dumps({"ids": ["a", "b", "c", "d"]}),
    "checksums of words": json.dumps({"ids": list("abcde"), "checksums": ["x"]}),
    "no checksums left": json.dumps({"ids": list("abcde"), "checksums": []}),
}


@pytest.mark.parametrize("harm", IDS)
def test_a_damaged_list_of_the_cache_is_noticed_and_made_again(prepared, harm):
    again, collection = prepared
    collection.pixels_ids(SIZE).write_text(IDS[harm])
    assert PixelCache.of(collection, SIZE) is None
    again()


def test_a_cache_of_an_earlier_version_is_used_and_gets_its_checksums(prepared):
    again, collection = prepared
    about = json.loads(collection.pixels_ids(SIZE).read_text("utf-8"))
    assert len(about.pop("checksums")) == -(-len(about["ids"]) // PICTURES_PER_TASK)
    collection.pixels_ids(SIZE).write_text(json.dumps(about))
    assert PixelCache.require(collection, SIZE).rows(about["ids"]) == [0, 1, 2, 3, 4]
    again()


def other_picture(path):
    Image.new("L", (SIZE, SIZE), 7).save(path)


def flip_a_late_bit(path):
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("cache", ["there", "gone"])
@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        lambda path: path.write_bytes(b""),
        flip_a_late_bit,
        other_picture,
        replace_by_folder,
    ],
    ids=["cut off", "empty", "a flipped bit", "another picture", "a folder"],
)
def test_a_damaged_prepared_picture_is_made_again(prepared, harm, cache):
    """Half a picture counted as there: it was exported so, and with the cache gone every run ended
    in an error of the operating system until somebody found and deleted the file.
    """
    again, collection = prepared
    path = sorted(collection.resized.iterdir())[2]
    harm(path)
    if harm is not other_picture:
        with pytest.raises(DamagedPreparedError):
            load_prepared(path)
    if cache == "gone":
        collection.pixels(SIZE).unlink()
    again()


def test_a_copied_collection_prepares_nothing_again(prepared, monkeypatch):
    """By their times all pictures are others; byte for byte they are the same, and noted so."""
    again, collection = prepared
    for path in collection.resized.iterdir():
        os.utime(path, (1, 1))

    def prepare_none(*_, **__):
        raise AssertionError("nothing is to be prepared")

    monkeypatch.setattr(examine, "prepare_file", prepare_none)
    again()
    monkeypatch.setattr(examine, "is_as_stored", prepare_none)
    again()


def test_a_picture_that_goes_bad_within_the_run_is_named_and_made_again(prepared):
    """Its length and time of change are as noted, as after a fault of the disk."""
    again, collection = prepared
    path = sorted(collection.resized.iterdir())[2]
    state = path.stat()
    flip_a_late_bit(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    collection.pixels(SIZE).unlink()
    with pytest.raises(UserError, match=rf"{path.name} is damaged.*same command again"):
        again()
    again()


def with_value(key, value):
    return lambda line: json.dumps({**json.loads(line), key: value})


def without(key):
    return lambda line: json.dumps({k: v for k, v in json.loads(line).items() if k != key})


LINE_HARMS = {
    "a list": lambda line: "[1]",
    "null": lambda line: "null",
    "deep": lambda line: "[" * 100_000,
    "half": lambda line: line[: len(line) // 2],
    "no UTF-8": lambda line: "\udcff\udcfe",
    "very long": lambda line: '{"path": "' + "x" * (2 * MAX_LINE_BYTES) + '"}',
    "no path": without("path"),
    "a path of lists": with_value("path", [[1]]),
    "no hash": without("sha256"),
    "a width of letters": with_value("width", "80"),
    "a width that is no number": with_value("width", float("nan")),
    "a hash that leads elsewhere": with_value("sha256", "../../x"),
    "another digit": lambda line: line.replace('"width": 80', '"width": 81'),
}


@pytest.mark.parametrize("harm", LINE_HARMS)
def test_a_damaged_line_of_the_journal_costs_its_picture_alone(prepared, harm, monkeypatch):
    """A list in it ended every later run; a text as width ended in an error of numpy."""
    again, collection = prepared
    path = collection.processed / "prepared.jsonl"
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == 6
    harmed = LINE_HARMS[harm](lines[2])
    assert harmed != lines[2]
    text = "\n".join([*lines[:2], harmed, *lines[3:]]) + "\n"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    prepared_paths = []
    original = examine.prepare_file

    def noted(path, *more):
        prepared_paths.append(path.name)
        return original(path, *more)

    monkeypatch.setattr(examine, "prepare_file", noted)
    again()
    assert prepared_paths == ["p1.png"]
    assert len(path.read_text("utf-8").splitlines()) == 6, "the damaged line is gone"


@pytest.mark.parametrize(
    "key, value",
    [("width", "80"), ("width", True), ("look", "zz"), ("sha256", "../x"), ("stored", [1])],
)
def test_a_line_of_the_right_checksum_and_the_wrong_kind_is_no_finding(prepared, key, value):
    """Whoever gives a folder away can compute a checksum, too."""
    again, collection = prepared
    path = collection.processed / "prepared.jsonl"
    header, *lines = path.read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        del row["checksum"]
        row[key] = value
    path.write_text(header + "\n" + "".join(map(journal.journal_line, rows)), "utf-8")
    again()


@pytest.mark.parametrize("header", ["", "null", "[" * 100_000, "\x00", '{"version": NaN}'])
def test_a_damaged_header_begins_the_journal_anew(prepared, header):
    again, collection = prepared
    path = collection.processed / "prepared.jsonl"
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([header, *lines[1:]]) + "\n", "utf-8")
    again()


def test_a_journal_that_is_no_file_is_named(prepared):
    again, collection = prepared
    path = collection.processed / "prepared.jsonl"
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match=r"prepared\.jsonl is no file; remove it"):
        again()


@pytest.mark.parametrize("text", ["[1]", "null", "{", "[" * 100_000, '{"a.png": 1}', '"x"', ""])
def test_a_damaged_list_of_links_is_made_again(prepared, text):
    again, collection = prepared
    (collection.processed / "links.json").write_text(text)
    again()


def test_a_damaged_journal_of_a_check_costs_its_picture_alone(whole, tmp_path):
    room, _ = whole
    flags = {"source": str(room / "prints"), "style": "x", "workers": 1, "check": True}
    flags |= {"image_size": SIZE, "data": str(tmp_path)}
    import dataset_preparation
    from oneseed.config.preparation import PrepareConfig

    config = PrepareConfig(**flags)
    dataset_preparation.main(config)
    path = tmp_path / "metadata" / "x_check.jsonl"
    report = tmp_path / "metadata" / "x_check.json"
    before = report.read_text("utf-8"), path.read_text("utf-8")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    del rows[1]["checksum"], rows[2]["checksum"]
    lines = [json.dumps(rows[0]) + "\n", journal.journal_line({**rows[1], "sharp": float("nan")})]
    lines += [journal.journal_line({**rows[2], "light": "x"}), "[1]\n"]
    path.write_text("".join(lines), "utf-8")
    dataset_preparation.main(config)
    assert (report.read_text("utf-8"), path.read_text("utf-8")) == before


def test_a_note_costs_no_more_memory_than_it_may(tmp_path):
    path = tmp_path / "note.json"
    path.write_text("[1, 2, 3]")
    assert read_note(path, lambda value: isinstance(value, list)) == [1, 2, 3]
    assert read_note(path, lambda value: isinstance(value, dict)) is None
    assert read_note(path, lambda value: True, most_bytes=4) is None
    assert read_note(tmp_path / "none.json", lambda value: True) is None
    assert read_note(tmp_path, lambda value: True) is None


@pytest.mark.parametrize(
    "end", [b"", b"{", b"x" * (MAX_LINE_BYTES - 10), b"x" * (3 * MAX_LINE_BYTES + 1)]
)
def test_only_an_unfinished_last_line_is_cut_off(tmp_path, end):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": 2}\n' + end)
    assert list(each_noted(path, lambda value: True)) == [{"a": 1}, {"a": 2}]
    cut_torn_line(path)
    assert path.read_bytes() == b'{"a": 1}\n{"a": 2}\n'
