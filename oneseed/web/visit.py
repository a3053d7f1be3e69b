"""One request as the gate sees it: what it asks, how its body arrives, and what became of it."""

import asyncio
import json
import secrets
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from oneseed.console.output import printable
from oneseed.web.storage import MIB

# takes what stands in the log
Log = Callable[[str], None]


@dataclass(frozen=True)
class RequestLimits:
    """What one request, and all of them together, may take."""

    # bytes of a body
    body: int = MIB
    # of an upload: a file of 10 MiB and what is around it
    upload: int = 10 * MIB + 256 * 1024
    # characters of an address, bytes of all headers
    address: int = 8192
    head: int = 32 * 1024
    # seconds until a body is here, an upload, and until the next piece of either
    body_seconds: float = 30
    upload_seconds: float = 180
    piece_seconds: float = 20
    # uploads being received at once
    uploads: int = 6
    # requests being answered at once: of all, and of one address that is not of this machine
    requests: int = 400
    requests_of_one: int = 200
    # what is still read of a body that is refused, so that its sender hears why: bytes, seconds
    drained: int = 64 * MIB
    drain_seconds: float = 5
    # wrong passwords of one address within so many seconds
    logins: int = 10
    login_seconds: float = 300


class RefusedError(Exception):
    """A request that is not answered, and why, in one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass
class Visit:
    """One request, and what became of it."""

    scope: Scope
    begin: float = field(default_factory=time.perf_counter)
    # of the answer; 0 while there is none
    status: int = 0
    # bytes of its body
    sent: int = 0
    is_done: bool = False

    def __post_init__(self) -> None:
        self.headers = Headers(scope=self.scope)
        self.method: str = self.scope["method"]
        self.path: str = self.scope["path"]
        self.query: str = self.scope["query_string"].decode("latin-1")
        self.client: str = (self.scope.get("client") or ("",))[0]
        self.arrived_at: str = str((self.scope.get("server") or ("",))[0])

    def drop_headers(self, *names: str) -> None:
        """The application does not hear of these."""
        dropped = {name.encode() for name in names}
        self.scope["headers"] = [one for one in self.scope["headers"] if one[0] not in dropped]
        self.headers = Headers(scope=self.scope)

    @property
    def has_body(self) -> bool:
        """Has the sender announced a body?"""
        return "content-length" in self.headers or "transfer-encoding" in self.headers

    def one_header(self, name: str) -> str:
        """A header, "" where it is not there; RefusedError where it stands there twice."""
        values = self.headers.getlist(name)
        if len(values) > 1:
            raise RefusedError(400, f"The header {name} may stand there once.")
        return values[0] if values else ""

    def line(self) -> str:
        """For the log: never the query, which is the visitor's own."""
        milliseconds = 1000 * (time.perf_counter() - self.begin)
        path = printable(self.path)[:300]
        method = printable(self.method)[:20]
        return f"{method} {path} {self.status} {milliseconds:.0f} ms {self.sent:,} bytes"

    def json_line(self) -> str:
        """The same for programs that read logs, as a JSON object."""
        facts = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "method": self.method[:20],
            "path": self.path[:300],
            "status": self.status,
            "milliseconds": round(1000 * (time.perf_counter() - self.begin), 1),
            "bytes": self.sent,
        }
        return json.dumps(facts)


@dataclass
class Arriving:
    """The body of a request, piece by piece, within its limits."""

    receive: Receive
    limits: RequestLimits
    # bytes that are taken
    most: int = 0
    # when all of it has to be here, on the clock of the event loop
    end: float = 0.0
    taken: int = 0
    is_complete: bool = False
    # has the sender gone?
    is_gone: bool = False
    # why the rest is not taken
    refusal: RefusedError | None = None
    # read already, for the application
    ready: list[Message] = field(default_factory=list)

    def begin(self, most: int, seconds: float) -> None:
        """Sets the limits: so many bytes within so many seconds."""
        self.most = most
        self.end = asyncio.get_running_loop().time() + seconds

    async def next(self) -> Message:
        """`receive` for the application. RefusedError where the body breaks a limit."""
        if self.ready:
            return self.ready.pop(0)
        if self.is_complete or self.is_gone:
            # the application waits for its visitor to leave
            return await self.receive()
        return await self.piece()

    async def piece(self) -> Message:
        """The next piece of the body."""
        left = self.end - asyncio.get_running_loop().time()
        try:
            wait = min(max(left, 0), self.limits.piece_seconds)
            message = await asyncio.wait_for(self.receive(), wait)
        except TimeoutError:
            raise self.refuse(408, "The body of this request came too slowly.") from None
        if message["type"] == "http.disconnect":
            self.is_gone = True
            return message
        self.taken += len(message.get("body", b""))
        self.is_complete = not message.get("more_body", False)
        if self.taken > self.most:
            raise self.refuse(413, too_large(self.most))
        return message

    def refuse(self, status: int, sentence: str) -> RefusedError:
        """Remembers why, for the application may swallow what it is told."""
        self.refusal = RefusedError(status, sentence)
        return self.refusal

    async def all(self) -> bytes:
        """The whole body; the application reads it again."""
        pieces = []
        while not (self.is_complete or self.is_gone):
            message = await self.piece()
            pieces.append(message.get("body", b""))
        content = b"".join(pieces)
        if self.is_complete:
            self.ready = [{"type": "http.request", "body": content, "more_body": False}]
        return content

    async def drain(self) -> None:
        """Reads on for a while and throws it away: who is cut off while sending hears nothing."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.limits.drain_seconds
        most = self.taken + self.limits.drained
        while not (self.is_complete or self.is_gone) and self.taken <= most:
            try:
                message = await asyncio.wait_for(self.receive(), max(0, end - loop.time()))
            except TimeoutError:
                return
            self.is_gone = message["type"] == "http.disconnect"
            self.taken += len(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)


def too_large(most: int) -> str:
    """The sentence for a body above the limit, in bytes."""
    return f"This is too large: at most {most / MIB:.2g} MB are taken at once."


def incident(where: str, log: Log) -> RefusedError:
    """Writes the error that is being handled into the log, once, under a mark of its own.

    where: what was being done. Returns what the visitor is told.
    """
    mark = secrets.token_hex(4)
    trace = traceback.format_exc().rstrip()
    log(f"error {mark} at {time.strftime('%Y-%m-%d %H:%M:%S')}, {where}\n{trace}")
    return RefusedError(
        500,
        f"Something went wrong on the server, not with what you did; its log has it under {mark}.",
    )
