"""How fast pictures are prepared, and how memory grows with their number.

    python -m benchmarks.preparation --pictures ~/engravings      # or the variable ENGRAVINGS
    python -m benchmarks.preparation --only speed --files 3       # a first look
    python -m benchmarks.preparation --img2dataset i2d/bin/python # beside it too
    python -m benchmarks.preparation --only memory --rows 100000  # 64 px; Linux

Without --pictures and ENGRAVINGS the built-in drawings are taken, scaled up.
For --img2dataset: python -m venv i2d, i2d/bin/pip install img2dataset.

speed: processor time per picture, hashes and look-alike marks included, against open, Lanczos,
default PNG at the same mode, size and file type.
rows: one process, two, and the same command again, on as many engravings of half a megapixel;
start-up apart. 10,000 take 6 GB of disk.
memory: preparing (drawing, cache and index included) and captioning, each twice, against the same
with 1,000 rows.
Ends with code 1 where a figure is missed. Other work on the machine spoils the seconds of rows,
hardly the ratios of speed.
"""

# --help answers before numpy loads
if __name__ == "__main__":
    from benchmarks.settings import PreparationConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(PreparationConfig, description=__doc__)

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from benchmarks.pictures import LANCZOS, make_files, make_rows, originals
from oneseed.console.command import UserError, run
from oneseed.dataset.collection import Collection
from oneseed.dataset.pixel_writing import write_pixels
from oneseed.media.kinds import PICTURE
from oneseed.media.picture import without_margins
from oneseed.preparation.examine import prepare_file
from oneseed.workers import Workers

ROOT = Path(__file__).resolve().parents[1]
# pixels a side of the pictures of the part memory
SMALL = 64
# rows that memory is compared with
BASE_ROWS = 1000
# a third as many files of more than so many million pixels
LARGE_MEGAPIXELS = 10


@dataclass(frozen=True)
class Wanted:
    """The figures that are wanted; what misses one ends with code 1."""

    # million pixels -> times as fast as the plain way, RGB
    speedup: dict[float, float] = field(default_factory=lambda: {0.5: 3, 3: 2, 18: 3})
    # mean difference to the plain way, of 255
    max_difference: float = 2
    # times as fast with two processes
    two_processes: float = 1.8
    # seconds of the same command again, as a share of the first run's
    max_again: float = 0.02
    # MB from BASE_ROWS rows on
    max_growth: float = 200


WANTED = Wanted()

# Runs a script in a process of its own and prints [seconds without start-up, MB at its peak].
CHILD = """
import json, re, sys, time
sys.path.insert(0, sys.argv[1])
import caption_generation, dataset_preparation
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import PrepareConfig
main, kind = {
    "prepare": (dataset_preparation.main, PrepareConfig),
    "caption": (caption_generation.main, CaptionConfig),
}[sys.argv[2]]
start = time.monotonic()
main(kind(**json.loads(sys.argv[3])))
seconds = time.monotonic() - start
try:
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
except OSError:
    peak = 0
print(json.dumps([seconds, peak]))
"""
# Runs in the environment of img2dataset and prints {group of files: seconds per file}.
RESIZER = """
import io, json, sys, time
from pathlib import Path
from img2dataset.resizer import Resizer
folder, target, size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
resize, found = Resizer(size, "border", False, encode_format="png", encode_quality=1), {}
for group in sorted(folder.iterdir()):
    paths = sorted(group.iterdir())
    best = []
    for path in [paths[0], *paths]:
        start = time.process_time()
        image, *_, error = resize(io.BytesIO(path.read_bytes()))
        assert not error, error
        (target / "theirs.png").write_bytes(image)
        best.append(time.process_time() - start)
    found[group.name] = sum(best[1:]) / len(paths)
print(json.dumps(found))
"""


# Speed


@dataclass(frozen=True)
class Comparison:
    """The plain way and ours on some files."""

    # milliseconds per file
    plain: float
    ours: float
    # of the pixel cache, milliseconds per file
    cache: float
    # of each file, mean difference to the plain way, of 255
    differences: list[float]


def plain_way(path, target, size):
    """What a short script would do."""
    with Image.open(path) as image:
        ImageOps.pad(image, (size, size), LANCZOS, color="white").save(target)


def processor_seconds(work, *arguments):
    """-> seconds of work(*arguments), and its result."""
    start = time.process_time()
    result = work(*arguments)
    return time.process_time() - start, result


def compare(paths, room, size):
    """Both ways on the files -> Comparison. They take turns, twice; the better time counts."""
    collection = Collection("benchmark", room / f"data_{paths[0].parent.name}")
    collection.resized.mkdir(parents=True)
    plain_file = room / "plain.png"
    records = []
    plain = []
    ours = []
    differences = []
    for path in paths:
        plain_times = []
        our_times = []
        for _ in range(2):
            seconds, _ = processor_seconds(plain_way, path, plain_file, size)
            plain_times.append(seconds)
            seconds, finding = processor_seconds(
                prepare_file, path, collection.resized, size, 16, PICTURE
            )
            our_times.append(seconds)
        plain.append(min(plain_times))
        ours.append(min(our_times))
        name = f"{finding['sha256'][:16]}.png"
        records.append({"id": name[:16], "filename": name, "grey": finding["grey"]})
        differences.append(difference(plain_file, collection.resized / name, finding, path.name))
    # no bar between the lines of the table
    with redirect_stderr(io.StringIO()):
        cache, _ = processor_seconds(write_pixels, records, collection, size, Workers(1))
    return Comparison(
        1000 * sum(plain) / len(paths),
        1000 * sum(ours) / len(paths),
        1000 * cache / len(paths),
        differences,
    )


def difference(plain_file, our_file, finding, name):
    """Mean difference of both results, of 255, without the margins that they add.

    finding: of the original; name: of its file. UserError where the modes differ.
    """
    one = Image.open(plain_file)
    other = Image.open(our_file)
    if one.mode != other.mode:
        raise UserError(
            f"{name} was prepared as {other.mode}, the plain way gives {one.mode}", code=1
        )
    pixels = []
    for image in (one, other):
        inside = without_margins(image, finding["width"], finding["height"])
        pixels.append(np.asarray(inside, np.int16))
    return np.abs(pixels[0] - pixels[1]).mean()


def others(python, folder, room, size):
    """{name of a group of files: milliseconds per file of img2dataset's resizer}, {} without it."""
    if not python:
        print(
            "img2dataset is not measured: python -m venv i2d, i2d/bin/pip install img2dataset, "
            "then --img2dataset i2d/bin/python"
        )
        return {}
    command = [python, "-c", RESIZER, str(folder), str(room), str(size)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["?"]
        print(f"img2dataset does not run in {python}: {lines[-1]}")
        return {}
    found = json.loads(done.stdout.splitlines()[-1])
    return {name: 1000 * seconds for name, seconds in found.items()}


def speed(config, room, wanted=WANTED):
    """-> the figures that were missed, in words."""
    groups = {}
    for mode in ("RGB", "L"):
        for megapixels in wanted.speedup:
            count = config.files // 3 if megapixels > LARGE_MEGAPIXELS else config.files
            folder = config.pictures or os.environ.get("ENGRAVINGS")
            pictures = originals(folder, max(1, count))
            name = f"{megapixels:g} Mpx {mode}"
            paths = make_files(room / "files" / name, pictures, megapixels, mode)
            groups[name] = (megapixels, mode, paths)
    theirs = others(config.img2dataset, room / "files", room, config.size)
    print(f"processor time per picture, JPEG -> PNG of {config.size} px")
    missed = []
    for name, (megapixels, mode, paths) in groups.items():
        found = compare(paths, room, config.size)
        speedup = wanted.speedup[megapixels] if mode == "RGB" else None
        print(speed_line(name, paths, found, speedup, theirs.get(name)), flush=True)
        if speedup is not None and found.plain / found.ours < speedup:
            missed.append(f"{name}: {found.plain / found.ours:.2f} times the plain way")
        if max(found.differences) > wanted.max_difference:
            missed.append(f"{name}: {max(found.differences):.2f}/255 from the plain way")
        if name in theirs and theirs[name] < found.ours:
            missed.append(f"{name}: img2dataset is faster")
    return missed


def speed_line(name, paths, found, speedup, theirs):
    """One line of the table. speedup: wanted, or None; theirs: milliseconds of img2dataset."""
    kilobytes = sum(path.stat().st_size for path in paths) / len(paths) / 1e3
    aim = "reported" if speedup is None else f"wanted: {speedup}"
    beside = "" if theirs is None else f"   img2dataset {theirs:6.1f} ms"
    return (
        f"  {name:<12} {len(paths):3} files of {kilobytes:7,.0f} kB   "
        f"plain way {found.plain:6.1f} ms   ours {found.ours:6.1f} ms   "
        f"{found.plain / found.ours:5.2f} times ({aim})   "
        f"difference {np.mean(found.differences):.2f}/255, at most {max(found.differences):.2f}   "
        f"cache {found.cache:5.1f} ms{beside}"
    )


# Many rows


@dataclass(frozen=True)
class Cost:
    """What a script took in a process of its own."""

    # without its start-up
    seconds: float
    # MB at its peak, and of its workers' peaks together
    own: float
    workers: float


def memory_of_workers(pid):
    """{pid: MB at its peak so far} of a process's children."""
    found = {}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                status = Path(f"/proc/{child}/status").read_text()
                if peak := re.search(r"VmHWM:\s+(\d+)", status):
                    found[child] = int(peak[1]) / 1024
    return found


def stage(script, **values):
    """Runs a script in a process of its own -> Cost. script: "prepare" or "caption"."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(ROOT), script, json.dumps(values)],
        stdout=subprocess.PIPE,
        text=True,
    )
    workers = {}
    while child.poll() is None:
        workers |= memory_of_workers(child.pid)
        time.sleep(0.05)
    text = child.stdout.read()
    if child.returncode:
        raise UserError(f"{script} ended with code {child.returncode}", code=1)
    seconds, own = json.loads(text.splitlines()[-1])
    return Cost(seconds, own, sum(workers.values()))


def rows(config, room, wanted=WANTED):
    """-> the figures that were missed, in words."""
    folder = room / "prints"
    make_rows(folder, originals(config.pictures or os.environ.get("ENGRAVINGS"), 64), config.rows)
    values = {
        "source": str(folder),
        "style": "prints",
        "image_size": config.size,
        "smallest": 16,
    }
    one = stage("prepare", **values, workers=1, data=str(room / "one")).seconds
    shutil.rmtree(room / "one")
    two = stage("prepare", **values, workers=2, data=str(room / "two")).seconds
    again = stage("prepare", **values, workers=2, data=str(room / "two")).seconds
    print(f"{config.rows:,} pictures of half a megapixel at {config.size} px, without start-up")
    print(
        f"  one process {one:,.1f} s, two {two:,.1f} s: "
        f"{one / two:.2f} times (wanted: {wanted.two_processes})"
    )
    print(
        f"  the same command again {again:,.2f} s: "
        f"{again / two:.1%} (wanted: {wanted.max_again:.0%})",
        flush=True,
    )
    missed = []
    if one / two < wanted.two_processes:
        missed.append(f"two processes: {one / two:.2f} times one")
    if again / two > wanted.max_again:
        missed.append(f"again: {again / two:.1%}")
    return missed


def run_stages(count, data):
    """Prepares and captions `count` built-in drawings, each twice -> {name of the stage: Cost}."""
    prepared = {"source": "builtin", "max_samples": count, "image_size": SMALL, "workers": 2}
    captioned = {"style": "builtin", "captioner": "existing"}
    return {
        "prepare": stage("prepare", data=data, **prepared),
        "prepare again": stage("prepare", data=data, **prepared),
        "caption": stage("caption", data=data, **captioned),
        "caption again": stage("caption", data=data, **captioned),
    }


def memory(config, room, wanted=WANTED):
    """-> the figures that were missed, in words."""
    if not Path("/proc/self/status").exists():
        print("memory is measured on Linux alone")
        return []
    base = run_stages(BASE_ROWS, str(room / f"data_{BASE_ROWS}"))
    found = run_stages(config.rows, str(room / f"data_{config.rows}"))
    print(
        f"{config.rows:,} built-in rows of {SMALL} px, two workers: MB at the peak, "
        f"and growth since {BASE_ROWS:,} rows"
    )
    missed = []
    for name, cost in found.items():
        grown = cost.own + cost.workers - base[name].own - base[name].workers
        print(
            f"  {name:<14} {cost.seconds:8,.1f} s   {cost.own:6,.0f} MB, "
            f"workers {cost.workers:6,.0f} MB   growth {grown:+6,.0f} MB "
            f"(wanted: {wanted.max_growth})",
            flush=True,
        )
        if grown > wanted.max_growth:
            missed.append(f"{name}: {grown:,.0f} MB of growth")
    return missed


PARTS = {"speed": speed, "rows": rows, "memory": memory}


def main(config, wanted=WANTED):
    missed = []
    for part in config.only.split(","):
        with tempfile.TemporaryDirectory(dir=config.folder or None) as room:
            missed += PARTS[part](config, Path(room), wanted)
    if missed:
        print("missed: " + "; ".join(missed))
    return bool(missed)


if __name__ == "__main__":
    run(main, *CONFIGS)
