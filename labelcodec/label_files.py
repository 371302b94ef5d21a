"""The files of a label set, here or elsewhere, by the names that a caller has for them."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from labelcodec.container.paths import missing_shards
from labelcodec.remote import Cache, Location, LocationLike, RemoteFile, as_location
from labelcodec.remote.location import is_in_filesystem

NAMED = 8  # missing shards that are named


def files_of(
    paths: LocationLike | Sequence[LocationLike],
    storage_options: Mapping[str, Any] | None = None,
    cache: Cache | None = None,
) -> list[Location]:
    """The files of a label set; they are not opened. Arguments are as of `labelcodec.open`.

    Raises:
        FileNotFoundError: no file matches a glob pattern, or the list is empty.
    """
    if is_list(paths):
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


def is_list(
    paths: LocationLike | Sequence[LocationLike],
) -> TypeGuard[Sequence[LocationLike]]:
    """Whether a caller names a list of files; a file system with a path is none."""
    is_sequence = isinstance(paths, Sequence) and not isinstance(paths, str)
    return is_sequence and not is_in_filesystem(paths)


def first_of(paths: LocationLike | Sequence[LocationLike]) -> Location:
    """The path, pattern or URL of a label set, or the first of a list; '' of an empty one."""
    return as_location(next(iter(paths), "") if is_list(paths) else paths)


def names_several(paths: LocationLike | Sequence[LocationLike]) -> bool:
    """Whether a caller names a list or a pattern, and not a single file."""
    return is_list(paths) or glob.has_magic(str(paths))


def missing_of(files: Sequence[Location]) -> str:
    """The shards that are missing between files of a label set, by the names of the files.

    Returns:
        Words such as '2 of 64 shards are missing: labels-3-of-64.slc, labels-9-of-64.slc'; '' if
        none is, or the names do not tell.
    """
    missing = missing_shards([file.name for file in files])
    if not missing:
        return ""
    world, count = len(missing) + len(files), len(missing)
    more = f" and {count - NAMED} more" if count > NAMED else ""
    verb = "is" if count == 1 else "are"
    return f"{count} of {world} shards {verb} missing: {', '.join(missing[:NAMED])}{more}"


def _matching(file: RemoteFile) -> list[Location]:
    from labelcodec.remote.globbing import is_pattern, matching

    return [*matching(file)] if is_pattern(file) else [file]
