"""Who works on a collection: one preparation or dealing at a time, beside it shares of captions.

    with locked_collection(collection):              # dealing, writing all captions
    with locked_collection(collection, alone=True):  # preparing: no share may run either
    with locked_share(collection, Shard(1, 4)):      # writes captions into a log of its own
    with locked_preparing(collection, Shard(1, 4)):  # prepares pictures, notes them in its journal

A collection's lock lies in data/processed/, a share's in data/captions/, where its log is: the
machine of a share may have the pictures read-only, or a copy of them.
"""

import contextlib
import re
from collections.abc import Generator

from oneseed.config.shards import Shard
from oneseed.dataset.collection import Collection
from oneseed.file_names import safe_name
from oneseed.files import sweep_partials
from oneseed.locks import lock_names, locked, require_free

# as the end of a sentence
WHEN_IT_HAS_ENDED = "run this command again when that one has ended, or end it with Ctrl-C there"


@contextlib.contextmanager
def locked_collection(
    collection: Collection,
    *,
    alone: bool = False,
    may_only_read: bool = False,
    what: str = "",
    remedy: str = WHEN_IT_HAS_ENDED,
    wait: float | None = None,
) -> Generator[None]:
    """Within the block this process alone changes the collection.

    alone: nor may a share of its captions be written meanwhile, which reads the pictures. What
    killed runs have left half-written goes, before and after. what: as a sentence begins, ""
    for a command. may_only_read, wait and InUseError as in locks.locked.
    """
    folder = collection.processed.parent
    what = what or named_collection(collection)
    with locked(
        folder,
        safe_name(collection.style),
        remedy=remedy,
        what=what,
        wait=wait,
        may_only_read=may_only_read,
    ):
        if alone:
            require_free_shares(collection, what, remedy)
            require_free_preparing(collection, what, remedy)
        try:
            sweep_collection(collection)
            yield
        finally:
            sweep_collection(collection)


@contextlib.contextmanager
def locked_preparing(collection: Collection, shard: Shard) -> Generator[None]:
    """Within the block this process alone prepares the pictures of a shard.

    InUseError where another one does, where the collection is being changed, or its captions are
    being written.
    """
    folder = collection.processed.parent
    name = safe_name(collection.style)
    what = named_collection(collection)
    with locked(
        folder,
        f"{name}_preparing_{shard.number}_of_{shard.count}",
        what=f"{what}, shard {shard},",
        remedy=WHEN_IT_HAS_ENDED,
    ):
        require_free(folder, name, what=what, remedy=WHEN_IT_HAS_ENDED, wait=None)
        require_free_shares(collection, what, WHEN_IT_HAS_ENDED)
        yield


@contextlib.contextmanager
def locked_share(collection: Collection, share: Shard) -> Generator[None]:
    """Within the block this process alone writes the captions of a share, of the pictures there.

    InUseError where the same share is being written, or the collection changed.
    """
    number, count = share
    folder = collection.train.parent
    name = safe_name(collection.style)
    what = named_collection(collection)
    with locked(
        folder,
        f"{name}_shard_{number}_of_{count}",
        what=f"{what}, share {number}/{count},",
        remedy=WHEN_IT_HAS_ENDED,
    ):
        require_free(
            collection.processed.parent, name, what=what, remedy=WHEN_IT_HAS_ENDED, wait=None
        )
        require_free_preparing(collection, what, WHEN_IT_HAS_ENDED)
        try:
            yield
        finally:
            sweep_partials(folder)


def named_collection(collection: Collection) -> str:
    """The collection for a sentence."""
    return f"the collection {collection.style} in {collection.data.as_posix()}"


def require_free_shares(collection: Collection, what: str, remedy: str) -> None:
    """InUseError where a share of the captions is being written. what, remedy: for its sentence."""
    folder = collection.train.parent
    style = re.escape(safe_name(collection.style))
    for name in lock_names(folder, rf"{style}_shard_\d+_of_\d+"):
        part = f"{what}, share {name.rpartition('_shard_')[2].replace('_of_', '/')},"
        require_free(folder, name, what=part, remedy=remedy)


def require_free_preparing(collection: Collection, what: str, remedy: str) -> None:
    """InUseError where a shard is being prepared. what, remedy: for its sentence."""
    folder = collection.processed.parent
    style = re.escape(safe_name(collection.style))
    for name in lock_names(folder, rf"{style}_preparing_\d+_of_\d+"):
        part = f"{what}, shard {name.rpartition('_preparing_')[2].replace('_of_', '/')},"
        require_free(folder, name, what=part, remedy=remedy)


def sweep_collection(collection: Collection) -> None:
    """Removes what killed runs have left half-written in the folders of the collection.

    Not of resized/, which preparing looks through itself.
    """
    sweep_partials(
        collection.processed,
        collection.metadata.parent,
        collection.train.parent,
    )
