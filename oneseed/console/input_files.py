"""Files that people name, looked at before they are opened: a named pipe would wait for ever."""

import errno
import os
import stat
from pathlib import Path

# kind of a path that is no file -> what it is
NO_FILE_KINDS = {
    stat.S_IFDIR: os.strerror(errno.EISDIR),
    stat.S_IFIFO: "is a named pipe, not a file",
    stat.S_IFSOCK: "is a socket, not a file",
    stat.S_IFCHR: "is a device, not a file",
    stat.S_IFBLK: "is a device, not a file",
}


def why_no_file(path: str | Path) -> str:
    """Why a path is no regular file, such as "is a named pipe, not a file"; "" where it is one.

    Links are followed. What the system answers otherwise is its own words.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except OSError as error:
        return str(error.strerror)
    except ValueError:
        return "holds a zero byte, as no path does"
    return "" if kind == stat.S_IFREG else NO_FILE_KINDS.get(kind, "is no plain file")
