"""Pairs by the hundred thousand, in a few large files that training tools read.

    python inference.py --count 100000 --out pairs                    # WebDataset, in .tar files
    python inference.py --count 100000 --out pairs --format parquet
    python inference.py --count 100000 --out pairs --shard 2/4        # every fourth file

Writes  OUT/.order.json       what was asked for; hidden, since `datasets` reads every other file
        OUT/0000001000.tar    the pairs of the seeds from 1000 on, or .parquet

A tar file holds 0000001007.png, .txt and .json for seed 1007. A Parquet file has the columns image,
text, caption_source, seed, cosine, match and near_training. A file is there whole or not at all, so
a killed run goes on after the last one, and any machine may take any share.
"""

import contextlib
import itertools
import json
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from oneseed.config.shards import WHOLE
from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.containers import parquet_writer, pyarrow_parquet, tar_writer
from oneseed.dataset.jsonl import read_json
from oneseed.dataset.shard_notes import ShardNotes
from oneseed.files import sweep_partials, whole_file, write_text
from oneseed.generation.bulk_places import Place
from oneseed.generation.cards import CardFacts, signed_card
from oneseed.locks import lock_names, locked, require_free

# Batches that may wait to be encoded while a GPU makes the next: memory stays flat.
BATCHES_AHEAD = 4
# The name of the lock of all files; that of a share of them is "pairs_1_of_4".
FILES_LOCK = "pairs"
# What a second run may do, as the end of a sentence.
OTHER_OUT = "wait until it has ended, or name another folder: --out DIR"
# Seconds that a run waits until another one has noted its order.
ORDER_PATIENCE = 10.0
# Columns of a Parquet file beside image and text -> Arrow's names of their types.
SHARD_COLUMNS = {
    "caption_source": "string",
    "seed": "int64",
    "cosine": "float32",
    "match": "int32",
    "near_training": "string",
}

Order = dict[str, Any]
EncodedPair = tuple[CardFacts, bytes]
MakePairs = Callable[[Sequence[int]], list[tuple[CardFacts, Image.Image]]]


@dataclass(frozen=True)
class PairFile:
    """One of the large files."""

    path: Path
    seeds: range  # of its pairs


@dataclass(frozen=True)
class ShardFormat:
    """How a large file is written."""

    suffix: str  # of its name
    # Path -> a context that gives the function that adds to the file.
    open_writer: Callable[[Path], AbstractContextManager[Callable[..., None]]]
    # Adds some encoded pairs with that function.
    add_pairs: Callable[[Callable[..., None], Sequence[EncodedPair]], None]


def file_stem(facts: CardFacts) -> str:
    """A name for a pair, by the seed that was asked for: --best-of may give two pairs one seed."""
    return f"{facts.get('first_seed', facts['seed']):010d}"


def add_to_tar(add: Callable[..., None], pairs: Sequence[EncodedPair]) -> None:
    """Adds three members per pair: .png, .txt and .json."""
    for facts, png in pairs:
        name = file_stem(facts)
        add(f"{name}.png", png)
        add(f"{name}.txt", facts["caption"].encode())
        add(f"{name}.json", json.dumps(facts, ensure_ascii=False).encode())


def pair_parquet_writer(path: Path) -> AbstractContextManager[Callable[..., None]]:
    """A context that gives the function that adds rows to the Parquet file."""
    return parquet_writer(path, SHARD_COLUMNS)


def add_to_parquet(add: Callable[..., None], pairs: Sequence[EncodedPair]) -> None:
    """Adds a row per pair."""
    rows = []
    for facts, png in pairs:
        image = {"bytes": png, "path": f"{file_stem(facts)}.png"}
        columns = {name: facts.get(name) for name in SHARD_COLUMNS}
        rows.append({"image": image, "text": facts["caption"], **columns})
    add(rows)


SHARD_FORMATS = {
    "webdataset": ShardFormat(".tar", tar_writer, add_to_tar),
    "parquet": ShardFormat(".parquet", pair_parquet_writer, add_to_parquet),
}


def shards_of(out: Path, order: Order, suffix: str) -> list[PairFile]:
    """All files of an order."""
    first = order["first"]
    end = first + order["count"]
    size = order["pairs_per_file"]
    return [
        PairFile(out / f"{start:010d}{suffix}", range(start, min(start + size, end)))
        for start in range(first, end, size)
    ]


def require_same_order(order_file: Path, order: Order) -> None:
    """UserError where the folder holds the pairs of another order, or part of them."""
    if not order_file.exists():
        return
    held = read_json(order_file)
    if held == order:
        return
    if not isinstance(held, dict):
        raise UserError(
            f"{order_file} does not say which pairs lie there; name another folder: --out DIR"
        )
    different = ", ".join(
        f"{name} {held.get(name)!r:.60}, not {value!r}"
        for name, value in order.items()
        if held.get(name) != value
    )
    raise UserError(
        f"{order_file.parent} holds another order ({different}); name another folder: --out DIR"
    )


@contextlib.contextmanager
def locked_files(out: Path, share: tuple[int, int]) -> Generator[None]:
    """Within the block this process alone writes a share of the files. share: (i, n).

    Who writes all of them, share 1 of 1, excludes the others. InUseError where another run has it.
    """
    number, count = share
    name = f"{FILES_LOCK}_{number}_of_{count}" if count > 1 else FILES_LOCK
    with locked(out, name, what=named_share(out, name), remedy=OTHER_OUT, may_only_read=True):
        for other in lock_names(out, rf"{FILES_LOCK}(?:_\d+_of_\d+)?"):
            if other != name and FILES_LOCK in (name, other):
                require_free(out, other, what=named_share(out, other), remedy=OTHER_OUT)
        try:
            sweep_partials(out)
            yield
        finally:
            sweep_partials(out)


def named_share(out: Path, name: str) -> str:
    """What a lock is of, for a sentence."""
    if name == FILES_LOCK:
        return out.as_posix()
    share = name.removeprefix(f"{FILES_LOCK}_").replace("_of_", "/")
    return f"share {share} of {out.as_posix()}"


def claim_order(order_file: Path, order: Order) -> None:
    """Notes what the folder holds. UserError where another run has noted another order by now."""
    if order_file.exists():
        require_same_order(order_file, order)
        return
    folder = order_file.parent
    with locked(folder, "order", remedy="run this command again", wait=ORDER_PATIENCE):
        require_same_order(order_file, order)
        if not order_file.exists():
            write_text(order_file, json.dumps(order, ensure_ascii=False, indent=1) + "\n")


def encoded_batches(
    shards: Sequence[PairFile],
    make: MakePairs,
    pool: ThreadPoolExecutor,
    *,
    batch_size: int,
    grey: bool,
    batches_ahead: int,
) -> Iterator[tuple[Path, list[EncodedPair]]]:
    """Yields (file, encoded pairs) batch by batch; the pool encodes while further ones are made."""
    waiting: deque[tuple[Path, list[Future[EncodedPair]]]] = deque()
    for shard in shards:
        for start in range(0, len(shard.seeds), batch_size):
            pairs = make(shard.seeds[start : start + batch_size])
            futures = [pool.submit(signed_card, image, facts, grey=grey) for facts, image in pairs]
            waiting.append((shard.path, futures))
            if len(waiting) > batches_ahead:
                path, oldest = waiting.popleft()
                yield path, [future.result() for future in oldest]
    for path, futures in waiting:
        yield path, [future.result() for future in futures]


def write_shards(
    out: Path | Place,
    order: Order,
    make: MakePairs,
    *,
    notes: ShardNotes | None = None,
    batch_size: int = 32,
    grey: bool = False,
    batches_ahead: int = BATCHES_AHEAD,
) -> None:
    """Writes the files of one share of an order that are not there yet, and says what it did.

    out: a folder, or another place.
    order: count, first (seed), pairs_per_file, format, and whatever else decides what the pairs
        are: it is compared with what the folder holds.
    make: seeds -> (facts, RGB picture) of each.
    notes: which share is to be written, and which others have begun; None: all files are.
    grey: the PNGs have one channel.
    batches_ahead: batches that may wait to be encoded; 0 where making and encoding want the same
        cores, since waiting ones gain nothing there that could be measured.
    UserError where the folder holds another order, another run writes these files, or pyarrow is
    missing.
    """
    place = out if isinstance(out, Place) else Place(out)
    share = notes.shard if notes else WHOLE
    with locked_files(place.folder, share):
        write_share(
            place,
            order,
            make,
            notes=notes,
            batch_size=batch_size,
            grey=grey,
            batches_ahead=batches_ahead,
        )


def write_share(
    place: Place,
    order: Order,
    make: MakePairs,
    *,
    notes: ShardNotes | None,
    batch_size: int,
    grey: bool,
    batches_ahead: int,
) -> None:
    """`write_shards`, where no other run writes this share."""
    shard_format = SHARD_FORMATS[order["format"]]
    if order["format"] == "parquet":
        # Says what to install before anything is made.
        pyarrow_parquet()
    out = place.folder
    order_file = out / ".order.json"
    place.look(order_file.name)
    require_same_order(order_file, order)

    begin = time.perf_counter()
    all_shards = shards_of(out, order, shard_format.suffix)
    number, shares = notes.shard if notes else WHOLE
    own_shards = all_shards[number - 1 :: shares]
    missing = [shard for shard in own_shards if not place.has(shard.path)]
    if notes and missing and shares == 1:
        notes.require_all(
            lambda share: all_written(place, all_shards[share.number - 1 :: share.count])
        )
    own_pairs = sum(len(shard.seeds) for shard in own_shards)
    missing_pairs = sum(len(shard.seeds) for shard in missing)
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress(
            label="pairs", total=own_pairs, initial=own_pairs - missing_pairs, unit="pair"
        ) as bar,
    ):
        batches = encoded_batches(
            missing, make, pool, batch_size=batch_size, grey=grey, batches_ahead=batches_ahead
        )
        for path, batches_of_file in itertools.groupby(batches, key=lambda batch: batch[0]):
            # Not earlier: an order that cannot be made binds nobody.
            claim_order(order_file, order)
            if not place.has(order_file):
                place.take(order_file)
            if notes:
                notes.begin(notes.shard)
            with whole_file(path) as partial, shard_format.open_writer(partial) as add:
                for _, pairs in batches_of_file:
                    shard_format.add_pairs(add, pairs)
                    bar.update(len(pairs))
            place.take(path)
    seconds = time.perf_counter() - begin
    place.look_again()
    absent = sum(not place.has(shard.path) for shard in all_shards)
    if notes and not absent:
        notes.remove()
    print(written_line(missing_pairs, seconds, place.name, order, absent))


def all_written(place: Place, shards: Sequence[PairFile]) -> bool:
    """Whether all of these files are there."""
    return all(place.has(shard.path) for shard in shards)


def written_line(pairs: int, seconds: float, out: str, order: Order, absent: int) -> str:
    """What was written, and what the folder holds. absent: files that other shares are to write."""
    rate = f", {pairs / seconds:.1f} pairs/s" if pairs else ""
    held = f"all {order['count']:,} now"
    if absent:
        held = f"this share; {absent:,} files of other shares are not here yet"
    return f"{pairs:,} pairs in {seconds:.1f} s{rate}; {out}/ holds {held}"
