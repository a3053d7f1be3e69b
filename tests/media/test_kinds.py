"""Pictures are known by what they hold; texts and films are not called pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from oneseed.media.kinds import (
    BEGINNINGS,
    CLIP,
    HEAD_BYTES,
    OTHER_KINDS,
    PICTURE,
    READ_KINDS,
    READ_SUFFIXES,
    kind_of,
    medium_of_file,
    suffix_of_kind,
)

GREY = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).resize((96, 72))
NO_PICTURES = {
    "nothing": b"",
    "zeros": bytes(600),
    "a letter": b"BMW and PNG are three letters each; P5 10 20 is a road, GIF a joke.",
    "a shopping list": b"P1 apples\nP2 pears\n",
    "a script": b"#!/bin/sh\necho P6\n",
    "a page": b"<!DOCTYPE html><html><body><svg></svg></body></html>",
    "a feed": b"<?xml version='1.0'?><rss></rss>",
    "settings": b'{"image": "1.png"}',
    "a table": b"file_name,text\n1.png,a castle\n",
    "a paper": b"%PDF-1.7\n",
    "an archive": b"PK\3\4\x14\0\0\0",
    "a packed file": b"\x1f\x8b\x08\0\0\0\0\0",
    "a film of Windows": b"RIFF\x24\0\0\0AVI LIST",
    "a program": b"\x7fELF\2\1\1\0" + bytes(60),
    "an array": b"\x93NUMPY\1\0",
    "a font": b"\0\1\0\0\0\x0f\0\x80\0\3\0p",
    "text in UTF-16": "II and MM".encode("utf-16"),
    "a stream of MPEG": b"\0\0\1\xba\x44\0\4\0\4\1",
}


def head(image, format_name, **options):
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()[:HEAD_BYTES]


@pytest.mark.parametrize("kind", [kind for kind in READ_KINDS if kind not in ("TGA", "HEIF")])
@pytest.mark.parametrize("name", ["", "5", "5.png", "5.txt", "5.orig"])
def test_a_picture_is_known_whatever_it_is_called(kind, name):
    assert kind_of(head(GREY, kind), name) == kind


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16"])
def test_a_ppm_is_known_with_a_remark_at_its_beginning(mode):
    """GIMP writes one; it says with which program the file was made."""
    data = head(GREY.convert(mode), "PPM")
    assert kind_of(data[:3] + b"# Created by GIMP version 2.10 PNM plug-in\n" + data[3:]) == "PPM"


@pytest.mark.parametrize("brands", [b"heic", b"heix", b"mif1", b"msf1", b"hevc"])
def test_heic_and_avif_are_told_apart_by_their_brands(brands):
    """Both are the same container; mif1 says only that it holds pictures."""
    heic = b"\0\0\0\x1cftyp" + brands + bytes(4) + b"mif1heicmiaf"
    avif = b"\0\0\0\x1cftyp" + brands[:4].replace(b"he", b"av") + bytes(4) + b"mif1avifmiaf"
    assert kind_of(heic) == "HEIF"
    if brands in (b"mif1", b"msf1"):
        assert kind_of(avif) == "AVIF"


@pytest.mark.parametrize("what", NO_PICTURES)
def test_what_is_no_picture_is_not_called_one(what, tmp_path):
    """A folder holds a README without suffix, a licence, a film; none of them was lost."""
    data = NO_PICTURES[what]
    assert kind_of(data) == ""
    for name in ("README", "file.dat", "file.avi", "LICENSE"):
        (tmp_path / name).write_bytes(data)
        assert not medium_of_file(tmp_path / name)


def test_a_picture_without_a_suffix_is_found_by_its_content_and_any_other_by_its_name(tmp_path):
    for name in ("5", "5.orig", "photo.jpg?size=large", "5.png~"):
        (tmp_path / name).write_bytes(head(GREY, "PNG"))
        assert medium_of_file(tmp_path / name) == PICTURE, name
    for name in ("5.PNG", "5.Jfif", "5.HEIC", "5.svg", "5.dng"):
        (tmp_path / name).write_bytes(b"damaged")
        assert medium_of_file(tmp_path / name) == PICTURE, name


@pytest.mark.parametrize(
    "begin, kind",
    [
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "MP4"),
        (b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", "MP4"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\1", "WebM"),
    ],
)
def test_a_video_is_known_whatever_it_is_called(begin, kind, tmp_path):
    """So none is taken for a picture or sound, and no reader is left to guess what it holds."""
    assert kind_of(begin, "5.png") == kind
    for name in ("5", "5.mp4", "5.orig"):
        (tmp_path / name).write_bytes(begin)
        assert medium_of_file(tmp_path / name) == CLIP


def test_a_tga_has_no_mark_so_its_name_tells():
    data = head(GREY, "TGA")
    assert kind_of(data, "sprite.TGA") == "TGA"
    assert kind_of(data, "sprite") == ""
    assert kind_of(head(GREY, "PNG"), "sprite.tga") == "PNG"


def test_the_thumbnail_in_a_camera_s_raw_file_is_not_taken_for_the_picture():
    """It begins as a TIFF does, and its first page has 160 pixels."""
    data = head(GREY, "TIFF")
    assert kind_of(data, "plate.tif") == "TIFF"
    assert kind_of(data, "DSC_0001.NEF") == "camera raw"
    assert kind_of(b"II*\0\x10\0\0\0CR\2\0") == "camera raw"


@pytest.mark.parametrize(
    "begin, kind",
    [
        (b"\0\0\2\0\1\0\x20\x20\0\0\1\0\x20\0", "a cursor"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "SVG"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- drawn -->\n<svg width='9'>", "SVG"),
        (b"8BPS\0\1" + bytes(6), "Photoshop"),
        (b"gimp xcf v011\0", "GIMP"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    ],
)
def test_a_picture_that_is_not_read_is_known_all_the_same(begin, kind):
    assert kind_of(begin) == kind
    assert kind in OTHER_KINDS


@pytest.mark.parametrize("name", ["plan.svg", "plan.SVGZ", "plan.jxl", "plan.cr3", "plan.psd"])
def test_where_the_beginning_tells_nothing_the_name_does(name):
    """An SVG may begin with a licence of a page, and a packed one as any packed file."""
    assert kind_of(b"<!-- " + b"licence " * 99, name) in OTHER_KINDS
    assert kind_of(b"\x1f\x8b\x08\0", name) in OTHER_KINDS
    assert kind_of(b"", "plan.png") == ""


def test_each_kind_has_a_beginning_and_no_suffix_belongs_to_two():
    suffixes = [one for many in (READ_KINDS | OTHER_KINDS).values() for one in many]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)
    assert set(READ_KINDS) - set(BEGINNINGS) == {"TGA"}
    assert {".jpg", ".jfif", ".tif", ".avif", ".heic", ".jp2"} <= READ_SUFFIXES


@pytest.mark.parametrize(
    "kind, suffix", [("JPEG", ".jpg"), ("AVIF", ".avif"), ("WEBP", ".webp"), ("TIFF", ".tif")]
)
def test_bytes_without_a_name_get_the_usual_suffix(kind, suffix):
    assert suffix_of_kind(head(GREY, kind)) == suffix
    assert suffix_of_kind(b"no picture") == ".jpg"
