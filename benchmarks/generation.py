"""What a pair costs: alone and in batches, with and without the caches of the caption decoder, and on its way to disk.

    python -m benchmarks.generation                                # checkpoints/best_model.pt; some minutes on two cores
    python -m benchmarks.generation --pairs 10000 --format parquet

Wanted, or it ends with code 1: batches of 32 at least 3 times as fast as single pairs; the caches at least 8 times as fast as reading all words again, with
equal tokens; pairs on disk in at most 1.05 times the time of making them plus encoding them (on a GPU 1.1 times the larger of both); memory that grows by
at most 50 MB after the first 1,000 pairs.
"""

# --help answers before torch loads
if __name__ == "__main__":
    from dataclasses import dataclass

    from oneseed.console.flags import option, parse_configs

    @dataclass(frozen=True)
    class GenerationConfig:
        checkpoint: str = option("checkpoints/best_model.pt", "the model")
        pairs: int = option(3000, "pairs to disk, in blocks")
        block: int = option(1000, "pairs of a block and of a file")
        rounds: int = option(3, "times that everything else is measured; the quickest counts")
        format: str = option("webdataset", "of the files", choices=("webdataset", "parquet"))
        device: str = option("auto", "where to run", choices=("auto", "cuda", "mps", "cpu"))

    CONFIGS = parse_configs(GenerationConfig, description=__doc__)

import contextlib
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch

from oneseed.config.inference import InferenceConfig
from oneseed.console.command import run
from oneseed.generation import bulk
from oneseed.generation.cards import encode_card, sign
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.requests import pairs_of_seeds, with_facts
from oneseed.model.tokenizer import END
from oneseed.seeds import latents

BATCHES = (1, 8, 32, 128)
# of the caches' race
TOKENS = 64
ROWS = 8
WANTED_BATCH = 3
WANTED_CACHE = 8
WANTED_DISK = 1.05
WANTED_DISK_GPU = 1.1
WANTED_GROWTH = 50


def seconds(work, device, rounds):
    """The quickest of some rounds, after one that does not count."""
    found = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - begin)
    return min(found[1:])


def measure_batches(generator, rounds):
    """Prints a line a batch size -> how many times faster a pair of 32 is than one alone."""
    model = generator.model
    rates = {}
    print(
        f"{'batch':>6}  {'pairs/s':>8}   milliseconds a pair: whole, flow, picture decoder, caption decoder, match score"
    )
    for batch in BATCHES:
        z = latents(range(batch), model.config.latent_dim)
        with torch.no_grad():
            code = model.code(z)
            pairs = generator.decode(z)
            parts = [
                lambda: generator.generate_batch(range(batch)),
                lambda: model.code(z),
                lambda: model.image_decoder(code),
                lambda: model.decode_tokens(z, code=code),
                lambda: generator.match(pairs),
            ]
            cost = [seconds(part, model.device, rounds) / batch for part in parts]
        rates[batch] = 1 / cost[0]
        print(
            f"{batch:6d}  {rates[batch]:8.1f}   " + "  ".join(f"{one * 1e3:8.2f}" for one in cost),
            flush=True,
        )
    return rates[32] / rates[1]


def measure_caches(generator, rounds):
    """Prints a line a number of rows -> how many times faster the caches are, with ROWS rows."""
    model = generator.model
    found = {}
    config = model.config
    unused = model.text_decoder.unused.clone()
    model.config = replace(config, max_caption_length=min(TOKENS, config.max_caption_length))
    # no caption ends early
    model.text_decoder.unused[END] = True
    for rows in (ROWS, 1):
        code = model.code(latents(range(rows), config.latent_dim))

        def write(cached):
            return model.decode_tokens(None, use_cache=cached, code=code)

        assert write(True) == write(False), "the caches changed the words"
        cached, again = (seconds(lambda: write(way), model.device, rounds) for way in (True, False))
        found[rows] = again / cached
        print(
            f"{model.config.max_caption_length} tokens, {rows} rows: {cached * 1e3:.0f} ms with caches, {again * 1e3:.0f} ms without: {found[rows]:.1f} times; the tokens are equal",
            flush=True,
        )
    model.config = config
    model.text_decoder.unused[:] = unused
    return found[ROWS]


def memory():
    """Bytes of this process now, None where that is not to be had."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure_disk(generator, config):
    """Block by block: making alone, encoding alone, and both with writing -> (ratio, bytes by which memory grew after the first block)."""
    asked = InferenceConfig(device=config.device)
    grey = generator.model.config.channels == 1

    def make(seeds):
        return [
            (facts, image)
            for _, _, facts, (image, _) in with_facts(
                generator, pairs_of_seeds(generator, asked, seeds)
            )
        ]

    def finish(pair):
        return encode_card(pair[1], sign(pair[1], pair[0]), grey)

    making = 0.0
    encoding = 0.0
    writing = 0.0
    levels = []
    gpu = generator.model.device.type == "cuda"
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, config.pairs, config.block):
            seeds = range(start, min(start + config.block, config.pairs))
            begin = time.perf_counter()
            made = [
                pair
                for i in range(0, len(seeds), asked.batch_size)
                for pair in make(seeds[i : i + asked.batch_size])
            ]
            between = time.perf_counter()
            for _ in pool.map(finish, made):
                pass
            after = time.perf_counter()
            made = None
            order = {
                "first": start,
                "count": len(seeds),
                "pairs_per_file": config.block,
                "format": config.format,
            }
            bulk.write_shards(
                Path(folder, f"{start}"),
                order,
                make,
                batch=asked.batch_size,
                grey=grey,
                ahead=bulk.BATCHES_AHEAD * gpu,
            )
            making = making + between - begin
            encoding = encoding + after - between
            writing = writing + time.perf_counter() - after
            levels.append(memory())
    growth = levels[-1] - levels[0] if levels[0] else 0
    ratio = writing / (max(making, encoding) if gpu else making + encoding)
    print(
        f"{config.pairs:,} pairs to disk: {writing:.1f} s ({config.pairs / writing:.1f} pairs/s); making alone {making:.1f} s, encoding alone {encoding:.1f} s: "
        f"{ratio:.3f} of {'the larger' if gpu else 'both'}; memory grew by {growth / 2**20:.1f} MB after the first {config.block:,}",
        flush=True,
    )
    return ratio, growth


def main(config):
    generator = MultimodalGenerator(config.checkpoint, config.device)
    print(
        f"{config.checkpoint}, {generator.model.config.image_size} px, {generator.model.device}, {torch.get_num_threads()} threads"
    )
    batch = measure_batches(generator, config.rounds)
    cache = measure_caches(generator, config.rounds)
    ratio, growth = measure_disk(generator, config)
    wanted = {
        f"batches of 32 against single pairs: {batch:.1f} times (wanted: {WANTED_BATCH})": batch
        >= WANTED_BATCH,
        f"caches against reading again, {ROWS} rows: {cache:.1f} times (wanted: {WANTED_CACHE})": cache
        >= WANTED_CACHE,
        f"on disk against made and encoded: {ratio:.3f} (wanted: at most {(most := WANTED_DISK_GPU if generator.model.device.type == 'cuda' else WANTED_DISK)})": ratio
        <= most,
        f"memory: {growth / 2**20:.1f} MB (wanted: at most {WANTED_GROWTH})": growth
        <= WANTED_GROWTH * 2**20,
    }
    for sentence, met in wanted.items():
        print("✓" if met else "✗", sentence)
    return 0 if all(wanted.values()) else 1


if __name__ == "__main__":
    run(main, *CONFIGS)
