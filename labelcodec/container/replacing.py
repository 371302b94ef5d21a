"""Files that are there when they are whole: checkpoints, caches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from labelcodec.container.partial import publish
from labelcodec.errors import naming


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` once it is whole and on disk.

    Until then it is `NAME.partial`. An error removes that; a killed process leaves it, to be
    overwritten by the next one.

    Raises:
        OSError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with naming(partial), partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        publish(partial, path, force=True)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
