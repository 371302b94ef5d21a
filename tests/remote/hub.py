"""A stand-in for the Hub: the part of its interface that reading a file needs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.remote.server import Web

COMMITS = ("1" * 40, "2" * 40)
_RESOLVE = re.compile(
    r"/datasets/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)"
)
_API = re.compile(r"/api/datasets/(?P<repository>[^/]+/[^/]+?)(?P<rest>/.*)?")


@dataclass
class Hub:
    """Repositories on a `Web`, whose files lie on another host, as on its content servers.

    Attributes:
        revisions: commit by name.
        files: content by commit and path.
        token: that lets see the repository; None for a public one.
        resolved: revisions that were asked for.
    """

    revisions: dict[str, str]
    files: dict[str, dict[str, bytes]]
    token: str | None = None
    resolved: list[str] = field(default_factory=list)

    def web(self) -> Web:
        """The server of the stand-in."""
        stored = {
            f"/content/{commit}/{path}": content
            for commit, files in self.files.items()
            for path, content in files.items()
        }
        return Web(stored, extra=self._answer)

    def _answer(self, handler: BaseHTTPRequestHandler, web: Web) -> bool:
        path = handler.path.partition("?")[0]
        resolve, interface = _RESOLVE.fullmatch(path), _API.fullmatch(path)
        match = resolve or interface
        if match is None:
            return False
        is_seen = self.token in (None, (handler.headers["Authorization"] or "")[len("Bearer ") :])
        if match["repository"] != "org/name" or not is_seen:
            self._refuse(handler, 401, "RepoNotFound")
        elif resolve is not None:
            other_host = web.url.replace("127.0.0.1", "localhost")
            self._resolve(handler, resolve["revision"], resolve["path"], other_host)
        else:
            self._describe(handler, interface["rest"] or "")
        return True

    def _refuse(self, handler, status: int, code: str) -> None:
        handler.answer(status, b"", {"X-Error-Code": code, "X-Error-Message": code})

    def _resolve(self, handler, revision: str, path: str, host: str) -> None:
        self.resolved.append(revision)
        commit = self.revisions.get(revision, revision)
        if commit not in self.files:
            self._refuse(handler, 404, "RevisionNotFound")
        elif path not in self.files[commit]:
            self._refuse(handler, 404, "EntryNotFound")
        else:
            content = self.files[commit][path]
            headers = {
                "X-Repo-Commit": commit,
                "X-Linked-Size": str(len(content)),
                "X-Linked-Etag": f'"{hash(content):x}"',
                "ETag": f'"{hash(content):x}"',
                "Location": f"{host}/content/{commit}/{path}",
            }
            handler.answer(302, b"", headers)

    def _describe(self, handler, rest: str) -> None:
        revision = re.search(r"/(?:revision|tree)/([^/?]+)", rest)
        commit = self.revisions.get(revision[1], revision[1]) if revision else COMMITS[0]
        files = self.files[commit]
        if rest.startswith("/tree"):
            listed = [
                {"type": "file", "path": path, "size": len(content), "oid": "0"}
                for path, content in files.items()
            ]
            handler.answer(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})
            return
        facts = {
            "id": "org/name",
            "sha": commit,
            "private": False,
            "tags": [],
            "siblings": [{"rfilename": path} for path in files],
        }
        handler.answer(200, json.dumps(facts).encode(), {"Content-Type": "application/json"})
