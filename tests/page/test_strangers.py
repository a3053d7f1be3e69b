"""The page as strangers meet it: over HTTP, with a small fake in place of the model."""

import contextlib
import http.client
import json
import os
import re
import socket
import threading
import time
import uuid

import pytest

from gradio_demo import build_page, serve
from oneseed.config.demo import DemoConfig
from oneseed.console.command import UserError
from oneseed.web import server
from oneseed.web.server import listen, said_address, url_of
from tests.page.test_gradio_demo import Noise, Served, free_port

LIBRARY_WORDS = re.compile(
    r"pydantic|Traceback|validation error|NoneType|object is not|has no attribute|Error:|KeyError",
    re.IGNORECASE,
)
PNG_NAME = "plate.png"
HTML = b"<script>alert(1)</script>"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    page = Served(Noise(), tmp_path_factory.mktemp("page"))
    yield page
    page.close()


def ask(port, method, path, body=None, host="127.0.0.1", **headers):
    """-> (status, headers, body)."""
    connection = http.client.HTTPConnection(host, port, timeout=60)
    try:
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        told = answer.read()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, told
    finally:
        connection.close()


def send_json(port, path, value, **headers):
    return ask(port, "POST", path, json.dumps(value), Content_Type="application/json", **headers)


def upload(port, name, content, **headers):
    mark = uuid.uuid4().hex
    head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{mark}--\r\n".encode()
    kind = f"multipart/form-data; boundary={mark}"
    return ask(port, "POST", "/gradio_api/upload", body, Content_Type=kind, **headers)


def event(port, number, values, *, queued=True, **more):
    """Begins an event by its number, as a browser does -> what the page says of it."""
    session = uuid.uuid4().hex[:12]
    body = {"data": values, "fn_index": number, "session_hash": session, **more}
    path = "/gradio_api/queue/join" if queued else "/gradio_api/run/predict"
    status, _, told = send_json(port, path, body)
    if status == 200 and queued:
        told = ask(port, "GET", f"/gradio_api/queue/data?session_hash={session}")[2]
    return told.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://127.0.0.1:1/x.png",
        "/gradio_api/file=https://example.com/x.png",
        "/gradio_api/file=HTTP://127.0.0.1/",
        "/gradio_api/file=file:///etc/passwd",
        "/gradio_api/file=//127.0.0.1/x",
        "/gradio_api/file/https://example.com/x.png",
        "/gradio_api/proxy=https://a.hf.space/",
        "/gradio_api/custom_component/a/client/b/c",
        "/gradio_api/deep_link?session_hash=a",
        "/gradio_api/token",
        "/gradio_api/startup-events",
        "/gradio_api/dev/reload",
        "/gradio_api/runs",
        "/gradio_api/run-history/buckets",
        "/gradio_api/queue/data?session_hash=" + "x" * 65,
        "/gradio_api/queue/data?session_hash=a%20b",
        "/monitoring",
        "/docs",
        "/openapi.json",
        "/pwa_icon/99999",
        "/nothing",
    ],
)
def test_what_the_page_does_not_need_is_closed(served, path):
    """Gradio fetches from other hosts, resizes icons and keeps files on request, for anybody."""
    assert ask(served.port, "GET", path)[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/process_recording",
        "/gradio_api/component_server",
        "/gradio_api/vibe-edit",
        "/gradio_api/stream/abc",
        "/gradio_api/run-history/connect",
        "/",
        "/config",
        "/gradio_api/call/nothing",
        "/gradio_api/call/v2/nothing",
    ],
)
def test_nothing_can_be_sent_where_the_page_takes_nothing(served, path):
    body = {"data": [], "fn_index": 0}
    assert send_json(served.port, path, body)[0] in (404, 422)


def test_no_address_is_fetched(served, monkeypatch):
    """A file field may hold an address, and Gradio fetches it, from within the server's network."""
    from gradio import processing_utils

    fetched = []

    async def note(url, *more):
        fetched.append(url)
        raise ValueError("fetched")

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", note)
    monkeypatch.setattr(processing_utils, "async_ssrf_protected_get", note)
    address = "http://93.184.216.34/x.png"
    mark = {"_type": "gradio.FileData"}
    for value in (
        {"path": address, "meta": mark},
        {"path": address},
        {"url": address, "meta": mark},
        {"path": None, "url": address, "meta": mark},
        {"path": "x.png", "url": address, "meta": mark},
        {"image": {"path": address, "meta": mark}},
    ):
        for name, values in (("redraw", [value]), ("near", [value]), ("find", ["", value, 4])):
            kind, answer = served.raw(name, *values)
            assert kind == "error"
            assert not LIBRARY_WORDS.search(answer["error"]), answer
    assert fetched == []


ODD = [None, True, -1, "x", [], {}, {"a": 1}, {"path": "a\0b"}, {"path": "x" * 5000}, [[]]]


def test_odd_values_of_every_event_are_answered_in_a_sentence(served, capfd):
    """Select events without data and pictures that are texts told of Python, 40 lines each."""
    names = {"look", "saved", "marked", "read", "drawn", "check"}
    said = []
    for number, function in served.page.fns.items():
        if function.fn is None or function.fn.__name__ in names:
            continue
        odd = ODD if function.inputs else [None]
        for value in odd if os.environ.get("LONG") else odd[3:4]:
            values = [value] * len(function.inputs)
            said.append(event(served.port, number, values, queued=function.queue, event_data=None))
        data = {"index": "x"}
        said.append(event(served.port, number, [None], queued=function.queue, event_data=data))
    assert len(said) > 60
    assert [words for words in said if LIBRARY_WORDS.search(words)] == []
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "x",
        {"data": "x"},
        {"data": None},
        {"data": [None] * 65},
        {"data": [], "fn_index": 10**9},
        {"data": [], "fn_index": "0"},
        {"data": [], "fn_index": True},
        {"data": [], "fn_index": 0, "batched": True},
        {"data": [], "fn_index": 0, "trigger_id": "x"},
        {"data": [], "fn_index": 0, "session_hash": "x" * 65},
        {"data": [], "fn_index": 0, "session_hash": ["x"]},
        {"data": [], "fn_index": 0, "session_hash": "a\u0000b"},
    ],
)
def test_an_event_that_is_none_is_refused_before_anything_is_kept_of_it(served, body, capfd):
    """A name of a session had no limit, and was kept for ever."""
    held = len(served.page.app.state_holder.session_data)
    for path in ("/gradio_api/queue/join", "/gradio_api/call/generate", "/gradio_api/run/predict"):
        if "call" in path and isinstance(body, dict) and "fn_index" in body:
            continue
        status, _, told = send_json(served.port, path, body)
        assert status == 422
        assert json.loads(told)["detail"].endswith(".")
        assert not LIBRARY_WORDS.search(told.decode())
    assert len(served.page.app.state_holder.session_data) == held
    assert capfd.readouterr().err == ""


def test_an_unforeseen_error_of_the_model_is_told_without_its_words(tmp_path, capfd):
    class Broken(Noise):
        def generate_batch(self, *seeds, **more):
            raise RuntimeError("CUDA error at /home/anna/model.py")

    served = Served(Broken(), tmp_path)
    try:
        kind, answer = served.raw("generate", 7, "", "", 3, 0, 1)
        assert kind == "error"
        mark = re.search(r"its log has it under (\w+)\.", answer["error"])[1]
        assert "anna" not in json.dumps(answer)
        log = capfd.readouterr().err
        assert log.count(mark) == 1
        assert log.count("RuntimeError: CUDA error at /home/anna/model.py") == 1
    finally:
        served.close()


def test_html_under_the_name_of_a_picture_is_only_saved(served):
    for name in (PNG_NAME, "x.svg", "x.html", "x.json"):
        status, _, told = upload(served.port, name, HTML)
        assert status == 200
        path = json.loads(told)[0]
        status, headers, content = ask(served.port, "GET", f"/gradio_api/file={path}")
        assert (status, content) == (200, HTML)
        assert headers["content-type"] == "application/octet-stream"
        assert headers["content-disposition"].startswith("attachment")
        partly = ask(served.port, "GET", f"/gradio_api/file={path}", Range="bytes=0-30")[1]
        assert partly["content-type"] == "application/octet-stream"
        assert "host" not in partly


def test_uploads_together_stay_small_and_the_page_lives(served, monkeypatch):
    monkeypatch.setattr(served.page.gate.storage, "most_bytes", 3_000_000)
    for number in range(12):
        assert upload(served.port, f"{number}.png", bytes([number]) * 700_000)[0] == 200
    cache = served.folder / "cache"
    assert sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) <= 3_000_000
    assert served.client.predict("7", api_name="/generate")[1] == "An engraving of 7"


def test_a_body_of_many_megabytes_is_refused_and_its_sender_hears_it(served):
    body = b"x" * (20 * 2**20)
    for path in ("/gradio_api/call/generate", "/gradio_api/upload"):
        status, _, told = ask(served.port, "POST", path, body, Content_Type="application/json")
        assert status == 413
        assert b"This is too large: at most" in told


def test_no_answer_tells_of_versions_or_lets_another_site_in(served):
    for path in ("/", "/config", "/gradio_api/info", "/nothing", "/assets/nothing.js"):
        _, headers, _ = ask(served.port, "GET", path)
        assert "server" not in headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert not [name for name in headers if name.startswith("access-control")]
    stranger = {"Origin": "http://stranger.example"}
    status, headers, _ = ask(
        served.port, "OPTIONS", "/config", Access_Control_Request_Method="POST", **stranger
    )
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]
    page = ask(served.port, "GET", "/")[2].decode()
    assert not re.search(r'<(script|link|img)[^>]*(src|href)="https?:', page)


def test_with_a_password_everything_but_the_login_needs_it(tmp_path):
    served = Served(Noise(), tmp_path, auth="anna:se:cret", login=("anna", "se:cret"))
    try:
        for method, path in (
            ("GET", "/config"),
            ("GET", "/gradio_api/info"),
            ("GET", "/gradio_api/heartbeat/abc"),
            ("GET", "/gradio_api/app_id"),
            ("GET", "/gradio_api/queue/status"),
            ("GET", "/gradio_api/file=/etc/passwd"),
            ("POST", "/gradio_api/cancel"),
            ("POST", "/gradio_api/reset"),
            ("POST", "/gradio_api/upload"),
        ):
            assert ask(served.port, method, path)[0] == 401, path
        form = "application/x-www-form-urlencoded"
        status, headers, _ = ask(
            served.port, "POST", "/login", "username=anna&password=se:cret", Content_Type=form
        )
        assert status == 200
        cookie = headers["set-cookie"]
        assert "samesite=lax" in cookie.lower()
        assert "samesite=none" not in cookie.lower()
        assert "httponly" in cookie.lower()
        tried = [
            ask(served.port, "POST", "/login", "username=anna&password=x", Content_Type=form)[0]
            for _ in range(12)
        ]
        assert tried == [400] * 10 + [429] * 2
    finally:
        served.close()


# ---------------------------------------------------------------- the server


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.parametrize("host", ["::1", "[::1]", "::"])
def test_the_page_answers_on_ipv6(host, tmp_path, monkeypatch):
    """Gradio asks itself at a URL without brackets: httpx took the address for a port."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    port = free_port()
    try:
        page = serve(build_page(Noise(), data=str(tmp_path)), DemoConfig(host=host, port=port))
    except UserError as error:
        pytest.skip(str(error))
    try:
        assert ask(port, "GET", "/config", host="::1")[0] == 200
        stranger = ask(port, "GET", "/config", host="::1", Host=f"[::2]:{port}")
        assert stranger[0] == 421
        if host == "::":
            assert ask(port, "GET", "/config")[0] == 200
    finally:
        page.close(verbose=False)


def test_the_address_that_is_printed_can_be_clicked(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "studio")
    assert url_of("::1", 7860) == url_of("[::1]", 7860) == "http://[::1]:7860"
    assert said_address("127.0.0.1", 7860, None) == "http://127.0.0.1:7860"
    others = "here, http://studio:7860 from other machines"
    assert said_address("0.0.0.0", 7860, None) == f"http://127.0.0.1:7860 {others}"
    assert said_address("::", 7860, None) == f"http://[::1]:7860 {others}"
    link = "https://abc.gradio.live"
    assert said_address("127.0.0.1", 7860, link) == f"{link}, and here http://127.0.0.1:7860"


@pytest.mark.parametrize(
    "host, sentence",
    [
        ("nobody.invalid", "--host nobody.invalid is no address or name of this machine"),
        ("http://127.0.0.1", "--host http://127.0.0.1 is no address or name of this machine"),
        ("203.0.113.7", "give an address of this machine: .*--host 127.0.0.1"),
    ],
)
def test_a_host_of_no_use_is_refused_in_a_sentence(host, sentence):
    with pytest.raises(UserError, match=sentence):
        listen(host, free_port())


def test_who_never_finishes_a_request_is_cut_off(served, monkeypatch):
    """uvicorn waits for ever: some hundred such connections would hold the page's sockets."""
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    for begin in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "):
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(begin)
            began = time.monotonic()
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(100) == b""
            assert time.monotonic() - began < 8
    assert served.status("/config") == 200


def test_a_head_of_many_bytes_is_refused(served):
    status = ask(served.port, "GET", "/?" + "x" * 9000)[0]
    assert status == 414
    with contextlib.suppress(ConnectionError):
        assert ask(served.port, "GET", "/", X_Long="x" * 40_000)[0] == 431
    with contextlib.suppress(ConnectionError):
        assert ask(served.port, "GET", "/", X_Long="x" * 400_000)[0] in (400, 431)
    assert served.status("/config") == 200


def test_the_public_link_is_a_name_of_the_page_and_asks_no_other_host(tmp_path, monkeypatch):
    """Gradio's page for a public link loads its script from a host of its makers."""
    from gradio import networking

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(networking, "setup_tunnel", lambda *given: "http://abc.gradio.live")
    port = free_port()
    page = serve(build_page(Noise(), data=str(tmp_path)), DemoConfig(port=port, share=True))
    try:
        assert page.share_url == "https://abc.gradio.live"
        status, _, told = ask(port, "GET", "/", Host="abc.gradio.live")
        assert status == 200
        assert b'src="https:' not in told
        body = {"data": [], "fn_index": 10**9}
        origin = {"Host": "abc.gradio.live", "Origin": "https://abc.gradio.live"}
        assert send_json(port, "/gradio_api/queue/join", body, **origin)[0] == 422
        assert ask(port, "GET", "/", Host="other.gradio.live")[0] == 421
    finally:
        page.close(verbose=False)


def test_without_a_public_link_the_page_ends_in_a_sentence(tmp_path, monkeypatch):
    from gradio import networking

    def none(*given):
        raise RuntimeError("Could not get share link from Gradio API Server.")

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(networking, "setup_tunnel", none)
    port = free_port()
    with pytest.raises(UserError, match="no public link: .* leave --share out"):
        serve(build_page(Noise(), data=str(tmp_path)), DemoConfig(port=port, share=True))
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))


def test_three_hundred_joins_at_once_leave_a_page_that_answers(served):
    """Each that waits costs something; so most are told to come back."""
    joins = 300 if os.environ.get("LONG") else 60
    codes = []

    def join():
        try:
            body = {"data": ["7", "", "", 3, 0, 1]}
            codes.append(send_json(served.port, "/gradio_api/call/generate", body)[0])
        except OSError:
            codes.append(0)

    threads = [threading.Thread(target=join) for _ in range(joins)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) <= {200, 503}
    assert len(codes) == joins
    assert served.client.predict("7", api_name="/generate")[1] == "An engraving of 7"
