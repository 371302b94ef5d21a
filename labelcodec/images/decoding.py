"""Decoding of image files and of their bytes, with errors that name the image."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.extras import needing_extra
from labelcodec.images.fast_jpeg import fast_levels

if TYPE_CHECKING:
    from PIL import Image

# How a complete file of a format begins and ends. Files that do not end so, or of other formats,
# are decoded.
_COMPLETE = {b"\xff\xd8": b"\xff\xd9", b"\x89PNG\r\n\x1a\n": b"IEND\xaeB`\x82"}
HEAD, TAIL = 8, 16  # bytes by which a complete file is known
MAX_SIDE = 65_535  # pixels, JPEG's limit; Pillow takes gigabytes for a header that says millions


def decode(file: Path | IO[bytes], where: str) -> Image.Image:
    """Decode an image.

    Args:
        file: its file, or a stream of its bytes.
        where: the image, for error messages.

    Returns:
        The image, RGB.

    Raises:
        MismatchError: it cannot be decoded, or has more than 8 bits per channel.
    """
    with _opened(file, where, "decoding images") as image:
        return image.convert("RGB")


def decode_levels(content: bytes, where: str) -> NDArray[np.uint8]:
    """Decode an image in memory, by the fastest decoder that gives Pillow's levels.

    Args:
        content: the image's file.
        where: the image, for error messages.

    Returns:
        (H, W, 3) uint8, perhaps read-only.

    Raises:
        MismatchError: as in `decode`.
    """
    with needing_extra("decoding images"):
        levels = fast_levels(content)
    return np.asarray(decode(io.BytesIO(content), where)) if levels is None else levels


def header_size(file: Path | IO[bytes], where: str) -> tuple[int, int]:
    """Height and width in pixels, read from the header; arguments and errors as in `decode`."""
    with _opened(file, where, "reading the sizes of images") as image:
        return image.height, image.width


def check_depth(mode: str, where: Path | str) -> None:
    """Refuse an image of more than 8 bits per channel, which Pillow turns white as RGB.

    Args:
        mode: Pillow's mode of the image.
        where: the image, for error messages.

    Raises:
        MismatchError: the image has more than 8 bits per channel.
    """
    if mode.startswith(("I", "F")):
        raise MismatchError(
            f"{where}: has more than 8 bits per pixel (mode {mode}): all above 255 would become "
            "white; convert it to 8 bits"
        )


def check_sides(size: tuple[int, int], where: Path | str) -> None:
    """Refuse an image whose header says more pixels than any image has.

    Args:
        size: width and height in pixels.
        where: the image, for error messages.

    Raises:
        MismatchError: a side is above 65 535 pixels.
    """
    if max(size) > MAX_SIDE:
        raise MismatchError(f"{where}: {_too_large(size)}")


def _too_large(size: tuple[int, int]) -> str:
    return f"is {size[1]} x {size[0]} pixels, sides of up to {MAX_SIDE} are read"


def is_complete(head: bytes, tail: bytes) -> bool:
    """Whether a file begins and ends as a whole JPEG or PNG file does.

    Args:
        head: its first `HEAD` bytes.
        tail: its last `TAIL` bytes.
    """
    end = tail.rstrip(b"\0")
    return any(head.startswith(magic) and end.endswith(last) for magic, last in _COMPLETE.items())


def problem_of(file: Path | IO[bytes]) -> str | None:
    """What Pillow has against an image, which it decodes; None if nothing.

    Raises:
        OSError: the file cannot be opened, or is not an image.
    """
    with needing_extra("checking images"):
        from PIL import Image

    try:
        with Image.open(file) as image:
            if max(image.size) > MAX_SIDE:
                return _too_large(image.size)
            image.load()
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return str(error)
    return None


def reason(error: BaseException) -> str:
    """What an error of Pillow or of the system says, without the name of the file."""
    text = getattr(error, "strerror", None) or str(error)
    return text.partition(" '")[0].partition(" <")[0]


@contextmanager
def _opened(file: Path | IO[bytes], where: str, what: str) -> Iterator[Image.Image]:
    with needing_extra(what):
        from PIL import Image

    try:
        with Image.open(file) as image:
            check_depth(image.mode, where)
            check_sides(image.size, where)
            yield image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MismatchError(f"{where}: cannot read this image ({reason(error)})") from error
