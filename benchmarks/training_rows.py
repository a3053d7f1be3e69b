"""One epoch over a large collection: seconds to its first step, and memory. Linux.

How memory grows with the number of pictures.

    # 100,000 built-in drawings of 64 px: half an hour on two cores, most of it preparing
    python -m benchmarks.training_rows

    # a first look
    python -m benchmarks.training_rows --rows 5000

`python training_loop.py` itself, in a process of its own: one epoch of the small preset at 64 px,
and a last fit of 200 steps, against the same with 1,000 rows. Memory is what belongs to the process
alone; pages of the picture cache, which the system takes back when it wants, stand beside it. Ends
with code 1 where the first step comes later than 10 s after the command, or memory grows by more
than 200 MB before the epoch and all that belongs to it are over.
"""

# --help answers before numpy loads
if __name__ == "__main__":
    from dataclasses import dataclass

    from oneseed.console.flags import option, parse_configs

    @dataclass(frozen=True)
    class RowsConfig:
        rows: int = option(100_000, "pictures")
        folder: str = option(
            "", "where they are prepared and removed again (default: the system's folder for that)"
        )

    CONFIGS = parse_configs(RowsConfig, description=__doc__)

import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.preparation import BASE_ROWS, ROOT, SMALL, stage
from oneseed.console.command import UserError, run

# seconds from the command to the first step, at most
FIRST_STEP = 10
# MB that a large collection adds, at most
GROWTH = 200
# seconds between two looks at a process's memory
LOOK_EVERY = 0.05

# Trains, and prints when the first step and the epoch were over, in seconds of the system's clock.
CHILD = """
import json, sys, time

root, data, checkpoints, image_size = sys.argv[1:]
sys.path.insert(0, root)
import training_loop
from oneseed.config.model import PRESETS, ModelConfig
from oneseed.config.training import TrainConfig
from training_loop import MultimodalTrainer

times = {}
step, finish = MultimodalTrainer.train_step, MultimodalTrainer.finish

def timed_step(self, *given):
    found = step(self, *given)
    times.setdefault("first_step", time.monotonic())
    return found

def timed_finish(self):
    times["epoch"] = time.monotonic()
    return finish(self)

MultimodalTrainer.train_step, MultimodalTrainer.finish = timed_step, timed_finish
values = PRESETS["small"] | {
    "preset": "small",
    "image_size": int(image_size),
    "num_epochs": 1,
    "sampler_steps": 200,
    "style": "builtin",
    "data": data,
    "checkpoints": checkpoints,
}

def config_of(kind):
    return kind(**{name: values[name] for name in values.keys() & kind.__dataclass_fields__.keys()})

training_loop.main(config_of(ModelConfig), config_of(TrainConfig))
print(json.dumps(times))
"""


@dataclass(frozen=True)
class Sample:
    """The memory of a process at a moment."""

    # seconds of the system's clock
    moment: float
    # MB that belong to the process alone
    own_mb: float
    # MB of mapped files: the picture cache, libraries
    cache_mb: float


@dataclass(frozen=True)
class Course:
    """What a training took: seconds since the command, MB at most."""

    first_step: float
    epoch: float
    end: float
    # until the epoch was over
    epoch_mb: float
    own_mb: float
    cache_mb: float


def sample_memory(pid: int) -> Sample | None:
    """The memory of a process, None where it has ended."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+).*?RssFile:\s+(\d+)", status, re.DOTALL)
    if found is None:
        return None
    return Sample(time.monotonic(), int(found[1]) / 1024, int(found[2]) / 1024)


def train_watched(data: str, checkpoints: str) -> Course:
    """Train one epoch in a process of its own. UserError where that fails."""
    begin = time.monotonic()
    samples = []
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(ROOT), data, checkpoints, str(SMALL)],
        stdout=subprocess.PIPE,
        text=True,
    )
    while child.poll() is None:
        if sample := sample_memory(child.pid):
            samples.append(sample)
        time.sleep(LOOK_EVERY)
    text = child.stdout.read()
    if child.returncode:
        raise UserError(f"training ended with code {child.returncode}:\n{text[-1000:]}", code=1)
    times = json.loads(text.splitlines()[-1])
    return Course(
        first_step=times["first_step"] - begin,
        epoch=times["epoch"] - begin,
        end=samples[-1].moment - begin,
        epoch_mb=max(one.own_mb for one in samples if one.moment <= times["epoch"]),
        own_mb=max(one.own_mb for one in samples),
        cache_mb=max(one.cache_mb for one in samples),
    )


def prepare_and_train(folder: str, rows: int) -> Course:
    """Draw and caption a collection of so many rows, train on it, and print what that took."""
    data = f"{folder}/data_{rows}"
    stage("prepare", data=data, source="builtin", max_samples=rows, image_size=SMALL)
    stage("caption", data=data, style="builtin", captioner="existing")
    course = train_watched(data, f"{folder}/run_{rows}")
    print(
        f"{rows:8,} rows: first step after {course.first_step:.1f} s, epoch over after "
        f"{course.epoch:.0f} s, the rest after {course.end:.0f} s; memory "
        f"{course.epoch_mb:,.0f} MB in the epoch, {course.own_mb:,.0f} MB at most, "
        f"picture cache and libraries {course.cache_mb:,.0f} MB",
        flush=True,
    )
    return course


def main(config: Any) -> int:
    if not Path("/proc/self/status").exists():
        raise UserError("memory is measured on Linux alone")
    with tempfile.TemporaryDirectory(dir=config.folder or None) as folder:
        base = prepare_and_train(folder, BASE_ROWS)
        large = prepare_and_train(folder, config.rows)
    growth = large.epoch_mb - base.epoch_mb
    growth_of_fit = large.own_mb - base.own_mb
    is_early = large.first_step <= FIRST_STEP
    is_small = growth <= GROWTH
    print(
        f"{'✓' if is_early else '✗'} first step after {large.first_step:.1f} s "
        f"(wanted: {FIRST_STEP})"
    )
    print(
        f"{'✓' if is_small else '✗'} memory grew by {growth:+,.0f} MB (wanted: {GROWTH}); "
        f"with the last fit by {growth_of_fit:+,.0f} MB"
    )
    return 0 if is_early and is_small else 1


if __name__ == "__main__":
    run(main, *CONFIGS)
