"""What --source names."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from oneseed.config.options import STYLES
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.files import suffix_of
from oneseed.sources import archive_members, hub, tables, unpacking

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
                and (suffix_of(path) in tables.TABLES or archive_members.is_archive(path))
            )
        ):
            raise UserError(
                f"--source {path} is no folder, archive (.zip .tar .tar.gz .tgz), file of captions ({' '.join(sorted(tables.TABLES))}) or "
                "hf:owner/name; name one with pictures: python dataset_preparation.py --source PATH, or use --source builtin"
            )
    return [source_of(path, config) for path in sources]


def source_of(path, config):
    """Path, or hf: and a name -> Source; what an archive or the Hub holds lies in data/raw/<style>/unpacked/ afterwards."""

    def unpacked(name, text):
        return (
            Collection(config.style, config.data).raw.resolve()
            / UNPACKED
            / f"{name}_{hashlib.sha256(text).hexdigest()[:8]}"
        )

    if isinstance(path, str):
        folder = unpacked(archive_members.harmless(path), path.encode())
        lost, seen = hub.fetch_hub(path, folder, config.max_samples)
        return Source(folder, path, lost=tuple(lost), seen=tuple(seen))
    if path.is_dir():
        return Source(path, path.as_posix())
    if not archive_members.is_archive(path):
        return Source(path.parent, path.as_posix(), file=path)
    folder = unpacked(re.sub(r"[^A-Za-z0-9-]+", "_", path.name.split(".")[0]), bytes(path))
    lost, seen = unpacking.unpack(path, folder, config.format)
    return Source(folder, path.as_posix(), lost=tuple(lost), seen=tuple(seen))
