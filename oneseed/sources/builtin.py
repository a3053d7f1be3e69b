"""The built-in collection, drawn as files."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from oneseed.config.preparation import PrepareConfig
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import to_json, write_lines
from oneseed.dataset.prepared import DamagedPreparedError, prepared_bytes
from oneseed.files import nonempty_files, whole_file
from oneseed.media.png import encode_png
from oneseed.sources.resolve import Source
from oneseed.synthetic.engravings import attributes, drawing
from oneseed.workers import Workers, chunks

# pictures, where --max-samples says nothing
BUILTIN_COUNT = 6000
# pictures that a worker draws at once
CHUNK_LENGTH = 16
# the captions, beside the drawings
CAPTIONS_NAME = "metadata.jsonl"
# names of drawings
OWN_FILE = re.compile(r"level\d_\d+px_\d{5}_[0-9a-f]{8}\.png")


class Engraving(NamedTuple):
    """A picture to draw. facts: its seven attributes; seed: of everything else, and its number."""

    file_name: str
    facts: dict[str, Any]
    seed: int


class DrawingTask(NamedTuple):
    """What a worker draws. size: side in pixels."""

    engravings: list[Engraving]
    folder: Path
    size: int


def draw_chunk(task: DrawingTask) -> None:
    """Draws a task's pictures, in a worker process."""
    for engraving in task.engravings:
        with whole_file(task.folder / engraving.file_name, sync=False) as partial:
            image = drawing.draw(engraving.facts, engraving.seed, task.size)
            partial.write_bytes(encode_png(image))


def draw_builtin(config: PrepareConfig, workers: Workers) -> Source:
    """Draws what is missing of the built-in collection into data/raw/builtin/."""
    folder = Collection("builtin", config.data).raw
    engravings = list_engravings(config)
    folder.mkdir(parents=True, exist_ok=True)
    there = nonempty_files(folder)
    # drawings of another level or size can be drawn again
    for name in there.keys() - {engraving.file_name for engraving in engravings}:
        if is_drawing(name):
            (folder / name).unlink()
    whole = there.keys() - damaged_drawings(folder, there)
    missing = [engraving for engraving in engravings if engraving.file_name not in whole]
    if missing:
        tasks = [
            DrawingTask(chunk, folder, config.image_size) for chunk in chunks(missing, CHUNK_LENGTH)
        ]
        initial = len(engravings) - len(missing)
        with progress(label="drawing", total=len(engravings), initial=initial) as bar:
            for task, _ in workers.each(draw_chunk, tasks):
                bar.update(len(task.engravings))

    def metadata_lines() -> Iterator[str]:
        for engraving in engravings:
            caption = attributes.tell(engraving.facts, engraving.seed, config.level)
            yield to_json({"file_name": engraving.file_name, "caption": caption}) + "\n"

    write_lines(folder / CAPTIONS_NAME, metadata_lines)
    if newer_drawings(there):
        # they are whole: no later run need read them
        (folder / CAPTIONS_NAME).touch()
    return Source(folder.resolve(), f"{attributes.COLLECTION} level {config.level}")


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


def list_engravings(config: PrepareConfig) -> list[Engraving]:
    """The collection's pictures. A name holds level, size and a hash of what is drawn.

    So a drawing is never taken for another.
    """
    count = config.max_samples or BUILTIN_COUNT
    engravings = []
    for number, facts in enumerate(attributes.collection(count, config.level, 0)):
        identity = f"{attributes.COLLECTION} {number} {facts!r}"
        key = hashlib.sha256(identity.encode()).hexdigest()[:8]
        file_name = f"level{config.level}_{config.image_size}px_{number:05}_{key}.png"
        engravings.append(Engraving(file_name, facts, number))
    return engravings
