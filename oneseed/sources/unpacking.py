"""What a picture folder needs of an archive, unpacked safely and once.

Nothing is unpacked by its name. A picture is copied to <number>_<name made harmless> in one flat
folder, annotation files are read (annotations.py), and metadata.jsonl says which member each
picture was and what is known of it. Links, devices, archives within the archive, names that lead
elsewhere and members beyond the limits are left out, each with a reason. A Parquet file with
pictures inside counts as an archive. A folder that is complete has its final name; what an
interruption leaves behind is thrown away by the next run.
"""

import contextlib
import json
import posixpath
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oneseed.console.output import progress
from oneseed.dataset import writers
from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of, write_text
from oneseed.sources import annotations
from oneseed.sources.archive_members import (
    DAMAGE,
    DEFAULT_LIMITS,
    NOTHING_FURTHER,
    TOO_COMPRESSED,
    Limits,
    Member,
    harmless,
    name_problem,
    open_members,
)
from oneseed.sources.rejections import Rejection, rejection
from oneseed.sources.tables import PICTURE_SUFFIXES

# hidden: no part of the collection
UNPACKING_MARKER = ".unpacked.json"
# raise when unpack() gives another folder: all is unpacked again
UNPACKING_VERSION = 1
# bytes that are copied at once
BLOCK_BYTES = 2**16


@dataclass(frozen=True)
class Unpacked:
    """What an archive held."""

    # members that were left out, and what annotation files say badly
    lost: list[Rejection]
    # what annotation files were read: see annotations.Described
    formats: list[Row]
    # rows for metadata.jsonl: file_name, member, and caption and style where they are known
    rows: list[Row]


def unpack(
    archive: Path, target: Path, format_name: str = "auto", *, limits: Limits = DEFAULT_LIMITS
) -> tuple[list[Rejection], list[Row]]:
    """Archive or Parquet file -> (lost, formats), as in Unpacked.

    `target` becomes the folder of its pictures, with metadata.jsonl. An archive that has not
    changed since is not unpacked again. format_name: of its annotation files, or "auto".
    """
    state = annotations.state_of(archive)
    stamp = {
        "version": UNPACKING_VERSION,
        "archive": archive.as_posix(),
        "bytes": state.length,
        "mtime": state.mtime,
        "format": format_name,
    }
    with contextlib.suppress(OSError, ValueError):
        known = json.loads((target / UNPACKING_MARKER).read_text("utf-8"))
        if known["stamp"] == stamp:
            return known["lost"], known["seen"]
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    notes = partial / ".notes"
    notes.mkdir(parents=True)
    found = unpack_into(archive, partial, notes, format_name=format_name, limits=limits)
    shutil.rmtree(notes)
    write_text(partial / "metadata.jsonl", writers.json_lines(found.rows))
    marker = {"stamp": stamp, "lost": found.lost, "seen": found.formats}
    write_text(partial / UNPACKING_MARKER, json.dumps(marker))
    if target.exists():
        shutil.rmtree(target)
    partial.rename(target)
    return found.lost, found.formats


def unpack_into(
    archive: Path,
    folder: Path,
    notes: Path,
    *,
    format_name: str = "auto",
    limits: Limits = DEFAULT_LIMITS,
) -> Unpacked:
    """Copies pictures into `folder` and annotation files into `notes`; both are there and empty."""
    unpacking = Unpacking(archive, folder, notes, limits=limits)
    if archive.suffix.lower() == ".parquet":
        unpacking.tables[archive.name] = archive
    else:
        unpacking.copy_members()
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
        # names of members that were left out
        self.refused: set[str] = set()
        self.lost: list[Rejection] = []

    def copy_members(self) -> None:
        """Copies what is welcome, until the archive ends or a limit is met."""
        with contextlib.ExitStack() as stack:
            members = open_members(self.archive, stack)
            for number, member in enumerate(progress(members, label="unpacking", unit="member")):
                if number == self.limits.members:
                    end = f"more than {self.limits.members:,} members: {NOTHING_FURTHER}"
                elif member.open is None:
                    end = member.problem
                else:
                    end = self.copy(number, member)
                if end:
                    self.lost.append(rejection(self.archive.name, end, file=self.archive.name))
                    break

    def copy(self, number: int, member: Member) -> str:
        """Copies a member, or says why not -> why nothing can be read after it, or ""."""
        name = posixpath.normpath(member.name.replace("\\", "/"))
        suffix = suffix_of(name)
        is_picture = suffix in PICTURE_SUFFIXES
        exceeds_total = self.total_bytes + member.size > self.max_bytes
        problem = self.problem_of(member, name)
        if not problem:
            path = self.picture_path(name) if is_picture else self.notes / f"{number}{suffix}"
            problem = copy_member(member, path)
            if not problem and is_picture:
                self.pictures[name] = path.name
            elif not problem:
                self.tables[name] = path
        if problem:
            self.refused.add(name)
            self.lost.append(rejection(member.name, problem, file=self.archive.name))
        # to pass over a member of a tar is to read it
        if not (self.is_zip and problem):
            self.total_bytes += member.size
        if exceeds_total and not self.is_zip:
            return f"{TOO_COMPRESSED}: {NOTHING_FURTHER}"
        return ""

    def problem_of(self, member: Member, name: str) -> str:
        """Why a member is left out, or ""; its content is not looked at."""
        suffix = suffix_of(name)
        problem = name_problem(member.name, suffix) or member.problem
        if problem:
            return problem
        max_bytes = self.max_bytes if suffix == ".parquet" else self.limits.member_bytes
        if member.size > max_bytes:
            return f"larger than {max_bytes:,} bytes"
        if self.total_bytes + member.size > self.max_bytes:
            return TOO_COMPRESSED
        if name in self.pictures or name in self.tables:
            return "a second member of this name"
        return ""

    def picture_path(self, name: str) -> Path:
        """Where the next picture goes; `name` is what the archive calls it."""
        return self.folder / f"{len(self.pictures):06}_{harmless(name)}{suffix_of(name)}"

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
        names = [*self.pictures, *self.tables]
        described = annotations.describe(
            names, self.tables.__getitem__, format_name, keep=self.keep
        )
        missing = described.rows.keys() - self.pictures.keys() - self.refused
        not_found = [
            rejection(path, "image not found", file=row["file"], line=row["line"])
            for path, row in described.rows.items()
            if path in missing
        ]
        rows = []
        for name, file_name in self.pictures.items():
            known = described.rows.get(name, {})
            said = {key: known[key] for key in ("caption", "style") if known.get(key)}
            rows.append({"file_name": file_name, "member": name, **said})
        return Unpacked([*self.lost, *described.lost, *not_found], described.formats, rows)


class UnreadableError(Exception):
    """A member's content cannot be read, for the reason that the text says."""


def copy_member(member: Member, path: Path) -> str:
    """Writes a member to `path` -> "", or the reason why nothing is there."""
    written = 0
    problem = ""
    with open(path, "wb") as target:
        try:
            for block in blocks_of(member):
                written += len(block)
                if written > member.size:
                    problem = "longer than it declares"
                    break
                target.write(block)
        except UnreadableError as error:
            # an error of writing, such as a full disk, ends the run
            problem = str(error)
    if not problem and written < member.size:
        problem = "cut off"
    if problem:
        path.unlink()
    return problem


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
