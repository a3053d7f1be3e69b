"""Promises about files: whole or not at all, and nothing half-written stays for ever."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oneseed import files
from oneseed.files import (
    HOST,
    partial_path,
    scratch_file,
    sweep_partials,
    whole_file,
    whole_folder,
)
from tests.stopwatch import within


@pytest.fixture
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left_behind(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("half")


def test_half_written_files_of_dead_processes_go_and_those_of_running_ones_stay(tmp_path, dead):
    """A second preparation once removed what the first one was writing: it ended in a traceback."""
    running = os.getppid()
    gone = [f".x_metadata.json.{dead}-{HOST}.partial", f".a.b.PNG.{dead}-{HOST}.partial"]
    staying = [
        f".x_train.jsonl.{running}-{HOST}.partial",
        f".x_train.jsonl.{dead}-{'f' * 6}.partial",
        "x_metadata.json",
        "a.partial",
        ".partial",
        f".x.{dead}-{HOST}.partial.json",
        f"x.{dead}-{HOST}.partial",
    ]
    left_behind(tmp_path, *gone, *staying)
    assert sweep_partials(tmp_path, tmp_path / "missing", tmp_path / "x_metadata.json") == 2
    assert sorted(os.listdir(tmp_path)) == sorted(staying)


def test_half_written_files_of_earlier_versions_go_and_other_programs_files_stay(tmp_path, dead):
    """Earlier names held no host. A download of another program may look much the same."""
    gone = [f".{name}.{dead}.partial" for name in ("best_model.pt", "0000.tar", "x_train.jsonl")]
    staying = [".holiday.2024.partial", f".film.mkv.{dead}.partial", ".notes.partial"]
    left_behind(tmp_path, *gone, *staying)
    assert sweep_partials(tmp_path) == 3
    assert sorted(os.listdir(tmp_path)) == sorted(staying)


def test_what_nobody_has_touched_for_a_week_goes_whoever_wrote_it(tmp_path, dead):
    """The number of a killed process may be another's by now; a container's host name never
    comes back.
    """
    names = [f".last.pt.{os.getppid()}-{HOST}.partial", f".last.pt.{dead}-{'f' * 6}.partial"]
    left_behind(tmp_path, *names)
    assert sweep_partials(tmp_path) == 0
    old = time.time() - 8 * 24 * 3600
    for name in names:
        os.utime(tmp_path / name, (old, old))
    assert sweep_partials(tmp_path) == 2


def test_a_process_knows_what_it_writes_itself(tmp_path):
    """In a container every run has the same number: what an earlier one left is not its own."""
    left_behind(tmp_path, f".earlier.json.{os.getpid()}-{HOST}.partial")
    with whole_file(tmp_path / "now.json") as partial:
        partial.write_text("whole")
        assert sweep_partials(tmp_path) == 1
    assert os.listdir(tmp_path) == ["now.json"]
    assert files.WRITING == []


def test_a_half_written_folder_goes_with_all_in_it_and_a_link_alone(tmp_path, dead):
    left_behind(tmp_path / f".set.{dead}-{HOST}.partial" / "deep", "picture.png")
    left_behind(tmp_path / "mine", "precious.txt")
    (tmp_path / f".link.{dead}-{HOST}.partial").symlink_to(tmp_path / "mine")
    assert sweep_partials(tmp_path) == 2
    assert os.listdir(tmp_path) == ["mine"]
    assert os.listdir(tmp_path / "mine") == ["precious.txt"]


def test_beside_a_file_that_is_exported_nothing_of_others_is_touched(tmp_path, dead, monkeypatch):
    """--out may name a file in a folder that is full of other work."""
    long = "x" * 240 + ".zip"
    other = f".b.zip.{dead}-{HOST}.partial"
    with monkeypatch.context() as then:
        then.setattr(os, "getpid", lambda: dead)
        own = partial_path(tmp_path / long).name
    left_behind(tmp_path, f".a.zip.{dead}-{HOST}.partial", other, own)
    assert sweep_partials(tmp_path, of="a.zip") == 1
    assert sweep_partials(tmp_path, of=long) == 1
    assert os.listdir(tmp_path) == [other]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_a_folder_is_there_whole_or_not_at_all(tmp_path, error):
    target = tmp_path / "set"
    with pytest.raises(type(error)), whole_folder(target) as partial:
        left_behind(partial, "1.png")
        raise error
    assert os.listdir(tmp_path) == []
    for names in (["1.png", "2.png"], ["3.png"]):
        with whole_folder(target) as partial:
            left_behind(partial, *names)
        assert sorted(os.listdir(target)) == names
    assert os.listdir(tmp_path) == ["set"]


def test_a_scratch_file_is_gone_behind_its_block(tmp_path):
    with pytest.raises(KeyboardInterrupt), scratch_file(tmp_path / "set.parquet") as partial:
        partial.write_text("half")
        assert sweep_partials(tmp_path) == 0, "it is being written"
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []
    assert files.WRITING == []


def test_sweeping_a_folder_of_a_hundred_thousand_files_takes_no_longer_than_listing_it(
    tmp_path, monkeypatch
):
    names = [f"{number:016x}.png" for number in range(100_000)]
    monkeypatch.setattr(os, "listdir", lambda folder: names)
    with within(0.5):
        assert sweep_partials(tmp_path) == 0


def test_a_folder_is_named_where_a_file_is_to_be_written():
    """--review . ended in pathlib's "has an empty name", a traceback."""
    with pytest.raises(IsADirectoryError) as error, whole_file("."):
        pass
    assert error.value.filename == "."


def test_a_home_that_nobody_here_has_is_a_path_that_is_missing(monkeypatch):
    """--source '~nosuchuser/prints' ended in a traceback: Could not determine home directory."""
    monkeypatch.setenv("HOME", "/home/me")
    assert files.expanded("~/prints") == Path("/home/me/prints")
    assert files.expanded(Path("prints")) == Path("prints")
    assert files.expanded("~no such user/prints") == Path("~no such user/prints")
