"""What a picture folder needs of an archive, unpacked safely and once.

Nothing is unpacked by its name. A picture is copied to <number>_<name made harmless> in one flat
folder, annotation files are read (annotations.py), and metadata.jsonl says which member each
picture was and what is known of it. Links, devices, archives within the archive, names that lead
elsewhere and members beyond the limits are left out, each with a reason. A Parquet, Arrow or JSON
file with pictures inside counts as an archive. A folder that is complete has its final name; what
an interruption leaves behind is thrown away by the next run.
"""

import array
import contextlib
import itertools
import posixpath
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from oneseed.console.output import progress
from oneseed.files import suffix_of, whole_folder
from oneseed.locks import locked
from oneseed.media.decoding import EMPTY_PICTURE
from oneseed.media.kinds import MEDIA_SUFFIXES, kind_of
from oneseed.sources import annotations
from oneseed.sources.archive_members import (
    DAMAGE,
    DEFAULT_LIMITS,
    NOTHING_FURTHER,
    TOO_COMPRESSED,
    Limits,
    Member,
    open_members,
)
from oneseed.sources.archive_names import harmless, name_problem
from oneseed.sources.rejections import Rejection, Rejections, passed_over, rejection, short_name
from oneseed.sources.sidecars import SAID_KEYS
from oneseed.sources.tables import COLUMN_SUFFIXES, TABLE_SUFFIXES
from oneseed.sources.unpacked import Unpacked, read_unpacked, write_unpacked
from oneseed.sources.walking import is_clutter

# raise when unpack() gives another folder: all is unpacked again
UNPACKING_VERSION = 6
# what a data set that was saved to a disk holds beside its .arrow files: nothing for us
SAVED_STATE = ("state.json", "dataset_info.json", "dataset_dict.json")
# what a second run may do, as the end of a sentence
WHEN_UNPACKED = "run this command again when that one has unpacked it"
# of a member that costs no picture
NEITHER = "neither a picture nor captions"
# annotation files without a byte that are told of one by one
MAX_EMPTY_NOTES = 1_000
# bytes of a tar that a member takes besides its content
TAR_HEADER_BYTES = 512
# bytes that are copied at once
BLOCK_BYTES = 2**16


def unpack(
    archive: Path,
    target: Path,
    format_name: str = "auto",
    *,
    beside: Mapping[str, Path] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Unpacked:
    """What an archive, or a Parquet or Arrow file, holds.

    `target` becomes the folder of its pictures, with metadata.jsonl. An archive that has not
    changed since is not unpacked again. format_name: of its annotation files, or "auto". beside:
    {name: file} of further ones that lie beside the archive.
    """
    beside = beside or {}
    state = annotations.state_of(archive)
    stamp = {
        "version": UNPACKING_VERSION,
        "archive": archive.as_posix(),
        "bytes": state.length,
        "mtime": state.mtime,
        "format": format_name,
        "beside": {name: list(annotations.state_of(path)) for name, path in beside.items()},
    }
    if unpacked := read_unpacked(target, stamp):
        return unpacked
    with locked(target.parent, target.name, what=archive.as_posix(), remedy=WHEN_UNPACKED):
        # Another run may have done it meanwhile.
        if unpacked := read_unpacked(target, stamp):
            return unpacked
        # Earlier versions wrote into a folder of this name.
        shutil.rmtree(target.with_name(f".{target.name}.partial"), ignore_errors=True)
        with whole_folder(target) as partial:
            notes = partial / ".notes"
            notes.mkdir()
            found = unpack_into(
                archive, partial, notes, format_name=format_name, beside=beside, limits=limits
            )
            shutil.rmtree(notes)
            write_unpacked(partial, stamp, found)
    return found


def unpack_into(
    archive: Path,
    folder: Path,
    notes: Path,
    *,
    format_name: str,
    beside: Mapping[str, Path],
    limits: Limits,
) -> Unpacked:
    """Copies pictures into `folder` and annotation files into `notes`; both are there and empty."""
    unpacking = Unpacking(archive, folder, notes, limits=limits)
    if suffix_of(archive) in TABLE_SUFFIXES:
        unpacking.tables[archive.name] = archive
    else:
        unpacking.copy_members()
    unpacking.tables = {**beside, **unpacking.tables}
    return unpacking.describe(format_name)


class Unpacking:
    """One archive on its way into a folder."""

    def __init__(self, archive: Path, folder: Path, notes: Path, *, limits: Limits) -> None:
        self.archive = archive
        self.folder = folder
        self.notes = notes
        self.limits = limits
        self.is_zip = archive.suffix.lower() == ".zip"
        self.max_bytes = limits.unpacked_bytes(archive.stat().st_size)
        # bytes of what was unpacked, or passed over as it can be only by reading it
        self.total_bytes = 0
        # {name of a member: name of its file in the folder}
        self.pictures: dict[str, str] = {}
        # {name of an annotation file: its copy}
        self.tables: dict[str, Path] = {}
        # hashes of the names of members that were left out; the names of a million take 100 MB
        self.refused = array.array("q")
        # annotation files without a byte
        self.empty_notes = 0
        # names of pictures that may be wrong, for nobody states their encoding
        self.guessed: list[str] = []
        self.lost = Rejections()

    def copy_members(self) -> None:
        """Copies what is welcome, until the archive ends or a limit is met."""
        with contextlib.ExitStack() as stack:
            members = open_members(self.archive, stack)
            for number, member in enumerate(progress(members, label="unpacking", unit="member")):
                if number == self.limits.members:
                    end = f"more than {self.limits.members:,} members: {NOTHING_FURTHER}"
                elif member.open is None:
                    end = member.problem
                elif is_clutter(member.name.replace("\\", "/")):
                    end = self.pass_over(member)
                else:
                    end = self.copy(number, member)
                if end:
                    self.lost.append(rejection(self.archive.name, end, file=self.archive.name))
                    break

    def copy(self, number: int, member: Member) -> str:
        """Copies a member, or says why not -> why nothing can be read after it, or ""."""
        name = posixpath.normpath(member.name.replace("\\", "/"))
        suffix = suffix_of(name)
        is_note = suffix in annotations.NOTE_SUFFIXES
        problem = self.problem_of(member, name)
        if not problem:
            path = self.notes / f"{number}{suffix}" if is_note else self.picture_path(name)
            problem = copy_member(member, path, is_known=is_note or suffix in MEDIA_SUFFIXES)
            if not problem and is_note:
                self.tables[name] = path
            elif not problem:
                self.pictures[name] = path.name
        if problem:
            self.refused.append(hash(name))
            self.lost.append(self.loss_of(member.name, problem, is_note=is_note))
        elif member.is_guessed and not is_note:
            self.guessed.append(name)
        return self.end_after(member, is_read=not problem)

    def loss_of(self, name: str, problem: str, *, is_note: bool) -> Rejection:
        """The report's row for a member that was left out."""
        lost = rejection(name, problem, file=self.archive.name)
        if is_note or problem == NEITHER:
            return {**passed_over(self.archive.name, problem), "path": name}
        return lost

    def pass_over(self, member: Member) -> str:
        """Leaves out what a folder's walk passes over, without a word -> as copy."""
        return self.end_after(member, is_read=False)

    def end_after(self, member: Member, *, is_read: bool) -> str:
        """Counts a member's bytes -> why nothing can be read after it, or ""."""
        exceeds_total = self.total_bytes + member.size > self.max_bytes
        # to pass over a member of a tar is to read it
        if is_read or not self.is_zip:
            self.total_bytes += member.size
        if not self.is_zip:
            self.total_bytes += TAR_HEADER_BYTES
        if exceeds_total and not self.is_zip:
            return f"{TOO_COMPRESSED}: {NOTHING_FURTHER}"
        return ""

    def problem_of(self, member: Member, name: str) -> str:
        """Why a member is left out, or ""; its content is not looked at."""
        suffix = suffix_of(name)
        problem = name_problem(member.name, suffix) or member.problem
        if problem:
            return problem
        max_bytes = self.max_bytes if suffix in COLUMN_SUFFIXES else self.limits.member_bytes
        if member.size > max_bytes:
            return f"larger than {max_bytes:,} bytes"
        if self.total_bytes + member.size > self.max_bytes:
            return TOO_COMPRESSED
        if name in self.pictures or name in self.tables:
            return "a second member of this name"
        return "" if member.size else self.problem_of_empty(suffix)

    def problem_of_empty(self, suffix: str) -> str:
        """Why a member without a byte is left out, or ""; no file is made for it."""
        if suffix in MEDIA_SUFFIXES:
            return EMPTY_PICTURE
        if suffix not in annotations.NOTE_SUFFIXES:
            return NEITHER
        self.empty_notes += 1
        return "empty" if self.empty_notes > MAX_EMPTY_NOTES else ""

    def picture_path(self, name: str) -> Path:
        """Where the next picture goes; `name` is what the archive calls it."""
        suffix = suffix_of(name) if suffix_of(name) in MEDIA_SUFFIXES else ""
        return self.folder / f"{len(self.pictures):06}_{harmless(name)}{suffix}"

    def keep(self, name: str, image: bytes) -> None:
        """Writes a picture that lies inside a Parquet file. ValueError where it is too large."""
        if len(image) > self.limits.member_bytes:
            raise ValueError(f"larger than {self.limits.member_bytes:,} bytes")
        if self.total_bytes + len(image) > self.max_bytes:
            raise ValueError(TOO_COMPRESSED)
        self.total_bytes += len(image)
        path = self.picture_path(name)
        path.write_bytes(image)
        self.pictures[name] = path.name

    def describe(self, format_name: str) -> Unpacked:
        """Reads the annotation files, and gives everything that was found."""
        useless = saved_state(self.tables)
        notes = {name: path for name, path in self.tables.items() if name not in useless}
        described = annotations.describe(
            [*self.pictures, *notes], notes.__getitem__, format_name, keep=self.keep
        )
        lost = self.lost
        lost.extend(described.lost)
        missing = self.without_refused(described.rows.keys() - self.pictures.keys())
        for path, row in described.rows.items():
            if path in missing:
                path = short_name(path)
                lost.append(rejection(path, "image not found", file=row["file"], line=row["line"]))
        rows = []
        for name, file_name in self.pictures.items():
            known = described.rows.get(name, {})
            said = {key: known[key] for key in SAID_KEYS if known.get(key)}
            several = [self.pictures.get(path) for path in known.get("images", ())]
            if several:
                said["images"] = [one for one in several if one]
            rows.append({"file_name": file_name, "member": name, **said})
        if self.guessed:
            reason = (
                f"the encoding of {len(self.guessed):,} names is not known, so that captions may "
                "not find their pictures; unpack it where it was made, and name the folder"
            )
            self.lost.append(passed_over(self.archive.name, reason))
        return Unpacked(lost.rows, described.formats, rows)

    def without_refused(self, names: set[str]) -> set[str]:
        """The names without those of members that were left out."""
        by_hash = {hash(name): name for name in names}
        for hashed in self.refused if by_hash else ():
            by_hash.pop(hashed, None)
        return set(by_hash.values())


def saved_state(names: Iterable[str]) -> set[str]:
    """Of names of files, those that only say how a data set was saved to a disk."""
    names = set(names)
    if not any(suffix_of(name) == ".arrow" for name in names):
        return set()
    return {name for name in names if posixpath.basename(name) in SAVED_STATE}


class UnreadableError(Exception):
    """A member's content cannot be read, for the reason that the text says."""


def copy_member(member: Member, path: Path, *, is_known: bool) -> str:
    """Writes a member to `path` -> "", or the reason why nothing is there.

    is_known: whether its name tells what it is; otherwise it is kept where it begins as a picture.
    """
    try:
        blocks = blocks_of(member)
        first = next(blocks, b"")
        # no file is made for what is none
        if not is_known and not kind_of(first):
            return NEITHER
        with open(path, "wb") as target:
            write_blocks(itertools.chain([first], blocks), target, member.size)
    except UnreadableError as error:
        # an error of writing, such as a full disk, ends the run
        path.unlink(missing_ok=True)
        return str(error)
    return ""


def write_blocks(blocks: Iterable[bytes], target: BinaryIO, size: int) -> None:
    """Writes a member's content. UnreadableError where it is not as long as declared.

    size: bytes, as declared.
    """
    written = 0
    for block in blocks:
        written += len(block)
        if written > size:
            raise UnreadableError("longer than it declares")
        target.write(block)
    if written < size:
        raise UnreadableError("cut off")


def blocks_of(member: Member) -> Iterator[bytes]:
    """A member's content in blocks. UnreadableError where it is damaged."""
    assert member.open is not None, "the archive ends at this member"
    try:
        with member.open() as source:
            while block := source.read(BLOCK_BYTES):
                yield block
    except DAMAGE as error:
        raise UnreadableError(damage_problem(error)) from error


def damage_problem(error: Exception) -> str:
    """What is wrong with a member, by the error that reading it raised."""
    text = str(error)
    if "end of data" in text:
        return "cut off"
    if "password" in text:
        return "encrypted"
    return f"damaged ({type(error).__name__})"
