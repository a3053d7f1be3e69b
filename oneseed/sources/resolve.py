"""What --source names: folders, archives, files of captions, data sets of the Hub."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from oneseed.config.options import STYLES
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.commands import prepare_command
from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of
from oneseed.sources import archive_members, hub, tables, unpacking
from oneseed.sources.rejections import Rejection

# {a class in the singular: its name}
CLASSES = {style.rstrip("s"): style for style in STYLES if style != "builtin"}
# folder of data/raw/<style>/ that holds what archives held
UNPACKED = "unpacked"


class Source(NamedTuple):
    """Where pictures come from.

    folder: absolute, holds the pictures at any depth.
    name: as records and reports give it.
    file: the annotation file that alone says which pictures count; None: all of the folder.
    lost, formats: what unpacking or fetching found, see annotations.Described; formats is None
        for a source that was neither unpacked nor fetched.
    """

    folder: Path
    name: str
    file: Path | None = None
    lost: tuple[Rejection, ...] = ()
    formats: tuple[Row, ...] | None = None


def style_name(text: str) -> str:
    """ "Engravings" -> "engraving": the known class in any case, singular or plural.

    Any other text in lower case.
    """
    text = text.strip().lower()
    return CLASSES.get(text.rstrip("s"), text)


def sources_of(config: PrepareConfig) -> list[Source]:
    """--source, one path or several with commas between, as Sources in their order, each once.

    A path that holds a comma counts as one where it exists. UserError names what is no source.
    """
    paths = dict.fromkeys(parse_path(name) for name in names_in(config.source))
    for path in paths:
        if isinstance(path, Path) and not is_source(path):
            raise UserError(
                f"--source {path} is no folder, archive (.zip .tar .tar.gz .tgz), file of captions "
                f"({' '.join(sorted(tables.TABLE_SUFFIXES))}) or "
                "hf:owner/name; name one with pictures: "
                f"{prepare_command()}, or use --source builtin"
            )
    return [source_of(path, config) for path in paths]


def names_in(text: str) -> list[str]:
    """The names that --source lists, without blanks around them; never none."""
    if Path(text).expanduser().exists():
        return [text]
    names = [name.strip() for name in text.split(",")]
    return [name for name in names if name] or [text]


def parse_path(name: str) -> str | Path:
    """A name of a data set as it is, anything else as an absolute path."""
    return name if name.startswith("hf:") else Path(name).expanduser().resolve()


def is_source(path: Path) -> bool:
    """True for a folder, an archive, or a file that may hold annotations."""
    if path.is_dir():
        return True
    if not path.is_file():
        return False
    return suffix_of(path) in tables.TABLE_SUFFIXES or archive_members.is_archive(path)


def source_of(path: str | Path, config: PrepareConfig) -> Source:
    """A path, or the name of a data set, as Source.

    What an archive or the Hub holds lies in data/raw/<style>/unpacked/ afterwards.
    """
    if isinstance(path, str):
        folder = unpacked_folder(archive_members.harmless(path), path.encode(), config)
        lost, formats = hub.fetch_hub(path, folder, config.max_samples)
        return Source(folder, path, lost=tuple(lost), formats=tuple(formats))
    if path.is_dir():
        return Source(path, path.as_posix())
    if not archive_members.is_archive(path):
        return Source(path.parent, path.as_posix(), file=path)
    stem = re.sub(r"[^A-Za-z0-9-]+", "_", path.name.split(".")[0])
    folder = unpacked_folder(stem, bytes(path), config)
    lost, formats = unpacking.unpack(path, folder, config.format)
    return Source(folder, path.as_posix(), lost=tuple(lost), formats=tuple(formats))


def unpacked_folder(stem: str, identity: bytes, config: PrepareConfig) -> Path:
    """Folder for what a source holds: a readable stem, and a hash of the bytes that name it."""
    raw = Collection(config.style, config.data).raw.resolve()
    return raw / UNPACKED / f"{stem}_{hashlib.sha256(identity).hexdigest()[:8]}"
