"""What a picture folder needs of an archive, unpacked safely and once."""

import contextlib
import json
import posixpath
import shutil

from oneseed.console.output import progress
from oneseed.dataset import writers
from oneseed.files import suffix_of, write_text
from oneseed.sources import annotations, rejections
from oneseed.sources.archive_members import (
    ALWAYS_ALLOWED_BYTES,
    DAMAGE,
    MAX_COMPRESSION_RATIO,
    MAX_MEMBER_BYTES,
    MAX_MEMBERS,
    MAX_TOTAL_BYTES,
    REST,
    TOO_TIGHT,
    Member,
    harmless,
    open_members,
    refusal,
)
from oneseed.sources.tables import SUFFIXES

# hidden: no part of the collection
UNPACKING_MARKER = ".unpacked.json"
# raise when unpack() gives another folder: all is unpacked again
UNPACKING_VERSION = 1


def copy_member(member, path):
    """Writes a member to `path` -> "", or the reason why nothing is there."""
    written = 0
    trouble = ""
    source = None
    with open(path, "wb") as target, contextlib.ExitStack() as stack:
        while not trouble:
            try:
                source = source or stack.enter_context(member.open())
                block = source.read(2**16)
            except DAMAGE as error:
                trouble = (
                    "cut off"
                    if "end of data" in str(error)
                    else "encrypted"
                    if "password" in str(error)
                    else f"damaged ({type(error).__name__})"
                )
                break
            if not block:
                break
            written += len(block)
            trouble = "longer than it declares" if written > member.size else ""
            target.write(block)
    trouble = trouble or ("cut off" if written < member.size else "")
    if trouble:
        path.unlink()
    return trouble


def unpack(archive, target, format="auto"):
    """Archive or Parquet file -> (lost, seen), as formats.describe has them; `target` becomes the folder of its pictures, with metadata.jsonl.

    Finished work is kept: an archive that has not changed since is not unpacked again. What is lost is known by the member's name.
    """
    state = archive.stat()
    stamp = {
        "version": UNPACKING_VERSION,
        "archive": archive.as_posix(),
        "bytes": state.st_size,
        "mtime": state.st_mtime_ns,
        "format": format,
    }
    with contextlib.suppress(OSError, ValueError):
        known = json.loads((target / UNPACKING_MARKER).read_text("utf-8"))
        if known["stamp"] == stamp:
            return known["lost"], known["seen"]
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    notes = partial / ".notes"
    notes.mkdir(parents=True)
    lost, seen, rows = unpack_into(archive, partial, notes, format)
    shutil.rmtree(notes)
    write_text(partial / "metadata.jsonl", writers.json_lines(rows))
    write_text(partial / UNPACKING_MARKER, json.dumps({"stamp": stamp, "lost": lost, "seen": seen}))
    if target.exists():
        shutil.rmtree(target)
    partial.rename(target)
    return lost, seen


def unpack_into(archive, folder, notes, format):
    """Copies what is welcome into `folder`, annotation files into `notes` -> (lost, seen, rows for metadata.jsonl)."""
    # {member: name in folder}, {member: Path}
    pictures = {}
    tables = {}
    refused = set()
    lost = []
    total = 0
    limit = min(
        MAX_TOTAL_BYTES, max(ALWAYS_ALLOWED_BYTES, MAX_COMPRESSION_RATIO * archive.stat().st_size)
    )
    parquet, zipped = (archive.suffix.lower() == suffix for suffix in (".parquet", ".zip"))

    def place(name, suffix):
        return folder / f"{len(pictures):06}_{harmless(name)}{suffix}"

    def keep(name, image):
        nonlocal total
        if len(image) > MAX_MEMBER_BYTES or total + len(image) > limit:
            raise ValueError(
                f"larger than {MAX_MEMBER_BYTES:,} bytes"
                if len(image) > MAX_MEMBER_BYTES
                else TOO_TIGHT
            )
        total += len(image)
        path = place(name, suffix_of(name))
        path.write_bytes(image)
        pictures[name] = path.name

    with contextlib.ExitStack() as stack:
        for number, member in enumerate(
            ()
            if parquet
            else progress(open_members(archive, stack), label="unpacking", unit="member")
        ):
            if number == MAX_MEMBERS:
                member = Member("", 0, f"more than {MAX_MEMBERS:,} members: {REST}")
            if member.open is None:
                lost.append(rejections.rejection(archive.name, member.trouble, archive.name, 0))
                break
            name = posixpath.normpath(member.name.replace("\\", "/"))
            suffix = suffix_of(name)
            picture = suffix in SUFFIXES
            largest = limit if suffix == ".parquet" else MAX_MEMBER_BYTES
            over = total + member.size > limit
            reason = (
                refusal(member.name, suffix)
                or member.trouble
                or (f"larger than {largest:,} bytes" if member.size > largest else "")
                or (TOO_TIGHT if over else "")
                or ("a second member of this name" if name in pictures or name in tables else "")
            )
            if not reason:
                path = place(name, suffix) if picture else notes / f"{number}{suffix}"
                reason = copy_member(member, path)
            if reason:
                refused.add(name)
                lost.append(rejections.rejection(member.name, reason, archive.name, 0))
            elif picture:
                pictures[name] = path.name
            else:
                tables[name] = path
            total += member.size if not (zipped and reason) else 0
            # to pass over a member of a tar is to read it
            if over and not zipped:
                lost.append(
                    rejections.rejection(archive.name, f"{TOO_TIGHT}: {REST}", archive.name, 0)
                )
                break
    tables |= {archive.name: archive} if parquet else {}
    rows, bad, seen = annotations.describe([*pictures, *tables], tables.get, format, keep)
    gone = rows.keys() - pictures.keys() - refused
    lost += bad + [
        rejections.rejection(path, "image not found", row["file"], row["line"])
        for path, row in rows.items()
        if path in gone
    ]
    return (
        lost,
        seen,
        [
            {
                "file_name": flat,
                "member": name,
                **{
                    key: rows[name][key]
                    for key in ("caption", "style")
                    if rows.get(name, {}).get(key)
                },
            }
            for name, flat in pictures.items()
        ],
    )
