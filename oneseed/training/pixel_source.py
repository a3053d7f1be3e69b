"""Where a run's pictures lie: in a folder of this machine, or in storage by URL.

    collection = fetch_collection(config)            # of a URL: its lists are copied here
    cache = open_pixels(collection, model_config, config)

What training reads from start to end must be local: captions, ids and checksums, some 300 bytes a
picture. Of the pictures themselves copies are fetched, file by file.
"""

import contextlib
import hashlib
from pathlib import Path

from oneseed.config.model import ModelConfig
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.commands import DEFAULT_DATA
from oneseed.dataset.pixel_layout import CacheLayout
from oneseed.dataset.pixel_store import FileSource, FolderSource
from oneseed.dataset.pixels import PixelCache
from oneseed.storage import Store, is_url

# names of a run's folder, and of what a URL's lists are copied into
CACHE_FOLDER = "cache"
LISTS_FOLDER = "lists"


def training_collection(config: TrainConfig) -> Collection:
    """The collection of a run; of one in storage the copy of its lists, fetched or not."""
    if not is_url(config.data):
        return Collection(config.style, config.data)
    return Collection(config.style, own_folder(config, config.data) / LISTS_FOLDER)


def local_data(config: TrainConfig) -> str:
    """The folder of --data that other commands take; of a URL the one that they have by default."""
    return DEFAULT_DATA if is_url(config.data) else config.data


def own_folder(config: TrainConfig, place: str) -> Path:
    """The folder of copies from one place."""
    room = Path(config.cache_folder or Path(config.checkpoints) / CACHE_FOLDER)
    return room / hashlib.sha256(place.encode()).hexdigest()[:12]


def fetch_collection(config: TrainConfig, size: int) -> Collection:
    """The collection of a run, its lists copied from storage where it lies there.

    size: of the pictures, in pixels. UserError where a list is missing there.
    """
    collection = training_collection(config)
    if not is_url(config.data):
        return collection
    storage = Store.at(config.data)

    def fetch(path: Path) -> None:
        storage.fetch(path.relative_to(collection.data).as_posix(), path)

    try:
        fetch(collection.pixels_ids(size))
        layout = CacheLayout.read(collection, size)
        for number in range(1, len(layout.rows) + 1 if layout else 1):
            fetch(collection.pixels_part(size, number)[1])
        fetch(collection.train)
        fetch(collection.val)
    except UserError as error:
        raise UserError(
            f"{error}; prepare and caption the collection, at {size} px, on one machine, and copy "
            "its data folder to the URL"
        ) from error
    # of earlier versions without one
    with contextlib.suppress(UserError):
        fetch(collection.report)
    return collection


def open_pixels(
    collection: Collection, model_config: ModelConfig, config: TrainConfig
) -> PixelCache:
    """The pictures of a run: mapped where they lie, or copied here as they are needed."""
    size = model_config.image_size
    source: FileSource
    if is_url(config.data):
        folder = collection.processed.relative_to(collection.data).as_posix()
        source = Store.at(f"{config.data}/{folder}")
        place = f"{config.data} {config.style} {size}"
    elif config.cache_limit:
        source = FolderSource(collection.processed)
        place = f"{collection.processed.resolve().as_posix()} {size}"
    else:
        return PixelCache.require(collection, size, model_config.preset)
    folder_of_copies = own_folder(config, place)
    return PixelCache.limited(collection, size, source, folder_of_copies, config.cache_limit)


def files_at_a_time(cache: PixelCache, config: TrainConfig) -> int:
    """Files of the cache whose pictures an epoch mixes at a time; 0: all, in today's order."""
    reader = getattr(cache.array, "reader", None)
    room = getattr(reader, "room", 0) if config.cache_limit else 0
    if config.shuffle_files and room and config.shuffle_files > room:
        raise UserError(
            f"--shuffle-files {config.shuffle_files} are more files than --cache-limit holds, "
            f"which are {room}; give it more, or mix fewer"
        )
    return config.shuffle_files or (max(1, room // 2) if room else 0)
