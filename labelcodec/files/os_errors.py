"""Operating-system errors that name the file they concern."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Add `path` to an OSError that names no file, such as a full disk or a failed read."""
    try:
        yield
    except OSError as error:
        add_name(error, path)
        raise


def add_name(error: OSError, path: str | os.PathLike[str]) -> None:
    """Add `path` to an error that names no file."""
    if error.filename is None and error.errno is not None:
        error.filename = os.fspath(path)


def unlisted(error: OSError) -> NoReturn:
    """`onerror` for os.walk, which would otherwise skip folders that it cannot list."""
    raise error
