"""What a kind of image source implements: images by number, their bytes and their pixels."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.images.decoding import (
    HEAD,
    TAIL,
    decode,
    decode_levels,
    header_size,
    is_complete,
    problem_of,
    reason,
)

if TYPE_CHECKING:
    from PIL import Image


class ImageStore(ABC):
    """Images numbered 0..n-1 in the order in which they are stored.

    Stores are pickled to the workers of a loader; open files and maps stay behind.
    """

    @abstractmethod
    def where(self, item: int) -> str:
        """The image's name in error messages."""

    @abstractmethod
    def content_size(self, item: int) -> int:
        """Number of bytes of `content`.

        Raises:
            OSError: a file cannot be looked up.
        """

    @abstractmethod
    def content(self, item: int) -> bytes:
        """The image's encoded bytes, or else its pixels: (H, W, 3) uint8, row by row.

        Raises:
            LabelcodecError: it is damaged.
            OSError: a file cannot be read.
        """

    @abstractmethod
    def image(self, item: int) -> Image.Image:
        """The image, RGB.

        Raises:
            MismatchError: it is missing or damaged.
        """

    def pixels(self, item: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 image, perhaps read-only; errors as of `image`."""
        return np.asarray(self.image(item))

    @abstractmethod
    def size(self, item: int) -> tuple[int, int]:
        """Height and width in pixels; errors as of `image`."""

    @abstractmethod
    def problem(self, item: int) -> str | None:
        """What is wrong with the image; None if it can be read."""

    @abstractmethod
    def stamp(self, item: int) -> str:
        """Text that differs once the image's file has changed.

        Raises:
            OSError: the file cannot be looked up.
        """


class EncodedImages(ImageStore):
    """Images that are files of JPEG, PNG and the like inside other files."""

    def content_size(self, item: int) -> int:
        """As in `ImageStore`."""
        return len(self.content(item))

    def image(self, item: int) -> Image.Image:
        """As in `ImageStore`."""
        return decode(io.BytesIO(self.content(item)), self.where(item))

    def pixels(self, item: int) -> NDArray[np.uint8]:
        """As in `ImageStore`."""
        return decode_levels(self.content(item), self.where(item))

    def size(self, item: int) -> tuple[int, int]:
        """As in `ImageStore`."""
        return header_size(io.BytesIO(self.content(item)), self.where(item))

    def problem(self, item: int) -> str | None:
        """As in `ImageStore`."""
        try:
            content = self.content(item)
            if is_complete(content[:HEAD], content[-TAIL:]):
                return None
            return problem_of(io.BytesIO(content))
        except OSError as error:
            return reason(error)
        except MismatchError as error:
            return str(error).removeprefix(f"{self.where(item)}: ")


def file_stamp(path: Path) -> str:
    """Size and time of modification of a file."""
    status = path.stat()
    return f"{status.st_size}\0{status.st_mtime_ns}"
