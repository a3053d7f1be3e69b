"""A drawn collection, as files."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from oneseed.config.options import CODE_CAPTIONS
from oneseed.config.preparation import PrepareConfig
from oneseed.config.shards import WHOLE, Shard
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import to_json, write_lines
from oneseed.dataset.prepared import DamagedPreparedError, prepared_bytes
from oneseed.files import nonempty_files, whole_file
from oneseed.media.png import encode_png
from oneseed.sources.resolve import Source
from oneseed.synthetic.collections import drawn_collection
from oneseed.synthetic.drawn import DrawnCollection, Facts
from oneseed.workers import Workers, chunks

# pictures that a worker draws at once
CHUNK_LENGTH = 16
# the captions, beside the drawings
CAPTIONS_NAME = "metadata.jsonl"
# names of drawings
OWN_FILE = re.compile(r"level\d_\d+px_\d{5}_[0-9a-f]{8}\.png")


class Drawing(NamedTuple):
    """A picture to draw. facts: its attributes; seed: of everything else, and its number."""

    file_name: str
    facts: Facts
    seed: int


class DrawingTask(NamedTuple):
    """What a worker draws. style: of the drawn collection; size: side in pixels."""

    style: str
    drawings: list[Drawing]
    folder: Path
    size: int


def draw_chunk(task: DrawingTask) -> None:
    """Draws a task's pictures, in a worker process."""
    drawn = drawn_collection(task.style)
    assert drawn, task.style
    for drawing in task.drawings:
        with whole_file(task.folder / drawing.file_name, sync=False) as partial:
            image = drawn.draw(drawing.facts, drawing.seed, task.size)
            partial.write_bytes(encode_png(image))


def draw_pictures(
    drawn: DrawnCollection, config: PrepareConfig, workers: Workers, shard: Shard = WHOLE
) -> Source:
    """Draws what is missing of a collection, or of a shard of it, into data/raw/<style>/.

    The captions are written with the whole.
    """
    folder = Collection(drawn.style, config.data).raw
    drawn = drawn.of_kinds(config.kinds.split(","))
    drawings = list_drawings(drawn, config)
    folder.mkdir(parents=True, exist_ok=True)
    there = nonempty_files(folder)
    # drawings of another level or size can be drawn again
    for name in there.keys() - {drawing.file_name for drawing in drawings}:
        if is_drawing(name):
            (folder / name).unlink(missing_ok=True)
    if not shard.is_whole:
        drawings = [drawing for drawing in drawings if shard.takes(drawing.file_name)]
        there = {one.file_name: there[one.file_name] for one in drawings if one.file_name in there}
    whole = there.keys() - damaged_drawings(folder, there)
    missing = [drawing for drawing in drawings if drawing.file_name not in whole]
    if missing:
        tasks = [
            DrawingTask(drawn.style, chunk, folder, config.image_size)
            for chunk in chunks(missing, CHUNK_LENGTH)
        ]
        initial = len(drawings) - len(missing)
        with progress(label="drawing", total=len(drawings), initial=initial) as bar:
            for task, _ in workers.each(draw_chunk, tasks):
                bar.update(len(task.drawings))

    only = f", {config.kinds}" if config.kinds else ""
    source = Source(folder.resolve(), f"{drawn.version} level {config.level}{only}")
    if not shard.is_whole:
        return source

    def metadata_lines() -> Iterator[str]:
        for drawing in drawings:
            caption = drawn.tell(drawing.facts, drawing.seed, config.level)
            row = {"file_name": drawing.file_name, "caption": caption}
            if drawn.caption_kind == CODE_CAPTIONS:
                row["caption_kind"] = CODE_CAPTIONS
            yield to_json(row) + "\n"

    write_lines(folder / CAPTIONS_NAME, metadata_lines)
    if newer_drawings(there):
        # they are whole: no later run need read them
        (folder / CAPTIONS_NAME).touch()
    return source


def damaged_drawings(folder: Path, there: Mapping[str, int]) -> set[str]:
    """Names of drawings that are cut off, or whose bits have flipped.

    there: {name: time of change}. metadata.jsonl is written once all is drawn: only what changed
    later is read.
    """
    damaged = set()
    for name in newer_drawings(there):
        try:
            prepared_bytes(folder / name)
        except DamagedPreparedError:
            damaged.add(name)
    return damaged


def newer_drawings(there: Mapping[str, int]) -> set[str]:
    """Names of drawings that were changed after metadata.jsonl, such as in a copied folder."""
    finished = there.get(CAPTIONS_NAME, 0)
    return {name for name, changed in there.items() if changed > finished and is_drawing(name)}


def is_drawing(name: str) -> bool:
    """Whether a file is a drawing of ours, whole or half-written."""
    return OWN_FILE.fullmatch(name) is not None


def list_drawings(drawn: DrawnCollection, config: PrepareConfig) -> list[Drawing]:
    """The collection's pictures. A name holds level, size and a hash of what is drawn.

    So a drawing is never taken for another.
    """
    drawings = []
    for number, facts in enumerate(drawn.collection(config.max_samples, config.level)):
        identity = f"{drawn.version} {number} {facts!r}"
        key = hashlib.sha256(identity.encode()).hexdigest()[:8]
        file_name = f"level{config.level}_{config.image_size}px_{number:05}_{key}.png"
        drawings.append(Drawing(file_name, facts, number))
    return drawings
