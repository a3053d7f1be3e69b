"""A script ends in one sentence and an exit code; signals wait for what is done as one act."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oneseed.console.command import Terminated, UserError, defer_signals, run
from oneseed.files import whole_file

ROOT = Path(__file__).resolve().parents[2]


def ends(error, capsys):
    """Exit status and stderr of a script that ends in this error, or returns this value."""

    def main():
        if isinstance(error, BaseException):
            raise error
        return error

    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as end:
            run(main)
    finally:
        signal.signal(signal.SIGTERM, before)
    return end.value.code, capsys.readouterr().err


GO_ON = "finished work is kept, run the same command again to go on"


@pytest.mark.parametrize(
    "error, code, sentence",
    [
        (None, 0, ""),
        (0, 0, ""),
        (True, 1, ""),
        (UserError("no pictures"), 2, "error: no pictures\n"),
        (UserError("it differs", code=1), 1, "error: it differs\n"),
        (KeyboardInterrupt(), 130, f"\ninterrupted; {GO_ON}\n"),
        (Terminated(), 143, f"\nterminated; {GO_ON}\n"),
    ],
    ids=str,
)
def test_every_foreseen_end_is_one_sentence_and_a_code(error, code, sentence, capsys):
    assert ends(error, capsys) == (code, sentence)


def test_a_full_disk_names_the_file(capsys):
    code, sentence = ends(OSError(errno.ENOSPC, "No space left on device", "a.png"), capsys)
    assert code == 1
    assert sentence.startswith("error: a.png: No space left on device; files written before")


@pytest.mark.parametrize(
    "number, words",
    [
        (errno.ENOENT, "there is no such file"),
        (errno.EISDIR, "it is a folder"),
        (errno.ENOTDIR, "is a file, not a folder"),
        (errno.ELOOP, "lead in a circle"),
        (errno.ENAMETOOLONG, "longer than this system allows"),
    ],
)
def test_what_cannot_be_read_is_named_as_wrong_input(number, words, capsys):
    """A name too long, or a link to itself, was a traceback; a missing input "writing"."""
    code, sentence = ends(OSError(number, os.strerror(number), "plate.png"), capsys)
    assert code == 2
    assert sentence.startswith("error: plate.png: ")
    assert words in sentence
    assert "writing" not in sentence
    assert sentence.count("\n") == 1


def written_below(path):
    """The error of writing a file below something that is no folder."""
    with pytest.raises(OSError) as caught, whole_file(path / "a.png"):
        pass
    return caught.value


def test_what_cannot_be_written_is_told_from_what_cannot_be_read(tmp_path, capsys):
    """The same answer of the system, of a folder for results and of an input."""
    (tmp_path / "file").write_text("")
    code, sentence = ends(written_below(tmp_path / "file"), capsys)
    assert code == 1
    assert str(tmp_path / "file") in sentence
    assert "free or allow the place" in sentence

    (tmp_path / "loop").symlink_to("loop")
    code, sentence = ends(written_below(tmp_path / "loop"), capsys)
    assert code == 1

    partial = OSError(errno.EACCES, "Permission denied", "out/.a.png.12-abcdef.partial")
    assert ends(partial, capsys)[1].startswith("error: out/a.png: Permission denied; ")


def test_a_file_that_may_not_be_read_is_no_full_disk(tmp_path, capsys, monkeypatch):
    path = tmp_path / "plate.png"
    path.write_text("")
    error = PermissionError(errno.EACCES, "Permission denied", str(path))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert ends(error, capsys)[0] == 2
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    assert ends(error, capsys)[0] == 1


@pytest.mark.parametrize(
    "error, words",
    [
        (OSError(errno.EMFILE, "Too many open files", "a.png"), "ulimit -n"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "--batch-size"),
        (MemoryError(), "--batch-size"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "--workers 1"),
    ],
    ids=["files", "memory of the system", "memory", "memory of torch"],
)
def test_what_the_machine_lacks_is_a_sentence(error, words, capsys):
    code, sentence = ends(error, capsys)
    assert code == 1
    assert words in sentence
    assert sentence.count("\n") == 1


@pytest.mark.parametrize(
    "encoding, name, words",
    [("utf-8", "a caf\udce9/x.png", "no UTF-8"), ("ascii", "caf\xe9.png", "PYTHONUTF8=1")],
)
def test_a_name_that_the_system_cannot_write_is_shown(encoding, name, words, capsys):
    error = UnicodeEncodeError(encoding, name, 3, 4, "no such letter")
    code, sentence = ends(error, capsys)
    assert code == 2
    assert "caf\\" in sentence
    assert words in sentence
    assert sentence.count("\n") == 1


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "gone"), ValueError("ours")], ids=str)
def test_what_nobody_foresaw_keeps_its_traceback(error, capsys):
    before = signal.getsignal(signal.SIGTERM)

    def main():
        raise error

    try:
        with pytest.raises(type(error)):
            run(main)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_wrong_flag_of_a_module_names_the_command_as_it_was_typed():
    """`python -m oneseed.api --prot 1` recommended `python __main__.py --help`."""
    line = [sys.executable, "-m", "oneseed.api", "--prot", "1"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "did you mean --port? (python -m oneseed.api --help lists the flags)" in done.stderr


def test_ctrl_c_waits_until_the_block_is_done():
    done = []
    with pytest.raises(KeyboardInterrupt), defer_signals():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("block")
    assert done == ["block"]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        # the handler runs at the next instruction of Python
        signal.pause()
