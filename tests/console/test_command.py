"""A script ends in one sentence and an exit code; signals wait for what is done as one act."""

import errno
import os
import signal

import pytest

from oneseed.console.command import Terminated, UserError, defer_signals, run


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
