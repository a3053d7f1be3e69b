"""Any OpenAI-compatible server captions; its troubles are borne or named, its words not trusted."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import caption_generation
from oneseed.captioning import endpoint
from oneseed.config.captioning import CaptionConfig
from oneseed.console import flags
from oneseed.console.command import UserError
from oneseed.dataset.jsonl import read_jsonl
from tests.caption_server import chat
from tests.captioning.prepared import prepared, run_main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr(endpoint, "RETRY_PAUSE", 0.01)


def test_a_server_gets_every_picture_once_and_its_words_become_the_captions(
    tmp_path, caption_server, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    collection = prepared(tmp_path, 12, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url + "/", max_new_tokens=17)
    rows = collection.read_metadata()
    questions = caption_server.questions()
    files = {row["id"]: (collection.resized / row["filename"]).read_bytes() for row in rows}
    assert sorted(map(caption_server.picture, questions)) == sorted(files.values())
    assert {row["caption"] for row in rows} == {
        f"An engraving of number {caption_server.name(file)}" for file in files.values()
    }
    assert all(row["caption"].endswith(caption_server.name(files[row["id"]])) for row in rows), (
        "answers went to the wrong pictures"
    )
    assert {row["captioner"] for row in rows} == {"tiny-vl"}
    assert all(
        body["model"] == "tiny-vl" and body["max_tokens"] == 17 and body["temperature"] == 0
        for body in questions
    )
    assert all("an engraving of" in body["messages"][0]["content"][1]["text"] for body in questions)
    assert all(
        headers["Authorization"] == "Bearer secret" for _, headers, _ in caption_server.asked
    )
    assert len(collection.read_captions()[0]) == 11


def test_as_many_requests_run_at_once_as_the_batch_is_large(tmp_path, caption_server):
    # breaks where fewer than four come
    together = threading.Barrier(4, timeout=10)
    caption_server.replies["all"] = lambda picture: together.wait() * 0 or None
    prepared(tmp_path, 12, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=4)
    assert caption_server.most == 4
    assert len(caption_server.questions()) == 12


def test_a_busy_slow_or_failing_server_is_asked_again(tmp_path, caption_server, monkeypatch):
    monkeypatch.setattr(endpoint, "ENDPOINT_PATIENCE", 0.4)
    caption_server.replies = {
        0: (429, "slow down"),
        1: (503, "loading"),
        3: (500, "oops"),
        4: (200, None),
        6: lambda picture: time.sleep(1),
    }
    collection = prepared(tmp_path, 4, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, captioner_model="other", batch_size=1)
    assert len({row["caption"] for row in collection.read_metadata()} - {""}) == 4
    assert len(caption_server.questions()) == 9
    assert {body["model"] for body in caption_server.questions()} == {"other"}


WRONG = {
    "refused": ("nothing answers at", {}),
    "key": ("OPENAI_API_KEY", {"all": (401, {"error": {"message": "no such key"}})}),
    "address": ("usually ends in /v1", {"models": (404, "not here")}),
    "model": (
        "--captioner-model: tiny-vl, other",
        {"all": (404, {"error": {"message": "unknown model"}})},
    ),
    "no JSON": ("other than JSON", {"all": (200, "<html>a page</html>")}),
    "no list": ("lists no models", {"models": (200, [1])}),
    "other JSON": ("does not answer as", {"all": (200, {"choices": []})}),
    "empty": ("no model loaded", {"models": (200, {"data": []})}),
    "images": (
        "cannot read images",
        {"all": (400, {"error": {"message": "this model cannot read images\x1b[2J\u202e"}})},
    ),
    "moved": ("301", {"all": (301, "elsewhere")}),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_server_that_cannot_caption_is_named_in_one_sentence(case, tmp_path, caption_server):
    words, caption_server.replies = WRONG[case]
    prepared(tmp_path, 30, caption="", pictures=True)
    if case == "refused":
        caption_server.close()
    with pytest.raises(UserError, match=words) as caught:
        run_main(tmp_path, captioner=caption_server.url, batch_size=2)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert "Traceback" not in sentence
    assert caught.value.code == 2
    assert len(caption_server.questions()) <= endpoint.MAX_FAILURES + 3, (
        "a server that declines everything is asked for a few pictures, not for all"
    )


def test_one_picture_without_an_answer_does_not_stop_the_run(tmp_path, caption_server, capsys):
    """An empty answer is an answer and is not asked for again; a declined picture is."""
    caption_server.replies = {2: (200, chat("")), 3: (200, chat(None)), 5: (400, "too large")}
    collection = prepared(tmp_path, 8, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    said = capsys.readouterr().out
    assert "without an answer: 1 of 8 pictures" in said
    assert "too large" in said
    assert "left out for want of a caption: 3 of 8" in said
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    assert len(caption_server.questions()) == 9
    assert sum(bool(row["caption"]) for row in collection.read_metadata()) == 6
    assert len(read_jsonl(tmp_path / "captions" / "engraving_generated.jsonl")) == 8


def test_answers_are_strangers_text(tmp_path, caption_server):
    hostile = (
        '<think>a castle?\n</think>\n**"An engraving of a \x1b[31mred\x00 castle\u202e\n'
        'and <script>alert(1)</script>"**'
    )
    caption_server.replies["all"] = (200, chat(hostile, "length"))
    collection = prepared(tmp_path, 2, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url)
    assert {row["caption"] for row in collection.read_metadata()} == {
        "An engraving of a [31mred castle and <script>alert(1)</script>"
    }
    assert all(
        row["cut"] == 40 for row in read_jsonl(tmp_path / "captions" / "engraving_generated.jsonl")
    )


def test_cut_off_captions_are_counted_and_written_anew_where_there_is_room(
    tmp_path, caption_server
):
    caption_server.replies[1] = (200, chat("An engraving of a tow", "length"))
    prepared(tmp_path, 4, caption="", pictures=True)
    counts = []
    for more in (
        {},
        dict(recaption=True),
        dict(recaption=True, max_new_tokens=80),
        dict(recaption=True, max_new_tokens=80),
        {},
    ):
        run_main(tmp_path, captioner=caption_server.url, batch_size=1, **more)
        counts.append(
            (
                len(caption_server.questions()),
                json.loads((tmp_path / "captions" / "engraving_quality.json").read_text())[
                    "cut_off"
                ]["count"],
            )
        )
    assert counts == [(4, 1), (4, 1), (5, 0), (5, 0), (5, 0)]


def test_each_captioner_goes_on_where_it_stood(tmp_path, caption_server):
    """What one wrote before it was stopped is neither lost to it nor taken for another's."""
    collection = prepared(tmp_path, 8, caption="", pictures=True)
    caption_server.replies = {3: (401, "no more today")}
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    caption_server.replies, asked = (
        {},
        lambda: [body["model"] for body in caption_server.questions()].count,
    )
    run_main(tmp_path, captioner=caption_server.url, captioner_model="other")
    assert asked()("other") == 8
    assert {row["captioner"] for row in collection.read_metadata()} == {"other"}
    before = asked()("tiny-vl")
    run_main(tmp_path, captioner=caption_server.url, recaption=True)
    assert asked()("tiny-vl") == before + 5
    assert {row["captioner"] for row in collection.read_metadata()} == {"tiny-vl"}


def test_shards_share_the_work_of_a_server(tmp_path, caption_server, capsys):
    collection = prepared(tmp_path, 10, caption="", pictures=True)
    for shard in ("1/2", "2/2"):
        run_main(tmp_path, captioner=caption_server.url, shard=shard)
    # the command that a shard prints names the model, so nobody need be asked
    caption_server.close()
    command = shlex.split(
        capsys.readouterr().out.strip().splitlines()[-1].partition("gathers them: ")[2]
    )
    (config,) = flags.parse_configs(CaptionConfig, description="", argv=command[2:])
    assert not caption_generation.main(config)
    assert len(caption_server.questions()) == 10
    assert all(row["caption"] for row in collection.read_metadata())


def test_the_key_is_not_sent_to_where_a_server_points(tmp_path, caption_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    elsewhere = type(caption_server)()
    caption_server.replies["all"] = (307, "", {"Location": elsewhere.url + "/chat/completions"})
    prepared(tmp_path, 2, caption="", pictures=True)
    with pytest.raises(UserError, match="307"):
        run_main(tmp_path, captioner=caption_server.url)
    elsewhere.close()
    assert not elsewhere.asked


def test_what_a_server_has_captioned_needs_no_server_any_more(tmp_path, caption_server):
    collection = prepared(tmp_path, 5, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url)
    captions = [row["caption"] for row in collection.read_metadata()]
    caption_server.close()
    prepared(tmp_path, 5, caption="")
    run_main(tmp_path, captioner=caption_server.url, captioner_model="tiny-vl")
    assert [row["caption"] for row in collection.read_metadata()] == captions


def script(*flags, **more):
    return subprocess.Popen(
        [sys.executable, str(ROOT / "caption_generation.py"), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def test_ctrl_c_does_not_wait_for_a_slow_answer(tmp_path, caption_server):
    """Ordinary threads are waited for at the end of a program, here as long as the server takes."""
    caption_server.replies["all"] = lambda picture: time.sleep(120)
    prepared(tmp_path, 5, caption="", pictures=True)
    running = script("--captioner", caption_server.url, "--data", str(tmp_path))
    wait_until(caption_server.questions)
    running.send_signal(signal.SIGINT)
    begin = time.monotonic()
    _, error = running.communicate(timeout=110)
    assert running.returncode == 130
    assert "finished work is kept" in error
    assert time.monotonic() - begin < 60


def captions_in(log):
    return log.read_bytes().count(b"\n") if log.exists() else 0


def wait_until(true, seconds=120):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    "kills",
    [
        3,
        pytest.param(
            20, marks=pytest.mark.skipif(not os.environ.get("LONG"), reason="LONG=1 runs it")
        ),
    ],
)
def test_a_run_killed_at_any_moment_loses_no_caption_and_writes_none_twice(
    kills, tmp_path, caption_server
):
    """SIGKILL of the real script, each time after some more pictures."""
    count = 12 * kills
    caption_server.replies["all"] = lambda picture: time.sleep(0.02)
    collection = prepared(tmp_path, count, caption="", pictures=True)
    flags = ("--captioner", caption_server.url, "--batch-size", "3", "--data", str(tmp_path))
    log = tmp_path / "captions" / "engraving_generated.jsonl"
    for kill in range(kills):
        running = script(*flags)
        wait_until(lambda count=9 * kill: captions_in(log) > count)
        running.kill()
        running.communicate()
        assert running.returncode == -signal.SIGKILL
        assert not collection.train.exists()
    before = [row["id"] for row in read_jsonl(log, torn=True)]
    running = script(*flags)
    running.communicate(timeout=300)
    rows = collection.read_metadata()
    after = [row["id"] for row in read_jsonl(log)]
    assert running.returncode == 0
    assert len(before) < count
    assert after[: len(before)] == before
    assert sorted(after) == sorted(row["id"] for row in rows), "each picture once, none lost"
    assert all(
        row["caption"].endswith(
            caption_server.name((collection.resized / row["filename"]).read_bytes())
        )
        for row in rows
    )
    assert len(caption_server.questions()) <= count + 3 * kills, (
        "only what was in the air at a kill is asked for again"
    )


@pytest.mark.parametrize(
    "flags, words",
    [
        (dict(captioner="localhost:8000/v1"), "http://localhost:8000/v1"),
        (dict(captioner="blip", captioner_model="x"), "--captioner-model goes with"),
        (dict(shard="0/4"), "1/4"),
        (dict(shard="5/4"), "1/4"),
        (dict(shard="2"), "1/4"),
        (dict(shard="a/b"), "1/4"),
        (dict(shard="/"), "1/4"),
    ],
)
def test_flags_that_cannot_be_meant_are_refused(flags, words):
    with pytest.raises(ValueError, match=words):
        CaptionConfig(**flags)
