"""An archive that a visitor brings, checked by dataset_preparation.py in a process of its own."""

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from oneseed.dataset.collection import Collection

ROOT = Path(__file__).resolve().parents[2]
# lines of the check that speak of files and commands; the visitor has neither
LINES_LEFT_OUT = ("files:", "next:")


def check_archive(path: str) -> Iterator[tuple[str, str]]:
    """Checks the archive; yields what it says so far, and its page as HTML, "" until the end.

    Nothing is prepared; the process ends with the generator.
    """
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        with open(Path(folder) / "said", "w+", encoding="utf-8") as output:
            for second in seconds_of_check(path, folder, output):
                yield f"looking at it, {second} s", ""
            output.seek(0)
            lines = output.read().splitlines()
        kept = [line for line in lines if not line.lstrip().startswith(LINES_LEFT_OUT)]
        # the folder of the server is nobody's business
        text = "\n".join(kept).replace(str(path), Path(path).name).strip()
        page = Collection("all", folder).check.with_suffix(".html")
        yield text, page.read_text("utf-8") if page.exists() else ""


def seconds_of_check(path: str, folder: str, output: TextIO) -> Iterator[int]:
    """Runs the check in `folder`, printing to `output`; yields 1, 2, ... while it runs."""
    command = [
        sys.executable,
        str(ROOT / "dataset_preparation.py"),
        "--check",
        *("--source", path),
        *("--style", "all"),
        *("--data", folder),
    ]
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TQDM_DISABLE": "1"},
    )
    try:
        for second in itertools.count(1):
            try:
                process.wait(1)
            except subprocess.TimeoutExpired:
                yield second
            else:
                return
    finally:
        process.kill()
        process.wait()
