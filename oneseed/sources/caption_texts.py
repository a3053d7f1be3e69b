"""Captions of any file or folder that preparing reads, without regard to their pictures.

    found = read_caption_texts(Path("captions.csv"), Path("data"))
    found.texts                          # ["a castle", "a ship at night"]

A text that is no table has a caption a line.
"""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import Row
from oneseed.files import suffix_of
from oneseed.sources import annotations
from oneseed.sources.captions import all_captions
from oneseed.sources.columns import guess_columns, looks_like_picture, renamed
from oneseed.sources.formats import READERS, SAMPLE_ROWS, detect, read_plain
from oneseed.sources.rejections import Rejection, passed_over
from oneseed.sources.tables import TABLE_SUFFIXES, read_table, read_text_bytes
from oneseed.sources.walking import walk_folder
from oneseed.text_files import decode_text_file

# what a message ends with
ADVICE = "name a file of captions, such as data/captions/builtin_val.jsonl"


class CaptionTexts(NamedTuple):
    """texts: each once, in the order of the alphabet. lost: lines and files that say nothing."""

    texts: list[str]
    lost: list[Rejection]


def read_caption_texts(path: Path, data: Path) -> CaptionTexts:
    """The captions of a table, a text or a folder; blanks and line ends become one blank.

    data: our own folder, which is passed over below another.
    UserError where the path cannot be read, or says nothing at all.
    """
    if not path.exists():
        raise UserError(f"there is no {path}; {ADVICE}")
    found = captions_of_folder(path, data) if path.is_dir() else captions_of_file(path)
    if not found.texts:
        reason = f" ({found.lost[0]['reason']})" if found.lost else ""
        raise UserError(f"{path} holds no captions{reason}; {ADVICE}")
    return found


def captions_of_folder(folder: Path, data: Path) -> CaptionTexts:
    """What all tables and small texts below a folder say of its pictures."""
    walked = walk_folder(folder, data.resolve())
    states = annotations.list_files(folder, walked.files)
    described = annotations.describe(states, folder.joinpath, base=folder.resolve().as_posix())
    texts = each_once(row.get("caption", "") for row in described.rows.values())
    return CaptionTexts(texts, walked.lost + described.lost)


def captions_of_file(path: Path) -> CaptionTexts:
    """What the rows of a table say, whether they name a picture or not, or the lines of a text."""
    rows = read_table(path.name, path)
    first = list(itertools.islice(rows, SAMPLE_ROWS))
    readable = [row for _, row in first if isinstance(row, dict)]
    is_text = suffix_of(path) not in TABLE_SUFFIXES
    if is_text and not any(looks_like_picture(row.get("file_name")) for row in readable):
        return captions_of_lines(path)
    guesses = guess_columns(readable, looks_like_picture)
    format_name, _ = detect(path.name, first)
    texts = []
    lost = []
    for line, row in itertools.chain(first, rows):
        try:
            texts.extend(captions_of_row(row, guesses, format_name))
        except ValueError as error:
            lost.append(passed_over(path.as_posix(), str(error), line=line))
    return CaptionTexts(each_once(texts), lost)


def captions_of_row(row: Row | str, guesses: dict[str, str], format_name: str | None) -> list[str]:
    """The captions of a row of a table, at least one. ValueError says why there is none.

    guesses: see columns.guess_columns.
    """
    if isinstance(row, str):
        raise ValueError(row)
    row = renamed(row, guesses)
    read = READERS.get(format_name or "", read_plain)
    captions = all_captions(row) if read is read_plain else read(row).captions
    if not captions:
        raise ValueError("no caption")
    return captions


def captions_of_lines(path: Path) -> CaptionTexts:
    """The lines of a text. UserError where it is not Unicode."""
    try:
        text = decode_text_file(read_text_bytes(path))
    except ValueError as error:
        raise UserError(f"{path} {error}; save it as UTF-8, or {ADVICE}") from error
    # splitlines would also part a line at U+2028
    return CaptionTexts(each_once(text.replace("\r", "\n").split("\n")), [])


def each_once(texts: Iterable[str]) -> list[str]:
    """The texts on one line each, sorted, without empty ones and repetitions."""
    return sorted({" ".join(text.split()) for text in texts} - {""})
