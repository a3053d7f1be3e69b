"""How fast pictures are prepared: beside the plain way on the same files, on two cores, a second time; and how memory grows with their number.

    python -m benchmarks.preparation --pictures ~/engravings           # or the variable ENGRAVINGS; without either, the built-in drawings scaled up
    python -m benchmarks.preparation --only speed --files 3            # a first look
    python -m benchmarks.preparation --img2dataset i2d/bin/python      # beside it too: python -m venv i2d, i2d/bin/pip install img2dataset
    python -m benchmarks.preparation --only memory --rows 100000       # the built-in collection at 64 px; Linux

speed: processor time per picture, hashes and look included, against open, Lanczos, default PNG at the same mode, size and file type.
rows: one process, two, and the same command again, on as many engravings of half a megapixel; start-up apart. 10,000 take 6 GB of disk.
memory: preparing (drawing, cache and index included) and captioning, each twice, against the same with 1,000 rows.
Ends with code 1 where a figure is missed. Other work on the machine spoils the seconds of rows, hardly the ratios of speed.
"""

# --help answers before numpy loads
if __name__ == "__main__":
    from dataclasses import dataclass

    from oneseed.console.flags import option, parse_configs

    @dataclass(frozen=True)
    class PreparationConfig:
        only: str = option("speed,rows,memory", "which parts, with commas between")
        pictures: str = option(
            "",
            "folder of pictures that the files are made from (default: that of the environment variable ENGRAVINGS, else built-in drawings)",
        )
        files: int = option(
            24,
            "files of 0.5 and of 3 million pixels, in RGB and in grey; of 18 million a third as many",
        )
        rows: int = option(10_000, "pictures of the parts rows and memory")
        size: int = option(512, "side of the prepared pictures in the parts speed and rows")
        img2dataset: str = option("", "python of an environment in which img2dataset is installed")
        folder: str = option(
            "", "where files are made and removed again (default: the system's folder for that)"
        )

        def __post_init__(self):
            if wrong := [
                part for part in self.only.split(",") if part not in ("speed", "rows", "memory")
            ]:
                raise ValueError(f"--only knows speed, rows and memory, not {wrong[0]!r}")

    CONFIGS = parse_configs(PreparationConfig, description=__doc__)

import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageOps

from oneseed.console.command import UserError, run
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.pixels import write_pixels
from oneseed.files import suffix_of
from oneseed.media.picture import without_margins
from oneseed.preparation.examine import prepare_file
from oneseed.sources.tables import SUFFIXES
from oneseed.synthetic.engravings import attributes, drawing
from oneseed.workers import Workers, chunks

ROOT = Path(__file__).resolve().parents[1]
# million pixels: times the plain way, RGB
WANTED = {0.5: 3, 3: 2, 18: 3}
# of 255, mean difference to the plain way
FURTHEST = 2
# times one process; of the first run's seconds; MB from BASE rows on
TWO = 1.8
AGAIN = 0.02
GROWTH = 200
BASE = 1000
SMALL = 64
LANCZOS = Image.Resampling.LANCZOS
INK = (40, 26, 13)
PAPER = (246, 236, 212)

CHILD = """
import json, re, sys, time
sys.path.insert(0, sys.argv[1])
import caption_generation, dataset_preparation
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import PrepareConfig
main, kind = {"prepare": (dataset_preparation.main, PrepareConfig), "caption": (caption_generation.main, CaptionConfig)}[sys.argv[2]]
start = time.monotonic()
main(kind(**json.loads(sys.argv[3])))
seconds = time.monotonic() - start
try:
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
except OSError:
    peak = 0
print(json.dumps([seconds, peak]))
"""
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


# Files


def originals(folder, count):
    """`count` grey pictures: of the folder, or drawn."""
    if folder:
        paths = sorted(
            path for path in Path(folder).expanduser().rglob("*") if suffix_of(path) in SUFFIXES
        )
        if not paths:
            raise UserError(
                f"{folder} holds no pictures; name another: python -m benchmarks.preparation --pictures PATH"
            )
        random.Random(0).shuffle(paths)
        return [Image.open(path).convert("L") for path in paths[:count]]

    return [
        drawing.draw(facts, seed, 512).convert("L")
        for seed, facts in enumerate(attributes.collection(count))
    ]


def scaled(image, megapixels):
    """The picture at so many million pixels, with the grain of paper; without that a large one would be smoother than any scan."""
    factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    image = image.resize((round(image.width * factor), round(image.height * factor)), LANCZOS)
    return ImageChops.add(image, Image.effect_noise(image.size, 4), offset=-128)


def make_files(folder, pictures, megapixels, mode):
    folder.mkdir(parents=True)

    def make(number):
        image = scaled(pictures[number], megapixels)
        image = ImageOps.colorize(image, INK, PAPER) if mode == "RGB" else image
        image.save(folder / f"{number:03}.jpg", quality=90)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(make, range(len(pictures))))
    return sorted(folder.iterdir())


def make_rows(folder, pictures, count):
    """`count` different engravings of half a megapixel: parts of the pictures."""
    folder.mkdir(parents=True)

    def make(number):
        dice = random.Random(number)
        image = pictures[number % len(pictures)]
        width, height = (round(side * dice.uniform(0.6, 0.9)) for side in image.size)
        left = dice.randrange(image.width - width)
        top = dice.randrange(image.height - height)
        scaled(image.crop((left, top, left + width, top + height)), 0.5).save(
            folder / f"{number:06}.jpg", quality=90
        )

    with ThreadPoolExecutor(2) as threads, progress(label="making files", total=count) as bar:
        for some in chunks(range(count), 64):
            bar.update(len(list(threads.map(make, some))))


# Speed


def plain_way(path, target, size):
    with Image.open(path) as image:
        ImageOps.pad(image, (size, size), LANCZOS, color="white").save(target)


def processor_seconds(work, *arguments):
    start = time.process_time()
    result = work(*arguments)
    return time.process_time() - start, result


def compare(paths, room, size):
    """-> milliseconds per file of the plain way, of ours and of the cache, and the mean differences to the plain way, of 255. The ways take turns,
    twice; of each the better time counts."""
    collection = Collection("benchmark", room / f"data_{paths[0].parent.name}")
    records = []
    collection.resized.mkdir(parents=True)
    plain = []
    ours = []
    apart = []
    for path in paths:
        theirs = [processor_seconds(plain_way, path, room / "plain.png", size)]
        mine = [processor_seconds(prepare_file, path, collection.resized, size, 16)]
        theirs.append(processor_seconds(plain_way, path, room / "plain.png", size))
        mine.append(processor_seconds(prepare_file, path, collection.resized, size, 16))
        plain.append(min(seconds for seconds, _ in theirs))
        ours.append(min(seconds for seconds, _ in mine))
        found = mine[0][1]
        records.append(
            {
                "id": found["sha256"][:16],
                "filename": f"{found['sha256'][:16]}.png",
                "grey": found["grey"],
            }
        )
        one, other = (
            Image.open(file)
            for file in (room / "plain.png", collection.resized / records[-1]["filename"])
        )
        if one.mode != other.mode:
            raise UserError(
                f"{path.name} was prepared as {other.mode}, the plain way gives {one.mode}", code=1
            )
        values = [
            np.asarray(without_margins(image, found["width"], found["height"]), np.int16)
            for image in (one, other)
        ]
        apart.append(np.abs(values[0] - values[1]).mean())
    # no bar between the lines of the table
    with redirect_stderr(io.StringIO()):
        cache, _ = processor_seconds(write_pixels, records, collection, size, Workers(1))
    return *(1000 * sum(seconds) / len(paths) for seconds in (plain, ours, [cache])), apart


def others(python, folder, room, size):
    """-> {name of a group of files: milliseconds per file of img2dataset's resizer}, {} without it."""
    if not python:
        print(
            "img2dataset is not measured: python -m venv i2d, i2d/bin/pip install img2dataset, then --img2dataset i2d/bin/python"
        )
        return {}
    done = subprocess.run(
        [python, "-c", RESIZER, str(folder), str(room), str(size)], capture_output=True, text=True
    )
    if done.returncode:
        print(
            f"img2dataset does not run in {python}: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
        )
        return {}
    return {
        name: 1000 * seconds for name, seconds in json.loads(done.stdout.splitlines()[-1]).items()
    }


def speed(config, room):
    """-> the figures that were missed, in words."""
    missed = []
    groups = {}
    for mode in ("RGB", "L"):
        for megapixels in WANTED:
            pictures = originals(
                config.pictures or os.environ.get("ENGRAVINGS"),
                max(1, config.files // (3 if megapixels > 10 else 1)),
            )
            groups[f"{megapixels:g} Mpx {mode}"] = (
                megapixels,
                mode,
                make_files(
                    room / "files" / f"{megapixels:g} Mpx {mode}", pictures, megapixels, mode
                ),
            )
    theirs = others(config.img2dataset, room / "files", room, config.size)
    print(f"processor time per picture, JPEG -> PNG of {config.size} px")
    for name, (megapixels, mode, paths) in groups.items():
        plain, ours, cache, apart = compare(paths, room, config.size)
        wanted = f"wanted: {WANTED[megapixels]}" if mode == "RGB" else "reported"
        beside = f"   img2dataset {theirs[name]:6.1f} ms" if name in theirs else ""
        print(
            f"  {name:<12} {len(paths):3} files of {sum(path.stat().st_size for path in paths) / len(paths) / 1e3:7,.0f} kB   plain way {plain:6.1f} ms   ours {ours:6.1f} ms"
            f"   {plain / ours:5.2f} times ({wanted})   difference {np.mean(apart):.2f}/255, at most {max(apart):.2f}   cache {cache:5.1f} ms{beside}",
            flush=True,
        )
        if mode == "RGB" and plain / ours < WANTED[megapixels]:
            missed.append(f"{name}: {plain / ours:.2f} times the plain way")
        if max(apart) > FURTHEST:
            missed.append(f"{name}: {max(apart):.2f}/255 from the plain way")
        if name in theirs and theirs[name] < ours:
            missed.append(f"{name}: img2dataset is faster")
    return missed


# Many rows


def memory_of_workers(pid):
    """{pid: MB at its peak so far} of a process's children."""
    found = {}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                if peak := re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{child}/status").read_text()):
                    found[child] = int(peak[1]) / 1024
    return found


def stage(script, **values):
    """Runs a script in a process of its own -> seconds without its start-up, MB of its peak, and of its workers' peaks together."""
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
    return *json.loads(text.splitlines()[-1]), sum(workers.values())


def rows(config, room):
    make_rows(
        room / "prints", originals(config.pictures or os.environ.get("ENGRAVINGS"), 64), config.rows
    )
    values = dict(source=str(room / "prints"), style="prints", image_size=config.size, smallest=16)
    one, _, _ = stage("prepare", **values, workers=1, data=str(room / "one"))
    shutil.rmtree(room / "one")
    two, _, _ = stage("prepare", **values, workers=2, data=str(room / "two"))
    again, _, _ = stage("prepare", **values, workers=2, data=str(room / "two"))
    print(f"{config.rows:,} pictures of half a megapixel at {config.size} px, without start-up")
    print(f"  one process {one:,.1f} s, two {two:,.1f} s: {one / two:.2f} times (wanted: {TWO})")
    print(
        f"  the same command again {again:,.2f} s: {again / two:.1%} (wanted: {AGAIN:.0%})",
        flush=True,
    )
    return ([f"two processes: {one / two:.2f} times one"] if one / two < TWO else []) + (
        [f"again: {again / two:.1%}"] if again / two > AGAIN else []
    )


def memory(config, room):
    if not Path("/proc/self/status").exists():
        print("memory is measured on Linux alone")
        return []
    found = {}
    for count in (BASE, config.rows):
        data = str(room / f"data_{count}")
        for name in ("prepare", "prepare again", "caption", "caption again"):
            values = (
                dict(source="builtin", max_samples=count, image_size=SMALL, workers=2)
                if name.startswith("prepare")
                else dict(style="builtin", captioner="existing")
            )
            found[count, name] = stage(name.split()[0], data=data, **values)
    print(
        f"{config.rows:,} built-in rows of {SMALL} px, two workers: MB at the peak, and growth since {BASE:,} rows"
    )
    missed = []
    for name in ("prepare", "prepare again", "caption", "caption again"):
        (_, own, workers), (seconds, most, all_workers) = (
            found[BASE, name],
            found[config.rows, name],
        )
        grown = most + all_workers - own - workers
        print(
            f"  {name:<14} {seconds:8,.1f} s   {most:6,.0f} MB, workers {all_workers:6,.0f} MB   growth {grown:+6,.0f} MB (wanted: {GROWTH})",
            flush=True,
        )
        if grown > GROWTH:
            missed.append(f"{name}: {grown:,.0f} MB of growth")
    return missed


def main(config):
    missed = []
    for part in config.only.split(","):
        with tempfile.TemporaryDirectory(dir=config.folder or None) as room:
            missed += {"speed": speed, "rows": rows, "memory": memory}[part](config, Path(room))
    if missed:
        print("missed: " + "; ".join(missed))
    return bool(missed)


if __name__ == "__main__":
    run(main, *CONFIGS)
