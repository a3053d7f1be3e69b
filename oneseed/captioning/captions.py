"""The captions that captioners have written, and those that are still to be written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from oneseed.captioning.endpoint import Endpoint
from oneseed.captioning.huggingface import captions_by_checkpoint
from oneseed.captioning.jobs import Caption, CaptionJob, caption_jobs
from oneseed.captioning.shares import Share
from oneseed.config.captioning import CaptionConfig
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row, each_row, recover_jsonl, to_json
from oneseed.dataset.wording import clean_caption


@dataclass(frozen=True)
class Captioner:
    """Who writes captions: a checkpoint of transformers, or a server."""

    # as logs and metadata keep it: the checkpoint, or the server's model wherever it runs
    name: str
    server: Endpoint | None = None

    def captions(self, jobs: list[CaptionJob], config: CaptionConfig) -> Iterator[Caption]:
        """The answers, in no certain order. A checkpoint is loaded before this returns."""
        if self.server:
            return self.server.captions(jobs, config.max_new_tokens)
        return captions_by_checkpoint(jobs, self.name, config)


class CaptionLog:
    """Everything that captioners ever wrote for a collection.

    It is read from the logs of all shares, some of which may be growing. New captions are appended
    at once to the log of this run's own share, so that a killed run goes on.
    A row: id, captioner, caption, and cut, which is the length limit that ended the caption, or 0.
    """

    def __init__(self, collection: Collection, share: Share | None) -> None:
        """share: of this run; None where it captions all pictures."""
        folder = collection.train.parent
        name = f"{collection.style}_generated"
        suffix = f"_{share[0]}of{share[1]}" if share else ""
        self.path = folder / f"{name}{suffix}.jsonl"
        self.rows: dict[tuple[str, str], Row] = {}
        for path in sorted(folder.glob(f"{name}*.jsonl")):
            for row in each_row(path, torn=True):
                key = (row.get("captioner", ""), row.get("id", ""))
                # A caption that was cut off gives way to a later one.
                if key not in self.rows or self.rows[key].get("cut"):
                    self.rows[key] = row

    def find(self, captioner: str, row_id: str) -> Row | None:
        """What this captioner wrote for a picture; None: nothing yet."""
        return self.rows.get((captioner, row_id))

    def open_own(self) -> TextIO:
        """The log of this run's share, to append to. A last line that a kill tore is cut off."""
        recover_jsonl(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return open(self.path, "a", encoding="utf-8")

    def append(self, file: TextIO, row: Row) -> None:
        """Adds a row to the opened log; a kill afterwards does not lose it."""
        file.write(to_json(row) + "\n")
        file.flush()
        self.rows[row["captioner"], row["id"]] = row


def generate_captions(
    rows: Sequence[Row],
    captioner: Captioner,
    log: CaptionLog,
    *,
    collection: Collection,
    config: CaptionConfig,
) -> dict[str, str]:
    """Rows -> {id: raw caption} by the captioner, without those that it has no answer for.

    A caption that stands in the log, whichever run or share wrote it, is not made again, except
    that --recaption writes a cut-off one anew where there is more room now.
    """

    def is_done(row: Row) -> bool:
        found = log.find(captioner.name, row["id"])
        if not found:
            return False
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
                new_row = {
                    "id": caption.row["id"],
                    "captioner": captioner.name,
                    "caption": clean_caption(caption.text),
                    "cut": config.max_new_tokens if caption.is_cut else 0,
                }
                log.append(file, new_row)
                bar.update()
    found_rows = {row["id"]: log.find(captioner.name, row["id"]) for row in rows}
    return {row_id: found["caption"] for row_id, found in found_rows.items() if found}
