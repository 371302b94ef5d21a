"""A stand-in for the Hub: the part of its interface that an upload needs."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "3" * 40


@dataclass
class WritableHub:
    """One repository.

    Attributes:
        token: that may write.
        files: content by name.
        commits: summaries of the commits.
        private: whether it was created as private; None before.
    """

    token: str = "hf_writer"
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    private: bool | None = None
    url: str = ""

    def answer(self, path: str, body: bytes, token: str) -> tuple[int, Any]:
        if token != self.token:
            return 401, {"error": "Invalid username or password."}
        if path == "/api/repos/create":
            created = json.loads(body)
            self.private = created.get("visibility") == "private"
            name = f"{created['organization']}/{created['name']}"
            return 200, {"url": f"{self.url}/datasets/{name}", "name": name, "id": "1"}
        if "/preupload/" in path:
            names = [entry["path"] for entry in json.loads(body)["files"]]
            modes = [
                {"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names
            ]
            return 200, {"files": modes}
        if "/commit/" in path:
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "header":
                    self.commits.append(value["summary"])
                else:
                    self.files[value["path"]] = base64.b64decode(value["content"])
            url = f"{self.url}/datasets/org/name/commit/{COMMIT}"
            return 200, {"success": True, "commitOid": COMMIT, "commitUrl": url}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        listed = [{"type": "file", "path": name, "size": 1, "oid": "0"} for name in self.files]
        return 200, listed


@contextmanager
def serving(hub: WritableHub) -> Iterator[WritableHub]:
    """The stand-in on a port of this machine, whose address is its `url`."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
            status, content = hub.answer(self.path, body, token)
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
