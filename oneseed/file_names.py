"""Names that become files, and names that come out of files: each is one part of a path.

    safe_name("Art Nouveau?")                           # a file's name for any text of a user
    named_file(collection.resized, row["filename"])     # UnsafeNameError for "../../mine.txt"

A folder of data or a checkpoint may come from a stranger. What its files name is never joined to a
path anywhere else.
"""

import hashlib
import os
import re
import stat
import unicodedata
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.files import MAX_FILE_NAME_BYTES

# bytes of a name of somebody's own within a file's name
MAX_NAME_BYTES = 100
# what no file's name may hold on some system, and what leads to another folder or is hidden
UNSAFE_IN_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]|^[.\s-]|[.\s]$')
# names that Windows gives to devices, whatever follows after a point
DEVICE_NAME = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")
# what leads out of a folder: separators of any system, a drive or a stream, control characters
LEADS_OUT = re.compile(r"[/\\:\x00-\x1f\x7f]")


class UnsafeNameError(UserError):
    """A name that a file gives, and that is no name of a file in the folder where it belongs."""


def safe_name(text: str, limit: int = MAX_NAME_BYTES) -> str:
    """A name that somebody chose, such as "Art Nouveau", as part of a file's name.

    Names that are safe on every system stay as they are. In any other, what is unsafe becomes "_",
    and a hash keeps it apart from a name that looks so by itself. limit: bytes, 20 or more.
    """
    name = unicodedata.normalize("NFC", text)
    encoded = name.encode("utf-8", "surrogatepass")
    is_unsafe = UNSAFE_IN_NAMES.search(name) or DEVICE_NAME.fullmatch(name) or has_surrogate(name)
    if name and len(encoded) <= limit and not is_unsafe:
        return name
    end = f"_{hashlib.sha256(encoded).hexdigest()[:8]}"
    short = UNSAFE_IN_NAMES.sub("_", encoded[: limit - len(end)].decode("utf-8", "ignore"))
    if DEVICE_NAME.fullmatch(short):
        # what follows the first point does not part it from the device
        short = short.replace(".", "_")
    return short + end


def has_surrogate(text: str) -> bool:
    """Whether a text holds bytes that are no UTF-8, as Python keeps them from a command line."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def is_plain_name(name: object) -> bool:
    """Whether a value is the name of a file in a folder, on every system, and no path."""
    if not isinstance(name, str) or name in ("", ".", "..") or has_surrogate(name):
        return False
    if LEADS_OUT.search(name) or DEVICE_NAME.fullmatch(name):
        return False
    return len(name.encode()) <= MAX_FILE_NAME_BYTES


def named_file(folder: Path, name: object, place: Path | str = "") -> Path:
    """The file of this name in the folder, whether it is there or not.

    place: the file that gives the name, for the sentence of the error.
    UnsafeNameError where the name is a path or a device's, or where what is there is no file, or a
    link that leads out of the folder.
    """
    told = f"{place}: " if place else ""
    if not is_plain_name(name):
        raise UnsafeNameError(f"{told}{str(name)[:100]!r} is not a name of a file in {folder}")
    path = folder / str(name)
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return path
    if stat.S_ISLNK(mode):
        # Path.resolve raises an error of its own for a link to itself.
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(os.path.realpath(folder)):
            raise UnsafeNameError(f"{told}{path} is a link that leads out of its folder")
        mode = path.stat().st_mode if path.exists() else stat.S_IFREG
    if not stat.S_ISREG(mode):
        raise UnsafeNameError(f"{told}{path} is not a file")
    return path
