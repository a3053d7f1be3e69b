"""A prepared collection on disk, and its split: the contract between the scripts.

A row is a plain dict with at least: id (the first 16 hex digits of the original's sha256), filename
(inside resized/), width and height (of the original, in pixels), sha256, style, source, and caption
("" until there is one). Rows are checked as they are read, see rows.py, and trusted after.
"""

import hashlib
import itertools
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from oneseed.config.captioning import EXISTING, NONE
from oneseed.config.options import CODE_CAPTIONS
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.caption_ways import first_options
from oneseed.dataset.code_texts import travelling
from oneseed.dataset.commands import caption_command, flag, prepare_command, size_flags
from oneseed.dataset.dealing import TRAIN_PART, deal, has_both
from oneseed.dataset.jsonl import (
    Row,
    RowError,
    each_numbered,
    each_of_list,
    json_of,
    place_in_list,
    to_json,
    write_lines,
)
from oneseed.dataset.rows import METADATA, PAIR, REPORT, check_row, fault_of
from oneseed.file_names import named_file, safe_name
from oneseed.media.kinds import PICTURE
from oneseed.storage import is_url
from oneseed.synthetic.collections import DRAWN_STYLES

# how reports name a drawn collection: "builtin-2 level 5", "screens-1 level 5, form,table"
DRAWN_SOURCE = re.compile(r"\S+ level ([0-9]+)(?:, (\S+))?")
# keys whose values many rows have: one string in memory serves them all
SHARED_KEYS = (
    *("style", "source", "split", "captioner"),
    *("question", "marked_question", "system", "domain", "caption_kind", "medium"),
)
# keys that often have the value of another key of the same row
EQUAL_KEYS = (("group", "id"), ("caption", "given"))
# files of the uint8 cache, and of the ids of their rows: of one size, or one of several of it
PIXEL_FILE = re.compile(r"pixels_(\d{1,6})(?:_\d{4,6})?\.(?:npy|json)")
# in a caption file, whatever else is wrong with it: a pair that has words, one without
CAPTIONED = re.compile(rb'"caption":\s*"[^"]')
WORDLESS = re.compile(rb'"caption":\s*""')


class Collection:
    """The paths of one style's files below `data`."""

    def __init__(self, style: str, data: Path | str = "data") -> None:
        """style: the collection's name; data: the folder of raw/, processed/, metadata/, ..."""
        data = Path(data)
        self.style: str = style
        self.data: Path = data
        name = safe_name(style)
        self.raw: Path = data / "raw" / name
        self.processed: Path = data / "processed" / name
        self.resized: Path = self.processed / "resized"
        self.metadata: Path = data / "metadata" / f"{name}_metadata.json"
        self.report: Path = data / "metadata" / f"{name}_report.json"
        self.check: Path = data / "metadata" / f"{name}_check.json"
        self.train: Path = data / "captions" / f"{name}_train.jsonl"
        self.val: Path = data / "captions" / f"{name}_val.jsonl"
        self.quality: Path = data / "captions" / f"{name}_quality.json"

    def pixels(self, size: int) -> Path:
        """The pictures of `size` px as one uint8 array; its rows' ids stand in pixels_ids.

        There is none where the pictures are many: they lie in several files, see pixels_part.
        """
        return self.processed / f"pixels_{size}.npy"

    def pixels_ids(self, size: int) -> Path:
        """The ids of the rows of `pixels`, or what several files have in common."""
        return self.processed / f"pixels_{size}.json"

    def pixels_part(self, size: int, number: int) -> tuple[Path, Path]:
        """Of a cache in several files, counted from 1: one of them, and the ids of its rows."""
        stem = f"pixels_{size}_{number:04}"
        return self.processed / f"{stem}.npy", self.processed / f"{stem}.json"

    def has_pixels(self, size: int) -> bool:
        """Whether the pictures of `size` px lie here as arrays, in one file or in several."""
        return self.pixels(size).exists() or self.pixels_part(size, 1)[0].exists()

    @staticmethod
    def is_pixel_file(name: str, size: int) -> bool:
        """Whether a name is that of a file of the pixel cache at this size, or of its ids."""
        found = PIXEL_FILE.fullmatch(name)
        return found is not None and found[1] == str(size)

    def prepared_size(self) -> int | None:
        """The size in pixels at which the pictures lie ready for training; None: at none."""
        found = (PIXEL_FILE.fullmatch(path.name) for path in self.processed.glob("pixels_*.npy"))
        return next((int(name[1]) for name in found if name), None)

    def picture(self, row: Row) -> Path:
        """The prepared picture of a row, whether it is there or not.

        UnsafeNameError where what is there is no file, or a link that leads out of resized/.
        """
        return named_file(self.resized, row["filename"], self.metadata)

    def further_pictures(self, row: Row) -> tuple[Path, ...]:
        """What a row of several prepared pictures shows beside its own, in its order."""
        return tuple(self.resized / name for name in row.get("images", [])[1:])

    def read_report(self) -> Row:
        """What preparing counted; {} where it was never done. UserError where it is damaged."""
        if not self.report.exists():
            return {}
        again = prepare_command(self.style, self.data)
        remedy = f"remove it and prepare the pictures again: {again}"
        try:
            report = json_of(self.report)
        except (OSError, ValueError) as error:
            raise UserError(f"{self.report} cannot be read as JSON ({error}); {remedy}") from error
        check_row(report, REPORT, str(self.report), remedy)
        return report

    def known_medium(self) -> str:
        """What the collection is made of, one of MEDIA; as known_report of a damaged report."""
        return self.known_report().get("medium", PICTURE)

    def known_report(self) -> Row:
        """`read_report` for commands that are told; of a damaged one they go without."""
        try:
            return self.read_report()
        except UserError:
            return {}

    def prepared_preset(self) -> str:
        """The preset that the pictures were prepared with; "" where the report does not say it."""
        return self.known_report().get("preset", "")

    def read_metadata(self) -> list[Row]:
        """The rows. UserError where the pictures were not prepared yet, or one stands there twice.

        Preparing itself, which reads row by row, puts a picture that stands twice right.
        """
        if not self.metadata.exists():
            raise UserError(
                f"{self.metadata} is missing: prepare the pictures first: "
                f"{prepare_command(self.style, self.data)}{self.prepared_here()}"
            )
        rows = list(self.each_metadata())
        if twice := first_twice(rows):
            raise UserError(
                f"{self.metadata}: the picture {twice} stands there twice; delete one of its "
                f"rows, or prepare the pictures again: {self.prepare_again()}"
            )
        return rows

    def prepare_again(
        self, size: int | None = None, preset: str = "", *, more: bool = False
    ) -> str:
        """The command that prepares the pictures again, from where they came, as they were.

        size, preset: others than those that are prepared. more: all that there are, whatever
        --max-samples said.
        """
        report = self.known_report()
        source = report.get("source", "")
        if source.startswith("kaggle "):
            source = "kaggle"
        elif not source.startswith("hf:") and not is_url(source) and not Path(source).is_absolute():
            # several sources, or none that is known
            source = ""
        side = size or self.prepared_size()
        level, kinds = self.drawn_level()
        flags = [
            size_flags(side, preset or self.prepared_preset()) if side else "",
            flag("level", level, str(PrepareConfig.level)),
            flag("kinds", kinds, ""),
            flag("medium", report.get("asked_medium", ""), ""),
            flag("format", report.get("asked_format", ""), ""),
            number_flag(report, "smallest", PrepareConfig.smallest),
            "" if more else number_flag(report, "max_samples", PrepareConfig.max_samples),
        ]
        if report.get("code") and self.style not in DRAWN_STYLES:
            flags.append(f"--caption-kind {CODE_CAPTIONS}")
        return prepare_command(self.style, self.data, " ".join(filter(None, flags)), source=source)

    def drawn_level(self) -> tuple[str, str]:
        """Level and kinds of a drawn collection, as flags take them; the usual ones of others."""
        found = DRAWN_SOURCE.fullmatch(self.known_report().get("source", ""))
        if not found or self.style not in DRAWN_STYLES:
            return str(PrepareConfig.level), ""
        return found[1], found[2] or ""

    def prepared_here(self) -> str:
        """The collections that are prepared in the same folder, as the end of a sentence."""
        named = ", ".join(flag("style", style) for style in prepared_styles(self.data))
        return f"; or name a collection that is prepared already: {named}" if named else ""

    def each_metadata(self) -> Iterator[Row]:
        """The rows one after another, none where there are none yet.

        UserError where the file is damaged, or a row is not what it must be: file, line, remedy.
        """
        if not self.metadata.exists():
            return
        try:
            for number, row in enumerate(each_of_list(self.metadata), 1):
                if fault := fault_of(row, METADATA):
                    raise UserError(
                        f"{place_in_list(self.metadata, number)}: {fault}; mend that row, or "
                        "delete it and prepare the pictures again, which makes it anew: "
                        f"{self.prepare_again()}"
                    )
                share_strings(row)
                yield row
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self.metadata} cannot be read as JSON ({error}); mend it, or move it away and "
                f"prepare the pictures again, which makes it anew: {self.prepare_again()}"
            ) from error

    def write_metadata(self, rows: list[Row]) -> None:
        """Writes a JSON list with a row a line: the text of 100,000 rows would be 70 MB."""

        def lines() -> Iterator[str]:
            for number, row in enumerate(rows, 1):
                yield to_json(row) + (",\n" if number < len(rows) else "\n")

        write_lines(self.metadata, lambda: itertools.chain(["[\n"], lines(), ["]\n"]))

    def is_wordless(self) -> bool:
        """Whether the pairs are dealt for training on pictures alone."""
        return self.train.exists() and is_wordless(self.each_pair(self.train))

    def deal_command(self, rows: list[Row]) -> str:
        """The command that deals the pairs of these rows, again or the way that works now."""
        options = f"--captioner {NONE}" if self.is_wordless() else first_options(rows)
        return caption_command(self.style, self.data, options)

    def deal_again(self) -> str:
        """The command that deals the same pairs again, where a caption file is damaged."""
        texts = [path.read_bytes() for path in (self.train, self.val) if path.is_file()]
        has_words = any(map(CAPTIONED.search, texts)) or not any(map(WORDLESS.search, texts))
        way = EXISTING if has_words else NONE
        return caption_command(self.style, self.data, f"--captioner {way}")

    def split_files(self) -> dict[Path, str]:
        """The two caption files, each with the split of its rows."""
        return {self.train: "train", self.val: "val"}

    def each_pair(self, path: Path) -> Iterator[Row]:
        """The rows of one of the caption files, which decides on their split.

        UserError where a line is not what it must be: file, line, remedy.
        """
        split = self.split_files()[path]
        try:
            for number, pair in each_numbered(path):
                if fault := fault_of(pair, PAIR):
                    raise RowError(f"{path}, line {number}: {fault}")
                pair["split"] = split
                yield pair
        except RowError as error:
            raise UserError(
                f"{error}; mend that line, or delete it and deal the pairs again: "
                f"{self.deal_again()}"
            ) from error

    def read_captions(self) -> tuple[list[Row], list[Row]]:
        """The rows of the caption files, (train, val).

        UserError where they were not made yet; it names the way that works for these pictures. Also
        where a picture stands there twice: one that trains must not validate.
        """
        for path in (self.train, self.val):
            if not path.exists():
                command = self.deal_command(self.read_metadata())
                raise UserError(f"{path} is missing: deal the pairs first: {command}")
        train = list(self.each_pair(self.train))
        val = list(self.each_pair(self.val))
        if twice := first_twice(train + val):
            raise UserError(
                f"the picture {twice} stands twice in {self.train} and {self.val.name}; deal the "
                f"pairs again: {self.deal_again()}"
            )
        return train, val


def number_flag(report: Row, name: str, default: int) -> str:
    """A number that preparing was told, as its flag; "" where it is the default, or not known."""
    return flag(name.replace("_", "-"), str(report.get(name, default)), str(default))


def first_twice(rows: list[Row]) -> str:
    """The id of the first row that another one has, too; "" for none."""
    ids: set[str] = set()
    for row in rows:
        if row["id"] in ids:
            return row["id"]
        ids.add(row["id"])
    return ""


def prepared_styles(data: str | Path) -> list[str]:
    """Names of the prepared collections, as --style takes them."""
    paths = (Path(data) / "metadata").glob("*_metadata.json")
    return sorted(path.name.removesuffix("_metadata.json") for path in paths)


def share_strings(row: Row) -> None:
    """Replaces equal strings of a row, or of many rows, by one in memory."""
    for key in SHARED_KEYS:
        if key in row:
            row[key] = sys.intern(row[key])
    for key, other in EQUAL_KEYS:
        if key in row and row[key] == row.get(other):
            row[key] = row[other]


def pair_of(row: Row, *, wordless: bool = False) -> Row:
    """Metadata row -> its line of a caption file; wordless: with an empty caption."""
    pair = {key: row.get(key) or "" for key in ("id", "filename", "caption", "style", "split")}
    if row.get("images"):
        pair["images"] = row["images"]
    if not wordless:
        return pair | travelling(row)
    medium = {"medium": row["medium"]} if row.get("medium") else {}
    return pair | {"caption": ""} | medium


def is_wordless(pairs: Iterable[Row]) -> bool:
    """Whether the lines of a caption file are dealt for training on pictures alone."""
    has_pairs = False
    for pair in pairs:
        if pair["caption"]:
            return False
        has_pairs = True
    return has_pairs


def split_rows(rows: list[Row], stored: dict[str, str] | None = None) -> dict[str, str]:
    """Rows -> {id: "train" or "val"}, nine tenths in train.

    stored: the split of earlier runs, {id: "train" or "val"}. Those rows stay where they are, and
    only new ones are dealt, so that adding pictures moves none. The first deal puts exactly
    round(0.9 N) rows into train, in the order of a hash of the id. Rows of equal "group" (pictures
    that look the same) share a split, as far as deal and follow can keep them together. Of five
    rows or more some train and some validate: all are dealt anew where a stored split would leave
    none of one.
    """
    stored = stored or {}
    splits = {row["id"]: stored[row["id"]] for row in rows if row["id"] in stored}
    group_of = {row["id"]: row.get("group") or row["id"] for row in rows}
    splits |= follow(group_of, splits)
    groups: dict[str, list[str]] = {}
    for row_id in in_order_of_hash(group_of.keys() - splits.keys()):
        groups.setdefault(group_of[row_id], []).append(row_id)
    splits |= deal(list(groups.values()))
    return splits if has_both(splits) or not stored else split_rows(rows)


def follow(group_of: dict[str, str], splits: dict[str, str]) -> dict[str, str]:
    """The splits of new rows whose group was dealt before: with their look-alikes, where it goes.

    They train where any of these does. Where all validate they do so, too, up to twice the share of
    validation; the others train, or nearly all rows would validate.
    group_of: {id: group} of all rows; splits: of those that were dealt before.
    """
    dealt = {group_of[row_id] for row_id in splits}
    trained = {group_of[row_id] for row_id, split in splits.items() if split == "train"}
    room = 2 * (len(group_of) - round(TRAIN_PART * len(group_of)))
    room -= sum(split == "val" for split in splits.values())
    found = {}
    for row_id in in_order_of_hash(group_of.keys() - splits.keys()):
        group = group_of[row_id]
        if group in dealt:
            validates = group not in trained and room > 0
            found[row_id] = "val" if validates else "train"
            room -= validates
    return found


def in_order_of_hash(ids: Iterable[str]) -> list[str]:
    """The ids in an order that looks random and is always the same."""
    return sorted(ids, key=lambda row_id: hashlib.sha256(f"split {row_id}".encode()).digest())
