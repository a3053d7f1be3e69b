"""Storage by URL: s3://bucket/folder, gs://bucket/folder and others, through fsspec.

    storage = Store.at("s3://prints/data")
    storage.fetch("captions/all_train.jsonl", path)     # a whole file, to this machine
    storage.send(path, "pairs/0000000000.tar")

Keys come from where each store's own library looks for them: the environment, its files, the
machine's role. None stands in a URL, which would be kept in files, and none is printed: of what a
library says only the kind of the error is told. Nothing is executed: fsspec's chains of protocols
and its kinds that run code are refused.
"""

import contextlib
import errno
import importlib.util
import posixpath
import re
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from oneseed.console.command import UserError
from oneseed.files import whole_file

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# {protocol: the package that reads it}
PROTOCOLS = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    # of one process, for tests
    "memory": "fsspec",
}
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.:-]+)://(.*)", re.DOTALL)
REQUIREMENTS = "pip install -r requirements-storage.txt"
# times that a file is asked for before the run ends
ATTEMPTS = 3
# what the system says where this machine takes no more
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def is_url(text: str | Path) -> bool:
    """Whether this is a URL, of whichever protocol, and no path."""
    return URL.match(str(text)) is not None


def checked_url(text: str, flag: str) -> str:
    """A URL that storage is read from, without a slash at its end.

    flag: that it was given with. ValueError, which does not repeat the URL, where it is refused.
    """
    found = URL.fullmatch(text)
    known = ", ".join(f"{name}://" for name in PROTOCOLS if name != "memory")
    if found is None or found[1].lower() not in PROTOCOLS or "::" in text:
        raise ValueError(f"{flag} reads {known} or what lies on this machine, and no other URL")
    place = found[2]
    if re.search(r"[@?#\s\0-\x1f\x7f]", place):
        raise ValueError(
            f"{flag} takes a URL without keys, ? and #: it is kept in files; keys belong into the "
            "environment, as the store's own tools read them"
        )
    if not place.strip("/") or ".." in place.split("/"):
        raise ValueError(f"{flag} takes a URL of a bucket, such as s3://bucket/folder")
    return f"{found[1].lower()}://{place.rstrip('/')}"


class FileInStore(NamedTuple):
    """A file below the URL."""

    # relative to it
    name: str
    # in bytes
    size: int


class Store:
    """What lies below a URL. UserError of each method: the store does not give, or take, it."""

    def __init__(self, files: "AbstractFileSystem", url: str) -> None:
        """files: of fsspec. url: as checked_url gives it."""
        self.files: AbstractFileSystem = files
        self.url: str = url
        self.root: str = url.partition("://")[2].strip("/")

    @classmethod
    def at(cls, url: str) -> "Store":
        """The storage of a URL that checked_url has passed. UserError without its package."""
        protocol = url.partition("://")[0]
        package = PROTOCOLS[protocol]
        for name in ("fsspec", package):
            if importlib.util.find_spec(name) is None:
                raise UserError(f"{url} needs {name}; install it: {REQUIREMENTS}")
        import fsspec

        with store_errors(url, "reached"):
            return cls(fsspec.filesystem(protocol), url)

    def path(self, name: str) -> str:
        """The path of a file below the URL, as fsspec takes it. name: "" for the URL itself."""
        return posixpath.join(self.root, name) if name else self.root

    def exists(self, name: str) -> bool:
        """Whether there is such a file or folder."""
        with store_errors(f"{self.url}/{name}", "read"):
            # what another machine has written since
            self.files.invalidate_cache()
            return bool(self.files.exists(self.path(name)))

    def is_file(self) -> bool:
        """Whether the URL is a file itself."""
        with store_errors(self.url, "read"):
            return bool(self.files.isfile(self.root))

    def listed(self, name: str = "") -> list[FileInStore]:
        """All files below the URL or a folder below it, at any depth, in the order of their names.

        None where there is no such folder.
        """
        with store_errors(f"{self.url}/{name}", "listed"):
            self.files.invalidate_cache()
            found = self.files.find(self.path(name), detail=True)
        start = len(self.root) + 1
        files = [
            FileInStore(path.lstrip("/")[start:], int(about["size"] or 0))
            for path, about in found.items()
        ]
        return sorted(file for file in files if file.name)

    def fetch(self, name: str, path: Path) -> None:
        """Copies a file to this machine, whole or not at all."""
        shown = f"{self.url}/{name}" if name else self.url
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                with store_errors(shown, "read"), whole_file(path) as partial:
                    self.files.get_file(self.path(name), str(partial))
                return
            except UserError as error:
                # what is not there, or refused, will be so the next time
                if not attempts_left or error.code != 1:
                    raise

    def read_parts(self, name: str, starts: Sequence[int], length: int) -> list[bytes]:
        """Parts of a file, each of `length` bytes, in one go where the store can."""
        path = self.path(name)
        with store_errors(f"{self.url}/{name}", "read"):
            ends = [start + length for start in starts]
            return self.files.cat_ranges([path] * len(ends), list(starts), ends, on_error="raise")

    def send(self, path: Path, name: str) -> None:
        """Copies a file of this machine below the URL. Stores show it when it is whole."""
        with store_errors(f"{self.url}/{name}", "written"):
            self.files.put_file(str(path), self.path(name))


@contextlib.contextmanager
def store_errors(shown: str, done: str) -> Generator[None]:
    """UserError for whatever a library of fsspec raises; of its text nothing is shown.

    shown: the URL; done: what was to be done to it.
    """
    try:
        yield
    except (UserError, KeyboardInterrupt, SystemExit):
        raise
    except FileNotFoundError as error:
        raise UserError(f"{shown} is not there") from error
    except PermissionError as error:
        raise UserError(
            f"{shown} cannot be {done}: access is refused; give the store's keys as its own tools "
            "read them, from the environment or its file"
        ) from error
    # each library has errors of its own
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            raise
        raise UserError(
            f"{shown} cannot be {done} ({type(error).__name__}); look whether the store answers, "
            "and its keys are set, and run the same command again",
            code=1,
        ) from error
