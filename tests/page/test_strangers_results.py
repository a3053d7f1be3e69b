"""What a run's folder says on the tab Training, whoever wrote it: never a traceback, never a wait.

A note that was a number, an epoch that was a text or a torn file of events ended the tab.
"""

import json
import os

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from oneseed.console.command import UserError
from oneseed.page.curves import curves
from oneseed.page.training_results import (
    PICTURES_TAG,
    read_metrics,
    report_tables,
    run_summary,
    seed_board,
)

ROWS = {
    "an epoch is a text": {"epoch": "7", "best": True},
    "an epoch is a list": {"epoch": [1], "best": True},
    "notes are a number": {"notes": 5},
    "notes are a table": {"notes": {"a": 1}},
    "a speed is a truth": {"images_per_second": True},
    "a speed is none": {"images_per_second": float("nan")},
    "a loss of a thousand digits": {"train_loss": 10**1000},
    "losses that leave no room": {"train_loss": 1e308, "val_loss": -1e308},
    "a rate is a list": {"learning_rate": [1]},
}


@pytest.mark.parametrize("kind", ROWS)
def test_epochs_of_another_program_are_shown_as_far_as_they_are_numbers(tmp_path, kind):
    (tmp_path / "metrics.json").write_text(
        json.dumps([ROWS[kind], {"train_loss": 1.0}, ROWS[kind]])
    )
    try:
        rows = read_metrics(tmp_path)
    except UserError:
        # more digits than Python reads
        return
    assert run_summary(rows)
    assert "<svg" in curves(rows)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("metrics.json")
    os.mkfifo("events.out")
    with pytest.raises(UserError, match=r"metrics\.json"):
        read_metrics(tmp_path)
    assert "damaged" in report_tables("metrics.json")
    assert not seed_board(tmp_path).grids


@pytest.mark.parametrize("picture", [b"", b"\x89PNG\r\n\x1a\n cut", b"GIF89a"])
def test_grids_that_are_no_pictures_are_left_out(tmp_path, picture):
    writer = EventFileWriter(str(tmp_path))
    value = Summary.Value(tag=PICTURES_TAG, image=Summary.Image(encoded_image_string=picture))
    writer.add_event(Event(step=1, summary=Summary(value=[value])))
    writer.close()
    assert not seed_board(tmp_path).grids


@pytest.mark.parametrize("content", [b"", b"no events", b"\xff" * 1000])
def test_events_of_another_program_are_left_out(tmp_path, content):
    (tmp_path / "events.out.tfevents.1").write_bytes(content)
    assert not seed_board(tmp_path).grids
