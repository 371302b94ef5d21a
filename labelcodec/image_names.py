"""Image names as stored in a container (SPEC, section 3.7)."""

from __future__ import annotations

from collections.abc import Sequence

import zstandard

from labelcodec.entropy.packing import decompress
from labelcodec.errors import CorruptError, DataError

MAX_BYTES = 1 << 26  # decompressed
MAX_NAMES = 1 << 21
BYTES_PER_LABEL = 0.05  # cost up to which names are stored for error messages alone


def pack_names(names: Sequence[str]) -> bytes:
    """Serialize image names to the payload of the names section.

    Raises:
        DataError: a name that cannot be stored, or too many names.
    """
    if broken := next((name for name in names if "\n" in name), None):
        raise DataError(f"an image name with a line feed: {broken!r}")
    try:
        text = "\n".join(names).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"an image name that is not UTF-8: {error.object!r:.200}") from None
    if len(text) > MAX_BYTES or len(names) > MAX_NAMES:
        raise DataError(
            f"{len(names)} image names of {len(text)} bytes, at most {MAX_NAMES} of "
            f"{MAX_BYTES} bytes can be stored"
        )
    return bytes(zstandard.compress(text, 9))


def cheap(names: Sequence[str], labels: int) -> bool:
    """Whether names can be stored at a negligible cost per label in a file of `labels` labels."""
    try:
        return len(pack_names(names)) <= BYTES_PER_LABEL * labels
    except DataError:
        return False


def unpack_names(packed: bytes, where: str) -> tuple[str, ...]:
    """Deserialize the payload of a names section.

    Args:
        packed: the payload.
        where: file name for error messages.

    Raises:
        CorruptError: a malformed payload, or more names than can be stored.
    """
    try:
        size = zstandard.frame_content_size(packed)
    except zstandard.ZstdError as error:
        raise CorruptError(f"{where}: broken image names: {error}") from None
    if not 0 <= size <= MAX_BYTES:
        raise CorruptError(f"{where}: {size} bytes of image names")
    try:
        text = decompress(packed, size).decode("utf-8", "replace")
    except CorruptError as error:
        raise CorruptError(f"{where}: broken image names: {error}") from None
    if text.count("\n") >= MAX_NAMES:
        raise CorruptError(f"{where}: more than {MAX_NAMES} image names")
    return tuple(text.split("\n")) if text else ()
