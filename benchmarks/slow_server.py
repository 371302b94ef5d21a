"""A web server of one folder that is as far away as it is told, and as unreliable.

It runs in a process of its own. Each answer, and each new connection, takes a latency; faults are
drawn at random. GET /counts tells requests and bytes since the last time.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

FAULTS = ("drop", "429", "503", "truncate", "garble", "stale")
CHUNK = 1 << 20


class Handler(BaseHTTPRequestHandler):
    """Serves byte ranges of files, late."""

    protocol_version = "HTTP/1.1"
    folder: Path
    latency: float
    faults: float
    counts: dict[str, int]
    lock = Lock()
    random = random.Random(1)

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY
        time.sleep(self.latency)  # the handshake

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/counts":
            with self.lock:
                body = json.dumps(self.counts).encode()
                for name in self.counts:
                    self.counts[name] = 0
            self._send(200, {}, body)
            return
        time.sleep(self.latency)
        with self.lock:
            is_faulty = self.random.random() < self.faults
            fault = self.random.choice(FAULTS) if is_faulty else ""
            self.counts[fault or "good"] = self.counts.get(fault or "good", 0) + 1
        self._file(fault)

    def _file(self, fault: str) -> None:
        path = self.folder / Path(self.path).name
        size = path.stat().st_size
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        stop = min(last + 1, size)
        with path.open("rb", 0) as file:
            body = os.pread(file.fileno(), stop - first, first)
        headers = {"ETag": '"1"', "Content-Range": f"bytes {first}-{stop - 1}/{size}"}
        if fault == "drop":
            self.close_connection = True
            return
        if fault.isdecimal():
            self._send(int(fault), {}, b"busy")
            return
        if fault in ("garble", "stale"):
            at = self.random.randrange(len(body))
            body = body[:at] + bytes([body[at] ^ 0x10]) + body[at + 1 :]
            headers["ETag"] = '"2"' if fault == "stale" else '"1"'
        self._send(206, headers, body, len(body) // 2 if fault == "truncate" else None)

    def _send(
        self, status: int, headers: dict[str, str], body: bytes, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if cut is not None:
            body, self.close_connection = body[:cut], True
        self.wfile.write(body)
        with self.lock:
            self.counts["bytes"] += len(body)


class Server(ThreadingHTTPServer):
    """Handles each connection in a thread of its own."""

    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """A client that went away is none."""


@contextmanager
def running(folder: Path, latency: float, faults: float = 0.0) -> Iterator[str]:
    """The address of a server of `folder` in a process of its own."""
    command = [sys.executable, __file__, str(folder), str(latency), str(faults)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def counts(address: str) -> dict[str, Any]:
    """Requests by kind, and bytes, since the last call."""
    with urllib.request.urlopen(f"{address}/counts") as answer:
        counted: dict[str, Any] = json.load(answer)
    return counted


if __name__ == "__main__":
    Handler.folder, Handler.latency, Handler.faults = (
        Path(sys.argv[1]),
        float(sys.argv[2]),
        float(sys.argv[3]),
    )
    Handler.counts = {"bytes": 0}
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
