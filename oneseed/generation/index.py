"""Which seeds, and which training pictures, are nearest.

Two small indexes beside a checkpoint: which seeds give what, and how near a picture comes to what the model was trained on.

    python inference.py --index 10000                                  # once; with a larger number it goes on
    python inference.py --find seeds --prompt "an elephant at night"
    python inference.py --find training --image outputs/000007.png

best_model.seeds.npz      row i is seed i: features float16 (N, D), the mean of what the contrastive loss compares of picture and caption; cosine float32 (N,)
                          between the two; captions
best_model.training.npz   thumbnails float32 (N, 256) of the training pictures; threshold, the distance below which a pair counts as copied; rows: id, filename
                          and caption of each

Both carry the model's fingerprint: one of another model counts as missing. Texts are JSON in uint8, so that reading executes nothing.
"""

import functools
import json
import zipfile

import numpy as np
import torch
from PIL import Image

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.pixels import PixelCache
from oneseed.files import whole_file
from oneseed.generation.memorisation import thumbnail_features

# seeds, so that a killed run goes on
SAVED_EVERY = 2000
# held-out pictures whose reconstructions set the threshold
INDEX_BATCH = 500


def folder_of(generator, data="data"):
    """Where the training pictures lie, on the machine that has them."""
    return Collection(generator.style, data).resized


def encode_texts(values):
    return np.frombuffer(json.dumps(values, ensure_ascii=False).encode(), np.uint8)


@functools.lru_cache(4)
def read_index(path, fingerprint, changed):
    """-> dict of arrays, texts as what they say; None where the file belongs to another model. changed: the file's time, so that a new one is read anew."""
    try:
        with np.load(path) as file:
            if str(file["fingerprint"]) != fingerprint:
                return None
            return {
                name: json.loads(array.tobytes()) if array.dtype == np.uint8 else array
                for name, array in file.items()
            }
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
    ) as error:
        raise UserError(
            f"{path} is damaged or no index ({type(error).__name__}); remove it and build it again: python inference.py --index 10000"
        ) from error


def load_index(generator, kind):
    """kind: seeds or training -> the index as read() gives it, None where there is none for this model."""
    path = generator.checkpoint.with_suffix(f".{kind}.npz")
    return (
        read_index(path, generator.fingerprint, path.stat().st_mtime_ns) if path.exists() else None
    )


def save_index(generator, kind, **arrays):
    path = generator.checkpoint.with_suffix(f".{kind}.npz")
    with whole_file(path) as partial, open(partial, "wb") as file:
        np.savez(file, fingerprint=np.array(generator.fingerprint), **arrays)
    return path


def existing_index(generator, kind):
    found = load_index(generator, kind)
    if found is None:
        raise UserError(
            f"there is no index of {'seeds' if kind == 'seeds' else 'the training pictures'} beside {generator.checkpoint} that belongs to it; build it once: "
            f"python inference.py --index 10000 --checkpoint {generator.checkpoint}"
        )
    return found


def index_seeds(generator, count, batch=32):
    """Draws the seeds 0 to count - 1 into the index, from where it stands -> its path."""
    with progress(label="indexing seeds", total=count, unit="seed") as bar:
        for done in grow_seeds(generator, count, batch):
            bar.update(done - bar.n)
    return generator.checkpoint.with_suffix(".seeds.npz")


def grow_seeds(generator, count, batch=32):
    """The same as a generator of how many seeds are drawn."""
    known = load_index(generator, "seeds")
    features, cosines, captions = (
        ([known["features"]], [known["cosine"]], list(known["captions"])) if known else ([], [], [])
    )

    def store():
        return save_index(
            generator,
            "seeds",
            features=np.concatenate(features),
            cosine=np.concatenate(cosines),
            captions=encode_texts(captions),
        )

    while len(captions) < count:
        start = len(captions)
        pairs = generator.generate_batch(range(start, min(start + batch, count)))
        seen = generator.picture_features([image for image, _ in pairs])
        told = generator.caption_features([caption for _, caption in pairs])
        features.append(((seen + told) / 2).half().numpy())
        cosines.append((seen * told).sum(1).numpy())
        captions += [caption for _, caption in pairs]
        if len(captions) // SAVED_EVERY > start // SAVED_EVERY or len(captions) == count:
            store()
        yield len(captions)


def find_seeds(generator, feature, count=10):
    """feature (1, D) of a text or a picture -> the `count` best seeds, {"seed", "caption", "score", "match"} each. The score is the mean of the cosines with
    picture and caption: a pair that says it twice comes first."""
    found = existing_index(generator, "seeds")
    features = found["features"]
    one = feature[0].numpy()
    scores = np.concatenate(
        [
            features[start : start + 8192].astype(np.float32) @ one
            for start in range(0, len(features), 8192)
        ]
    )
    return [
        {
            "seed": int(seed),
            "caption": found["captions"][seed],
            "score": round(float(scores[seed]), 4),
            "match": generator.percentile(found["cosine"][seed]),
        }
        for seed in np.argsort(-scores, kind="stable")[:count]
    ]


def thumbnail_distances(thumbs, known):
    """(N, 256), (M, 256) -> (N, M), as realism.memorised has them."""
    return torch.cdist(
        torch.as_tensor(thumbs), torch.as_tensor(known), compute_mode="donot_use_mm_for_euclid_dist"
    )


def index_training(generator, data="data"):
    """Thumbnails of the training pictures, and the distance to the nearest of them that one in a hundred reconstructions of held-out pictures falls below
    -> (path, how many pictures). UserError where the collection is not on this machine."""
    collection = Collection(generator.style, data)
    size = generator.model.config.image_size
    train, val = collection.read_captions()
    cache = PixelCache.of(collection, size)
    if cache is None:
        raise UserError(
            f"{collection.pixels(size)} is missing; prepare the pictures again: python dataset_preparation.py --style {generator.style}"
        )
    train = [row for row in train if row["id"] in cache]
    val = [row for row in val if row["id"] in cache]
    if not (train and val):
        raise UserError(
            f"{collection.pixels(size)} holds none of the captioned pictures; write the captions again: python caption_generation.py --style {generator.style}"
        )
    thumbs = np.concatenate(
        [
            thumbnail_features(cache.pictures(row["id"] for row in train[start : start + 256]))
            for start in progress(
                range(0, len(train), 256), label="training pictures", unit="batch"
            )
        ]
    )
    held_out = [
        Image.fromarray(cache.array[cache.row_of[val[i]["id"]]])
        for i in np.unique(np.linspace(0, len(val) - 1, INDEX_BATCH).astype(int))
    ]
    rebuilt = thumbnail_features(
        np.stack([np.asarray(image) for image in generator.reconstruct(held_out)])
    )
    near = np.concatenate(
        [
            thumbnail_distances(part, thumbs).amin(1).numpy()
            for part in np.array_split(rebuilt, -(-len(rebuilt) // 32))
        ]
    )
    return save_index(
        generator,
        "training",
        thumbnails=thumbs,
        threshold=np.quantile(near, 0.01),
        rows=encode_texts(
            [{name: row[name] for name in ("id", "filename", "caption")} for row in train]
        ),
    ), len(train)


def nearest_training(generator, pixels, count=3):
    """uint8 (N, S, S, 3) -> for each the `count` nearest training pictures, {"id", "filename", "caption", "distance", "memorised"} each."""
    found = existing_index(generator, "training")
    near = thumbnail_distances(thumbnail_features(pixels), found["thumbnails"])
    distance, place = near.topk(min(count, near.shape[1]), largest=False)
    return [
        [
            {**found["rows"][j], "distance": round(d, 4), "memorised": bool(d < found["threshold"])}
            for d, j in zip(row, rows)
        ]
        for row, rows in zip(distance.tolist(), place.tolist())
    ]
