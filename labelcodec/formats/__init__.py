"""Dumps: directories of soft labels in the layouts of other projects, one module per layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelcodec.lazy import lazy_attributes

if TYPE_CHECKING:
    from labelcodec.formats.dump_io import open_dump, write_dump
    from labelcodec.formats.interface import Dump, DumpInfo, Layout
    from labelcodec.formats.registry import LAYOUTS, LayoutEntry

__all__ = ["LAYOUTS", "Dump", "DumpInfo", "Layout", "LayoutEntry", "open_dump", "write_dump"]

_MODULES = {
    "LAYOUTS": "registry",
    "Dump": "interface",
    "DumpInfo": "interface",
    "Layout": "interface",
    "LayoutEntry": "registry",
    "open_dump": "dump_io",
    "write_dump": "dump_io",
}


def __getattr__(name: str) -> Any:
    return lazy_attributes(__name__, _MODULES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
