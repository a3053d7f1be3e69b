"""What --source names: folders, archives, files of captions, data sets of the Hub."""

import contextlib
import hashlib
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from oneseed.config.options import STYLES
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.commands import prepare_command
from oneseed.dataset.jsonl import Row
from oneseed.files import expanded, suffix_of
from oneseed.media.kinds import MEDIA_SUFFIXES
from oneseed.sources import archive_kinds, archive_members, hub, tables, unpacking
from oneseed.sources.archive_names import harmless
from oneseed.sources.rejections import Rejection, rejection
from oneseed.sources.stored import fetch_stored
from oneseed.sources.walking import walk_folder
from oneseed.storage import is_url

# {a class in the singular: its name}
CLASSES = {style.rstrip("s"): style for style in STYLES}
# folder of data/raw/<style>/ that holds what archives held
UNPACKED = "unpacked"
# commas that the name of one of several sources may hold
MAX_COMMAS = 4
NO_LETTERS = re.compile("[\0-\x1f\x7f-\x9f]")


class Source(NamedTuple):
    """Where pictures come from.

    folder: absolute, holds the pictures at any depth.
    name: as records and reports give it.
    file: the annotation file that alone says which pictures count; None: all of the folder.
    lost, formats: what unpacking or fetching found, see annotations.Described; formats is None
        for a source that was neither unpacked nor fetched.
    elsewhere: paths below the folder that belong to other sources, or that nobody needs.
    inside: of an archive in a folder that was named, its path there without suffixes; like folders
        of pictures, its parts may say a style.
    """

    folder: Path
    name: str
    file: Path | None = None
    lost: tuple[Rejection, ...] = ()
    formats: tuple[Row, ...] | None = None
    elsewhere: frozenset[str] = frozenset()
    inside: str = ""


def style_name(text: str) -> str:
    """ "Engravings" -> "engraving": the known class in any case, singular or plural.

    Any other text in lower case, its blanks and accents written in one way.
    """
    text = " ".join(NO_LETTERS.sub(" ", unicodedata.normalize("NFC", text.lower())).split())
    return CLASSES.get(text.rstrip("s"), text)


def sources_of(config: PrepareConfig) -> list[Source]:
    """--source, one path or several with commas between, as Sources in their order, each once.

    A folder gives a Source for each archive in it, too. UserError names what is no source; of
    several, one that is damaged becomes a rejection.
    """
    paths = dict.fromkeys(parse_path(name) for name in names_in(config.source))
    for path in paths:
        if isinstance(path, Path) and not is_source(path):
            archives = " ".join(archive_members.ARCHIVE_SUFFIXES)
            raise UserError(
                f"--source {path} is no folder, archive ({archives}), file of captions "
                f"({' '.join(sorted(tables.TABLE_SUFFIXES))}) or "
                "hf:owner/name; name one with pictures: "
                f"{prepare_command()}, or use --source builtin"
            )
    found: list[Source] = []
    lost: list[Rejection] = []
    for path in paths:
        try:
            if isinstance(path, str) and is_url(path):
                found += stored_sources(path, config)
                continue
            is_folder = isinstance(path, Path) and path.is_dir()
            found += sources_in(path, config) if is_folder else [source_at(path, config)]
        except archive_members.UnreadableArchiveError as error:
            if len(paths) == 1:
                raise
            lost.append(rejection(str(path), error.reason, file=str(path)))
    if not found:
        raise UserError(
            f"none of the {len(paths)} sources can be read ({lost[0]['path']} "
            f"{lost[0]['reason']}): fetch them again, or name others, {prepare_command()}"
        )
    return [found[0]._replace(lost=(*found[0].lost, *lost)), *found[1:]]


def names_in(text: str) -> list[str]:
    """The names that --source lists, without blanks around them; never none.

    A comma belongs to a name where only that exists.
    """
    parts = [part for part in text.split(",") if part.strip()]
    names = []
    while parts:
        length = next(
            (
                length
                for length in (len(parts), *range(1, MAX_COMMAS + 2))
                if exists(",".join(parts[:length]).strip())
            ),
            1,
        )
        names.append(",".join(parts[:length]).strip())
        parts = parts[length:]
    return names or [text]


def exists(name: str) -> bool:
    """Whether a file or folder bears the name."""
    # a name that is too long for the system is none
    with contextlib.suppress(OSError):
        return expanded(name).exists()
    return False


def parse_path(name: str) -> str | Path:
    """A name of a data set as it is, anything else as an absolute path.

    A link to a file keeps its own name, which says what the file is.
    """
    if name.startswith("hf:") or is_url(name):
        return name
    path = expanded(name)
    return path.resolve() if path.is_dir() else path.parent.resolve() / path.name


def sources_in(folder: Path, config: PrepareConfig) -> list[Source]:
    """A folder, and each archive and each Parquet or Arrow file of pictures in it, as Sources.

    All have the folder's name. The folder itself is none where it holds nothing else.
    """
    name = folder.as_posix()
    walked = walk_folder(folder, Path(config.data).resolve())
    useless = unpacking.saved_state(walked.files)
    rest = [path for path in walked.files if path not in useless]
    found = []
    lost = []
    containers = []
    for path in rest:
        try:
            if archive_kinds.is_archive(folder / path):
                containers.append(path)
        except archive_members.UnreadableArchiveError as error:
            lost.append(rejection(path, error.reason, file=path))
    beside = captions_beside(containers, rest, folder)
    for path in containers:
        try:
            source = source_at(folder / path, config, beside)
            parent, base = posixpath.split(path)
            inside = posixpath.join(parent, base.partition(".")[0])
            found.append(source._replace(name=name, inside=inside))
        except archive_members.UnreadableArchiveError as error:
            lost.append(rejection(path, error.reason, file=path))
    read = {*useless, *containers, *beside, *(row["path"] for row in lost)}
    if not found or lost or walked.lost or set(rest) - read:
        found.insert(0, Source(folder, name, lost=tuple(lost), elsewhere=frozenset(read)))
    return found


def stored_sources(url: str, config: PrepareConfig) -> list[Source]:
    """What lies at a URL, as Sources that bear its name, once it is copied to this machine."""
    folder = unpacked_folder(harmless(url.rstrip("/")), url.encode(), config)
    path, lost = fetch_stored(url, folder)
    found = sources_in(path, config) if path.is_dir() else [source_at(path, config)]
    first = found[0]._replace(lost=(*found[0].lost, *lost))
    return [source._replace(name=url) for source in (first, *found[1:])]


def captions_beside(
    containers: Sequence[str], paths: Iterable[str], folder: Path
) -> dict[str, Path]:
    """{path: file} of annotation files that tell of what the only archive of a folder holds.

    None where pictures lie there, too, or several archives: whose pictures they name is not
    guessed. containers: paths of archives. paths: of all files below the folder.
    """
    suffixes = {suffix_of(path) for path in paths}
    if len(containers) != 1 or suffixes & MEDIA_SUFFIXES:
        return {}
    (archive,) = containers
    return {
        path: folder / path
        for path in paths
        if suffix_of(path) in tables.TABLE_SUFFIXES and path != archive
    }


def is_source(path: Path) -> bool:
    """True for a folder, an archive, or a file that may hold annotations."""
    if path.is_dir():
        return True
    if not path.is_file():
        return False
    return suffix_of(path) in tables.TABLE_SUFFIXES or archive_kinds.is_archive(path)


def source_at(
    path: str | Path, config: PrepareConfig, beside: Mapping[str, Path] | None = None
) -> Source:
    """A path, or the name of a data set, as Source.

    What an archive or the Hub holds lies in data/raw/<style>/unpacked/ afterwards. beside: as in
    unpacking.unpack.
    """
    if isinstance(path, str):
        folder = unpacked_folder(harmless(path), path.encode(), config)
        lost, formats = hub.fetch_hub(path, folder, config.max_samples)
        return Source(folder, path, lost=tuple(lost), formats=tuple(formats))
    if path.is_dir():
        return Source(path, path.as_posix())
    if not archive_kinds.is_archive(path):
        return Source(path.parent, path.as_posix(), file=path)
    stem = re.sub(r"[^A-Za-z0-9-]+", "_", path.name.split(".")[0])
    folder = unpacked_folder(stem, bytes(path), config)
    found = unpacking.unpack(path, folder, config.format, beside=beside)
    return Source(
        folder,
        path.as_posix(),
        lost=tuple(found.lost),
        formats=tuple(found.formats),
    )


def unpacked_folder(stem: str, identity: bytes, config: PrepareConfig) -> Path:
    """Folder for what a source holds: a readable stem, and a hash of the bytes that name it."""
    raw = Collection(config.style, config.data).raw.resolve()
    return raw / UNPACKED / f"{stem}_{hashlib.sha256(identity).hexdigest()[:8]}"
