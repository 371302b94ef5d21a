"""Encoded images one behind the other in a temporary file, so that any of them is read at once."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.files.os_errors import naming


class UnpackedImages:
    """A temporary file of images, which the process that made it removes when it ends.

    Args:
        path: the file.
        start: (n + 1,) int64 position of each image, and the end of the last.
    """

    def __init__(self, path: Path, start: NDArray[np.int64]) -> None:
        self._path, self._start = path, start

    def read(self, item: int) -> bytes:
        """The bytes of an image.

        Raises:
            OSError: the file cannot be read.
        """
        with self._path.open("rb", 0) as file, naming(self._path):
            return os.pread(file.fileno(), self.size(item), int(self._start[item]))

    def size(self, item: int) -> int:
        """Number of bytes of an image; 0 where there is none."""
        return int(self._start[item + 1] - self._start[item])


def has_room(size: int) -> bool:
    """Whether the folder of temporary files has room for this many bytes, and as many besides."""
    return shutil.disk_usage(tempfile.gettempdir()).free > 2 * size


def unpack(images: Iterable[bytes], most: int, where: str) -> UnpackedImages:
    """Write images to a temporary file.

    Args:
        images: the bytes of each.
        most: largest number of bytes of all.
        where: the source, for error messages.

    Raises:
        MismatchError: there are more bytes.
        OSError: the file cannot be written.
    """
    fd, name = tempfile.mkstemp(prefix="labelcodec-", suffix=".images")
    path, maker = Path(name), os.getpid()

    def remove() -> None:
        if os.getpid() == maker:  # not in a forked worker
            path.unlink(missing_ok=True)

    lengths = [0]
    try:
        with os.fdopen(fd, "wb") as file, naming(path):
            for content in images:
                file.write(content)
                if file.tell() > most:
                    raise MismatchError(f"{where}: its images take far more than its files say")
                lengths.append(len(content))
    except BaseException:
        remove()
        raise
    unpacked = UnpackedImages(path, np.cumsum(lengths, dtype=np.int64))
    weakref.finalize(unpacked, remove)
    return unpacked
