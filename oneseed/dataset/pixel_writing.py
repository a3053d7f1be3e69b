"""The uint8 cache is written: one file, or several where it is large.

    write_pixels(records, collection, 128, workers)

A file that holds its pictures already, undamaged, is not written again.
"""

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.pixel_file import (
    PICTURES_PER_TASK,
    CacheFile,
    DamagedCacheError,
    header_of,
)
from oneseed.dataset.prepared import DamagedPreparedError, load_prepared
from oneseed.files import whole_file, write_changed, write_text
from oneseed.media.checksum import checksum
from oneseed.workers import Workers, chunks

if TYPE_CHECKING:
    from tqdm import tqdm

# bytes of a file; a cache up to it is one file
FILE_BYTES = 10**9


class CacheTask(NamedTuple):
    """Pictures that follow one another in the cache, for a worker process."""

    paths: list[Path]
    cache: Path
    # where the first picture begins in the cache file, in bytes
    offset: int
    # of Pillow: "L" or "RGB"
    mode: str
    # side of the pictures, in pixels
    size: int


def write_cache_part(task: CacheTask) -> int:
    """Writes the pictures into their place -> their checksum.

    A memory map of the file would count as memory. UserError where a picture is damaged: it is
    removed, so that the next run makes it again.
    """
    summed = 0
    with open(task.cache, "r+b") as file:
        file.seek(task.offset)
        for path in task.paths:
            try:
                image = load_prepared(path)
                if image.size != (task.size, task.size):
                    raise DamagedPreparedError(f"not of {task.size} px")
            except DamagedPreparedError as error:
                path.unlink(missing_ok=True)
                raise UserError(
                    f"{path} is {error}, and was removed; run the same command again, "
                    "which makes it again",
                    code=1,
                ) from error
            pixels = image.convert(task.mode).tobytes()
            summed = checksum(pixels, summed)
            file.write(pixels)
    return summed


class PlannedFile(NamedTuple):
    """A file of the cache as it is to be."""

    path: Path
    # of its note
    ids_path: Path
    records: list[Row]
    # of its array
    shape: tuple[int, ...]

    @property
    def ids(self) -> list[str]:
        """The ids of its rows."""
        return [record["id"] for record in self.records]

    def is_written(self, total: int) -> bool:
        """Whether it holds these records, in their order, undamaged and with checksums.

        total: see CacheFile.open.
        """
        try:
            found = CacheFile.mapped(self.path, self.ids_path, self.shape[1], total=total)
        except DamagedCacheError:
            return False
        is_same = found.array.shape == self.shape and found.ids == self.ids
        return is_same and found.checksums is not None


def write_pixels(
    records: list[Row],
    collection: Collection,
    size: int,
    workers: Workers,
    *,
    file_bytes: int = FILE_BYTES,
) -> None:
    """Writes the prepared pictures as uint8 arrays, the ids of their rows, and checksums.

    An array is (N, size, size) where all pictures are grey, else (N, size, size, 3). There is one
    up to `file_bytes`, else each takes up to as many. Nothing is written where the files hold these
    records already, undamaged.
    """
    planned = planned_files(records, collection, size, file_bytes)
    total = sum(math.prod(file.shape) for file in planned)
    missing = [file for file in planned if not file.is_written(total)]
    note_path = collection.pixels_ids(size)
    if missing:
        refuse_folder(note_path)
        # New pixels beside old ids would pair pictures with wrong captions.
        note_path.unlink(missing_ok=True)
        pictures = sum(len(file.records) for file in missing)
        with progress(label="caching", total=pictures) as bar:
            for file in missing:
                write_file(file, collection.resized, workers, bar)
    wanted = {path for file in planned for path in (file.path, file.ids_path)}
    if len(planned) > 1:
        rows = [len(file.records) for file in planned]
        channels = 3 if len(planned[0].shape) == 4 else 1
        note = {"size": size, "channels": channels, "rows": rows}
        write_changed(note_path, json.dumps(note))
        wanted.add(note_path)
    remove_other_files(collection, size, wanted)


def planned_files(
    records: list[Row], collection: Collection, size: int, file_bytes: int
) -> list[PlannedFile]:
    """The files that the records make, each as large as it may be; one where it holds all."""
    grey = all(record["grey"] for record in records)
    picture_shape = (size, size) if grey else (size, size, 3)
    fitting = file_bytes // math.prod(picture_shape)
    if len(records) <= fitting:
        shape = (len(records), *picture_shape)
        return [PlannedFile(collection.pixels(size), collection.pixels_ids(size), records, shape)]
    # what has a checksum together lies in one file
    per_file = max(1, fitting // PICTURES_PER_TASK) * PICTURES_PER_TASK
    parts = chunks(records, per_file)
    if len(parts) == 1:
        shape = (len(records), *picture_shape)
        return [PlannedFile(collection.pixels(size), collection.pixels_ids(size), records, shape)]
    return [
        PlannedFile(*collection.pixels_part(size, number), part, (len(part), *picture_shape))
        for number, part in enumerate(parts, 1)
    ]


def write_file(file: PlannedFile, resized: Path, workers: Workers, bar: "tqdm") -> None:
    """Writes one file and its note. resized: the folder of the pictures."""
    for place in (file.path, file.ids_path):
        refuse_folder(place)
    file.ids_path.unlink(missing_ok=True)
    pictures = [resized / record["filename"] for record in file.records]
    with whole_file(file.path) as partial:
        checksums = {}
        tasks = cache_tasks(pictures, partial, file.shape)
        for task, summed in workers.each(write_cache_part, tasks):
            checksums[task.offset] = summed
            bar.update(len(task.paths))
    in_order = [checksums[offset] for offset in sorted(checksums)]
    note = {"size": file.shape[1], "ids": file.ids, "checksums": in_order}
    write_text(file.ids_path, json.dumps(note))


def remove_other_files(collection: Collection, size: int, wanted: set[Path]) -> None:
    """Removes files of the cache at this size that an earlier run has written, but those wanted."""
    for name in os.listdir(collection.processed):
        path = collection.processed / name
        if path not in wanted and collection.is_pixel_file(name, size) and not path.is_dir():
            path.unlink(missing_ok=True)


def cache_tasks(pictures: list[Path], cache: Path, shape: tuple[int, ...]) -> list[CacheTask]:
    """Writes the beginning of a cache file of this shape -> what is to be written into it."""
    header = header_of(shape)
    offset = len(header)
    picture_bytes = math.prod(shape[1:])
    with open(cache, "wb") as file:
        file.write(header)
        file.truncate(offset + picture_bytes * len(pictures))
    tasks = []
    for paths in chunks(pictures, PICTURES_PER_TASK):
        tasks.append(CacheTask(paths, cache, offset, "L" if len(shape) == 3 else "RGB", shape[1]))
        offset += picture_bytes * len(paths)
    return tasks


def refuse_folder(path: Path) -> None:
    """Removes an empty folder in a file's place; UserError where it holds something."""
    if not path.is_dir() or path.is_symlink():
        return
    try:
        path.rmdir()
    except OSError as error:
        raise UserError(
            f"{path} is a folder where a file of ours belongs; remove it, and run the same "
            "command again"
        ) from error
