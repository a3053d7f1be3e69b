"""Two small indexes beside a checkpoint: what seeds give, and what the training pictures look like.

    python inference.py --index 10000                    # once; with a larger number it goes on
    python inference.py --find seeds --prompt "an elephant on a starry night"
    python inference.py --find training --image outputs/000007.png

best_model.seeds.npz, row i is seed i:
    features   float16 (N, D), the mean of what the contrastive loss compares of picture and caption
    cosine     float32 (N,), between the two
    captions   N strings
best_model.training.npz:
    thumbnails float32 (N, 256), features of the training pictures
    threshold  the distance to one of them below which a pair counts as copied
    rows       id, filename and caption of each

Both carry the model's fingerprint: one of another model counts as missing. Texts are JSON in uint8,
so that reading executes nothing.
"""

import contextlib
import functools
import json
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from oneseed.config.base_model import checkpoint_name
from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.commands import draw_command
from oneseed.dataset.jsonl import Row
from oneseed.dataset.pixels import PixelCache
from oneseed.file_names import safe_name
from oneseed.files import sweep_partials, whole_file
from oneseed.generation.index_file import FINGERPRINT, INDEXES, read_index_file
from oneseed.generation.memorisation import (
    FEATURE_SIDE,
    copy_threshold,
    euclidean_distances,
    thumbnail_features,
)
from oneseed.locks import lock_names, locked, require_free
from oneseed.model.caption_source import NONE
from oneseed.tensor_files import UnusableFileError
from oneseed.workers import chunks

if TYPE_CHECKING:
    from oneseed.generation.generator import MultimodalGenerator


# Seeds that a killed run may lose.
SEEDS_BETWEEN_SAVES = 2000
# What a second run may do, as the end of a sentence.
WHEN_INDEXED = "wait until it has ended"
# Held-out pictures whose reconstructions set the threshold.
THRESHOLD_PICTURES = 500
# Training pictures, reconstructions and rows of features compared at once.
THUMBNAILS_AT_ONCE = 256
RECONSTRUCTIONS_AT_ONCE = 32
FEATURES_AT_ONCE = 8192


# ---- the files -----------------------------------------------------------------------------------


def index_path(generator: "MultimodalGenerator", kind: str) -> Path:
    """Where the index lies. kind: "seeds" or "training"."""
    return generator.checkpoint.with_suffix(f".{kind}.npz")


@contextlib.contextmanager
def locked_index(generator: "MultimodalGenerator") -> Generator[None]:
    """Within the block this process alone writes the indexes of a checkpoint, nor does a shard.

    What killed runs have left half-written goes. InUseError where another run writes them.
    """
    checkpoint = generator.checkpoint
    name = index_lock(checkpoint)
    what = f"the index of {checkpoint.as_posix()}"
    with locked(checkpoint.parent, name, what=what, remedy=WHEN_INDEXED):
        for shard in lock_names(checkpoint.parent, rf"{re.escape(name)}_\d+_of_\d+"):
            require_free(checkpoint.parent, shard, what=what, remedy=WHEN_INDEXED)
        try:
            yield
        finally:
            for kind in ("seeds", "training"):
                path = index_path(generator, kind)
                sweep_partials(path.parent, of=path.name)


def index_lock(checkpoint: Path) -> str:
    """The name of the lock of a checkpoint's indexes."""
    return f"{safe_name(checkpoint.stem)}_index"


def encode_texts(values: list[Any]) -> np.ndarray:
    """JSON-like values -> uint8 (N,), their JSON text."""
    return np.frombuffer(json.dumps(values, ensure_ascii=False).encode(), np.uint8)


@functools.lru_cache(4)
def read_index(
    path: Path, fingerprint: str, changed: int, *, kind: str, dimensions: int
) -> dict[str, Any] | None:
    """The arrays of an index by name, texts as what they say; None for that of another model.

    changed: the file's time, so that a new one is read anew. kind: "seeds" or "training".
    dimensions: length of its features. UserError where the file is damaged.
    """
    kinds, require_whole = INDEXES[kind]
    try:
        # first alone: that of another model is as good as none, whatever else it holds
        owner = read_index_file(path, {"fingerprint": FINGERPRINT})
        if str(owner["fingerprint"]) != fingerprint:
            return None
        found = read_index_file(path, kinds)
        require_whole(found, dimensions)
    except UnusableFileError as error:
        raise UserError(
            f"{path} is damaged or no index ({error}); remove it and build it again: "
            f"{draw_command(path.with_suffix('').with_suffix('.pt'), '--index 10000')}"
        ) from error
    return found


def load_index(generator: "MultimodalGenerator", kind: str) -> dict[str, Any] | None:
    """The index as read_index gives it, None where there is none for this model.

    kind: "seeds" or "training".
    """
    path = index_path(generator, kind)
    if not path.exists():
        return None
    dimensions = generator.dimensions if kind == "seeds" else FEATURE_SIDE**2
    changed = path.stat().st_mtime_ns
    return read_index(path, generator.fingerprint, changed, kind=kind, dimensions=dimensions)


def save_index(generator: "MultimodalGenerator", kind: str, **arrays: Any) -> Path:
    """Writes an index with the model's fingerprint -> its path."""
    path = index_path(generator, kind)
    with whole_file(path) as partial, open(partial, "wb") as file:
        np.savez(file, fingerprint=np.array(generator.fingerprint), **arrays)
    return path


def existing_index(generator: "MultimodalGenerator", kind: str) -> dict[str, Any]:
    """As load_index; UserError where there is none."""
    found = load_index(generator, kind)
    if found is None:
        what = "seeds" if kind == "seeds" else "the training pictures"
        name = checkpoint_name(generator.checkpoint)
        raise UserError(
            f"there is no index of {what} beside {name} that belongs to it; "
            f"build it once: {draw_command(generator.checkpoint, '--index 10000')}"
        )
    return found


# ---- seeds ---------------------------------------------------------------------------------------


def index_seeds(
    generator: "MultimodalGenerator",
    count: int,
    batch_size: int = 32,
    *,
    seeds_between_saves: int = SEEDS_BETWEEN_SAVES,
) -> Path:
    """Draws the seeds 0 to count - 1 into the index, from where it stands -> its path."""
    growth = grow_seeds(generator, count, batch_size, seeds_between_saves=seeds_between_saves)
    with progress(label="indexing seeds", total=count, unit="seed") as bar:
        for done in growth:
            bar.update(done - bar.n)
    return index_path(generator, "seeds")


def grow_seeds(
    generator: "MultimodalGenerator",
    count: int,
    batch_size: int = 32,
    *,
    seeds_between_saves: int = SEEDS_BETWEEN_SAVES,
) -> Iterator[int]:
    """As index_seeds; yields after each batch how many seeds are drawn."""
    known = load_index(generator, "seeds")
    if known and len(known["captions"]) >= count:
        return
    with locked_index(generator):
        yield from grow_locked_seeds(
            generator, count, batch_size, seeds_between_saves=seeds_between_saves
        )


def grow_locked_seeds(
    generator: "MultimodalGenerator", count: int, batch_size: int, *, seeds_between_saves: int
) -> Iterator[int]:
    """`grow_seeds`, while no other run writes an index of this checkpoint."""

    def save(arrays: dict[str, Any]) -> None:
        save_index(generator, "seeds", **arrays)

    yield from draw_seeds(
        generator,
        range(count),
        load_index(generator, "seeds"),
        save,
        batch_size=batch_size,
        seeds_between_saves=seeds_between_saves,
    )


def draw_seeds(
    generator: "MultimodalGenerator",
    seeds: range,
    known: dict[str, Any] | None,
    save: Callable[[dict[str, Any]], None],
    *,
    batch_size: int,
    seeds_between_saves: int = SEEDS_BETWEEN_SAVES,
) -> Iterator[int]:
    """Draws the seeds that are not known yet; yields after each batch how many are there.

    known: the arrays of the first of them, None: of none. save: gets the arrays of all so far, now
    and then, at the end, and where somebody stops it.
    """
    features = [known["features"]] if known else []
    cosines = [known["cosine"]] if known else []
    captions = list(known["captions"]) if known else []
    saved = len(captions)

    def save_all() -> None:
        nonlocal saved
        saved = len(captions)
        # a batch may have been stopped between its features and its captions
        arrays = {
            "features": np.concatenate(features)[:saved],
            "cosine": np.concatenate(cosines)[:saved],
        }
        save({**arrays, "captions": encode_texts(captions)})

    try:
        while len(captions) < len(seeds):
            start = len(captions)
            pairs = generator.generate_batch(seeds[start : start + batch_size])
            new_captions = [caption for _, caption in pairs]
            of_pictures = generator.picture_features([image for image, _ in pairs])  # (B, D)
            of_captions = of_pictures
            if generator.caption_source != NONE:
                of_captions = generator.caption_features(new_captions)  # (B, D)
            features.append(((of_pictures + of_captions) / 2).half().numpy())
            cosines.append((of_pictures * of_captions).sum(1).numpy())
            captions += new_captions
            passed_a_save = len(captions) // seeds_between_saves > start // seeds_between_saves
            if passed_a_save or len(captions) == len(seeds):
                save_all()
            yield len(captions)
    except (GeneratorExit, KeyboardInterrupt):
        if len(captions) > saved:
            save_all()
        raise


def find_seeds(
    generator: "MultimodalGenerator", feature: torch.Tensor, count: int = 10
) -> list[Row]:
    """The best of the indexed seeds, the best first: {"seed", "caption", "score", "match"} each.

    feature: (1, D), of a text or a picture, of length 1.
    The score is the mean of its cosines with picture and caption, -1 to 1: a pair that says it
    twice comes first. UserError where there is no index.
    """
    found = existing_index(generator, "seeds")
    query = feature[0].numpy()  # (D,)
    parts = chunks(found["features"], FEATURES_AT_ONCE)
    scores = np.concatenate([part.astype(np.float32) @ query for part in parts])  # (N,)
    best = np.argsort(-scores, kind="stable")[:count]
    return [
        {
            "seed": int(seed),
            "caption": found["captions"][seed],
            "score": round(float(scores[seed]), 4),
            "match": generator.percentile(found["cosine"][seed]),
        }
        for seed in best
    ]


# ---- training pictures ---------------------------------------------------------------------------


def training_folder(generator: "MultimodalGenerator", data: Path | str = "data") -> Path:
    """Where the training pictures lie, on the machine that has them."""
    return Collection(generator.style, data).resized


def index_training(generator: "MultimodalGenerator", data: Path | str = "data") -> tuple[Path, int]:
    """Indexes the training pictures -> (path of the index, how many pictures).

    UserError where the collection is not on this machine, or another run writes an index.
    """
    with locked_index(generator):
        return index_collection(generator, Collection(generator.style, data))


def index_collection(generator: "MultimodalGenerator", collection: Collection) -> tuple[Path, int]:
    """`index_training`, while no other run writes an index of this checkpoint."""
    size = generator.model.config.image_size
    train, val = collection.read_captions()
    cache = PixelCache.require(collection, size)
    train = [row for row in train if row["id"] in cache]
    val = [row for row in val if row["id"] in cache]
    if not (train and val):
        raise UserError(
            f"{collection.pixels(size)} holds none of the captioned pictures; "
            f"deal the pairs again: {collection.deal_command(collection.read_metadata())}"
        )
    batches = progress(chunks(train, THUMBNAILS_AT_ONCE), label="training pictures", unit="batch")
    features = []
    for batch in batches:
        ids = [row["id"] for row in batch]
        features.append(thumbnail_features(cache.pictures(ids)))
    thumbnails = np.concatenate(features)  # (N, 256)
    threshold = reconstruction_threshold(generator, cache, val, thumbnails)
    rows = [
        {"id": row["id"], "filename": row["filename"], "caption": row["caption"]} for row in train
    ]
    path = save_index(
        generator,
        "training",
        thumbnails=thumbnails,
        threshold=threshold,
        rows=encode_texts(rows),
    )
    return path, len(train)


def reconstruction_threshold(
    generator: "MultimodalGenerator", cache: PixelCache, val: list[Row], thumbnails: np.ndarray
) -> float:
    """The distance to a training picture that reconstructions of held-out pictures seldom reach.

    val: rows of held-out pictures. thumbnails: (N, 256), features of the training pictures.
    """
    chosen = np.unique(np.linspace(0, len(val) - 1, THRESHOLD_PICTURES).astype(int))
    pixels = cache.pictures(val[i]["id"] for i in chosen)
    rebuilt = generator.reconstruct([Image.fromarray(picture) for picture in pixels])
    features = thumbnail_features(np.stack([np.asarray(image) for image in rebuilt]))
    # No part may be empty, and all are of nearly one length.
    parts = np.array_split(features, -(-len(features) // RECONSTRUCTIONS_AT_ONCE))
    nearest = [euclidean_distances(part, thumbnails).amin(1).numpy() for part in parts]
    return copy_threshold(np.concatenate(nearest))


def nearest_training(
    generator: "MultimodalGenerator", pixels: np.ndarray, count: int = 3
) -> list[list[Row]]:
    """For each picture the nearest training pictures, the nearest first.

    pixels: uint8 (N, S, S, 3).
    Each is {"id", "filename", "caption", "distance", "memorised"}. UserError where there is no
    index.
    """
    found = existing_index(generator, "training")
    distances = euclidean_distances(thumbnail_features(pixels), found["thumbnails"])  # (N, M)
    nearest = distances.topk(min(count, distances.shape[1]), largest=False)
    found_rows = []
    for rows, row_distances in zip(nearest.indices.tolist(), nearest.values.tolist()):
        found_rows.append(
            [
                {
                    **found["rows"][row],
                    "distance": round(distance, 4),
                    "memorised": bool(distance < found["threshold"]),
                }
                for row, distance in zip(rows, row_distances)
            ]
        )
    return found_rows


def near_training(
    generator: "MultimodalGenerator", images: Sequence[Image.Image]
) -> list[str | None]:
    """For each PIL image the id of the training picture that it is too near to, or None.

    All are None where there is no index.
    """
    if load_index(generator, "training") is None:
        return [None] * len(images)
    pixels = generator.letterboxed(images)
    nearest = [rows[0] for rows in nearest_training(generator, pixels, 1)]
    return [row["id"] if row["memorised"] else None for row in nearest]
