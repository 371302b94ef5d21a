"""Side information: named tables in one zstd frame of msgpack (SPEC, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack
import zstandard

from labelcodec.entropy.packing import decompress
from labelcodec.errors import CorruptError

MAX_BYTES = 1 << 26  # decompressed
MAX_PARTS = 64  # map entries in all
LEVEL = 19
GROUPS = ("crop", "labels")

Parts = Mapping[str, Mapping[str, bytes]]


def pack(parts: Parts) -> bytes:
    """Side information of the parts of each group."""
    packed = msgpack.packb({name: dict(group) for name, group in parts.items()})
    return zstandard.ZstdCompressor(level=LEVEL).compress(packed)


def unpack(data: bytes, where: str) -> Parts:
    """Inverse of `pack`: a map of byte strings for each of 'crop' and 'labels'.

    Raises:
        CorruptError: anything else, or above a limit.
    """
    try:
        size = zstandard.frame_content_size(data)
        if not 0 < size <= MAX_BYTES:
            raise CorruptError(f"{where}: side information of {size} bytes, at most {MAX_BYTES}")
        parts = _unpack_maps(decompress(data, size))
    except (zstandard.ZstdError, ValueError, msgpack.UnpackException) as error:
        raise CorruptError(f"{where}: broken side information: {error}") from None
    good = isinstance(parts, dict) and all(
        isinstance(parts.get(name), dict)
        and all(isinstance(value, bytes) for value in parts[name].values())
        for name in GROUPS
    )
    if not good:
        raise CorruptError(f"{where}: side information that is not two maps of byte strings")
    return dict(parts)


def _unpack_maps(packed: bytes) -> Any:
    """Maps and byte strings only: a list of empty ones would take 60 times its bytes."""
    left = MAX_PARTS

    def counted(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        nonlocal left
        left -= len(pairs) + 1
        if left < 0:
            raise ValueError(f"more than {MAX_PARTS} map entries")
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a map key that occurs twice")
        return dict(pairs)

    return msgpack.unpackb(
        packed,
        raw=False,
        object_pairs_hook=counted,
        max_map_len=MAX_PARTS,
        max_array_len=0,
        max_ext_len=0,
    )
