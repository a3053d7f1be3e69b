"""argparse whose errors are one sentence with the nearest right word."""

import argparse
import difflib
import re
import sys
from collections.abc import Collection
from typing import Any, NoReturn

from oneseed.console.output import printable, with_short_words


class Parser(argparse.ArgumentParser):
    """argparse that answers a wrong flag in one sentence with the nearest right one."""

    # where the wrong word stands, if not on the command line
    place = ""
    remedy = "--help lists the flags"

    def error(self, message: str) -> NoReturn:
        """Prints the sentence on stderr and ends the process with code 2."""
        message = with_short_words(printable(message))
        unknown = re.findall(r"--[\w-]+", message) if "unrecognized" in message else []
        hints = (nearest_hint(flag, self._option_string_actions) for flag in unknown)
        hint = next(filter(None, hints), "")
        command = f"python {self.prog} {self.remedy}"
        print(f"error: {self.place}{message}{hint} ({command})", file=sys.stderr)
        raise SystemExit(2)


class OneValue(argparse.Action):
    """The value of a flag; argparse of Python 3.11 takes "--" for none, and gives a list."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Stores the value."""
        if isinstance(values, list):
            parser.error(f"argument {option_string}: expected one argument")
        setattr(namespace, self.dest, values)


class JoinValues(argparse.Action):
    """Several values of a flag as one text with commas between, those of its repetitions too."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Appends the values to those that the flag has so far."""
        earlier = [getattr(namespace, self.dest)] if hasattr(namespace, self.dest) else []
        setattr(namespace, self.dest, ",".join([*earlier, *values]))


def nearest_hint(name: str, known: Collection[str]) -> str:
    """The end of a sentence that names the known name nearest to a wrong one; "" without any."""
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""
