"""An OpenAI-compatible server that tests ask for captions."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]


def chat(text: str, reason: str = "stop") -> dict[str, Any]:
    """The body of an answer that says `text`."""
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}]}


class CaptionServer:
    """Answers on a free port of 127.0.0.1, and remembers what it was asked.

    It calls a picture by its bytes' hash.
    replies: number of a question, counted from 0, or "all", or "models" -> what to answer instead:
    (status, body) or (status, body, headers), the body None for a broken connection, a header
    None for one that is not sent; or a function of the picture, b"" for "models", that may wait
    and returns that.
    asked: what came, as (path, headers, body). most: how many questions were open at once.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, Any]] = []
        self.replies: dict[int | str, Answer | Callable[[bytes], Answer | None]] = {}
        self.models = ["tiny-vl", "other"]
        self.now = 0
        self.most = 0
        self.lock = threading.Lock()
        handler = type("Handler", (Handler,), {"stub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        serve = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        serve.start()

    def questions(self) -> list[Any]:
        """Bodies of the questions so far."""
        return [body for path, _, body in self.asked if path == "/v1/chat/completions"]

    def answer(self, number: int, picture: bytes) -> Answer:
        """What the question of this number gets."""
        found = self.replies.get(number, self.replies.get("all"))
        if callable(found):
            found = found(picture)
        return found or (200, chat(f"An engraving of number {self.name(picture)}"))

    @staticmethod
    def picture(body: Any) -> bytes:
        """The PNG file that a question sent."""
        parts = body["messages"][-1]["content"]
        (part,) = [part for part in parts if part["type"] == "image_url"]
        head, _, data = part["image_url"]["url"].partition(",")
        assert head == "data:image/png;base64"
        return base64.b64decode(data)

    @staticmethod
    def name(picture: bytes) -> str:
        """What the server calls a picture."""
        return hashlib.sha256(picture).hexdigest()[:12]

    def close(self) -> None:
        """Stops answering."""
        self.server.shutdown()
        self.server.server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection to a CaptionServer."""

    protocol_version = "HTTP/1.1"
    stub: CaptionServer

    def do_GET(self) -> None:
        self.stub.asked.append((self.path, self.headers, None))
        if self.path != "/v1/models":
            self.reply(404, "no")
            return
        models = [{"id": name} for name in self.stub.models]
        listed = (200, {"object": "list", "data": models})
        found = self.stub.replies.get("models")
        if callable(found):
            found = found(b"")
        self.reply(*(found or listed))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.stub.lock:
            number = len(self.stub.questions())
            self.stub.asked.append((self.path, self.headers, body))
            self.stub.now += 1
            self.stub.most = max(self.stub.most, self.stub.now)
        try:
            self.reply(*self.stub.answer(number, self.stub.picture(body)))
        except BrokenPipeError:
            pass  # whoever asked was killed
        finally:
            with self.stub.lock:
                self.stub.now -= 1

    def reply(self, status: int, body: Any, headers: dict[str, Any] | None = None) -> None:
        if body is None:
            self.connection.close()
            return
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {
            "Content-Length": len(data),
            "Retry-After": 0,
            **(headers or {}),
        }.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words: Any) -> None:
        pass
