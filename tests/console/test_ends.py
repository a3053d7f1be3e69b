"""The scripts themselves, interrupted, unheard and unseen: what is finished stays finished."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oneseed.synthetic.engravings import attributes, drawing

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
SMALL = ["--preset", "small", "--image-size", "32", "--smallest", "16"]


def started(script, *flags, **more):
    more.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen(
        [sys.executable, str(ROOT / script), *map(str, flags)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        **more,
    )


def wait_for(true, process, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def pictures(folder, count, side=64):
    folder.mkdir()
    for number, facts in enumerate(attributes.collection(count)):
        drawing.draw(facts, number, side).save(folder / f"{number}.png")
    return folder


def preparing(source, data, **more):
    flags = ["--source", source, "--style", "s", *SMALL, "--workers", "1", "--data", data]
    return started("dataset_preparation.py", *flags, **more)


def prepared_rows(data):
    return json.loads((data / "metadata" / "s_metadata.json").read_text("utf-8"))


def test_a_closed_terminal_keeps_what_preparing_has_done(tmp_path):
    """SIGHUP ended the process at once, half-written files and all."""
    source = pictures(tmp_path / "pictures", 60, side=200)
    data = tmp_path / "data"
    first = preparing(source, data)
    wait_for(lambda: any((data / "processed").rglob("*.png")), first)
    first.send_signal(signal.SIGHUP)
    _, error = first.communicate(timeout=60)
    assert first.returncode == 129
    assert b"Traceback" not in error
    assert b"finished work is kept" in error
    assert not list(data.rglob("*.partial"))
    second = preparing(source, data)
    second.communicate(timeout=60)
    assert second.returncode == 0
    assert len(prepared_rows(data)) == 60


@pytest.mark.parametrize("lost", ["stdout", "stderr", "both"])
def test_preparing_without_a_reader_leaves_a_whole_collection(lost, tmp_path):
    """`… | head -1`, `2>&1 | head -1`: a second run with a reader finds all that it needs."""
    source = pictures(tmp_path / "pictures", 20)
    data = tmp_path / "data"
    more = {"stderr": subprocess.STDOUT} if lost == "both" else {}
    first = preparing(source, data, **more)
    if lost != "stderr":
        first.stdout.close()
    if lost == "stderr":
        first.stderr.close()
        first.stdout.read()
    elif lost == "stdout":
        assert b"Traceback" not in first.stderr.read()
    assert first.wait(60) == 141
    assert not list(data.rglob("*.partial"))
    second = preparing(source, data)
    _, error = second.communicate(timeout=60)
    assert second.returncode == 0, error
    assert len(prepared_rows(data)) == 20


def test_a_closed_terminal_keeps_the_captions_there_are(tmp_path, caption_server):
    """Each answer is paid for: none is asked for twice because a window was closed."""
    data = tmp_path / "data"
    assert preparing(pictures(tmp_path / "pictures", 6), data).wait(60) == 0
    asked = caption_server.questions

    def answer(picture):
        if len(asked()) > 4:
            time.sleep(120)
        # the usual answer

    caption_server.replies["all"] = answer
    flags = ["--style", "s", "--captioner", caption_server.url, "--batch-size", "1"]
    running = started("caption_generation.py", *flags, "--data", data)
    log = data / "captions" / "s_generated.jsonl"
    wait_for(lambda: log.exists() and log.read_bytes().count(b"\n") >= 1, running)
    running.send_signal(signal.SIGHUP)
    _, error = running.communicate(timeout=60)
    assert running.returncode == 129
    assert b"Traceback" not in error
    assert log.read_bytes().count(b"\n") >= 1


def test_a_summary_that_nobody_reads_changes_no_result(tiny_run, builtin_data, tmp_path):
    """inference.py … >&- of a scheduler, with stdin closed as well."""
    words = [sys.executable, str(ROOT / "inference.py"), "--seeds", "0-1", "--device", "cpu"]
    words += ["--checkpoint", str(tiny_run / "best_model.pt"), "--out", str(tmp_path / "out")]
    shell = " ".join(words) + " <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", shell], timeout=120).returncode == 0
    assert (tmp_path / "out" / "sheet.png").exists()
    assert len(json.loads((tmp_path / "out" / "pairs.json").read_text("utf-8"))) == 2
