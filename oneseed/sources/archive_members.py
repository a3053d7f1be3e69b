"""What an archive of a stranger holds, member by member, before anything is trusted.

A .zip or .tar, packed or not, is read as a stream of members. Each says its name, its length and
why it is to be left out, if so; nothing is unpacked here. The limits on what is taken from a
stranger stand here, too.
"""

import contextlib
import functools
import io
import lzma
import os
import shlex
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, NamedTuple

from oneseed.console.command import UserError
from oneseed.dataset.commands import prepare_command
from oneseed.sources.archive_names import OLD_ENCODING, UTF8_FLAG, decode_name, zip_name
from oneseed.sources.long_zips import (
    SHORT_LIST_BYTES,
    ListOfMembers,
    each_entry,
    find_list,
    opened_by_entry,
)
from oneseed.sources.rejections import NO_RIGHT

# times its packed length that anything may unpack to; text reaches 10 …
MAX_COMPRESSION_RATIO = 200
# … except a member of so few bytes, and a whole archive of so few
SMALL_MEMBER_BYTES = 2**24
ALWAYS_UNPACKED_BYTES = 2**26
# bytes of a tar header that tarfile reads into memory, such as a long name
MAX_HEADER_BYTES = 2**16
# of the archives that are read
ARCHIVE_SUFFIXES = (
    *(".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz"),
    *(".tar.gz", ".tar.bz2", ".tar.xz"),
)
# how a packed tar begins: the mode in which tarfile reads it
PACKED_TARS: dict[bytes, Literal["r|gz", "r|bz2", "r|xz"]] = {
    b"\x1f\x8b": "r|gz",
    b"BZ": "r|bz2",
    b"\xfd7": "r|xz",
}
NOTHING_FURTHER = "nothing was read from here on"
TOO_COMPRESSED = f"unpacks to more than {MAX_COMPRESSION_RATIO} times its length"


@dataclass(frozen=True)
class Limits:
    """How much is taken from one archive or data set."""

    # or rows of a data set
    members: int = 1_000_000
    # of a picture, unpacked
    member_bytes: int = 2**28
    # of all members together
    total_bytes: int = 2**38

    def unpacked_bytes(self, archive_bytes: int) -> int:
        """How much an archive of so many bytes may unpack to."""
        plausible = max(ALWAYS_UNPACKED_BYTES, MAX_COMPRESSION_RATIO * archive_bytes)
        return min(self.total_bytes, plausible)


DEFAULT_LIMITS = Limits()


class Member(NamedTuple):
    """A member of an archive.

    name: as the archive has it. size: bytes, as declared. problem: why it is left out, or "".
    open: -> readable; None: the archive ends here, for the reason that problem says.
    is_guessed: whether the encoding of the name is not known.
    """

    name: str
    size: int
    problem: str
    open: Callable[[], IO[bytes]] | None = None
    is_guessed: bool = False


class UnreadableArchiveError(UserError):
    """An archive that cannot be read at all.

    reason: of a rejection, where there are other sources to read.
    """

    def __init__(self, sentence: str, reason: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class DamagedHeaderError(Exception):
    """A tar header that cannot be read.

    tarfile takes errors of its own for the archive's end; this one passes through.
    """


# whatever the readers of archives raise on damaged bytes
DAMAGE = (
    DamagedHeaderError,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    # of lists in headers that end too early
    IndexError,
)


def unreadable(path: Path, reason: str) -> UnreadableArchiveError:
    """The error of a file that is no archive, or damaged where it begins."""
    return UnreadableArchiveError(
        f"{path} {reason}: fetch it again, or name another, {prepare_command()}", reason
    )


def without_right(path: Path) -> UnreadableArchiveError:
    """The error of a file that this user may not read."""
    return UnreadableArchiveError(
        f"{path} {NO_RIGHT}: change its rights, chmod u+r {shlex.quote(path.as_posix())}, and run "
        "the same command again",
        NO_RIGHT,
    )


def open_members(path: Path, stack: contextlib.ExitStack) -> Iterator[Member]:
    """Members in the archive's order, which can be opened as long as `stack` is open.

    UnreadableArchiveError where the file is no archive at all, or may not be read.
    """
    try:
        if path.suffix.lower() == ".zip":
            return open_zip(path, stack)
        return open_tar(path, stack)
    except PermissionError as error:
        raise without_right(path) from error
    except DAMAGE as error:
        reason = f"cannot be read as an archive ({error})"
        raise unreadable(path, reason) from error


def open_zip(path: Path, stack: contextlib.ExitStack) -> Iterator[Member]:
    """Members of a zip, by the list at its end; where that is lost, by the header before each."""
    file = stack.enter_context(open(path, "rb"))  # noqa: SIM115  # the stack closes it
    try:
        found = find_list(file)
        if found.length > SHORT_LIST_BYTES:
            return long_zip_members(file, found)
        archive = stack.enter_context(zipfile.ZipFile(path))
        return zip_members(archive, archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        # the list is cut off, a name in it is damaged, or its version is
        file.seek(0)
        if file.read(4) != b"PK\3\4":
            raise
        return salvaged_zip_members(file)


def long_zip_members(file: BinaryIO, found: ListOfMembers) -> Iterator[Member]:
    """zip_members of a zip with very many, up to the first damage of its list."""
    try:
        yield from zip_members(opened_by_entry(file), each_entry(file, found))
    except zipfile.BadZipFile:
        yield Member("", 0, f"damaged: {NOTHING_FURTHER}")


def zip_members(file: zipfile.ZipFile, listed: Iterable[zipfile.ZipInfo]) -> Iterator[Member]:
    """Members that the list at the end of a zip names, without folders."""
    for info in listed:
        if not info.is_dir():
            problem = zip_problem(
                info.flag_bits,
                stat.S_IFMT(info.external_attr >> 16),
                size=info.file_size,
                packed_size=info.compress_size,
            )
            opener = functools.partial(file.open, info)
            # zipfile takes all that is not UTF-8 by its mark for cp437
            encoding = "utf-8" if info.flag_bits & UTF8_FLAG else OLD_ENCODING
            stored = info.orig_filename.encode(encoding)
            name, is_guessed = zip_name(stored, info.flag_bits, info.extra)
            yield Member(name, info.file_size, problem, opener, is_guessed)


def zip_problem(flags: int, kind: int, *, size: int, packed_size: int) -> str:
    """Why a zip's member is left out, or "". flags: of its header; kind: Unix's, 0 if unknown."""
    if flags & 1:
        return "encrypted"
    if kind == stat.S_IFLNK:
        return "a link"
    if kind not in (0, stat.S_IFREG):
        return "no plain file"
    if size > max(SMALL_MEMBER_BYTES, MAX_COMPRESSION_RATIO * packed_size):
        return TOO_COMPRESSED
    return ""


class LocalHeader(NamedTuple):
    """What stands before each member of a zip: PKWARE's APPNOTE 4.3.7.

    start: where the member's data begins, in bytes. size, packed_size: bytes.
    """

    flags: int
    method: int
    crc: int
    packed_size: int
    size: int
    name: bytes
    extra: bytes
    start: int


def salvaged_zip_members(file: BinaryIO) -> Iterator[Member]:
    """Members of a zip that is cut off and so has lost the list at its end.

    They are found by the header before each, as long as these state a length.
    """
    length = file.seek(0, os.SEEK_END)
    position = 0
    while not starts_list(file, position, length):
        header = read_local_header(file, position, length)
        if header is None:
            yield Member("", 0, f"cut off: {NOTHING_FURTHER}")
            return
        if not header.name.endswith(b"/"):
            problem = zip_problem(header.flags, 0, size=header.size, packed_size=header.packed_size)
            opener = functools.partial(read_salvaged, file, header, length)
            name, is_guessed = zip_name(header.name, header.flags, header.extra)
            yield Member(name, header.size, problem, opener, is_guessed)
        position = header.start + header.packed_size


def starts_list(file: BinaryIO, position: int, length: int) -> bool:
    """True where what is left of a zip's list begins at `position`: every member was found."""
    if position >= length:
        return False
    file.seek(position)
    return file.read(4) == b"PK\1\2"


def read_local_header(file: BinaryIO, position: int, length: int) -> LocalHeader | None:
    """The header at `position`, None where there is none, or none that states a length."""
    if position >= length:
        return None
    file.seek(position)
    head = file.read(30)
    if len(head) < 30 or not head.startswith(b"PK\3\4"):
        return None
    flags, method, crc, packed_size, size, name_length, extra_length = struct.unpack(
        "<6xHH4xIIIHH", head
    )
    # the lengths stand behind the data
    if flags & 8:
        return None
    name = file.read(name_length)
    extra = file.read(extra_length)
    # the lengths of a large member (Zip64) stand in its extra field
    if extra[:2] == b"\1\0" and len(extra) >= 20 and 2**32 - 1 in (size, packed_size):
        size, packed_size = struct.unpack("<4xQQ", extra[:20])
    start = position + len(head) + len(name) + len(extra)
    return LocalHeader(flags, method, crc, packed_size, size, name, extra, start)


def read_salvaged(file: BinaryIO, header: LocalHeader, length: int) -> IO[bytes]:
    """A member's content. EOFError, ValueError or zlib.error where it is damaged."""
    if header.start + header.packed_size > length:
        raise EOFError("unexpected end of data")
    file.seek(header.start)
    data = file.read(header.packed_size)
    if header.method != zipfile.ZIP_STORED:
        data = zlib.decompressobj(-15).decompress(data, header.size + 1)
    if zlib.crc32(data) != header.crc:
        raise ValueError("another checksum")
    return io.BytesIO(data)


class CheckedHeader(tarfile.TarInfo):
    """A tar header that says where it is damaged, and that takes no more memory than it should."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "CheckedHeader":
        """A block of the archive -> header. DamagedHeaderError where it is none."""
        if len(buf) < tarfile.BLOCKSIZE:
            raise DamagedHeaderError("cut off")
        if not any(buf):
            # the mark of the end
            return super().frombuf(buf, encoding, errors)
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            raise DamagedHeaderError("damaged") from error
        read_into_memory = header.type in (
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
            tarfile.XHDTYPE,
            tarfile.XGLTYPE,
            tarfile.SOLARIS_XHDTYPE,
        )
        if header.size < 0 or (read_into_memory and header.size > MAX_HEADER_BYTES):
            raise DamagedHeaderError("damaged")
        return header

    def _proc_sparse(self, *given: Any) -> "CheckedHeader":
        """Stands for tarfile's reader of a sparse file, whose list of parts may go on for ever.

        No picture is one.
        """
        raise DamagedHeaderError("it holds a sparse file")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _proc_sparse


def open_tar(path: Path, stack: contextlib.ExitStack) -> Iterator[Member]:
    """Members of a tar, packed or not; how it begins decides, not its name."""
    with open(path, "rb") as file:
        mode = PACKED_TARS.get(file.read(2), "r|")
    return tar_members(stack.enter_context(tarfile.open(path, mode, tarinfo=CheckedHeader)))


def tar_members(file: tarfile.TarFile) -> Iterator[Member]:
    """Members of a tar, without folders, up to its end or the first damage."""
    try:
        for info in file:
            # a million headers are not kept
            file.members.clear()  # ty: ignore[missing-attribute]  # typeshed lacks it
            if not info.isdir():
                name, is_guessed = decode_name(info.name.encode("utf-8", "surrogateescape"))
                opener = functools.partial(extracted, file, info)
                # what is passed over on the way to the next header, whatever its size is said to be
                passed = file.offset - info.offset_data - tarfile.BLOCKSIZE
                size = max(info.size, passed)
                yield Member(name, size, tar_problem(info), opener, is_guessed)
    except DAMAGE as error:
        cause = "cut off" if str(error) == "cut off" else "damaged"
        yield Member("", 0, f"{cause}: {NOTHING_FURTHER}")


def extracted(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    """A tar member's content. ValueError where it has none."""
    content = file.extractfile(info)
    if content is None:
        raise ValueError("no content")
    return content


def tar_problem(info: tarfile.TarInfo) -> str:
    """Why a tar's member is left out, or ""."""
    if info.issym() or info.islnk():
        return "a link"
    if not info.isreg() or info.issparse():
        return "no plain file"
    return ""
