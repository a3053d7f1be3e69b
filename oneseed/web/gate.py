"""What stands between the network and an application: whoever sends something comes through here.

    site = Site(uploads=frozenset({"/upload"}))
    application = Gate(application, Hosts.of("127.0.0.1"), site)

An ASGI middleware around any application, the outermost one: it answers before the application does
(wrong names, foreign websites, bodies that are too large or too slow, too many at once), it dresses
every answer in the headers of `headers`, and it turns an error that nobody has foreseen into one
sentence with a mark that stands in the log too. Of the application it knows what `Site` says.
"""

import asyncio
import contextlib
import json
import re
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from oneseed.web.answer import Answer
from oneseed.web.hosts import Authority, Hosts, is_loopback, read_authority
from oneseed.web.storage import Storage
from oneseed.web.visit import (
    Arriving,
    Log,
    RefusedError,
    RequestLimits,
    Visit,
    incident,
    too_large,
)

# methods that change nothing
READING = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = READING | {"POST", "PUT", "PATCH", "DELETE"}
# in JSON: half of a letter, or the first half of a whole one; the first is no text
LONE_LETTER = re.compile(rb"\\u[dD][89a-fA-F]")
FOREIGN = "Other websites may not use this page."


@dataclass(frozen=True)
class Site:
    """What the gate has to know of the application behind it. Paths are as requests have them."""

    # method, path and query -> why there is no such thing here, "" where there is
    unknown: Callable[[str, str, str], str] = lambda method, path, query: ""
    # path and parsed JSON of a request -> why it cannot be answered, "" where it can
    wrong_body: Callable[[str, Any], str] = lambda path, body: ""
    # path and headers -> may this visitor come here?
    admits: Callable[[str, Headers], bool] = lambda path, headers: True
    uploads: frozenset[str] = frozenset()
    # where a body may be as large as an upload, though it is kept nowhere
    large: frozenset[str] = frozenset()
    logins: frozenset[str] = frozenset()
    # below these lie files of visitors; files of the application, which never change
    visitor_files: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    # scripts that the application puts into its page once that is shown
    scripts: tuple[str, ...] = ()
    # origins whose pages may show this one within a frame: "https://wiki.example.org"
    framed_by: tuple[str, ...] = ()
    # status -> what is answered in place of a plain text with this status
    sentences: Mapping[int, str] = field(default_factory=dict)


def to_stderr(text: str) -> None:
    """The log, where nobody has given another."""
    print(text, file=sys.stderr, flush=True)


class Gate:
    """The middleware; see the top of the file."""

    def __init__(  # noqa: PLR0913 - each keyword is one property of the gate
        self,
        app: ASGIApp,
        hosts: Hosts,
        site: Site,
        *,
        storage: Storage | None = None,
        limits: RequestLimits | None = None,
        log: Log = to_stderr,
        logs_requests: bool = False,
        logs_json: bool = False,
    ) -> None:
        """storage: of uploads. logs_requests: a line for each request; errors are always logged.

        logs_json: such a line is a JSON object.
        """
        self.app = app
        self.hosts = hosts
        self.site = site
        self.storage = storage
        self.limits = limits or RequestLimits()
        self.log = log
        self.logs_requests = logs_requests
        self.logs_json = logs_json
        self.open: Counter[str] = Counter()
        self.uploading = 0
        # address -> when a wrong password came from it
        self.wrong_logins: dict[str, deque[float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = Visit(scope)
        self.open[visit.client] += 1
        try:
            await self.answer(visit, receive, send)
        finally:
            self.open[visit.client] -= 1
            if not self.open[visit.client]:
                del self.open[visit.client]
            if self.logs_requests and not visit.path.startswith(self.site.assets):
                line = f"{time.strftime('%H:%M:%S')} {visit.line()}"
                self.log(visit.json_line() if self.logs_json else line)

    async def answer(self, visit: Visit, receive: Receive, send: Send) -> None:
        """The application's answer, or the gate's own."""
        arriving = Arriving(receive, self.limits)
        is_file = visit.path.startswith(self.site.visitor_files)
        is_asset = visit.path.startswith(self.site.assets)
        answer = Answer(
            visit,
            arriving,
            send,
            is_file=is_file,
            is_asset=is_asset,
            is_upload=visit.path in self.site.uploads,
            scripts=self.site.scripts,
            framed_by=self.site.framed_by,
            sentences=self.site.sentences,
        )
        if is_file:
            # for a part of a file Gradio sends the visitor's own headers back, cookies included
            visit.drop_headers("range", "if-range")
        try:
            self.check(visit)
            async with self.body_of(visit, arriving):
                await self.app(visit.scope, arriving.next, answer.take)
        except RefusedError as refused:
            await answer.refuse(refused)
        except Exception as error:
            # an HTTPException that comes here is of a stream whose subject is gone
            is_gone = arriving.is_gone or isinstance(error, HTTPException)
            sentence = RefusedError(404, "This is gone.") if is_gone else None
            refused = arriving.refusal or sentence or incident(visit.line(), self.log)
            await answer.refuse(refused)
        else:
            if refused := arriving.refusal or answer.replaced:
                await answer.refuse(refused)
        self.count_login(visit)

    # What is looked at before the application hears of a request

    def check(self, visit: Visit) -> None:
        """RefusedError for a request that does not reach the application."""
        if visit.method not in METHODS:
            raise RefusedError(405, "This method is not known here.")
        raw = visit.scope.get("raw_path") or visit.path.encode()
        if len(raw) + len(visit.query) > self.limits.address:
            raise RefusedError(414, "This address is too long.")
        if sum(len(name) + len(value) for name, value in visit.headers.raw) > self.limits.head:
            raise RefusedError(431, "The headers of this request are too long.")
        if "\0" in visit.path or not raw.startswith(b"/"):
            raise RefusedError(400, "This is no address of the page.")
        self.check_host(visit)
        self.check_crowd(visit)
        if reason := self.site.unknown(visit.method, visit.path, visit.query):
            raise RefusedError(404, reason)
        if visit.path in self.site.logins and self.is_guessing(visit):
            raise RefusedError(429, "Too many wrong passwords; wait some minutes.")
        if not self.site.admits(visit.path, visit.headers):
            raise RefusedError(401, "Log in first.")

    def check_host(self, visit: Visit) -> None:
        """Is it the page that is asked, and by the page?"""
        asked = self.asked_name(visit)
        scheme = visit.one_header("x-forwarded-proto").partition(",")[0].strip()
        scheme = scheme or str(visit.scope.get("scheme") or "http")
        origin = visit.one_header("origin")
        if origin and not self.hosts.takes_origin(origin, asked, scheme):
            raise RefusedError(403, FOREIGN)
        site = visit.one_header("sec-fetch-site")
        if site in ("", "same-origin", "none"):
            return
        is_visit = visit.headers.get("sec-fetch-mode") == "navigate"
        # of a frame the browser asks which websites may show it: frame-ancestors
        shown = (None, "document", "iframe") if self.site.framed_by else (None, "document")
        is_whole = visit.headers.get("sec-fetch-dest") in shown
        if not (visit.method in READING and is_visit and is_whole):
            raise RefusedError(403, FOREIGN)

    def asked_name(self, visit: Visit) -> Authority:
        """The name under which the request asks; RefusedError where it is none of the page's."""
        for header in ("host", "x-forwarded-host"):
            text = visit.one_header(header) if header in visit.headers else ""
            if header == "x-forwarded-host":
                text = text.partition(",")[0].strip()
                if not text:
                    continue
            authority = read_authority(text)
            if authority is None or not self.hosts.answers_to(authority, visit.arrived_at):
                advice = ""
                if authority is not None:
                    advice = f"; whoever started it can allow it with --allow-host {authority.name}"
                raise RefusedError(421, f"The page does not answer under this name{advice}.")
        if "x-gradio-server" in visit.headers:
            raise RefusedError(400, "The header x-gradio-server is not taken here.")
        asked = read_authority(visit.headers["host"])
        assert asked is not None, "checked above"
        return asked

    def check_crowd(self, visit: Visit) -> None:
        """Is there room for one more?"""
        too_many = self.open.total() > self.limits.requests
        is_far = not (visit.client and is_loopback(visit.client))
        if is_far and self.open[visit.client] > self.limits.requests_of_one:
            too_many = True
        if too_many:
            raise RefusedError(503, "Too many are here at once; try again in a minute.")

    def is_guessing(self, visit: Visit) -> bool:
        """Have too many wrong passwords come from this address?"""
        begin = time.monotonic() - self.limits.login_seconds
        for client in list(self.wrong_logins):
            tries = self.wrong_logins[client]
            while tries and tries[0] < begin:
                tries.popleft()
            if not tries:
                del self.wrong_logins[client]
        return len(self.wrong_logins.get(visit.client, ())) >= self.limits.logins

    def count_login(self, visit: Visit) -> None:
        """Remembers a wrong password."""
        if visit.path in self.site.logins and visit.method == "POST" and visit.status == 400:
            self.wrong_logins.setdefault(visit.client, deque()).append(time.monotonic())

    # Bodies

    @contextlib.asynccontextmanager
    async def body_of(self, visit: Visit, arriving: "Arriving") -> AsyncGenerator[None]:
        """Within the block the application reads a body that is within the limits."""
        is_upload = visit.path in self.site.uploads
        is_large = is_upload or visit.path in self.site.large
        limits = self.limits
        most = limits.upload if is_large else limits.body
        length = visit.one_header("content-length")
        if length and not (length.isascii() and length.isdecimal() and len(length) < 20):
            raise RefusedError(400, "The header content-length is no number.")
        if length and int(length) > most:
            raise RefusedError(413, too_large(most))
        arriving.begin(most, limits.upload_seconds if is_large else limits.body_seconds)
        if not is_large:
            await self.check_body(visit, arriving)
            yield
            return
        if self.uploading >= limits.uploads:
            raise RefusedError(503, "Too many files are on their way; try again in a minute.")
        self.uploading += 1
        try:
            if not is_upload:
                await self.check_body(visit, arriving)
            if not is_upload or self.storage is None:
                yield
                return
            with self.storage.room_for(int(length or most)):
                yield
        finally:
            self.uploading -= 1

    async def check_body(self, visit: Visit, arriving: "Arriving") -> None:
        """Reads the whole of a body that is no upload, and looks at it where it is JSON."""
        if not (visit.headers.get("content-length") or "transfer-encoding" in visit.headers):
            return
        content = await arriving.all()
        kind = visit.headers.get("content-type", "").partition(";")[0].strip().lower()
        if visit.method in READING or not content:
            return
        if kind == "application/json" or kind.endswith("+json"):
            try:
                value = json.loads(content)
                if LONE_LETTER.search(content):
                    json.dumps(value, ensure_ascii=False).encode()
            except (ValueError, RecursionError):
                raise RefusedError(400, "The body of this request is no JSON.") from None
            if reason := self.site.wrong_body(visit.path, value):
                raise RefusedError(422, reason)
        if self.storage and self.storage.is_due():
            await asyncio.to_thread(self.storage.tidy)
