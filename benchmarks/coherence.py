"""Strict coherence over minutes of training, over training seeds and over levels: trains, evaluates, appends to one results file.

    python -m benchmarks.coherence                          # everything that is not yet in outputs/coherence/results.jsonl
    python -m benchmarks.coherence --only demo              # three training seeds of what `make demo` trains
    python -m benchmarks.coherence --only levels,half-hour
    python -m benchmarks.coherence --only two-hours --judge checkpoints/judge.pt

Each row is prepared, trained and evaluated by the scripts themselves, as a user would. Interrupted, it goes on where it stood. Minutes
are the wall time of training alone, on as many threads as the table says (OMP_NUM_THREADS); the other figures do not depend on them. The long
rows train on more drawings: the wording of 5,400 captions is learnt by heart in a quarter of an hour.
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
from pathlib import Path

from oneseed.console.command import UserError, run
from oneseed.files import write_text

# name -> rows of level, training seed, drawings, further flags of training_loop.py
PLANS = {
    "demo": [(5, 0, 6000, ""), (5, 1, 6000, ""), (5, 2, 6000, "")],
    "levels": [(1, 0, 6000, ""), (2, 0, 6000, ""), (3, 0, 6000, ""), (4, 0, 6000, "")],
    "half-hour": [(5, 0, 24000, "--num-epochs 7 --sampler-steps 8000")],
    "two-hours": [
        (5, 0, 40000, "--num-epochs 9 --sampler-steps 15000 --flow-dims 64 --follow-dims 128")
    ],
}
SHOWN = {
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


def script(*words, may_say_no=False):
    """Run a script of ours; its output goes by. UserError where it fails."""
    done = subprocess.run([sys.executable, *words])
    if done.returncode not in ((0, 1) if may_say_no else (0,)):
        raise UserError(
            f"python {' '.join(words)} ended with {done.returncode}; mend that and run the same command again",
            code=done.returncode,
        )


def measure(plan, level, seed, drawings, flags, judge):
    """One row -> its results, a dict."""
    root = Path("outputs/coherence")
    data = root / f"data_{level}_{drawings}"
    folder = root / f"{plan}_{level}_{seed}"
    if not (data / "captions/builtin_train.jsonl").exists():
        script(
            "dataset_preparation.py",
            "--source",
            "builtin",
            "--preset",
            "small",
            "--level",
            str(level),
            "--max-samples",
            str(drawings),
            "--data",
            str(data),
        )
        script("caption_generation.py", "--style", "builtin", "--data", str(data))
    spent = folder / "minutes.json"
    minutes = json.loads(spent.read_text()) if spent.exists() else 0.0
    begin = time.perf_counter()
    try:
        script(
            "training_loop.py",
            "--style",
            "builtin",
            "--preset",
            "small",
            "--seed",
            str(seed),
            "--data",
            str(data),
            "--checkpoints",
            str(folder),
            *flags.split(),
            may_say_no=True,
        )
    finally:
        minutes += (time.perf_counter() - begin) / 60
        write_text(spent, json.dumps(minutes))
    script(
        "evaluation.py",
        "--checkpoint",
        str(folder / "best_model.pt"),
        "--judge",
        judge,
        "--data",
        str(data),
        "--out",
        str(folder / "report"),
    )
    numbers = json.loads((folder / "report/report.json").read_text("utf-8"))["numbers"]
    return {
        "plan": plan,
        "level": level,
        "seed": seed,
        "drawings": drawings,
        "flags": flags,
        "threads": int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count()),
        "minutes": round(minutes, 2),
        **{name: row["value"] for name, row in numbers.items()},
    }


def table(rows):
    head = ["plan", "level", "seed", "drawings", "threads", "minutes", *SHOWN.values()]
    cells = [
        [
            *(str(row[name]) for name in head[:5]),
            f"{row['minutes']:.1f}",
            *(f"{row[name]:.3f}" if row.get(name) is not None else "-" for name in SHOWN),
        ]
        for row in rows
    ]
    return "\n".join(["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *cells)])


def main(config):
    results = Path("outputs/coherence/results.jsonl")

    def read():
        return (
            [json.loads(line) for line in results.read_text("utf-8").splitlines()]
            if results.exists()
            else []
        )

    for plan in config.only.split(","):
        for row in PLANS[plan]:
            if not any(
                (plan, *row)
                == tuple(done[name] for name in ("plan", "level", "seed", "drawings", "flags"))
                for done in read()
            ):
                measured = measure(plan, *row, config.judge)
                # two of these commands may run side by side
                with open(results, "a", encoding="utf-8") as file:
                    file.write(json.dumps(measured) + "\n")
    print(table(read()))


if __name__ == "__main__":
    run(main, *CONFIGS)
