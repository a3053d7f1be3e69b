"""The two streams that a script writes to: any letter, any text, and readers that go away.

A control character is made visible, a letter that the console's encoding lacks looks otherwise, and
a pipe or a terminal that is gone breaks nothing: it is told once, and what follows goes nowhere.
"""

import codecs
import contextlib
import errno
import io
import os
import sys
import unicodedata
from collections.abc import Callable
from typing import Any, TextIO

from oneseed.console.output import printable_letter

# letters of our own sentences, for consoles whose encoding lacks them
PLAIN_LETTERS = {
    "…": "...",
    "→": "->",
    "←": "<-",
    "↔": "<->",
    "–": "-",
    "—": "-",
    "−": "-",
    "×": "x",
    "·": ".",
    "•": "*",
    "±": "+/-",
    "≈": "~",
    "≤": "<=",
    "≥": ">=",
    "√": "sqrt",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "█": "#",
    "░": ".",
    "\u3000": " ",
    "\xa0": " ",
}
# name of the codec error handler that writes them
VISIBLE = "oneseed.visible"
# line ends and columns
KEPT_LETTERS = "\n\t"
# what writing answers where nobody reads a pipe any more; Windows says EINVAL
GONE = (errno.EPIPE, errno.ESHUTDOWN) + ((errno.EINVAL,) if os.name == "nt" else ())


def visible_letters(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: letters that an encoding lacks, as plain ones or as escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(map(plain_letter, letters)), error.end


def plain_letter(letter: str) -> str:
    """ASCII for one letter: → is ->, any other is an escape such as \\u4e2d."""
    return PLAIN_LETTERS.get(letter) or letter.encode("ascii", "backslashreplace").decode()


def without_controls(text: str) -> str:
    """The text with an escape such as \\x1b for all that could move the cursor or turn writing."""
    if text.isprintable():
        return text
    return "".join(map(harmless_letter, text))


def harmless_letter(letter: str) -> str:
    """One letter of a text of several lines; blanks of any width stay."""
    if letter in KEPT_LETTERS or unicodedata.category(letter) == "Zs":
        return letter
    return printable_letter(letter)


class Output:
    """Whether somebody still reads what this process writes, and who wants to know it."""

    def __init__(self) -> None:
        # called once, when the first reader goes; None: nobody wants to know
        self.listener: Callable[[], None] | None = None
        # the listener is called when it is let go
        self.is_held: bool = False
        self.is_lost: bool = False

    def lose(self) -> None:
        """A reader has gone."""
        self.is_lost = True
        self.tell()

    def release(self) -> None:
        """From now on a reader that goes is told at once, and so is one that has gone."""
        self.is_held = False
        if self.is_lost:
            self.tell()

    def tell(self) -> None:
        """Calls the listener, unless it is held or was called."""
        if self.listener is not None and not self.is_held:
            listener, self.listener = self.listener, None
            listener()


OUTPUT = Output()


class Screen(io.TextIOWrapper):
    """stdout or stderr of a script. Writes of any text succeed, whoever reads it."""

    def __init__(self, stream: io.TextIOWrapper, *, is_error: bool) -> None:
        """stream: what it stands for; it stays open. is_error: it is stderr."""
        stream.flush()
        codecs.register_error(VISIBLE, visible_letters)
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors=VISIBLE,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        # its end would close the buffer
        self.original: io.TextIOWrapper = stream
        self.is_error: bool = is_error
        self.was_terminal: bool = stream.isatty()
        self.bars: Bars = Bars(self)

    def write(self, text: str) -> int:
        """Writes text, its control characters visible.

        Bars of libraries begin with a return, which stays on stderr.
        """
        if not isinstance(text, str):
            raise TypeError(f"text is written here, not {type(text).__name__}")
        if self.is_error and text.startswith("\r"):
            return self.write_raw("\r" + without_controls(text[1:]))
        return self.write_raw(without_controls(text))

    def write_raw(self, text: str) -> int:
        """Writes text that is our own, with all its control characters."""
        try:
            super().write(text)
        except OSError as error:
            self.lose(error)
        return len(text)

    def flush(self) -> None:
        """As of any stream; a reader that is gone is no error."""
        try:
            super().flush()
        except OSError as error:
            self.lose(error)

    def lose(self, error: OSError) -> None:
        """What is written from now on goes nowhere. Any other error than of a reader is raised."""
        is_terminal_gone = self.was_terminal and error.errno in (errno.EIO, errno.ENXIO)
        if error.errno not in GONE and not is_terminal_gone:
            error.filename = error.filename or ("stderr" if self.is_error else "stdout")
            raise error
        write_nowhere(self)
        # SIGHUP tells of a terminal, where that matters
        if not is_terminal_gone:
            OUTPUT.lose()


class Bars:
    """A screen as progress bars write to it: they alone may move the cursor."""

    def __init__(self, screen: Screen) -> None:
        self.screen: Screen = screen

    def write(self, text: str) -> int:
        """Writes a state of a bar."""
        return self.screen.write_raw(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.screen, name)


def write_nowhere(stream: TextIO) -> None:
    """Whatever the stream still holds, and all that follows, goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def open_closed_streams() -> None:
    """Opens the null device for those of stdin, stdout and stderr that are closed.

    Otherwise the next file that is opened would get their number, and be written to by mistake.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - stays


def guard_streams() -> None:
    """sys.stdout and sys.stderr become screens. What replaces them already stays, as in a test."""
    open_closed_streams()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            setattr(sys, name, Screen(stream, is_error=name == "stderr"))
