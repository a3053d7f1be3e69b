"""What caption_finetuning.py has taught a captioner: what it is asked, and what it answers with.

    notes = read_notes("checkpoints/captioner")     # None beside any other checkpoint
    notes.question_of(row)

A captioner answers best what it was asked while it learnt. So the question lies beside the weights,
and nobody has to type it again.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from oneseed.config.captioning import CODE_TOKENS, WORD_TOKENS, CaptionConfig
from oneseed.config.options import CAPTION_KINDS, CODE_CAPTIONS
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import is_code, set_kind
from oneseed.dataset.jsonl import Row, json_of
from oneseed.files import expanded, write_text

# beside config.json
NOTES_FILE = "captioner.json"
NOTES_FORMAT = 1
MAX_QUESTION_LENGTH = 10_000
MAX_ANSWER_TOKENS = 100_000


@dataclass(frozen=True)
class TaughtNotes:
    """What lies beside the weights of a captioner that was taught here."""

    # asked of a picture whose row asks nothing of its own
    question: str
    # one of CAPTION_KINDS
    caption_kind: str
    # length limit of an answer, in the captioner's tokens
    max_new_tokens: int
    # the collection that it was taught on, and the checkpoint that it was before
    style: str = ""
    base: str = ""
    # whether the words that pictures show stand in its questions: --ocr
    reads_words: bool = False
    # SHA-256 of what was taught, in hex: a captioner that is taught again writes other captions
    digest: str = ""

    @property
    def is_code(self) -> bool:
        """Whether it answers with code."""
        return self.caption_kind == CODE_CAPTIONS

    def question_of(self, row: Row) -> str:
        """What it is asked of a row's picture."""
        return row.get("question") or self.question


def notes_of_weights(notes: TaughtNotes, taught: Path) -> TaughtNotes:
    """The notes with the digest of what was taught. taught: its file."""
    with open(taught, "rb") as file:
        return replace(notes, digest=hashlib.file_digest(file, "sha256").hexdigest())


def write_notes(folder: Path, notes: TaughtNotes) -> None:
    """Writes the notes beside the weights in a folder."""
    text = json.dumps({"format": NOTES_FORMAT, **asdict(notes)}, ensure_ascii=False, indent=1)
    write_text(folder / NOTES_FILE, text + "\n")


def read_notes(folder: Path | str) -> TaughtNotes | None:
    """The notes of a folder; None where there are none, as beside other checkpoints.

    UserError where they are not what write_notes wrote.
    """
    path = expanded(folder) / NOTES_FILE
    if not path.is_file():
        return None
    try:
        found = json_of(path)
        return checked_notes(found)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path} does not say what this captioner is asked ({error}): run the command that "
            "taught it again, which writes it anew, or remove that file"
        ) from error


def checked_notes(found: Row) -> TaughtNotes:
    """What JSON gave -> the notes. ValueError, TypeError or KeyError where it is anything else."""
    if not isinstance(found, dict) or found["format"] != NOTES_FORMAT:
        raise ValueError("its format is another one")
    notes = TaughtNotes(**{name: value for name, value in found.items() if name != "format"})
    texts = (notes.question, notes.style, notes.base, notes.digest)
    if not all(isinstance(text, str) and len(text) <= MAX_QUESTION_LENGTH for text in texts):
        raise ValueError("its question is no text, or too long")
    if notes.caption_kind not in CAPTION_KINDS:
        raise ValueError("it does not say what its answers are")
    is_number = isinstance(notes.max_new_tokens, int) and not isinstance(notes.max_new_tokens, bool)
    if not is_number or not 0 < notes.max_new_tokens <= MAX_ANSWER_TOKENS:
        raise ValueError("it does not say how long its answers are")
    if not isinstance(notes.reads_words, bool):
        raise ValueError("it does not say whether it is asked with the words of pictures")
    return notes


def settle_answers(
    rows: Sequence[Row], notes: TaughtNotes | None, config: CaptionConfig
) -> CaptionConfig:
    """The config with the length limit that holds for new captions of the rows.

    notes: of the captioner, where it was taught here. Rows that one of code captions become code.
    """
    if notes and notes.is_code:
        for row in rows:
            set_kind(row, CODE_CAPTIONS)
    if config.max_new_tokens:
        return config
    usual = CODE_TOKENS if any(map(is_code, rows)) else WORD_TOKENS
    return replace(config, max_new_tokens=notes.max_new_tokens if notes else usual)
