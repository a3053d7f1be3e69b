"""The built-in collection, drawn as files."""

import hashlib
import re

from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import to_json, write_lines
from oneseed.files import nonempty_files, whole_file
from oneseed.media.picture import encode_png
from oneseed.sources.resolve import Source
from oneseed.synthetic.engravings import attributes, drawing
from oneseed.workers import chunks

BUILTIN_COUNT = 6000


def draw_chunk(task):

    drawings, folder, size = task
    for name, facts, seed in drawings:
        with whole_file(folder / name, sync=False) as partial:
            partial.write_bytes(encode_png(drawing.draw(facts, seed, size)))
    return [None] * len(drawings)


def draw_builtin(config, workers):
    """Draws what is missing of the built-in collection into data/raw/builtin/ -> Source.

    A file's name holds level, size and a hash of what is drawn, so that a drawing is never taken for another."""

    folder = Collection("builtin", config.data).raw
    drawings = []
    for number, facts in enumerate(
        attributes.collection(config.max_samples or BUILTIN_COUNT, config.level, 0)
    ):
        key = hashlib.sha256(f"{attributes.COLLECTION} {number} {facts!r}".encode()).hexdigest()[:8]
        drawings.append(
            (f"level{config.level}_{config.image_size}px_{number:05}_{key}.png", facts, number)
        )
    folder.mkdir(parents=True, exist_ok=True)
    there = nonempty_files(folder)
    # another level or size; can be drawn again
    for name in there - {name for name, _, _ in drawings}:
        if re.fullmatch(r"level\d_\d+px_\d{5}_[0-9a-f]{8}\.png|\..*\.partial", name):
            (folder / name).unlink()
    missing = [drawing for drawing in drawings if drawing[0] not in there]
    if missing:
        tasks = [(chunk, folder, config.image_size) for chunk in chunks(missing, 16)]
        with progress(
            label="drawing", total=len(drawings), initial=len(drawings) - len(missing)
        ) as bar:
            for _, done in workers.each(draw_chunk, tasks):
                bar.update(len(done))
    write_lines(
        folder / "metadata.jsonl",
        lambda: (
            to_json({"file_name": name, "caption": attributes.tell(facts, number, config.level)})
            + "\n"
            for name, facts, number in drawings
        ),
    )
    return Source(folder.resolve(), f"{attributes.COLLECTION} level {config.level}")
