"""The gate in front of the page, and of any other application: without a server or a model."""

import asyncio
import json
import re

import pytest

from oneseed.web.gate import Gate, Site
from oneseed.web.headers import script_source
from oneseed.web.hosts import Hosts
from oneseed.web.storage import Storage
from oneseed.web.visit import RequestLimits

HOST = (b"host", b"127.0.0.1:7860")
JSON = (b"content-type", b"application/json")
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 30
PAGE = b"<html><script>one()</script><script src='x.js'></script><script>two()\r\n</script></html>"


class Application:
    """Answers with what it got; paths have it do something else."""

    def __init__(self):
        self.bodies = []
        self.answers = {}
        self.gate = asyncio.Event()

    async def __call__(self, scope, receive, send):
        if scope["path"] == "/slow":
            await self.gate.wait()
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        if scope["path"] == "/broken":
            raise KeyError("/home/anna/secret")
        status, headers, text = self.answers.get(
            scope["path"], (200, {"content-type": "application/json"}, b"{}")
        )
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": text[:20], "more_body": True})
        await send({"type": "http.response.body", "body": text[20:]})
        if scope["path"].startswith("/broken-"):
            raise KeyError("later")


class Answered:
    def __init__(self, messages):
        self.status = messages[0]["status"]
        self.raw = messages[0]["headers"]
        self.headers = {name.decode(): value.decode() for name, value in self.raw}
        self.body = b"".join(part.get("body", b"") for part in messages[1:])
        self.is_whole = not messages[-1].get("more_body")

    @property
    def sentence(self):
        return json.loads(self.body)["detail"]


async def visit(gate, method="GET", path="/", headers=(), pieces=(), **more):
    """One request -> Answered. pieces: of its body; a number among them is a pause in seconds."""
    host = [] if any(name == b"host" for name, _ in headers) else [HOST]
    waiting = list(pieces)
    messages = []

    async def receive():
        while waiting and isinstance(waiting[0], int | float):
            await asyncio.sleep(waiting.pop(0))
        if not waiting:
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message):
        messages.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [*host, *headers],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 7860),
        "scheme": "http",
        **more,
    }
    await gate(scope, receive, send)
    return Answered(messages)


@pytest.fixture
def log():
    return []


@pytest.fixture
def gate(log):
    def make(limits=None, storage=None, logs_requests=False, **site):
        application = Application()
        made = Gate(
            application,
            Hosts.of("127.0.0.1"),
            Site(**site),
            limits=limits,
            storage=storage,
            log=log.append,
            logs_requests=logs_requests,
        )
        made.application = application
        return made

    return make


def ask(gate, *args, **more):
    return asyncio.run(visit(gate, *args, **more))


def post(gate, body, path="/", headers=(), **more):
    length = (b"content-length", str(len(body)).encode())
    return ask(gate, "POST", path, [JSON, length, *headers], [body], **more)


# ---------------------------------------------------------------- names and origins


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"stranger.example:7860")],
        [(b"host", b"")],
        [(b"host", b"127.0.0.1"), (b"host", b"stranger.example")],
        [(b"host", b"stranger.example"), (b"host", b"127.0.0.1")],
        [HOST, (b"x-forwarded-host", b"stranger.example")],
        [HOST, (b"x-forwarded-host", b"stranger.example, 127.0.0.1")],
        [HOST, (b"x-gradio-server", b"http://stranger.example")],
        [HOST, (b"origin", b"http://stranger.example")],
        [HOST, (b"origin", b"null")],
        [HOST, (b"origin", b"http://127.0.0.1:3000")],
        [HOST, (b"origin", b"http://127.0.0.1:7860"), (b"origin", b"http://stranger.example")],
        [HOST, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"no-cors")],
        [HOST, (b"sec-fetch-site", b"same-site"), (b"sec-fetch-mode", b"cors")],
        [
            HOST,
            (b"sec-fetch-site", b"cross-site"),
            (b"sec-fetch-mode", b"navigate"),
            (b"sec-fetch-dest", b"iframe"),
        ],
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_other_websites_reach_nothing(gate, headers, method):
    """DNS rebinding: the page read out its settings to any name, and drew for it."""
    made = gate()
    answer = ask(made, method, "/config", headers)
    assert answer.status in (400, 403, 421)
    assert made.application.bodies == []
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_request_without_a_host_is_refused(gate):
    assert asyncio.run(visit_without_host(gate())).status == 421


async def visit_without_host(made):
    messages = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        messages.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    await made(scope, receive, send)
    return Answered(messages)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"origin", b"http://127.0.0.1:7860")],
        [(b"origin", b"http://127.0.0.1:7860"), (b"sec-fetch-site", b"same-origin")],
        [(b"sec-fetch-site", b"none"), (b"sec-fetch-mode", b"navigate")],
        [(b"host", b"localhost:9000"), (b"origin", b"http://localhost:9000")],
        [(b"x-forwarded-host", b"localhost")],
    ],
)
def test_the_page_itself_and_programs_are_answered(gate, headers):
    assert ask(gate(), "POST", "/", headers).status == 200


def test_a_link_on_another_website_may_lead_here(gate):
    """Following a lasting link from a mail is no attack; posting from there is one."""
    headers = [
        (b"sec-fetch-site", b"cross-site"),
        (b"sec-fetch-mode", b"navigate"),
        (b"sec-fetch-dest", b"document"),
    ]
    assert ask(gate(), "GET", "/", headers).status == 200
    assert ask(gate(), "POST", "/", headers).status == 403


def test_a_refused_name_says_how_to_allow_it_and_repeats_nothing_odd(gate):
    answer = ask(gate(), headers=[(b"host", b"page.example.org:80")])
    assert "--allow-host page.example.org." in answer.sentence
    assert "script" not in ask(gate(), headers=[(b"host", b"<script>")]).sentence
    page = ask(gate(), headers=[(b"host", b"x.example"), (b"accept", b"text/html")])
    assert page.headers["content-type"].startswith("text/plain")


def test_a_websocket_is_closed(gate):
    sent = []

    async def main():
        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message["type"])

        await gate()({"type": "websocket", "path": "/", "headers": []}, receive, send)

    asyncio.run(main())
    assert sent == ["websocket.close"]


# ---------------------------------------------------------------- headers


def test_every_answer_is_dressed(gate):
    made = gate(unknown=lambda method, path, query: "Nothing." if path == "/none" else "")
    made.application.answers["/open"] = (
        200,
        {
            "content-type": "application/json",
            "access-control-allow-origin": "*",
            "access-control-allow-credentials": "true",
            "server": "uvicorn",
            "x-powered-by": "x",
        },
        b"{}",
    )
    for path in ("/", "/open", "/none", "/broken"):
        headers = ask(made, path=path).headers
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert not {"server", "x-powered-by"} & headers.keys()
        assert not [name for name in headers if name.startswith("access-control")]


def test_a_page_is_framed_by_nobody_but_those_who_are_named(gate):
    """The Hub shows a Space within a page of its own, which stayed grey once."""
    page = {"/": (200, {"content-type": "text/html"}, PAGE)}
    framing = [
        (b"sec-fetch-site", b"cross-site"),
        (b"sec-fetch-mode", b"navigate"),
        (b"sec-fetch-dest", b"iframe"),
    ]
    usual = gate()
    usual.application.answers = page
    assert ask(usual, headers=framing).status == 403
    named = gate(framed_by=("https://huggingface.co",))
    named.application.answers = page
    answered = ask(named, headers=framing)
    assert answered.status == 200
    assert "x-frame-options" not in answered.headers
    policy = answered.headers["content-security-policy"]
    assert "frame-ancestors https://huggingface.co" in policy.split("; ")
    # it may be looked at, not written to
    post = [(b"sec-fetch-site", b"cross-site"), (b"sec-fetch-dest", b"empty")]
    assert ask(named, "POST", headers=post).status == 403
    assert ask(named, headers=post).status == 403


def test_a_page_runs_its_own_scripts_alone(gate):
    """A script that is put into the page later, as onerror of an image, has no hash there."""
    made = gate(scripts=("three()",))
    made.application.answers["/"] = (200, {"content-type": "text/html; charset=utf-8"}, PAGE)
    answer = ask(made)
    policy = answer.headers["content-security-policy"]
    assert answer.body == PAGE
    for script in (b"one()", b"two()\n", b"three()"):
        assert script_source(script) in policy
    assert policy.count("sha256-") == 3
    assert "'unsafe-inline'" not in re.search("script-src[^;]*", policy)[0]
    assert not re.search("https?:", policy)


@pytest.mark.parametrize(
    "content, kind, way",
    [
        (PNG, "image/png", "inline"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 30, "image/jpeg", "inline"),
        (b"GIF89a" + b"\0" * 30, "image/gif", "inline"),
        (b"RIFF\0\0\0\0WEBP" + b"\0" * 30, "image/webp", "inline"),
        (b"<script>alert(1)</script>", "application/octet-stream", "attachment"),
        (b"<svg onload='alert(1)'/>", "application/octet-stream", "attachment"),
        (b"GIF8" + b"<script>", "application/octet-stream", "attachment"),
        (b"", "application/octet-stream", "attachment"),
    ],
)
def test_a_visitor_s_file_is_shown_only_where_it_is_a_picture(gate, content, kind, way):
    """HTML in a file named x.png came back inline, of the type that its name says."""
    made = gate(visitor_files=("/file=",))
    disposition = 'inline; filename="x.png"'
    made.application.answers["/file=x.png"] = (
        200,
        {"content-type": "image/png", "content-disposition": disposition},
        content,
    )
    answer = ask(made, path="/file=x.png")
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-disposition"] == f'{way}; filename="x.png"'
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.body == content


def test_a_part_of_a_file_is_not_asked_for(gate):
    """Gradio sent the request's own headers back with it, cookies and all."""
    made = gate(visitor_files=("/file=",))
    heard = []

    async def application(scope, receive, send):
        heard.extend(name for name, _ in scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    made.app = application
    ask(made, path="/file=x.png", headers=[(b"range", b"bytes=0-3"), (b"if-range", b"x")])
    assert heard == [b"host"]


def test_cookies_stay_on_this_site(gate):
    made = gate()
    made.application.answers["/"] = (
        200,
        {"content-type": "application/json", "set-cookie": "a=b; SameSite=none; Secure; Path=/"},
        b"{}",
    )
    assert ask(made).headers["set-cookie"] == "a=b; Secure; Path=/; HttpOnly; SameSite=Lax"


# ---------------------------------------------------------------- bodies

SMALL = RequestLimits(
    body=1000, upload=5000, body_seconds=0.3, upload_seconds=0.5, piece_seconds=0.2
)


@pytest.mark.parametrize(
    "headers, pieces, status",
    [
        ([(b"content-length", b"1001")], [b"x" * 1001], 413),
        # refused by what it announces, before any of it is here
        ([(b"content-length", b"1001")], [], 413),
        ([(b"content-length", b"1000")], [b"[" + b" " * 998 + b"]"], 200),
        ([(b"transfer-encoding", b"chunked")], [b"x" * 400] * 3, 413),
        ([(b"content-length", b"5")], [b"x" * 400] * 3, 413),
        ([(b"content-length", b"-1")], [], 400),
        ([(b"content-length", b"1e3")], [], 400),
        ([(b"content-length", b"9" * 30)], [], 400),
        ([(b"content-length", b"2"), (b"content-length", b"3")], [b"{}"], 400),
        ([(b"transfer-encoding", b"chunked")], [b"[", 0.1, b" ", 0.1, b" ", 0.1, b" ", 0.1], 408),
        ([(b"transfer-encoding", b"chunked")], [b"[", 5, b"]"], 408),
    ],
)
def test_a_body_is_small_and_comes_soon(gate, headers, pieces, status):
    """50 MB of JSON were taken: 101 MB of memory; a body that never ended was waited for."""
    made = gate(SMALL)
    answer = ask(made, "POST", "/", [JSON, *headers], pieces)
    assert answer.status == status
    assert answer.is_whole
    assert len(made.application.bodies) == (status == 200)


@pytest.mark.parametrize(
    "pieces, status",
    [([b"x" * 1000] * 4, 200), ([b"x" * 1000] * 6, 413), ([b"x", 5, b"x"], 408)],
)
def test_an_upload_is_counted_while_it_comes(gate, tmp_path, pieces, status):
    storage = Storage(tmp_path, most_bytes=10_000)
    made = gate(SMALL, storage, uploads=frozenset({"/upload"}))
    answer = ask(made, "POST", "/upload", [(b"transfer-encoding", b"chunked")], pieces)
    assert answer.status == status
    assert storage.reserved == 0
    assert made.uploading == 0


@pytest.mark.parametrize(
    "body", [b"{", b"", b"x", b"\xff", b"[" * 100_000, b'["\\ud800"]', b'{"a":"\\uDfff"}'], ids=repr
)
def test_what_is_no_json_is_refused_in_a_sentence(gate, body):
    made = gate()
    answer = post(made, body)
    if body:
        assert (answer.status, answer.sentence) == (400, "The body of this request is no JSON.")
        assert made.application.bodies == []


def test_the_application_gets_the_body_as_it_was(gate):
    made = gate(wrong_body=lambda path, body: "No." if body == {"a": "no"} else "")
    assert post(made, b'{"a": "\\ud83d\\ude00"}').status == 200
    assert made.application.bodies == [b'{"a": "\\ud83d\\ude00"}']
    answer = post(made, b'{"a": "no"}')
    assert (answer.status, answer.sentence) == (422, "No.")


# ---------------------------------------------------------------- crowds and passwords


def test_too_many_at_once_are_sent_away_and_told_when_to_come_back(gate):
    made = gate(RequestLimits(requests=10, requests_of_one=4))

    async def main():
        far = {"client": ("192.168.0.9", 5000)}
        waiting = [asyncio.create_task(visit(made, path="/slow", **far)) for _ in range(4)]
        await asyncio.sleep(0)
        refused = await visit(made, **far)
        others = [asyncio.create_task(visit(made, path="/slow")) for _ in range(6)]
        await asyncio.sleep(0)
        all_refused = await visit(made)
        made.application.gate.set()
        return refused, all_refused, await asyncio.gather(*waiting, *others)

    refused, all_refused, answered = asyncio.run(main())
    assert (refused.status, all_refused.status) == (503, 503)
    assert refused.headers["retry-after"] == "10"
    assert [answer.status for answer in answered] == [200] * 10
    assert not made.open


def test_passwords_cannot_be_tried_without_end(gate):
    made = gate(RequestLimits(logins=3, login_seconds=0.2), logins=frozenset({"/login"}))
    made.application.answers["/login"] = (400, {"content-type": "application/json"}, b"{}")

    async def main():
        tried = [(await visit(made, "POST", "/login")).status for _ in range(5)]
        other = await visit(made, "POST", "/login", client=("192.168.0.9", 1))
        await asyncio.sleep(0.3)
        return tried, other.status, (await visit(made, "POST", "/login")).status

    assert asyncio.run(main()) == ([400, 400, 400, 429, 429], 400, 400)


def test_who_has_not_logged_in_gets_nothing(gate):
    made = gate(admits=lambda path, headers: path == "/" or "cookie" in headers)
    assert ask(made, path="/config").status == 401
    assert ask(made, path="/").status == 200
    assert ask(made, path="/config", headers=[(b"cookie", b"a=b")]).status == 200


# ---------------------------------------------------------------- words and the log


def test_an_unforeseen_error_is_one_sentence_and_once_in_the_log(gate, log):
    """Messages of Python reached visitors, and each such request wrote 40 lines."""
    answer = ask(gate(), path="/broken")
    assert answer.status == 500
    mark = re.search(r"its log has it under (\w+)\.", answer.sentence)[1]
    assert "KeyError" not in answer.sentence
    assert len(log) == 1
    assert log[0].startswith(f"error {mark} at ")
    assert log[0].count("Traceback") == 1
    assert "/home/anna/secret" in log[0]


def test_the_text_of_an_application_s_own_error_page_is_not_shown(gate, log):
    """Starlette sends "Internal Server Error" and raises then."""
    made = gate(sentences={404: "Nothing."})
    made.application.answers["/broken-text"] = (500, {"content-type": "text/plain"}, b"Internal")
    made.application.answers["/none"] = (404, {"content-type": "text/plain"}, b"Not Found: /x")
    assert "its log has it under" in ask(made, path="/broken-text").sentence
    assert len(log) == 1
    assert ask(made, path="/none").sentence == "Nothing."


def test_an_error_after_the_answer_ends_it(gate, log):
    answer = ask(gate(), path="/broken-later")
    assert (answer.status, answer.is_whole) == (200, True)
    assert log[0].count("KeyError: 'later'") == 1


def test_one_line_a_request_without_what_was_asked(gate, log):
    made = gate(logs_requests=True, assets=("/assets/",))
    ask(made, "GET", "/a\x1b[31m\u202eb", raw_path=b"/a", query_string=b"prompt=secret")
    ask(made, "GET", "/assets/x.js")
    ask(made, headers=[(b"host", b"stranger.example")])
    assert len(log) == 2
    assert re.fullmatch(r"\d\d:\d\d:\d\d GET /a\\x1b\[31m\\u202eb 200 \d+ ms 2 bytes", log[0]), log[
        0
    ]
    assert " GET / 421 " in log[1]
    quiet = gate()
    ask(quiet)
    assert len(log) == 2
