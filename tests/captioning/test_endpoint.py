"""Any OpenAI-compatible server captions; its troubles are borne or named, its words not trusted."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

import caption_generation
from oneseed.captioning import captions, connection, endpoint
from oneseed.config.captioning import CaptionConfig
from oneseed.console import flags
from oneseed.console.command import UserError
from oneseed.dataset.jsonl import read_jsonl
from tests.caption_server import chat
from tests.captioning.prepared import prepared, run_main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr(connection, "RETRY_PAUSE", 0.01)


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


def test_a_server_is_asked_what_a_row_asks(tmp_path, caption_server):
    """Only rows of code were asked their question; those of words were to be described."""
    collection = prepared(tmp_path, 2, caption="", pictures=True)
    rows = collection.read_metadata()
    rows[0] |= {"question": "Which ship is it?", "system": "You know ships."}
    collection.write_metadata(rows)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    first, second = (body["messages"] for body in caption_server.questions())
    assert first[0] == {"role": "system", "content": "You know ships."}
    assert first[1]["content"][1]["text"] == "Which ship is it?"
    assert [message["role"] for message in second] == ["user"]
    assert "begins: an engraving of" in second[0]["content"][1]["text"]
    assert all(row["caption"].startswith("An engraving of") for row in collection.read_metadata())


def test_as_many_requests_run_at_once_as_the_batch_is_large(tmp_path, caption_server):
    # breaks where fewer than four come
    together = threading.Barrier(4, timeout=10)
    caption_server.replies["all"] = lambda picture: together.wait() * 0 or None
    prepared(tmp_path, 12, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=4)
    assert caption_server.most == 4
    assert len(caption_server.questions()) == 12


def test_a_busy_slow_or_failing_server_is_asked_again(tmp_path, caption_server, monkeypatch):
    monkeypatch.setattr(connection, "ENDPOINT_PATIENCE", 0.4)
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
    assert "--batch-size" not in sentence, "it would not help"
    assert len(caption_server.questions()) <= 2 * captions.MAX_FAILURES + 4, (
        "a server that declines everything is asked for a few pictures, not for all"
    )


def test_pictures_without_an_answer_are_told_and_asked_for_again(tmp_path, caption_server, capsys):
    """An empty answer once counted as done for ever: the picture never got a caption."""
    caption_server.replies = {
        2: (200, chat("")),
        3: (200, chat(None, "length")),
        4: (200, chat(None, "content_filter")),
        5: (400, "too large"),
        6: (200, chat("I'm sorry, I can't help with that.")),
    }
    collection = prepared(tmp_path, 9, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    said = capsys.readouterr().out
    assert "without a caption: 5 of 9 pictures; the same command asks for them again" in said
    for words in (
        "1: empty answer, such as",
        "1: the length limit ended the answer before any words, such as",
        "1: withheld by the content filter, such as",
        "1: declined, such as",
        "(400: too large)",
        "1: refused, such as",
        "(I'm sorry, I can't help with that.)",
    ):
        assert words in said
    assert "--max-new-tokens" in said
    assert sum(bool(row["caption"]) for row in collection.read_metadata()) == 4
    assert len(read_jsonl(tmp_path / "captions" / "engraving_generated.jsonl")) == 4
    caption_server.replies = {}
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    assert len(caption_server.questions()) == 9 + 5
    assert all(row["caption"] for row in collection.read_metadata())
    assert "without a caption" not in capsys.readouterr().out


def test_an_empty_caption_of_an_older_log_is_asked_for_again(tmp_path, caption_server):
    collection = prepared(tmp_path, 3, caption="", pictures=True)
    log = tmp_path / "captions" / "engraving_generated.jsonl"
    log.parent.mkdir(parents=True)
    rows = [
        {"id": row["id"], "captioner": "tiny-vl", "caption": "", "cut": 0}
        for row in collection.read_metadata()
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run_main(tmp_path, captioner=caption_server.url)
    assert all(row["caption"] for row in collection.read_metadata())


@pytest.mark.parametrize(
    "answer, advice, code",
    [
        (chat(None, "length"), "--max-new-tokens", 2),
        (chat("<think>A castle."), "--max-new-tokens", 2),
        (chat("I cannot describe this picture."), "another model", 1),
        (chat(None, "content_filter"), "another model", 1),
    ],
)
def test_where_no_picture_gets_a_caption_the_error_says_why_and_what_helps(
    answer, advice, code, tmp_path, caption_server
):
    caption_server.replies["all"] = (200, answer)
    prepared(tmp_path, 4, caption="", pictures=True)
    with pytest.raises(UserError, match="captioned none of 4 pictures") as caught:
        run_main(tmp_path, captioner=caption_server.url)
    assert advice in str(caught.value)
    assert caught.value.code == code


def test_refused_pictures_end_no_run_however_many_they_are(tmp_path, caption_server, capsys):
    """Twelve refusals in a row once looked like a server that captions nothing."""
    refusals = {number: (200, chat(None, "content_filter")) for number in range(12)}
    caption_server.replies = refusals
    collection = prepared(tmp_path, 14, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    assert sum(bool(row["caption"]) for row in collection.read_metadata()) == 2
    assert "12: withheld by the content filter" in capsys.readouterr().out
    caption_server.replies["all"] = (200, chat(None, "content_filter"))
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    assert len(collection.read_captions()[0]) + len(collection.read_captions()[1]) == 2


def test_a_declined_parameter_is_left_out_or_gets_its_newer_name_once(
    tmp_path, caption_server, capsys
):
    """Newer models want max_completion_tokens and their own temperature."""

    def newer(picture):
        body = caption_server.questions()[-1]
        for name in ("max_tokens", "temperature"):
            if name in body:
                return 400, {"error": {"message": f"Unsupported value: '{name}'", "param": name}}
        return None

    caption_server.replies["all"] = newer
    collection = prepared(tmp_path, 4, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1, max_new_tokens=17)
    questions = caption_server.questions()
    assert len(questions) == 4 + 2
    assert all(body["max_completion_tokens"] == 17 for body in questions[1:])
    assert all("temperature" not in body for body in questions[2:])
    assert all(row["caption"] for row in collection.read_metadata())
    said = capsys.readouterr().out
    assert said.count("declines") == 1
    assert "declines max_tokens and temperature: asked with max_completion_tokens" in said


def test_a_limit_that_fits_no_name_is_left_out(tmp_path, caption_server):
    def without_limit(picture):
        body = caption_server.questions()[-1]
        names = [name for name in body if name.startswith("max_")]
        return (422, {"detail": [{"loc": ["body", names[0]]}]}) if names else None

    caption_server.replies["all"] = without_limit
    collection = prepared(tmp_path, 2, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    assert caption_server.questions()[-1].keys() == {"model", "messages", "temperature"}
    assert all(row["caption"] for row in collection.read_metadata())


def test_one_picture_that_is_too_large_changes_nothing_for_the_others(tmp_path, caption_server):
    """vLLM names max_tokens where a picture alone fills the context."""
    words = "max_tokens is too large: the request has 600 input tokens, the context 512"
    caption_server.replies = {number: (400, {"message": words}) for number in (1, 2)}
    collection = prepared(tmp_path, 4, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    assert {"max_tokens", "temperature"} <= caption_server.questions()[-1].keys()
    assert sum(bool(row["caption"]) for row in collection.read_metadata()) == 3


ODD = {
    "no choices": (200, {"choices": []}),
    "null": (200, {"choices": None}),
    "empty object": (200, {}),
    "a list": (200, [1]),
    "no JSON": (200, "<html>a page</html>"),
    "limit told inside": (200, {"error": {"code": 429, "message": "rate limit exceeded"}}),
    "limit told in words": (200, {"error": "rate limit exceeded"}),
    "error in a choice": (200, {"choices": [{"error": {"code": 502, "message": "upstream"}}]}),
    "overloaded": (529, {"error": {"message": "overloaded"}}),
    "error and no code": (200, {"error": {"message": "oops"}, "choices": []}),
}


@pytest.mark.parametrize("kind", ODD)
def test_one_odd_answer_costs_no_picture(kind, tmp_path, caption_server):
    """An answer without choices once ended the run."""
    caption_server.replies = {1: ODD[kind]}
    collection = prepared(tmp_path, 3, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    assert all(row["caption"] for row in collection.read_metadata())
    assert len(caption_server.questions()) == 4


def test_a_choice_without_a_message_costs_one_picture(tmp_path, caption_server, capsys):
    caption_server.replies = {1: (200, {"choices": [{"finish_reason": "stop"}]})}
    prepared(tmp_path, 3, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    said = capsys.readouterr().out
    assert "without a caption: 1 of 3 pictures" in said
    assert "does not answer as OpenAI's chat completions do" in said


def test_a_moderated_picture_costs_that_picture(tmp_path, caption_server, capsys):
    flagged = (403, {"error": {"message": "the input was flagged"}})
    blocked = (400, {"error": {"message": "blocked", "code": "content_policy_violation"}})
    caption_server.replies = {1: flagged, 2: blocked}
    prepared(tmp_path, 4, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    assert "without a caption: 2 of 4 pictures" in capsys.readouterr().out


@pytest.mark.parametrize("reply", [(402, "pay"), (429, {"error": {"code": "insufficient_quota"}})])
def test_a_server_that_wants_money_is_asked_once(reply, tmp_path, caption_server):
    caption_server.replies["all"] = reply
    prepared(tmp_path, 4, caption="", pictures=True)
    with pytest.raises(UserError, match="wants to be paid first"):
        run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    assert len(caption_server.questions()) == 1


def test_a_pause_that_a_server_asks_for_is_told_once_and_kept_by_all(
    tmp_path, caption_server, capsys, monkeypatch
):
    """A minute of silence looked like a program that hangs."""
    naps = []
    monkeypatch.setattr(connection.time, "sleep", naps.append)
    caption_server.replies = {0: (429, {"error": {"message": "slow down"}}, {"Retry-After": 57})}
    prepared(tmp_path, 2, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    said = capsys.readouterr().out
    assert said.count("waiting 57 seconds") == 1
    assert "429: slow down" in said
    assert 57 in naps
    # the next requests keep the pause too
    assert 50 < naps[-1] < 57


def test_a_server_that_wants_hours_is_not_waited_for(tmp_path, caption_server):
    caption_server.replies["all"] = (429, "daily limit", {"Retry-After": 7200})
    prepared(tmp_path, 2, caption="", pictures=True)
    with pytest.raises(UserError, match="7,200 seconds .429: daily limit.: run the same command"):
        run_main(tmp_path, captioner=caption_server.url, batch_size=1)


@pytest.mark.parametrize(
    "told, seconds",
    [(None, None), ("", None), ("7", 7), ("1.5", 1.5), ("-3", 0), ("nan", 0), ("soon", None)],
)
def test_retry_after_is_seconds_or_a_date(told, seconds):
    assert connection.read_retry_after(told) == seconds


def test_retry_after_may_be_a_date():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 85 < connection.read_retry_after(date) <= 90
    assert connection.read_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


GEMINI = [
    {
        "error": {
            "code": 429,
            "message": "You exceeded your current quota. Please retry in 48.2s.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "google.rpc.RetryInfo", "retryDelay": "48s"}],
        }
    }
]


def test_a_pause_that_stands_in_the_body_is_kept_and_told(
    tmp_path, caption_server, capsys, monkeypatch
):
    """Gemini states it there alone: four tries within 14 seconds ended the run, whose error quoted
    the whole list."""
    naps = []
    monkeypatch.setattr(connection.time, "sleep", naps.append)
    caption_server.replies = {0: (429, GEMINI, {"Retry-After": None})}
    collection = prepared(tmp_path, 2, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    said = capsys.readouterr().out
    assert said.count("waiting 48 seconds") == 1
    assert "(429: You exceeded your current quota. Please retry in 48.2s.)" in said
    assert 48.2 in naps
    assert all(row["caption"] for row in collection.read_metadata())


@pytest.mark.parametrize(
    "headers, text, seconds",
    [
        ({"Retry-After": "7"}, "try again in 20s", 7),
        ({"Retry-After": "soon"}, "try again in 20s", 20),
        ({"Retry-After-Ms": "1500"}, "try again in 20s", 1.5),
        ({}, "Rate limit reached. Please try again in 6m1.5s. Visit", 361.5),
        ({}, "Please try again in 120ms.", 0.12),
        ({}, "Please retry after 26 seconds.", 26),
        ({}, "Try again in 1h2m", 3720),
        ({}, "retry after 250 milliseconds", 0.25),
        ({}, json.dumps(GEMINI), 48.2),
        ({}, json.dumps({"error": json.dumps({"retryDelay": "48s"})}), 48),
        ({}, "retry after 5 more mistakes", None),
        ({}, "try again in 3 steps, within 20 seconds", None),
        ({}, "slow down", None),
    ],
)
def test_a_pause_is_read_wherever_it_stands(headers, text, seconds):
    assert connection.read_pause(headers, text) == (
        None if seconds is None else pytest.approx(seconds)
    )


def test_hours_that_stand_in_the_body_are_not_waited_for(tmp_path, caption_server):
    daily = (429, "daily limit, try again in 2h", {"Retry-After": None})
    caption_server.replies["all"] = daily
    prepared(tmp_path, 2, caption="", pictures=True)
    with pytest.raises(UserError, match="left alone for 7,200 seconds"):
        run_main(tmp_path, captioner=caption_server.url, batch_size=1)


def test_silence_is_told_while_the_list_of_models_is_awaited(
    tmp_path, caption_server, capsys, monkeypatch
):
    """A server that loads its model lets the list wait: up to 15 minutes passed without a word."""
    monkeypatch.setattr(endpoint, "TOLD_SILENCE", 0.1)
    caption_server.replies["models"] = lambda picture: time.sleep(0.5)
    collection = prepared(tmp_path, 2, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    assert "no answer from http://127.0.0.1" in capsys.readouterr().out
    assert {row["captioner"] for row in collection.read_metadata()} == {"tiny-vl"}


def test_a_silent_server_is_told(tmp_path, caption_server, capsys, monkeypatch):
    monkeypatch.setattr(endpoint, "TOLD_SILENCE", 0.1)
    caption_server.replies[0] = lambda picture: time.sleep(0.5)
    prepared(tmp_path, 2, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    assert "no answer from http://127.0.0.1" in capsys.readouterr().out


def test_a_busy_server_is_named_with_what_helps(tmp_path, caption_server):
    caption_server.replies["all"] = (429, "slow down")
    prepared(tmp_path, 3, caption="", pictures=True)
    with pytest.raises(UserError, match="smaller --batch-size"):
        run_main(tmp_path, captioner=caption_server.url, batch_size=2)
    with pytest.raises(UserError) as caught:
        run_main(tmp_path, captioner=caption_server.url, batch_size=1)
    assert "--batch-size" not in str(caught.value), "one request at a time is the least"


def test_a_key_that_no_header_can_carry_is_refused(tmp_path, caption_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-…")
    prepared(tmp_path, 2, caption="", pictures=True)
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        run_main(tmp_path, captioner=caption_server.url)


def test_a_damaged_picture_costs_itself(tmp_path, caption_server, capsys):
    collection = prepared(tmp_path, 3, caption="", pictures=True)
    picture = collection.resized / collection.read_metadata()[1]["filename"]
    picture.unlink()
    picture.mkdir()
    run_main(tmp_path, captioner=caption_server.url)
    assert "the picture cannot be read" in capsys.readouterr().out
    assert sum(bool(row["caption"]) for row in collection.read_metadata()) == 2


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


@pytest.mark.parametrize("recaption", [False, True])
def test_words_that_were_written_before_do_not_stand_for_code(tmp_path, caption_server, recaption):
    """A run with --caption-kind code asked nothing, and kept the sentences of the log as code."""
    collection = prepared(tmp_path, 3, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url)
    sentences = [row["caption"] for row in collection.read_metadata()]
    caption_server.replies["all"] = (200, chat("<h1>Log in</h1>"))
    for again in (recaption, True):
        run_main(tmp_path, captioner=caption_server.url, caption_kind="code", recaption=again)
        assert {row["caption"] for row in collection.read_metadata()} == {"<h1>Log in</h1>"}
        assert len(caption_server.questions()) == 6, "of either kind each picture is asked once"
    run_main(tmp_path, captioner=caption_server.url, caption_kind="words")
    assert [row["caption"] for row in collection.read_metadata()] == sentences
    assert len(caption_server.questions()) == 6


def test_half_a_character_in_an_answer_of_code_ends_no_run(tmp_path, caption_server):
    """No file of UTF-8 can hold it: each run on that picture ended in a traceback."""
    caption_server.replies["all"] = (200, chat("<p>caf\ud83d</p>"))
    collection = prepared(tmp_path, 2, caption="", pictures=True)
    run_main(tmp_path, captioner=caption_server.url, caption_kind="code")
    assert {row["caption"] for row in collection.read_metadata()} == {"<p>caf</p>"}


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


@pytest.mark.parametrize(
    "asked, path, model",
    [("models", "models", ""), ("all", "chat/completions", "tiny-vl")],
)
def test_a_server_that_has_moved_is_named_with_its_new_address(
    asked, path, model, tmp_path, caption_server
):
    """http:// of a service behind https:// was said to list no models: name one, which then was
    declined with the advice to mend what the server names."""
    location = {"Location": f"https://127.0.0.1:9/v1/{path}"}
    caption_server.replies[asked] = (301, "", location)
    prepared(tmp_path, 6, caption="", pictures=True)
    with pytest.raises(
        UserError, match=r"has moved to https://127\.0\.0\.1:9/v1 \(301\)"
    ) as caught:
        run_main(tmp_path, captioner=caption_server.url, captioner_model=model, batch_size=1)
    assert "--captioner https://127.0.0.1:9/v1" in str(caught.value)
    assert len(caption_server.asked) == 1


@pytest.mark.parametrize(
    "location", ["/login?next=models", "/v1/models/", "ftp://a/models", "https://[", "/\xff"]
)
def test_a_server_that_points_to_no_other_server_is_named_with_what_helps(
    location, tmp_path, caption_server
):
    """There is no address to give where it wants a person to sign in, or points to itself; one
    that nobody can read ended in a traceback."""
    caption_server.replies["models"] = (302, "", {"Location": location})
    prepared(tmp_path, 2, caption="", pictures=True)
    with pytest.raises(UserError, match="points to .* check the address") as caught:
        run_main(tmp_path, captioner=caption_server.url)
    assert "has moved" not in str(caught.value)
    assert str(caught.value).isprintable()


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


BUSY = (429, "slow down", {"Retry-After": 120})


@pytest.mark.parametrize("reply", [lambda picture: time.sleep(120), BUSY], ids=["slow", "busy"])
def test_ctrl_c_does_not_wait_for_a_slow_answer(reply, tmp_path, caption_server):
    """Ordinary threads are waited for at the end of a program, here as long as the server takes."""
    caption_server.replies["all"] = reply
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
    """SIGKILL of the real script, each time after some more pictures.

    The files of the collection are in the end those of a run that nothing disturbed.
    """
    count = 12 * kills
    whole = prepared(tmp_path / "whole", count, caption="", pictures=True)
    run_main(whole.data, captioner=caption_server.url)
    caption_server.asked.clear()
    caption_server.replies["all"] = lambda picture: time.sleep(0.02)
    data = tmp_path / "tried"
    collection = prepared(data, count, caption="", pictures=True)
    flags = ("--captioner", caption_server.url, "--batch-size", "3", "--data", str(data))
    log = data / "captions" / "engraving_generated.jsonl"
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
    assert not [path for path in data.rglob(".*") if path.suffix in (".partial", ".lock")]
    for kind in ("metadata", "train", "val", "quality"):
        assert getattr(collection, kind).read_bytes() == getattr(whole, kind).read_bytes()


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
