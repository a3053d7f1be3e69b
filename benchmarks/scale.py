"""Processor time and peak memory of every stage, for growing collections.

    python -m benchmarks.scale                                  # 1,000, 10,000 and 100,000
    python -m benchmarks.scale --counts 1000,10000 --size 32

Draws that many pictures, captions them, trains one epoch, then generates and indexes as many pairs,
by the scripts themselves. Memory is that of a stage's largest process, processor time that of all
of them, start-up included; it depends less on other work than wall time does. Appends to
outputs/scale/results.jsonl. Interrupted, it goes on with the stage where it stood; that stage's
figures are then of its last run, and marked.
"""

# --help answers at once
if __name__ == "__main__":
    from benchmarks.settings import ScaleConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(ScaleConfig, description=__doc__)

import os
import subprocess
import sys
import time
from pathlib import Path

from oneseed.console.command import UserError, run
from oneseed.dataset.jsonl import read_jsonl, to_json

ROOT = Path(__file__).resolve().parents[1]
OUT = Path("outputs/scale")
STAGES = ("prepare", "caption", "train", "generate", "index")
# ru_maxrss counts KiB on Linux
MIB_OF_MAXRSS = 1024


def stage_commands(count, size):
    """Stage -> the words of its command, for `count` pictures of `size` pixels."""
    folder = OUT / f"{count}_{size}"
    data = ["--data", str(folder / "data")]
    model = str(folder / "run/best_model.pt")
    preset = ["--preset", "small", "--image-size", str(size)]
    prepare = ["--source", "builtin", "--max-samples", str(count), *preset, *data]
    train = ["--num-epochs", "1", "--sampler-steps", "3000", *preset, *data]
    train += ["--checkpoints", str(folder / "run")]
    generate = ["--count", str(count), "--format", "parquet", "--out", str(folder / "pairs")]
    return {
        "prepare": ["dataset_preparation.py", *prepare],
        "caption": ["caption_generation.py", "--style", "builtin", *data],
        "train": ["training_loop.py", "--style", "builtin", *train],
        "generate": ["inference.py", "--checkpoint", model, *generate],
        "index": ["inference.py", "--checkpoint", model, "--index", str(count)],
    }


def measure(words, may_say_no):
    """Runs a script of ours -> its wall seconds, processor seconds and peak MiB.

    may_say_no: code 1, "the answer is no", is no failure. UserError where it fails.
    """
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in ((0, 1) if may_say_no else (0,)):
        raise UserError(
            f"python {' '.join(words)} ended with {process.returncode}; mend that and run the same "
            "command again",
            code=1,
        )
    return {
        "wall_seconds": round(time.perf_counter() - begin, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mib": round(used.ru_maxrss / MIB_OF_MAXRSS),
    }


def table(results, size):
    """Results -> a table in Markdown: a line a stage, processor seconds and MiB by count."""
    of_size = [row for row in results if row["size"] == size]
    counts = sorted({row["count"] for row in of_size})
    cells = {(row["stage"], row["count"]): row for row in of_size}
    lines = ["| stage | " + " | ".join(f"{count:,}" for count in counts) + " |"]
    lines.append("|---|" + "---:|" * len(counts))
    for stage in STAGES:
        shown = []
        for count in counts:
            row = cells.get((stage, count))
            again = "*" if row and row["again"] else ""
            shown.append(
                f"{row['processor_seconds']:,.0f} s, {row['peak_mib']:,} MiB{again}" if row else "-"
            )
        lines.append(f"| {stage} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def main(config):
    """Measures what is not yet measured, then prints the table."""
    path = OUT / "results.jsonl"
    begun = OUT / "begun"
    OUT.mkdir(parents=True, exist_ok=True)
    for count in map(int, config.counts.split(",")):
        for stage, words in stage_commands(count, config.size).items():
            row = {"stage": stage, "count": count, "size": config.size}
            stored = read_jsonl(path, torn=True) if path.exists() else []
            if any(row.items() <= result.items() for result in stored):
                continue
            name = f"{stage} {count} {config.size}"
            row["again"] = begun.exists() and begun.read_text("utf-8") == name
            begun.write_text(name, "utf-8")
            # a failed latent check is a result too
            row |= measure(words, may_say_no=stage == "train")
            with path.open("a", encoding="utf-8") as file:
                file.write(to_json(row) + "\n")
    print(table(read_jsonl(path, torn=True), config.size))


if __name__ == "__main__":
    run(main, *CONFIGS)
