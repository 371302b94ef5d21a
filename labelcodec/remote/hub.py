"""Files on the Hugging Face Hub: hf://[datasets/|spaces/]OWNER/NAME[@REVISION]/PATH."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, unquote

from labelcodec.errors import ConfigError, RemoteError
from labelcodec.extras import needing_extra
from labelcodec.remote.http_ranges import HttpRanges
from labelcodec.remote.local_copy import LocalCopy
from labelcodec.remote.remote_file import RemoteFile
from labelcodec.remote.retrying import Transient, retried

SMALL = 32 << 20  # bytes; files up to here are downloaded into the Hub's cache
_ADDRESS = re.compile(
    r"hf://(?:(?P<kind>datasets|spaces|models)/|(?!datasets/|spaces/|models/))"
    r"(?P<repository>[^/@]+/[^/@]+)"
    r"(?:@(?P<revision>refs/[^/]+/[^/]+|[^/]+))?/(?P<path>.+)"
)
_OPTIONS = {"token", "endpoint"}
_BUSY = 429
T = TypeVar("T")


@dataclass(frozen=True)
class HubAddress:
    """A file of a repository on the Hub.

    Attributes:
        kind: 'dataset', 'space' or 'model'.
        repository: OWNER/NAME.
        revision: branch, tag or commit; None for the default branch.
        path: path of the file in the repository.
    """

    kind: str
    repository: str
    revision: str | None
    path: str

    @classmethod
    def of(cls, file: RemoteFile) -> HubAddress:
        """The address that a URL is.

        Raises:
            ConfigError: it is none, or has options of other file systems.
        """
        match = _ADDRESS.fullmatch(file.url)
        if match is None:
            raise ConfigError(
                f"{file}: is no address of a file on the Hub; expected "
                "hf://datasets/OWNER/NAME/FILE or hf://datasets/OWNER/NAME@REVISION/FILE"
            )
        if unknown := file.storage_options.keys() - _OPTIONS:
            raise ConfigError(
                f"{file}: `storage_options` of the Hub are token and endpoint, not {min(unknown)}"
            )
        revision = match["revision"] and unquote(match["revision"])
        kind = (match["kind"] or "models").removesuffix("s")
        return cls(kind, match["repository"], revision, match["path"])

    def url(self) -> str:
        """The address as a URL."""
        kind = "" if self.kind == "model" else f"{self.kind}s/"
        revision = "" if self.revision is None else f"@{quote(self.revision, safe='')}"
        return f"hf://{kind}{self.repository}{revision}/{self.path}"

    def arguments(self) -> dict[str, Any]:
        """Arguments of functions of huggingface_hub."""
        return {"repo_id": self.repository, "repo_type": self.kind, "revision": self.revision}


def open_on_hub(file: RemoteFile) -> LocalCopy | HttpRanges:
    """Open a file on the Hub; its revision is resolved to a commit, which is read from then on.

    Files up to `SMALL` bytes are downloaded into the Hub's own cache, and so are all with cache
    'file'. Without a connection, or in the Hub's offline mode, a copy in that cache is read.

    Args:
        file: the file, with an hf:// URL.

    Raises:
        FileNotFoundError: the repository has no such file.
        RemoteError: there is no such repository or revision, it is private, or the Hub cannot be
            reached.
    """
    hub = _Hub(file)
    resolved = retried(hub.resolved, file)
    if isinstance(resolved, LocalCopy):
        return resolved
    commit, size = resolved
    if file.cache == "file" or (size is not None and size <= SMALL):
        return retried(lambda: hub.downloaded(commit), file)
    return hub.ranges(commit)


def listed_on_hub(file: RemoteFile) -> list[RemoteFile]:
    """The files that a pattern on the Hub matches, all of one commit, sorted; errors as above."""
    hub = _Hub(file)
    return retried(hub.listed, file)


class _Hub:
    """Requests to the Hub for one file."""

    def __init__(self, file: RemoteFile) -> None:
        self._file, self._address = file, HubAddress.of(file)
        with needing_extra(f"{file}: reading from the Hub"):
            import huggingface_hub
        self._library: Any = huggingface_hub

    def resolved(self) -> LocalCopy | tuple[str, int | None]:
        """Commit and size of the file; or its copy, where the Hub cannot be reached."""
        from huggingface_hub.errors import OfflineModeIsEnabled

        try:
            facts = self._asking(
                lambda: self._library.get_hf_file_metadata(
                    self._resolve_url(self._address), token=self._token, endpoint=self._endpoint
                )
            )
        except OfflineModeIsEnabled:
            if (copy := self._cached()) is not None:
                return copy
            raise RemoteError(
                f"{self._file}: is not in the Hub's cache, and the Hub is in offline mode; unset "
                "HF_HUB_OFFLINE"
            ) from None
        except Transient:
            if (copy := self._cached()) is not None:
                return copy
            raise
        if not facts.commit_hash:
            raise RemoteError(f"{self._file}: the Hub does not name the commit of the file")
        return facts.commit_hash, facts.size

    def downloaded(self, commit: str) -> LocalCopy:
        """The copy in the Hub's cache, downloaded if it is not there yet."""
        path = self._download(self._address)  # by its name, which the cache then knows
        if _commit_of(path) != commit:  # the branch has moved on
            path = self._download(replace(self._address, revision=commit))
        return self._copy(path, commit)

    def _download(self, address: HubAddress) -> Path:
        path = self._asking(
            lambda: self._library.hf_hub_download(
                filename=address.path,
                token=self._token,
                endpoint=self._endpoint,
                **address.arguments(),
            )
        )
        return Path(path)

    def ranges(self, commit: str) -> HttpRanges:
        """The file of a commit, read by ranges."""
        address = replace(self._address, revision=commit)
        utilities: Any = import_module("huggingface_hub.utils")
        headers = utilities.build_hf_headers(token=self._token)
        return HttpRanges(self._pinned(commit), self._resolve_url(address), headers, commit)

    def listed(self) -> list[RemoteFile]:
        """Files that the pattern matches, of one commit."""
        interface = self._library.HfApi(endpoint=self._endpoint, token=self._token)
        address = self._address
        facts = self._asking(lambda: interface.repo_info(**address.arguments()))
        names = self._asking(
            lambda: interface.list_repo_files(**replace(address, revision=facts.sha).arguments())
        )
        matching = sorted(name for name in names if matches(name, address.path))
        return [
            replace(self._file, url=replace(address, revision=facts.sha, path=name).url())
            for name in matching
        ]

    @property
    def _token(self) -> Any:
        return self._file.storage_options.get("token")

    @property
    def _endpoint(self) -> str | None:
        return self._file.storage_options.get("endpoint")

    def _resolve_url(self, address: HubAddress) -> str:
        return str(
            self._library.hf_hub_url(
                filename=address.path, endpoint=self._endpoint, **address.arguments()
            )
        )

    def _pinned(self, commit: str) -> RemoteFile:
        return replace(self._file, url=replace(self._address, revision=commit).url())

    def _copy(self, path: Path, commit: str) -> LocalCopy:
        return LocalCopy(path, self._pinned(commit), (path.stat().st_size, commit))

    def _cached(self) -> LocalCopy | None:
        """The copy in the Hub's cache; None if there is none."""
        address = self._address
        path = self._library.try_to_load_from_cache(filename=address.path, **address.arguments())
        if not isinstance(path, str):
            return None
        return self._copy(Path(path), _commit_of(Path(path)))

    def _asking(self, request: Callable[[], T]) -> T:
        from huggingface_hub import errors

        try:
            return request()
        except errors.OfflineModeIsEnabled:
            raise
        except errors.RevisionNotFoundError:
            raise RemoteError(
                f"{self._file}: the repository has no such revision: it was deleted or misspelt; "
                "name a branch, tag or commit that it has"
            ) from None
        except errors.RepositoryNotFoundError:  # a gated one, too
            self._refused()
        except errors.LocalEntryNotFoundError as error:
            raise Transient(f"no answer of the Hub ({error})") from None
        except errors.EntryNotFoundError:
            raise FileNotFoundError(2, "no such file in the repository", str(self._file)) from None
        except Exception as error:  # of the HTTP library, which is another one in other releases
            status = getattr(getattr(error, "response", None), "status_code", None)
            if status in (401, 403):
                self._refused()
            if isinstance(status, int) and status != _BUSY and status < 500:
                raise RemoteError(f"{self._file}: the Hub answers with status {status}") from None
            raise Transient(f"no answer of the Hub ({error})") from None

    def _refused(self) -> NoReturn:
        raise RemoteError(
            f"{self._file}: there is no such repository, or it is private or gated: log in with "
            "`hf auth login` or set HF_TOKEN, and accept its terms on its page if it has some"
        ) from None


def _commit_of(path: Path) -> str:
    """The commit of a file in the Hub's cache, .../snapshots/COMMIT/PATH."""
    parts = path.parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts else ""


def matches(path: str, pattern: str) -> bool:
    """Whether a path matches a pattern, of which no * crosses a slash and ** is none."""
    from fnmatch import fnmatchcase

    parts, patterns = path.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))
