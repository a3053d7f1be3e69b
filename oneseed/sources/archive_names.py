"""The names of an archive's members: decoded, judged, and made harmless."""

import posixpath
import re
import struct
import zlib

NESTED_SUFFIXES = {
    *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".7z", ".rar", ".zst"),
}
# letters of a stranger's name that go into ours
MAX_STEM_LETTERS = 60
# of a zip's header: the name is UTF-8
UTF8_FLAG = 0x800
# of a name that is no UTF-8, where nobody states another: the encoding of the first zips
OLD_ENCODING = "cp437"
# the extra field of a zip's header that gives the name in UTF-8, too
UNICODE_NAME = 0x7075


def zip_name(stored: bytes, flags: int, extra: bytes) -> tuple[str, bool]:
    """A zip member's name, and whether its encoding is guessed.

    stored, flags, extra: of its header. Source: PKWARE's APPNOTE 4.4.4, 4.6.9 and appendix D.
    """
    # as C has it, a zero ends a name
    stored = stored.partition(b"\0")[0]
    name = unicode_name(stored, extra)
    if name is not None:
        return name, False
    if flags & UTF8_FLAG:
        return stored.decode("utf-8", "replace"), False
    return decode_name(stored)


def unicode_name(stored: bytes, extra: bytes) -> str | None:
    """The name as an extra field gives it, None where there is none, or one of another name."""
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        field = extra[4 : 4 + length]
        extra = extra[4 + length :]
        # version, checksum of the name that it stands for, name
        is_ours = kind == UNICODE_NAME and field[:5] == struct.pack("<BI", 1, zlib.crc32(stored))
        if is_ours:
            return field[5:].decode("utf-8", "replace")
    return None


def decode_name(stored: bytes) -> tuple[str, bool]:
    """A name without a word on its encoding -> the name, and whether the encoding is guessed.

    UTF-8 is told from every other by its form. What remains may be any code page of the world:
    letters come out wrong there, but no two names become one.
    """
    try:
        return stored.decode("utf-8"), False
    except UnicodeDecodeError:
        return stored.decode(OLD_ENCODING), True


def harmless(name: str) -> str:
    """What of a stranger's name for a file goes into ours: ASCII letters, digits, - and _."""
    stem = posixpath.splitext(posixpath.basename(name))[0]
    return re.sub(r"[^A-Za-z0-9-]+", "_", stem)[-MAX_STEM_LETTERS:]


def name_problem(name: str, suffix: str) -> str:
    """Why a member of this name is left out, or ""."""
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or re.match(r"[A-Za-z]:[\\/]", name):
        return "an absolute name"
    if ".." in parts:
        return "a name that leads out of the archive"
    if suffix in NESTED_SUFFIXES:
        return "an archive within the archive"
    return ""
