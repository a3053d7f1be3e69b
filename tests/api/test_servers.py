"""The API as a command, and beside the page in one application."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from oneseed.config.demo import DemoConfig
from oneseed.generation.batcher import Batcher
from oneseed.generation.cards import read_card
from tests.api.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
# runs `python -m oneseed.api` where an import of Gradio is an error
WITHOUT_GRADIO = """
import runpy, sys
sys.modules["gradio"] = sys.modules["gradio_client"] = None
runpy.run_module("oneseed.api", run_name="__main__", alter_sys=True)
"""
IN_HAND = 12


def in_hand(client):
    text = client.get("/metrics").text
    # the question itself is one
    return int(re.search(r"^oneseed_requests_in_hand (\d+)", text, re.M)[1]) - 1


def test_a_connection_that_rests_for_a_while_is_answered_again(serve_api):
    """uvicorn closes after 5 s; clients of a busy hour met "server disconnected", twice in 1,152.

    A load balancer keeps its connections far longer than that.
    """
    client = serve_api(lambda: None)
    port = client.base_url.port
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for pause in (0, 6):
            time.sleep(pause)
            connection.sendall(request)
            answer = b""
            while b"ok" not in answer:
                received = connection.recv(1000)
                assert received, "the server has closed the connection"
                answer += received


def exit_code(process, log):
    """Of a process that is to end. Where it does not, fails with what each of its threads does."""
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        process.wait(10)
        pytest.fail(log.read_text("utf-8"))


@pytest.fixture
def command(api_checkpoint, tmp_path):
    """command(flags): the API in a process of its own, ready -> (process, httpx.Client)."""
    running = []

    def start(*flags):
        port = free_port()
        line = ["--checkpoint", str(api_checkpoint), "--port", str(port), "--device", "cpu"]
        process = subprocess.Popen(
            [sys.executable, "-c", WITHOUT_GRADIO, *line, *flags],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=(tmp_path / "log").open("wb"),
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"},
        )
        running.append(process)
        assert process.stdout.readline() == f"API: http://127.0.0.1:{port}/docs\n"
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
        while client.get("/readyz").status_code != 200:
            time.sleep(0.05)
        return process, client

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_sigterm_answers_everything_in_hand_and_ends_with_0(command, tmp_path):
    """A deployment that restarts the server must not cost anybody an answer.

    In the same run: without Gradio, and a line of JSON for each request that keeps the prompt.
    """
    process, client = command("--patience", "3000", "--log")
    with ThreadPoolExecutor(IN_HAND) as pool:
        asked = [
            pool.submit(client.get, f"/v1/pairs/{seed}.png", params={"prompt": "two ships"})
            for seed in range(IN_HAND)
        ]
        while in_hand(client) < IN_HAND:
            assert not any(one.done() for one in asked), "they were to wait for others"
        process.send_signal(signal.SIGTERM)
        answers = [one.result(60) for one in asked]
    assert [answer.status_code for answer in answers] == [200] * IN_HAND
    assert exit_code(process, tmp_path / "log") == 0
    assert process.stdout.read() == ""
    log = (tmp_path / "log").read_text("utf-8")
    assert '"path": "/v1/pairs/7.png", "status": 200, "milliseconds": ' in log
    assert "ships" not in log
    assert "Traceback" not in log


def test_a_taken_port_is_one_sentence(api_checkpoint, serve_api, api_generator):
    port = serve_api(lambda: api_generator).base_url.port
    line = [sys.executable, "-m", "oneseed.api", "--checkpoint", str(api_checkpoint)]
    done = subprocess.run([*line, "--port", str(port)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert "the port is taken" in sentence
    assert "-m oneseed.api --port N" in sentence


def test_help_shows_examples_and_loads_nothing_heavy():
    line = [sys.executable, "-X", "importtime", "-m", "oneseed.api", "--help"]
    shown = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0
    assert "python -m oneseed.api --checkpoint base" in shown.stdout
    assert "--token-file" in shown.stdout
    assert not re.search(r"\| +(torch|gradio|fastapi)$", shown.stderr, re.M)


# ---- page and API in one application


@pytest.fixture(scope="module")
def both(api_generator, tmp_path_factory):
    """start(token, auth): a page with the API beside it -> (page, httpx.Client)."""
    from gradio_demo import build_page, serve
    from oneseed.api.service import Service

    pages = []

    def start(token="", auth="", patience=0.004):
        folder = tmp_path_factory.mktemp("page")
        os.environ["GRADIO_TEMP_DIR"] = str(folder / "cache")
        batcher = Batcher(2, patience=patience)
        service = Service(lambda: api_generator, batcher, token=token)
        page = build_page(lambda: api_generator, data=str(folder / "data"), batcher=batcher)
        port = free_port()
        pages.append(serve(page, DemoConfig(port=port, auth=auth), api=service))
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
        client.service = service
        return client

    yield start
    for page in pages:
        page.close(verbose=False)


def page_pair(client, seed):
    """What the page's own endpoint gives a program -> the bytes of the card."""
    data = {"data": [str(seed), "", "", 3, 0, 1]}
    ticket = client.post("/gradio_api/call/generate", json=data).json()["event_id"]
    stream = client.get(f"/gradio_api/call/generate/{ticket}").text
    assert "event: complete" in stream, stream
    path = re.search(r'"path": "([^"]+)"', stream)[1]
    return client.get(f"/gradio_api/file={path}").content


def test_page_and_api_stand_side_by_side_and_give_the_same_card(both, tmp_path):
    client = both()
    assert "gradio" in client.get("/").text.lower()
    for path in ("/healthz", "/readyz", "/metrics", "/v1/models", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200, path
    card = client.get("/v1/pairs/7.png").content
    assert page_pair(client, 7) == card
    (tmp_path / "card.png").write_bytes(card)
    assert read_card(tmp_path / "card.png")[1]["seed"] == 7
    # what the gate keeps shut stays shut
    for path in ("/gradio_api/startup-events", "/monitoring", "/gradio_api/proxy=http://a.example"):
        assert client.get(path).status_code == 404, path
    assert client.get("/v1/models", headers={"host": "stranger.example"}).status_code == 421
    large = {"content-type": "image/png"}
    assert client.post("/v1/captions", content=card, headers=large).status_code == 200
    refused = client.post("/v1/captions", content=b"x" * (11 * 2**20), headers=large)
    assert (refused.status_code, "too large" in refused.json()["detail"]) == (413, True)


def test_two_visitors_and_a_program_are_decoded_together(both):
    """The page drew one pair after another, whoever waited."""
    client = both(patience=30)
    sizes = client.service.batcher.sizes
    with ThreadPoolExecutor(2) as pool:
        first = [pool.submit(page_pair, client, seed) for seed in (3, 4)]
        assert all(one.result(60) for one in first)
        assert sizes == Counter({2: 1})
        mixed = [pool.submit(page_pair, client, 5), pool.submit(client.get, "/v1/pairs/6.png")]
        assert all(one.result(60) for one in mixed)
    assert sizes == Counter({2: 2})


def test_a_page_with_a_password_opens_its_api_to_nobody_else(both):
    """Beside a page that asks for a password, an open API would be a way around it."""
    client = both(auth="anna:secret")
    for path in ("/v1/pairs/7.png", "/v1/models", "/docs"):
        assert client.get(path).status_code == 401, path
    assert client.post("/v1/images/generations", json={}).status_code == 401
    assert client.get("/healthz").status_code == 200
    logged_in = client.post("/login", data={"username": "anna", "password": "secret"})
    assert logged_in.status_code == 200
    assert client.get("/v1/pairs/7.png").status_code == 200


def test_a_token_lets_programs_past_the_password_to_the_api_alone(both):
    client = both(auth="anna:secret", token="s3cret")
    bearer = {"authorization": "Bearer s3cret"}
    assert client.get("/v1/pairs/7.png").status_code == 401
    assert client.get("/v1/pairs/7.png", headers=bearer).status_code == 200
    assert client.get("/gradio_api/info", headers=bearer).status_code == 401
