"""Archives of strangers: nothing is written outside, and no good picture is lost."""

import gzip
import io
import json
import os
import random
import shutil
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import read_jsonl
from oneseed.sources import archive_members, resolve, unpacking, walking
from tests.preparation.test_dataset_preparation import contents, picture, run_main, snapshot
from tests.stopwatch import within


def png(seed, size=80):
    file = io.BytesIO()
    picture(seed, size, size).save(file, "PNG")
    return file.getvalue()


GOOD = {
    "art/a.png": png(1),
    "art/b.png": png(2),
    "art/b.txt": b"A ship",
    "art/metadata.jsonl": b'{"file_name": "a.png", "text": "A castle", "style": "engraving"}\n',
}


def make_zip(path, members, mode="w", kind=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, mode, kind) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def make_tar(path, members):
    """members: {name: bytes, or a ready TarInfo}."""
    with tarfile.open(
        path, "w:gz" if path.suffix in (".gz", ".tgz") else "w", format=tarfile.GNU_FORMAT
    ) as file:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
            file.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def unpacked(archive, limits=archive_members.DEFAULT_LIMITS):
    """({member: picture's bytes}, {member: reason}), after a look that nothing else has changed."""
    room = archive.parent

    def around():
        return {path: data for path, data in contents(room).items() if path.parts[0] != "target"}

    before = around()
    target = room / "target" / "pictures"
    lost = unpacking.unpack(archive, target, limits=limits).lost
    assert around() == before, "something was written outside"
    assert os.listdir(room / "target") == ["pictures"]
    assert not [path for path in target.rglob("*") if path.is_symlink() or path.is_dir()]
    rows = read_jsonl(target / "metadata.jsonl")
    assert {row["file_name"] for row in rows} == set(os.listdir(target)) - {
        "metadata.jsonl",
        walking.UNPACKING_MARKER,
    }
    assert not (room.parent / "evil.png").exists()
    assert not Path("/evil.png").exists()
    return {row["member"]: (target / row["file_name"]).read_bytes() for row in rows}, {
        row["path"]: row["reason"] for row in lost
    }


# of each of four kinds
FLIPS = 500 if os.environ.get("LONG") else 12
PICTURES = {name: data for name, data in GOOD.items() if name.endswith(".png")}


# Good ones


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tar.gz", "set.tgz"])
def test_an_archive_is_a_source_like_the_folder_it_holds(tmp_path, name):
    archive = (make_zip if name.endswith("zip") else make_tar)(tmp_path / name, GOOD)
    collection, rows, report = run_main(archive, tmp_path)
    assert {row["caption"]: row["id"] for row in rows}.keys() == {"A castle", "A ship"}
    assert report["rejected"] == 0
    assert report["source"] == archive.as_posix()
    assert {
        path.read_bytes() for path in (collection.raw / resolve.UNPACKED).rglob("*.png")
    } == set(PICTURES.values())
    before = snapshot(tmp_path / "data")
    run_main(archive, tmp_path)
    assert snapshot(tmp_path / "data") == before, "a second run redoes nothing"


def test_archives_and_folders_are_sources_together(tmp_path):
    (tmp_path / "more").mkdir()
    picture(7).save(tmp_path / "more" / "x.png")
    one = make_zip(tmp_path / "one.zip", GOOD)
    two = make_tar(tmp_path / "two.tar", {"a.png": GOOD["art/a.png"], "c.png": png(3)})
    collection, rows, report = run_main(f"{one}, {two},{tmp_path / 'more'}", tmp_path)
    assert (len(rows), report["found"], report["duplicates"]) == (4, 5, 1)
    assert len({row["source"] for row in rows}) == 3
    assert [path.name for path in collection.raw.iterdir() if path.is_symlink()] == [
        row["id"] + ".png" for row in rows if row["source"].endswith("more")
    ]


def test_class_folders_inside_an_archive_are_styles(tmp_path):
    archive = make_zip(
        tmp_path / "set.zip",
        {"Drawings/a.png": png(1), "x/painting/b.png": png(2), "c.png": png(3)},
    )
    _, rows, _ = run_main(archive, tmp_path, style="all")
    assert sorted(row["style"] for row in rows) == ["all", "drawings", "painting"]


def test_webdataset_shards_are_read(tmp_path):
    archive = make_tar(
        tmp_path / "train-000000.tar",
        {
            "./0.png": png(0),
            "./0.txt": b"A castle\n",
            "./1.png": png(1),
            "./1.json": b'{"caption": "A ship", "style": "drawing"}',
            "./2.png": png(2),
            "./2.json": b"{",
            "./2.cls": b"7",
        },
    )
    _, rows, report = run_main(archive, tmp_path, style="all")
    assert {(row["caption"], row["style"]) for row in rows} == {
        ("A castle", "all"),
        ("A ship", "drawings"),
        ("", "all"),
    }
    assert {row["path"]: row["reason"] for row in report["rejected_files"]} == {
        "2.png": "no JSON",
        "./2.cls": "neither a picture nor captions",
    }


# Evil ones


def test_names_that_lead_elsewhere_and_links_are_left_out(tmp_path):
    evil = {
        "../evil.png": png(5),
        "/evil.png": png(6),
        "C:\\evil.png": png(7),
        "a/../../evil.png": png(8),
        "..\\evil.png": png(9),
    }
    reasons = {
        "../evil.png": "a name that leads out of the archive",
        "/evil.png": "an absolute name",
        "C:\\evil.png": "an absolute name",
        "a/../../evil.png": "a name that leads out of the archive",
        "..\\evil.png": "a name that leads out of the archive",
    }
    (tmp_path / "z").mkdir()
    (tmp_path / "t").mkdir()
    archive = make_zip(tmp_path / "z" / "set.zip", evil | GOOD)
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(link, "/etc/passwd")
    assert unpacked(archive) == (PICTURES, reasons | {"link.png": "a link"})

    odd = {
        "s.png": special("s.png", tarfile.SYMTYPE, "/etc/passwd"),
        "h.png": special("h.png", tarfile.LNKTYPE, "art/a.png"),
        "art": special("art", tarfile.SYMTYPE, "/tmp"),
        "f.png": special("f.png", tarfile.FIFOTYPE),
        "d.png": special("d.png", tarfile.CHRTYPE),
    }
    found = unpacked(make_tar(tmp_path / "t" / "set.tar.gz", evil | odd | GOOD))
    assert found == (
        PICTURES,
        reasons
        | {
            "s.png": "a link",
            "h.png": "a link",
            "art": "a link",
            "f.png": "no plain file",
            "d.png": "no plain file",
        },
    )


def test_archives_inside_and_others_are_left_out_with_a_reason(tmp_path):
    more = {
        "inner.zip": b"PK",
        "x.tar.gz": b"",
        "README.md": b"hello",
        "run.exe": b"MZ",
        "a.png": png(4),
    }
    pictures, reasons = unpacked(make_zip(tmp_path / "set.zip", more | GOOD))
    assert pictures == PICTURES | {"a.png": more["a.png"]}
    assert reasons == {
        "inner.zip": "an archive within the archive",
        "x.tar.gz": "an archive within the archive",
        "README.md": "neither a picture nor captions",
        "run.exe": "neither a picture nor captions",
    }


@pytest.mark.parametrize("name", ["set.zip", "set.tar"])
def test_hidden_members_are_passed_over_as_those_of_a_folder_are(tmp_path, name):
    """Of a zip with .gitattributes and a checkpoint of Jupyter, more pictures were found and
    rejected than it held; a folder of the same files had none of them.
    """
    hidden = {
        ".gitattributes": b"*.png filter=lfs",
        ".hidden.png": png(5),
        ".ipynb_checkpoints/1-checkpoint.png": png(6),
        "art/.directory": b"[Desktop Entry]",
        "./.git/config": b"[core]",
        ".git/inner.zip": b"PK",
        ".notes.jsonl": b"no JSON",
    }
    make = make_zip if name == "set.zip" else make_tar
    assert unpacked(make(tmp_path / name, hidden | GOOD)) == (PICTURES, {})


def test_bombs_are_not_unpacked(tmp_path):
    bomb = bytes(2**25)
    (tmp_path / "z").mkdir()
    pictures, reasons = unpacked(make_zip(tmp_path / "z" / "set.zip", {"bomb.png": bomb} | GOOD))
    assert pictures == PICTURES
    assert reasons == {"bomb.png": archive_members.TOO_COMPRESSED}
    (tmp_path / "t").mkdir()
    pictures, reasons = unpacked(
        make_tar(
            tmp_path / "t" / "set.tgz",
            GOOD
            | {"one.png": bomb[: 2**24], "bomb.png": bytes(3 * 2**24 + 1), "after.png": png(9)},
        )
    )
    assert pictures.keys() == {*PICTURES, "one.png"}
    assert reasons == {
        "bomb.png": archive_members.TOO_COMPRESSED,
        "set.tgz": f"{archive_members.TOO_COMPRESSED}: {archive_members.NOTHING_FURTHER}",
    }


def test_many_small_bombs_meet_the_limit_of_the_whole(tmp_path):
    many = {f"{number}.bmp": bytes(2**23) for number in range(12)}
    pictures, reasons = unpacked(make_zip(tmp_path / "set.zip", many | GOOD))
    assert len(pictures) == 8
    assert set(reasons.values()) == {archive_members.TOO_COMPRESSED}, (
        "64 MiB; what is left out takes no room"
    )


def test_lies_about_lengths_are_caught(tmp_path):
    """A zip whose list says less than there is, and a tar that says 2**80 bytes."""
    archive = make_zip(tmp_path / "set.zip", GOOD, kind=zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    entry = data.index(b"PK\1\2")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)
    archive.write_bytes(data)
    pictures, reasons = unpacked(archive)
    assert pictures == {"art/b.png": PICTURES["art/b.png"]}
    assert reasons["art/a.png"].startswith("damaged")
    (tmp_path / "t").mkdir()
    huge = tarfile.TarInfo("huge.png")
    huge.size = 2**80
    archive = tmp_path / "t" / "set.tar"
    good = make_tar(tmp_path / "good.tar", GOOD).read_bytes().rstrip(b"\0")
    archive.write_bytes(
        good + bytes(-len(good) % 512) + huge.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    )
    pictures, reasons = unpacked(archive)
    assert pictures == PICTURES
    assert reasons.keys() == {"huge.png", "set.tar"}


def test_a_name_of_gigabytes_is_not_read_into_memory(tmp_path):
    name = special("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    name.size = 2**34
    archive = tmp_path / "set.tar"
    archive.write_bytes(
        make_tar(tmp_path / "good.tar", {"a.png": png(1)}).read_bytes()[
            : 512 * (1 + -(-len(png(1)) // 512))
        ]
        + name.tobuf(tarfile.GNU_FORMAT)
        + bytes(10240)
    )
    pictures, reasons = unpacked(archive)
    assert list(pictures) == ["a.png"]
    assert reasons == {"set.tar": f"damaged: {archive_members.NOTHING_FURTHER}"}


def test_limits_on_members_and_sizes(tmp_path):
    limits = archive_members.Limits(members=5, member_bytes=50_000)
    many = {"large.png": png(0, 400)} | {f"{number}.png": png(number) for number in range(7)}
    for name, make in (("set.zip", make_zip), ("set.tar", make_tar)):
        (tmp_path / name[4:]).mkdir()
        pictures, reasons = unpacked(make(tmp_path / name[4:] / name, many), limits)
        assert list(pictures) == [f"{number}.png" for number in range(4)]
        assert reasons == {
            "large.png": "larger than 50,000 bytes",
            name: f"more than 5 members: {archive_members.NOTHING_FURTHER}",
        }


def test_names_that_are_no_unicode(tmp_path):
    """Names that are no UTF-8 are read as those of the first zips: no two of them become one."""
    latin = dict(zip(("caf\udce9.png", "caf\udce8.png"), (png(4), png(5)), strict=True))
    pictures, reasons = unpacked(make_tar(tmp_path / "set.tar", latin | GOOD))
    assert pictures == PICTURES | {"caf\u0398.png": png(4), "caf\u03a6.png": png(5)}
    assert "the encoding of 2 names is not known" in reasons.pop("set.tar")
    assert not reasons
    (tmp_path / "z").mkdir()
    archive = make_zip(tmp_path / "z" / "set.zip", {"caf\xe9.png": png(4)} | GOOD)
    archive.write_bytes(archive.read_bytes().replace("caf\xe9".encode(), b"caf\xe9\xe9"))
    assert unpacked(archive) == (PICTURES | {"caf\ufffd\ufffd.png": png(4)}, {})


def test_encrypted_and_doubled_members(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        archive = make_zip(make_zip(tmp_path / "set.zip", GOOD), {"art/a.png": png(9)}, mode="a")
    data = bytearray(archive.read_bytes())
    # the first of the list says that it needs a password
    data[data.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(data)
    pictures, reasons = unpacked(archive)
    assert pictures == {"art/a.png": png(9), "art/b.png": PICTURES["art/b.png"]}
    assert reasons == {"art/a.png": "encrypted"}


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tar.gz"])
def test_what_stands_before_a_cut_is_kept(tmp_path, name):
    """Never a crash, never a torn picture, and every picture that lies wholly before the cut.

    A zip keeps its list at the end, so that a cut one is read by the headers before each member.
    """
    members = {f"{number}.png": png(number) for number in range(4)}
    whole = (make_zip if name == "set.zip" else make_tar)(tmp_path / name, members).read_bytes()
    plain = gzip.decompress(whole) if name.endswith("gz") else whole
    for number, end in enumerate(range(len(whole) - 1, 300, -max(37, len(whole) // 40))):
        (tmp_path / str(number)).mkdir()
        archive = tmp_path / str(number) / name
        archive.write_bytes(whole[:end])
        try:
            pictures, reasons = unpacked(archive)
        except UserError as error:
            assert "cannot be read as an archive" in str(error)
            assert end < 600
            continue
        assert pictures.items() <= members.items()
        if name == "set.zip":
            assert (
                f"cut off: {archive_members.NOTHING_FURTHER}" in reasons.values()
                or pictures == members
            )
            kept = [picture for picture in members if zipfile_end(tmp_path / name, picture) <= end]
        elif name == "set.tar":
            kept = [
                picture for picture, data in members.items() if plain.index(data) + len(data) <= end
            ]
            assert reasons or end >= plain.rindex(b"IEND") + 8
        else:
            kept = list(pictures)
            assert reasons or list(pictures) == list(members)
        assert set(pictures) == set(kept), (end, len(whole))


@pytest.mark.parametrize("packed", [2**62, 2**63, 2**64 - 1])
def test_a_cut_zip_that_promises_exabytes_costs_nothing(tmp_path, packed):
    """Such a length went to seek() and read() as it was, and ended the run with a traceback."""
    lengths = struct.pack("<HHQQ", 1, 16, 100, packed)
    head = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 8, 0, 0, 0, *[2**32 - 1] * 2, 5, 20)
    (tmp_path / "set.zip").write_bytes(head + b"a.png" + lengths + b"some bytes")
    pictures, reasons = unpacked(tmp_path / "set.zip")
    assert not pictures
    assert reasons == {
        "a.png": "cut off",
        "set.zip": f"cut off: {archive_members.NOTHING_FURTHER}",
    }


def zipfile_end(path, name):
    """Where a member's last byte lies."""
    with zipfile.ZipFile(path) as file:
        info = file.getinfo(name)
        return info.header_offset + 30 + len(name) + info.compress_size


def test_a_flipped_byte_costs_one_picture_of_a_zip(tmp_path):
    data = bytearray(make_zip(tmp_path / "set.zip", GOOD).read_bytes())
    data[data.index(b"art/a.png") + 400] ^= 255
    (tmp_path / "set.zip").write_bytes(data)
    pictures, reasons = unpacked(tmp_path / "set.zip")
    assert pictures == {"art/b.png": PICTURES["art/b.png"]}
    assert reasons.keys() == {"art/a.png"}
    assert reasons["art/a.png"].startswith("damaged")


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tar.gz", "set.parquet"])
def test_flipped_bytes_never_crash_nor_write_elsewhere(tmp_path, name):
    """Headers, lists, lengths and names too. A zip's checksums let no changed picture pass."""
    if name == "set.parquet":
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet")

        pyarrow.parquet.write_table(
            pyarrow.Table.from_pylist(
                [
                    {"image": {"bytes": data, "path": path}, "text": "A ship"}
                    for path, data in PICTURES.items()
                ]
            ),
            tmp_path / name,
        )
    else:
        (make_zip if name == "set.zip" else make_tar)(tmp_path / name, dict(GOOD.items()))
    whole = (tmp_path / name).read_bytes()
    dice = random.Random(name)
    read = 0
    (tmp_path / name).unlink()
    for number in range(FLIPS):
        data = bytearray(whole)
        for _ in range(1 + number % 3):
            data[
                dice.randrange(len(data))
                if number % 2
                else dice.choice((0, max(0, len(data) - 600))) + dice.randrange(600)
            ] ^= 1 << dice.randrange(8)
        room = tmp_path / str(number)
        room.mkdir()
        (room / name).write_bytes(data)
        try:
            pictures, reasons = unpacked(room / name)
        except UserError as error:
            assert name in str(error)
            assert "\n" not in str(error)
            continue
        read += 1
        assert all(reasons.values())
        assert name != "set.zip" or set(pictures.values()) <= set(PICTURES.values())
        shutil.rmtree(room)
    assert read > FLIPS / 4, f"{read} of {FLIPS} were archives still"


@pytest.mark.parametrize(
    "name, content",
    [
        ("set.zip", b"<html>404</html>"),
        ("set.tar", b"<html>404</html>" * 99),
        ("set.tgz", b"\x1f\x8bxxxx"),
        ("set.zip", b""),
        ("set.tar", b""),
    ],
)
def test_what_is_no_archive_is_named_in_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name} cannot be read as an archive.*--source PATH"):
        run_main(tmp_path / name, tmp_path)


# Again, and after interruptions


def test_an_interrupted_unpacking_begins_anew(tmp_path, monkeypatch):
    archive = make_zip(tmp_path / "set.zip", GOOD)
    real = unpacking.copy_member
    calls = []

    def interrupted(member, path, **flags):
        if calls:
            path.write_bytes(b"torn")
            raise KeyboardInterrupt
        calls.append(path)
        return real(member, path, **flags)

    monkeypatch.setattr(unpacking, "copy_member", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unpacking.unpack(archive, tmp_path / "target" / "pictures")
    assert not (tmp_path / "target").exists(), "nothing is left"
    monkeypatch.setattr(unpacking, "copy_member", real)
    assert unpacked(archive) == (PICTURES, {})


def test_a_changed_archive_is_unpacked_anew_and_an_equal_one_is_not(tmp_path, monkeypatch):
    archive = make_zip(tmp_path / "set.zip", GOOD)
    first = unpacked(archive)
    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "unpack_into", None)
        assert unpacked(archive) == first
    make_zip(archive, {"c.png": png(3)})
    assert unpacked(archive) == ({"c.png": png(3)}, {})


def test_every_reject_is_in_the_report(tmp_path, capsys):
    evil = {
        "../evil.png": png(5),
        "a\x1b[31m.exe": b"",
        "none.jsonl": b'{"image": "gone.png", "caption": "x"}\n',
    }
    _, rows, report = run_main(make_zip(tmp_path / "set.zip", GOOD | evil), tmp_path)
    assert {row["path"]: (row["reason"], row["file"]) for row in report["rejected_files"]} == {
        "../evil.png": ("a name that leads out of the archive", "set.zip"),
        "a\x1b[31m.exe": ("neither a picture nor captions", "set.zip"),
        "gone.png": ("image not found", "none.jsonl"),
    }
    assert report["found"] == report["prepared"] + report["rejected"] == 4 == len(rows) + 2
    assert report["passed_over"] == 1
    shown = capsys.readouterr().out
    assert "none.jsonl, line 1: image not found: gone.png" in shown
    assert "\x1b" not in shown
    assert json.dumps(report)


def sparse_header(size, *, real_size):
    """A header of GNU's for a sparse file, of any size."""
    info = tarfile.TarInfo("a.png")
    info.size = size
    info.type = b"S"
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    # magic of GNU, and behind it four regions, their mark and the size of the whole file
    header[257:265] = b"ustar  \0"
    header[386:483] = bytes(97)
    header[483:495] = f"{real_size:011o}".encode() + b"\0"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}".encode() + b"\0 "
    return bytes(header)


@pytest.mark.parametrize("size", [2**80, 2**40])
def test_a_sparse_file_of_any_length_hangs_nothing(tmp_path, size):
    """The way to the next header was read block by block: 2^80 bytes of them."""
    archive = tmp_path / "set" / "a.tar"
    archive.parent.mkdir()
    archive.write_bytes(sparse_header(size, real_size=0) + bytes(10_240))
    with within(1), pytest.raises(UserError, match="it holds a sparse file"):
        unpacked(archive)


def test_tarfile_still_reads_sparse_files_by_these_names():
    """They are overridden; under other names a later Python would read them again."""
    for name in ("_proc_sparse", "_proc_gnusparse_00", "_proc_gnusparse_01", "_proc_gnusparse_10"):
        assert hasattr(tarfile.TarInfo, name)


def test_a_long_file_that_is_not_there_hangs_nothing(tmp_path):
    archive = tmp_path / "set" / "a.tar"
    archive.parent.mkdir()
    info = tarfile.TarInfo("a.png")
    info.size = 2**70
    archive.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    with within(1):
        pictures, lost = unpacked(archive)
    assert not pictures and lost
