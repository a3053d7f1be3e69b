"""What the sources hold: one list of pictures with captions and styles.

What --source names, and what it holds: folders, archives and files of captions become one list of pictures with captions and styles.

Nothing is decoded here. A row is a picture that exists; what is described and not there, or described badly, is listed with a reason.
"""

import os
import posixpath
import sys
from collections import Counter
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.sources import annotations, rejections
from oneseed.sources.resolve import CLASSES, style_name


def survey_all(sources, style, data, format):
    """Sources -> (root, originals, other, lost, seen): the folder that holds them all, and what survey finds in each, in their order, with
    paths from the root on; originals know their source."""
    root = Path(os.path.commonpath([source.folder for source in sources]))
    originals = []
    other = Counter()
    lost = []
    seen = []
    for source in sources:
        found, strange, gone, read = survey(
            source, style, data, "auto" if source.seen is not None else format
        )
        below = source.folder.relative_to(root).as_posix()

        def from_root(path):
            return posixpath.normpath(posixpath.join(below, path))

        for row in found:
            row |= {"path": from_root(row["path"]), "source": source.name}
        originals += found
        lost += [
            *source.lost,
            *(
                {**row, "path": from_root(row["path"]), "file": from_root(row["file"])}
                for row in gone
            ),
        ]
        other += strange
        seen += read if source.seen is None else source.seen
    return root, originals, other, lost, seen


def survey(source, style, data, format):
    """Source -> (originals, other, lost, seen), in the order of path.

    originals: rows of path (relative to the source's folder, with /), bytes, mtime, style, caption; other: {style: count} of the pictures
    that belong to another style; lost: rows of path and reason, described and not there, or badly; seen: see formats.describe.
    Pictures without a style belong to any.
    """
    folder = source.folder
    listing = {source.file.name: None} if source.file else annotations.list_files(folder, data)
    rows, lost, seen = annotations.describe(
        listing, folder.joinpath, format, base=folder.as_posix()
    )
    if source.file:
        if not seen:
            raise UserError(
                f"{source.file} is of no known format{'' if format == 'auto' else f', and not {format}'}: compare it with an example, "
                f"python dataset_preparation.py --template {'llava' if format == 'auto' else format}, or name another --source"
            )
        listing = {
            path: annotations.state_of(folder / path) for path in rows if (folder / path).is_file()
        }
    originals = []
    other = Counter()
    for path in sorted(rows.keys() | {path for path, state in listing.items() if state}):
        # what is read is let go
        row = rows.pop(path, {})
        state = listing.pop(path, None)
        own = style_name(row["style"]) if "style" in row else None
        if own is None and style in (*CLASSES.values(), "all"):
            own = next(
                (
                    style_name(part)
                    for part in reversed(row.get("member", path).split("/")[:-1])
                    if style_name(part) in CLASSES.values()
                ),
                None,
            )
        writable = path.encode("utf-8", "backslashreplace").decode()
        if style != "all" and own not in (None, style_name(style)):
            other[own] += 1
        elif path != writable:
            # bytes that are no UTF-8, which Linux allows: no report could name the file
            lost.append(rejections.rejection(writable, "a name that is no UTF-8", writable, 0))
        elif state is None:
            lost.append(rejections.rejection(path, "image not found", row["file"], row["line"]))
        else:
            originals.append(
                {
                    "path": path,
                    "bytes": state[0],
                    "mtime": state[1],
                    "style": sys.intern(own or style),
                    "caption": " ".join(row.get("caption", "").split()),
                }
            )
    return originals, other, lost, seen
