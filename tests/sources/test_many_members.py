"""Archives of very many names cost a bounded time and memory, and their notes may be damaged."""

import itertools
import json
import shutil
import struct
import tracemalloc
import zipfile

import pytest

from oneseed.sources import archive_members, long_zips, rejections, unpacking, walking
from oneseed.sources.rejections import Rejections, how_many, lines_of, passed_over, rejection
from tests.preparation.test_dataset_preparation import run_main
from tests.sources.test_archives import GOOD, make_zip, png


def test_beyond_some_thousand_rejections_are_counted():
    """Each left-out member was a row: a report of a million of them took 1.5 GB."""
    rows = (rejection(f"{number}.png", "empty", file="x.zip") for number in itertools.count())
    lost = Rejections(itertools.islice(rows, 7_000))
    lost.append(rejection("a.gif", "empty", file="x.zip"))
    lost.append(passed_over("x.zip", "empty"))
    assert len(lost.rows) == rejections.MAX_LISTED_REJECTIONS + 3
    assert [row["count"] for row in lost.rows[-3:]] == [2_000, 1, 1]
    assert how_many(lost.rows) == 7_002
    # as of several archives together
    assert how_many(Rejections([*lost.rows, *lost.rows]).rows) == 14_004
    assert list(lines_of(lost.rows, "there"))[-1] == "… and 6,999 more there"


def test_kinds_that_a_stranger_makes_up_are_counted_together():
    lost = Rejections(rejection(f"a.s{number}", "bad", file="x.zip") for number in range(9_000))
    assert len(lost.rows) <= rejections.MAX_LISTED_REJECTIONS + rejections.MAX_KINDS_COUNTED + 1
    assert how_many(lost.rows) == 9_000


def write_empty_members(path, names):
    """A zip of members without a byte, written by hand: zipfile takes minutes for a million."""
    listed = []
    with open(path, "wb") as file:
        for name in names:
            listed.append(
                struct.pack("<4s6H3L5H2L", b"PK\1\2", *[20, 20, *[0] * 4], *[0] * 3, len(name),
                            *[0] * 4, 0, file.tell()) + name
            )  # fmt: skip
            file.write(struct.pack("<4s5H3L2H", b"PK\3\4", 20, *[0] * 7, len(name), 0) + name)
        start = file.tell()
        file.writelines(listed)
        end = file.tell()
        count = min(len(listed), 65535)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, end - start, start, 0))
    return path


@pytest.mark.parametrize("suffix", [".png", ".txt"])
def test_an_archive_of_very_many_empty_members_costs_little(tmp_path, suffix):
    """16 s for 223 KB, since a file was made for each and each became a row."""
    names = (b"%x%s" % (number, suffix.encode()) for number in range(7_000))
    path = write_empty_members(tmp_path / "many.zip", names)
    tracemalloc.start()
    try:
        found = unpacking.unpack(path, tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6
    assert how_many(found.lost) >= 6_000
    assert len(found.lost) < rejections.MAX_LISTED_REJECTIONS + 10
    assert (tmp_path / "out" / walking.UNPACKING_MARKER).stat().st_size < 2e6


def test_a_long_list_is_read_as_zipfile_reads_it(tmp_path, monkeypatch):
    """Of a million members zipfile keeps half a gigabyte before the first is looked at."""
    path = make_zip(tmp_path / "some.zip", GOOD | {f"{n}.png": png(n) for n in range(3)})
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    short = unpacking.unpack(path, tmp_path / "short")
    assert len(short.rows) == 5
    monkeypatch.setattr(archive_members, "SHORT_LIST_BYTES", 0)
    assert unpacking.unpack(path, tmp_path / "long") == short
    for row in short.rows:
        name = row["file_name"]
        assert (tmp_path / "long" / name).read_bytes() == (tmp_path / "short" / name).read_bytes()
    with open(path, "rb") as file, zipfile.ZipFile(path) as archive:
        entries = long_zips.each_entry(file, long_zips.find_list(file))
        for entry, info in zip(entries, archive.infolist(), strict=True):
            for key in ("filename", "file_size", "CRC", "header_offset", "external_attr"):
                assert getattr(entry, key) == getattr(info, key)


def test_a_damaged_long_list_gives_what_stands_before_the_damage(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_members, "SHORT_LIST_BYTES", 0)
    path = make_zip(tmp_path / "some.zip", {f"{n}.png": png(n) for n in range(3)})
    data = bytearray(path.read_bytes())
    data[data.rfind(b"PK\1\2")] = 0
    path.write_bytes(data)
    found = unpacking.unpack(path, tmp_path / "out")
    assert len(found.rows) == 2
    assert [row["reason"] for row in found.lost] == [f"damaged: {archive_members.NOTHING_FURTHER}"]


MARKERS = {
    "null": lambda known: None,
    "a list": lambda known: [known],
    "no stamp": lambda known: {**known, "stamp": None},
    "nothing lost": lambda known: {key: known[key] for key in known if key != "lost"},
    "lost of words": lambda known: {**known, "lost": "x"},
    "lost of numbers": lambda known: {**known, "lost": [1]},
    "a loss without a reason": lambda known: {**known, "lost": [{"path": "x"}]},
    "a format of words": lambda known: {**known, "seen": ["x"]},
    "rows of words": lambda known: {**known, "seen": [{**known["seen"][0], "rows": "x"}]},
}


@pytest.mark.parametrize("harm", [*MARKERS, "deep", "no UTF-8", "metadata"])
def test_a_damaged_note_of_an_archive_has_it_unpacked_again(tmp_path, harm):
    """A list in it ended every later run; a cut metadata.jsonl lost the captions for ever."""
    archive = make_zip(tmp_path / "some.zip", {**GOOD, "bad.png": b""})
    _, before, report = run_main(archive, tmp_path)
    (folder,) = (tmp_path / "data/raw/engraving/unpacked").iterdir()
    note = folder / walking.UNPACKING_MARKER
    if harm == "deep":
        note.write_text("[" * 100_000)
    elif harm == "no UTF-8":
        note.write_bytes(b"\xff\xfe{")
    elif harm == "metadata":
        (folder / "metadata.jsonl").write_text("")
    else:
        note.write_text(json.dumps(MARKERS[harm](json.loads(note.read_text("utf-8")))))
    _, after, again = run_main(archive, tmp_path)
    assert (after, again) == (before, report)
    shutil.rmtree(tmp_path / "data")


def test_a_built_in_drawing_that_was_damaged_is_drawn_again(tmp_path):
    """Half a drawing was rejected as a picture of the user's, and one less was prepared."""
    flags = {"style": "builtin", "max_samples": 5, "image_size": 64}
    _, before, _ = run_main("builtin", tmp_path, **flags)
    drawing = sorted((tmp_path / "data/raw/builtin").glob("level*.png"))[1]
    whole = drawing.read_bytes()
    drawing.write_bytes(whole[: len(whole) // 2])
    _, after, report = run_main("builtin", tmp_path, **flags)
    assert drawing.read_bytes() == whole
    assert after == before
    assert report["rejected"] == 0
