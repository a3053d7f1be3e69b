"""A map of seeds: small pictures of many, those that say alike beside each other.

    for known in grow_map(generator, load_map(generator), 2000):
        ...                                     # may be left at any time
    save_map(generator, known)
    sheet, seeds = mosaic(known)

best_model.map.npz, beside the checkpoint, row i is seed i:
    tiles      uint8 (N, TILE_SIDE, TILE_SIDE, 1 or 3)
    features   float16 (N, D), what the contrastive loss compares of the pictures
    captions   N strings

The two directions of the map are the two in which the features differ most. Features that differ
little lie in the middle, one upon the other; so only their order counts: the map's columns are
equally full from left to right, and each from top to bottom.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from oneseed.console.command import UserError
from oneseed.file_names import safe_name
from oneseed.generation.index import encode_texts, index_path, load_index, save_index
from oneseed.generation.index_file import FINGERPRINT, INDEXES, read_index_file
from oneseed.locks import locked
from oneseed.tensor_files import UnusableFileError

if TYPE_CHECKING:
    from oneseed.generation.generator import MultimodalGenerator

# seeds of a map, at most, and of one that is drawn where none are indexed
MOST_SEEDS = 2000
FIRST_SEEDS = 240
# pixels
TILE_SIDE = 48
# seeds that are drawn together, after which a map may be left
SEEDS_AT_ONCE = 24
# of a map's columns to its rows
ASPECT = 1.5
# … which may be so many times more or fewer
LEEWAY = 1.25


@dataclass(frozen=True)
class SeedMap:
    """The seeds from 0 on, as far as they are drawn."""

    # uint8 (N, TILE_SIDE, TILE_SIDE, 1 or 3)
    tiles: np.ndarray
    # float16 (N, D)
    features: np.ndarray
    captions: list[str]

    def __len__(self) -> int:
        return len(self.captions)


# ---- drawing and keeping -------------------------------------------------------------------------


def wanted_seeds(generator: "MultimodalGenerator") -> int:
    """How many seeds the map should have: those that are indexed, up to MOST_SEEDS.

    FIRST_SEEDS where none are. UserError where the index is damaged.
    """
    found = load_index(generator, "seeds")
    return min(MOST_SEEDS, len(found["captions"])) if found else FIRST_SEEDS


def grow_map(
    generator: "MultimodalGenerator", known: SeedMap | None, count: int
) -> Iterator[SeedMap]:
    """Draws the seeds that a map lacks up to `count`; yields the map after each batch.

    known: None for an empty one.
    """
    drawn = [known] if known else []
    done = len(known) if known else 0
    while done < count:
        seeds = range(done, min(done + SEEDS_AT_ONCE, count))
        drawn.append(draw_part(generator, seeds))
        done += len(seeds)
        drawn = [joined_parts(drawn)]
        yield drawn[0]


def draw_part(generator: "MultimodalGenerator", seeds: range) -> SeedMap:
    """These seeds as a map of their own."""
    pairs = generator.generate_batch(seeds)
    images = [image for image, _ in pairs]
    mode = "L" if generator.grey else "RGB"
    tiles = [tile_of(image, mode) for image in images]
    return SeedMap(
        tiles=np.stack(tiles),
        features=generator.picture_features(images).half().numpy(),
        captions=[caption for _, caption in pairs],
    )


def tile_of(image: Image.Image, mode: str) -> np.ndarray:
    """A square picture -> uint8 (TILE_SIDE, TILE_SIDE, 1 or 3). mode: "L" or "RGB"."""
    size = (TILE_SIDE, TILE_SIDE)
    small = image.convert(mode).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(small).reshape(TILE_SIDE, TILE_SIDE, -1)


def joined_parts(parts: list[SeedMap]) -> SeedMap:
    """Maps of seeds that follow on each other, as one."""
    return SeedMap(
        tiles=np.concatenate([part.tiles for part in parts]),
        features=np.concatenate([part.features for part in parts]),
        captions=[caption for part in parts for caption in part.captions],
    )


def load_map(generator: "MultimodalGenerator") -> SeedMap | None:
    """The map that was kept, None where there is none of this model. UserError: it is damaged."""
    path = index_path(generator, "map")
    if not path.exists():
        return None
    kinds, require_whole = INDEXES["map"]
    try:
        owner = read_index_file(path, {"fingerprint": FINGERPRINT})
        if str(owner["fingerprint"]) != generator.fingerprint:
            return None
        found = read_index_file(path, kinds)
        require_whole(found, generator.dimensions)
        channels = 1 if generator.grey else 3
        if found["tiles"].shape[1:] != (TILE_SIDE, TILE_SIDE, channels):
            raise UnusableFileError("its tiles are of another size")
    except UnusableFileError as error:
        raise UserError(
            f"{path} is damaged or no map ({error}); remove it, and the page draws it again"
        ) from error
    return SeedMap(found["tiles"], found["features"], found["captions"])


def save_map(generator: "MultimodalGenerator", known: SeedMap) -> Path:
    """Keeps a map beside the checkpoint -> its path. InUseError where another run writes it."""
    folder = generator.checkpoint.parent
    name = f"{safe_name(generator.checkpoint.stem)}_map"
    with locked(folder, name, what="the map of seeds", remedy="wait until it has ended"):
        return save_index(
            generator,
            "map",
            tiles=known.tiles,
            features=known.features,
            captions=encode_texts(list(known.captions)),
        )


# ---- the map as one picture ----------------------------------------------------------------------


def mosaic(known: SeedMap) -> tuple[Image.Image, list[list[int]]]:
    """A map -> its sheet of tiles, and the seeds of its columns, each from top to bottom.

    Column c, row r of the sheet begins at pixel (c, r) times TILE_SIDE; what lies below the last
    seed of a column is white.
    """
    columns = arranged(known.features)
    height = max(map(len, columns))
    channels = known.tiles.shape[-1]
    shape = (height, len(columns), TILE_SIDE, TILE_SIDE, channels)
    sheet = np.full(shape, 255, np.uint8)
    for place, seeds in enumerate(columns):
        sheet[: len(seeds), place] = known.tiles[seeds]
    pixels = sheet.swapaxes(1, 2).reshape(height * TILE_SIDE, len(columns) * TILE_SIDE, channels)
    return Image.fromarray(pixels if channels == 3 else pixels[..., 0]), columns


def arranged(features: np.ndarray) -> list[list[int]]:
    """Features (N, D) -> the seeds of each column, from left to right and from top to bottom."""
    across, down = leading_coordinates(features)
    parts = np.array_split(np.argsort(across, kind="stable"), column_count(len(features)))
    return [seeds[np.argsort(down[seeds], kind="stable")].tolist() for seeds in parts]


def column_count(seeds: int) -> int:
    """How many columns a map of so many seeds has: about ASPECT times its rows.

    Of the numbers near to that, the one that leaves the fewest places of the last row empty.
    """
    usual = math.sqrt(seeds * ASPECT)
    near = range(max(1, math.floor(usual / LEEWAY)), min(seeds, math.ceil(usual * LEEWAY)) + 1)
    return min(near, key=lambda columns: (-seeds % columns, abs(columns - usual)))


def leading_coordinates(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, D) -> their two principal coordinates, float64 (N,) each."""
    rows = features.astype(np.float64)
    rows -= rows.mean(0)
    _, directions = np.linalg.eigh(rows.T @ rows)  # the largest last
    leading = directions[:, -2:]  # (D, 2)
    # an eigenvector may as well point the other way: so that a map is the same everywhere
    largest = leading[np.abs(leading).argmax(0), [0, 1]]
    down, across = (rows @ (leading * np.sign(largest))).T
    return across, down
