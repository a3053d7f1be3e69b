"""Where very many pairs go: a folder of this machine, or storage by URL."""

import contextlib
import hashlib
from pathlib import Path

from oneseed.storage import Store, is_url

# holds files on their way to storage
SENDING = Path("outputs") / "sending"


class Place:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder: Path = folder
        # as it is shown
        self.name: str = folder.as_posix()

    @classmethod
    def of(cls, out: str) -> "Place":
        """The place that --out names."""
        return StoredPlace(out) if is_url(out) else cls(Path(out))

    def look(self, note: str) -> None:
        """Finds out what is there. note: of a file that the folder has where the place has it."""

    def look_again(self) -> None:
        """Finds out what others have brought since."""

    def has(self, path: Path) -> bool:
        """Whether a file of the folder is in the place, whole."""
        return path.exists()

    def take(self, path: Path) -> None:
        """A file of the folder is whole now."""


class StoredPlace(Place):
    """Storage by URL: a file is made in a folder here, sent when it is whole, and removed here."""

    def __init__(self, url: str) -> None:
        super().__init__(SENDING / hashlib.sha256(url.encode()).hexdigest()[:12])
        self.name = url
        self.storage: Store = Store.at(url)
        self.there: set[str] = set()

    def look(self, note: str) -> None:
        """See Place. What a killed run made and has not sent is sent."""
        self.look_again()
        own_note = self.folder / note
        own_note.unlink(missing_ok=True)
        if note in self.there:
            self.storage.fetch(note, own_note)
            for path in sorted(self.folder.glob("[0-9]*.*")):
                # another share of this machine may send it, and remove it
                with contextlib.suppress(FileNotFoundError):
                    self.take(path)

    def look_again(self) -> None:
        """See Place."""
        self.there = {file.name for file in self.storage.listed()}

    def has(self, path: Path) -> bool:
        """See Place."""
        return path.name in self.there

    def take(self, path: Path) -> None:
        """See Place."""
        self.storage.send(path, path.name)
        self.there.add(path.name)
        if not path.name.startswith("."):
            path.unlink(missing_ok=True)
