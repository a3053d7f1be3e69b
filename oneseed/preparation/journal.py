"""What was found of each original is remembered at once, so that no run does it again."""

import itertools
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from oneseed.console.output import progress
from oneseed.dataset.jsonl import Row, each_recovered, to_json, write_jsonl, write_lines
from oneseed.workers import Workers, chunks

# keys of an original by which a finding of an earlier run is known to be of it
STATE_KEYS = ("path", "bytes", "mtime")
# keys of an original that its source gives, which may change with every run
SOURCE_KEYS = ("style", "caption", "source")
# pictures that a worker process examines at a time
EXAMINED_PER_TASK = 8


def no_paths(originals: Iterable[Row]) -> set[str]:
    """Nothing is to be examined again."""
    return set()


@dataclass(frozen=True)
class Examination:
    """Work on each original of a source that no earlier run has done.

    The journal is a JSON Lines file: the header, then a line for each finding, known by path,
    length and time of change. It is appended to at once, so that a killed run goes on where it was.
    """

    journal: Path
    # what the findings depend on; under another header the journal begins anew
    header: Row
    # of the progress bar
    label: str
    # paths -> their findings, in a worker process; a finding has "sha256", or "reason" alone
    work: Callable[[list[str]], list[Row]]
    # examined originals -> paths of those that must be examined again
    missing_paths: Callable[[Iterable[Row]], set[str]] = no_paths

    def run(self, originals: list[Row], workers: Workers) -> None:
        """Afterwards each row of `originals` holds its finding."""
        # Sources may overlap; a path is examined once.
        by_path = {original["path"]: original for original in originals}
        self.read_journal(by_path)
        self.examine(by_path, workers)
        self.write_journal(by_path)
        for original in originals:
            examined = by_path[original["path"]]
            if original is not examined:
                replace_finding(original, journal_row(examined))

    def read_journal(self, by_path: dict[str, Row]) -> None:
        """Takes over what is known of originals that did not change since."""
        lines = each_recovered(self.journal)
        if next(lines, None) != self.header:
            # No system must replace a file that is open.
            lines.close()
            write_jsonl(self.journal, [self.header])
            return
        for line in lines:
            original = by_path.get(line["path"])
            if original is not None and is_still_true(line, original):
                replace_finding(original, line)

    def examine(self, by_path: dict[str, Row], workers: Workers) -> None:
        """Examines what is not known yet, and appends each finding to the journal."""
        with open(self.journal, "a", encoding="utf-8") as log:
            # A result may be missing that only a new finding shows to be needed.
            while paths := self.unfinished_paths(by_path):
                done = len(by_path) - len(paths)
                with progress(label=self.label, total=len(by_path), initial=done) as bar:
                    tasks = chunks(paths, EXAMINED_PER_TASK)
                    for examined, findings in workers.each(self.work, tasks):
                        for path, finding in zip(examined, findings):
                            replace_finding(by_path[path], finding)
                            log.write(to_json(journal_row(by_path[path])) + "\n")
                        log.flush()
                        bar.update(len(findings))

    def unfinished_paths(self, by_path: dict[str, Row]) -> list[str]:
        """Paths that are to be examined, in order."""
        missing = self.missing_paths(by_path.values())
        return [
            path
            for path, original in by_path.items()
            if path in missing or not is_examined(original)
        ]

    def write_journal(self, by_path: dict[str, Row]) -> None:
        """Writes the journal anew: a line for each original, in order, and none of others."""
        write_lines(
            self.journal,
            lambda: (
                to_json(row) + "\n"
                for row in itertools.chain([self.header], map(journal_row, by_path.values()))
            ),
        )


def is_examined(original: Row) -> bool:
    """Whether the row holds a finding."""
    return "sha256" in original or "reason" in original


def is_still_true(line: Row, original: Row) -> bool:
    """Whether a line of the journal is of the original as it is now.

    A file that could not be opened is tried again, and one whose reader may be installed by now.
    """
    unchanged = all(original[key] == line[key] for key in STATE_KEYS)
    reason = line.get("reason", "")
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
