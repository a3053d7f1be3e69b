"""What sharing the work of preparing costs, and whether it makes the files of one run.

    python -m benchmarks.shards --source prints more_prints     # a first run, 2 and 4 shards
    python -m benchmarks.shards --source prints --ray           # and Ray's processes; Linux

Each run is a command in a process of its own, start-up included, with one process at work; shards
run side by side, as many as there are cores. A collection's digest is that of all its files but the
journal and hidden ones. Ends with code 1 where two differ. Processor time is more honest than wall
time where other work runs beside.
"""

# --help answers before numpy loads
if __name__ == "__main__":
    from benchmarks.settings import ShardsConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(ShardsConfig, description=__doc__)

import contextlib
import hashlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.settings import ShardsConfig
from oneseed.console.command import UserError, run

ROOT = Path(__file__).resolve().parents[1]
# share of the pictures that are prepared when Ray's worker is killed
KILLED_AT = 0.3


def collection_digest(data):
    """A digest of all files of a collection but the journal and hidden ones."""
    summed = hashlib.sha256()
    for path in sorted(data.rglob("[!.]*")):
        if path.is_file() and path.name != "prepared.jsonl":
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            summed.update(f"{path.relative_to(data)} {content}\n".encode())
    return summed.hexdigest()[:16]


def prepare(data, config, *more):
    """One command; UserError where it fails."""
    sources = config.source.split(",")
    style = ["--style", "all"] if sources != ["builtin"] else []
    words = [
        *(sys.executable, "dataset_preparation.py", "--source", *sources, *style),
        *("--max-samples", str(config.max_samples), "--image-size", str(config.size)),
        *("--preset", "small", "--smallest", "32", "--data", str(data), *more),
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{' '.join(words)} failed: {done.stderr[-2000:]}", code=1)


def child_seconds():
    """Processor time of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Stopwatch:
    """Wall and processor seconds of what is done in the block."""

    def __enter__(self):
        self.wall, self.processor = time.perf_counter(), child_seconds()
        return self

    def __exit__(self, *error):
        self.wall = time.perf_counter() - self.wall
        self.processor = child_seconds() - self.processor

    def __str__(self):
        return f"{self.wall:7.1f} s, {self.processor:6.1f} s of processors"


def in_shards(data, config, count):
    """The commands of all shards, then the one that gathers -> the watch of each part."""
    with Stopwatch() as sharing, ThreadPoolExecutor(os.cpu_count()) as pool:
        commands = [
            pool.submit(prepare, data, config, "--workers", "1", "--shard", f"{i}/{count}")
            for i in range(1, count + 1)
        ]
        for command in commands:
            command.result()
    with Stopwatch() as gathering:
        prepare(data, config, "--workers", "1")
    return sharing, gathering


def ray_workers(ancestor):
    """Process numbers of Ray's workers that descend from a process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            stat = (entry / "stat").read_text()
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    for process in parents:
        above = process
        while above in parents and above != ancestor:
            above = parents[above]
        with contextlib.suppress(OSError):
            if (
                above == ancestor
                and b"ray::in_folder" in Path(f"/proc/{process}/cmdline").read_bytes()
            ):
                yield process


def kill_worker(data, config, killed):
    """Kills a busy worker of Ray's once a part of the pictures is prepared."""
    resized = data / "processed"
    while not killed and data.parent.exists():
        time.sleep(0.05)
        if len(list(resized.glob("*/resized/*.png"))) < KILLED_AT * config.max_samples:
            continue
        for process in ray_workers(os.getpid()):
            os.kill(process, signal.SIGKILL)
            killed.append(process)
            break


def main(config):
    """All runs, and whether they made the same."""
    digests = {}

    def show(name, data, *watches):
        digests[name] = collection_digest(data)
        print(f"{name:28} {' | '.join(map(str, watches))}   {digests[name]}", flush=True)

    with tempfile.TemporaryDirectory(dir=config.folder or None) as folder:
        folder = Path(folder)
        with Stopwatch() as watch:
            prepare(folder / "one", config, "--workers", "1")
        show("one run", folder / "one", watch)
        for count in map(int, config.shards.split(",")):
            data = folder / f"shards_{count}"
            show(f"{count} shards | gathering", data, *in_shards(data, config, count))
        if config.ray:
            with Stopwatch() as watch:
                prepare(folder / "ray", config, "--engine", "ray", "--workers", "2")
            show("Ray, 2 workers", folder / "ray", watch)
            killed = []
            arguments = (folder / "killed", config, killed)
            killer = threading.Thread(target=kill_worker, args=arguments, daemon=True)
            killer.start()
            with Stopwatch() as watch:
                prepare(folder / "killed", config, "--engine", "ray", "--workers", "2")
            if not killed:
                raise UserError("no worker of Ray's was found to be killed", code=1)
            show("Ray, a worker killed", folder / "killed", watch)
    are_equal = len(set(digests.values())) == 1
    print("all made the same files" if are_equal else "NOT the same files")
    return 0 if are_equal else 1


if __name__ == "__main__":
    run(main, *CONFIGS)
