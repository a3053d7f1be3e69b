"""One table of captions, row by row: which picture each row means, and what it says of it."""

import contextlib
import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from oneseed.config.options import CODE_CAPTIONS
from oneseed.dataset.jsonl import Row
from oneseed.media.kinds import suffix_of_kind
from oneseed.sources.captions import MissingPictureError, one_image, require_utf8, whole_text
from oneseed.sources.columns import IMAGE_KEYS, renamed
from oneseed.sources.conversations import RowSays
from oneseed.sources.described import Described, format_row
from oneseed.sources.dialogues import labels_in
from oneseed.sources.formats import READERS
from oneseed.sources.json_tables import NumberedRow
from oneseed.sources.names import Found, PictureFinder, name_key, name_spellings
from oneseed.sources.rejections import Rejection, passed_over, rejection

OUTSIDE = "the image lies outside of the folder"
# letters of a value that may be the name of a picture
MAX_NAME_LETTERS = 2**12
# pictures of a row that are looked at, beside the first
MAX_BESIDE = 15


@dataclass(frozen=True, kw_only=True)
class TableReader:
    """Reads one annotation file of a known format. keep, base: as in annotations.describe.

    Of a row that cannot be read no picture is lost, where pictures count that no row names.
    """

    name: str
    format_name: str
    # 0 to 1
    confidence: float
    # {column: the key that it means}, of columns whose names do not say it
    guesses: dict[str, str]
    finder: PictureFinder
    keep: Callable[[str, bytes], None] | None
    base: str
    # whether a picture that no row names is none
    is_alone: bool

    def read(self, numbered_rows: Iterable[NumberedRow]) -> Described:
        """What the rows say; the first caption of a picture counts."""
        table = Table()
        count = 0
        for line, row in numbered_rows:
            try:
                self.read_row(line, row, table)
            except MissingPictureError as error:
                table.lost.append(rejection(self.name, str(error), file=self.name, line=line))
            except ValueError as error:
                lost = passed_over(self.name, str(error), line=line)
                if self.is_alone:
                    # the picture is one that nobody knows of
                    lost = rejection(self.name, str(error), file=self.name, line=line)
                table.lost.append(lost)
            else:
                count += 1
        found_format = format_row(
            self.name,
            self.format_name,
            confidence=self.confidence,
            rows=count,
            further_captions=table.further_captions,
            further_pictures=table.further_pictures,
            further_turns=table.further_turns,
            unused_turns=table.unused_turns,
        )
        return Described(table.rows, table.lost, [found_format])

    def read_row(self, line: int, row: Row | str, table: "Table") -> None:
        """Puts what a row says into the table. ValueError says why there is nothing."""
        if isinstance(row, str):
            raise ValueError(row)
        row = renamed(row, self.guesses)
        says = self.what_it_says(line, row, table)
        image = self.named_or_inside(says.image, row)
        if isinstance(image, bytes):
            found = Found(self.keep_embedded(line, image, table), is_exact=True)
        else:
            found = find_picture(image, self.finder, self.name, self.base)
        known: Row = {"caption": next(iter(says.captions), ""), **labels_of(row, says.question)}
        known |= says.labels
        member = row.get("member")
        if isinstance(member, str):
            known["member"] = member
        known |= {"file": self.name, "line": line}
        name = "" if isinstance(image, bytes) else name_key(name_spellings(image)[-1])
        beside = self.pictures_beside(line, says.further_images, found.path, table)
        if beside:
            known["images"] = [found.path, *beside]
        table.add(found, name, known)
        for path in beside:
            row_beside = {"caption": "", "file": self.name, "line": line}
            # no pair of its own, unless a row gives it a caption
            table.rows.setdefault(path, row_beside)["is_beside"] = True
        table.further_captions += max(len(says.captions) - 1, 0)
        table.further_pictures += len(says.further_images) - len(beside)
        table.further_turns += len(known.get("turns", ()))
        table.unused_turns += says.unused_turns

    def named_or_inside(self, image: str | bytes, row: Row) -> str | bytes:
        """The picture's name, or its bytes where the row holds it and no file here bears the name.

        image: what the row says first.
        """
        if isinstance(image, bytes) or self.keep is None:
            return image
        is_here = finds_picture(image, finder=self.finder, name=self.name, base=self.base)
        return image if is_here else image_inside(row) or image

    def pictures_beside(
        self, line: int, images: Sequence[Any], first: str, table: "Table"
    ) -> list[str]:
        """Paths of the pictures that a row names beside its first, as far as they can be named."""
        paths = []
        for image in images[:MAX_BESIDE]:
            with contextlib.suppress(ValueError):
                named = one_image({"image": [image]})
                if isinstance(named, bytes):
                    paths.append(self.keep_embedded(line, named, table, len(paths) + 2))
                else:
                    paths.append(find_picture(named, self.finder, self.name, self.base).path)
        return [path for path in dict.fromkeys(paths) if path != first]

    def what_it_says(self, line: int, row: Row, table: "Table") -> RowSays:
        """A row's picture and captions; a bad caption costs no picture that the row itself holds.

        ValueError says what is wrong.
        """
        try:
            return READERS[self.format_name](row)
        except ValueError as error:
            image = image_inside(row)
            if not image:
                raise
            table.lost.append(passed_over(self.name, str(error), line=line))
            return RowSays(image, [])

    def keep_embedded(self, line: int, image: bytes, table: "Table", number: int = 1) -> str:
        """Stores a picture that lies inside the file -> the name that it gets.

        number: from 1, of those of a row.
        """
        if self.keep is None:
            raise MissingPictureError(
                "holds the picture itself, in a file whose other rows name files; put such rows "
                "into a file of their own"
            )
        end = f"_{number}" if number > 1 else ""
        path = f"{self.name}/{line:06}{end}{suffix_of_kind(image)}"
        if path in table.rows:
            # a list of JSON may have all its rows on one line
            path = f"{self.name}/{line:06}_{len(table.rows)}{end}{suffix_of_kind(image)}"
        self.keep(path, image)
        return path


def labels_of(row: Row, question: str = "") -> Row:
    """What a row says of its caption beside its words, where it does: see code_texts.

    question: that is known from elsewhere in the row. ValueError where letters of the style are
    lost; by a style pictures are chosen.
    """
    labels = {"question": question, "domain": whole_text(row.get("domain")), **labels_in(row)}
    style = row.get("style")
    if isinstance(style, str) and style.strip():
        labels["style"] = require_utf8(style)
    if row.get("caption_kind") == CODE_CAPTIONS:
        labels["caption_kind"] = CODE_CAPTIONS
    return {key: value for key, value in labels.items() if value}


def image_inside(row: Row) -> bytes:
    """The bytes of the first picture that the row holds, none where it holds none."""
    for key in filter(row.get, IMAGE_KEYS):
        with contextlib.suppress(ValueError):
            image = one_image(row, [key])
            if isinstance(image, bytes):
                return image
    return b""


@dataclass
class Table:
    """What the rows of one table have said so far."""

    # {path of a picture: row}
    rows: dict[str, Row] = field(default_factory=dict)
    lost: list[Rejection] = field(default_factory=list)
    # captions beyond the first of a picture, and pictures beyond the first of a row
    further_captions: int = 0
    further_pictures: int = 0
    # turns after the first answer, which travel, and those of which no use is made
    further_turns: int = 0
    unused_turns: int = 0
    # {picture that was found by the end of its path: the name that the table gives it}
    found_by_end: dict[str, str] = field(default_factory=dict)

    def add(self, found: Found, name: str, known: Row) -> None:
        """Adds a row. ValueError where the picture is another's that the table names, too."""
        path = found.path
        earlier_name = self.found_by_end.get(path)
        if found.is_exact and earlier_name is not None:
            # the name that fits in full wins
            self.refuse(path)
        elif not found.is_exact and path in self.rows and earlier_name != name:
            if earlier_name is not None:
                self.refuse(path)
            raise MissingPictureError(f"{name[:80]} fits only {path}, and so does another name")
        if not found.is_exact:
            self.found_by_end[path] = name
        earlier = self.rows.get(path)
        if earlier is None:
            self.rows[path] = known
        elif not earlier["caption"]:
            self.rows[path] = {**earlier, **known}
        else:
            self.further_captions += known["caption"] not in ("", earlier["caption"])

    def refuse(self, path: str) -> None:
        """Takes back what was said of a picture under a name that only ends alike."""
        row = self.rows.pop(path)
        name = self.found_by_end.pop(path)
        reason = f"{name[:80]} fits only {path}, and so does another name"
        self.lost.append(rejection(row["file"], reason, file=row["file"], line=row["line"]))


def find_picture(image: str, finder: PictureFinder, table: str, base: str) -> Found:
    """The picture that the annotation file `table` calls `image`, or where it should lie.

    base: the root's absolute path, or "". ValueError where the name leads out of the root, or fits
    several pictures.
    """
    folder = posixpath.dirname(table)
    names = name_spellings(image)
    problem = None
    for name in names:
        try:
            inside = path_below(folder, name, base)
        except ValueError as error:
            problem = problem or error
            if is_absolute(name) and (found := finder.find_by_end(name, folder)):
                return found
            continue
        if is_absolute(name):
            found = finder.find(inside, "")
        else:
            found = finder.find(name.replace("\\", "/"), folder)
        if found:
            return found
    if problem:
        raise problem
    return Found(path_below(folder, names[0], base), is_exact=True)


def finds_picture(value: Any, *, finder: PictureFinder, name: str, base: str) -> bool:
    """True for a text or number by which the file `name` means a picture that is here."""
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME_LETTERS:
        return False
    try:
        return find_picture(value, finder, name, base).path in finder.exact
    except ValueError:
        return False


def is_absolute(name: str) -> bool:
    """True for a path that begins at a root or drive and holds no way up."""
    name = name.replace("\\", "/")
    begins_at_root = name.startswith("/") or re.match(r"[A-Za-z]:/", name)
    return bool(begins_at_root) and ".." not in name.split("/")


def path_below(folder: str, image: str, base: str) -> str:
    """The path below the root of a picture that an annotation file in `folder` names.

    base: the root's absolute path, or "". MissingPictureError where the path leads out of the root.
    """
    image = image.replace("\\", "/")
    root = base.rstrip("/") + "/"
    if base and image.startswith(root):
        image = image.removeprefix(root)
    else:
        image = posixpath.join(folder, image)
    path = posixpath.normpath(image)
    leads_out = path.startswith(("/", "../")) or path == ".." or re.match(r"[A-Za-z]:", path)
    if leads_out or "\0" in path:
        raise MissingPictureError(OUTSIDE)
    return path
