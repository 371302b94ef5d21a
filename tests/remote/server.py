"""A web server of files in memory, which can be slow, busy, forgetful or wrong."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

Fault = str | None
_WHERE = {"garble": 0.5, "garble_first": 0.0, "garble_last": 1.0}  # share of the body before it


class Request(NamedTuple):
    """A request that was answered with bytes of a file."""

    method: str
    path: str
    range: str | None
    authorization: str | None
    sent: int


@dataclass
class Web:
    """What a server serves, and how.

    Attributes:
        files: content by path.
        ranges: whether it answers requests for ranges with them.
        etag: the ETag of a content; None for none.
        latency: seconds before each answer.
        faults: the fault of each request: 'drop', 'truncate', 'garble', 'garble_first',
            'garble_last', 'shift', 'short', a status, or None.
        headers: of busy answers.
        token: the only bearer token that is let in; None lets everyone in.
        requests: what was answered.
        connections: number of connections that were opened.
    """

    files: dict[str, bytes]
    ranges: bool = True
    etag: Callable[[bytes], str] | None = lambda content: f'"{hash(content):x}"'
    latency: float = 0.0
    faults: Callable[[], Fault] = lambda: None
    headers: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    requests: list[Request] = field(default_factory=list)
    extra: Callable[[BaseHTTPRequestHandler, Web], bool] = lambda handler, web: False
    url: str = ""

    @property
    def sent(self) -> int:
        """Bytes of bodies that were sent."""
        return sum(request.sent for request in self.requests)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        web = self.web
        time.sleep(web.latency)
        if web.token is not None and self.headers["Authorization"] != f"Bearer {web.token}":
            self.answer(401, b"")
            return
        if web.extra(self, web):
            return
        path = self.path.partition("?")[0]
        if path not in web.files:
            self.answer(404, b"")
            return
        fault = web.faults()
        if fault is not None and fault.isdecimal():
            self.answer(int(fault), b"busy", web.headers)
            return
        content = web.files[path]
        headers = {} if web.etag is None else {"ETag": web.etag(content)}
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or "")
        if not web.ranges or span is None:
            self.answer(200, content, headers, fault)
            return
        start, stop = int(span[1]), min(int(span[2]) + 1, len(content))
        if start >= len(content):
            self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        if fault == "shift":
            start, stop = max(start - 1, 0), stop - 1
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        end = (start + stop) // 2 if fault == "short" else stop
        self.answer(206, content[start:end], headers, fault)

    def answer(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        fault: Fault = None,
    ) -> None:
        if fault == "drop":
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            body = b""
        if fault == "truncate":
            body = body[: len(body) // 2]
            self.close_connection = True
        if fault in _WHERE and body:
            at = int(_WHERE[fault] * (len(body) - 1))
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        sent = len(body) if status < 300 else 0
        authorization = self.headers["Authorization"]
        self.web.requests.append(
            Request(self.command, self.path, self.headers["Range"], authorization, sent)
        )
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that went away is none."""


@contextmanager
def serving(web: Web) -> Iterator[Web]:
    """Serve until the block ends; `web.url` is the address."""
    handler = type("Handler", (_Handler,), {"web": web})
    server = _Server(("127.0.0.1", 0), handler)
    web.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
