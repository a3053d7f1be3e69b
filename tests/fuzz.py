"""Harms everything that the program reads, and looks whether it keeps its promises.

    python tests/fuzz.py                                   # a minute; trials 0, 1, … of each kind
    python tests/fuzz.py --seconds 3600 --seed 5000        # an hour of others
    python tests/fuzz.py --only run_model --seconds 60     # one kind, or several with commas
    python tests/fuzz.py --only run_model --seed 17 --trials 1 --keep kept       # one trial again

A trial harms one file, or one input, and runs commands of the program in a folder of its own. Each
ends by itself, within a limit of time and memory, with code 0, 1 or 2 and at most one sentence; no
traceback, no control character; nothing outside of the folder is touched or told of; no file of the
user's is lost; and where the code is 0, what was made is whole. Failures of one cause are a group.
Exit code: 0 none failed, 1 some did.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# before numpy and torch load
os.environ["OMP_NUM_THREADS"] = "1"

from tests.fuzzing.place import Place
from tests.fuzzing.trials import Failure, Trial, judge

if sys.platform != "linux":
    raise SystemExit("error: the fuzzer needs Linux, for its forks and limits")

# seconds between two lines on the screen
TOLD_EVERY = 10.0
# that a worker may take in the folder for trials
ROOM_BYTES = 2**31
# failures of a group that are shown
SHOWN = 3


def kinds() -> dict[str, Callable[[Any, random.Random], Trial]]:
    """Name of each kind -> what makes a trial of it."""
    from tests.fuzzing import (
        kinds_captioner,
        kinds_data,
        kinds_judges,
        kinds_run,
        kinds_source,
        kinds_words,
    )

    modules = (kinds_source, kinds_data, kinds_run, kinds_judges, kinds_words, kinds_captioner)
    found = {}
    for module in modules:
        begin = module.__name__.rpartition("_")[2] + "_"
        for name, make in vars(module).items():
            is_own = name.startswith(begin) and make.__module__ == module.__name__
            if is_own and make.__annotations__.get("return") is Trial:
                found[name] = make
    return found


class Worker:
    """One process that makes trials."""

    def __init__(self, options: argparse.Namespace, folder: Path, number: int = 0) -> None:
        import torch

        from tests.fuzzing.kinds_page import Page
        from tests.fuzzing.material import Material

        torch.set_num_threads(1)
        self.options = options
        self.has_page = "page" in options.chosen and number == 0
        self.kinds = kinds()
        self.material = Material(Place(folder / "files"))
        # a folder of its own, since it runs on
        self.page = Page(Place(folder / "page"))

    def build(self) -> None:
        self.material.build()
        if self.has_page:
            pristine = self.page.place.pristine
            self.page.place.make()
            shutil.copytree(self.material.place.pristine, pristine, True, dirs_exist_ok=True)
            self.page.start()

    def close(self) -> None:
        self.page.stop()
        self.material.close()

    def attempt(self, kind: str, seed: int) -> list[Failure]:
        """One trial -> its failures. A trial that cannot be made is one, too."""
        rng = random.Random(f"{kind} {seed}")
        if kind == "page":
            from tests.fuzzing.kinds_page import page_trial

            return page_trial(self.page, seed, rng)
        place = self.material.place
        trial = self.kinds[kind](self.material, rng)
        if self.options.keep:
            kept = self.options.keep / f"{kind}_{seed}"
            remove_tree(kept)
            with contextlib.suppress(shutil.Error):
                shutil.copytree(place.work, kept, symlinks=True)
        return judge(kind, seed, place, trial)

    def run(self, number: int, results: Any) -> None:
        """Trials until the time is over, or as many as are asked for.

        Every n-th seed of each kind; all kinds get the same time. The first worker has the page.
        """
        options = self.options
        stride = {kind: 1 if kind == "page" else options.workers for kind in options.chosen}
        following = {kind: number for kind in options.chosen if kind != "page" or number == 0}
        spent = dict.fromkeys(following, 0.0)
        end = time.monotonic() + options.seconds
        while following and time.monotonic() < end:
            kind = min(following, key=lambda kind: spent[kind])
            if options.trials and following[kind] >= options.trials:
                del following[kind]
                continue
            seed = options.seed + following[kind]
            following[kind] += stride[kind]
            begin = time.monotonic()
            try:
                failures = self.attempt(kind, seed)
            except Exception as error:
                # the trials after it are as good as ever
                problem = f"the trial cannot be made: {error!r}"
                failures = [Failure(kind, seed, "the fuzzer", problem, problem)]
            spent[kind] += time.monotonic() - begin
            seconds = time.monotonic() - begin
            results.put((kind, seconds, [asdict(failure) for failure in failures]))


def remove_tree(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def work(options: argparse.Namespace, folder: Path, number: int, results: Any) -> None:
    """What a worker process does."""
    try:
        worker = Worker(options, folder, number)
        try:
            worker.build()
            results.put(("ready", 0.0, []))
            worker.run(number, results)
        finally:
            worker.close()
        results.put(("end", 0.0, []))
    except BaseException as error:
        results.put(("broken", 0.0, [repr(error)]))
        raise


def parse_words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="of trials, beside the start")
    parser.add_argument("--seed", type=int, default=0, help="of the first trial of each kind")
    parser.add_argument("--trials", type=int, default=0, help="of each kind; 0: as time allows")
    parser.add_argument("--only", default="", help="kinds, with commas between; or their beginning")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--keep", type=Path, help="folder that gets the harmed files of each trial")
    parser.add_argument("--report", type=Path, help="JSON file of counts and failures")
    options = parser.parse_args()
    every = [*kinds(), "page"]
    wanted = [word for word in options.only.split(",") if word]
    options.chosen = [kind for kind in every if not wanted or any(map(kind.startswith, wanted))]
    if not options.chosen:
        parser.error(f"kinds are {', '.join(every)}")
    if options.trials == 1:
        options.workers = 1
    return options


def collect(options: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], list[Failure]]:
    """Runs the workers -> {kind: (trials, seconds)} and all failures."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [
        context.Process(target=work, args=(options, folder / str(number), number, results))
        for number in range(options.workers)
    ]
    for worker in workers:
        worker.start()
    counts: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    failures: list[Failure] = []
    running = len(workers)
    told = time.monotonic()
    while running:
        kind, taken, found = results.get(timeout=300)
        if kind == "broken":
            for worker in workers:
                worker.terminate()
            raise SystemExit(f"error: the fuzzer itself failed: {found[0]}")
        running -= kind == "end"
        if kind in ("end", "ready"):
            continue
        counts[kind] += 1
        seconds[kind] += taken
        for failure in found:
            failures.append(Failure(**failure))
            print(failures[-1].line()[:600], flush=True)
        if time.monotonic() - told > TOLD_EVERY:
            told = time.monotonic()
            print(f"{counts.total():,} trials, {len(failures):,} failures", flush=True)
    for worker in workers:
        worker.join()
    return {kind: (counts[kind], seconds[kind]) for kind in options.chosen}, failures


def tell(counts: dict[str, Any], failures: list[Failure]) -> None:
    """Trials and rates of each kind, then the groups, the largest first."""
    print(f"{'kind':<18}{'trials':>8}{'a second':>10}{'failed':>8}")
    failed = Counter(failure.kind for failure in failures)
    for kind, (trials, seconds) in counts.items():
        rate = trials / seconds if seconds else 0
        print(f"{kind:<18}{trials:>8}{rate:>10.1f}{failed[kind]:>8}")
    groups = defaultdict(list)
    for failure in failures:
        groups[failure.group].append(failure)
    for group, members in sorted(groups.items(), key=lambda item: -len(item[1])):
        print(f"\n{len(members)} x {group}")
        for failure in members[:SHOWN]:
            print(f"  {failure.line()}".encode("ascii", "backslashreplace").decode())
    print(f"\n{sum(trials for trials, _ in counts.values()):,} trials, {len(groups)} groups failed")


def main() -> int:
    options = parse_words()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    # memory where there is some: files are made and removed thousands of times
    shared = Path("/dev/shm")
    has_room = os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > ROOM_BYTES
    where = shared if has_room else None
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=where, ignore_cleanup_errors=True) as name:
        counts, failures = collect(options, Path(name))
    tell(counts, failures)
    if options.report:
        told = {"kinds": counts, "failures": [asdict(failure) for failure in failures]}
        options.report.write_text(json.dumps(told, indent=1), "utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
