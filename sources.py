"""What --source names, and what it holds: folders, archives and files of captions become one list of pictures with captions and styles.

Nothing is decoded here. A row is a picture that exists; what is described and not there, or described badly, is listed with a reason.
"""

import hashlib
import os
import posixpath
import re
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import archives
import formats
import hub
from cli import UserError
from records import Collection
from settings import STYLES

CLASSES = {style.rstrip("s"): style for style in STYLES if style != "builtin"}
# folder of data/raw/<style>/ that holds what archives held
UNPACKED = "unpacked"


def style_name(text):
    """ "Engravings" -> "engraving": the name of a known class in any case, singular or plural; else the text in lower case."""
    text = text.strip().lower()
    return CLASSES.get(text.rstrip("s"), text)


class Source(NamedTuple):
    """Where pictures come from. file: the annotation file that alone says which; lost, seen: of an archive, see formats.describe."""

    folder: Path
    name: str
    file: Path | None = None
    lost: tuple = ()
    seen: tuple | None = None


def sources_of(config):
    """--source -> Sources in their order, each once: one path, or several with commas between. UserError names what cannot be a source."""
    text = config.source
    names = (
        [text]
        if Path(text).expanduser().exists()
        else [name.strip() for name in text.split(",") if name.strip()] or [text]
    )
    sources = dict.fromkeys(
        name if name.startswith("hf:") else Path(name).expanduser().resolve() for name in names
    )
    for path in sources:
        if (
            isinstance(path, Path)
            and not path.is_dir()
            and not (
                path.is_file()
                and (formats.suffix_of(path) in formats.TABLES or archives.is_archive(path))
            )
        ):
            raise UserError(
                f"--source {path} is no folder, archive (.zip .tar .tar.gz .tgz), file of captions ({' '.join(sorted(formats.TABLES))}) or "
                "hf:owner/name; name one with pictures: python dataset_preparation.py --source PATH, or use --source builtin"
            )
    return [source_of(path, config) for path in sources]


def source_of(path, config):
    """Path, or hf: and a name -> Source; what an archive or the Hub holds lies in data/raw/<style>/unpacked/ afterwards."""
    unpacked = lambda name, text: (
        Collection(config.style, config.data).raw.resolve()
        / UNPACKED
        / f"{name}_{hashlib.sha256(text).hexdigest()[:8]}"
    )
    if isinstance(path, str):
        folder = unpacked(archives.harmless(path), path.encode())
        lost, seen = hub.fetch(path, folder, config.max_samples)
        return Source(folder, path, lost=tuple(lost), seen=tuple(seen))
    if path.is_dir():
        return Source(path, path.as_posix())
    if not archives.is_archive(path):
        return Source(path.parent, path.as_posix(), file=path)
    folder = unpacked(re.sub(r"[^A-Za-z0-9-]+", "_", path.name.split(".")[0]), bytes(path))
    lost, seen = archives.unpack(path, folder, config.format)
    return Source(folder, path.as_posix(), lost=tuple(lost), seen=tuple(seen))


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
        from_root = lambda path: posixpath.normpath(posixpath.join(below, path))
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
    listing = {source.file.name: None} if source.file else formats.listed(folder, data)
    rows, lost, seen = formats.describe(listing, folder.joinpath, format, base=folder.as_posix())
    if source.file:
        if not seen:
            raise UserError(
                f"{source.file} is of no known format{'' if format == 'auto' else f', and not {format}'}: compare it with an example, "
                f"python dataset_preparation.py --template {'llava' if format == 'auto' else format}, or name another --source"
            )
        listing = {
            path: formats.state_of(folder / path) for path in rows if (folder / path).is_file()
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
            lost.append(formats.rejected(writable, "a name that is no UTF-8", writable, 0))
        elif state is None:
            lost.append(formats.rejected(path, "image not found", row["file"], row["line"]))
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
