"""Promises about locks: one run works, the second is told who does; nothing is left of either."""

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from oneseed import locks
from oneseed.locks import InUseError, lock_names, locked, require_free

ROOT = Path(__file__).resolve().parents[1]
HOLD = """
import sys, time
from pathlib import Path
from oneseed.locks import locked

with locked(Path(sys.argv[1]), "run", remedy="wait"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock "run" of the folder tmp_path/place."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "place")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def refused(folder, wait=0.0):
    with pytest.raises(InUseError) as caught, locked(folder, "run", remedy="go away", wait=wait):
        pytest.fail("two runs work in one place")
    return str(caught.value)


def test_a_second_run_is_told_who_works_there_and_since_when(tmp_path, other):
    note = tmp_path / "place" / ".run.holder.json"
    since = json.loads(note.read_text("utf-8")) | {"since": time.time() - 5 * 3600}
    note.write_text(json.dumps(since), "utf-8")
    place = (tmp_path / "place").as_posix()
    said = f"{place} is in use by another run (process {other.pid}, for 5 h); go away"
    assert refused(tmp_path / "place") == said
    with locked(tmp_path / "place", "another name", remedy=""):
        pass


def test_a_killed_run_holds_nothing_and_leaves_nothing_that_hinders(tmp_path, other):
    place = tmp_path / "place"
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (place / ".run.holder.json").exists(), "a kill leaves the note"
    begin = time.monotonic()
    require_free(place, "run", remedy="")
    with locked(place, "run", remedy=""):
        assert json.loads((place / ".run.holder.json").read_text("utf-8"))["process"] == os.getpid()
    assert time.monotonic() - begin < 5
    assert os.listdir(place) == []


def test_a_note_of_a_dead_holder_is_not_told_of_the_one_that_works_now(tmp_path, other):
    """Between taking the lock and noting it there is a moment."""
    note = tmp_path / "place" / ".run.holder.json"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for told in (
        json.dumps({"process": dead.pid, "host": socket.gethostname(), "since": 0}),
        "[" * 100_000,
        "null",
        '{"process": 1e999, "host": "x", "since": 1}',
        '{"process": 1, "host": "x", "since": NaN}',
        "",
    ):
        note.write_text(told, "utf-8")
        assert "is in use by another run; go away" in refused(tmp_path / "place")


def test_a_second_run_waits_a_moment_for_one_that_takes_but_a_moment(tmp_path, other):
    threading.Timer(0.3, other.kill).start()
    with locked(tmp_path / "place", "run", remedy="", wait=30):
        pass


def test_a_process_that_the_holder_starts_does_not_hold_on(tmp_path):
    """A worker that outlives a killed run would keep the folder closed."""
    with locked(tmp_path, "run", remedy=""):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        with locked(tmp_path, "run", remedy="", wait=0):
            pass
    finally:
        child.kill()
        child.wait()


def test_two_threads_of_a_process_exclude_each_other_too(tmp_path):
    with locked(tmp_path, "run", remedy=""):
        refused(tmp_path)


@pytest.mark.parametrize("ends_well", [True, False])
def test_nothing_is_left_of_a_lock_nor_of_the_folders_made_for_it(tmp_path, ends_well):
    """A wrong --source once would have left data/processed/ behind."""
    (tmp_path / "there").mkdir()
    try:
        with locked(tmp_path / "there" / "a" / "b", "run", remedy=""):
            if not ends_well:
                raise ValueError
    except ValueError:
        pass
    assert os.listdir(tmp_path / "there") == []
    with locked(tmp_path / "a" / "b", "run", remedy=""):
        (tmp_path / "a" / "b" / "work").touch()
    assert os.listdir(tmp_path / "a" / "b") == ["work"]


def test_a_folder_may_be_deleted_while_it_is_locked(tmp_path):
    """`make clean` while a preparation runs."""
    with locked(tmp_path / "a", "run", remedy=""):
        shutil.rmtree(tmp_path / "a")
    assert os.listdir(tmp_path) == []


def failing(monkeypatch, number):
    import filelock

    def fail(self, *arguments, **options):
        raise OSError(number, os.strerror(number), "x.lock")

    monkeypatch.setattr(filelock.FileLock, "acquire", fail)
    locks.tell_no_locks.cache_clear()


@pytest.mark.parametrize("number", sorted(set(locks.NO_LOCKS)))
def test_a_file_system_without_locks_is_named_once_and_work_goes_on(
    tmp_path, monkeypatch, capsys, number
):
    failing(monkeypatch, number)
    done = []
    for _ in range(2):
        with locked(tmp_path, "run", remedy=""):
            done.append(True)
    error = capsys.readouterr().err
    assert len(done) == 2
    assert error.count("note: ") == 1
    assert tmp_path.as_posix() in error
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", locks.NO_ACCESS)
def test_where_nothing_can_be_written_only_work_that_writes_is_refused(
    tmp_path, monkeypatch, number
):
    """A finished collection on a disk that is read-only can still be looked at."""
    failing(monkeypatch, number)
    with locked(tmp_path, "run", remedy="", may_only_read=True):
        pass
    with pytest.raises(OSError), locked(tmp_path, "run", remedy=""):
        pytest.fail("the work begins, and would fail later")
    # Somebody else's lock that this user cannot even ask for: it may be held.
    (tmp_path / ".run.lock").touch()
    with pytest.raises(OSError), locked(tmp_path, "run", remedy="", may_only_read=True):
        pytest.fail("two runs may work in one place")
    require_free(tmp_path, "run", remedy="")


def test_a_full_disk_hinders_no_run_from_saying_that_it_works(tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(locks, "write_text", full)
    with locked(tmp_path, "run", remedy=""):
        assert "is in use by another run; " in refused(tmp_path)


def test_whoever_may_change_the_folder_may_lock_it(tmp_path):
    """Two users share a folder: the second could not open what the first one had made."""
    before = os.umask(0o077)
    try:
        with locked(tmp_path, "run", remedy=""):
            assert (tmp_path / ".run.lock").stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)


def test_locks_are_found_by_their_names(tmp_path):
    for name in (".a_shard_1_of_2.lock", ".ab_shard_1_of_2.lock", "a_shard_1_of_2", ".a.lock"):
        (tmp_path / name).touch()
    assert lock_names(tmp_path, re.escape("a") + r"_shard_\d+_of_\d+") == ["a_shard_1_of_2"]
    assert lock_names(tmp_path / "missing", ".*") == []
