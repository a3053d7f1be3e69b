"""Preparing and exporting in a data folder that came from somebody else: only files of our own
making are removed, and only pictures of the collection are packed."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

import dataset_preparation
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.pairs import deal_pairs
from oneseed.preparation.records import LINK_NAME as OWN_LINKS
from oneseed.preparation.records import link_name, remove_own
from tests.preparation.test_dataset_preparation import SIZE, picture, run_main

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ("imagefolder", "jsonl", "clip", "llava", "qwen", "instruct", "sidecar", "webdataset")


@pytest.fixture
def source(tmp_path):
    """Three pictures with captions."""
    folder = tmp_path / "prints"
    folder.mkdir()
    for number in range(3):
        picture(number).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"An engraving of ship number {number}")
    return folder


def run_export(tmp_path, format_name, **flags):
    suffix = "tar" if format_name == "webdataset" else "zip"
    out = tmp_path / f"set.{suffix}"
    dataset_preparation.main(
        PrepareConfig(
            style="engraving",
            export=format_name,
            out=str(out),
            data=str(tmp_path / "data"),
            **flags,
        )
    )
    return out


# ---- what is removed -----------------------------------------------------------------------------


def test_a_list_of_links_deletes_nothing_that_is_not_our_own_link(source, tmp_path):
    """links.json named ../../../precious.txt, and that file of mine was deleted without a word."""
    collection, _, _ = run_main(source, tmp_path)
    precious = tmp_path / "precious.txt"
    notes = collection.raw / "notes.txt"
    for path in (precious, notes):
        path.write_text("mine")
    folder = collection.raw / ("0" * 16)
    folder.mkdir()
    stale = collection.raw / f"{'1' * 16}.png"
    stale.symlink_to(precious)
    behind = tmp_path / "behind"
    behind.mkdir()
    (behind / f"{'2' * 16}.png").write_text("mine")
    (collection.raw / "folder").symlink_to(behind)
    names = [
        "../../../precious.txt",
        str(precious),
        "notes.txt",
        "..\\precious.txt",
        folder.name,
        stale.name,
        f"folder/{'2' * 16}.png",
        ".",
        "..",
        "",
        f"{'3' * 16}.png",
    ]
    listed = collection.processed / "links.json"
    listed.write_text(json.dumps(json.loads(listed.read_text()) | dict.fromkeys(names, "x")))
    run_main(source, tmp_path)
    assert precious.read_text() == notes.read_text() == "mine"
    assert (behind / f"{'2' * 16}.png").exists() and folder.is_dir()
    assert not stale.is_symlink(), "a link of an earlier source goes"
    assert len(json.loads(listed.read_text())) == 3


@pytest.mark.parametrize("text", ["[1]", "null", '{"a": 1}', "{", "", "[" * 100_000], ids=str)
def test_a_damaged_list_of_links_costs_nothing(source, tmp_path, text):
    """It ended preparing in a traceback, for ever."""
    collection, _, _ = run_main(source, tmp_path)
    listed = collection.processed / "links.json"
    before = listed.read_text()
    listed.write_text(text)
    run_main(source, tmp_path)
    assert listed.read_text() == before
    assert all(path.is_symlink() for path in collection.raw.iterdir())


def test_beside_prepared_pictures_only_files_of_ours_are_removed(source, tmp_path):
    """Whatever lay in resized/ was deleted, and a folder there ended the run in a traceback."""
    collection, _, _ = run_main(source, tmp_path)
    private = tmp_path / "private.png"
    picture(9).save(private)
    mine = [collection.resized / "notes.txt", collection.resized / "holiday.png"]
    mine += [collection.processed / "pixels_notes.txt", collection.processed / "pixels_64.npy.old"]
    for path in mine:
        path.write_text("mine")
    folders = [collection.resized / f"{'0' * 16}.png", collection.processed / "pixels_16.npy"]
    for folder in folders:
        folder.mkdir()
        (folder / "inside").write_text("mine")
    stale = [collection.resized / f"{'1' * 16}.png", collection.processed / "pixels_99.npy"]
    for path in stale:
        path.symlink_to(private)
    run_main(source, tmp_path)
    assert all(path.read_text() == "mine" for path in mine)
    assert all((folder / "inside").exists() for folder in folders)
    assert private.exists()
    assert not any(os.path.lexists(path) for path in stale)


def test_a_prepared_picture_that_is_a_link_to_mine_is_made_again(source, tmp_path):
    """Its pixels would be trained on, and exported."""
    collection, rows, _ = run_main(source, tmp_path)
    private = tmp_path / "private.png"
    Image.new("L", (SIZE, SIZE), 77).save(private)
    prepared = collection.resized / rows[0]["filename"]
    before = prepared.read_bytes()
    prepared.unlink()
    prepared.symlink_to(private)
    run_main(source, tmp_path)
    assert prepared.read_bytes() == before and not prepared.is_symlink()
    assert Image.open(private).getcolors() == [(SIZE * SIZE, 77)]


def test_a_folder_in_the_place_of_a_link_is_named_and_kept(source, tmp_path):
    collection, rows, _ = run_main(source, tmp_path)
    link = collection.raw / f"{rows[0]['id']}.png"
    link.unlink()
    link.mkdir()
    (collection.processed / "links.json").unlink()
    with pytest.raises(UserError, match=f"{link.name} is a folder.*move it away"):
        run_main(source, tmp_path)
    assert link.is_dir()
    link.rmdir()
    run_main(source, tmp_path)
    assert link.is_symlink()


def test_names_of_links_are_plain_whatever_originals_are_called():
    picture_id = "0123456789abcdef"
    assert link_name(picture_id, "/a/b.JPEG") == f"{picture_id}.jpeg"
    for original in ("/a/b", "/a/b.x y", "/a/b.jpg~", "/a/b." + "x" * 250, "/a.b/c", "/a/b.\n"):
        assert link_name(picture_id, original) == picture_id


def test_only_a_file_or_a_link_of_our_name_is_removed(tmp_path):
    folder = tmp_path / ("a" * 16)
    folder.mkdir()
    link = tmp_path / ("b" * 16)
    link.symlink_to(folder)
    for path in (folder, link, tmp_path / ("c" * 16)):
        remove_own(path, OWN_LINKS)
    assert folder.is_dir() and not link.is_symlink()


def test_drawings_are_removed_and_nothing_else_in_their_folder(tmp_path):
    """A folder with a drawing's name ended the run in a traceback."""
    flags = dict(style="builtin", max_samples=5, smallest=16)
    collection, _, _ = run_main("builtin", tmp_path, **flags)
    name = "level1_64px_00000_{}.png"
    folder = collection.raw / name.format("0" * 8)
    folder.mkdir()
    stale = collection.raw / name.format("1" * 8)
    stale.write_bytes(b"a drawing of another size")
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"mine")
    link = collection.raw / name.format("2" * 8)
    link.symlink_to(mine)
    notes = collection.raw / "notes.md"
    notes.write_text("mine")
    run_main("builtin", tmp_path, **flags)
    assert folder.is_dir() and mine.exists() and notes.exists() and not stale.exists()


# ---- metadata of an earlier run ------------------------------------------------------------------


def test_preparing_makes_a_row_anew_that_was_deleted_and_puts_a_double_one_right(source, tmp_path):
    """That is what the sentence on a wrong row, or on a picture that stands twice, tells to do."""
    collection, rows, _ = run_main(source, tmp_path)
    whole = collection.metadata.read_bytes()
    collection.write_metadata([rows[0], rows[2]])
    run_main(source, tmp_path)
    assert collection.metadata.read_bytes() == whole
    collection.write_metadata([*rows, rows[1]])
    run_main(source, tmp_path)
    assert collection.metadata.read_bytes() == whole


@pytest.mark.parametrize("key", ["group", "grey", "colour", "given", "caption", "original"])
def test_a_row_may_lack_what_earlier_versions_did_not_write(source, tmp_path, key):
    """Each row had a group since there are colours, except that nobody could know: KeyError."""
    collection, rows, _ = run_main(source, tmp_path)
    whole = collection.metadata.read_bytes()
    del rows[1][key]
    collection.write_metadata(rows)
    deal_pairs(rows, rows, collection)
    assert [row["caption"] for rows in collection.read_captions() for row in rows].count("") == (
        key == "caption"
    )
    collection.write_metadata([{k: row[k] for k in row if k != "split"} for row in rows])
    run_main(source, tmp_path)
    assert collection.metadata.read_bytes() == whole


def test_wrong_metadata_end_preparing_in_a_sentence_and_stay(source, tmp_path):
    """Captions that were mended by hand are in that file alone."""
    collection, rows, _ = run_main(source, tmp_path)
    collection.write_metadata([{**rows[0], "caption": 5}, *rows[1:]])
    before = collection.metadata.read_bytes()
    with pytest.raises(UserError, match=r"line 2: caption is 5, .*mend that row"):
        run_main(source, tmp_path)
    assert collection.metadata.read_bytes() == before


# ---- what is exported ----------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", [*FORMATS, "parquet"])
def test_no_file_from_elsewhere_is_packed(source, tmp_path, format_name):
    """Metadata named ../../../../secret.txt: the file was packed, under a name that leads out of
    the folder of whoever unpacks it. A link in resized/ does the same."""
    if format_name == "parquet":
        pytest.importorskip("pyarrow")
    collection, rows, _ = run_main(source, tmp_path)
    secret = tmp_path / "secret.txt"
    secret.write_text("my own words")
    for name in ("../../../../secret.txt", str(secret), "../resized/" + rows[0]["filename"]):
        collection.write_metadata([{**rows[0], "filename": name}, *rows[1:]])
        with pytest.raises(UserError, match="engraving_metadata.json, line 2: filename is"):
            run_export(tmp_path, format_name)
    collection.write_metadata(rows)
    prepared = collection.resized / rows[0]["filename"]
    prepared.unlink()
    private = tmp_path / "private.png"
    picture(9, SIZE, SIZE).save(private)
    prepared.symlink_to(private)
    with pytest.raises(UserError, match="leads out of its folder"):
        run_export(tmp_path, format_name)
    prepared.unlink()
    prepared.hardlink_to(secret)
    with pytest.raises(UserError, match="is damaged"):
        run_export(tmp_path, format_name)
    assert not (tmp_path / "set.zip").exists() and not (tmp_path / "set.tar").exists()


# ends like a killed process as soon as its copy is written
KILLED_EXPORT = """
import os, sys
from pathlib import Path
from oneseed.dataset import writers

def written_and_killed(path, rows, write=writers.write_parquet):
    write(path, rows)
    os._exit(9)

writers.write_parquet = written_and_killed
row = {"image": "1.png", "path": Path(sys.argv[1]), "caption": "a ship", "style": "engraving"}
writers.write_export("parquet", [row], Path(sys.argv[2]))
"""


def test_what_a_killed_parquet_export_has_left_goes_with_the_next_one(source, tmp_path):
    """Its copy, as large as the collection, lay in a folder that no later run knew."""
    pytest.importorskip("pyarrow")
    run_main(source, tmp_path)
    before = set(os.listdir(tmp_path))
    words = [sys.executable, "-c", KILLED_EXPORT, source / "0.png", tmp_path / "set.zip"]
    assert subprocess.run(words, cwd=ROOT).returncode == 9
    assert set(os.listdir(tmp_path)) - before, "it left something"
    run_export(tmp_path, "parquet")
    assert set(os.listdir(tmp_path)) == before | {"set.zip"}


@pytest.mark.parametrize("format_name", FORMATS)
def test_names_in_an_export_are_plain(source, tmp_path, format_name):
    _, rows, _ = run_main(source, tmp_path)
    out = run_export(tmp_path, format_name)
    if format_name == "webdataset":
        with tarfile.open(out) as file:
            names = file.getnames()
    else:
        with zipfile.ZipFile(out) as file:
            names = file.namelist()
    assert len(names) == len(set(names))
    pictures = [name.removeprefix("images/") for name in names if name.endswith(".png")]
    assert sorted(pictures) == sorted(row["filename"] for row in rows)
    assert not any("/" in name.removeprefix("images/") for name in names)


def test_an_export_may_have_a_name_as_long_as_the_system_allows(source, tmp_path):
    run_main(source, tmp_path)
    out = tmp_path / ("s" * 251 + ".zip")
    dataset_preparation.main(
        PrepareConfig(style="engraving", export="jsonl", out=str(out), data=str(tmp_path / "data"))
    )
    assert zipfile.is_zipfile(out)
