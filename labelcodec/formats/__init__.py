"""Dumps: directories of soft labels in the layouts of other projects, one module per layout."""

from labelcodec.formats.dump_io import open_dump, write_dump
from labelcodec.formats.interface import Dump, DumpInfo, Layout
from labelcodec.formats.registry import LAYOUTS, LayoutEntry

__all__ = ["LAYOUTS", "Dump", "DumpInfo", "Layout", "LayoutEntry", "open_dump", "write_dump"]
