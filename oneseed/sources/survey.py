"""What the sources hold: one list of pictures with captions and styles.

Nothing is decoded here. An original is a picture that exists; what is described and does not exist,
or is described badly, is listed with a reason.
"""

import os
import posixpath
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import Row
from oneseed.sources import annotations
from oneseed.sources.rejections import Rejection, rejection
from oneseed.sources.resolve import CLASSES, Source, style_name


@dataclass(frozen=True)
class Survey:
    """What a source holds, or several sources together."""

    sources: tuple[Source, ...]
    # absolute; the paths of all rows start there
    folder: Path
    # rows of path (with /), bytes, mtime (ns), style, caption, and of several sources `source`
    originals: list[Row]
    # {style: count} of the pictures that belong to another style than the wanted one
    other_styles: Counter[str]
    # what is described and not there, or described badly
    lost: list[Rejection]
    # what annotation files were read: see annotations.Described
    formats: list[Row]


def survey_sources(
    sources: Sequence[Source], style: str, data: Path, *, format_name: str
) -> Survey:
    """All sources as one, in their order; paths start at the folder that holds them all.

    style: the wanted one, or "all". data: our own folder, which is passed over.
    format_name: of the sources' annotation files, or "auto".
    """
    folder = Path(os.path.commonpath([source.folder for source in sources]))
    together = Survey(tuple(sources), folder, [], Counter(), [], [])
    for source in sources:
        # an archive's annotation files were read while it was unpacked
        own_format = format_name if source.formats is None else "auto"
        found = survey_source(source, style, data, format_name=own_format)
        below = source.folder.relative_to(folder).as_posix()
        for row in found.originals:
            row |= {"path": join_paths(below, row["path"]), "source": source.name}
        together.originals.extend(found.originals)
        together.lost.extend(source.lost)
        for row in found.lost:
            path = join_paths(below, row["path"])
            file = join_paths(below, row["file"])
            together.lost.append({**row, "path": path, "file": file})
        together.other_styles.update(found.other_styles)
        together.formats.extend(found.formats if source.formats is None else source.formats)
    return together


def join_paths(folder: str, path: str) -> str:
    """`path` below `folder`, in its shortest form."""
    return posixpath.normpath(posixpath.join(folder, path))


def survey_source(source: Source, style: str, data: Path, *, format_name: str) -> Survey:
    """One source; its pictures come in the order of their paths, relative to the source's folder.

    Pictures without a style belong to any. Arguments as in survey_sources.
    """
    if source.file:
        described = describe_file(source, source.file, format_name)
        states = states_of(source.folder, described.rows)
    else:
        states = annotations.list_files(source.folder, data)
        described = annotations.describe(
            states, source.folder.joinpath, format_name, base=source.folder.as_posix()
        )
    rows = described.rows
    found = Survey((source,), source.folder, [], Counter(), described.lost, described.formats)
    pictures = {path for path, state in states.items() if state}
    for path in sorted(rows.keys() | pictures):
        # what has been looked at gives its memory back
        row = rows.pop(path, {})
        state = states.pop(path, None)
        own_style = style_of(path, row, style)
        writable = path.encode("utf-8", "backslashreplace").decode()
        if style != "all" and own_style not in (None, style_name(style)):
            found.other_styles[own_style] += 1
        elif path != writable:
            # Linux allows bytes that are no UTF-8; no report could name the file
            found.lost.append(rejection(writable, "a name that is no UTF-8", file=writable))
        elif state is None:
            found.lost.append(
                rejection(path, "image not found", file=row["file"], line=row["line"])
            )
        else:
            original = {
                "path": path,
                "bytes": state.length,
                "mtime": state.mtime,
                # one string in memory serves the rows of a style
                "style": sys.intern(own_style or style),
                "caption": " ".join(row.get("caption", "").split()),
            }
            found.originals.append(original)
    return found


def describe_file(source: Source, file: Path, format_name: str) -> annotations.Described:
    """What the annotation file says that alone is the source. UserError where that is nothing."""
    described = annotations.describe(
        [file.name], source.folder.joinpath, format_name, base=source.folder.as_posix()
    )
    if described.formats:
        return described
    example = "llava" if format_name == "auto" else format_name
    and_not = "" if format_name == "auto" else f", and not {format_name}"
    raise UserError(
        f"{file} is of no known format{and_not}: compare it with an example, "
        f"python dataset_preparation.py --template {example}, or name another --source"
    )


def states_of(folder: Path, paths: Iterable[str]) -> dict[str, annotations.FileState | None]:
    """{path: state} of those paths below the folder that are files."""
    return {
        path: annotations.state_of(folder / path) for path in paths if (folder / path).is_file()
    }


def style_of(path: str, row: Row, wanted: str) -> str | None:
    """A picture's style: as its row says, else the innermost class folder that it lies in.

    Class folders count only where a known class or "all" is wanted. None: it belongs to any style.
    """
    if "style" in row:
        return style_name(row["style"])
    if wanted not in (*CLASSES.values(), "all"):
        return None
    folders = row.get("member", path).split("/")[:-1]
    for folder in reversed(folders):
        name = style_name(folder)
        if name in CLASSES.values():
            return name
    return None
