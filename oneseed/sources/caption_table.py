"""Captions for prepared pictures from a table that lies anywhere.

    found = read_caption_table(Path("captions.csv"), rows)
    found.captions                      # {id of a row: caption}

A line belongs to the picture whose original path ends like the name on the line, or the other way
round, as in names.PictureFinder. Where several pictures fit, none gets the caption.
"""

import itertools
import posixpath
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from oneseed.config.captioning import CaptionConfig
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import kept_caption
from oneseed.dataset.jsonl import Row
from oneseed.files import expanded, suffix_of
from oneseed.sources.annotations import choose_format
from oneseed.sources.columns import guess_columns, looks_like_picture, renamed
from oneseed.sources.formats import READERS, SAMPLE_ROWS
from oneseed.sources.names import PictureFinder, name_key, name_spellings
from oneseed.sources.rejections import short_name
from oneseed.sources.table_reader import MAX_NAME_LETTERS
from oneseed.sources.tables import TABLE_SUFFIXES, NumberedRow, read_table

# names that a message lists
MAX_NAMED = 3
# of files that may be such a table; a text may hold lines of a picture's name and its caption
CAPTION_TABLE_SUFFIXES = TABLE_SUFFIXES | {".txt"}


class CaptionTable(NamedTuple):
    """What a table says of the pictures of a collection."""

    # {id of a row: its caption}
    captions: dict[str, str]
    # names that no picture here has
    unknown: list[str]
    # lines that say nothing, each with its reason
    unread: list[str]

    def lines(self) -> list[str]:
        """What was not used, for the screen; nothing where all was."""
        losses = {
            "that name no picture here": self.unknown,
            "that could not be used": self.unread,
        }
        return [
            f"lines {reason}: {len(names):,}, such as "
            f"{', '.join(map(short_name, names[:MAX_NAMED]))}"
            for reason, names in losses.items()
            if names
        ]


def read_caption_table(path: Path, rows: Sequence[Row]) -> CaptionTable:
    """The captions that the file has for these rows of a collection's metadata.

    The first caption of a picture counts. UserError where the file is no such table, or has none
    for any of them.
    """
    pictures = PreparedPictures(rows)
    format_name, numbered_rows = open_table(path, pictures.is_named)
    found = CaptionTable({}, [], [])
    # {id: the name that a line gave it, and whether the whole of its path is so}
    named: dict[str, tuple[str, bool]] = {}
    doubtful: set[str] = set()
    for line, row in numbered_rows:
        try:
            name, caption = named_caption(row, format_name)
            place = pictures.place_of(name)
        except ValueError as error:
            found.unread.append(f"line {line} ({error})")
            continue
        if place is None:
            found.unknown.append(name)
            continue
        row_id, is_exact = place
        before, was_exact = named.get(row_id, ("", False))
        if not before or (is_exact and not was_exact):
            named[row_id] = (name, is_exact)
            found.captions[row_id] = caption
        elif is_exact == was_exact and name_key(name) != name_key(before):
            # train/1.png and val/1.png, of a picture that was prepared as 1.png
            found.unread.append(f"line {line} ({name} and {before} may both be one picture)")
            doubtful.add(row_id)
    for row_id in doubtful:
        found.captions.pop(row_id)
    if not found.captions:
        reasons = "; ".join(found.lines()) or "it has no lines"
        names = (row.get("member") or row.get("original") for row in rows)
        example = next(filter(None, names), "1.png")
        raise UserError(
            f"{path} has no caption for any of the {len(rows):,} pictures ({reasons}); a line "
            f"names a picture as it was prepared, such as {example}, and says what it shows"
        )
    return found


def take_captions(rows: Sequence[Row], config: CaptionConfig) -> set[str]:
    """Puts the captions of --captions into the rows that have none -> the ids that it has one for.

    With --recaption it replaces the captions that are there. Prints what was used, and what not,
    such as a caption that says nothing.
    """
    found = read_caption_table(expanded(config.captions), rows)
    used_ids: set[str] = set()
    kept_own = 0
    for row in rows:
        if row["id"] not in found.captions:
            continue
        caption = kept_caption(row, found.captions[row["id"]])
        if not caption:
            name = row.get("member") or row.get("original") or row["filename"]
            found.unread.append(f"{name} (its caption says nothing)")
            continue
        used_ids.add(row["id"])
        if row["caption"] and not config.recaption:
            kept_own += row["caption"] != caption
            continue
        row["caption"] = caption
        row.pop("captioner", None)
    print(f"{config.captions}: captions of {len(used_ids):,} of {len(rows):,} pictures")
    for line in found.lines():
        print(f"  {line}")
    if kept_own:
        print(f"  captions that were there already and stay: {kept_own:,}; --recaption replaces")
    return used_ids


def open_table(path: Path, is_picture: Callable[[Any], bool]) -> tuple[str, Iterator[NumberedRow]]:
    """The format of the file, one of READERS, and its rows, in the forms that preparing reads.

    is_picture: tells the name of a picture. UserError where the file is missing, or no table of
    pictures and captions.
    """
    if suffix_of(path) not in CAPTION_TABLE_SUFFIXES or not path.is_file():
        trouble = "is no table" if path.exists() else "is missing"
        raise UserError(
            f"--captions {path} {trouble}; name a file of captions, "
            f"{' '.join(sorted(CAPTION_TABLE_SUFFIXES))}"
        )
    rows = iter(read_table(path.name, path))
    first = list(itertools.islice(rows, SAMPLE_ROWS))
    guesses = guess_columns([row for _, row in first if isinstance(row, dict)], is_picture)
    rows = (
        (line, renamed(row, guesses) if isinstance(row, dict) else row)
        for line, row in itertools.chain(first, rows)
    )
    sample = list(itertools.islice(rows, len(first)))
    format_name, _ = choose_format(path.name, sample, "auto", is_picture)
    if format_name is None:
        raise UserError(
            f"--captions {path} is no table of captions; a line names a picture (file_name) and "
            "says what it shows (caption)"
        )
    return format_name, itertools.chain(sample, rows)


def named_caption(row: Row | str, format_name: str) -> tuple[str, str]:
    """A line of the table -> the name that it gives to a picture, and its caption.

    ValueError says why there is none.
    """
    if isinstance(row, str):
        raise ValueError(row)
    says = READERS[format_name](row)
    image = says.image
    caption = next(iter(says.captions), "")
    if isinstance(image, bytes):
        raise ValueError("it holds a picture instead of its name")
    if not caption.strip():
        raise ValueError("its caption is empty")
    return image, caption


class PreparedPictures:
    """The prepared pictures, to be found by the names that a table gives them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """rows: of the metadata; a picture has the name of its original, also that which an archive
        gave it, and that of its copy.
        """
        self.originals = {row["original"]: row["id"] for row in rows if row.get("original")}
        # an archive's own names, each in the folder that the archive was unpacked into
        self.originals |= {
            posixpath.join(posixpath.dirname(row.get("original", "")), row["member"]): row["id"]
            for row in rows
            if row.get("member")
        }
        self.copies = {row["filename"]: row["id"] for row in rows}
        self.names = [(PictureFinder(ids), ids) for ids in (self.originals, self.copies)]

    def place_of(self, name: str) -> tuple[str, bool] | None:
        """The id of the picture that is called so, and whether the whole of its path is.

        None for none. ValueError where several fit.
        """
        for names, ids in self.names:
            for spelling in name_spellings(name):
                if found := names.find(spelling, ""):
                    return ids[found.path], found.is_exact
        return None

    def is_named(self, value: Any) -> bool:
        """True for a text or number that looks like the name of a picture, or is that of one."""
        name = str(value) if isinstance(value, int) else value
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_LETTERS:
            return False
        try:
            return looks_like_picture(name) or self.place_of(name) is not None
        except ValueError:
            # of several
            return True
