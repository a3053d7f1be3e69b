"""Strict coherence over minutes of training, over training seeds and over levels.

    python -m benchmarks.coherence                          # everything that is not yet measured
    python -m benchmarks.coherence --only demo              # three times what `make demo` trains
    python -m benchmarks.coherence --only levels,half-hour
    python -m benchmarks.coherence --only two-hours --judge checkpoints/judge.pt

Trains, evaluates, and appends to outputs/coherence/results.jsonl. Each row is prepared, trained and
evaluated by the scripts themselves, as a user would. Interrupted, it goes on where it stood.
Minutes are the wall time of training alone, on as many threads as the table says (OMP_NUM_THREADS);
the other figures do not depend on them. The long rows train on more drawings: the wording of 5,400
captions is learnt by heart in a quarter of an hour.
"""

# --help answers at once
if __name__ == "__main__":
    from benchmarks.settings import CoherenceConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(CoherenceConfig, description=__doc__)

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from oneseed.console.command import UserError, run
from oneseed.dataset.jsonl import read_jsonl, to_json
from oneseed.files import write_text


@dataclass(frozen=True)
class PlannedRun:
    """One training that is measured."""

    plan: str
    # how many attributes the captions tell, 1 to 5
    level: int
    # of the training
    seed: int
    drawings: int = 6000
    # further flags of training_loop.py
    flags: str = ""


PLANNED_RUNS = (
    PlannedRun("demo", 5, 0, 15_000),
    PlannedRun("demo", 5, 1, 15_000),
    PlannedRun("demo", 5, 2, 15_000),
    PlannedRun("levels", 1, 0, 15_000),
    PlannedRun("levels", 2, 0, 15_000),
    PlannedRun("levels", 3, 0, 15_000),
    PlannedRun("levels", 4, 0, 15_000),
    PlannedRun("half-hour", 5, 0, 24000, "--num-epochs 7 --sampler-steps 8000"),
    PlannedRun(
        "two-hours",
        5,
        0,
        40000,
        "--num-epochs 9 --sampler-steps 15000 --flow-dims 64 --follow-dims 128",
    ),
)


@dataclass(frozen=True)
class Benchmark:
    """What the trainings of a benchmark have in common."""

    # where it keeps them
    root: Path
    # of the drawn collection
    style: str
    # flags of training_loop.py that choose the model
    model: str
    # that are judged of each
    pairs: int = 500

    @property
    def results(self):
        return self.root / "results.jsonl"


COHERENCE = Benchmark(Path("outputs/coherence"), "builtin", "--preset small")
# columns of the table: of the row itself, and of report.json with their headings
ROW_COLUMNS = ("plan", "level", "seed", "drawings", "threads")
REPORT_COLUMNS = {
    "joint_strict": "strict",
    "joint_mean": "mean",
    "joint_subject": "subject",
    "caption_to_picture_seen": "caption to picture",
    "caption_to_picture_unseen": "unseen",
    "picture_to_caption_seen": "picture to caption",
    "picture_to_caption_unseen": "unseen",
    "distinct_pictures": "distinct",
    "memorised": "memorised",
    "health_auc": "AUC",
}


def script(name, *flags, may_say_no=False):
    """Runs a script of ours; its output goes by. UserError where it fails.

    may_say_no: code 1, "the answer is no", is no failure.
    """
    done = subprocess.run([sys.executable, name, *flags])
    accepted = (0, 1) if may_say_no else (0,)
    if done.returncode not in accepted:
        raise UserError(
            f"python {' '.join([name, *flags])} ended with {done.returncode}; "
            "mend that and run the same command again",
            code=done.returncode,
        )


def prepare(row, benchmark):
    """The folder of the row's collection, which is made where it is not there yet."""
    data = benchmark.root / f"data_{row.level}_{row.drawings}"
    style = benchmark.style
    if (data / f"captions/{style}_train.jsonl").exists():
        return data
    flags = ["--source", style, "--preset", "small", "--level", str(row.level)]
    flags += ["--max-samples", str(row.drawings), "--data", str(data)]
    script("dataset_preparation.py", *flags)
    script("caption_generation.py", "--style", style, "--data", str(data))
    return data


def train(row, benchmark, data, folder):
    """Trains the row, or goes on with it -> minutes of training in all."""
    spent = folder / "minutes.json"
    minutes = json.loads(spent.read_text()) if spent.exists() else 0.0
    flags = ["--style", benchmark.style, *benchmark.model.split(), "--seed", str(row.seed)]
    flags += ["--data", str(data), "--checkpoints", str(folder), *row.flags.split()]
    begin = time.perf_counter()
    try:
        # a failed latent check is a result too
        script("training_loop.py", *flags, may_say_no=True)
    finally:
        minutes += (time.perf_counter() - begin) / 60
        write_text(spent, json.dumps(minutes))
    return minutes


def measure(row, benchmark, judge):
    """Prepares, trains and evaluates a row -> its results, a dict."""
    folder = benchmark.root / f"{row.plan}_{row.level}_{row.seed}"
    data = prepare(row, benchmark)
    minutes = train(row, benchmark, data, folder)
    flags = ["--checkpoint", str(folder / "best_model.pt"), "--judge", judge]
    flags += ["--seeds", str(benchmark.pairs), "--data", str(data), "--out", str(folder / "report")]
    script("evaluation.py", *flags)
    report = json.loads((folder / "report/report.json").read_text("utf-8"))
    return {
        **asdict(row),
        "threads": int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count()),
        "minutes": round(minutes, 2),
        **{name: number["value"] for name, number in report["numbers"].items()},
    }


def table(results):
    """Results -> a table in Markdown."""
    head = [*ROW_COLUMNS, "minutes", *REPORT_COLUMNS.values()]
    lines = [head, ["---"] * len(head)]
    for result in results:
        cells = [str(result[name]) for name in ROW_COLUMNS]
        cells.append(f"{result['minutes']:.1f}")
        for name in REPORT_COLUMNS:
            value = result.get(name)
            cells.append("-" if value is None else f"{value:.3f}")
        lines.append(cells)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def stored_results(benchmark):
    """What was measured before, also by other commands."""
    path = benchmark.results
    return read_jsonl(path, torn=True) if path.exists() else []


def is_measured(row, results):
    """Do the results hold this very row?"""
    return any(asdict(row).items() <= result.items() for result in results)


def measure_missing(rows, benchmark, judge):
    """Measures those rows that are not yet measured, and appends each to the results."""
    for row in rows:
        # read anew each time: two of these commands may run side by side
        if not is_measured(row, stored_results(benchmark)):
            result = measure(row, benchmark, judge)
            with open(benchmark.results, "a", encoding="utf-8") as file:
                file.write(to_json(result) + "\n")


def main(config):
    plans = config.only.split(",")
    chosen = [row for row in PLANNED_RUNS if row.plan in plans]
    chosen.sort(key=lambda row: plans.index(row.plan))
    measure_missing(chosen, COHERENCE, config.judge)
    print(table(stored_results(COHERENCE)))


if __name__ == "__main__":
    run(main, *CONFIGS)
