"""Very many pairs, in large files, safe to interrupt.

Pairs by the hundred thousand, in a few large files that training tools read.

    python inference.py --count 100000 --out pairs                     # WebDataset: .tar files of 0000000007.png, .txt and .json
    python inference.py --count 100000 --out pairs --format parquet    # columns image, text, seed, cosine, match, near_training
    python inference.py --count 100000 --out pairs --shard 2/4         # every fourth file; any machine may take any share

OUT/.order.json        what was asked for; hidden, since `datasets` reads every other file of a folder
OUT/0000001000.tar     the pairs of the seeds from 1000 on, whole or not there: a killed run goes on after the last whole file
"""

import itertools
import json
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.containers import parquet_writer, pyarrow_parquet, tar_writer
from oneseed.dataset.jsonl import read_json
from oneseed.files import whole_file, write_text
from oneseed.generation.cards import encode_card, sign

# batches that may wait to be encoded while a GPU makes the next: memory stays flat
BATCHES_AHEAD = 4
SHARD_COLUMNS = {"seed": "int64", "cosine": "float32", "match": "int32", "near_training": "string"}


def files_of(out, order, share, suffix):
    """-> [(path, its seeds)] of all files of share (i, n)."""
    first = order["first"]
    count = order["count"]
    size = order["pairs_per_file"]
    files = [
        (out / f"{start:010d}{suffix}", range(start, min(start + size, first + count)))
        for start in range(first, first + count, size)
    ]
    return files[share[0] - 1 :: share[1]]


def encode_pairs(files, make, batch, pool, grey, ahead):
    """Yields (file, [(facts, bytes of the PNG)]) batch by batch. Pictures are encoded by the pool, of `ahead` batches while further ones are made."""

    def finish(facts, image):
        facts = sign(image, facts)
        return facts, encode_card(image, facts, grey)

    waiting = deque()
    for path, seeds in files:
        for start in range(0, len(seeds), batch):
            waiting.append(
                (
                    path,
                    [
                        pool.submit(finish, facts, image)
                        for facts, image in make(seeds[start : start + batch])
                    ],
                )
            )
            if len(waiting) > ahead:
                path_done, futures = waiting.popleft()
                yield path_done, [future.result() for future in futures]
    for path_done, futures in waiting:
        yield path_done, [future.result() for future in futures]


def add_to_tar(add, rows):
    for facts, png in rows:
        name = f"{facts.get('first_seed', facts['seed']):010d}"
        add(f"{name}.png", png)
        add(f"{name}.txt", facts["caption"].encode())
        add(f"{name}.json", json.dumps(facts, ensure_ascii=False).encode())


def add_to_parquet(add, rows):
    add(
        [
            {
                "image": {
                    "bytes": png,
                    "path": f"{facts.get('first_seed', facts['seed']):010d}.png",
                },
                "text": facts["caption"],
                **{name: facts.get(name) for name in SHARD_COLUMNS},
            }
            for facts, png in rows
        ]
    )


def write_shards(out, order, make, share=(1, 1), batch=32, grey=False, ahead=BATCHES_AHEAD):
    """Writes the files of one share of an order that are not there yet.

    order: count, first (seed), pairs_per_file, format, and whatever else decides what the pairs are: it is compared with what the folder holds.
    make: seeds -> [(facts, PIL image)], one for each. grey: the PNGs have one channel. ahead: batches that may wait to be encoded; 0 where making and
    encoding want the same cores, since waiting ones gain nothing there that could be measured.
    """
    suffix, writer, put = SHARD_WRITERS[order["format"]]
    if order["format"] == "parquet":
        # says what to install, before anything is made
        pyarrow_parquet()
    file = out / ".order.json"
    if file.exists() and (there := read_json(file)) != order:
        different = ", ".join(
            f"{name} {there.get(name)!r}, not {value!r}"
            for name, value in order.items()
            if there.get(name) != value
        )
        raise UserError(f"{out} holds another order ({different}); name another folder: --out DIR")
    # of a killed run; a living one writes every few seconds
    for stale in out.glob(".*.partial"):
        if time.time() - stale.stat().st_mtime > 3600:
            stale.unlink(missing_ok=True)
    files = files_of(out, order, share, suffix)
    begin = time.perf_counter()
    missing = [(path, seeds) for path, seeds in files if not path.exists()]
    total, lacking = (sum(len(seeds) for _, seeds in some) for some in (files, missing))
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress(label="pairs", total=total, initial=total - lacking, unit="pair") as bar,
    ):
        for path, parts in itertools.groupby(
            encode_pairs(missing, make, batch, pool, grey, ahead), key=lambda part: part[0]
        ):
            # only now: an order that cannot be made binds nobody
            if not file.exists():
                write_text(file, json.dumps(order, ensure_ascii=False, indent=1) + "\n")
            with whole_file(path) as partial, writer(partial) as add:
                for _, rows in parts:
                    put(add, rows)
                    bar.update(len(rows))
    seconds = time.perf_counter() - begin
    others = [path for path, _ in files_of(out, order, (1, 1), suffix) if not path.exists()]
    print(
        f"{lacking:,} pairs in {seconds:.1f} s"
        + (f", {lacking / seconds:.1f} pairs/s" if lacking else "")
        + f"; {out.as_posix()}/ holds "
        + (
            f"all {order['count']:,} now"
            if not others
            else f"this share; {len(others):,} files of other shares are not here yet"
        )
    )


SHARD_WRITERS = {
    "webdataset": (".tar", tar_writer, add_to_tar),
    "parquet": (".parquet", lambda path: parquet_writer(path, SHARD_COLUMNS), add_to_parquet),
}
