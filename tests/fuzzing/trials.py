"""One trial: commands of the program in a folder with a harmed file, each in a process of its own.

The processes are forks of one that has torch imported. Beside the trial's folder lies a guarded
one, with files that no command may touch or tell of.
"""

import contextlib
import ctypes
import os
import re
import resource
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tests.fuzzing.place import Place, content_of, contents, difference, needles

ROOT = Path(__file__).resolve().parents[2]
# a command that waits for something that never comes; others end by their processor time
SECONDS_MAX = 45.0
CPU_SECONDS_MAX = 8.0
CPU_SECONDS_KILL = 35
GROWTH_MAX_MIB = 400
SENTENCE_MAX = 2000
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f]")
PYTHON_WARNING = re.compile(r"\.py:\d+: \w*Warning|^\w*Warning: .*\n  ", re.MULTILINE)
OWN_FRAME = re.compile(r'File "[^"]*?((?:oneseed/[\w/]+|\w+)\.py)", line (\d+), in (\S+)')

# of prctl, in linux/prctl.h
PR_SET_PDEATHSIG = 1

# as harms write it into names and texts
MARKUP = (b"<script>alert(1)", b"<img src=x onerror")

Words = Sequence[str]
Check = Callable[["Place", "Outcome"], Iterator[str]]


@dataclass
class Trial:
    """What is run, and what must hold afterwards beside what always must.

    harm: what was done, in words. commands: script and words of each, one after another.
    kept: files of the user's that stay byte for byte. extended: files that may only grow.
    check: yields a sentence for each promise that is broken. before: runs in the process of each
    command, first; an exit code that it returns stands for the command's. allowed: exit codes.
    may_copy: a link of the user's own source leads to a guarded file, which is then the source's.
    """

    harm: str
    commands: list[Words]
    kept: list[Path] = field(default_factory=list)
    extended: list[Path] = field(default_factory=list)
    check: Check | None = None
    before: Callable[[], Any] | None = None
    allowed: tuple[int, ...] = (0, 1, 2)
    cpu_seconds: float = CPU_SECONDS_MAX
    growth_mib: float = GROWTH_MAX_MIB
    may_copy: bool = False


@dataclass
class Outcome:
    """How the last command of a trial ended."""

    words: Words
    code: int
    output: str
    errors: str
    seconds: float
    cpu_seconds: float
    growth_mib: float


@dataclass
class Failure:
    """A promise that a trial broke. group: equal for failures of one cause."""

    kind: str
    seed: int
    harm: str
    problem: str
    group: str

    def line(self) -> str:
        return (
            f"python tests/fuzz.py --only {self.kind} --seed {self.seed} --trials 1"
            f"   # {self.harm}: {self.problem}"
        )


# ---- a command in a fork -------------------------------------------------------------------------


def run_script(words: Words) -> int:
    """Runs a script of the program as `python SCRIPT WORDS` does -> its exit code."""
    sys.argv = [str(ROOT / words[0]), *words[1:]]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def limit_and_enter(place: Place, cpu_seconds: int) -> None:
    """In the fork: limits, folders and streams as a new process would have them."""
    os.setsid()
    end_with_parent()
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 2**30,
        resource.RLIMIT_CPU: cpu_seconds,
    }
    for name, most in limits.items():
        resource.setrlimit(name, (most, most))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(place.work)
    os.environ |= {"HOME": str(place.home), "TMPDIR": str(place.tmp), "TQDM_DISABLE": "1"}
    os.environ["GRADIO_TEMP_DIR"] = str(place.tmp)
    import tempfile

    tempfile.tempdir = None
    for number, name in ((0, os.devnull), (1, place.root / "stdout"), (2, place.root / "stderr")):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        stream = os.open(name, flags, 0o600)
        os.dup2(stream, number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = utf8_stream(1, "strict")
    sys.stderr = utf8_stream(2, "backslashreplace")
    from oneseed.console.streams import guard_streams

    # a script does so itself where it is the program
    guard_streams()


def utf8_stream(number: int, errors: str) -> TextIO:
    """A standard stream as a new process has it."""
    return os.fdopen(number, "w", encoding="utf-8", errors=errors, closefd=False)


def end_with_parent() -> None:
    """The kernel ends this fork when the process that made it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run_command(place: Place, words: Words, before: Callable[[], Any] | None = None) -> Outcome:
    """Runs one command in a fork, and waits for its end, for at most SECONDS_MAX."""
    begin = time.monotonic()
    base_kib = own_kib()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            limit_and_enter(place, CPU_SECONDS_KILL)
            done = before() if before else None
            code = run_script(words) if done is None else done
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    status, usage = wait_for(child, begin)
    code = os.waitstatus_to_exitcode(status)
    return Outcome(
        words=words,
        code=code,
        output=(place.root / "stdout").read_text("utf-8", "backslashreplace"),
        errors=(place.root / "stderr").read_text("utf-8", "backslashreplace"),
        seconds=time.monotonic() - begin,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        growth_mib=(usage.ru_maxrss - base_kib) / 1024 - place.idle_growth,
    )


def measure_idle(place: Place) -> None:
    """How much more memory a fork has than this process, though it does nothing."""
    place.idle_growth = 0.0
    place.idle_growth = run_command(place, ("nothing",), lambda: 0).growth_mib


def wait_for(child: int, begin: float) -> tuple[int, resource.struct_rusage]:
    """Status and usage of a child when it has ended; after SECONDS_MAX it is killed."""
    pause = 0.001
    while True:
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            return status, usage
        if time.monotonic() - begin > SECONDS_MAX:
            os.killpg(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            return status, usage
        time.sleep(pause)
        pause = min(0.02, pause * 1.3)


def own_kib() -> int:
    """Memory of this process now, which its forks begin with."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


# ---- what always holds ---------------------------------------------------------------------------


def judge(kind: str, seed: int, place: Place, trial: Trial) -> list[Failure]:
    """Runs the commands of a trial -> the promises that it broke."""
    kept = {path: content_of(path) for path in [*trial.kept, *trial.extended]}
    around = place.around()
    problems: list[tuple[str, str]] = []
    for words in trial.commands:
        outcome = run_command(place, words, trial.before)
        problems += broken_by(outcome, trial)
        if outcome.code not in (0, 1, 2):
            break
    if place.around() != around:
        problems.append(named("touches what lies outside", difference(around, place.around())))
    for path, before in kept.items():
        problems += loss_of(path, before, may_grow=path in trial.extended)
    if not problems:
        problems += left_behind(place, may_copy=trial.may_copy)
    if trial.check and not problems:
        problems += [named("result", text) for text in trial.check(place, outcome)]
    return [
        Failure(kind, seed, trial.harm, f"{problem} ({' '.join(words)[:300]})", group)
        for group, problem in problems
    ]


def ended(main: Callable[[], Any]) -> int:
    """Runs a part of the program as a script runs its main -> the exit code."""
    from oneseed.console.command import run

    try:
        run(main)
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1


def named(group: str, detail: str) -> tuple[str, str]:
    """A problem: its group, and the sentence."""
    short = re.sub(r"/[\w/.-]*/|0x[0-9a-f]+|\d+|'[^']*'", "…", detail)[:110]
    return f"{group}: {short}", f"{group}: {detail}"


def broken_by(outcome: Outcome, trial: Trial) -> Iterator[tuple[str, str]]:
    """The promises that each command keeps, whatever it reads."""
    both = outcome.output + outcome.errors
    if "Traceback (most recent call last)" in both or "Exception ignored in" in both:
        yield traceback_group(both)
        return
    if outcome.code == -signal.SIGKILL and outcome.seconds > SECONDS_MAX:
        yield named("does not end", f"killed after {SECONDS_MAX:g} s")
    elif outcome.code == -signal.SIGKILL:
        yield named("does not end", f"killed after {outcome.cpu_seconds:.0f} s of processor time")
    elif outcome.code not in trial.allowed:
        yield named("exit code", f"{outcome.code}, {both[-200:]!r}")
    elif outcome.cpu_seconds > trial.cpu_seconds:
        yield named("slow", f"{outcome.cpu_seconds:.1f} s of processor time")
    if outcome.growth_mib > trial.growth_mib:
        yield named("memory", f"{outcome.growth_mib:.0f} MiB more")
    if found := PYTHON_WARNING.search(both):
        yield named("a warning of Python", both[found.start() - 60 : found.end() + 150])
    if found := CONTROL.search(both):
        yield named("control character", repr(both[max(0, found.start() - 80) :][:160]))
    yield from sentence_of(outcome)


def sentence_of(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Exit codes and sentences belong together."""
    lines = [line for line in outcome.errors.splitlines() if line.startswith("error: ")]
    tail = outcome.errors.rstrip("\n").rpartition("\n")[2]
    if outcome.code == 2 and (len(lines) != 1 or not tail.startswith("error: ")):
        yield named("no sentence", f"code 2 with {outcome.errors[-300:]!r}")
    if outcome.code == 1 and not lines and not outcome.output.strip():
        yield named("no sentence", f"code 1 with {outcome.errors[-300:]!r}")
    if outcome.code == 0 and lines:
        yield named("code 0 with an error", lines[-1])
    if any(len(line) > SENTENCE_MAX for line in lines):
        yield named("long sentence", max(lines, key=len)[:150])


def traceback_group(text: str) -> tuple[str, str]:
    """Equal tracebacks are one group: the exception, and the last frame of ours."""
    last = text.rstrip().rpartition("\n")[2][:160]
    exception = last.partition(":")[0]
    frames = [frame for frame in OWN_FRAME.findall(text) if "fuzzing" not in frame[0]]
    own = (
        [frame for frame in frames if frame[0].startswith("oneseed/")] or frames or [("?", "", "")]
    )
    path, line, function = own[-1]
    return f"traceback: {exception} in {path}:{function}", f"{last} at {path}:{line} {function}"


def loss_of(path: Path, before: bytes | None, *, may_grow: bool) -> Iterator[tuple[str, str]]:
    """Whether something of a user's file is gone."""
    if before is None:
        return
    now = content_of(path)
    # the end of a line that a kill left half written may go
    lines = before[: before.rfind(b"\n") + 1]
    if now is None or not (now.startswith(lines) if may_grow else now == before):
        state = "gone" if now is None else f"{len(before)} bytes before, {len(now)} now"
        yield named("the user's file changed", f"{path.name}: {state}")


def left_behind(place: Place, *, may_copy: bool = False) -> Iterator[tuple[str, str]]:
    """Files of a run that has ended, and copies of guarded files."""
    if names := sorted(os.listdir(place.tmp)):
        yield named("left in the temporary folder", ", ".join(names)[:200])
    sought = [] if may_copy else needles(place.guard)
    for path in place.work.rglob("*"):
        if path.name.endswith(".partial"):
            yield named("left behind", str(path.relative_to(place.work)))
        if path.suffix == ".pt" or path.is_symlink() or not path.is_file():
            continue
        # a sparse file of a trial's own
        if path.stat().st_size > 2**26:
            continue
        if any(needle in data for data in contents(path) for needle in sought):
            yield named("tells of a guarded file", str(path.relative_to(place.work)))
        if path.suffix == ".html" and any(mark in (content_of(path) or b"") for mark in MARKUP):
            yield named("a stranger's markup in a page", str(path.relative_to(place.work)))
        if path.name == "pwned":
            yield named("a stranger's command was run", "there is a file pwned")
