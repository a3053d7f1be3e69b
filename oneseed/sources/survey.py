"""What the sources hold: one list of pictures with captions and styles.

Nothing is decoded here. An original is a picture that exists; what is described and does not exist,
or is described badly, is listed with a reason.
"""

import contextlib
import functools
import itertools
import os
import posixpath
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneseed.config.options import CODE_CAPTIONS
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import clean_labels, code_text, is_code, travelling
from oneseed.dataset.commands import script_command
from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of
from oneseed.media.kinds import MEDIA_SUFFIXES, PICTURE
from oneseed.media.moving import medium_inside
from oneseed.sources import annotations
from oneseed.sources.conversations import NAMED_IN_TEXT
from oneseed.sources.formats import SAMPLE_ROWS
from oneseed.sources.names import PictureFinder, is_plain_folder
from oneseed.sources.rejections import Rejection, passed_over, rejection, short_name, writable
from oneseed.sources.resolve import CLASSES, Source, style_name
from oneseed.sources.table_reader import finds_picture
from oneseed.sources.tables import read_table
from oneseed.sources.walking import walk_folder

# files that may hold captions, in kinds that are not read
UNREAD_TABLES = {
    *(".xlsx", ".xls", ".xlsm", ".ods", ".numbers", ".xml", ".yaml", ".yml", ".pkl", ".pickle"),
    *(".db", ".sqlite", ".sqlite3", ".h5", ".hdf5", ".npz", ".mat", ".srt", ".docx", ".rtf"),
}
# folders above an annotation file in which its pictures are looked for
MAX_FOLDERS_ABOVE = 2
# kinds of other files that a message lists
MAX_KINDS = 5
# characters of an archive's name for a picture that are kept
MAX_MEMBER_NAME = 1000
# what no caption holds; white space becomes a blank
CONTROL = re.compile("[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")


@dataclass(frozen=True)
class Survey:
    """What a source holds, or several sources together."""

    sources: tuple[Source, ...]
    # absolute; the paths of all rows start there
    folder: Path
    # rows of path (with /), bytes, mtime (ns), style, caption, what travels with a caption (see
    # code_texts.TRAVELLING_KEYS), and of several sources `source`
    originals: list[Row]
    # {style: count} of the pictures that belong to another style than the wanted one
    other_styles: Counter[str]
    # what is described and not there, or described badly
    lost: list[Rejection]
    # what annotation files were read: see annotations.Described
    formats: list[Row]


def survey_sources(
    sources: Sequence[Source],
    style: str,
    data: Path,
    *,
    format_name: str,
    caption_kind: str = "",
) -> Survey:
    """All sources as one, in their order; paths start at the folder that holds them all.

    style: the wanted one, or "all". data: our own folder, which is passed over.
    format_name: of the sources' annotation files, or "auto". caption_kind: of all captions, one of
    CAPTION_KINDS; "": code where a row says so, else words.
    """
    sources = [with_pictures(source, data) for source in sources]
    folder = Path(os.path.commonpath([source.folder for source in sources]))
    together = Survey(tuple(sources), folder, [], Counter(), [], [])
    for source in sources:
        # an archive's annotation files were read while it was unpacked
        own_format = format_name if source.formats is None else "auto"
        found = survey_source(
            source, style, data, format_name=own_format, caption_kind=caption_kind
        )
        below = source.folder.relative_to(folder).as_posix()
        for row in found.originals:
            row |= {"path": join_paths(below, row["path"]), "source": source.name}
            if "images" in row:
                row["images"] = [join_paths(below, path) for path in row["images"]]
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


def survey_source(
    source: Source, style: str, data: Path, *, format_name: str, caption_kind: str
) -> Survey:
    """One source; its pictures come in the order of their paths, relative to the source's folder.

    Pictures without a style belong to any. Arguments as in survey_sources.
    """
    if source.file:
        states = pictures_below(source.folder, data)
        described = describe_file(source, source.file, format_name, states)
        states = states_of(source.folder, described.rows)
    else:
        walked = walk_folder(source.folder, data)
        paths = [path for path in walked.files if path not in source.elsewhere]
        states = annotations.list_files(source.folder, paths)
        described = annotations.describe(
            states, source.folder.joinpath, format_name, base=source.folder.as_posix()
        )
        if source.formats is not None:
            # by our own metadata.jsonl; what it was made of was judged then
            described.lost.clear()
        described.lost.extend(walked.lost)
        described.lost.extend(unread_files([path for path in paths if path not in states]))
    rows = described.rows
    found = Survey((source,), source.folder, [], Counter(), described.lost, described.formats)
    pictures = {path for path, state in states.items() if state}
    for path in sorted(rows.keys() | pictures):
        # what has been looked at gives its memory back
        row = rows.pop(path, {})
        state = states.pop(path, None)
        own_style = style_of(path, row, style, inside=source.inside)
        if style != "all" and own_style not in (None, style_name(style)):
            found.other_styles[own_style] += 1
        elif path != writable(path):
            # Linux allows bytes that are no UTF-8; no report could name the file
            found.lost.append(rejection(path, "a name that is no UTF-8", file=path))
        elif state is None:
            missing = short_name(path)
            found.lost.append(
                rejection(missing, "image not found", file=row["file"], line=row["line"])
            )
        else:
            medium = medium_inside(source.folder / path)
            original = {
                "path": path,
                "bytes": state.length,
                "mtime": state.mtime,
                # one string in memory serves the rows of a style
                "style": sys.intern(own_style or style),
                **caption_values(row, caption_kind),
                **{key: row[key] for key in ("images", "is_beside") if key in row},
                **member_of(row),
            }
            if medium not in ("", PICTURE):
                original["medium"] = medium
            found.originals.append(original)
    return found


def caption_values(row: Row, caption_kind: str) -> Row:
    """The caption of a described picture, and what travels with it, as a survey has them.

    A caption of code is kept letter by letter; words are on one line. caption_kind: of all
    pictures; "": as the row says.
    """
    known = travelling(row)
    # a table of paintings may say oil on canvas
    known.pop("medium", None)
    if caption_kind:
        known["caption_kind"] = caption_kind
    if known.get("caption_kind") != CODE_CAPTIONS:
        known.pop("caption_kind", None)
    said = row.get("caption", "")
    on_one_line = " ".join(CONTROL.sub("", said).split())
    caption = code_text(said) if is_code(known) else on_one_line
    return {"caption": caption, **clean_labels(known)}


def member_of(row: Row) -> Row:
    """What the archive called a picture that lay in one: its name and the folders around it."""
    name = CONTROL.sub("", row.get("member", ""))[:MAX_MEMBER_NAME]
    return {"member": name} if name else {}


def with_pictures(source: Source, data: Path) -> Source:
    """The source itself; of an annotation file beside folders of pictures from their parent on.

    annotations/captions.jsonl and splits/train.jsonl tell of images/1.png.
    """
    if not source.file:
        return source
    own = names_below(source.folder, data)
    is_plain = is_plain_folder(source.folder.name)
    # pictures among the captions may be previews
    if own and (not is_plain or tells_of(source.file, source.folder, own)):
        return source
    above = list(folders_above(source.folder))
    for folder in above:
        if tells_of(source.file, folder, names_below(folder, data)):
            return source._replace(folder=folder)
    return source._replace(folder=above[0]) if above and is_plain and not own else source


def folders_above(folder: Path) -> Iterator[Path]:
    """The nearest folders that hold a folder, up to a home folder, which is never walked."""
    home = Path(os.path.expanduser("~")).resolve()
    for above in folder.parents[:MAX_FOLDERS_ABOVE]:
        if home.is_relative_to(above):
            return
        yield above


def tells_of(file: Path, folder: Path, pictures: Sequence[str]) -> bool:
    """Whether the first rows of an annotation file name one of the pictures below a folder."""
    is_picture = functools.partial(
        finds_picture,
        finder=PictureFinder(pictures),
        name=file.relative_to(folder).as_posix(),
        base=folder.as_posix(),
    )
    # what cannot be read is told of where the file is read as a whole
    with contextlib.suppress(UserError, RecursionError):
        rows = itertools.islice(read_table(file.name, file), SAMPLE_ROWS if pictures else 0)
        return any(is_picture(value) for _, row in rows for value in values_within(row))
    return False


def values_within(value: Any) -> Iterator[Any]:
    """What a row holds at any depth that is no list or object, and names that its texts mark."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from values_within(one)
    else:
        yield value
        yield from NAMED_IN_TEXT.findall(value) if isinstance(value, str) else ()


def names_below(folder: Path, data: Path) -> list[str]:
    """The paths below a folder of files that are pictures by their names."""
    return [path for path in walk_folder(folder, data).files if suffix_of(path) in MEDIA_SUFFIXES]


def pictures_below(folder: Path, data: Path) -> dict[str, annotations.FileState | None]:
    """{path: state} of the pictures below a folder that are such by their names."""
    return annotations.list_files(folder, names_below(folder, data))


def unread_files(paths: Sequence[str]) -> Iterator[Rejection]:
    """Names files that are neither pictures nor captions: tables of a kind that is not read each,
    all others as one.
    """
    tables = [path for path in paths if suffix_of(path) in UNREAD_TABLES]
    for path in tables:
        yield passed_over(path, f"captions are not read from {suffix_of(path)}; save it as .csv")
    others = [path for path in paths if suffix_of(path) not in UNREAD_TABLES]
    if others:
        kinds = Counter(suffix_of(path) or "without a suffix" for path in others)
        named = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(MAX_KINDS))
        yield passed_over(others[0], f"neither pictures nor captions: {named}")


def describe_file(
    source: Source, file: Path, format_name: str, pictures: Iterable[str]
) -> annotations.Described:
    """What the annotation file says that alone is the source. UserError where that is nothing.

    pictures: paths of those that lie below the source's folder.
    """
    name = file.relative_to(source.folder).as_posix()
    described = annotations.describe(
        [*pictures, name],
        source.folder.joinpath,
        format_name,
        base=source.folder.as_posix(),
        only=name,
    )
    if described.formats:
        return described
    reason = f" ({described.lost[0]['reason']})" if described.lost else ""
    example = "llava" if format_name == "auto" else format_name
    and_not = "" if format_name == "auto" else f", and not {format_name}"
    raise UserError(
        f"{file} is of no known format{and_not}{reason}: compare it with an example, "
        f"{script_command('dataset_preparation.py', f'--template {example}')}, or name another "
        "--source"
    )


def states_of(folder: Path, paths: Iterable[str]) -> dict[str, annotations.FileState | None]:
    """{path: state} of those paths below the folder that are files."""
    states: dict[str, annotations.FileState | None] = {}
    for path in paths:
        # a name may be longer than systems allow, and then no file bears it
        with contextlib.suppress(OSError):
            if (folder / path).is_file():
                states[path] = annotations.state_of(folder / path)
    return states


def style_of(path: str, row: Row, wanted: str, *, inside: str) -> str | None:
    """A picture's style: as its row says, else the innermost class folder that it lies in.

    Class folders count only where a known class or "all" is wanted. Where "all" is, a row's domain
    counts after them. inside: see Source. None: it belongs to any style.
    """
    if "style" in row:
        return style_name(row["style"])
    if wanted not in (*CLASSES.values(), "all"):
        return None
    folders = [*inside.split("/"), *row.get("member", path).split("/")[:-1]]
    for folder in reversed(folders):
        name = style_name(folder)
        if name in CLASSES.values():
            return name
    if wanted == "all" and row.get("domain", "").strip():
        return style_name(row["domain"])
    return None
