"""Glob patterns in URLs, for protocols that list their files."""

from __future__ import annotations

import re
from dataclasses import replace

from labelcodec.errors import RemoteError
from labelcodec.remote.filesystem_ranges import opened_filesystem, reporting
from labelcodec.remote.hub import listed_on_hub
from labelcodec.remote.remote_file import RemoteFile
from labelcodec.remote.retrying import retried

_MAGIC = re.compile(r"[*?[]")


def is_pattern(file: RemoteFile) -> bool:
    """Whether the path of a URL has *, ? or [; a ? of a web address begins its query."""
    if file.file is not None:
        return False
    if file.protocol in ("http", "https"):
        return "*" in file.url.partition("?")[0]
    return _MAGIC.search(file.url) is not None


def matching(file: RemoteFile) -> list[RemoteFile]:
    """The files that a pattern matches, sorted; a web server has to list them on a page.

    Raises:
        FileNotFoundError: there are none.
        RemoteError: the files cannot be listed.
    """
    if file.filesystem is None and file.url.startswith("hf://"):
        files = listed_on_hub(file)
    else:
        files = retried(lambda: _listed(file), file)
    if not files:
        raise FileNotFoundError(2, "no file matches", str(file))
    return files


def _listed(file: RemoteFile) -> list[RemoteFile]:
    filesystem, pattern = opened_filesystem(file)
    with reporting(file):
        try:
            paths = sorted(filesystem.glob(pattern))
        except NotImplementedError:
            raise RemoteError(f"{file}: {file.protocol}:// lists no files; name each") from None
        if file.filesystem is not None:
            return [replace(file, url=path) for path in paths]
        return [replace(file, url=filesystem.unstrip_protocol(path)) for path in paths]
