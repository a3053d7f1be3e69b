"""The captions that captioners have written, and those that are still to be written."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from oneseed.captioning.answers import MORE_TOKENS, OTHER_MODEL
from oneseed.captioning.endpoint import Endpoint
from oneseed.captioning.huggingface import captions_by_checkpoint
from oneseed.captioning.jobs import Caption, CaptionJob, NoCaption, caption_jobs
from oneseed.captioning.taught import TaughtNotes
from oneseed.config.captioning import WITHOUT_MODEL, CaptionConfig
from oneseed.config.options import CODE_CAPTIONS
from oneseed.config.shards import Shard
from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.code_texts import is_code, word_captions
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row, RowError, each_numbered, recover_jsonl, to_json
from oneseed.dataset.rows import CAPTIONER_LOG, fault_of
from oneseed.file_names import named_file, safe_name

# pictures in a row without a caption, after which nobody asks on
MAX_FAILURES = 10
# reasons that are listed
MAX_TOLD_REASONS = 5


@dataclass(frozen=True)
class Captioner:
    """Who writes captions: a checkpoint of transformers, or a server."""

    # as logs and metadata keep it: the checkpoint, or the server's model wherever it runs
    name: str
    server: Endpoint | None = None
    # of a checkpoint that was taught here
    notes: TaughtNotes | None = None

    @property
    def taught(self) -> str:
        """The digest of what it was taught; taught again, it writes other captions."""
        return self.notes.digest if self.notes else ""

    @property
    def place(self) -> str:
        """Who is to be mended where it fails: the server's address, or the checkpoint."""
        return self.server.address if self.server else self.name

    def captions(
        self, jobs: list[CaptionJob], config: CaptionConfig
    ) -> Iterator[Caption | NoCaption]:
        """The answers, in no certain order. A checkpoint is loaded before this returns."""
        if self.server:
            return self.server.captions(jobs, config.max_new_tokens)
        return captions_by_checkpoint(jobs, self.name, config)


class CaptionLog:
    """Everything that captioners ever wrote for a collection.

    It is read from the logs of all shares, some of which may be growing. New captions are appended
    at once to the log of this run's own share, so that a killed run goes on.
    A row: id, captioner, caption, and cut, which is the length limit that ended the caption, or 0.
    A checkpoint's answer without a caption has "" and its reason: it would answer the same again.
    Of a checkpoint that was taught here a row also has the digest of what it was taught, and of a
    caption of code its caption_kind.
    """

    def __init__(self, collection: Collection, share: Shard | None) -> None:
        """share: of this run; None where it captions all pictures."""
        folder = collection.train.parent
        name = f"{safe_name(collection.style)}_generated"
        suffix = f"_{share[0]}of{share[1]}" if share else ""
        self.path = folder / f"{name}{suffix}.jsonl"
        # (captioner, id) -> {(what it was taught, whether it was asked for code): its answer}
        self.answers: dict[tuple[str, str], dict[tuple[str, bool], Row]] = {}
        for path in logs_in(folder, name):
            for row in each_logged(path):
                self.keep(row)

    def keep(self, row: Row) -> None:
        """Takes note of an answer, where it is better than one before."""
        answers = self.answers.setdefault((row["captioner"], row["id"]), {})
        version = (row.get("taught", ""), is_code(row))
        if is_better(row, answers.get(version)):
            answers[version] = row

    def find(self, captioner: str, row_id: str) -> Row | None:
        """The caption that this captioner wrote for a picture; None: there is none.

        Of one that was taught again, or asked for another kind, the caption that was found last.
        """
        answers = self.answers.get((captioner, row_id), {})
        return next((row for row in reversed(answers.values()) if row.get("caption")), None)

    def find_answer(self, captioner: Captioner, row: Row) -> Row | None:
        """What this captioner, as it is taught now, answered about a row of this kind, code or not.

        None: nothing.
        """
        answers = self.answers.get((captioner.name, row["id"]), {})
        return answers.get((captioner.taught, is_code(row)))

    def find_own(self, captioner: Captioner, row: Row) -> Row | None:
        """Its answer with a caption; None: there is none."""
        found = self.find_answer(captioner, row)
        return found if found and found.get("caption") else None

    def find_empty(self, captioner: Captioner, row: Row) -> Row | None:
        """Its answer without a caption; None: there is none, or no reason."""
        found = self.find_answer(captioner, row)
        return found if found and not found.get("caption") and "reason" in found else None

    def open_own(self) -> TextIO:
        """The log of this run's share, to append to. A last line that a kill tore is cut off."""
        recover_jsonl(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return open(self.path, "a", encoding="utf-8")

    def append(self, file: TextIO, row: Row) -> None:
        """Adds a row to the opened log; a kill afterwards does not lose it."""
        file.write(to_json(row) + "\n")
        file.flush()
        self.keep(row)


def logs_in(folder: Path, name: str) -> list[Path]:
    """The captioners' logs of one collection, those of all shares. name: of the whole one."""
    pattern = re.compile(rf"{re.escape(name)}(_\d+of\d+)?\.jsonl")
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    return [named_file(folder, found) for found in names if pattern.fullmatch(found)]


def each_logged(path: Path) -> Iterator[Row]:
    """The rows of a captioner's log, but for one that is being written.

    UserError where a line is not what it must be: file, line, remedy.
    """
    try:
        for number, row in each_numbered(path, torn=True):
            if fault := fault_of(row, CAPTIONER_LOG):
                raise RowError(f"{path}, line {number}: {fault}")
            yield row
    except RowError as error:
        raise UserError(
            f"{error}; mend that line, or delete it and run the same command again, whose "
            "captioner writes that caption anew"
        ) from error


def settle_kinds(rows: Sequence[Row], config: CaptionConfig) -> None:
    """Words the captions of the rows, or makes them code, as --caption-kind says.

    A model's sentence is no code, nor its code a sentence: a caption of another kind that a model
    wrote goes, where --captioner names one that writes it anew.
    """
    were_code = [is_code(row) for row in rows]
    word_captions(rows, config.caption_kind)
    if not config.captioner or not config.has_model:
        return
    for row, was_code in zip(rows, were_code):
        if is_code(row) != was_code and row.get("captioner", WITHOUT_MODEL[0]) not in WITHOUT_MODEL:
            row["caption"] = ""
            del row["captioner"]


def is_better(row: Row, before: Row | None) -> bool:
    """Whether a row of a log takes the place of one before it.

    An answer without a caption, or with one that was cut off, gives way to a later caption.
    """
    if before is None or not before.get("caption"):
        return True
    return bool(row.get("caption") and before.get("cut"))


@dataclass
class Failures:
    """The pictures that got no caption in a run, with their reasons."""

    found: list[NoCaption] = field(default_factory=list)
    # the last ones, as far as they say that others would fare no better
    in_a_row: int = 0

    def add(self, failure: NoCaption) -> None:
        """Counts one."""
        self.found.append(failure)
        if not failure.is_about_picture:
            self.in_a_row += 1

    def lines(self, asked: int, *, are_asked_again: bool) -> Iterator[str]:
        """How many there are of how many asked for, and why, for a terminal."""
        again = "asks for them again" if are_asked_again else "would get the same answers"
        yield (
            f"without a caption: {len(self.found):,} of {asked:,} pictures; the same command "
            f"{again}"
        )
        counts = Counter(failure.reason for failure in self.found)
        examples = {failure.reason: failure for failure in reversed(self.found)}
        for reason, count in counts.most_common(MAX_TOLD_REASONS):
            failure = examples[reason]
            yield f"  {count:,}: {reason}, such as {failure.example}; {failure.advice}"
        if len(counts) > MAX_TOLD_REASONS:
            yield f"  and {len(counts) - MAX_TOLD_REASONS:,} other reasons"

    def error(self, captioner: Captioner, pictures: str) -> UserError:
        """The error of a run that they end. pictures: which got none: "10 pictures in a row"."""
        last = self.found[-1]
        return UserError(
            f"{captioner.place} captioned none of {pictures}: {last.reason}, such as "
            f"{last.example}; {last.advice}, then run the same command again; finished captions "
            "are kept",
            code=1 if last.is_about_picture else 2,
        )


def generate_captions(
    rows: Sequence[Row],
    captioner: Captioner,
    log: CaptionLog,
    *,
    collection: Collection,
    config: CaptionConfig,
    is_required: bool = False,
) -> dict[str, str]:
    """Rows -> {id: raw caption} by the captioner, without those that it has no answer for.

    A caption that stands in the log, whichever run or share wrote it, is not made again, except
    that --recaption writes a cut-off one anew where there is more room now. A picture without a
    caption is told; a server is asked for it again by the next run, a checkpoint where there is
    more room. UserError where MAX_FAILURES in a row have none, or where none at all is there and
    is_required.
    """
    failures = Failures(known_failures(rows, captioner, log, config))
    failed_ids = {failure.row["id"] for failure in failures.found}

    def is_done(row: Row) -> bool:
        found = log.find_own(captioner, row)
        if not found:
            return row["id"] in failed_ids
        has_more_room = 0 < found.get("cut", 0) < config.max_new_tokens
        return not (config.recaption and has_more_room)

    todo = [row for row in rows if not is_done(row)]
    if todo:
        captions = captioner.captions(caption_jobs(todo, collection), config)
        done = len(rows) - len(todo)
        with (
            log.open_own() as file,
            progress(label="captioning", total=len(rows), initial=done) as bar,
        ):
            for caption in captions:
                bar.update()
                if isinstance(caption, Caption):
                    failures.in_a_row = 0
                else:
                    failures.add(caption)
                    if failures.in_a_row == MAX_FAILURES:
                        raise failures.error(captioner, f"{MAX_FAILURES} pictures in a row")
                if isinstance(caption, Caption) or (caption.is_answer and not captioner.server):
                    log.append(file, log_row(caption, captioner, config))
    found_rows = {row["id"]: log.find_own(captioner, row) for row in rows}
    if failures.found:
        if is_required and not any(found_rows.values()):
            raise failures.error(captioner, f"{len(failures.found):,} pictures")
        told = failures.lines(len(rows), are_asked_again=captioner.server is not None)
        print("\n".join(f"  {line}" for line in told), flush=True)
    return {row_id: found["caption"] for row_id, found in found_rows.items() if found}


def known_failures(
    rows: Sequence[Row], captioner: Captioner, log: CaptionLog, config: CaptionConfig
) -> list[NoCaption]:
    """The pictures for which a checkpoint has no caption, however often it is asked."""
    failures: list[NoCaption] = []
    for row in rows:
        found = log.find_empty(captioner, row)
        if captioner.server or not found or 0 < found["cut"] < config.max_new_tokens:
            continue
        advice = MORE_TOKENS if found["cut"] else OTHER_MODEL
        failures.append(NoCaption(row, found["reason"], advice, is_about_picture=True))
    return failures


def log_row(answer: Caption | NoCaption, captioner: Captioner, config: CaptionConfig) -> Row:
    """An answer as the log keeps it."""
    row = {
        "id": answer.row["id"],
        "captioner": captioner.name,
        "caption": answer.text if isinstance(answer, Caption) else "",
        "cut": config.max_new_tokens if answer.is_cut else 0,
    }
    row |= {"taught": captioner.taught} if captioner.taught else {}
    row |= {"caption_kind": CODE_CAPTIONS} if is_code(answer.row) else {}
    return row | ({"reason": answer.reason} if isinstance(answer, NoCaption) else {})
