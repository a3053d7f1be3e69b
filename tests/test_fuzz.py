"""Some seconds of the fuzzer: whatever is harmed, every command keeps its promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and limits of processes")
ROOT = Path(__file__).resolve().parents[1]
SECONDS = 600 if os.environ.get("LONG") else 45
# for imports, the tiny run that is harmed, and the last trial of a busy machine
START_SECONDS = 300


def test_nothing_that_is_harmed_breaks_anything():
    """One flipped bit in a list of the program's own ended every run in a traceback, once.

    The trials are the same each time: seeds 0, 1, 2, … of every kind of file and input. Whoever
    finds a failure gets the command that repeats it.
    """
    command = [sys.executable, "tests/fuzz.py", "--seconds", str(SECONDS)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS + START_SECONDS
    )
    assert done.returncode == 0, f"{done.stdout[-20_000:]}\n{done.stderr[-5_000:]}"
    trials = int(done.stdout.splitlines()[-1].split()[0].replace(",", ""))
    assert trials >= SECONDS, f"{trials} trials in {SECONDS} s"


def test_the_fuzzer_sees_what_is_broken(tmp_path):
    """A fuzzer that finds nothing may look at nothing: each promise is broken here on purpose."""
    from tests.fuzzing.place import Place
    from tests.fuzzing.trials import Trial, judge, measure_idle

    place = Place(tmp_path)
    place.make()
    measure_idle(place)
    kept = place.work / "mine.txt"

    def groups(break_promise, **more) -> list[str]:
        place.clear()
        kept.write_text("a caption", "utf-8")
        trial = Trial("nothing", [("broken.py",)], before=break_promise, kept=[kept], **more)
        return [failure.group.partition(":")[0] for failure in judge("broken", 0, place, trial)]

    def say(text: str, code: int, stream: int = 2) -> int:
        os.write(stream, text.encode())
        return code

    assert groups(lambda: say("error: no picture; name one\n", 2)) == []
    assert groups(lambda: 0) == []
    assert groups(lambda: say("two lines\nof words\n", 2)) == ["no sentence"]
    assert groups(lambda: say("error: wrong\n", 0)) == ["code 0 with an error"]
    assert groups(lambda: say("\x1b[2J", 0, stream=1)) == ["control character"]
    assert groups(lambda: 3) == ["exit code"]
    assert groups(lambda: 1 // 0) == ["traceback"]
    assert groups(lambda: kept.unlink() or 0) == ["the user's file changed"]
    assert groups(lambda: kept.write_text("lost") and 0) == ["the user's file changed"]
    assert groups(lambda: (place.guard / "precious.txt").unlink() or 0) == [
        "touches what lies outside"
    ]
    assert groups(lambda: (place.home / ".cache").mkdir() or 0) == ["touches what lies outside"]
    assert groups(lambda: (place.tmp / "left").touch() or 0) == ["left in the temporary folder"]
    assert groups(lambda: (place.work / ".x.1.partial").touch() or 0) == ["left behind"]
    assert groups(lambda: copy(place.guard / "precious.txt", place.work / "shown.html")) == [
        "tells of a guarded file"
    ]
    markup = b"<p><script>alert(1)</script>"
    assert groups(lambda: (place.work / "check.html").write_bytes(markup) and 0) == [
        "a stranger's markup in a page"
    ]
    assert groups(lambda: (place.work / "pwned").touch() or 0) == ["a stranger's command was run"]
    assert groups(lambda: len(bytes(2**29)) and 0) == []
    assert groups(lambda: len(b"x" * 2**29) and 0) == ["memory"]
    assert groups(lambda: 0, check=lambda *_: iter(["half"])) == ["result"]


def copy(source: Path, target: Path) -> int:
    target.write_bytes(source.read_bytes())
    return 0
