"""A captioning server in a process of its own, which answers what a file says."""

import base64
import json
import multiprocessing
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.fuzzing.trials import end_with_parent

GOOD = {
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "An engraving of a lighthouse."},
            "finish_reason": "stop",
        }
    ]
}


class QuietServer(ThreadingHTTPServer):
    """A client that is ended by a limit of its trial is no news."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class AnsweringServer:
    """On a free port of 127.0.0.1. Its answer is in the file `answer`; without it the good one."""

    def __init__(self, answer: Path) -> None:
        self.answer = answer
        self.http = QuietServer(("127.0.0.1", 0), handler_of(answer))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=self.serve, daemon=True)
        self.process.start()
        self.http.socket.close()

    def serve(self) -> None:
        end_with_parent()
        self.http.serve_forever()

    def say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """The answer from now on. A status below 0 breaks the connection after the body."""
        coded = base64.b64encode(body).decode()
        told = {"status": status, "body": coded, "headers": headers or {}}
        partial = self.answer.with_suffix(".new")
        partial.write_text(json.dumps(told), "utf-8")
        os.replace(partial, self.answer)

    def say_good(self) -> None:
        self.answer.unlink(missing_ok=True)

    def close(self) -> None:
        self.process.terminate()
        self.process.join()


def handler_of(answer: Path) -> type[BaseHTTPRequestHandler]:
    """A handler that reads its answer from the file, each time."""

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            listed = {"object": "list", "data": [{"id": "tiny-vl"}]}
            self.send(200, json.dumps(listed).encode(), {})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            try:
                told: dict[str, Any] = json.loads(answer.read_text("utf-8"))
            except FileNotFoundError:
                self.send(200, json.dumps(GOOD).encode(), {})
                return
            self.send(told["status"], base64.b64decode(told["body"]), told["headers"])

        def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            broken = status < 0
            self.send_response(abs(status) or 200)
            for name, value in ({"Content-Length": str(len(body) + 9 * broken)} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            if broken:
                time.sleep(0.01)
                self.close_connection = True

        def log_message(self, *words: Any) -> None:
            pass

    return Answers
