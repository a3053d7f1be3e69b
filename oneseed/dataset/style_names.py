"""Names of collections that some systems cannot tell apart."""

import os
import unicodedata
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.commands import flag


def require_own_name(collection: Collection) -> None:
    """UserError where another collection's name differs in capitals alone.

    Windows and macOS take both for one name there, and the second would replace the first; refused
    everywhere, for a folder of data is carried from one system to another.
    """
    end = "_metadata.json"
    alike = names_alike(collection.processed) or [
        name.removesuffix(end) for name in names_alike(collection.metadata)
    ]
    if alike:
        raise UserError(
            f"the collection {alike[0]} is prepared already, and {collection.style} differs from "
            "it in capitals alone, which Windows and macOS take for the same; go on with "
            f"{flag('style', alike[0])}, or choose a name of its own"
        )


def names_alike(path: Path) -> list[str]:
    """Names in the path's folder that differ from its own in capitals alone, sorted."""
    own = unicodedata.normalize("NFC", path.name)
    names = os.listdir(path.parent) if path.parent.is_dir() else []
    composed = {unicodedata.normalize("NFC", name) for name in names}
    return sorted(name for name in composed - {own} if name.casefold() == own.casefold())
