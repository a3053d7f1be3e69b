"""A prepared collection, and caption_generation.py run on it."""

import numpy as np
from PIL import Image

import caption_generation
from oneseed.config.captioning import CaptionConfig
from oneseed.dataset.collection import Collection


def prepared(data, count, style="engraving", caption="An engraving of castle {}", pictures=False):
    """A collection as dataset_preparation.py leaves it."""
    collection = Collection(style, data)
    rows = []
    for number in range(count):
        picture_id = f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"
        rows.append(
            {
                "id": picture_id,
                "filename": f"{picture_id}.png",
                "width": 80,
                "height": 80,
                "sha256": picture_id * 4,
                "style": style,
                "source": "test",
                "group": picture_id,
                "given": "",
                "caption": caption.format(number),
            }
        )
        if pictures:
            collection.resized.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(0, 256, (32, 32), dtype=np.uint8)
            Image.fromarray(noise).save(collection.resized / f"{picture_id}.png")
    collection.write_metadata(rows)
    return collection


def run_main(data, **flags):
    assert not caption_generation.main(CaptionConfig(**{"data": str(data), **flags}))


def sides(collection):
    return {row["id"]: row["split"] for rows in collection.read_captions() for row in rows}


def rows_of(captions, **more):
    return [
        {
            "id": f"{number:016x}",
            "filename": f"{number:016x}.png",
            "style": "engraving",
            "split": "train",
            "caption": caption,
            **more,
        }
        for number, caption in enumerate(captions)
    ]
