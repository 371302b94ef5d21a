"""The header's key `source`, checked: reading does not need it, converting does (SPEC, H-2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelcodec.errors import CorruptError
from labelcodec.header import Header

_TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "layout": ("a string", (str,)),
    "k": ("an integer", (int, type(None))),
    "types": ("a map", (dict,)),
    "lossy": ("a list of strings", (list,)),
}


def origin_of(header: Header, where: str) -> Mapping[str, Any]:
    """What the header says of the dump that the labels come from; empty for a live run.

    Args:
        header: the header of a label set.
        where: file name for error messages.

    Raises:
        CorruptError: an entry that converting uses has another type than SPEC, section 4.1, says.
    """
    origin = header.source or {}
    for key, (expected, types) in _TYPES.items():
        value = origin.get(key)
        fits = key not in origin or (isinstance(value, types) and not isinstance(value, bool))
        if not fits or (key == "lossy" and not all(isinstance(spec, str) for spec in value or ())):
            raise CorruptError(
                f"{where}: the header's 'source' says {key}={value!r}, expected {expected}; the "
                "labels do not depend on it and can be read, but not converted"
            )
    return origin
