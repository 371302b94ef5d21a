"""Description of a file elsewhere: its URL or file system, and how it is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote

from labelcodec.errors import ConfigError

Cache = Literal["file", "blocks"]
_SECRET = re.compile(r"(?<=://)[^/@]*@(?=[^/]*[/:])")


@dataclass(frozen=True, repr=False)
class RemoteFile:
    """A file elsewhere with its options; takes the place of a path of labels anywhere.

    Its text, in error messages and reports, is the URL without passwords and query.

    Attributes:
        url: its URL, such as https://, hf:// or s3://; with a file system its path there; with a
            file object its name.
        storage_options: options of the fsspec file system that opens it.
        cache: 'file' downloads it whole before it is read; 'blocks' keeps what was read on disk;
            None keeps nothing.
        filesystem: the fsspec file system that `url` is a path of.
        file: a binary Python file object, which is read instead.

    Raises:
        ConfigError: an unknown `cache`, or a `cache` of a file object.
    """

    url: str
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    cache: Cache | None = None
    filesystem: Any = None
    file: Any = None

    def __post_init__(self) -> None:
        if self.cache not in (None, "file", "blocks"):
            raise ConfigError(f"{self}: `cache` is 'file', 'blocks' or None, not {self.cache!r}")
        if self.file is not None and (self.cache or self.storage_options):
            raise ConfigError(f"{self}: an open file takes no `cache` and no `storage_options`")

    @property
    def protocol(self) -> str:
        """The protocol that opens it, in lower case: 'https', 'hf', 's3'."""
        return self.url.partition("://")[0].partition("::")[0].lower()

    @property
    def name(self) -> str:
        """The last part of its path."""
        return unquote(str(self).rstrip("/").rpartition("/")[2])

    def __repr__(self) -> str:
        return f"<RemoteFile {self}>"

    def __str__(self) -> str:
        if "://" not in self.url:
            return self.url
        shown = _SECRET.sub("", self.url)
        return shown.partition("?")[0] if self.protocol in ("http", "https") else shown
