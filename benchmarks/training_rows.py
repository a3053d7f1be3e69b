"""One epoch over a large collection: seconds to its first step, and how memory grows with the number of pictures. Linux.

    python -m benchmarks.training_rows                             # 100,000 built-in drawings of 64 px: half an hour on two cores, most of it preparing
    python -m benchmarks.training_rows --rows 5000                 # a first look

`python training_loop.py` itself, in a process of its own: one epoch of the small preset at 64 px, and a last fit of 200 steps, against the same with 1,000
rows. Memory is what belongs to the process alone; pages of the picture cache, which the system takes back when it wants, stand beside it. Ends with code 1
where the first step comes later than 10 s after the command, or memory grows by more than 200 MB before the epoch and all that belongs to it are over.
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
from pathlib import Path

from benchmarks.preparation import BASE, ROOT, SMALL, stage
from oneseed.console.command import UserError, run

# seconds; MB
FIRST_STEP = 10
GROWTH = 200

CHILD = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import training_loop
from oneseed.config.model import PRESETS, ModelConfig
from oneseed.config.training import TrainConfig
Trainer, times, step, finish = training_loop.MultimodalTrainer, {}, training_loop.MultimodalTrainer.step, training_loop.MultimodalTrainer.finish

def timed_step(self, *given, **named):
    found = step(self, *given, **named)
    times.setdefault("first step", time.monotonic())
    return found

def timed_finish(self, *given):
    times["epoch"] = time.monotonic()
    return finish(self, *given)

Trainer.step, Trainer.finish = timed_step, timed_finish
both = PRESETS["small"] | {"image_size": int(sys.argv[4]), "num_epochs": 1, "sampler_steps": 200}
configs = [kind(preset="small", **{name: value for name, value in both.items() if name in kind.__dataclass_fields__},
                **({"style": "builtin", "data": sys.argv[2], "checkpoints": sys.argv[3]} if kind is TrainConfig else {})) for kind in (ModelConfig, TrainConfig)]
training_loop.main(*configs)
print(json.dumps(times))
"""


def trained(data, checkpoints):
    """-> {"first step": s, "epoch": s, "end": s since the command, "own": MB at most until the epoch was over, "own at the end", "cache": MB at most}."""
    begin = time.monotonic()
    samples = []
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(ROOT), data, checkpoints, str(SMALL)],
        stdout=subprocess.PIPE,
        text=True,
    )
    while child.poll() is None:
        status = Path(f"/proc/{child.pid}/status").read_text()
        if found := re.search(r"RssAnon:\s+(\d+).*?RssFile:\s+(\d+)", status, re.DOTALL):
            samples.append((time.monotonic(), int(found[1]) / 1024, int(found[2]) / 1024))
        time.sleep(0.05)
    text = child.stdout.read()
    if child.returncode:
        raise UserError(f"training ended with code {child.returncode}:\n{text[-1000:]}", code=1)
    times = json.loads(text.splitlines()[-1])
    return {
        **{name: moment - begin for name, moment in times.items()},
        "end": samples[-1][0] - begin,
        "own": max(own for moment, own, _ in samples if moment <= times["epoch"]),
        "own at the end": max(own for _, own, _ in samples),
        "cache": max(cache for _, _, cache in samples),
    }


def main(config):
    if not Path("/proc/self/status").exists():
        raise UserError("memory is measured on Linux alone")
    found = {}
    with tempfile.TemporaryDirectory(dir=config.folder or None) as room:
        for rows in (BASE, config.rows):
            data = f"{room}/data_{rows}"
            stage("prepare", data=data, source="builtin", max_samples=rows, image_size=SMALL)
            stage("caption", data=data, style="builtin", captioner="existing")
            found[rows] = one = trained(data, f"{room}/run_{rows}")
            print(
                f"{rows:8,} rows: first step after {one['first step']:.1f} s, epoch over after {one['epoch']:.0f} s, the rest after {one['end']:.0f} s; memory {one['own']:,.0f} MB in the epoch, "
                f"{one['own at the end']:,.0f} MB at most, picture cache and libraries {one['cache']:,.0f} MB",
                flush=True,
            )
    base = found[BASE]
    large = found[config.rows]
    grown = large["own"] - base["own"]
    first = large["first step"]
    print(
        f"{'✓' if first <= FIRST_STEP else '✗'} first step after {first:.1f} s (wanted: {FIRST_STEP})"
    )
    print(
        f"{'✓' if grown <= GROWTH else '✗'} memory grew by {grown:+,.0f} MB (wanted: {GROWTH}); with the last fit by {large['own at the end'] - base['own at the end']:+,.0f} MB"
    )
    return int(first > FIRST_STEP or grown > GROWTH)


if __name__ == "__main__":
    run(main, *CONFIGS)
