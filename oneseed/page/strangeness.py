"""Is a picture that somebody brings unlike all that the model was taught?

A model redraws what is like its pictures, and fails at the rest. So the judge is the redrawing: how
far the model's draft of a picture is from it, both as small thumbnails. How far is usual, real
pictures tell: those that the model carries, or the collection's held-out ones.

Measured with the base model: 150 prints and paintings reach .18 (one drawing .34), 30 drawn
engravings .19; noise and plain paper 1.0 and more, pages of text .42 to .48, screens of programs
.19 to .62.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.memorisation import thumbnail_features
from oneseed.generation.pictures import open_picture

# real pictures on which is measured how far is usual
MEASURED_PICTURES = 64
# share of them that is usual, and how many times as far is strange
USUAL_SHARE = 0.99
STRANGE_TIMES = 1.5
STRANGE = "This is unlike anything that the model has seen, so its drawing may be far off."


def redrawing_distances(
    generator: MultimodalGenerator, images: Sequence[Image.Image]
) -> np.ndarray:
    """How far the model's draft of each picture is from it: (N,), 0 for the same, at most 2."""
    drafts = generator.in_passes(1).reconstruct(images)
    wanted = thumbnail_features(generator.letterboxed(images))
    drawn = thumbnail_features(np.stack([np.asarray(draft) for draft in drafts]))
    return np.linalg.norm(wanted - drawn, axis=1)


def pictures_in_book(generator: MultimodalGenerator, most: int) -> list[Image.Image]:
    """At most so many of the training pictures that the model carries, RGB; [] of most models."""
    if not generator.can_choose_finish:
        return []
    pictures = generator.model.own_picture_book().pictures  # (N, C, S, S)
    chosen = pictures[:: -(-len(pictures) // most)].permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(picture.squeeze()).convert("RGB") for picture in chosen]


def held_out_pictures(
    generator: MultimodalGenerator, data: str | Path, most: int
) -> list[Image.Image]:
    """At most so many pictures that training has not seen; [] where they are not here."""
    collection = Collection(generator.style, data)
    try:
        rows = collection.read_captions()[1]
        chosen = rows[:: max(1, -(-len(rows) // most))]
        return [open_picture(collection.picture(row)) for row in chosen]
    except UserError:
        return []


@functools.lru_cache(2)
def strange_from(generator: MultimodalGenerator, data: str | Path) -> float | None:
    """The distance above which a picture is strange; None where nothing is there to measure it on.

    data: folder of the collections.
    """
    pictures = pictures_in_book(generator, MEASURED_PICTURES)
    pictures = pictures or held_out_pictures(generator, data, MEASURED_PICTURES)
    if not pictures:
        return None
    usual = np.quantile(redrawing_distances(generator, pictures), USUAL_SHARE)
    return STRANGE_TIMES * float(usual)


def is_strange(generator: MultimodalGenerator, image: Image.Image, data: str | Path) -> bool:
    """Is a picture unlike all that the model was taught? No where nobody can tell."""
    limit = strange_from(generator, data)
    return limit is not None and float(redrawing_distances(generator, [image])[0]) > limit
