"""Numbers and errors in words that a visitor understands."""

import re
from collections.abc import Callable

from oneseed.console.output import printable
from oneseed.web.gate import to_stderr

# text -> the same as a reader of the page may see it
Tell = Callable[[str], str]
# what an operator would type: a script, make, git, a flag
COMMAND = re.compile(r"\w+\.py\b|\bmake [a-z]|\bgit [a-z]|(?<![\w-])--[a-z]|\bpip install\b")
OPERATOR_TOLD = "Whoever runs this page has been told how to mend it."


def fit_words(match: int | None) -> str:
    """How well picture and caption fit, as a sentence; "" where nobody can tell.

    match: so many of a hundred held-out real pairs fit no better.
    """
    return "" if match is None else f"Fits better than {match} of 100 real pairs"


def short_fit(match: int) -> str:
    """The same in a few words between others."""
    return f"better than {match} of 100"


def names_command(text: str) -> bool:
    """Does a text hold something to be typed at a terminal?"""
    return bool(COMMAND.search(text))


def without_commands(text: str) -> str:
    """An error's sentence for visitors, who have no terminal: the cause alone.

    "X is missing; make it with: make demo" -> "X is missing. Whoever runs this page has been told
    how to mend it." A sentence without commands stays as it is.
    """
    if not names_command(text):
        return text
    kept = [clause for clause in re.split(r"; ", text) if not names_command(clause)]
    # in the clause with the command, what stands before its colon may be the cause
    head = text.split("; ")[0].rpartition(": ")[0]
    cause = "; ".join(kept) or (head if not names_command(head) else "")
    if not cause:
        return f"This does not work here yet. {OPERATOR_TOLD}"
    cause = cause.rstrip(".")
    # a path keeps its letters
    begin = cause.split()[0]
    if begin.isalpha():
        cause = f"{begin.capitalize()}{cause[len(begin) :]}"
    return f"{cause}. {OPERATOR_TOLD}"


def teller(*, is_private: bool) -> Tell:
    """How the page says what may hold commands: as it is, or to visitors without them.

    is_private: does only the operator reach the page? Else the commands go to the terminal, each
    sentence once.
    """
    if is_private:
        return str
    told = set()

    def tell(text: str) -> str:
        if names_command(text) and text not in told:
            told.add(text)
            to_stderr(f"page: {printable(text)}")
        return without_commands(text)

    return tell
