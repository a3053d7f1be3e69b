"""What a pair costs: alone and in batches, with and without caches, and on its way to disk.

    python -m benchmarks.generation                     # some minutes on two cores
    python -m benchmarks.generation --pairs 10000 --format parquet

Wanted, or it ends with code 1: batches of 32 at least 3 times as fast as single pairs; the caches
of the caption decoder at least 8 times as fast as reading all words again, with equal tokens; pairs
on disk in at most 1.05 times the time of making them plus encoding them (on a GPU 1.1 times the
larger of both); memory that grows by at most 50 MB after the first 1,000 pairs.
"""

from dataclasses import dataclass, replace

from oneseed.console.flags import option, parse_configs


@dataclass(frozen=True)
class GenerationConfig:
    checkpoint: str = option("checkpoints/best_model.pt", "the model")
    pairs: int = option(3000, "pairs to disk, in blocks")
    block: int = option(1000, "pairs of a block and of a file")
    rounds: int = option(3, "times that everything else is measured; the quickest counts")
    format: str = option("webdataset", "of the files", choices=("webdataset", "parquet"))
    device: str = option("auto", "where to run", choices=("auto", "cuda", "mps", "cpu"))


# --help answers before torch loads.
if __name__ == "__main__":
    CONFIGS = parse_configs(GenerationConfig, description=__doc__)

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from oneseed.config.inference import InferenceConfig
from oneseed.console.command import run
from oneseed.generation import bulk
from oneseed.generation.cards import CardFacts, encode_card, sign
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.requests import pairs_of_seeds, with_facts
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import END
from oneseed.seeds import latents
from oneseed.workers import chunks

# Pairs.
BATCH_SIZES = (1, 8, 32, 128)
# Length of a caption, and captions at once, with and without caches.
TOKENS = 64
ROWS = 8
# Times as fast.
MIN_BATCH_SPEEDUP = 3
MIN_CACHE_SPEEDUP = 8
# Times as long.
MAX_DISK_RATIO = 1.05
MAX_DISK_RATIO_GPU = 1.1
# Megabytes.
MAX_GROWTH = 50


@dataclass
class DiskTimes:
    """What all blocks of pairs have taken so far."""

    making: float = 0.0  # seconds
    encoding: float = 0.0  # seconds
    writing: float = 0.0  # seconds, making and encoding included


@dataclass(frozen=True)
class DiskResult:
    """What pairs cost on their way to disk."""

    ratio: float  # of the time of making and encoding them
    growth: int  # bytes by which memory grew after the first block


def quickest(work: Callable[[], object], device: torch.device, rounds: int) -> float:
    """Seconds of the quickest of some rounds, after one that does not count."""
    found = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - begin)
    return min(found[1:])


def measure_batches(generator: MultimodalGenerator, rounds: int) -> float:
    """Prints a line a batch size -> how many times faster a pair of 32 is than one alone."""
    model = generator.model
    rates = {}
    print(
        f"{'batch':>6}  {'pairs/s':>8}   milliseconds a pair: "
        "whole, flow, picture decoder, caption decoder, match score"
    )
    for batch_size in BATCH_SIZES:
        z = latents(range(batch_size), model.config.latent_dim)
        with torch.no_grad():
            code = model.code(z)
            parts = [
                partial(generator.generate_batch, range(batch_size)),
                partial(model.code, z),
                partial(model.draw, code, generator.passes),
                partial(model.decode_tokens, code),
                partial(generator.match, generator.decode(z)),
            ]
            costs = [quickest(part, model.device, rounds) / batch_size for part in parts]
        rates[batch_size] = 1 / costs[0]
        milliseconds = "  ".join(f"{cost * 1e3:8.2f}" for cost in costs)
        print(f"{batch_size:6d}  {rates[batch_size]:8.1f}   {milliseconds}", flush=True)
    return rates[32] / rates[1]


@contextlib.contextmanager
def captions_of_one_length(model: MultimodalModel) -> Iterator[int]:
    """No caption ends early -> the length of all, in tokens."""
    config = model.config
    unused = model.text_decoder.unused.clone()
    length = min(TOKENS, config.max_caption_length)
    model.config = replace(config, max_caption_length=length)
    model.text_decoder.unused[END] = True
    try:
        yield length
    finally:
        model.config = config
        model.text_decoder.unused[:] = unused


def measure_caches(generator: MultimodalGenerator, rounds: int) -> float:
    """Prints a line a number of rows -> how many times faster the caches are, with ROWS rows."""
    model = generator.model
    speedups = {}
    with captions_of_one_length(model) as length:
        for rows in (ROWS, 1):
            code = model.code(latents(range(rows), model.config.latent_dim))
            with_caches = partial(model.decode_tokens, code, use_cache=True)
            without = partial(model.decode_tokens, code, use_cache=False)
            assert with_caches() == without(), "the caches changed the words"
            cached = quickest(with_caches, model.device, rounds)
            again = quickest(without, model.device, rounds)
            speedups[rows] = again / cached
            print(
                f"{length} tokens, {rows} rows: {cached * 1e3:.0f} ms with caches, "
                f"{again * 1e3:.0f} ms without: {speedups[rows]:.1f} times; the tokens are equal",
                flush=True,
            )
    return speedups[ROWS]


def memory() -> int:
    """Bytes of this process now, 0 where that is not to be had."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def measure_block(
    generator: MultimodalGenerator,
    config: GenerationConfig,
    seeds: range,
    folder: Path,
    times: DiskTimes,
) -> None:
    """Makes the pairs of some seeds, encodes them, and does both again with writing."""
    request = InferenceConfig(device=config.device)
    gpu = generator.model.device.type == "cuda"

    def make(some_seeds: Sequence[int]) -> list[tuple[CardFacts, Image.Image]]:
        pairs = with_facts(generator, pairs_of_seeds(generator, request, some_seeds))
        return [(pair.facts, pair.image) for pair in pairs]

    def encode(pair: tuple[CardFacts, Image.Image]) -> bytes:
        facts, image = pair
        return encode_card(image, sign(image, facts), grey=generator.grey)

    begin = time.perf_counter()
    made = []
    for batch in chunks(seeds, request.batch_size):
        made += make(batch)
    after_making = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(encode, made):
            pass
    after_encoding = time.perf_counter()
    del made

    order = {
        "first": seeds.start,
        "count": len(seeds),
        "pairs_per_file": config.block,
        "format": config.format,
    }
    bulk.write_shards(
        folder / f"{seeds.start}",
        order,
        make,
        batch_size=request.batch_size,
        grey=generator.grey,
        batches_ahead=bulk.BATCHES_AHEAD if gpu else 0,
    )
    times.making += after_making - begin
    times.encoding += after_encoding - after_making
    times.writing += time.perf_counter() - after_encoding


def measure_disk(generator: MultimodalGenerator, config: GenerationConfig) -> DiskResult:
    """Block by block: making alone, encoding alone, and both with writing."""
    times = DiskTimes()
    levels = []
    with tempfile.TemporaryDirectory() as folder:
        for seeds in chunks(range(config.pairs), config.block):
            measure_block(generator, config, seeds, Path(folder), times)
            levels.append(memory())
    growth = levels[-1] - levels[0]
    gpu = generator.model.device.type == "cuda"
    apart = max(times.making, times.encoding) if gpu else times.making + times.encoding
    ratio = times.writing / apart
    print(
        f"{config.pairs:,} pairs to disk: {times.writing:.1f} s "
        f"({config.pairs / times.writing:.1f} pairs/s); making alone {times.making:.1f} s, "
        f"encoding alone {times.encoding:.1f} s: {ratio:.3f} of {'the larger' if gpu else 'both'}; "
        f"memory grew by {growth / 2**20:.1f} MB after the first {config.block:,}",
        flush=True,
    )
    return DiskResult(ratio, growth)


def main(config: GenerationConfig) -> int:
    generator = MultimodalGenerator(config.checkpoint, config.device)
    model = generator.model
    print(
        f"{config.checkpoint}, {model.config.image_size} px, {model.device}, "
        f"{torch.get_num_threads()} threads"
    )
    batch = measure_batches(generator, config.rounds)
    cache = measure_caches(generator, config.rounds)
    disk = measure_disk(generator, config)
    max_ratio = MAX_DISK_RATIO_GPU if model.device.type == "cuda" else MAX_DISK_RATIO
    growth = disk.growth / 2**20  # megabytes
    wanted = {
        f"batches of 32 against single pairs: {batch:.1f} times (wanted: {MIN_BATCH_SPEEDUP})": (
            batch >= MIN_BATCH_SPEEDUP
        ),
        f"caches against reading again, {ROWS} rows: {cache:.1f} times "
        f"(wanted: {MIN_CACHE_SPEEDUP})": cache >= MIN_CACHE_SPEEDUP,
        f"on disk against made and encoded: {disk.ratio:.3f} (wanted: at most {max_ratio})": (
            disk.ratio <= max_ratio
        ),
        f"memory: {growth:.1f} MB (wanted: at most {MAX_GROWTH})": growth <= MAX_GROWTH,
    }
    for sentence, met in wanted.items():
        print("✓" if met else "✗", sentence)
    return 0 if all(wanted.values()) else 1


if __name__ == "__main__":
    run(main, *CONFIGS)
