"""An archive that a visitor brings, checked by dataset_preparation.py in a process of its own.

The process has a limit of time and, on Linux, of memory, for an archive may hold a million members
in a few megabytes.
"""

import contextlib
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
# of a check
MAX_SECONDS = 60
# of each of its processes, in bytes
MAX_MEMORY = 2**32
# how the last line begins of a check that came to its end
LAST_LINES = ("next:", "error:")


def check_archive(path: str) -> Iterator[tuple[str, str]]:
    """Checks the archive; yields what it says so far, and its page as HTML, "" until the end.

    Nothing is prepared; the process ends with the generator.
    """
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        with open(Path(folder) / "said", "w+", encoding="utf-8") as output:
            process = begun_check(path, folder, output)
            for second in seconds_of_check(process):
                if second > MAX_SECONDS:
                    yield (
                        f"it was looked at for {MAX_SECONDS} s, which is the limit here: bring a "
                        "part of it, or check it on your own machine",
                        "",
                    )
                    return
                yield f"looking at it, {second} s", ""
            output.seek(0)
            lines = output.read().splitlines()
        if not any(line.startswith(LAST_LINES) for line in lines[-1:]):
            # killed by the system, or told that there is no more
            needs_memory = process.returncode < 0 or any("MemoryError" in line for line in lines)
            reason = (
                "it takes more memory to look at it than there is here: bring a part of it"
                if needs_memory
                else "this server cannot look at archives: check it on your own machine"
            )
            yield reason, ""
            return
        kept = [line for line in lines if not line.lstrip().startswith(LINES_LEFT_OUT)]
        # the folder of the server is nobody's business
        text = "\n".join(kept).replace(str(path), Path(path).name).replace(f"{folder}/", "").strip()
        page = Collection("all", folder).check.with_suffix(".html")
        yield text, page.read_text("utf-8") if page.exists() else ""


def limit_memory(process: int) -> None:
    """Limits the memory of a process, and of those that it starts, on Linux."""
    if sys.platform == "linux":
        import resource

        # it may have ended by itself
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process, resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def begun_check(path: str, folder: str, output: TextIO) -> subprocess.Popen[str]:
    """The check of an archive, begun in `folder`, printing to `output`."""
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
    limit_memory(process.pid)
    return process


def seconds_of_check(process: subprocess.Popen[str]) -> Iterator[int]:
    """Yields 1, 2, ... while the check runs; it ends with this generator."""
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
