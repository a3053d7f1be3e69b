"""The list at the end of a zip, read entry by entry.

zipfile keeps an object for each member: a million of them take half a gigabyte before the first is
looked at.
Source: PKWARE's APPNOTE 4.3.12 to 4.3.16 and 4.5.3.
"""

import io
import os
import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

# bytes of a list that zipfile may read at once: 180,000 members at most
SHORT_LIST_BYTES = 2**23
# of the record at a zip's end: at least, and with the longest comment
END_BYTES = 22
MAX_END_BYTES = END_BYTES + 2**16
# of the fixed part of an entry, and of the two records of a zip beyond 4 GB or 65,535 members
ENTRY_BYTES = 46
LOCATOR_BYTES = 20
END64_BYTES = 56
# what a number is that stands elsewhere, since it is too large
ELSEWHERE = 2**32 - 1
ZIP64_FIELD = 1


class ListOfMembers(NamedTuple):
    """Where the list of a zip's members lies.

    start, length: bytes. shift: of all places that it names, for what stands before the zip.
    """

    start: int
    length: int
    shift: int


def find_list(file: BinaryIO) -> ListOfMembers:
    """The list of an open zip. BadZipFile where its end is lost."""
    size = file.seek(0, os.SEEK_END)
    tail_start = max(0, size - MAX_END_BYTES)
    file.seek(tail_start)
    tail = file.read()
    found = tail.rfind(b"PK\5\6")
    if found < 0 or len(tail) - found < END_BYTES:
        raise zipfile.BadZipFile("File is not a zip file")
    end = tail_start + found
    length, start = struct.unpack("<II", tail[found + 12 : found + 20])
    list_end = end
    file.seek(max(0, end - LOCATOR_BYTES - END64_BYTES))
    records = file.read(min(end, LOCATOR_BYTES + END64_BYTES))
    if records[-LOCATOR_BYTES:].startswith(b"PK\6\7") and records.startswith(b"PK\6\6"):
        length, start = struct.unpack("<QQ", records[40:56])
        list_end = end - LOCATOR_BYTES - END64_BYTES
    shift = list_end - length - start
    if shift < 0:
        raise zipfile.BadZipFile("Bad offset for central directory")
    return ListOfMembers(list_end - length, length, shift)


def each_entry(file: BinaryIO, found: ListOfMembers) -> Iterator[zipfile.ZipInfo]:
    """The members as zipfile has them, one after another. BadZipFile where the list is damaged."""
    position = found.start
    end = found.start + found.length
    while position < end:
        # a member may have been read meanwhile
        file.seek(position)
        block = file.read(min(end - position, 2**16 * 4))
        used = 0
        for entry in entries_of(block, found.shift):
            info, used = entry
            yield info
        if not used:
            raise zipfile.BadZipFile("Bad central directory")
        position += used


def entries_of(block: bytes, shift: int) -> Iterator[tuple[zipfile.ZipInfo, int]]:
    """The whole entries in a part of the list, each with where it ends in the block."""
    start = 0
    while start + ENTRY_BYTES <= len(block):
        fields = struct.unpack_from("<4s4B4HL2L5H2L", block, start)
        if fields[0] != b"PK\1\2":
            raise zipfile.BadZipFile("Bad magic number for central directory")
        name_length, extra_length, comment_length = fields[12:15]
        name_end = start + ENTRY_BYTES + name_length
        end = name_end + extra_length + comment_length
        if end > len(block):
            return
        stored = block[start + ENTRY_BYTES : name_end]
        flags = fields[5]
        info = zipfile.ZipInfo(stored.decode("utf-8" if flags & 0x800 else "cp437", "replace"))
        info.flag_bits = flags
        info.compress_type = fields[6]
        info.CRC, info.compress_size, info.file_size = fields[9:12]
        info.external_attr = fields[17]
        info.header_offset = fields[18]
        info.extra = block[name_end : name_end + extra_length]
        read_zip64(info)
        info.header_offset += shift
        yield info, end
        start = end


def read_zip64(info: zipfile.ZipInfo) -> None:
    """Takes numbers that are too large for an entry from its extra field."""
    if ELSEWHERE not in (info.file_size, info.compress_size, info.header_offset):
        return
    extra = info.extra
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        if kind == ZIP64_FIELD:
            numbers = io.BytesIO(extra[4 : 4 + length])
            for name in ("file_size", "compress_size", "header_offset"):
                number = numbers.read(8)
                if getattr(info, name) == ELSEWHERE and len(number) == 8:
                    setattr(info, name, struct.unpack("<Q", number)[0])
            return
        extra = extra[4 + length :]


def opened_by_entry(file: BinaryIO) -> zipfile.ZipFile:
    """A zip that opens members by their entries, and has none in its own list."""
    empty = io.BytesIO(b"PK\5\6" + bytes(END_BYTES - 4))
    archive = zipfile.ZipFile(empty)
    archive.fp = file
    return archive
