"""Whatever is written reaches the screen, harmless, in the letters that the screen has."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oneseed.console.streams import Screen, guard_streams

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "\x1b]0;owned\x07\x1b[2J"


def screen_of(encoding="utf-8", *, is_error=False):
    """A screen of this encoding, and the bytes that reach it."""
    there = io.BytesIO()
    stream = io.TextIOWrapper(there, encoding=encoding, write_through=True)
    return Screen(stream, is_error=is_error), there


def shown(text, encoding="utf-8", *, is_error=False):
    """The text as it reaches a screen of this encoding."""
    screen, there = screen_of(encoding, is_error=is_error)
    screen.write(text)
    screen.flush()
    return there.getvalue().decode(encoding)


def script(tmp_path, *lines, imports="begin, run"):
    """The words that run a script of these lines, which begins as ours do."""
    path = tmp_path / "script.py"
    head = f"from oneseed.console.command import {imports}\nbegin()\nimport os, sys, time\n"
    path.write_text(head + "\n".join(lines), encoding="utf-8")
    return [sys.executable, str(path)]


def ran(command, **more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more.pop("env", {})}
    more.setdefault("capture_output", True)
    return subprocess.run(command, env=environment, timeout=60, **more)


@pytest.mark.parametrize(
    "text, there",
    [
        (HOSTILE, r"\x1b]0;owned\x07\x1b[2J"),
        ("a\rb\x9b2Jc\x08", r"a\rb\x9b2Jc\x08"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("caf\udce9", r"caf\udce9"),
        ("two\tcolumns\nand lines\n", "two\tcolumns\nand lines\n"),
        ("خانه‌ها 👨‍👩‍👧 山の\u3000上", "خانه‌ها 👨‍👩‍👧 山の\u3000上"),
        ("នៅ\u200bលើ 🏴\U000e0067\U000e0062 🩷", "នៅ\u200bលើ 🏴\U000e0067\U000e0062 🩷"),
        ("\ufeff\uffff\ue000\U000e0001", r"\ufeff\uffff\ue000\U000e0001"),
    ],
)
def test_control_characters_of_any_text_are_visible_and_letters_stay(text, there):
    """A style in a stranger's table set the window's title and wiped the screen."""
    assert shown(text) == there


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "cp437"])
@pytest.mark.parametrize("text", ["next: → – × · … “a”", "山上的城堡", "🦊 caf\udce9", "█████ 3"])
def test_a_screen_of_few_letters_shows_others_in_its_own(text, encoding):
    """One arrow in a line of the log ended a training of an hour with a traceback."""
    there = shown(text, encoding)
    assert "?" not in there
    plain = {"next: → – × · … “a”": 'next: -> - x . ... "a"', "█████ 3": "##### 3"}
    if encoding == "ascii":
        assert there == plain.get(text, text.encode("ascii", "backslashreplace").decode())


def test_bars_move_the_cursor_and_nothing_else_does():
    """Our bars go by; a bar of a library keeps its return, its text is a stranger's."""
    screen, there = screen_of(is_error=True)
    screen.bars.write("\r 3/9\x1b[K")
    assert there.getvalue() == b"\r 3/9\x1b[K"
    assert shown("\rload a\x1b[2J\rb", is_error=True) == "\rload a\\x1b[2J\\rb"
    assert shown("\rlines", is_error=False) == "\\rlines"


def test_what_replaces_the_streams_already_stays(monkeypatch):
    """A test that collects the output, or a page within a notebook."""
    own = io.StringIO()
    monkeypatch.setattr(sys, "stdout", own)
    monkeypatch.setattr(sys, "stderr", own)
    guard_streams()
    assert sys.stdout is own
    assert sys.stderr is own


def test_even_the_traceback_of_a_foreign_error_cannot_steer_the_terminal(tmp_path):
    command = script(tmp_path, f"raise ValueError({HOSTILE!r} + chr(0x5c71))")
    done = ran(command, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 1
    assert b"\x1b" not in done.stderr
    assert rb"ValueError: \x1b]0;owned\x07\x1b[2J\u5c71" in done.stderr


def test_a_module_is_begun_as_a_script_is(tmp_path):
    """`python -m` calls a module from the library's runpy, which was taken for another program: its
    streams and signals stayed as they were."""
    script(tmp_path, "print('→')")
    done = ran([sys.executable, "-m", "script"], cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout.split()) == (0, [b"->"]), done.stderr


def test_streams_stay_where_another_program_runs_the_script(tmp_path):
    script(tmp_path, "print(type(sys.stdout).__name__)")
    line = "import runpy; runpy.run_path('script.py', run_name='__main__')"
    done = ran([sys.executable, "-c", line], cwd=tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, [b"TextIOWrapper"]), done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes the streams")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_nobody_else_s(closed, tmp_path):
    """With stdout closed, the next file got its number, and lines of output were in it."""
    command = script(
        tmp_path,
        "with open('model.pt', 'w') as file:",
        "    assert file.fileno() > 2, file.fileno()",
        "    print('a line'); print('another', file=sys.stderr)",
        "    os.write(1, b'of a library'); os.write(2, b'of a library')",
        "    file.write('weights')",
        "assert sys.stdin.read() == ''",
        "open('done', 'w').close()",
    )
    shell = " ".join(command) + f" {closed}"
    done = ran(["sh", "-c", shell], cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done
    assert (tmp_path / "done").exists()
    assert (tmp_path / "model.pt").read_text() == "weights"


READER = [
    "def main():",
    "    try:",
    "        for number in range(100000): print(number, 'a line of some length', flush=True)",
    "    finally:",
    "        print('saving', file=sys.stderr); print('saved', flush=True)",
    "        open('saved', 'w').close()",
    "run(main)",
]


def without_reader(command, tmp_path, *, lost):
    """The command run until its first line is read; then nobody reads the streams `lost`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if lost == "both" else subprocess.PIPE,
    )
    with process:
        process.stdout.readline()
        process.stdout.close()
        said = "" if lost == "both" else process.stderr.read().decode()
        return process.wait(60), said


@pytest.mark.parametrize("lost", ["stdout", "both"])
def test_a_reader_that_goes_away_ends_the_work_in_order(lost, tmp_path):
    """`… | head -1` ended a run with code 0, as if it were done, and nothing was saved."""
    code, said = without_reader(script(tmp_path, *READER), tmp_path, lost=lost)
    assert code == 141
    assert (tmp_path / "saved").exists()
    if lost == "stdout":
        assert said == (
            "saving\n\nnobody reads the output any more; finished work is kept, run the same "
            "command again to go on\n"
        )


def test_a_reader_that_goes_waits_for_what_is_done_as_one_act(tmp_path):
    lines = [
        "def main():",
        "    with defer_signals():",
        "        for number in range(20000): print('a line of some length', flush=True)",
        "        open('whole', 'w').close()",
        "    open('behind', 'w').close()",
        "run(main)",
    ]
    command = script(tmp_path, *lines, imports="begin, defer_signals, run")
    assert without_reader(command, tmp_path, lost="stdout")[0] == 141
    assert (tmp_path / "whole").exists()
    assert not (tmp_path / "behind").exists()


def test_a_thread_whose_reader_goes_away_ends_the_work_of_the_main_one(tmp_path):
    """Bars are drawn, and lines printed, by threads too; the main one waits for them in C."""
    lines = [
        "import threading",
        "def speak():",
        "    for number in range(20000): print('a line of some length', flush=True)",
        "def main():",
        "    try:",
        "        threading.Thread(target=speak).start()",
        "        time.sleep(50)",
        "    finally: open('saved', 'w').close()",
        "run(main)",
    ]
    code, said = without_reader(script(tmp_path, *lines), tmp_path, lost="stdout")
    assert code == 141
    assert "Traceback" not in said
    assert (tmp_path / "saved").exists()


@pytest.mark.parametrize("code", [0, 1])
def test_a_reader_that_misses_the_last_words_changes_no_code(code, tmp_path):
    """All was done, and what was left to be read is a summary: the code is the work's."""
    lines = [
        "def main():",
        "    reads, writes = os.pipe(); os.dup2(writes, 1); os.close(reads)",
        "    print('summary')",
        f"    return {code}",
        "run(main)",
    ]
    done = ran(script(tmp_path, *lines), env={"PYTHONUNBUFFERED": ""})
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_the_log_is_told_as_that(tmp_path):
    """`… > log`: the sentence names the output, and no second error follows at the end."""
    with open("/dev/full", "w") as full:
        done = ran(
            script(tmp_path, "run(lambda: print('summary'))"),
            stdout=full,
            stderr=subprocess.PIPE,
            capture_output=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: stdout: No space left on device; ")
    assert len(done.stderr.splitlines()) == 1
