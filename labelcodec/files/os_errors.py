"""Operating-system errors that name the file they are about."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Lets an OSError that names no file (full disk, failing read) leave with this one's name."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = os.fspath(path)
        raise


def unlisted(error: OSError) -> NoReturn:
    """`onerror` of os.walk, which would pass over a folder that it cannot list."""
    raise error
