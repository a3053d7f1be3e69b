"""Trials of the page: one served page, and requests that no browser sends."""

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from tests.fuzzing.harms import CONTROL_TEXT, NAMES, OTHER_KINDS, TEXTS, Rng, harm_value
from tests.fuzzing.material import RUN, encoded
from tests.fuzzing.place import Place, difference, needles
from tests.fuzzing.trials import Failure, limit_and_enter, named, run_script, traceback_group

ANSWER_SECONDS = 10.0
START_SECONDS = 60.0
PAGE_GROWTH_MAX_MIB = 300
# words of Python or of a library, which mean nothing to a visitor
PYTHON_WORDS = re.compile(
    r"Traceback|NoneType|not subscriptable|\w+Error\b|object has no|argument of type|"
    r"pydantic|list index|unhashable|invalid literal|<class '|site-packages"
)


@dataclass
class Answer:
    """status 0: none came. body: of an event stream all that came."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Page:
    """The page in a fork, on a port of its own."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.child = 0
        self.port = 0
        self.config: dict[str, Any] = {}
        self.info: dict[str, Any] = {}
        self.read_errors = 0
        self.first_kib = 0
        self.session = 0

    def start(self) -> None:
        """Serves the pristine run, and waits until it answers."""
        self.place.restore(RUN)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.child = os.fork()
        if self.child == 0:
            limit_and_enter(self.place, 24 * 3600)
            words = ("gradio_demo.py", "--port", str(self.port), "--device", "cpu")
            os._exit(run_script(words))
        begin = time.monotonic()
        while time.monotonic() - begin < START_SECONDS:
            time.sleep(0.2)
            answer = self.ask("GET", "/config")
            if answer.status == 200:
                break
        else:
            raise RuntimeError((self.place.root / "stderr").read_text("utf-8", "replace"))
        self.config = json.loads(answer.body)
        self.info = json.loads(self.ask("GET", "/gradio_api/info").body)
        # the first of each loads something
        for name in self.named():
            self.call(name, self.usual(name))
        self.read_errors = len(self.errors())
        self.first_kib = self.kib()

    def stop(self) -> None:
        if self.child:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            self.child = 0

    def errors(self) -> str:
        return (self.place.root / "stderr").read_text("utf-8", "backslashreplace")

    def kib(self) -> int:
        with open(f"/proc/{self.child}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024

    def is_running(self) -> bool:
        return bool(self.child) and os.waitpid(self.child, os.WNOHANG)[0] == 0

    def named(self) -> list[str]:
        return sorted(name.strip("/") for name in self.info["named_endpoints"])

    def usual(self, name: str) -> list[Any]:
        """Arguments of an endpoint that a client would send."""
        found = []
        for parameter in self.info["named_endpoints"][f"/{name}"]["parameters"]:
            value = parameter.get("parameter_default")
            if value is None:
                value = parameter.get("example_input")
            if isinstance(value, dict) and ("path" in value or "url" in value):
                coded = base64.b64encode(encoded(90)).decode()
                value = {"url": f"data:image/png;base64,{coded}", "path": None}
            found.append(value)
        return found

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
    ) -> Answer:
        """One request, and all of its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.putrequest(method, path, skip_host="Host" in (headers or {}))
            content = {"Content-Type": "application/json", "Content-Length": str(len(body or b""))}
            for key, value in ((content if body is not None else {}) | (headers or {})).items():
                connection.putheader(key, value.encode("latin-1", "replace"))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(2**25), dict(answer.getheaders()))
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, repr(error).encode())
        finally:
            connection.close()

    def call(self, name: str, data: Any) -> Answer:
        """An endpoint as a program calls it: the answer's events."""
        joined = self.ask("POST", f"/gradio_api/call/{name}", json.dumps({"data": data}).encode())
        try:
            ticket = json.loads(joined.body)["event_id"]
        except (ValueError, KeyError, TypeError):
            return joined
        return self.ask("GET", f"/gradio_api/call/{name}/{ticket}")

    def press(self, number: int, data: list[Any], event_data: Any) -> Answer:
        """A button as the page's own script presses it."""
        self.session += 1
        session = f"fuzz{self.session}"
        asked = {
            "fn_index": number,
            "data": data,
            "event_data": event_data,
            "session_hash": session,
            "trigger_id": None,
        }
        joined = self.ask("POST", "/gradio_api/queue/join", json.dumps(asked).encode())
        if joined.status != 200:
            return joined
        return self.ask("GET", f"/gradio_api/queue/data?session_hash={session}")


def page_trial(page: Page, seed: int, rng: Rng) -> list[Failure]:
    """One request of any sort -> the promises that it broke."""
    if not page.is_running():
        page.child = 0
        page.start()
    place = page.place
    around = place.around()
    begin = time.monotonic()
    sorts = (named_call, named_call, pressed, pressed, plain_path, odd_request, upload)
    done, answer = rng.choice(sorts)(page, rng)
    seconds = time.monotonic() - begin
    problems = list(broken_by_answer(page, answer, seconds))
    if place.around() != around:
        problems.append(named("touches what lies outside", difference(around, place.around())))
    if not page.is_running():
        page.child = 0
        problems.append(named("the page ended", page.errors()[-200:]))
    return [Failure("page", seed, done, problem, group) for group, problem in problems]


def broken_by_answer(page: Page, answer: Answer, seconds: float) -> Any:
    """What every answer keeps."""
    text = answer.body.decode("utf-8", "replace")
    if seconds > ANSWER_SECONDS:
        yield named("page: slow", f"{seconds:.1f} s for an answer")
    if answer.status >= 500:
        yield named("page: status", f"{answer.status} {text[:150]!r}")
    is_event = answer.headers.get("content-type", "").startswith(("text/event", "application/json"))
    if (answer.status >= 400 or is_event) and (found := PYTHON_WORDS.search(text)):
        yield named("page: Python's words", text[max(0, found.start() - 60) :][:160])
    if any(needle in answer.body for needle in needles(page.place.guard)):
        yield named("page: tells of a guarded file", text[:150])
    errors = page.errors()
    new = errors[page.read_errors :]
    page.read_errors = len(errors)
    if "Traceback (most recent call last)" in new:
        group, problem = traceback_group(new)
        yield f"page's log, {group}", problem
    elif len(new.splitlines()) > 5:
        yield named("page: many lines in the log", new[:200])
    grown = (page.kib() - page.first_kib) / 1024 if page.is_running() else 0
    if grown > PAGE_GROWTH_MAX_MIB:
        page.first_kib = page.kib()
        yield named("page: memory", f"{grown:.0f} MiB more")


def hostile_file(rng: Rng, place: Place) -> dict[str, Any]:
    """A file as a client names one."""
    root = str(place.root)
    path = rng.choice(
        (f"{root}/guard/secret.png", f"{place.work}/checkpoints/best_model.pt", *NAMES)
    ).replace("{root}", root)
    url = rng.choice(("http://127.0.0.1:9/x.png", "file:///etc/passwd", "data:,x", None, path))
    return {"path": rng.choice((path, None)), "url": url, "meta": {"_type": "gradio.FileData"}}


def harm_data(rng: Rng, data: list[Any], place: Place) -> tuple[Any, str]:
    """Arguments with one of them harmed."""
    if data and rng.random() < 0.25:
        place_in = rng.randrange(len(data))
        data[place_in] = hostile_file(rng, place)
        return data, f"file {data[place_in]} at {place_in}"
    if data and rng.random() < 0.3:
        place_in = rng.randrange(len(data))
        data[place_in] = rng.choice((*TEXTS, *OTHER_KINDS))
        return data, f"{str(data[place_in])[:40]!r} at {place_in}"
    return harm_value(rng, data, str(place.root))


def named_call(page: Page, rng: Rng) -> tuple[str, Answer]:
    name = rng.choice(page.named())
    data, done = harm_data(rng, page.usual(name), page.place)
    return f"/{name}: {done}", page.call(name, data)


def pressed(page: Page, rng: Rng) -> tuple[str, Answer]:
    """Any event of the page, also those that have no name."""
    events = [event for event in page.config["dependencies"] if event.get("backend_fn", True)]
    event = rng.choice(events)
    values = {part["id"]: part["props"].get("value") for part in page.config["components"]}
    data = [values.get(number) for number in event["inputs"]]
    data, done = harm_data(rng, data, page.place)
    event_data = rng.choice((None, None, {"index": 0, "value": "x"}, {}, *OTHER_KINDS))
    return f"event {event['id']}: {done}, {event_data!r}", page.press(event["id"], data, event_data)


def plain_path(page: Page, rng: Rng) -> tuple[str, Answer]:
    """Addresses of files and links."""
    place = page.place
    target = rng.choice((*NAMES, f"{place.work}/data/metadata/prints_metadata.json"))
    target = target.replace("{root}", str(place.root)).encode("utf-8", "replace").decode()
    before = rng.choice(
        (
            *("/gradio_api/file=", "/file=", "/static/", "/assets/", "/theme.css/", "/svelte/"),
            *("/?seed=", "/?tab=", "/?prompt=", "/?seed=7&style=", "/?guidance=", "//", "/"),
            *("/gradio_api/stream/", "/gradio_api/heartbeat/../", "/custom_component/", "/proxy="),
            *("/gradio_api/upload_progress?upload_id=", "/gradio_api/call/", "/login?next="),
        )
    )
    quoted = rng.choice((urllib.parse.quote(target), urllib.parse.quote(target, safe="")))
    path = before + quoted
    method = rng.choice(("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"))
    return f"{method} {path[:80]}", page.ask(method, path[:8000], seconds=4)


def odd_request(page: Page, rng: Rng) -> tuple[str, Answer]:
    """Bodies that are no JSON, odd headers, other hosts."""
    paths = ("/gradio_api/queue/join", "/gradio_api/call/generate", "/gradio_api/upload", "/login",
             "/gradio_api/run/generate", "/gradio_api/reset", "/gradio_api/component_server",
             "/gradio_api/cancel", "/gradio_api/queue/status", "/gradio_api/vibe-edit")  # fmt: skip
    path = rng.choice(paths)
    bodies = (
        *(b"", b"null", b"[]", b"{}", b"{", b"[" * 100_000, b"\xff\xfe", b"7", b'"x"', b"NaN"),
        *(b'{"data": null}', b'{"data": {}}', b'{"data": [1' + b",1" * 1000 + b"]}"),
        *(json.dumps({"data": [kind]}).encode() for kind in OTHER_KINDS[:9]),
        *(b'{"fn_index": -1, "data": []}', b'{"fn_index": 10000, "data": []}'),
        *(b'{"fn_index": 1e9, "data": [], "session_hash": "' + b"x" * 10_000 + b'"}',),
        *(b'{"data": [], "fn_index": 0, "session_hash": {}}', b'{"event_id": "x"}'),
    )
    body = rng.choice(bodies)
    header = rng.choice(
        (
            *(
                {},
                {},
                {"Content-Type": "text/plain"},
                {"Host": "evil.example"},
                {"Range": "bytes=x"},
            ),
            *({"Content-Type": "multipart/form-data"}, {"Cookie": CONTROL_TEXT.replace("\n", "")}),
            *({"X-Forwarded-Host": "evil.example"}, {"Origin": "http://evil.example"}),
            *({"Accept-Encoding": "x" * 5000}, {"X-Forwarded-Proto": "\x80"}),
        )
    )
    header = {key: re.sub("[\0-\x1f\x7f]", "?", value) for key, value in header.items()}
    answer = page.ask("POST", path, body, header, seconds=4)
    return f"POST {path} {body[:40]!r} {str(header)[:60]}", answer


def upload(page: Page, rng: Rng) -> tuple[str, Answer]:
    """A file with an odd name or content, which a picture's endpoint then reads."""
    name = rng.choice(NAMES).replace("{root}", str(page.place.root))
    content = rng.choice((encoded(91), encoded(91)[:50], b"", b"<html><script>", rng.randbytes(99)))
    quoted = re.sub(r'["\r\n\x00]', "_", name).encode("utf-8", "replace")
    head = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="' + quoted + b'"\r\n'
    body = head + b"Content-Type: image/png\r\n\r\n" + content + b"\r\n--edge--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=edge"}
    answer = page.ask("POST", "/gradio_api/upload", body, kind)
    done = f"upload {name[:40]!r} of {len(content)} bytes"
    try:
        (path,) = json.loads(answer.body)
    except (ValueError, TypeError):
        return done, answer
    endpoint = rng.choice(("redraw", "vary", "near", "restyle"))
    data = page.usual(endpoint)
    data[0] = {"path": path, "meta": {"_type": "gradio.FileData"}}
    return f"{done}, /{endpoint}", page.call(endpoint, data)
