"""What an archive holds, member by member, before anything is trusted.

Archives from strangers: .zip, .tar, .tar.gz, .tgz, and Parquet files with pictures inside, one member after the other.

Nothing is unpacked by name. A picture is copied to <number>_<name made harmless> in one flat folder, annotation files are read
(formats.py), and metadata.jsonl says which member each picture was and what is known of it. Links, devices, archives within the
archive, names that lead elsewhere and members beyond the limits below are left out, each with a reason. A folder that is complete
has its final name; what an interruption leaves behind is thrown away by the next run.
"""

import functools
import io
import posixpath
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

from oneseed.console.command import UserError
from oneseed.sources import annotations, tables

MAX_MEMBERS = 1_000_000
# bytes of a picture, unpacked
MAX_MEMBER_BYTES = 2**28
# bytes of all members
MAX_TOTAL_BYTES = 2**38
# times its packed length that anything may unpack to; text reaches 10 …
MAX_COMPRESSION_RATIO = 200
# … except a member of so few bytes, and a whole archive of so few
SMALL_MEMBER_BYTES = 2**24
ALWAYS_ALLOWED_BYTES = 2**26
# bytes of a tar header that tarfile reads into memory, such as a long name
MAX_HEADER_BYTES = 2**16
NESTED_SUFFIXES = {
    ".zip",
    ".tar",
    ".gz",
    ".tgz",
    ".bz2",
    ".tbz",
    ".xz",
    ".txz",
    ".7z",
    ".rar",
    ".zst",
}
REST = "nothing was read from here on"
TOO_TIGHT = f"unpacks to more than {MAX_COMPRESSION_RATIO} times its length"


class Member(NamedTuple):
    """name as the archive has it; size in bytes as declared; trouble: a reason to leave it out, or ""; open() -> readable. Without open:
    the archive ends here, for the reason that trouble says."""

    name: str
    size: int
    trouble: str
    open: Callable | None = None


class Damaged(Exception):
    """A tar header that cannot be read. tarfile takes its own such errors for the archive's end; this one passes."""


DAMAGE = (
    Damaged,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    NotImplementedError,
)


class Header(tarfile.TarInfo):
    @classmethod
    def frombuf(cls, buffer, encoding, errors):
        if len(buffer) < tarfile.BLOCKSIZE:
            raise Damaged("cut off")
        if not any(buffer):
            # the mark of the end
            return super().frombuf(buffer, encoding, errors)
        try:
            header = super().frombuf(buffer, encoding, errors)
        except tarfile.HeaderError as error:
            raise Damaged("damaged") from error
        whole = header.type in (
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
            tarfile.XHDTYPE,
            tarfile.XGLTYPE,
            tarfile.SOLARIS_XHDTYPE,
        )
        if header.size < 0 or (whole and header.size > MAX_HEADER_BYTES):
            raise Damaged("damaged")
        return header


def is_archive(path):
    """By its name, a Parquet file by whether pictures are inside. UserError for one that cannot be read, or not without pyarrow."""
    name = path.name.lower()
    return name.endswith((".zip", ".tar", ".tar.gz", ".tgz")) or (
        name.endswith(".parquet") and annotations.holds_pictures(path)
    )


def zip_trouble(flags, kind, size, packed):
    return (
        "encrypted"
        if flags & 1
        else "a link"
        if kind == stat.S_IFLNK
        else "no plain file"
        if kind not in (0, stat.S_IFREG)
        else TOO_TIGHT
        if size > max(SMALL_MEMBER_BYTES, MAX_COMPRESSION_RATIO * packed)
        else ""
    )


def zip_members(file):
    for info in file.infolist():
        if not info.is_dir():
            trouble = zip_trouble(
                info.flag_bits,
                stat.S_IFMT(info.external_attr >> 16),
                info.file_size,
                info.compress_size,
            )
            yield Member(info.filename, info.file_size, trouble, lambda info=info: file.open(info))


def zip_remains(file):
    """Members of a zip that is cut off and so has lost the list at its end: by the header before each, as long as these state a length."""

    def content(start, method, packed, size, crc):
        file.seek(start)
        raw = file.read(packed)
        if len(raw) < packed:
            raise EOFError("unexpected end of data")
        data = (
            raw
            if method == zipfile.ZIP_STORED
            else zlib.decompressobj(-15).decompress(raw, size + 1)
        )
        if zlib.crc32(data) != crc:
            raise ValueError("another checksum")
        return io.BytesIO(data)

    start = 0
    while True:
        file.seek(start)
        head = file.read(30)
        # what is left of the list: every member was found
        if head.startswith(b"PK\1\2"):
            return
        if len(head) < 30 or not head.startswith(b"PK\3\4"):
            break
        # PKWARE's APPNOTE 4.3.7
        flags, method, crc, packed, size, name, extra = struct.unpack("<6xHH4xIIIHH", head)
        name = file.read(name)
        extra = file.read(extra)
        if extra[:2] == b"\1\0" and len(extra) >= 20 and 2**32 - 1 in (size, packed):
            size, packed = struct.unpack("<4xQQ", extra[:20])
        # the lengths stand behind the data
        if flags & 8:
            break
        start += len(head) + len(name) + len(extra)
        if not name.endswith(b"/"):
            yield Member(
                name.decode("utf-8" if flags & 0x800 else "cp437", "replace"),
                size,
                zip_trouble(flags, 0, size, packed),
                functools.partial(content, start, method, packed, size, crc),
            )
        start += packed
    yield Member("", 0, f"cut off: {REST}")


def tar_members(file):
    try:
        for info in file:
            # a million headers are not kept
            file.members.clear()
            if not info.isdir():
                trouble = (
                    "a link"
                    if info.issym() or info.islnk()
                    else "no plain file"
                    if not info.isreg() or info.issparse()
                    else ""
                )
                name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                yield Member(name, info.size, trouble, lambda info=info: file.extractfile(info))
    except DAMAGE as error:
        yield Member("", 0, f"{'cut off' if str(error) == 'cut off' else 'damaged'}: {REST}")


def open_members(path, stack):
    """-> iterator of members, in the archive's order, open as long as `stack` is. UserError where it is no archive at all."""
    try:
        if path.suffix.lower() == ".zip":
            try:
                return zip_members(stack.enter_context(zipfile.ZipFile(path)))
            except (zipfile.BadZipFile, ValueError, NotImplementedError):
                # the list at its end; a name in it; its version
                file = stack.enter_context(open(path, "rb"))
                if file.read(4) != b"PK\3\4":
                    raise
                return zip_remains(file)
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        return tar_members(
            stack.enter_context(tarfile.open(path, "r|gz" if packed else "r|", tarinfo=Header))
        )
    except DAMAGE as error:
        raise UserError(
            f"{path} cannot be read as an archive ({error}): fetch it again, or name another, "
            "python dataset_preparation.py --source PATH"
        ) from error


def harmless(name):
    """What of a stranger's name for a file goes into ours."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", posixpath.splitext(posixpath.basename(name))[0])[-60:]


def refusal(name, suffix):
    """Why a member of this name is left out, "" where it is welcome."""
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or re.match(r"[A-Za-z]:[\\/]", name):
        return "an absolute name"
    if ".." in parts:
        return "a name that leads out of the archive"
    if suffix in NESTED_SUFFIXES:
        return "an archive within the archive"
    if any(part.startswith((".", "__MACOSX")) for part in parts if part != "."):
        return "hidden"
    return (
        ""
        if suffix in tables.SUFFIXES | annotations.NOTE_SUFFIXES
        else "neither a picture nor captions"
    )
