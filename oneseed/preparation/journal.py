"""What was found of each original is remembered at once, so that no run does it again.

The journal only saves work. Each of its lines carries a checksum: one that is not as it was
written is passed over, and its original examined again.
"""

import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.code_texts import TRAVELLING_KEYS
from oneseed.dataset.jsonl import Row, from_json, to_json, write_jsonl, write_lines
from oneseed.dataset.notes import MAX_LINE_BYTES, cut_torn_line, open_regular, whole_lines
from oneseed.media.checksum import checksum
from oneseed.workers import Workers, chunks

# keys of an original by which a finding of an earlier run is known to be of it
STATE_KEYS = ("path", "bytes", "mtime")
# keys of an original that its source gives, which may change with every run
SOURCE_KEYS = ("style", "caption", "source", "images", "is_beside", "member", *TRAVELLING_KEYS)
# pictures that a worker process examines at a time
EXAMINED_PER_TASK = 8
# a file that no decoder survives, or that needs more memory than there is
ENDS_PROCESSES = "cannot be opened (it ended each process that read it)"
# how a line of a finding ends
LINE_END = re.compile(rb', "checksum": (\d{1,10})\}\n')


class Missing(NamedTuple):
    """Results of findings that are not there.

    paths: of the originals that must be examined again. changed: findings that say something else
    now, without an examination.
    """

    paths: set[str]
    changed: int


def nothing_missing(originals: Iterable[Row]) -> Missing:
    """Nothing is to be examined again."""
    return Missing(set(), 0)


@dataclass(frozen=True)
class Examination:
    """Work on each original of a source that no earlier run has done.

    The journal is a JSON Lines file: the header, then a line for each finding, known by path,
    length and time of change. It is appended to at once, so that a killed run goes on where it was.
    Of a damaged journal all lines count that are as they were written.
    """

    journal: Path
    # what the findings depend on; under another header the journal begins anew
    header: Row
    # of the progress bar
    label: str
    # paths -> their findings, in a worker process; a finding has "sha256", or "reason" alone
    work: Callable[[list[str]], list[Row]]
    # whether a row of the journal is a finding of this work
    is_finding: Callable[[Row], bool]
    # examined originals -> those that must be examined again
    find_missing: Callable[[Iterable[Row]], Missing] = nothing_missing
    # journals of other shards, some of which may be growing: what they know counts too
    others: Sequence[Path] = ()

    def run(self, originals: list[Row], workers: Workers) -> None:
        """Afterwards each row of `originals` holds its finding."""
        # Sources may overlap; a path is examined once.
        by_path = {original["path"]: original for original in originals}
        for other in self.others:
            if read_header(other) == self.header:
                self.take_over(other, by_path)
        known = self.read_journal(by_path)
        changed = self.examine(by_path, workers)
        if changed or known != list(by_path):
            self.write_journal(by_path)
        for original in originals:
            examined = by_path[original["path"]]
            if original is not examined:
                replace_finding(original, journal_row(examined))

    def read_journal(self, by_path: dict[str, Row]) -> list[str]:
        """Takes over what is known of originals that did not change since -> path of each line."""
        if read_header(self.journal) != self.header:
            write_jsonl(self.journal, [self.header])
            return []
        cut_torn_line(self.journal)
        return self.take_over(self.journal, by_path)

    def take_over(self, journal: Path, by_path: dict[str, Row]) -> list[str]:
        """Puts the findings of a journal that are still true into the rows -> path of each line."""
        paths = []
        for line in each_finding(journal):
            path = str(line.get("path"))
            paths.append(path)
            original = by_path.get(path)
            if original is not None and is_still_true(line, original) and self.is_finding(line):
                replace_finding(original, line)
        return paths

    def examine(self, by_path: dict[str, Row], workers: Workers) -> int:
        """Examines what is not known yet, and appends each finding to the journal.

        Returns how many findings are others now.
        """
        changed = 0
        with open(self.journal, "a", encoding="utf-8") as log:
            # A result may be missing that only a new finding shows to be needed.
            while True:
                missing = self.find_missing(by_path.values())
                paths = unfinished_paths(by_path, missing.paths)
                changed += missing.changed + len(paths)
                if not paths:
                    return changed
                done = len(by_path) - len(paths)
                with progress(label=self.label, total=len(by_path), initial=done) as bar:
                    tasks = chunks(paths, EXAMINED_PER_TASK)
                    results = workers.each(self.work, tasks, split=one_by_one, lost=none_read)
                    for examined, findings in results:
                        for path, finding in zip(examined, findings):
                            replace_finding(by_path[path], finding)
                            log.write(journal_line(by_path[path]))
                        log.flush()
                        bar.update(len(findings))

    def write_journal(self, by_path: dict[str, Row]) -> None:
        """Writes the journal anew: a line for each original, in order, and none of others."""
        header = to_json(self.header) + "\n"
        write_lines(
            self.journal,
            lambda: itertools.chain([header], map(journal_line, by_path.values())),
        )


def unfinished_paths(by_path: dict[str, Row], missing: set[str]) -> list[str]:
    """Paths that are to be examined, in order: what is missing, or was never examined."""
    return [
        path for path, original in by_path.items() if path in missing or not is_examined(original)
    ]


def one_by_one(paths: list[str]) -> list[list[str]]:
    """A task's paths, each as a task of its own."""
    return [[path] for path in paths]


def none_read(paths: list[str]) -> list[Row]:
    """The findings of originals that end each process that reads them; the next run tries again."""
    return [{"reason": ENDS_PROCESSES} for _ in paths]


def is_examined(original: Row) -> bool:
    """Whether the row holds a finding."""
    return "sha256" in original or "reason" in original


def is_still_true(line: Row, original: Row) -> bool:
    """Whether a line of the journal is of the original as it is now.

    A file that could not be opened is tried again, and one whose reader may be installed by now.
    """
    unchanged = all(original[key] == line.get(key) for key in STATE_KEYS)
    reason = str(line.get("reason", ""))
    return unchanged and not (reason.startswith("cannot be opened") or "pip install" in reason)


def replace_finding(original: Row, finding: Row) -> None:
    """Puts what was found of an original into its row, in place of what was known before.

    In place: a second row for each of 100,000 would take 100 MB.
    """
    for key in original.keys() - {*STATE_KEYS, *SOURCE_KEYS}:
        del original[key]
    for key, value in finding.items():
        if key not in STATE_KEYS:
            original[sys.intern(key)] = value


def journal_row(original: Row) -> Row:
    """What the journal remembers of an original: all but what its source says of it."""
    return {key: value for key, value in original.items() if key not in SOURCE_KEYS}


def journal_line(original: Row) -> str:
    """The journal's line of an original, with its checksum."""
    text = to_json(journal_row(original))
    return f'{text[:-1]}, "checksum": {checksum(text.encode())}}}\n'


def finding_of(line: bytes) -> Row | None:
    """A line of the journal -> its row, None where it is not as it was written."""
    end = LINE_END.search(line, max(0, len(line) - 30))
    if end is None:
        return None
    text = line[: end.start()] + b"}"
    if int(end[1]) != checksum(text):
        return None
    try:
        row = from_json(text)
    # somebody else may have made it
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def each_finding(journal: Path) -> Iterator[Row]:
    """The rows of a journal, none where there is none. Damaged lines are passed over."""
    try:
        file = open_regular(journal)
    except OSError:
        return
    with file:
        next(whole_lines(file), None)
        for line in whole_lines(file):
            row = finding_of(line)
            if row is not None:
                yield row


def read_header(journal: Path) -> Row | None:
    """The first line of a journal, None where it is damaged, or there is none.

    UserError where something else than a file is in its place.
    """
    if journal.exists() and not journal.is_file():
        raise UserError(
            f"{journal} is no file; remove it, and run the same command again, which writes it"
        )
    try:
        with open_regular(journal) as file:
            line = file.readline(MAX_LINE_BYTES)
            return from_json(line) if line.endswith(b"\n") else None
    except (OSError, ValueError, RecursionError):
        return None
