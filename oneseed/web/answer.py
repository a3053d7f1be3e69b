"""The answer to a request on its way out: dressed in headers, or replaced by a refusal."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from oneseed.web.headers import (
    BARE_POLICY,
    FILE_POLICY,
    SECURITY_HEADERS,
    one_site,
    page_policy,
    picture_type,
)
from oneseed.web.visit import Arriving, RefusedError, Visit

# seconds until somebody who was refused for the crowd may come again
RETRY_SECONDS = 10


@dataclass
class Answer:
    """Passes an application's answer on.

    A page is held back until it is whole, for its policy names its scripts; a visitor's file until
    its first bytes say what it is.
    """

    visit: Visit
    arriving: Arriving
    send: Send
    # is it a visitor's file, one of the application that never changes, or about an upload?
    is_file: bool = False
    is_asset: bool = False
    is_upload: bool = False
    # as a Site has them
    scripts: tuple[str, ...] = ()
    framed_by: tuple[str, ...] = ()
    sentences: Mapping[int, str] = field(default_factory=dict)
    # the text of an error that is about to be raised
    is_dropped: bool = False
    # in place of a text of the application's
    replaced: RefusedError | None = None
    held: list[Message] = field(default_factory=list)

    async def take(self, message: Message) -> None:
        """`send` for the application."""
        if self.arriving.refusal or self.is_dropped or self.replaced:
            return
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            kind = headers.get("content-type", "").partition(";")[0]
            status = message["status"]
            self.is_dropped = status == 500 and kind == "text/plain"
            if kind == "text/plain" and status >= 400 and status in self.sentences:
                self.replaced = RefusedError(status, self.sentences[status])
            if self.is_dropped or self.replaced:
                return
            self.dress(headers)
            is_page = kind == "text/html" and "content-encoding" not in headers
            if self.is_file or is_page:
                self.held = [message]
                return
        elif message["type"] == "http.response.body" and self.held:
            self.held.append(message)
            if self.is_file or not message.get("more_body"):
                await self.release()
            return
        await self.pass_on(message)

    async def release(self) -> None:
        """Sends what was held back."""
        held = self.held
        self.held = []
        start, *parts = held
        body = b"".join(part.get("body", b"") for part in parts)
        headers = MutableHeaders(raw=start["headers"])
        if not self.is_file:
            headers["content-security-policy"] = page_policy(body, self.scripts, self.framed_by)
        elif start["status"] < 400:
            settle_file(headers, body)
        for message in held:
            await self.pass_on(message)

    async def pass_on(self, message: Message) -> None:
        """Sends a message, and counts it."""
        if message["type"] == "http.response.start":
            self.visit.status = message["status"]
        elif message["type"] == "http.response.body":
            self.visit.sent += len(message.get("body", b""))
            self.visit.is_done = not message.get("more_body")
        await self.send(message)

    def dress(self, headers: MutableHeaders) -> None:
        """Adds what holds for every answer, and takes away what is nobody's business."""
        for name in {name for name in headers if name.startswith("access-control-")}:
            del headers[name]
        for name in ("server", "x-powered-by"):
            del headers[name]
        headers.update(SECURITY_HEADERS)
        if self.framed_by:
            # it cannot name a website; frame-ancestors can
            del headers["x-frame-options"]
        headers["content-security-policy"] = BARE_POLICY
        if not self.is_asset:
            headers.setdefault("cache-control", "no-store")
        cookies = headers.getlist("set-cookie")
        del headers["set-cookie"]
        for cookie in cookies:
            headers.append("set-cookie", one_site(cookie))

    async def refuse(self, refused: RefusedError) -> None:
        """Answers with the sentence, or ends an answer that has begun."""
        self.held = []
        visit = self.visit
        if visit.status:
            if not visit.is_done:
                await self.pass_on({"type": "http.response.body", "body": b""})
            return
        # Gradio shows what it is told of an upload as it stands
        is_read = self.is_upload or "text/html" in visit.headers.get("accept", "")
        text = refused.sentence if is_read else json.dumps({"detail": refused.sentence})
        body = text.encode()
        headers = MutableHeaders(raw=[])
        headers["content-type"] = "text/plain; charset=utf-8" if is_read else "application/json"
        headers["content-length"] = str(len(body))
        self.dress(headers)
        if refused.status in (429, 503):
            headers["retry-after"] = str(RETRY_SECONDS)
        if visit.has_body and not self.arriving.is_complete:
            headers["connection"] = "close"
        start = {"type": "http.response.start", "status": refused.status, "headers": headers.raw}
        await self.pass_on(start)
        await self.pass_on({"type": "http.response.body", "body": body, "more_body": True})
        if visit.has_body:
            await self.arriving.drain()
        await self.pass_on({"type": "http.response.body", "body": b""})


def settle_file(headers: MutableHeaders, begin: bytes) -> None:
    """A visitor's file is shown where it is a picture; everything else is only saved."""
    kind = picture_type(begin)
    headers["content-type"] = kind or "application/octet-stream"
    headers["content-security-policy"] = FILE_POLICY
    name = headers.get("content-disposition", "").partition(";")[2]
    way = "inline" if kind else "attachment"
    headers["content-disposition"] = f"{way};{name}" if name else way
