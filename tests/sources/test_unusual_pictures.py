"""Pictures under unusual names: prepared, or counted as found and named; no text is called one."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from oneseed.media import decoding
from tests.preparation.test_dataset_preparation import picture, run_main


def encoded(number, format_name):
    file = io.BytesIO()
    picture(number).save(file, format_name)
    return file.getvalue()


# {name: what it holds}, and under which names all but the last three are pictures that are read
READ = {
    "0.png": encoded(0, "PNG"),
    "1.jfif": encoded(1, "JPEG"),
    "2.JPE": encoded(2, "JPEG"),
    "3.avif": encoded(3, "AVIF"),
    "4.jp2": encoded(4, "JPEG2000"),
    "5": encoded(5, "PNG"),
    "6.orig": encoded(6, "WEBP"),
    "7.tga": encoded(7, "TGA"),
    "8.ppm": encoded(8, "PPM"),
    "9.png": encoded(9, "TIFF"),
    "10.jpg?size=large": encoded(10, "JPEG"),
    "11.ico": encoded(11, "ICO"),
}
NAMED = {
    "14.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500),
    "12.psd": b"8BPS\0\1" + bytes(99),
    "13.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}
NO_PICTURES = {
    "README": b"BMW made the scans; P6 is the last.",
    "LICENSE": b"MIT",
    "film.mp4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
    "Makefile": b"all:\n",
    "empty": b"",
}


def folder_of(files, tmp_path):
    for name, data in files.items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "set"


def zip_of(files, tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    return tmp_path / "set.zip"


def tar_of(files, tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w") as file:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return tmp_path / "set.tar"


@pytest.mark.parametrize("bring", [folder_of, zip_of, tar_of])
def test_pictures_under_unusual_names_are_prepared_or_named(bring, tmp_path, monkeypatch):
    """A folder from telephones, browsers and scanners; half of it was passed over in silence."""
    monkeypatch.setattr(decoding, "heic_can_be_read", lambda: False)
    source = bring(READ | NAMED | NO_PICTURES, tmp_path)
    collection, rows, report = run_main(source, tmp_path, workers=0)
    assert len(rows) == len(READ)
    reasons = {row["reason"] for row in report["rejected_files"]}
    assert {
        "HEIC needs the extra heic: pip install pillow-heif",
        "Photoshop is not read: save it as PNG",
        "SVG is not read: save it as PNG",
    } <= reasons
    if bring is folder_of:
        assert {row["original"] for row in rows} == set(READ)
        # a film is of another medium, which is counted and named
        assert report["found"] == len(READ) + len(NAMED) + 1
    shows = {np.asarray(Image.open(collection.resized / row["filename"])).std() > 1 for row in rows}
    assert shows == {True}, "each shows something"


def test_a_picture_without_a_suffix_has_its_caption(tmp_path):
    """5 beside 5.txt, and a table that names it."""
    files = {"5": encoded(5, "PNG"), "5.txt": b"a castle", "6": encoded(6, "PNG")}
    files["metadata.jsonl"] = b'{"file_name": "6", "text": "a ship"}\n'
    _, rows, _ = run_main(folder_of(files, tmp_path), tmp_path)
    assert {row["original"]: row["caption"] for row in rows} == {"5": "a castle", "6": "a ship"}


def test_a_picture_is_prepared_once_its_reader_is_installed(tmp_path, monkeypatch):
    """The first run's report said what to install; the second believed the first."""
    folder = folder_of({"0.png": READ["0.png"], "3.avif": READ["3.avif"]}, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(decoding.features, "check", lambda name: name != "avif")
        _, rows, report = run_main(folder, tmp_path, workers=1)
        assert [row["original"] for row in rows] == ["0.png"]
        assert report["rejected_files"][0]["reason"].startswith("AVIF needs another Pillow")
    _, rows, report = run_main(folder, tmp_path, workers=1)
    assert {row["original"] for row in rows} == {"0.png", "3.avif"}
    assert report["rejected"] == 0


def test_a_picture_of_a_terabyte_is_refused_before_it_is_read(tmp_path):
    """A sparse file takes no room on the disk, and a day to be read."""
    folder = folder_of({"a.png": READ["0.png"], "b.png": encoded(1, "PNG")}, tmp_path)
    with open(folder / "b.png", "r+b") as file:
        file.truncate(2**40)
    _, rows, report = run_main(folder, tmp_path)
    assert len(rows) == 1
    assert "larger than 2 GiB" in str(report["rejected_files"])
