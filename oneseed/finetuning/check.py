"""Rows of conversations, checked before anybody waits for a training: line numbers and reasons.

    report = check_conversations([Path("train.jsonl"), Path("val.jsonl")])
    print("\n".join(report.lines()))
    report.is_fine

Reads what dataset_preparation.py --source reads. A fault is what some trainer would refuse, or
train wrongly without a word: a mark too many, a picture that is not there, an answer that is empty.
"""

import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from oneseed.console.command import UserError
from oneseed.console.output import printable, progress
from oneseed.dataset.code_texts import IMAGE_PLACE
from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of
from oneseed.media.kinds import PICTURE_SUFFIXES, kind_of
from oneseed.sources.annotations import choose_format
from oneseed.sources.captions import named_images, one_image, require_utf8
from oneseed.sources.columns import IMAGE_KEYS, TURN_KEYS
from oneseed.sources.conversations import images_of, is_conversation, turns_of
from oneseed.sources.dialogues import ASKING, INSTRUCTING, Turn, with_places
from oneseed.sources.formats import READERS, SAMPLE_ROWS
from oneseed.sources.names import PictureFinder
from oneseed.sources.table_reader import find_picture
from oneseed.sources.tables import TABLE_SUFFIXES, read_table
from oneseed.sources.walking import walk_folder

# faults that the screen shows, of each reason
MAX_SHOWN_FAULTS = 3
# letters of a name that a reason quotes
MAX_QUOTED = 80


class Fault(NamedTuple):
    """What is wrong with one row."""

    file: str
    # from 1; 0 where the file's form has no lines of rows
    line: int
    # the row's number in its file, from 1
    number: int
    reason: str

    @property
    def place(self) -> str:
        """Where it is, for a person who mends it."""
        row = f"line {self.line}" if self.line else f"row {self.number}"
        return f"{printable(self.file)}, {row}"


@dataclass
class CheckReport:
    """What the files hold, and what is wrong in them."""

    rows: int = 0
    # rows without a fault
    good: int = 0
    pictures: int = 0
    # questions with their answers
    exchanges: int = 0
    # rows that say how to answer at all
    systems: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_fine(self) -> bool:
        """Whether there are rows, and none has a fault."""
        return bool(self.rows) and not self.faults

    def lines(self) -> Iterator[str]:
        """The report for the screen: counts, then each kind of fault with its first places."""
        yield (
            f"{self.rows:,} rows, {self.good:,} without a fault: {self.pictures:,} pictures, "
            f"{self.exchanges:,} questions with answers, {self.systems:,} system prompts"
        )
        # a reason ends with what is quoted of the row
        kinds = Counter(fault.reason.partition(":")[0] for fault in self.faults)
        for kind, count in kinds.most_common():
            yield f"  {kind}: {count:,}"
            same = (fault for fault in self.faults if fault.reason.partition(":")[0] == kind)
            for fault in itertools.islice(same, MAX_SHOWN_FAULTS):
                _, _, quoted = fault.reason.partition(":")
                yield f"    {fault.place}{':' if quoted else ''}{printable(quoted)}"


def check_conversations(paths: Sequence[Path]) -> CheckReport:
    """All rows of some annotation files. UserError where one cannot be read, or is none."""
    report = CheckReport()
    for path in paths:
        if suffix_of(path) not in TABLE_SUFFIXES or not path.is_file():
            trouble = "is no file of rows" if path.exists() else "is missing"
            raise UserError(
                f"{path} {trouble}; name one of {' '.join(sorted(TABLE_SUFFIXES))}: "
                "python caption_finetuning.py --check FILE"
            )
        check_file(path, report)
    return report


def print_check(paths: Sequence[Path]) -> int:
    """Checks the files and prints what was found -> exit status, 1 for a fault or no row at all."""
    report = check_conversations(paths)
    print("\n".join(report.lines()))
    return 0 if report.is_fine else 1


def check_file(path: Path, report: CheckReport) -> None:
    """Adds the rows of one file to the report. UserError where it holds no rows of pictures."""
    numbered_rows = iter(read_table(path.name, path))
    first = list(itertools.islice(numbered_rows, SAMPLE_ROWS))
    format_name, _ = choose_format(path.name, first, "auto")
    if format_name is None and not any(isinstance(row, str) for _, row in first):
        raise UserError(
            f"{path} holds no rows of pictures and answers; compare it with an example: "
            "python dataset_preparation.py --template qwen"
        )
    check_row_of = RowCheck(path.resolve().parent, path.name, format_name or "qwen")
    rows = itertools.chain(first, numbered_rows)
    for number, (line, row) in enumerate(progress(rows, label="checking", unit="row"), 1):
        report.rows += 1
        found = check_row_of.faults_of(row, report)
        report.faults += [Fault(str(path), line, number, reason) for reason in found]
        report.good += not found


@dataclass(frozen=True)
class RowCheck:
    """Checks the rows of one file in its folder."""

    folder: Path
    name: str
    format_name: str

    @functools.cached_property
    def finder(self) -> PictureFinder:
        """The pictures beside the file; made when a row names one."""
        files = walk_folder(self.folder, self.folder / "data").files
        return PictureFinder(path for path in files if suffix_of(path) in PICTURE_SUFFIXES)

    def faults_of(self, row: Row | str, report: CheckReport) -> list[str]:
        """What is wrong with a row; its parts are counted in the report."""
        if isinstance(row, str):
            return [row]
        try:
            if is_conversation(row):
                turns = list(turns_of(row, first_filled(row)))
                images = images_of(row, turns)
                found = list(turn_faults(turns))
                report.systems += any(turn.role in INSTRUCTING for turn in turns)
                report.systems += bool(row.get("system"))
                report.exchanges += sum(turn.is_answer for turn in turns)
                marks = sum(turn.marked.count(IMAGE_PLACE) for turn in turns)
            else:
                says = READERS[self.format_name](row)
                images = named_images(row, self.image_keys)
                found = [] if any(map(str.strip, says.captions)) else ["the answer is empty"]
                report.exchanges += len(says.captions)
                report.systems += bool(says.labels.get("system"))
                asked = row.get("instruction") or row.get("question") or ""
                marks = with_places(str(asked)).count(IMAGE_PLACE)
        except ValueError as error:
            return [str(error)]
        report.pictures += len(images)
        found += self.picture_faults(images)
        # a processor that finds another number makes no batch
        if images and marks and marks != len(images):
            counts = f"{marks} against {len(images)}"
            found.append(f"marks of pictures are not as many as pictures: {counts}")
        return found

    @property
    def image_keys(self) -> Sequence[str]:
        """The keys of pictures, in the order in which the format's reader looks at them."""
        first = ("image_path", "images") if self.format_name == "instruct" else ()
        return (*first, *IMAGE_KEYS)

    def picture_faults(self, images: Sequence[Any]) -> Iterator[str]:
        """Why pictures of a row cannot be shown."""
        if not images:
            yield "no image is named"
        for image in images:
            try:
                known = one_image({"image": image})
                if isinstance(known, bytes):
                    if not kind_of(known):
                        yield "what is written into the row is no picture"
                    continue
                found = find_picture(known, self.finder, self.name, self.folder.as_posix())
            except ValueError as error:
                yield str(error)
                continue
            if found.path not in self.finder.exact:
                yield f"the picture is not there: {known[:MAX_QUOTED]}"


def first_filled(row: Row) -> tuple[str, ...]:
    """The keys of turns with those first that the row has."""
    return tuple(sorted(TURN_KEYS, key=lambda key: not row.get(key)))


def turn_faults(turns: Sequence[Turn]) -> Iterator[str]:
    """What is wrong with the order of turns and their texts."""
    sides = [side_of(turn) for turn in turns]
    if unknown := [turn.role for turn, side in zip(turns, sides) if side == "other"]:
        yield f"a turn is of neither user, assistant nor system: {unknown[0][:MAX_QUOTED]}"
    if "system" in sides[1:]:
        yield "a system prompt stands after other turns"
    spoken = [side for side in sides if side in ("user", "assistant")]
    if "assistant" not in spoken:
        yield "nothing is answered"
    elif spoken[0] == "assistant":
        yield "the first turn is an answer"
    elif spoken[-1] == "user":
        yield "the last question has no answer"
    if any(one == other for one, other in itertools.pairwise(spoken)):
        yield "two turns of one side follow each other"
    yield from text_faults(turns)


def text_faults(turns: Iterable[Turn]) -> Iterator[str]:
    """What is wrong with the texts of turns."""
    for turn in turns:
        try:
            require_utf8(turn.text)
        except ValueError as error:
            yield str(error)
        if turn.is_answer and not turn.text.strip():
            yield "an answer is empty"
        if side_of(turn) in ("assistant", "system") and IMAGE_PLACE in turn.marked:
            yield f"a picture is marked in {turn.role}'s words, where none can stand"


def side_of(turn: Turn) -> str:
    """Who says a turn: "system", "user", "assistant" or "other"."""
    if turn.is_answer:
        return "assistant"
    if turn.role in ASKING:
        return "user"
    return "system" if turn.role in INSTRUCTING else "other"
