"""A prepared collection of many tiny pictures, whose cache has several files."""

import json

import numpy as np
from PIL import Image

from oneseed.dataset.collection import Collection
from oneseed.dataset.pixel_writing import write_pixels
from oneseed.workers import Workers

# pixels
SIDE = 32
STYLE = "stamps"
WORDS = ("ship", "castle", "tree", "bridge", "tent", "windmill", "tower", "horse")
# of a file of 64 grey pictures, its header included
FILE_BYTES = 128 + 64 * SIDE * SIDE


def record_of(number):
    return {
        "id": f"{number:016x}",
        "filename": f"{number:016x}.png",
        "grey": True,
        "style": STYLE,
        "caption": f"A {WORDS[number % 8]} beside a {WORDS[number // 8 % 8]}.",
        "split": "val" if number % 10 == 9 else "train",
    }


def write_pictures(collection, records):
    """A picture a record, each another one."""
    collection.resized.mkdir(parents=True, exist_ok=True)
    for number, record in enumerate(records):
        pixels = np.full((SIDE, SIDE), 250, np.uint8)
        word, other = number % 8, number // 8 % 8
        pixels[4 * word : 4 * word + 4] = 20
        pixels[:, 4 * other : 4 * other + 4] //= 2
        pixels[0, :10] = [int(digit) * 25 for digit in f"{number:010}"]
        Image.fromarray(pixels).save(collection.resized / record["filename"])


def write_cache(collection, records, file_bytes=FILE_BYTES):
    with Workers(1) as workers:
        write_pixels(records, collection, SIDE, workers, file_bytes=file_bytes)


def many_pictures(data, count=640, file_bytes=FILE_BYTES):
    """A data folder with so many captioned pictures of 32 px -> the collection."""
    collection = Collection(STYLE, data)
    records = [record_of(number) for number in range(count)]
    write_pictures(collection, records)
    write_cache(collection, records, file_bytes)
    for path, split in collection.split_files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        keys = ("id", "filename", "caption", "style", "split")
        rows = [{key: row[key] for key in keys} for row in records if row["split"] == split]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    collection.report.parent.mkdir(parents=True, exist_ok=True)
    collection.report.write_text(json.dumps({"prepared": count, "colour": 0}))
    return collection
