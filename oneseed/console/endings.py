"""What the operating system refused, as one sentence with the way on."""

import contextlib
import errno
import os
import re
import traceback
from dataclasses import dataclass

from oneseed.console.output import printable, with_short_words


@dataclass(frozen=True)
class Ending:
    """How a script ends that did not reach its end: exit status and sentence on stderr."""

    code: int
    sentence: str


# what only writing can be answered
WRITE_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EFBIG,
    errno.EEXIST,
    errno.ENOTEMPTY,
    errno.EIO,
)
# what reading and writing can be answered -> why a file cannot be read, and what to do
READ_ERRORS = {
    errno.ENOENT: "there is no such file; check the name, or make the file first",
    errno.EACCES: "it may not be read; allow it (chmod u+rX), or name another",
    errno.EPERM: "it may not be read; allow it (chmod u+rX), or name another",
    errno.ENOTDIR: "a part of this path is a file, not a folder; check the path",
    errno.EISDIR: "it is a folder, where a file is needed; move it away, or name a file",
    errno.ELOOP: "its links lead in a circle; name the file itself",
    errno.ENAMETOOLONG: "the name is longer than this system allows; shorten it",
}
MEMORY_ADVICE = (
    "the memory does not suffice; close other programs, or take less at once (--batch-size, "
    "--workers 1), and run the same command again"
)
RESOURCE_ERRORS = {
    errno.EMFILE: "too many files are open at once; allow more: ulimit -n 4096",
    errno.ENFILE: "too many files are open on this machine; close other programs",
    errno.ENOMEM: MEMORY_ADVICE,
}
# how torch says it
MEMORY_WORDS = ("out of memory", "not enough memory", "can't allocate memory")
# functions that write; the last of them that were called tell what an error interrupted
WRITING_CALLS = frozenset(
    {"mkdir", "makedirs", "whole_file", "write_text", "write_bytes", "rename", "replace", "unlink"}
    | {"rmtree", "symlink_to", "touch"}
)
# of these last calls
LAST_CALLS = 4
# a word with bytes that are no UTF-8, as Python keeps them
BROKEN_WORD = re.compile(r"[^\s\"']*[\ud800-\udfff][^\s\"']*")
# the temporary name under which a file is written -> its own
PARTIAL_NAME = re.compile(r"\.([^/\\]*)\.\d+(-\w+)?\.partial$")


def ending_of_system(error: BaseException) -> Ending | None:
    """The end that an error of files or memory means; None for any other."""
    if isinstance(error, UnicodeEncodeError):
        return ending_of_name(error)
    if isinstance(error, MemoryError) or is_memory_error(error):
        return Ending(1, f"error: {MEMORY_ADVICE}")
    if not isinstance(error, OSError):
        return None
    name = name_of(error)
    if advice := RESOURCE_ERRORS.get(error.errno or 0):
        return Ending(1, f"error: {shown_name(name) or 'files'}: {advice}")
    is_folder = error.errno == errno.EISDIR
    may_be_writing = error.errno in READ_ERRORS and not is_folder
    if error.errno in WRITE_ERRORS or (may_be_writing and is_writing(error, name)):
        return Ending(
            1,
            f"error: {shown_name(name) or 'writing'}: {error.strerror}; files written before are "
            "whole, free or allow the place and run the same command again",
        )
    if name and (advice := READ_ERRORS.get(error.errno or 0)):
        return Ending(2, f"error: {shown_name(name)}: {advice}")
    return None


def is_memory_error(error: BaseException) -> bool:
    """Whether a library had no memory, and says so in words alone."""
    text = str(error).lower() if isinstance(error, RuntimeError) else ""
    return any(words in text for words in MEMORY_WORDS)


def name_of(error: OSError) -> str:
    """The file that an error is about; "" where it names none."""
    if isinstance(error.filename, bytes):
        return os.fsdecode(error.filename)
    return error.filename if isinstance(error.filename, str) else ""


def shown_name(name: str) -> str:
    """A file's name within a sentence of one line; under a temporary name its own."""
    return with_short_words(printable(PARTIAL_NAME.sub(r"\1", name)))


def is_writing(error: OSError, name: str) -> bool:
    """Whether a file was to be written, as far as that can be told."""
    if not name:
        return error.errno in (errno.EACCES, errno.EPERM, errno.ENOTDIR)
    last_calls = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-LAST_CALLS:]
    is_call_of_writing = any(call.f_code.co_name in WRITING_CALLS for call in last_calls)
    if is_call_of_writing or name.endswith(".partial"):
        return True
    if error.errno not in (errno.EACCES, errno.EPERM):
        return False
    with contextlib.suppress(ValueError):
        # what can be read was to be written; so was what is not there, in a folder that is open
        folder = os.path.dirname(name) or "."
        return os.access(name, os.R_OK) or (
            not os.path.lexists(name) and os.access(folder, os.X_OK)
        )
    return False


def ending_of_name(error: UnicodeEncodeError) -> Ending:
    """The end where a text has no bytes here; the streams take any text, so it is a file's name."""
    found = BROKEN_WORD.search(error.object)
    name = ascii(found[0] if found else error.object[: error.end])
    if error.encoding == "utf-8":
        return Ending(
            2, f"error: {name} holds bytes that are no UTF-8; rename or link what is called so"
        )
    return Ending(
        2,
        f"error: {name} cannot be a name of a file, for this system's setting of languages knows "
        f"only {error.encoding}; set PYTHONUTF8=1, or LC_ALL=C.UTF-8, and run the same command",
    )
