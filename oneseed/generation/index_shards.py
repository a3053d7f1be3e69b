"""The index of seeds by several machines: each draws a block of them, and one run joins the blocks.

    python inference.py --index 1000000 --shard 2/4      # 1/4, 3/4, 4/4 elsewhere
    python inference.py --index 1000000                  # joins them

A block is best_model.seeds_0000002528-0000005024.npz beside the checkpoint: the arrays of an index
for the seeds 2528 to 5023. Blocks begin where a batch of one run would, so that the joined index is
that of one run, byte for byte.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oneseed.config.inference import InferenceConfig
from oneseed.config.shards import Shard
from oneseed.console.output import progress
from oneseed.dataset.shard_notes import ShardNotes, config_command, done_sentence
from oneseed.file_names import safe_name
from oneseed.files import sweep_partials, whole_file
from oneseed.generation.index import (
    WHEN_INDEXED,
    draw_seeds,
    encode_texts,
    index_lock,
    index_path,
    load_index,
    locked_index,
    save_index,
)
from oneseed.generation.index_file import FINGERPRINT, SEEDS_KINDS, read_index_file, require_seeds
from oneseed.locks import locked, require_free
from oneseed.tensor_files import UnusableFileError

if TYPE_CHECKING:
    from oneseed.generation.generator import MultimodalGenerator

# a name that this file gives, behind that of the checkpoint
BLOCK_NAME = r"\.seeds_(\d{10})-(\d{10})\.npz"


def index_shard(generator: "MultimodalGenerator", config: InferenceConfig, shard: Shard) -> None:
    """Draws the seeds of a shard into its block, from where it stands.

    InUseError where another run draws the same ones, or writes the index.
    """
    checkpoint = generator.checkpoint
    folder = checkpoint.parent
    name = index_lock(checkpoint)
    what = f"the index of {checkpoint.as_posix()}"
    with locked(
        folder,
        f"{name}_{shard.number}_of_{shard.count}",
        what=f"{what}, shard {shard},",
        remedy=WHEN_INDEXED,
    ):
        require_free(folder, name, what=what, remedy=WHEN_INDEXED, wait=None)
        seeds = seeds_of(generator, config, shard)
        notes = index_notes(generator, config)
        if count_known(generator) >= config.index:
            print(f"{index_path(generator, 'seeds').as_posix()} has all {config.index:,} seeds")
            return
        with notes.at_work(shard):
            draw_index_block(generator, seeds, config.batch_size)
    print(done_sentence(f"{len(seeds):,} seeds", shard, notes.command))


def draw_index_block(generator: "MultimodalGenerator", seeds: range, batch_size: int) -> None:
    """Draws the seeds that their block lacks."""
    path = block_path(generator, seeds)
    sweep_partials(path.parent, of=path.name)

    def save(arrays: dict[str, Any]) -> None:
        fingerprint = np.array(generator.fingerprint)
        with whole_file(path) as partial, open(partial, "wb") as file:
            np.savez(file, fingerprint=fingerprint, **arrays)

    known = read_block(generator, seeds)
    drawn = draw_seeds(generator, seeds, known, save, batch_size=batch_size)
    with progress(label="indexing seeds", total=len(seeds), unit="seed") as bar:
        for done in drawn:
            bar.update(done - bar.n)


def join_blocks(generator: "MultimodalGenerator", config: InferenceConfig) -> None:
    """Puts the blocks of all shards behind the index, as far as they follow one another.

    Seeds that no block has are left to the caller. UserError where shards have begun, and some are
    not done.
    """
    notes = index_notes(generator, config)
    if count_known(generator) >= config.index:
        return
    notes.require_all()
    with locked_index(generator):
        known = load_index(generator, "seeds")
        parts = [known] if known else []
        end = len(known["captions"]) if known else 0
        for seeds in sorted(
            (seeds for _, seeds in index_blocks(generator)), key=lambda seeds: seeds[0]
        ):
            block = read_block(generator, seeds) if seeds.start == end else None
            if block and len(block["captions"]) == len(seeds):
                parts.append(block)
                end = seeds.stop
        if len(parts) > bool(known):
            captions = [caption for part in parts for caption in part["captions"]]
            save_index(
                generator,
                "seeds",
                features=np.concatenate([part["features"] for part in parts]),
                cosine=np.concatenate([part["cosine"] for part in parts]),
                captions=encode_texts(captions),
            )


def remove_blocks(generator: "MultimodalGenerator", config: InferenceConfig) -> None:
    """Removes the blocks and the notes of shards whose seeds the index has.

    Those of a larger index stay, for whoever gathers it.
    """
    known = count_known(generator)
    for path, seeds in index_blocks(generator):
        if seeds.stop <= known:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    notes = index_notes(generator, config)
    orders = [notes.order, *notes.other_orders()]
    if all(order.get("index", 0) <= known for order in orders):
        notes.remove()


def seeds_of(generator: "MultimodalGenerator", config: InferenceConfig, shard: Shard) -> range:
    """The seeds of a shard, of those that the index lacks; whole batches, as one run draws them."""
    known = count_known(generator)
    batches = -(-max(0, config.index - known) // config.batch_size)
    first, end = (batches * number // shard.count for number in (shard.number - 1, shard.number))
    ends = [min(config.index, known + batch * config.batch_size) for batch in (first, end)]
    return range(*ends)


def count_known(generator: "MultimodalGenerator") -> int:
    """How many seeds the index has."""
    known = load_index(generator, "seeds")
    return len(known["captions"]) if known else 0


def index_notes(generator: "MultimodalGenerator", config: InferenceConfig) -> ShardNotes:
    """Which shards of the index have begun, and which are done."""
    order = {
        "fingerprint": generator.fingerprint,
        "first": count_known(generator),
        "index": config.index,
        "batch_size": config.batch_size,
    }
    checkpoint = generator.checkpoint
    command = config_command("inference.py", config)
    name = f"{safe_name(checkpoint.stem)}_seeds"
    return ShardNotes(checkpoint.parent, name, order, command, config.shard)


def block_path(generator: "MultimodalGenerator", seeds: range) -> Path:
    """Where the block of these seeds lies."""
    return generator.checkpoint.with_suffix(f".seeds_{seeds.start:010d}-{seeds.stop:010d}.npz")


def index_blocks(generator: "MultimodalGenerator") -> Iterator[tuple[Path, range]]:
    """The blocks beside a checkpoint, whole or not, with the seeds that they are of."""
    folder = generator.checkpoint.parent
    pattern = re.compile(re.escape(generator.checkpoint.stem) + BLOCK_NAME)
    for name in os.listdir(folder):
        found = pattern.fullmatch(name)
        if found and int(found[1]) < int(found[2]):
            yield folder / name, range(int(found[1]), int(found[2]))


def read_block(generator: "MultimodalGenerator", seeds: range) -> dict[str, Any] | None:
    """The arrays of a block, perhaps of its first seeds alone.

    None where there is none of this model, or it is damaged: its seeds are drawn again.
    """
    path = block_path(generator, seeds)
    try:
        owner = read_index_file(path, {"fingerprint": FINGERPRINT})
        if str(owner["fingerprint"]) != generator.fingerprint:
            return None
        found = read_index_file(path, SEEDS_KINDS)
        require_seeds(found, generator.dimensions)
    except (OSError, UnusableFileError):
        return None
    return found if len(found["captions"]) <= len(seeds) else None
