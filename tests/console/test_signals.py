"""Signals end a run at any moment: quietly before the work, and in order within it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oneseed.console.command import HungUp, Terminated, defer_signals, signals_stop_work

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
# signals that ignore nothing, whatever the shell of the tests ignores
USUAL = (
    "import os, signal, sys\n"
    "for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(n, signal.SIG_DFL)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
BEGUN = "from oneseed.console.command import begin, run\nbegin()\nimport os, signal, sys, time\n"


def start(tmp_path, *lines, before=USUAL):
    """A script of these lines, begun as ours are."""
    path = tmp_path / "script.py"
    path.write_text(BEGUN + "\n".join(lines), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-c", before, str(path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process, *numbers):
    """The signals, once the script has said a line -> exit status and stderr."""
    with process:
        process.stdout.readline()
        for number in numbers:
            process.send_signal(number)
        _, error = process.communicate(timeout=60)
    return process.returncode, error


@pytest.mark.parametrize("number", CODES)
def test_a_signal_before_the_work_is_a_line_that_no_library_swallows(number, tmp_path):
    """Ctrl+C while torch was loaded printed forty lines of its imports."""
    code, error = ended(
        start(
            tmp_path,
            "print('loading', flush=True)",
            "while True:",
            "    try: time.sleep(30)",
            "    except BaseException: pass",
        ),
        number,
    )
    assert code == CODES[number]
    assert len(error.strip().splitlines()) == 1, error


@pytest.mark.parametrize("number", CODES)
def test_a_signal_within_the_work_saves(number, tmp_path):
    """A closed terminal ended the process at once, with all that it had learnt."""
    code, error = ended(
        start(
            tmp_path,
            "def main():",
            "    try: print('working', flush=True); time.sleep(30)",
            "    finally: open('saved', 'w').close()",
            "run(main)",
        ),
        number,
    )
    assert code == CODES[number]
    assert error.count("\n") == 2, error
    assert (tmp_path / "saved").exists()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGHUP], ids=["again", "hangup"])
def test_a_second_signal_of_the_same_wish_does_not_break_off_the_saving(second, tmp_path):
    """timeout(1) sends SIGTERM to the process and to its group; a shell that ends and the
    kernel both send SIGHUP."""
    code, _ = ended(
        start(
            tmp_path,
            "def main():",
            "    try: print('working', flush=True); time.sleep(30)",
            "    finally:",
            "        os.kill(os.getpid(), " + str(int(second)) + "); time.sleep(.1)",
            "        open('saved', 'w').close()",
            "run(main)",
        ),
        signal.SIGTERM,
    )
    assert code == 143
    assert (tmp_path / "saved").exists()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT], ids=["nohup", "background"])
def test_a_signal_that_was_ignored_stays_so(number, tmp_path):
    """A run under nohup outlives its terminal, one in the background Ctrl+C."""
    ignoring = USUAL.replace("os.execv", f"signal.signal({int(number)}, signal.SIG_IGN)\nos.execv")
    process = start(
        tmp_path,
        "from oneseed.console.command import defer_signals",
        "def main():",
        "    print('working', flush=True)",
        "    with defer_signals(): time.sleep(.5)",
        "    return 1",
        "run(main)",
        before=ignoring,
    )
    assert ended(process, number) == (1, "")


def test_a_terminal_that_is_gone_takes_no_work_with_it(tmp_path):
    """What was printed to it then raised an error in the midst of the saving."""
    import pty

    ours, theirs = pty.openpty()
    path = tmp_path / "script.py"
    path.write_text(
        BEGUN + "def main():\n"
        "    try: print('working', flush=True); time.sleep(30)\n"
        "    finally:\n"
        "        print('saving'); print('saving', file=sys.stderr)\n"
        "        open('saved', 'w').close()\n"
        "run(main)",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [sys.executable, "-c", USUAL, str(path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    assert b"working" in os.read(ours, 100)
    os.close(ours)
    # no process has it as its controlling terminal
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 129
    assert (tmp_path / "saved").exists()


@pytest.mark.parametrize(
    "number, kind", [(signal.SIGTERM, Terminated), (signal.SIGHUP, HungUp)], ids=["term", "hup"]
)
def test_every_signal_that_ends_waits_for_what_is_done_as_one_act(number, kind):
    done = []
    with signals_stop_work(), pytest.raises(kind), defer_signals():
        os.kill(os.getpid(), number)
        time.sleep(0.01)
        done.append("block")
    assert done == ["block"]


def test_workers_leave_every_signal_to_their_parent(tmp_path):
    """A closed terminal reaches the whole group; its dead workers looked like want of memory."""
    process = start(
        tmp_path,
        "from oneseed.workers import Workers",
        "def main():",
        "    with Workers(2) as workers:",
        "        for task, _ in workers.each(time.sleep, [.1] * 300):",
        "            print(task, flush=True)",
        "if __name__ == '__main__': run(main)",
        before="import os; os.setpgid(0, 0)\n" + USUAL,
    )
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGHUP)
    code, error = ended(process)
    assert (code, error.count("\n")) == (129, 2), error
