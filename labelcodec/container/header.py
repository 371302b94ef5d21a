"""Payload of the header record: a msgpack map, opaque to the container (SPEC, section 4.1)."""

from __future__ import annotations

from typing import Any, NoReturn

import msgpack

from labelcodec.container import layout
from labelcodec.errors import DataError, FormatError
from labelcodec.remote import Location


def encode_header(header: dict[str, Any]) -> bytes:
    """Serialize the header to msgpack; keys keep their order.

    Raises:
        DataError: a value that msgpack cannot hold, a key that is not a string, or more than 1 MiB.
    """
    try:
        payload = bytes(msgpack.packb(header))
        _unpack(payload)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"the header cannot be stored: {error}") from error
    if len(payload) > layout.limit(layout.HEADER):
        raise DataError(
            f"the header takes {len(payload)} bytes, at most "
            f"{layout.limit(layout.HEADER)} are allowed"
        )
    return payload


def decode_header(payload: bytes | memoryview, path: Location) -> dict[str, Any]:
    """Deserialize the header map.

    Args:
        payload: payload of the header record.
        path: the file, for error messages.

    Raises:
        FormatError: the payload is not one msgpack map with distinct string keys.
    """
    try:
        return _unpack(payload)
    except (ValueError, msgpack.UnpackException) as error:
        raise FormatError(
            f"{path}: byte {layout.PREAMBLE.size}: the header is not a msgpack map: "
            f"{str(error) or type(error).__name__}"
        ) from error


def _unpack(payload: bytes | memoryview) -> dict[str, Any]:
    header = msgpack.unpackb(
        payload,
        raw=False,
        strict_map_key=True,
        object_pairs_hook=_distinct,
        ext_hook=_refuse_extension,
        max_ext_len=0,
    )
    if not isinstance(header, dict):
        raise ValueError(f"it is a {type(header).__name__}")
    return header


def _distinct(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs) or not all(isinstance(key, str) for key in out):
        raise ValueError("map keys must be distinct strings")
    return out


def _refuse_extension(code: int, data: bytes) -> NoReturn:
    raise ValueError(f"msgpack extension {code}")
