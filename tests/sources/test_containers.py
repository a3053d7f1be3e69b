"""Folders of anything: shards, archives, saved data sets, links to other folders.

Whatever a download left in a folder is read by naming the folder, and what cannot be is named.
"""

import errno
import io
import json
import shutil
import struct
import sys
import tarfile
import unicodedata
import zipfile
import zlib

import pytest

from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.console.flags import parse_configs
from oneseed.media import kinds
from oneseed.media.moving import medium_inside
from oneseed.sources import archive_members, tables
from oneseed.sources.annotations import list_files
from oneseed.sources.resolve import names_in
from oneseed.sources.walking import is_clutter, walk_folder
from tests.preparation.test_checking import check
from tests.preparation.test_dataset_preparation import picture, run_main, snapshot
from tests.sources.test_archives import make_tar, make_zip, png


def fill(folder, names, first=0):
    """Writes a picture under each name -> folder."""
    for number, name in enumerate(names, first):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(folder / name)
    return folder


def captioned(numbers):
    """Members of a shard: pictures, each with its caption."""
    members = {}
    for number in numbers:
        members[f"{number:04}.png"] = png(number)
        members[f"{number:04}.txt"] = f"castle {number}".encode()
    return members


def captions(rows):
    return sorted(row["caption"] for row in rows)


def reasons(report):
    return {row["path"]: row["reason"] for row in report["rejected_files"]}


CASTLES = [f"castle {number}" for number in range(4)]


# Shards and archives


@pytest.mark.parametrize(
    "names", [("0.tar", "1.tar"), ("a.zip", "deep/b.tar.xz"), ("0.TGZ", "1.tar.bz2")]
)
def test_a_folder_of_shards_is_read(tmp_path, names):
    """A download left two shards in a folder. Naming the folder ended with "convert the files"."""
    for number, name in enumerate(names):
        path = tmp_path / "shards" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        members = captioned(range(2 * number, 2 * number + 2))
        if name.endswith("zip"):
            make_zip(path, members)
        else:
            plain = make_tar(tmp_path / "plain.tar", members)
            mode = {"0.TGZ": "w:gz", "1.tar.bz2": "w:bz2", "b.tar.xz": "w:xz"}.get(path.name, "w")
            with tarfile.open(path, mode) as file, tarfile.open(plain) as inside:
                for info in inside:
                    file.addfile(info, inside.extractfile(info))
    _, rows, report = run_main(tmp_path / "shards", tmp_path)
    assert captions(rows) == CASTLES
    assert (report["found"], report["rejected"]) == (4, 0)
    assert report["source"] == (tmp_path / "shards").as_posix(), "named once, as it was asked for"
    before = snapshot(tmp_path / "data")
    run_main(tmp_path / "shards", tmp_path)
    assert snapshot(tmp_path / "data") == before, "a second run redoes nothing"


def test_a_folder_of_shards_is_looked_at(tmp_path):
    (tmp_path / "shards").mkdir()
    for number in range(2):
        make_tar(tmp_path / "shards" / f"{number}.tar", captioned([2 * number, 2 * number + 1]))
    _, report, _ = check(tmp_path / "shards", tmp_path)
    assert (report["distinct"], report["captions"]["count"]) == (4, 4)


def test_pictures_archives_and_columns_in_one_folder_are_read_together(tmp_path):
    """A picture that lies both in an archive and beside it counts once, with its caption."""
    pytest.importorskip("pyarrow")
    folder = fill(tmp_path / "set", ["0.png", "more/1.png"])
    make_zip(folder / "rest.zip", captioned([1, 2]))
    save_columns(folder / "last.parquet", [3])
    _, rows, report = run_main(folder, tmp_path)
    assert captions(rows) == ["", "castle 1", "castle 2", "castle 3"]
    assert (report["found"], report["duplicates"], report["rejected"]) == (5, 1, 0)


def test_a_damaged_shard_costs_no_other(tmp_path):
    (tmp_path / "shards").mkdir()
    make_tar(tmp_path / "shards" / "0.tar", captioned(range(4)))
    (tmp_path / "shards" / "1.zip").write_bytes(b"cut off long ago")
    _, rows, report = run_main(tmp_path / "shards", tmp_path)
    assert captions(rows) == CASTLES
    assert "cannot be read as an archive" in reasons(report)["1.zip"]
    assert (report["found"], report["rejected"]) == (5, 1)


@pytest.mark.parametrize("look", [run_main, check], ids=["preparing", "looking"])
def test_damaged_shards_alone_are_to_be_fetched_again(tmp_path, look):
    """Nobody can convert shards to JPEG; the advice must fit what is there."""
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "0.tar").write_bytes(b"cut off long ago")
    with pytest.raises(UserError, match="cannot be read as an archive.*fetch it again") as caught:
        look(tmp_path / "shards", tmp_path)
    assert caught.value.code == 1
    assert "convert" not in str(caught.value)


def test_a_damaged_archive_among_several_sources_is_named(tmp_path, capsys):
    make_tar(tmp_path / "0.tar", captioned(range(4)))
    (tmp_path / "1.tar").write_bytes(b"cut off long ago")
    _, rows, report = run_main(f"{tmp_path / '0.tar'},{tmp_path / '1.tar'}", tmp_path)
    assert captions(rows) == CASTLES
    assert "cannot be read as an archive" in reasons(report)[str(tmp_path / "1.tar")]
    assert "1.tar" in capsys.readouterr().out


def test_captions_beside_the_only_archive_belong_to_it(tmp_path):
    """images.zip and captions.csv, as data sets are often offered; paths begin in the zip."""
    (tmp_path / "set").mkdir()
    make_zip(tmp_path / "set" / "images.zip", {f"{number}.png": png(number) for number in range(4)})
    table = "file_name,caption\n" + "".join(f"images/{n}.png,castle {n}\n" for n in range(4))
    (tmp_path / "set" / "captions.csv").write_text(table)
    _, rows, report = run_main(tmp_path / "set", tmp_path)
    assert captions(rows) == CASTLES
    assert report["rejected"] == 0
    (tmp_path / "set" / "captions.csv").write_text(table.replace("castle", "tower"))
    _, rows, _ = run_main(tmp_path / "set", tmp_path)
    assert captions(rows) == [f"tower {number}" for number in range(4)], "a change is noticed"


def test_archives_in_class_folders_have_that_style(tmp_path):
    """As pictures have it; a name such as painting.zip says it, too."""
    make_tar(tmp_path / "0.tar", captioned([0]))
    (tmp_path / "set" / "Engravings").mkdir(parents=True)
    (tmp_path / "0.tar").rename(tmp_path / "set" / "Engravings" / "00000.tar")
    make_zip(tmp_path / "set" / "painting.zip", captioned([1]))
    make_zip(tmp_path / "set" / "both.zip", {"drawings/2.png": png(2), "3.png": png(3)})
    _, rows, report = run_main(tmp_path / "set", tmp_path)
    assert sorted(row["style"] for row in rows) == ["engraving", "engraving"]
    assert report["other_styles"] == {"drawings": 1, "painting": 1}


def test_a_link_to_an_archive_keeps_the_link_s_name(tmp_path):
    """Downloaders keep files under their hashes, and link to them by their names."""
    (tmp_path / "blobs").mkdir()
    make_tar(tmp_path / "set.tar", captioned(range(4))).rename(tmp_path / "blobs" / "c0ffee")
    (tmp_path / "set.tar").symlink_to(tmp_path / "blobs" / "c0ffee")
    _, rows, _ = run_main(tmp_path / "set.tar", tmp_path)
    assert captions(rows) == CASTLES


def test_what_an_earlier_run_unpacked_is_no_source_of_a_later_one(tmp_path):
    """An archive was put into data/raw/<style>/, where its own pictures lie after the first run."""
    raw = tmp_path / "data" / "raw" / "engraving"
    raw.mkdir(parents=True)
    make_zip(raw / "set.zip", captioned(range(4)))
    for _ in range(2):
        _, rows, report = run_main(raw, tmp_path)
        assert (captions(rows), report["found"]) == (CASTLES, 4)


def test_what_systems_add_is_neither_found_nor_rejected(tmp_path):
    """A Mac writes ._1.png beside every 1.png, Windows Thumbs.db, a NAS @eaDir."""
    clutter = {
        "__MACOSX/set/._0.png": b"\0\5\x16\7",
        "set/._0.png": b"\0\5\x16\7",
        "set/.DS_Store": b"x",
        "set/Thumbs.db": b"x",
        "set/Desktop.ini": b"x",
        "set/@eaDir/0.png/thumb.png": b"x",
    }
    members = {f"set/{name}": data for name, data in captioned(range(4)).items()}
    make_zip(tmp_path / "set.zip", members | clutter)
    make_tar(tmp_path / "set.tar", members | clutter)
    for name, data in (members | clutter).items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for source in ("set.zip", "set.tar", "folder"):
        _, rows, report = run_main(tmp_path / source, tmp_path)
        assert captions(rows) == CASTLES, source
        assert (report["found"], report["rejected"], reasons(report)) == (4, 0, {}), source


def test_clutter_is_known_by_whole_names():
    assert is_clutter("a/__MACOSX/b.png")
    assert is_clutter("a/._b.png")
    assert is_clutter("THUMBS.DB")
    assert not is_clutter("thumbs.db/1.png")
    assert not is_clutter("a/my desktop.ini.png")


# Names in archives


def raw_zip(path, members):
    """{name in bytes: content} -> a zip without the mark that says UTF-8."""
    stand_ins = {f"{number:03}".ljust(len(name), "~"): name for number, name in enumerate(members)}
    make_zip(path, dict(zip(stand_ins, members.values(), strict=True)), kind=zipfile.ZIP_STORED)
    data = path.read_bytes()
    for stand_in, name in stand_ins.items():
        data = data.replace(stand_in.encode(), name)
    path.write_bytes(data)
    return path


def raw_tar(path, members):
    """The same as a tar of the old form, which knows no encodings."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name.decode("latin-1"))
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def named_members(name, encoding):
    """Four pictures called name0.png, name1.png …, and the captions that name them in UTF-8."""
    members = {f"{name}{number}.png".encode(encoding): png(number) for number in range(4)}
    rows = [{"file_name": f"{name}{n}.png", "text": f"castle {n}"} for n in range(4)]
    table = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return {**members, b"metadata.jsonl": table.encode()}


@pytest.mark.parametrize("make", [raw_zip, raw_tar])
@pytest.mark.parametrize(
    "name",
    ["Schlösser/Brücke", "城の絵/橋", "Castelo São Jorge ", unicodedata.normalize("NFD", "Brücke")],
)
def test_names_in_utf_8_without_a_word_on_it_are_utf_8(tmp_path, name, make, capsys):
    """A Mac packs so; the names were read as those of the first PCs, and no caption fitted."""
    _, rows, report = run_main(
        make(tmp_path / "set.zip", named_members(name, "utf-8"))
        if make is raw_zip
        else make(tmp_path / "set.tar", named_members(name, "utf-8")),
        tmp_path,
    )
    assert captions(rows) == CASTLES
    assert report["rejected"] == 0
    assert "encoding" not in capsys.readouterr().out


@pytest.mark.parametrize("make, name", [(raw_zip, "set.zip"), (raw_tar, "set.tar")])
@pytest.mark.parametrize(
    "text, encoding",
    [
        ("橋の絵", "shift_jis"),
        ("城堡在山上", "gbk"),
        ("Schloß Brühl", "cp1252"),
        ("замок", "cp866"),
    ],
)
def test_of_an_old_code_page_pictures_are_kept_and_the_screen_says_why_captions_are_not(
    tmp_path, capsys, text, encoding, make, name
):
    """Which code page it was can only be guessed; two names must never become one."""
    _, rows, report = run_main(make(tmp_path / name, named_members(text, encoding)), tmp_path)
    assert len(rows) == 4
    assert "the encoding of 4 names is not known" in reasons(report)[name]
    assert (report["prepared"], report["rejected"]) == (4, 4), "the rows that found no picture"
    assert "the encoding of 4 names is not known" in capsys.readouterr().out


def test_names_of_the_first_zips_find_their_captions(tmp_path):
    """cp437 is what a zip without a mark is meant to have."""
    source = raw_zip(tmp_path / "set.zip", named_members("Brücke", "cp437"))
    _, rows, _ = run_main(source, tmp_path)
    assert captions(rows) == CASTLES


def test_an_extra_field_gives_a_name_in_utf_8(tmp_path):
    """Info-ZIP on Windows writes the name in the code page, and in field 0x7075 as UTF-8."""
    stored = b"Bruecke~.png"
    name = "Brücke".encode() + b"0.png"
    info = zipfile.ZipInfo(stored.decode())
    field = b"\1" + zlib.crc32(b"Br\x81cke00.png").to_bytes(4, "little") + name
    info.extra = b"\x75\x70" + len(field).to_bytes(2, "little") + field
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        file.writestr(info, png(0))
        file.writestr(
            "metadata.jsonl", json.dumps({"file_name": "Brücke0.png", "text": "a bridge"})
        )
    data = (tmp_path / "set.zip").read_bytes().replace(stored, b"Br\x81cke00.png")
    (tmp_path / "set.zip").write_bytes(data)
    _, rows, report = run_main(tmp_path / "set.zip", tmp_path)
    assert (captions(rows), report["rejected_files"]) == (["a bridge"], [])


def test_a_shard_whose_keys_end_at_the_first_dot_gives_its_captions(tmp_path):
    """A sample of a WebDataset shard may be 0001.input.png and 0001.outputs.txt."""
    members = {}
    for number in range(4):
        members[f"{number:04}.input.png"] = png(number)
        members[f"{number:04}.outputs.txt"] = f"castle {number}".encode()
    _, rows, _ = run_main(make_tar(tmp_path / "set.tar", members), tmp_path)
    assert captions(rows) == CASTLES


# Data sets in columns


def save_columns(path, numbers, caption=lambda number: f"castle {number}", kind=""):
    """Pictures with captions as a Parquet or Arrow file; kind: of Arrow, "stream" or "file"."""
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    images = [{"bytes": png(number), "path": None} for number in numbers]
    table = pyarrow.table({"image": images, "text": [caption(number) for number in numbers]})
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
        return path
    open_writer = pyarrow.ipc.new_file if kind == "file" else pyarrow.ipc.new_stream
    with pyarrow.OSFile(str(path), "wb") as file, open_writer(file, table.schema) as writer:
        writer.write_table(table)
    return path


def save_data_set(folder, numbers):
    """As datasets.Dataset.save_to_disk leaves it."""
    save_columns(folder / "data-00000-of-00001.arrow", numbers)
    (folder / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}')
    (folder / "dataset_info.json").write_text('{"features": {"text": {"dtype": "string"}}}')
    return folder


def test_styles_that_a_saved_data_set_keeps_as_numbers_have_their_names(tmp_path):
    """Written by the library itself: the numbers of a ClassLabel mean names in the schema."""
    datasets = pytest.importorskip("datasets")
    kinds = {
        "image": datasets.Image(),
        "text": datasets.Value("string"),
        "style": datasets.ClassLabel(names=["drawings", "engraving"]),
    }
    columns = {
        "image": [{"bytes": png(number), "path": None} for number in range(4)],
        "text": CASTLES,
        "style": [1, 1, 1, 0],
    }
    saved = datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))
    saved.save_to_disk(tmp_path / "saved")
    saved.to_parquet(tmp_path / "saved.parquet")
    for source in ("saved", "saved.parquet"):
        _, rows, report = run_main(tmp_path / source, tmp_path)
        assert captions(rows) == CASTLES[:3], source
        assert report["other_styles"] == {"drawings": 1}, source


@pytest.mark.parametrize("look", [run_main, check], ids=["preparing", "looking"])
def test_a_saved_data_set_is_read(tmp_path, look):
    """datasets wrote a folder by save_to_disk; "convert the files" was no help."""
    save_data_set(tmp_path / "saved", range(4))
    found = look(tmp_path / "saved", tmp_path)
    report = found[2] if look is run_main else found[1]
    assert report["found"] == 4
    assert report["rejected_files"] == []
    assert report.get("with_caption", 4) == 4


def test_a_saved_data_set_of_two_splits_is_read_whole(tmp_path):
    saved = tmp_path / "saved"
    save_data_set(saved / "train", range(3))
    save_data_set(saved / "test", [3])
    (saved / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    _, rows, report = run_main(saved, tmp_path)
    assert (captions(rows), report["rejected_files"]) == (CASTLES, [])
    shutil.make_archive(str(tmp_path / "saved"), "zip", saved)
    _, rows, report = run_main(tmp_path / "saved.zip", tmp_path)
    assert (captions(rows), report["rejected_files"]) == (CASTLES, [])


@pytest.mark.parametrize(
    "name, kind", [("set.arrow", "stream"), ("set.arrow", "file"), ("set.feather", "file")]
)
def test_both_forms_of_arrow_are_read(tmp_path, name, kind):
    _, rows, _ = run_main(save_columns(tmp_path / name, range(4), kind=kind), tmp_path)
    assert captions(rows) == CASTLES


@pytest.mark.parametrize("name", ["set.parquet", "set.arrow"])
@pytest.mark.parametrize(
    "caption",
    [lambda number: [f"castle {number}", f"keep {number}"], lambda number: [f"castle {number}"]],
)
def test_a_list_of_captions_in_columns_gives_one_and_loses_no_picture(tmp_path, name, caption):
    source = save_columns(tmp_path / name, range(4), caption)
    _, rows, report = run_main(source, tmp_path)
    assert [caption[:8] for caption in captions(rows)] == CASTLES
    assert report["rejected"] == 0


def test_a_damaged_saved_data_set_is_named(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "data.arrow").write_bytes(b"cut off long ago")
    (tmp_path / "saved" / "state.json").write_text("{}")
    with pytest.raises(UserError, match="no Arrow, or damaged"):
        run_main(tmp_path / "saved", tmp_path)


def test_without_pyarrow_the_command_that_brings_it_is_named(tmp_path, monkeypatch):
    save_data_set(tmp_path / "saved", range(4))
    fill(tmp_path / "mixed", ["0.png"])
    save_columns(tmp_path / "mixed" / "1.parquet", [1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match="pip install pyarrow"):
        run_main(tmp_path / "saved", tmp_path)
    _, rows, report = run_main(tmp_path / "mixed", tmp_path)
    assert len(rows) == 1, "pictures beside it are prepared all the same"
    assert "pip install pyarrow" in reasons(report)["1.parquet"]


# Links


@pytest.mark.parametrize("look", [run_main, check], ids=["preparing", "looking"])
def test_linked_folders_are_read(tmp_path, look):
    fill(tmp_path / "elsewhere", ["0.png", "deep/1.png"])
    (tmp_path / "elsewhere" / "0.txt").write_text("castle 0")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "first").symlink_to(tmp_path / "elsewhere")
    picture(2).save(tmp_path / "2.png")
    (tmp_path / "set" / "2.png").symlink_to(tmp_path / "2.png")
    found = look(tmp_path / "set", tmp_path)
    report = found[2] if look is run_main else found[1]
    assert (report["found"], report["rejected_files"]) == (3, [])


def test_links_in_a_circle_are_named_and_not_entered(tmp_path):
    """A link to a folder above would read everything that lies there, again and again."""
    folder = fill(tmp_path / "above" / "set", ["0.png", "deep/1.png"])
    fill(tmp_path / "above" / "secret", ["2.png"], 2)
    (folder / "deep" / "round").symlink_to(folder)
    (folder / "up").symlink_to(tmp_path / "above")
    (folder / "itself").symlink_to(folder / "itself")
    _, rows, report = run_main(folder, tmp_path)
    assert {row["original"] for row in rows} == {"0.png", "deep/1.png"}
    assert reasons(report) == {
        "deep/round": "a link to a folder that holds it",
        "up": "a link to a folder that holds it",
        "itself": "a link that leads nowhere",
    }
    assert (report["found"], report["rejected"]) == (2, 0), "no picture is lost"


def test_a_folder_with_two_links_is_read_once_by_its_own_path(tmp_path):
    """a and z both lead to prints; captions name the pictures from prints on."""
    folder = fill(tmp_path / "set", ["prints/0.png"])
    (folder / "a").symlink_to(folder / "prints")
    (folder / "z").symlink_to(folder / "prints")
    found = walk_folder(folder, tmp_path / "data")
    assert (found.files, found.lost) == (["prints/0.png"], [])


def test_a_picture_whose_link_leads_nowhere_is_counted_as_lost(tmp_path):
    folder = fill(tmp_path / "set", ["0.png"])
    (folder / "1.png").symlink_to(tmp_path / "gone.png")
    _, rows, report = run_main(folder, tmp_path)
    assert (len(rows), report["found"], report["rejected"]) == (1, 2, 1)
    assert reasons(report) == {"1.png": "a link that leads nowhere"}


# Several sources


def test_several_sources_are_named_in_any_way(tmp_path):
    """A shell makes several words of shards/*.tar; a flag may also be repeated, or hold commas."""
    ways = (
        ["--source", "a.tar", "b.tar", "c d"],
        ["--source", "a.tar", "--source", "b.tar", "--source", "c d"],
        ["--source", "a.tar, b.tar,c d"],
        ["--source", "a.tar,b.tar", "c d", "--workers", "1"],
    )
    for argv in ways:
        (config,) = parse_configs(PrepareConfig, description="x\n\ny", argv=argv)
        assert names_in(config.source) == ["a.tar", "b.tar", "c d"], argv


def test_a_home_that_nobody_has_is_told_in_a_sentence(tmp_path):
    """--source '~nosuchuser/prints' ended in a traceback."""
    with pytest.raises(UserError, match="--source .*~no such user/prints is no folder, archive"):
        run_main("~no such user/prints", tmp_path)


def test_a_comma_in_a_name_is_no_end_of_it_where_only_that_exists(tmp_path):
    for name in ("x, y", "z", "one,two,three"):
        (tmp_path / name).mkdir()
    names = [str(tmp_path / name) for name in ("z", "x, y", "one,two,three", "gone")]
    assert names_in(",".join(names)) == names


def test_pictures_of_several_folders_and_archives_are_one_collection(tmp_path):
    fill(tmp_path / "more", ["3.png"], 3)
    make_tar(tmp_path / "0.tar", captioned([0, 1]))
    make_tar(tmp_path / "1.tar", captioned([2]))
    argv = ["--source", *(str(tmp_path / name) for name in ("0.tar", "1.tar", "more"))]
    (config,) = parse_configs(PrepareConfig, description="x\n\ny", argv=argv)
    _, rows, report = run_main(config.source, tmp_path)
    assert (captions(rows), report["found"]) == (["", *CASTLES[:3]], 4)


# Nothing to read


@pytest.mark.parametrize("look", [run_main, check], ids=["preparing", "looking"])
@pytest.mark.parametrize(
    "names, sentence",
    [
        ([], "holds no pictures.* and no other file: name another folder"),
        (["a.7z", "b.7z"], "but 2 .7z: unpack them first"),
        (["plates.pdf"], "but 1 .pdf: save their pictures as JPEG or PNG"),
        (["a.jpg.crdownload"], "wait for the end of the download"),
        (["train.tfrecord"], "write their pictures to files"),
        (["notes.docx.md"], "but 1 .md: name another folder"),
    ],
)
def test_advice_fits_what_a_folder_without_pictures_holds(tmp_path, look, names, sentence):
    (tmp_path / "set").mkdir()
    for name in names:
        (tmp_path / "set" / name).write_bytes(b"x")
    with pytest.raises(UserError, match=sentence) as caught:
        look(tmp_path / "set", tmp_path)
    assert "convert" not in str(caught.value)


def test_a_damaged_arrow_file_is_named_and_ends_no_process(tmp_path):
    """A length within it pointed 1 GiB further: pyarrow read there, and SIGSEGV ended the run."""
    path = save_columns(tmp_path / "set" / "a.arrow", range(3), "abc".__getitem__, "file")
    ends = struct.pack("<4i", 0, 1, 2, 3)
    data = path.read_bytes()
    assert data.count(ends) == 1
    path.write_bytes(data.replace(ends, struct.pack("<4i", 0, 1, 2**30, 3)))
    picture(7).save(tmp_path / "set" / "7.png")
    _, rows, report = run_main(tmp_path / "set", tmp_path)
    assert len(rows) == 1
    assert "a.arrow" in str(report)


# Files that may not be read


def deny(*args, **kwargs):
    raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize("name", ["set.zip", "set.tar"])
def test_an_archive_that_may_not_be_read_is_not_to_be_fetched_again(tmp_path, monkeypatch, name):
    """It "cannot be read as an archive: fetch it again", and a Parquet file was "damaged"."""
    make = make_zip if name == "set.zip" else make_tar
    source = make(tmp_path / name, captioned(range(4)))
    monkeypatch.setattr(archive_members, "open", deny, raising=False)
    with pytest.raises(
        UserError, match=r"cannot be opened \(Permission denied\): .*chmod"
    ) as caught:
        run_main(source, tmp_path)
    assert "fetch" not in str(caught.value)
    folder = fill(tmp_path / "folder", ["0.png"])
    source.rename(folder / name)
    _, rows, report = run_main(folder, tmp_path)
    assert len(rows) == 1
    assert reasons(report) == {name: "cannot be opened (Permission denied)"}


def test_columns_that_may_not_be_read_are_not_called_damaged(tmp_path, monkeypatch):
    source = save_columns(tmp_path / "set" / "1.parquet", range(4))
    monkeypatch.setattr(tables, "parquet_batches", deny)
    with pytest.raises(UserError, match=r"cannot be opened \(Permission denied\): .*chmod"):
        run_main(source, tmp_path)
    fill(tmp_path / "set", ["0.png"])
    _, rows, report = run_main(tmp_path / "set", tmp_path)
    assert len(rows) == 1
    assert reasons(report) == {"1.parquet": "cannot be opened (Permission denied)"}


def test_a_nameless_file_that_may_not_be_read_may_be_a_picture(tmp_path, monkeypatch):
    """Locked pictures without a known suffix were "neither pictures nor captions"."""
    folder = fill(tmp_path / "set", ["0.png"])
    picture(1).save(folder / "scan", "PNG")
    (folder / "README").write_text("About the set.")
    names = ["0.png", "README", "scan"]
    assert set(list_files(folder, names)) == {"0.png", "scan"}
    monkeypatch.setattr(kinds, "open", deny, raising=False)
    assert set(list_files(folder, names)) == set(names)
    assert medium_inside(folder / "scan") == kinds.PICTURE, "what opens it for its pixels says why"
