"""The uint8 cache of a collection's pictures."""

import contextlib
import json
import math

import numpy as np
from PIL import Image

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.jsonl import read_json
from oneseed.files import whole_file, write_text


def cache_chunk(task):
    """Some prepared pictures, one after another, into their place of the cache; a map of the file would count as memory."""
    paths, cache, place, mode = task
    with open(cache, "r+b") as file:
        file.seek(place)
        for path in paths:
            with Image.open(path) as image:
                file.write(image.convert(mode).tobytes())


def write_pixels(records, collection, size, workers):
    """The prepared pictures as one uint8 array, (N, size, size) where all are grey, else (N, size, size, 3), and the ids of its rows."""
    path = collection.pixels(size)
    ids_path = collection.pixels_ids(size)
    shape = (
        (len(records), size, size)
        if all(record["grey"] for record in records)
        else (len(records), size, size, 3)
    )
    ids = {"size": size, "ids": [record["id"] for record in records]}
    with contextlib.suppress(OSError, ValueError, UserError):
        stored = np.load(path, mmap_mode="r")
        if read_json(ids_path) == ids and stored.shape == shape and stored.dtype == np.uint8:
            return
    # new pixels beside old ids would pair pictures with wrong captions
    ids_path.unlink(missing_ok=True)

    with whole_file(path) as partial, progress(label="caching", total=len(records)) as bar:
        with open(partial, "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": shape}
            )
            begin = file.tell()
            each = math.prod(shape[1:])
            file.truncate(begin + each * len(records))
        tasks = [
            (
                [collection.resized / record["filename"] for record in records[first : first + 64]],
                partial,
                begin + each * first,
                "L" if len(shape) == 3 else "RGB",
            )
            for first in range(0, len(records), 64)
        ]
        for (paths, *_), _ in workers.each(cache_chunk, tasks):
            bar.update(len(paths))
    write_text(ids_path, json.dumps(ids))


def training_pixels(collection, size, rows, most=None):
    """uint8 array (N, size, size) or (N, size, size, 3) of the training pictures, or None where they are not on this machine.
    most: so many of them, evenly spaced."""
    if not (rows and collection.pixels(size).exists() and collection.pixels_ids(size).exists()):
        return None
    place = {id: i for i, id in enumerate(read_json(collection.pixels_ids(size))["ids"])}
    chosen = [place[row["id"]] for row in rows if row["id"] in place]
    if most and len(chosen) > most:
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, most).astype(int)]
    return np.load(collection.pixels(size), mmap_mode="r")[np.sort(chosen)] if chosen else None
