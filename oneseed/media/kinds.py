"""Kinds of files that are read: known by how their bytes begin, whatever their names say."""

import re
from pathlib import Path

from oneseed.files import suffix_of

# what a collection is made of
PICTURE = "picture"
SOUND = "sound"
CLIP = "clip"
MEDIA = (PICTURE, SOUND, CLIP)
# bytes of a file's beginning that tell its kind
HEAD_BYTES = 512
# suffixes of the kinds that are read, under Pillow's names for them
READ_KINDS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "AVIF": (".avif", ".avifs"),
    "HEIF": (".heic", ".heif", ".hif"),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TGA": (".tga",),
    "ICO": (".ico",),
}
# suffixes of pictures that are found and not read
OTHER_KINDS = {
    "a cursor": (".cur",),
    "SVG": (".svg", ".svgz"),
    "JPEG XL": (".jxl",),
    "Photoshop": (".psd", ".psb"),
    "GIMP": (".xcf",),
    "OpenEXR": (".exr",),
    "DDS": (".dds",),
    "QOI": (".qoi",),
    "PCX": (".pcx",),
    "camera raw": (
        *(".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"),
    ),
}
# suffixes of the kinds of sounds that are read
SOUND_KINDS = {
    "WAV": (".wav", ".wave"),
    "FLAC": (".flac",),
    "Ogg": (".ogg", ".oga", ".opus"),
    "MP3": (".mp3",),
    "AIFF": (".aif", ".aiff", ".aifc"),
}
# suffixes of sounds that are found and not read
UNREAD_SOUNDS = {"AAC": (".m4a", ".aac", ".m4b"), "WMA": (".wma",)}
# suffixes of the kinds of videos that are read, see clip.py; moving pictures are kinds of pictures
VIDEO_KINDS = {"MP4": (".mp4", ".m4v", ".mov"), "WebM": (".webm", ".mkv")}
# all that are read or found
FILE_KINDS = READ_KINDS | OTHER_KINDS | SOUND_KINDS | UNREAD_SOUNDS | VIDEO_KINDS
READ_SUFFIXES = {suffix for suffixes in READ_KINDS.values() for suffix in suffixes}
# of everything that counts as a picture by its name
PICTURE_SUFFIXES = READ_SUFFIXES | {
    suffix for suffixes in OTHER_KINDS.values() for suffix in suffixes
}
# of everything that counts as a sound by its name
SOUND_SUFFIXES = {
    suffix for suffixes in (SOUND_KINDS | UNREAD_SOUNDS).values() for suffix in suffixes
}
# of everything that counts as a video by its name
VIDEO_SUFFIXES = {suffix for suffixes in VIDEO_KINDS.values() for suffix in suffixes}
# of everything that a collection may be made of
MEDIA_SUFFIXES = PICTURE_SUFFIXES | SOUND_SUFFIXES | VIDEO_SUFFIXES
# {suffix: kind} where a file may begin in a way that tells nothing
KINDS_BY_NAME = {
    suffix: kind
    for kind, suffixes in {**OTHER_KINDS, **UNREAD_SOUNDS, "TGA": READ_KINDS["TGA"]}.items()
    for suffix in suffixes
}
# {kind: how its files begin}, the first that fits counts. TGA has no such mark.
# Sources: each format's specification; ISO/IEC 23008-12 for the brands of AVIF and HEIC.
BEGINNINGS = {
    kind: re.compile(pattern, re.DOTALL)
    for kind, pattern in {
        "JPEG": rb"\xff\xd8\xff",
        "PNG": rb"\x89PNG\r\n\x1a\n",
        "WEBP": rb"RIFF.{4}WEBP",
        "camera raw": rb"II\*\0.{4}CR|.{4}ftypcrx |FUJIFILMCCD-RAW|II(U\0|RO)",
        "TIFF": rb"II[*+]\0|MM\0[*+]",
        # the length of the second header
        "BMP": rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0{3}",
        "GIF": rb"GIF8[79]a",
        "AVIF": rb".{4}ftyp(avi[fs]|m(if|sf)1.{4}(.{4}){0,20}?avi[fs])",
        "HEIF": rb".{4}ftyp(he[iv][cxms]|mif1|msf1)",
        "JPEG2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51\0",
        "PPM": rb"P[1-6]\s(\s|#[^\n]*\n)*[0-9]+\s(\s|#[^\n]*\n)*[0-9]+\s",
        "ICO": rb"\0\0\x01\0[^\0]\0.{3}\0",
        "a cursor": rb"\0\0\x02\0[^\0]\0.{3}\0",
        "SVG": rb"(\xef\xbb\xbf)?\s*(<(\?xml|!DOCTYPE svg|!--)[^<]*)*<(svg:)?svg\b",
        "JPEG XL": rb"\0\0\0\x0cJXL \r\n\x87\n",
        "Photoshop": rb"8BPS\0[\x01\x02]",
        "GIMP": rb"gimp xcf ",
        "OpenEXR": rb"\x76\x2f\x31\x01",
        "DDS": rb"DDS \x7c\0",
        "QOI": rb"qoif",
        "WAV": rb"RIFF.{4}WAVE|RF64.{4}WAVE",
        "FLAC": rb"fLaC",
        "Ogg": rb"OggS",
        # the frames of layer III, or the notes before them
        "MP3": rb"ID3[\x02-\x04]|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]",
        "AIFF": rb"FORM.{4}AIF[FC]",
        "AAC": rb".{4}ftypM4[AB] |\xff[\xf0\xf1\xf8\xf9]",
        "WMA": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        "MP4": rb".{4}ftyp(iso|mp4|avc1|M4V |qt  |3g[p2]|dash|MSNV)",
        "WebM": rb"\x1a\x45\xdf\xa3",
    }.items()
}


def kind_of(head: bytes, name: str = "") -> str:
    """A key of FILE_KINDS; "" where a file is none of them.

    head: the file's first HEAD_BYTES, or more.
    name: of the file. It decides only where the bytes cannot: a TGA has no mark, most cameras' raw
    files begin as a TIFF does, which is a thumbnail then, and a sound may begin as a video does.
    """
    head = head[:HEAD_BYTES]
    kind = next((kind for kind, pattern in BEGINNINGS.items() if pattern.match(head)), "")
    kind_by_name = KINDS_BY_NAME.get(suffix_of(name), "")
    if not kind or (kind, kind_by_name) in (("TIFF", "camera raw"), ("MP4", "AAC")):
        return kind_by_name
    return kind


def medium_of_file(path: Path) -> str:
    """One of MEDIA, or "" for a file that is of none; a moving picture is a PICTURE, see moving.

    By its name or, where no such suffix stands there, by how the file begins. PermissionError where
    that may not be read.
    """
    if medium := medium_of_name(path.name):
        return medium
    try:
        with open(path, "rb") as file:
            return medium_of_kind(kind_of(file.read(HEAD_BYTES)))
    except PermissionError:
        raise
    except OSError:
        # nothing says that it is one
        return ""


def medium_of_name(name: str) -> str:
    """One of MEDIA by a file's suffix, "" where that tells of none."""
    suffix = suffix_of(name)
    if suffix in SOUND_SUFFIXES:
        return SOUND
    if suffix in VIDEO_SUFFIXES:
        return CLIP
    return PICTURE if suffix in PICTURE_SUFFIXES else ""


def medium_of_kind(kind: str) -> str:
    """One of MEDIA of what kind_of gives, "" for ""."""
    if kind in SOUND_KINDS or kind in UNREAD_SOUNDS:
        return SOUND
    if kind in VIDEO_KINDS:
        return CLIP
    return PICTURE if kind else ""


def suffix_of_kind(head: bytes) -> str:
    """The usual suffix of a file that begins so; ".jpg" where it cannot be told."""
    return FILE_KINDS.get(kind_of(head), (".jpg",))[0]
