"""A data set of the Hugging Face Hub, streamed into a folder.

The library `datasets` streams it, so that nothing is stored twice: the bytes of each picture go as
they are into <number>_<name made harmless> in one flat folder, and metadata.jsonl says what is
known of each. After every batch a marker says how far the stream was read, and a broken download
goes on from there. No data set runs code of its own: `datasets` has no such thing from version 4
on.
"""

import functools
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset import writers
from oneseed.dataset.jsonl import Row, write_jsonl
from oneseed.dataset.notes import each_noted, read_note
from oneseed.file_names import is_plain_name
from oneseed.files import sweep_partials, write_changed, write_text
from oneseed.locks import locked
from oneseed.media.checksum import checksum
from oneseed.media.kinds import suffix_of_kind
from oneseed.sources import archive_members, archive_names, hub_rows
from oneseed.sources.archive_members import DEFAULT_LIMITS, Limits
from oneseed.sources.hub_source import parse_hub_source, user_errors
from oneseed.sources.rejections import Rejection, is_rejection, rejection
from oneseed.sources.sidecars import SAID_KEYS
from oneseed.sources.walking import HUB_MARKER

if TYPE_CHECKING:
    import datasets

# hidden: no part of the collection
HUB_JOURNAL = ".rows.jsonl"
# raise when fetch_hub() gives another folder: all is fetched again
HUB_VERSION = 1
# what a second run may do, as the end of a sentence
WHEN_FETCHED = "run this command again when that one has fetched it"
# rows in memory at once, and files asked for at once
HUB_BATCH = 32


class OpenedDataSet(NamedTuple):
    """A split of a data set, of which nothing has been fetched yet.

    state: changes when the data set changes there. features: {name of a column: its kind}.
    length: rows, None where nobody knows.
    """

    state: str
    features: Mapping[str, Any]
    stream: "datasets.IterableDataset"
    length: int | None


def fetch_hub(
    source: str,
    folder: Path,
    most: int = 0,
    *,
    limits: Limits = DEFAULT_LIMITS,
    batch_rows: int = HUB_BATCH,
) -> tuple[list[Rejection], list[Row]]:
    """Data set -> (lost, formats), as in annotations.Described.

    `folder` gets its pictures, with metadata.jsonl. most: how many pictures are enough, the first
    ones, 0 for all; where more are wanted later, it goes on after them. A finished download asks
    nobody again. UserError with the way on where the data set cannot be had.
    """
    before = read_marker(source, folder)
    marker, rows = noted_download(source, folder, before)
    has_enough = most and count_pictures(rows) >= most
    if not marker.get("finished") and not has_enough:
        with locked(folder.parent, folder.name, what=source, remedy=WHEN_FETCHED):
            now = read_marker(source, folder)
            if now != before:
                # another run has fetched meanwhile
                marker, rows = noted_download(source, folder, now)
            if not marker.get("finished"):
                download = Download(source, folder, most, limits=limits, batch_rows=batch_rows)
                rows = download.fetch(marker, rows)
            sweep_partials(folder)
    pictures = [row for row in rows if "file_name" in row]
    write_changed(folder / "metadata.jsonl", writers.json_lines(pictures))
    lost = [row for row in rows if "reason" in row]
    found_format = {
        "file": source,
        "format": "datasets",
        "confidence": 1.0,
        "rows": len(pictures),
    }
    return lost, [found_format]


def noted_download(
    source: str, folder: Path, marker: dict[str, Any]
) -> tuple[dict[str, Any], list[Row]]:
    """The marker of a download and its rows; ({}, []) where some are damaged, which is said."""
    rows = read_rows(folder, marker) if marker else []
    if rows is None:
        print(f"{folder / HUB_JOURNAL} is damaged: {source} is fetched again", flush=True)
        return {}, []
    return marker, rows


def read_marker(source: str, folder: Path) -> dict[str, Any]:
    """How far an earlier download of this source came, {} where there is none."""
    marker = read_note(folder / HUB_MARKER, is_hub_marker) or {}
    if (marker.get("version"), marker.get("source")) != (HUB_VERSION, source):
        return {}
    return marker


def is_hub_marker(value: Any) -> bool:
    """Whether a note says how far a download came, as Download.note writes it."""
    if not isinstance(value, dict) or not isinstance(value.get("finished"), bool):
        return False
    counts = [value.get(key) for key in ("rows", "bytes")]
    return all(type(count) is int and count >= 0 for count in counts) and "there" in value


def read_rows(folder: Path, marker: dict[str, Any]) -> list[Row] | None:
    """The rows that a download had noted when it wrote the marker; None where some are damaged.

    What was appended later is left out.
    """
    rows = list(itertools.islice(each_noted(folder / HUB_JOURNAL, is_noted_row), marker["rows"]))
    if len(rows) < marker["rows"]:
        return None
    # earlier versions noted none
    summed = checksum(writers.json_lines(rows).encode())
    return rows if marker.get("checksum", summed) == summed else None


def is_noted_row(value: Any) -> bool:
    """Whether a value is a row of the journal: a picture, or a rejection in its place."""
    if not isinstance(value, dict) or "file_name" not in value:
        return is_rejection(value)
    texts = [value.get(key, "") for key in ("member", *SAID_KEYS)]
    return is_plain_name(value["file_name"]) and all(isinstance(text, str) for text in texts)


def count_pictures(rows: list[Row]) -> int:
    """How many of the journal's rows are pictures; the others were left out."""
    return sum("file_name" in row for row in rows)


def open_rows(source: str) -> OpenedDataSet:
    """The split that the source names, else train or the first one.

    UserError without `datasets`, or where the data set cannot be had.
    """
    datasets = import_datasets(source)
    name, subset, split = parse_hub_source(source)
    with user_errors(source):
        builder = datasets.load_dataset_builder(name, subset)
        streams = builder.as_streaming_dataset(split=split)
        # without a split these are a dict of all
        if split is None:
            split = "train" if "train" in streams else next(iter(streams))
            if len(streams) > 1:
                print(
                    f"{source}: split {split} of {', '.join(streams)}; "
                    f"another one: --source {source}:NAME",
                    flush=True,
                )
            streams = streams[split]
        if not streams.features:
            raise UserError(
                f"{source} does not say which of its columns holds pictures; "
                "download them and name their folder, --source PATH"
            )
        known_split = (builder.info.splits or {}).get(split)
        length = known_split.num_examples if known_split else None
        stream = streams.decode(False)
        return OpenedDataSet(builder.hash, stream.features, stream, length)


def import_datasets(source: str) -> Any:
    """The library `datasets`, which is optional. UserError where it is missing or too old."""
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            f"{source} needs the library datasets: pip install 'datasets>=4', "
            "then run the same command again"
        ) from error
    if int(datasets.__version__.split(".")[0]) < 4:
        raise UserError(
            f"{source} needs datasets 4 or newer, since older ones run code of strangers: "
            "pip install --upgrade datasets"
        )
    return datasets


def goes_on(opened: OpenedDataSet, marker: dict[str, Any]) -> bool:
    """Has the stream begin where the marker says; False where it cannot read that."""
    try:
        opened.stream.load_state_dict(marker["state"])
    except Exception:
        # of datasets and pyarrow, without a common class
        return False
    return True


class Download:
    """A data set on its way into a folder."""

    def __init__(
        self, source: str, folder: Path, most: int, *, limits: Limits, batch_rows: int
    ) -> None:
        self.source = source
        self.folder = folder
        # pictures, 0 for all
        self.most = most
        self.limits = limits
        self.batch_rows = batch_rows
        # rows of the journal: pictures, and rejections in their place
        self.rows: list[Row] = []
        self.picture_count = 0
        self.total_bytes = 0
        self.finished = False
        # of the rows, those that the journal has, and the checksum of their lines
        self.noted_rows = 0
        self.summed = 0

    def fetch(self, marker: dict[str, Any], rows: list[Row]) -> list[Row]:
        """Goes on after `rows` as `marker` says, until the data set ends or there are enough.

        Returns all rows. Every batch is noted once it is written: what a killed run wrote after its
        last note is written again.
        """
        opened = open_rows(self.source)
        columns = hub_rows.find_columns(opened.features, self.source)
        self.begin(opened, marker, rows)
        totals = [count for count in (self.most, opened.length) if count]
        batches = iter(opened.stream)
        with (
            open(self.folder / HUB_JOURNAL, "a", encoding="utf-8") as journal,
            ThreadPoolExecutor(self.batch_rows) as threads,
            progress(
                label="fetching", total=min(totals, default=None), initial=self.picture_count
            ) as bar,
        ):
            while not self.finished and not self.has_enough():
                new_pictures = self.fetch_batch(batches, columns, threads)
                self.note(opened, journal)
                bar.update(new_pictures)
        self.remove_strays()
        return self.rows

    def begin(self, opened: OpenedDataSet, marker: dict[str, Any], rows: list[Row]) -> None:
        """Takes over what is there; begins anew where that is nothing, or of another state."""
        if marker and marker["there"] == opened.state and goes_on(opened, marker):
            self.rows = rows
            self.picture_count = count_pictures(rows)
            self.total_bytes = marker["bytes"]
            self.summed = checksum(writers.json_lines(rows).encode())
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_jsonl(self.folder / HUB_JOURNAL, self.rows)
        self.noted_rows = len(self.rows)

    def has_enough(self) -> bool:
        """True where as many pictures as wanted are there."""
        return bool(self.most) and self.picture_count >= self.most

    def fetch_batch(
        self, rows: Iterator[Row], columns: hub_rows.Columns, threads: ThreadPoolExecutor
    ) -> int:
        """Reads the next rows, side by side, and stores them in order -> how many are pictures."""
        wanted = self.batch_rows
        if self.most:
            wanted = min(wanted, self.most - self.picture_count)
        name = parse_hub_source(self.source).name
        with user_errors(self.source):
            batch = list(itertools.islice(rows, wanted))
            read_row = functools.partial(
                hub_rows.read_row, columns=columns, name=name, limits=self.limits
            )
            found = list(threads.map(read_row, batch))
        self.finished = len(batch) < wanted
        count_before = self.picture_count
        for result in found:
            self.store(result)
        exceeds = (
            len(self.rows) >= self.limits.members or self.total_bytes > self.limits.total_bytes
        )
        if exceeds and not self.finished:
            self.finished = True
            reason = (
                f"more than {self.limits.members:,} rows or {self.limits.total_bytes:,} bytes: "
                f"{archive_members.NOTHING_FURTHER}"
            )
            self.rows.append(rejection(self.source, reason, file=self.source))
        return self.picture_count - count_before

    def store(self, result: tuple[bytes, Row] | str) -> None:
        """Writes a picture that was read; a text is the reason why there is none."""
        if isinstance(result, str):
            line = len(self.rows) + 1
            self.rows.append(rejection(self.source, result, file=self.source, line=line))
            return
        image, known = result
        stem = archive_names.harmless(known["member"])
        file_name = f"{len(self.rows):06}_{stem}{suffix_of_kind(image)}"
        self.rows.append({"file_name": file_name, **known})
        (self.folder / file_name).write_bytes(image)
        self.picture_count += 1
        self.total_bytes += len(image)

    def note(self, opened: OpenedDataSet, journal: TextIO) -> None:
        """Writes the new rows into the journal, then the marker: so far the download is safe."""
        lines = writers.json_lines(self.rows[self.noted_rows :])
        journal.write(lines)
        journal.flush()
        self.summed = checksum(lines.encode(), self.summed)
        self.noted_rows = len(self.rows)
        marker = {
            "version": HUB_VERSION,
            "source": self.source,
            "there": opened.state,
            "rows": len(self.rows),
            "bytes": self.total_bytes,
            "finished": self.finished,
            "checksum": self.summed,
            "state": opened.stream.state_dict(),
        }
        write_text(self.folder / HUB_MARKER, json.dumps(marker))

    def remove_strays(self) -> None:
        """Removes what a killed run wrote after its last note."""
        file_names = {row.get("file_name") for row in self.rows}
        for path in self.folder.iterdir():
            if not path.name.startswith(".") and path.name not in file_names:
                path.unlink()
