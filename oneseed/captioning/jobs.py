"""What a captioner is asked, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneseed.console.command import UserError
from oneseed.dataset.code_texts import CODE_QUESTION, is_code
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.prepared import DamagedPreparedError
from oneseed.dataset.wording import clean_caption, prompt_of

CAPTION_QUESTION = "Describe it in one sentence that begins: {}"
# characters
MAX_QUOTE_LENGTH = 160


@dataclass(frozen=True)
class CaptionJob:
    """A picture without a caption."""

    # of the metadata
    row: Row
    # PNG file
    picture: Path
    # how the caption should begin: "an engraving of"
    prompt: str
    # PNG files that the row shows beside its own, such as the table of a form
    further: tuple[Path, ...] = ()

    @property
    def pictures(self) -> tuple[Path, ...]:
        """All that the row shows, its own picture first."""
        return (self.picture, *self.further)

    @property
    def question(self) -> str:
        """What models are asked in words: what the row asks, or for its caption."""
        if self.row.get("question"):
            return self.row["question"]
        return CODE_QUESTION if is_code(self.row) else CAPTION_QUESTION.format(self.prompt)


@dataclass(frozen=True)
class Caption:
    """A captioner's answer that describes a picture."""

    row: Row
    # one line, without what stood around it
    text: str
    # whether it ended at the length limit
    is_cut: bool


@dataclass(frozen=True)
class NoCaption:
    """Why a picture has got no caption."""

    row: Row
    # for a person, the same for all pictures that share it: "refused"
    reason: str
    # what mends it: "let another model write"
    advice: str
    # the captioner's own words on this picture
    detail: str = ""
    # whether other pictures may fare better
    is_about_picture: bool = False
    # whether the captioner did answer
    is_answer: bool = False
    # whether the length limit ended the answer
    is_cut: bool = False

    @property
    def example(self) -> str:
        """The picture with what the captioner said of it."""
        return self.row["filename"] + (f" ({self.detail})" if self.detail else "")


def no_picture(job: CaptionJob, error: DamagedPreparedError) -> NoCaption:
    """The answer to a job whose prepared picture is damaged."""
    return NoCaption(
        job.row,
        "the picture cannot be read",
        "prepare the pictures again with dataset_preparation.py",
        str(error),
        is_about_picture=True,
    )


def caption_jobs(rows: Sequence[Row], collection: Collection) -> list[CaptionJob]:
    """A job for each row. UserError where a picture is missing."""
    jobs = [
        CaptionJob(
            row,
            collection.resized / row["filename"],
            prompt_of(row),
            collection.further_pictures(row),
        )
        for row in rows
    ]
    for job in jobs:
        for picture in job.pictures:
            if not picture.exists():
                raise UserError(
                    f"{picture} is missing; prepare the pictures again: "
                    f"{collection.prepare_again()}"
                )
    return jobs


def quote_answer(value: Any) -> str:
    """A stranger's text inside a sentence of ours: one short line without invisible characters."""
    return clean_caption(str(value))[:MAX_QUOTE_LENGTH]
