"""A server that takes what the Hub's library sends: no more than sending a model needs."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Handler(BaseHTTPRequestHandler):
    """Keeps what arrives in its server."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.server.status != 200:
            self.answer({"error": "no"}, self.server.status)
            return
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            asked = json.loads(body)
            self.server.created.append(asked)
            self.answer({"url": f"{self.server.address}/{self.server.place}"})
        elif path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            names = [file["path"] for file in json.loads(body)["files"]]
            files = [
                {"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names
            ]
            self.answer({"files": files})
        elif path.endswith("/discussions"):
            self.answer({"num": 3})
        else:
            assert "/commit/" in path, path
            self.take(body)
            self.server.branch = path.rpartition("/commit/")[2]
            address = f"{self.server.address}/{self.server.place}"
            self.answer(
                {"commitUrl": f"{address}/commit/{COMMIT}", "commitOid": COMMIT, "hookOutput": ""}
            )

    def take(self, body):
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                value = entry["value"]
                self.server.files[value["path"]] = base64.b64decode(value["content"])

    def do_GET(self):
        if "/discussions/" not in self.path:
            self.answer({"sha": COMMIT, "id": "owner/name", "siblings": []})
            return
        self.answer(
            {
                "num": 3,
                "title": "A model",
                "author": {"name": "bert"},
                "createdAt": "2026-11-30T07:00:00.000Z",
                "status": "draft",
                "repo": {"name": "owner/name", "type": "model"},
                "isPullRequest": True,
                "events": [],
                "filesWithConflicts": [],
                "changes": {"base": "main"},
            }
        )

    def answer(self, value, status=200):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        """Says nothing."""


class HubServer(ThreadingHTTPServer):
    """Answers on a free port of this machine until it is closed."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        # status of every answer; what was created; files by name, and where they were sent
        self.status = 200
        self.created = []
        self.files = {}
        self.branch = ""
        # as addresses name it
        self.place = "owner/name"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()
