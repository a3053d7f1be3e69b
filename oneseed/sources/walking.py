"""The files of a folder at any depth, through links to other folders too.

Hidden files and what systems leave beside a user's own are passed over. What cannot be entered or
read is named.
"""

import contextlib
import os
import posixpath
import stat
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from oneseed.files import suffix_of
from oneseed.media.kinds import MEDIA_SUFFIXES
from oneseed.sources.rejections import Rejection, passed_over, rejection

# what Windows, macOS and NAS systems leave in folders and archives, in lower case
CLUTTER_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
CLUTTER_FOLDERS = {"__macosx", "@eadir", "$recycle.bin", "system volume information"}
# hidden files of ours by which a folder is known that holds what a source held
UNPACKING_MARKER = ".unpacked.json"
HUB_MARKER = ".hub.json"


def is_clutter(path: str) -> bool:
    """True for a path (with /) that is hidden, or that no user put there."""
    parts = path.lower().split("/")
    is_hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return is_hidden or parts[-1] in CLUTTER_FILES or not CLUTTER_FOLDERS.isdisjoint(parts)


@dataclass
class Walk:
    """A folder on its way to a list of its files; see walk_folder."""

    folder: Path
    # our own folder, which is passed over
    data: Path
    # paths of files, with /, from the folder on
    files: list[str] = field(default_factory=list)
    # what could not be entered or read
    lost: list[Rejection] = field(default_factory=list)
    # (device, number) of each folder that was entered
    entered: set[tuple[int, int]] = field(default_factory=set)
    # folders to enter, and links to folders, whose turn comes after all real ones
    folders: list[str] = field(default_factory=list)
    links: deque[str] = field(default_factory=deque)

    def lose(self, path: str, reason: str, *, is_picture: bool) -> None:
        """Names what is passed over. is_picture: it counts as a picture that is lost."""
        lost = rejection(path, reason, file=path)
        self.lost.append(lost if is_picture else passed_over(path, reason))

    def enter(self, path: str) -> None:
        """Notes a folder for reading, once, by whichever path it is met first."""
        try:
            state = os.stat(self.folder / path)
        except OSError as error:
            self.lose(path, f"cannot be opened ({error.strerror})", is_picture=True)
            return
        if (state.st_dev, state.st_ino) not in self.entered:
            self.entered.add((state.st_dev, state.st_ino))
            self.folders.append(path)

    def follow(self, path: str) -> None:
        """Enters the folder that a link leads to, unless that would go round in a circle."""
        target = (self.folder / path).resolve()
        above = (self.folder / path).parent.resolve()
        if target == self.data:
            return
        if above.is_relative_to(target) or self.folder.resolve().is_relative_to(target):
            self.lose(path, "a link to a folder that holds it", is_picture=False)
        else:
            self.enter(path)

    def read(self, path: str) -> None:
        """Lists one folder."""
        try:
            with os.scandir(self.folder / path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.lose(path or ".", f"cannot be opened ({error.strerror})", is_picture=True)
            return
        if path and not {UNPACKING_MARKER, HUB_MARKER}.isdisjoint(entry.name for entry in found):
            return
        for entry in found:
            if not is_clutter(entry.name):
                self.sort(entry, posixpath.join(path, entry.name))

    def sort(self, entry: os.DirEntry[str], path: str) -> None:
        """Puts an entry of a folder where it belongs."""
        is_folder = False
        # a link in a circle cannot be asked
        with contextlib.suppress(OSError):
            is_folder = entry.is_dir()
        if is_folder and entry.is_symlink():
            self.links.append(path)
        elif is_folder:
            if Path(entry.path).resolve() != self.data:
                self.enter(path)
        elif problem := file_problem(entry):
            self.lose(path, problem, is_picture=suffix_of(path) in MEDIA_SUFFIXES)
        else:
            self.files.append(path)


def file_problem(entry: os.DirEntry[str]) -> str:
    """Why an entry of a folder that is no folder is no file to read either, or ""."""
    try:
        mode = os.stat(entry.path).st_mode
    except OSError as error:
        if entry.is_symlink():
            return "a link that leads nowhere"
        return f"cannot be opened ({error.strerror})"
    return "" if stat.S_ISREG(mode) else "no plain file"


def walk_folder(folder: Path, data: Path) -> Walk:
    """The files below the folder, sorted, and what could not be read.

    A link to a folder is followed; a folder that is met twice is read once, by its own path where
    it has one there. What earlier runs unpacked into a folder below is none of its files.
    data: our own folder, resolved.
    """
    found = Walk(folder, data)
    found.enter("")
    while found.folders or found.links:
        if found.folders:
            found.read(found.folders.pop())
        else:
            found.follow(found.links.popleft())
    found.files.sort()
    return found
