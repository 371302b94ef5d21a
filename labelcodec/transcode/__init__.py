"""Conversion of label sets: dump to container, container to dump, codec to codec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelcodec.lazy import lazy_attributes

if TYPE_CHECKING:
    from labelcodec.transcode.decode_container import DecodeReport, decode
    from labelcodec.transcode.encode_batches import EncodeReport
    from labelcodec.transcode.encode_dump import encode
    from labelcodec.transcode.recode_container import recode

__all__ = ["DecodeReport", "EncodeReport", "decode", "encode", "recode"]

_MODULES = {
    "DecodeReport": "decode_container",
    "EncodeReport": "encode_batches",
    "decode": "decode_container",
    "encode": "encode_dump",
    "recode": "recode_container",
}


def __getattr__(name: str) -> Any:
    return lazy_attributes(__name__, _MODULES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
