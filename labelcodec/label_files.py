"""The files of a label set, here or elsewhere, by the names that a caller has for them."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelcodec.remote import Cache, Location, LocationLike, RemoteFile, as_location
from labelcodec.remote.location import is_in_filesystem


def files_of(
    paths: LocationLike | Sequence[LocationLike],
    storage_options: Mapping[str, Any] | None = None,
    cache: Cache | None = None,
) -> list[Location]:
    """The files of a label set; they are not opened. Arguments are as of `labelcodec.open`.

    Raises:
        FileNotFoundError: no file matches a glob pattern, or the list is empty.
    """
    if isinstance(paths, Sequence) and not isinstance(paths, str) and not is_in_filesystem(paths):
        if not paths:
            raise FileNotFoundError("an empty list of containers")
        return [as_location(path, storage_options, cache) for path in paths]
    location = as_location(paths, storage_options, cache)
    if isinstance(location, RemoteFile):
        return _matching(location)
    text = str(location)
    if os.path.exists(text) or not glob.has_magic(text):
        return [location]
    matches = sorted(glob.glob(text))
    if not matches:
        raise FileNotFoundError(f"no file matches {text!r}")
    return list(map(Path, matches))


def _matching(file: RemoteFile) -> list[Location]:
    from labelcodec.remote.globbing import is_pattern, matching

    return [*matching(file)] if is_pattern(file) else [file]
